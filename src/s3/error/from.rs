//! What the library says while it works, in S3's words.

use super::{S3Error, S3ErrorKind as Kind};
use crate::error::{CustomerKeyError, Error, KeyProviderError, KeyProviderErrorKind, Limit, PartError, Unexpected};
use crate::s3::bucket_encryption::BucketEncryptionError;
use crate::s3::headers::names::SERVER_SIDE_ENCRYPTION;
use crate::s3::policy::{PolicyError, PolicyErrorKind};

/// What to answer the client. Whoever runs the service has the error itself to look at, and some of them are an alarm.
impl From<&Error> for S3Error {
    fn from(error: &Error) -> Self {
        match error {
            Error::CustomerKey(error) => customer_key(*error).into(),
            Error::RangeNotSatisfiable { .. } | Error::SeveralRanges => Kind::RangeNotSatisfiable.into(),
            Error::UploadNotComplete => Kind::NoSuchKey.into(),
            Error::Part(error) => part(*error),
            Error::KeyProvider(error) => key_provider(error),
            Error::LimitExceeded(limit) => limit_exceeded(*limit).into(),
            Error::Unexpected(_) => Kind::StoredUnexpected.into(),
            // The store's bytes, the service's keys or its code: nothing that the client can change.
            Error::Inauthentic
            | Error::Truncated
            | Error::ManifestRequired
            | Error::Envelope(_)
            | Error::SealedFile(_)
            | Error::Cursor(_)
            | Error::Audit(_)
            | Error::Keyring(_)
            | Error::KeyStore(_)
            | Error::Random(_)
            | Error::Io(_)
            | Error::NotCompiled(_)
            | Error::Misuse(_) => Kind::Internal.into(),
        }
    }
}

/// As `PutBucketEncryption` and `UpdateObjectEncryption` answer.
impl From<BucketEncryptionError> for S3Error {
    fn from(error: BucketEncryptionError) -> Self {
        match error {
            // An unknown algorithm was recorded by no one; it is against the schema.
            BucketEncryptionError::MalformedXml | BucketEncryptionError::UnknownAlgorithm => Kind::MalformedXml.into(),
            BucketEncryptionError::KeyIdNotApplicable => {
                Self::new(Kind::BucketKmsKeyNotApplicable).with_argument_name("ApplyServerSideEncryptionByDefault")
            }
            BucketEncryptionError::NotSseKms => Kind::UpdateTarget.into(),
        }
    }
}

/// As `PutBucketPolicy` answers: what is no JSON in S3's words, and what is not understood by its name and place.
impl From<&PolicyError> for S3Error {
    fn from(error: &PolicyError) -> Self {
        match error.kind() {
            PolicyErrorKind::NotJson { .. } => Kind::MalformedPolicy.into(),
            _ => Self::new(Kind::MalformedPolicy).about(error.to_string()),
        }
    }
}

impl S3Error {
    /// Of an error that came of a write: what the request asks for and the service does not take is the client's to change. As
    /// `From` has it, it would be the store's bytes that are not as they should be, and an alarm.
    pub fn of_write(error: &Error) -> Self {
        match error {
            Error::Unexpected(Unexpected::KmsKey) => Kind::KmsAccessDenied.into(),
            Error::Unexpected(Unexpected::Mode) => {
                Self::new(Kind::MethodUnknown).with_argument_name(SERVER_SIDE_ENCRYPTION)
            }
            other => other.into(),
        }
    }
}

/// As it is on a read; [`decide`](crate::s3::decide) has answered the rest before.
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
        PartError::NotFound(_) => Kind::PartNotFound.into(),
        PartError::EndNotVerified(_) | PartError::Page => Kind::Internal.into(),
    }
}

fn key_provider(error: &KeyProviderError) -> S3Error {
    // A version is the keyring's, or lies within a key that is there: in either case no key that the client named.
    if error.key_version().is_some() {
        return Kind::Internal.into();
    }
    let kind = match error.kind() {
        KeyProviderErrorKind::NotFound => not_found(error.key_id()),
        KeyProviderErrorKind::Disabled => Kind::KmsKeyDisabled,
        KeyProviderErrorKind::PendingDeletion => Kind::KmsKeyPendingDeletion,
        KeyProviderErrorKind::AccessDenied => Kind::KmsAccessDenied,
        KeyProviderErrorKind::Throttled => Kind::KmsThrottled,
        KeyProviderErrorKind::Unavailable => Kind::Unavailable,
        KeyProviderErrorKind::Rejected
        | KeyProviderErrorKind::WrongKey
        | KeyProviderErrorKind::Unresolved
        | KeyProviderErrorKind::WrongLength
        | KeyProviderErrorKind::Panicked => Kind::Internal,
    };
    S3Error::new(kind).about(error.key_id())
}

/// S3 tells an id that could be one from a word that could not.
fn not_found(key_id: &str) -> Kind {
    let is_hex_or_dash = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_uuid = key_id.len() == 36 && key_id.chars().all(is_hex_or_dash);
    if is_uuid || key_id.starts_with("arn:") { Kind::KmsKeyNotFound } else { Kind::KmsKeyIdInvalid }
}

fn limit_exceeded(limit: Limit) -> Kind {
    match limit {
        Limit::Message | Limit::Multipart => Kind::TooLarge,
        // What makes an envelope too long are the pairs in it.
        Limit::Context | Limit::Envelope | Limit::EnvelopeLen(_) => Kind::ContextInvalid,
        Limit::KeyId => Kind::KmsKeyIdInvalid,
        Limit::Value | Limit::Keyring => Kind::Internal,
    }
}
