//! [`StoreError`], and the kinds of `object_store` that the errors of atrest become.

use std::io;

use atrest::error::{CustomerKeyError, KeyProviderErrorKind};
use object_store::Error;
use object_store::path::Path;

/// The name of the store in errors of the kind `Generic`.
pub(crate) const STORE: &str = "EncryptedStore";

/// The reason why [`EncryptedStore`](crate::EncryptedStore) itself refuses a call or an answer. It is the source of an
/// [`object_store::Error`], where the caller can find it by a downcast.
///
/// The errors of atrest are sources in the same way, as [`atrest::Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The object is not encrypted: it has no envelope, or no encrypted object has its length. Or its envelope lies in
    /// another place than [`placement`](crate::EncryptedStoreBuilder::placement) says.
    #[error(
        "the object is not encrypted, or its envelope lies in another place or has another length; it lies in front of \
         the body, behind it or among the attributes, EncryptedStoreBuilder::placement says which, and \
         SseBuilder::envelope_len its length; unencrypted objects are read only where \
         EncryptedStoreBuilder::unencrypted names their path"
    )]
    NotEncrypted,
    /// The object was overwritten again and again between two requests of one read.
    #[error("the object was overwritten between two requests of one read, twice")]
    Overwritten,
    /// The inner store answered with other bytes than those that were requested.
    #[error("the inner store answered with other bytes than those that were requested")]
    OtherBytes,
    /// The mode of the call or of the object has another number of layers than the mode of the path.
    #[error(
        "the mode has another number of layers than the mode of this path, so a listing could not tell the length of \
         the object; name a mode with as many layers in the rules of the builder"
    )]
    Layers,
    /// The caller gave an attribute with the name under which the envelope is kept.
    #[error("the attribute `{0}` holds the envelope and cannot be written")]
    AttributeTaken(&'static str),
    /// The envelope has another length than the one that the builder of the `Sse` was given.
    #[error("the envelope does not have the fixed length of this store")]
    EnvelopeLen,
    /// A copy or rename that must not replace an object is too long for one request, and the envelope lies among the
    /// attributes, which S3's own copy of that kind drops.
    #[error(
        "a copy or rename of more than 64 MiB that must not replace an object is not made with envelopes among the \
         attributes: read the object and write it, or let it replace"
    )]
    CreatedLen,
    /// One of the two paths of a copy or rename is under the filter of unencrypted objects, the other is not.
    #[error("a copy or rename between encrypted and unencrypted paths is refused: read the object and write it")]
    AcrossTheFilter,
    /// A part of the upload failed or was not awaited.
    #[error("a part of the upload failed or its future was dropped; abort the upload and begin it again")]
    PartMissing,
    /// The upload was completed or aborted.
    #[error("the upload is over: it was completed or aborted")]
    UploadOver,
    /// The range holds no byte of the object.
    #[error("the range begins at {start}, but the object has {object_len} bytes")]
    #[non_exhaustive]
    RangeStart {
        /// The first byte of the range.
        start: u64,
        /// The length of the object in bytes.
        object_len: u64,
    },
    /// A stream that has failed was polled again; this repeats the text of its first error.
    #[error("the stream has failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Returns the error of `object_store` with this source.
    pub(crate) fn at(self, location: &Path) -> Error {
        match self {
            Self::Overwritten => Error::Precondition { path: location.to_string(), source: self.into() },
            Self::Layers | Self::AttributeTaken(_) | Self::AcrossTheFilter | Self::CreatedLen | Self::EnvelopeLen => {
                Error::NotSupported { source: self.into() }
            }
            _ => self.generic(),
        }
    }

    /// Returns an error of the kind `Generic` with this source.
    pub(crate) fn generic(self) -> Error {
        Error::Generic { store: STORE, source: self.into() }
    }
}

/// Returns the error of `object_store` for an error of atrest.
///
/// | atrest | object_store |
/// |---|---|
/// | the key provider denies access, or the reader does not accept the object | `PermissionDenied` |
/// | the customer key is wrong or not expected | `PermissionDenied` |
/// | the customer key is missing | `Unauthenticated` |
/// | a limit, a mistake of the caller, a feature that is not compiled | `NotSupported` |
/// | everything else: changed bytes, a disabled key, a KMS or audit trail that does not answer | `Generic` |
pub(crate) fn of(location: &Path, error: atrest::Error) -> Error {
    let path = location.to_string();
    match &error {
        atrest::Error::KeyProvider(provider) if provider.kind() == KeyProviderErrorKind::AccessDenied => {
            Error::PermissionDenied { path, source: error.into() }
        }
        atrest::Error::CustomerKey(CustomerKeyError::Required) => Error::Unauthenticated { path, source: error.into() },
        atrest::Error::CustomerKey(_) | atrest::Error::Unexpected(_) => {
            Error::PermissionDenied { path, source: error.into() }
        }
        atrest::Error::LimitExceeded(_)
        | atrest::Error::Misuse(_)
        | atrest::Error::NotCompiled(_)
        | atrest::Error::UnsupportedCpu => Error::NotSupported { source: error.into() },
        _ => Error::Generic { store: STORE, source: error.into() },
    }
}

/// Returns whether a key provider or keyring says that a key may no longer be used: disabled or in another state
/// without use, denied, or not found.
pub(crate) fn is_refusal(error: &atrest::Error) -> bool {
    let atrest::Error::KeyProvider(error) = error else { return false };
    matches!(
        error.kind(),
        KeyProviderErrorKind::Disabled
            | KeyProviderErrorKind::AccessDenied
            | KeyProviderErrorKind::NotFound
            | KeyProviderErrorKind::PendingDeletion
            | KeyProviderErrorKind::InvalidState
    )
}

/// Returns the error of the store with a kind that tells the caller whether to try again.
pub(crate) fn as_io(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        Error::NotImplemented { .. } | Error::NotSupported { .. } => io::ErrorKind::Unsupported,
        Error::InvalidPath { .. } => io::ErrorKind::InvalidInput,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}
