//! [`S3ErrorKind`], and the status, code and message of each kind.

use http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// The kind of an [`S3Error`](super::S3Error): one for each known answer of S3, and one for each case that a
        /// caller may want to distinguish.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum S3ErrorKind {
            $($(#[$doc])* $kind,)*
        }

        impl S3ErrorKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];
        }
    };
}

kinds! {
    // -- Request headers.
    /// An encryption header, or the query parameter of the same name, comes twice with different values.
    HeaderRepeated,
    /// An encryption header is longer than any valid value.
    HeaderTooLong,
    /// An encryption header is not printable ASCII.
    HeaderNotText,
    /// The request asks for SSE-C and another method.
    CustomerKeyConflict,
    /// The algorithm of SSE-C is not `AES256`.
    CustomerAlgorithm,
    /// The request asks for SSE-C without an algorithm.
    CustomerAlgorithmMissing,
    /// The request asks for SSE-C without a customer key.
    CustomerKeyMissing,
    /// The request asks for SSE-C without the MD5 of the customer key.
    CustomerKeyMd5Missing,
    /// The text of the customer key is not ASCII.
    CustomerKeyNotAscii,
    /// The text of the customer key decodes to no byte.
    CustomerKeyTooShort,
    /// The customer key for a new object is not 32 bytes long, or is all zeros.
    CustomerKeyInvalid,
    /// The MD5 is not that of the customer key.
    CustomerKeyMd5Mismatch,
    /// The method is not one of the three that S3 knows.
    MethodUnknown,
    /// The operation takes no method, because the method is already fixed.
    MethodNotSupported,
    /// A KMS key or an encryption context without `aws:kms` or `aws:kms:dsse`. In a bucket without encryption, also any
    /// other encryption header without a method.
    KmsWithoutMethod,
    /// SSE-KMS or DSSE-KMS without a KMS key, only in [`Profile::CephTests`](super::Profile::CephTests).
    KmsKeyIdMissing,
    /// The encryption context is not base64 of a JSON object of strings, or breaks a rule of encryption contexts.
    ContextInvalid,
    /// The bucket key header is neither `true` nor `false`.
    BucketKeyInvalid,

    // -- Permissions of the service.
    /// The request has a customer key and came over plain HTTP.
    CustomerKeyInsecure,
    /// The request concerns SSE-KMS or DSSE-KMS and came over plain HTTP.
    KmsInsecure,
    /// The bucket policy denies the request.
    PolicyDenied,
    /// The bucket blocks writes with SSE-C.
    CustomerKeyBlocked,
    /// The request concerns SSE-KMS or DSSE-KMS and is anonymous or signed with Signature Version 2.
    KmsUnsigned,
    /// The request copies an object onto itself and changes nothing.
    CopyOntoItself,

    // -- Stored objects.
    /// The object is SSE-C, and the request has no customer key.
    CustomerKeyRequired,
    /// The customer key is not the key with which the object was written.
    CustomerKeyWrong,
    /// The request has a customer key for an object that is not SSE-C.
    CustomerKeyNotApplicable,
    /// The upload has a customer key and the part has none, or the part has one and the upload has none, or the request
    /// names an encryption for an unencrypted upload.
    PartEncryption,
    /// The customer key is not that of the upload, or not that of the source of a copy.
    CustomerKeyOther,
    /// The completion has a customer key that is not the upload's, or has none although the SSE-C upload was created
    /// with a checksum algorithm.
    CompletionCustomerKey,
    /// `UpdateObjectEncryption` of an unencrypted object.
    UpdateOfUnencrypted,
    /// `UpdateObjectEncryption` of a DSSE-KMS or SSE-C object.
    UpdateOfMode,
    /// `UpdateObjectEncryption` to DSSE-KMS or SSE-C.
    UpdateToMode,
    /// `UpdateObjectEncryption` to any other target than SSE-KMS.
    UpdateTarget,
    /// `UpdateObjectEncryption` without a KMS key.
    UpdateKmsKeyMissing,
    /// `UpdateObjectEncryption` to a KMS key that is not named by its ARN.
    UpdateKmsKeyNotArn,
    /// `UpdateObjectEncryption` with a `BucketKeyEnabled` that is neither `true` nor `false`.
    UpdateBucketKeyInvalid,
    /// The stored object does not match the service's own record. This is an alarm.
    StoredUnexpected,
    /// The object does not exist.
    NoSuchKey,
    /// The upload does not exist.
    NoSuchUpload,
    /// The bucket has no configured encryption.
    NoEncryptionConfiguration,
    /// The range includes no byte of the object.
    RangeNotSatisfiable,

    // -- Multipart.
    /// The part number is not 1 to 10,000.
    PartNumber,
    /// A listed part is not the uploaded part.
    PartInvalid,
    /// The parts are not listed in ascending order.
    PartOrder,
    /// The object has no part with this number.
    PartNotFound,
    /// A read names both a part and a range.
    PartWithRange,
    /// A part other than the last is shorter than 5 MiB.
    PartTooSmall,
    /// The data is longer than the maximum length of an object.
    TooLarge,

    // -- Bodies.
    /// The body is longer or shorter than the request declares.
    BodyIncomplete,
    /// The body does not have the `Content-MD5` or checksum that the request declares.
    BodyDigest,

    // -- Keys.
    /// The text is not a well-formed KMS key id.
    KmsKeyIdInvalid,
    /// The KMS key does not exist.
    KmsKeyNotFound,
    /// The alias does not exist.
    KmsAliasNotFound,
    /// The ARN of the KMS key names another region.
    KmsOtherRegion,
    /// The KMS key is disabled.
    KmsKeyDisabled,
    /// The KMS key is pending deletion.
    KmsKeyPendingDeletion,
    /// The KMS key is in another unusable state, such as pending import of its material.
    KmsInvalidState,
    /// The KMS key is not for encryption but for signatures or MACs.
    KmsInvalidKeyUsage,
    /// The requester may not use the KMS key.
    KmsAccessDenied,
    /// The KMS throttles the requests.
    KmsThrottled,

    // -- Documents.
    /// The XML is not that of the request.
    MalformedXml,
    /// A bucket default of `AES256` names a KMS key.
    BucketKmsKeyNotApplicable,
    /// The bucket policy is not supported.
    MalformedPolicy,

    // -- The service.
    /// A dependency is unavailable. The client may try again later.
    Unavailable,
    /// An internal error. The client learns no more.
    Internal,
    /// An error of the service's own; see [`S3Error::custom`](super::S3Error::custom).
    Custom,
}

/// The answer for a kind.
pub(super) struct ErrorAnswer {
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
    /// The text before and after the subject, for a kind whose message names one.
    pub(super) naming: Option<[&'static str; 2]>,
}

const fn of(status: StatusCode, code: &'static str, message: &'static str) -> ErrorAnswer {
    ErrorAnswer { code, status, message, naming: None }
}

const fn argument(message: &'static str) -> ErrorAnswer {
    of(StatusCode::BAD_REQUEST, "InvalidArgument", message)
}

const fn request(message: &'static str) -> ErrorAnswer {
    of(StatusCode::BAD_REQUEST, "InvalidRequest", message)
}

const fn denied(message: &'static str) -> ErrorAnswer {
    of(StatusCode::FORBIDDEN, "AccessDenied", message)
}

/// Creates the answer for a KMS error. `message`, the text of S3's list of error codes, is used without a subject.
const fn kms(code: &'static str, naming: [&'static str; 2], message: &'static str) -> ErrorAnswer {
    ErrorAnswer { naming: Some(naming), ..of(StatusCode::BAD_REQUEST, code, message) }
}

const KMS_NOT_FOUND: &str = "The request was rejected because the specified entity or resource could not be found.";

const KMS_INVALID_STATE: &str =
    "The request was rejected because the state of the specified resource is not valid for this request.";

impl S3ErrorKind {
    #[rustfmt::skip]
    pub(super) const fn answer(self) -> ErrorAnswer {
        match self {
            Self::HeaderRepeated => argument("The encryption header was given more than once."),
            Self::HeaderTooLong => argument("The value of the encryption header is too long."),
            Self::HeaderNotText => argument("The value of the encryption header is not printable ASCII."),
            Self::CustomerKeyConflict => argument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified"),
            Self::CustomerAlgorithm => of(StatusCode::BAD_REQUEST, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256."),
            Self::CustomerAlgorithmMissing => argument("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm."),
            Self::CustomerKeyMissing => argument("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key."),
            Self::CustomerKeyMd5Missing => argument("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key."),
            Self::CustomerKeyNotAscii => argument("The secret key was improperly encoded. The secret key must be Base64 encoded."),
            Self::CustomerKeyTooShort => argument("The secret key was invalid - too short."),
            Self::CustomerKeyInvalid => argument("The secret key was invalid for the specified algorithm."),
            Self::CustomerKeyMd5Mismatch => argument("The calculated MD5 hash of the key did not match the hash that was provided."),
            Self::MethodUnknown => argument("The encryption method specified is not supported"),
            Self::MethodNotSupported => argument("x-amz-server-side-encryption header is not supported for this operation."),
            Self::KmsWithoutMethod => argument("Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms"),
            Self::KmsKeyIdMissing => argument("Server Side Encryption with KMS managed key requires HTTP header x-amz-server-side-encryption-aws-kms-key-id"),
            Self::ContextInvalid => argument("The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string holding JSON which represents a string-string map"),
            Self::BucketKeyInvalid => argument("The BucketKeyEnabled value isn't valid. Valid values are true or false."),
            Self::CustomerKeyInsecure => argument("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."),
            Self::KmsInsecure => argument("Requests specifying Server Side Encryption with AWS KMS managed keys must be made over a secure connection."),
            Self::PolicyDenied | Self::KmsAccessDenied => denied("Access Denied"),
            Self::CustomerKeyBlocked => ErrorAnswer {
                naming: Some(["", " has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type"]),
                ..denied("This bucket has blocked upload requests that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type")
            },
            Self::KmsUnsigned => argument("Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4."),
            Self::CopyOntoItself => request("This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."),
            Self::CustomerKeyRequired => request("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."),
            Self::CustomerKeyWrong => denied("Requests specifying Server Side Encryption with Customer provided keys must provide the correct secret key."),
            Self::CustomerKeyNotApplicable => request("The encryption parameters are not applicable to this object."),
            Self::PartEncryption => request("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."),
            Self::CustomerKeyOther => request("The provided encryption parameters did not match the ones used originally."),
            Self::CompletionCustomerKey => request("The object was stored using a form of Server Side Encryption. Correct SSE-C request parameters are required for this request when specifying checksums for each part."),
            Self::UpdateOfUnencrypted => request("The UpdateObjectEncryption operation doesn't supported unencrypted source objects. Only source objects encrypted with SSE-S3 or SSE-KMS are supported."),
            Self::UpdateOfMode => request("The UpdateObjectEncryption operation doesn't support source objects with the encryption type DSSE-KMS or SSE-C. Only source objects encrypted with SSE-S3 or SSE-KMS are supported."),
            Self::UpdateToMode => request("The UpdateObjectEncryption operation doesn't support updating the encryption type to DSSE-KMS or SSE-C. Modify the request to specify SSE-KMS for the updated encryption type, and then try again."),
            Self::UpdateKmsKeyMissing => request("Requests that modify an object's encryption type to SSE-KMS require an Amazon Web Services KMS key Amazon Resource Name (ARN). Modify the request to specify a KMS key ARN, and then try again."),
            Self::UpdateKmsKeyNotArn => request("Requests that modify an object's encryption type to SSE-KMS require a valid Amazon Web Services KMS key Amazon Resource Name (ARN). Confirm that you have a correctly formatted KMS key ARN in your request, and then try again."),
            Self::UpdateBucketKeyInvalid => request("The BucketKeyEnabled value isn't valid. Valid values are true or false. Modify the request to specify a valid value, and then try again."),
            Self::UpdateTarget => request("Requests that modify an object encryption configuration require a valid new encryption type. Valid values are SSEKMS. Modify the request to specify SSE-KMS for the updated encryption type, and then try again."),
            Self::NoSuchKey => of(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist."),
            Self::NoSuchUpload => of(StatusCode::NOT_FOUND, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."),
            Self::NoEncryptionConfiguration => of(StatusCode::NOT_FOUND, "ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found"),
            Self::RangeNotSatisfiable => of(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable"),
            Self::PartNumber => argument("Part number must be an integer between 1 and 10000, inclusive"),
            Self::PartInvalid => of(StatusCode::BAD_REQUEST, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."),
            Self::PartOrder => of(StatusCode::BAD_REQUEST, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."),
            Self::PartWithRange => request("Cannot specify both Range header and partNumber query parameter"),
            Self::PartNotFound => of(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidPartNumber", "The requested partnumber is not satisfiable"),
            Self::PartTooSmall => of(StatusCode::BAD_REQUEST, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"),
            Self::BodyIncomplete => of(StatusCode::BAD_REQUEST, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"),
            Self::BodyDigest => of(StatusCode::BAD_REQUEST, "BadDigest", "The Content-MD5 you specified did not match what we received."),
            Self::TooLarge => of(StatusCode::BAD_REQUEST, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"),
            Self::KmsKeyIdInvalid => kms("KMS.NotFoundException", ["Invalid keyId '", "'"], KMS_NOT_FOUND),
            Self::KmsKeyNotFound => kms("KMS.NotFoundException", ["Key '", "' does not exist"], KMS_NOT_FOUND),
            Self::KmsAliasNotFound => kms("KMS.NotFoundException", ["Alias ", " is not found."], KMS_NOT_FOUND),
            Self::KmsOtherRegion => kms("KMS.NotFoundException", ["Invalid arn ", ""], KMS_NOT_FOUND),
            Self::KmsInvalidState => kms("KMS.KMSInvalidStateException", ["", " is not in a state in which it can be used."], KMS_INVALID_STATE),
            Self::KmsInvalidKeyUsage => kms("KMS.InvalidKeyUsageException", ["", " key usage is not ENCRYPT_DECRYPT."], "The request was rejected because the KMS key is not for encrypting and decrypting."),
            Self::KmsKeyDisabled => kms("KMS.DisabledException", ["", " is disabled."], "The request was rejected because the specified KMS key is not enabled."),
            Self::KmsKeyPendingDeletion => kms("KMS.KMSInvalidStateException", ["", " is pending deletion."], KMS_INVALID_STATE),
            Self::KmsThrottled => of(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate for operations involving AWS KMS."),
            Self::MalformedXml => of(StatusCode::BAD_REQUEST, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"),
            Self::BucketKmsKeyNotApplicable => argument("a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse"),
            Self::MalformedPolicy => ErrorAnswer { naming: Some(["", ""]), ..of(StatusCode::BAD_REQUEST, "MalformedPolicy", "This policy contains invalid Json") },
            Self::Unavailable => of(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", "Service is unable to handle request."),
            Self::StoredUnexpected | Self::Internal | Self::Custom => of(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error. Please try again."),
        }
    }
}
