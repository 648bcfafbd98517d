//! [`S3ErrorKind`] and the answer for each kind: status, code and message.

use http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident,)*) => {
        /// The kinds of an [`S3Error`](super::S3Error), one for each answer that S3 is known to give and for each
        /// that a caller may want to tell apart.
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
    // -- What the request's headers say.
    /// An encryption header, or the same parameter of the query, was given twice with different values.
    HeaderRepeated,
    /// An encryption header is longer than any valid value.
    HeaderTooLong,
    /// An encryption header is not printable ASCII.
    HeaderNotText,
    /// SSE-C and another method are both asked for.
    CustomerKeyConflict,
    /// The algorithm of SSE-C is not `AES256`.
    CustomerAlgorithm,
    /// SSE-C without an algorithm.
    CustomerAlgorithmMissing,
    /// SSE-C without a key.
    CustomerKeyMissing,
    /// SSE-C without the MD5 of the key.
    CustomerKeyMd5Missing,
    /// The text of the customer key is not ASCII.
    CustomerKeyNotAscii,
    /// The text of the customer key decodes to nothing.
    CustomerKeyTooShort,
    /// The customer key is not 32 bytes, or all zeros, where an object is newly written.
    CustomerKeyInvalid,
    /// The MD5 is not the customer key's.
    CustomerKeyMd5Mismatch,
    /// The method is not one of the three that S3 knows.
    MethodUnknown,
    /// The operation takes no method: it is fixed already.
    MethodNotSupported,
    /// A KMS key or an encryption context without `aws:kms` or `aws:kms:dsse`; and in a bucket without encryption,
    /// whatever asks for some without saying which.
    KmsWithoutMethod,
    /// SSE-KMS or DSSE-KMS without a key, in [`Profile::CephTests`](super::Profile::CephTests).
    KmsKeyIdMissing,
    /// The encryption context is not base64 of a JSON object of strings, or breaks its rules.
    ContextInvalid,
    /// The header for bucket keys is neither `true` nor `false`.
    BucketKeyInvalid,

    // -- What the service allows.
    /// A customer key over plain HTTP.
    CustomerKeyInsecure,
    /// SSE-KMS or DSSE-KMS over plain HTTP.
    KmsInsecure,
    /// The bucket policy denies it.
    PolicyDenied,
    /// The bucket blocks writes in SSE-C.
    CustomerKeyBlocked,
    /// An anonymous request, or one of Signature Version 2, for what is in SSE-KMS or DSSE-KMS.
    KmsUnsigned,
    /// A copy of an object onto itself that changes nothing.
    CopyOntoItself,

    // -- What is stored.
    /// The object is SSE-C, and the request brings no customer key.
    CustomerKeyRequired,
    /// The customer key is not the one that the object was written with.
    CustomerKeyWrong,
    /// A customer key for an object that is not SSE-C.
    CustomerKeyNotApplicable,
    /// Upload and part do not agree whether there is a customer key.
    PartEncryption,
    /// The customer key is not the upload's, or not that of the source of a copy.
    CustomerKeyOther,
    /// A completion in SSE-C whose customer key is not the upload's, or that lacks it where the upload was begun with a
    /// checksum algorithm.
    CompletionCustomerKey,
    /// `UpdateObjectEncryption` of an unencrypted object.
    UpdateOfUnencrypted,
    /// `UpdateObjectEncryption` of an object in DSSE-KMS or SSE-C.
    UpdateOfMode,
    /// `UpdateObjectEncryption` to DSSE-KMS or SSE-C.
    UpdateToMode,
    /// `UpdateObjectEncryption` to anything else but SSE-KMS.
    UpdateTarget,
    /// `UpdateObjectEncryption` without a KMS key.
    UpdateKmsKeyMissing,
    /// `UpdateObjectEncryption` to a KMS key that is not named by its ARN.
    UpdateKmsKeyNotArn,
    /// `UpdateObjectEncryption` with a `BucketKeyEnabled` that is neither `true` nor `false`.
    UpdateBucketKeyInvalid,
    /// What is stored is not what the service's own record says: alarm.
    StoredUnexpected,
    /// There is no such object.
    NoSuchKey,
    /// There is no such upload.
    NoSuchUpload,
    /// The bucket has no encryption that was configured.
    NoEncryptionConfiguration,
    /// No byte of the range lies in the object.
    RangeNotSatisfiable,

    // -- Multipart.
    /// No part has this number.
    PartNumber,
    /// A listed part is not the one that was uploaded.
    PartInvalid,
    /// The parts are not listed in ascending order.
    PartOrder,
    /// The object has no part of this number.
    PartNotFound,
    /// A read names a part and a range.
    PartWithRange,
    /// A part other than the last is shorter than 5 MiB.
    PartTooSmall,
    /// More than an object holds.
    TooLarge,

    // -- Bodies.
    /// The body is longer or shorter than the request declares.
    BodyIncomplete,
    /// The body does not have the `Content-MD5` or checksum that the request declares.
    BodyDigest,

    // -- Keys.
    /// A word that is the id of no KMS key.
    KmsKeyIdInvalid,
    /// There is no such KMS key.
    KmsKeyNotFound,
    /// There is no such alias.
    KmsAliasNotFound,
    /// The ARN of the KMS key is of another region.
    KmsOtherRegion,
    /// The KMS key is disabled.
    KmsKeyDisabled,
    /// The KMS key waits for its deletion.
    KmsKeyPendingDeletion,
    /// The KMS key is in another state in which it cannot be used, such as waiting for its material.
    KmsInvalidState,
    /// The KMS key is not for encrypting: it signs, or makes MACs.
    KmsInvalidKeyUsage,
    /// The requester may not use the KMS key.
    KmsAccessDenied,
    /// The KMS is asked too often.
    KmsThrottled,

    // -- Documents.
    /// XML that is not understood.
    MalformedXml,
    /// A bucket default of `AES256` that names a KMS key.
    BucketKmsKeyNotApplicable,
    /// A bucket policy that is not understood.
    MalformedPolicy,

    // -- The service.
    /// Something is out of reach; try again later.
    Unavailable,
    /// Nothing that is the client's to know.
    Internal,
    /// An error of the service's own: [`S3Error::custom`](super::S3Error::custom).
    Custom,
}

/// How a kind is answered.
pub(super) struct ErrorAnswer {
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
    /// Before and after the KMS key, where the message names it and it is known.
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

/// The message without a key is that of S3's list of error codes.
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
