//! Converts the library's errors into [`S3Error`]s.

use super::{S3Error, S3ErrorKind as Kind};
use crate::error::{
    CustomerKeyError, Error, KeyProviderError, KeyProviderErrorKind, Limit, Misuse, PartError, Unexpected,
};
use crate::s3::bucket_encryption::BucketEncryptionError;
use crate::s3::headers::names::SERVER_SIDE_ENCRYPTION;
use crate::s3::policy::{PolicyError, PolicyErrorKind};

impl S3Error {
    /// Converts the error of a read or an inspection of a stored object into the answer to the client. Log the original
    /// error for the operator, because some errors are an alarm.
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
            // The cause is the store's bytes, the service's keys or its code. The client cannot change any of them.
            _ => Kind::Internal.into(),
        }
    }

    /// Converts the error of a write into the answer to the client. An encryption that the service does not accept, or
    /// a body of another length than declared, is an error of the client.
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

/// Converts into the answer of `PutBucketEncryption` or `UpdateObjectEncryption`.
impl From<BucketEncryptionError> for S3Error {
    fn from(error: BucketEncryptionError) -> Self {
        match error {
            // The service's answer to an unknown algorithm is not recorded. The schema allows no unknown algorithm.
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

/// Converts into the answer of `PutBucketPolicy`: S3's message for a document that is not JSON, otherwise the name and
/// place of the unsupported element.
impl From<&PolicyError> for S3Error {
    fn from(error: &PolicyError) -> Self {
        match error.kind() {
            PolicyErrorKind::NotJson { .. } => Kind::MalformedPolicy.into(),
            _ => Self::new(Kind::MalformedPolicy).with_subject(error.to_string()),
        }
    }
}

/// Converts into the answer to a read. The decision has refused the other cases before.
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
    // An error with a key version concerns the keyring or a version of an existing key, not the key that the client
    // named.
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

/// Returns the kind for an unknown key. S3 distinguishes an alias, a well-formed key id and any other text.
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
        // Only the pairs of the context can make an envelope too long.
        Limit::Context | Limit::Envelope | Limit::EnvelopeLen(_) => Kind::ContextInvalid,
        Limit::KeyId => Kind::KmsKeyIdInvalid,
        _ => Kind::Internal,
    }
}
