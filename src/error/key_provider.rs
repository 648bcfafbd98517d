//! Why a key provider gave no key.

use std::fmt;
use std::sync::Arc;

use super::Cause;

/// So many characters of a key id are shown; a longer one than this is none.
const MAX_SHOWN: usize = 2_048;

/// Why a key provider gave no key: a kind, the key it was asked for, and perhaps a cause.
///
/// # Security
///
/// `Display`, `Debug` and the chain of `source()` show nothing of the provider's own error:
/// [`cause`](Self::cause) gives that to a caller who asks for it.
#[derive(Clone, Debug)]
pub struct KeyProviderError {
    kind: KeyProviderErrorKind,
    key_id: Arc<str>,
    resolved_key_id: Option<Arc<str>>,
    key_version: Option<u32>,
    cause: Option<Cause>,
}

impl KeyProviderError {
    /// An error of this kind about this key.
    pub fn new(kind: KeyProviderErrorKind, key_id: &str) -> Self {
        Self { kind, key_id: key_id.into(), resolved_key_id: None, key_version: None, cause: None }
    }

    /// The same error with what caused it, for [`cause`](Self::cause).
    ///
    /// # Security
    ///
    /// Give an error type of your own that holds the code, the message and the request's id. Never give the error of an
    /// HTTP client or an SDK as it came: it may hold the answer's body, and so a plaintext key, for as long as this
    /// error lives. The library shows the cause nowhere, but a caller who asks for it may log all of it.
    #[must_use]
    pub fn with_source(self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { cause: Some(Cause::new(source)), ..self }
    }

    /// The same error about a key, alias or ARN whose full name the provider knows, also where there is no such key:
    /// what the client is answered names it so.
    #[must_use]
    pub fn with_resolved_key_id(self, key_id: &str) -> Self {
        Self { resolved_key_id: Some(key_id.into()), ..self }
    }

    /// The same error about one version of the key.
    #[must_use]
    pub fn with_key_version(self, version: u32) -> Self {
        Self { key_version: Some(version), ..self }
    }

    /// What kind of refusal it was.
    pub fn kind(&self) -> KeyProviderErrorKind {
        self.kind
    }

    /// The key that was asked for, as it was named in the request.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The full name of the key that was asked for, where the provider said it: an ARN where the request had an alias
    /// or an id.
    pub fn resolved_key_id(&self) -> Option<&str> {
        self.resolved_key_id.as_deref()
    }

    /// The version of the key, where it is about one: always of a keyring.
    pub fn key_version(&self) -> Option<u32> {
        self.key_version
    }

    /// The provider's own error as it was given to [`with_source`](Self::with_source), to be downcast.
    ///
    /// ```
    /// # use atrest::{KeyProviderError, KeyProviderErrorKind};
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("request {request_id} failed with {code}")]
    /// struct MyKmsError {
    ///     request_id: String,
    ///     code: u16,
    /// }
    ///
    /// let own = MyKmsError { request_id: "7f3a".to_owned(), code: 503 };
    /// let error = KeyProviderError::new(KeyProviderErrorKind::Unavailable, "key/1").with_source(own);
    /// let own: Option<&MyKmsError> = error.cause().and_then(|cause| cause.downcast_ref());
    /// assert_eq!(own.map(|own| &*own.request_id), Some("7f3a"));
    /// ```
    ///
    /// # Security
    ///
    /// The library knows nothing about this error. Log those of its fields that are known to hold no key.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_ref().map(Cause::error)
    }

    /// Whether the same call may succeed later without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, KeyProviderErrorKind::Throttled | KeyProviderErrorKind::Unavailable)
    }
}

impl fmt::Display for KeyProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever asks names what they like.
        let shown = self.key_id.char_indices().nth(MAX_SHOWN).map_or(&*self.key_id, |(end, _)| &self.key_id[..end]);
        write!(f, "key {shown:?}")?;
        if let Some(version) = self.key_version {
            write!(f, " version {version}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

impl std::error::Error for KeyProviderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().and_then(Cause::ours)
    }
}

/// The kinds of a [`KeyProviderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProviderErrorKind {
    /// There is no such key, or no such version of it.
    #[error("no such key or version")]
    NotFound,
    /// The key or this version of it is disabled.
    #[error("the key is disabled")]
    Disabled,
    /// The key waits for its deletion.
    #[error("the key is pending deletion")]
    PendingDeletion,
    /// The key is in another state in which it cannot be used, such as waiting for its material.
    #[error("the key is in a state in which it cannot be used")]
    InvalidState,
    /// The key is not for encrypting: it signs, or makes MACs.
    #[error("the key is not for encrypting")]
    InvalidKeyUsage,
    /// The ARN is of another region than the provider's.
    #[error("the key's ARN is of another region")]
    OtherRegion,
    /// The requester may not do this with the key.
    #[error("the requester may not do this with the key")]
    AccessDenied,
    /// Too many requests: try again later.
    #[error("too many requests, try again later")]
    Throttled,
    /// The provider refuses the request or the wrapped key as such.
    #[error("the provider refused the request")]
    Rejected,
    /// The provider cannot be reached, or does not answer.
    #[error("the provider is unavailable, try again later")]
    Unavailable,
    /// The provider answered with another key than the one it was asked for. Where that is a replica of it in another
    /// region, [`KmsKeys::with_replicas`](crate::KmsKeys::with_replicas) accepts it.
    #[error("the provider answered with another key; if it is a replica, accept it with KmsKeys::with_replicas")]
    WrongKey,
    /// The provider answered with an alias, which can stand for another key tomorrow: it has to answer with the key's
    /// resolved id.
    #[error("the provider answered with an alias; it has to answer with the key's resolved id")]
    Unresolved,
    /// The provider answered with a key or wrapped key of a length that the format does not take.
    #[error("the provider answered with a key of another length")]
    WrongLength,
    /// The provider panicked.
    #[error("the provider panicked")]
    Panicked,
}
