//! Converts errors of the library into [`S3Error`]s.

use super::{S3Error, S3ErrorKind as Kind};
use crate::error::{
    CustomerKeyError, Error, KeyProviderError, KeyProviderErrorKind, Limit, Misuse, PartError, Unexpected,
};
use crate::s3::bucket_encryption::BucketEncryptionError;
use crate::s3::headers::names::SERVER_SIDE_ENCRYPTION;
use crate::s3::policy::{PolicyError, PolicyErrorKind};

impl S3Error {
    /// Converts the error of a read, or of a look at a stored object, into the answer to the client. Log the error
    /// itself for the operator: some errors are an alarm.
    pub fn of_read(error: &Error) -> Self {
        match error {
            Error::CustomerKey(error) => customer_key(*error).into(),
            Error::RangeNotSatisfiable { plaintext_len, .. } => {
                Self::new(Kind::RangeNotSatisfiable).with_element("ActualObjectSize", plaintext_len.to_string())
            }
            Error::SeveralRanges => Kind::RangeNotSatisfiable.into(),
            Error::UploadNotComplete => Kind::NoSuchKey.into(),
            Error::Part(error) => part(*error),
            Error::KeyProvider(error) => key_provider(error),
            Error::LimitExceeded(limit) => limit_exceeded(*limit).into(),
            Error::Unexpected(_) => Kind::StoredUnexpected.into(),
            // The store's bytes, the service's keys or its code: nothing that the client can change.
            _ => Kind::Internal.into(),
        }
    }

    /// Converts the error of a write into the answer to the client. An encryption that the service does not accept, and
    /// a body of another length than declared, are errors of the client.
    pub fn of_write(error: &Error) -> Self {
        match error {
            Error::Unexpected(Unexpected::KmsKey) => Kind::KmsAccessDenied.into(),
            Error::Unexpected(Unexpected::Mode) => {
                Self::new(Kind::MethodUnknown).with_argument_name(SERVER_SIDE_ENCRYPTION)
            }
            Error::Misuse(Misuse::PlaintextLen) => Kind::BodyIncomplete.into(),
            Error::CustomerKey(CustomerKeyError::Mismatch) => Kind::CustomerKeyOther.into(),
            other => Self::of_read(other),
        }
    }
}

/// As `PutBucketEncryption` and `UpdateObjectEncryption` answer.
impl From<BucketEncryptionError> for S3Error {
    fn from(error: BucketEncryptionError) -> Self {
        match error {
            // The service's answer to an unknown algorithm is not recorded. The schema does not allow one.
            BucketEncryptionError::MalformedXml | BucketEncryptionError::UnknownAlgorithm => Kind::MalformedXml.into(),
            BucketEncryptionError::KeyIdNotApplicable => {
                Self::new(Kind::BucketKmsKeyNotApplicable).with_argument_name("ApplyServerSideEncryptionByDefault")
            }
            BucketEncryptionError::NotSseKms => Kind::UpdateTarget.into(),
            BucketEncryptionError::ToOtherMode => Kind::UpdateToMode.into(),
            BucketEncryptionError::KmsKeyMissing => Kind::UpdateKmsKeyMissing.into(),
            BucketEncryptionError::KmsKeyNotArn => Kind::UpdateKmsKeyNotArn.into(),
            BucketEncryptionError::BucketKeyInvalid => Kind::UpdateBucketKeyInvalid.into(),
        }
    }
}

/// As `PutBucketPolicy` answers: what is no JSON in S3's words, and what is not understood by its name and place.
impl From<&PolicyError> for S3Error {
    fn from(error: &PolicyError) -> Self {
        match error.kind() {
            PolicyErrorKind::NotJson { .. } => Kind::MalformedPolicy.into(),
            _ => Self::new(Kind::MalformedPolicy).with_subject(error.to_string()),
        }
    }
}

/// As it is on a read; the decision has answered the rest before.
fn customer_key(error: CustomerKeyError) -> Kind {
    match error {
        CustomerKeyError::Required => Kind::CustomerKeyRequired,
        CustomerKeyError::NotExpected => Kind::CustomerKeyNotApplicable,
        CustomerKeyError::Mismatch => Kind::CustomerKeyWrong,
        CustomerKeyError::WrongLength | CustomerKeyError::AllZero => Kind::CustomerKeyInvalid,
    }
}

fn part(error: PartError) -> S3Error {
    match error {
        PartError::Number(number) => S3Error::new(Kind::PartNumber).with_argument("partNumber", number.to_string()),
        PartError::Invalid(_) => Kind::PartInvalid.into(),
        PartError::Order(_) => Kind::PartOrder.into(),
        PartError::None => Kind::MalformedXml.into(),
        PartError::NotFound(number) => {
            S3Error::new(Kind::PartNotFound).with_element("PartNumberRequested", number.to_string())
        }
        PartError::EndNotVerified(_) | PartError::Page => Kind::Internal.into(),
    }
}

fn key_provider(error: &KeyProviderError) -> S3Error {
    // A version is the keyring's, or lies within a key that is there: in either case no key that the client named.
    if error.key_version().is_some() {
        return Kind::Internal.into();
    }
    let named = error.resolved_key_id().unwrap_or(error.key_id());
    let kind = match error.kind() {
        KeyProviderErrorKind::NotFound => not_found(named),
        KeyProviderErrorKind::OtherRegion => {
            let region = named.split(':').nth(3).unwrap_or_default();
            return S3Error::new(Kind::KmsOtherRegion).with_subject(region);
        }
        KeyProviderErrorKind::Disabled => Kind::KmsKeyDisabled,
        KeyProviderErrorKind::PendingDeletion => Kind::KmsKeyPendingDeletion,
        KeyProviderErrorKind::InvalidState => Kind::KmsInvalidState,
        KeyProviderErrorKind::InvalidKeyUsage => Kind::KmsInvalidKeyUsage,
        KeyProviderErrorKind::AccessDenied => Kind::KmsAccessDenied,
        KeyProviderErrorKind::Throttled => Kind::KmsThrottled,
        KeyProviderErrorKind::Unavailable => Kind::Unavailable,
        KeyProviderErrorKind::Misconfigured
        | KeyProviderErrorKind::Rejected
        | KeyProviderErrorKind::WrongKey
        | KeyProviderErrorKind::Unresolved
        | KeyProviderErrorKind::WrongLength
        | KeyProviderErrorKind::Panicked => Kind::Internal,
    };
    S3Error::new(kind).with_subject(named)
}

/// S3 tells an alias, an id that could be one, and a word that could not.
fn not_found(key_id: &str) -> Kind {
    let is_hex_or_dash = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_id = |id: &str| id.len() == 36 && id.strip_prefix("mrk-").unwrap_or(id).chars().all(is_hex_or_dash);
    match key_id.strip_prefix("arn:") {
        Some(arn) if arn.split(':').nth(4).is_some_and(|resource| resource.starts_with("alias/")) => {
            Kind::KmsAliasNotFound
        }
        Some(_) => Kind::KmsKeyNotFound,
        None if key_id.starts_with("alias/") => Kind::KmsAliasNotFound,
        None if is_id(key_id) => Kind::KmsKeyNotFound,
        None => Kind::KmsKeyIdInvalid,
    }
}

fn limit_exceeded(limit: Limit) -> Kind {
    match limit {
        Limit::Message | Limit::Multipart => Kind::TooLarge,
        // What makes an envelope too long are the pairs in it.
        Limit::Context | Limit::Envelope | Limit::EnvelopeLen(_) => Kind::ContextInvalid,
        Limit::KeyId => Kind::KmsKeyIdInvalid,
        _ => Kind::Internal,
    }
}
