//! [`KeyProviderError`] and its [`KeyProviderErrorKind`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Cause;

/// The longest key id that `Display` prints, in characters; valid ids are never longer.
const MAX_SHOWN: usize = 2_048;

/// The longest request id that is kept, in characters.
const MAX_REQUEST_ID_LEN: usize = 128;

/// The reason why a key provider returned no key: its kind, the requested key, and the provider's details.
///
/// ```
/// use std::time::Duration;
/// use atrest::{KeyProviderError, KeyProviderErrorKind};
///
/// let error = KeyProviderError::new(KeyProviderErrorKind::Throttled, "alias/app")
///     .with_request_id("7f3a-0001")
///     .with_retry_after(Duration::from_secs(2));
/// assert!(error.is_transient());
/// assert_eq!(error.to_string(), "key \"alias/app\": too many requests, try again later (request 7f3a-0001)");
/// ```
///
/// # Security
///
/// `Display`, `Debug` and the chain of `source()` show nothing of the provider's own error; only [`cause`](Self::cause)
/// returns it.
#[derive(Clone, Debug)]
pub struct KeyProviderError(Box<Details>);

/// The parts of a [`KeyProviderError`], boxed to keep a `Result` small.
#[derive(Clone, Debug)]
struct Details {
    kind: KeyProviderErrorKind,
    key_id: Arc<str>,
    resolved_key_id: Option<Arc<str>>,
    key_version: Option<u32>,
    request_id: Option<Arc<str>>,
    retry_after: Option<Duration>,
    transient: Option<bool>,
    cause: Option<Cause>,
}

impl KeyProviderError {
    /// Creates an error of this kind about this key.
    pub fn new(kind: KeyProviderErrorKind, key_id: &str) -> Self {
        Self(Box::new(Details {
            kind,
            key_id: key_id.into(),
            resolved_key_id: None,
            key_version: None,
            request_id: None,
            retry_after: None,
            transient: None,
            cause: None,
        }))
    }

    /// Adds the underlying error, which [`cause`](Self::cause) returns.
    ///
    /// # Security
    ///
    /// Give an error type of your own that holds the code, the message and the request's id. Never give the error of an
    /// HTTP client or an SDK unchanged: it may hold the body of the response, and so a plaintext key, for as long as
    /// this error lives. The library never shows the cause, but a caller of `cause` may log all of it.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.cause = Some(Cause::new(source));
        self
    }

    /// Adds the full name of the requested key, alias or ARN, if the provider knows it; the key need not exist.
    /// Responses to clients contain this name.
    #[must_use]
    pub fn with_resolved_key_id(mut self, key_id: &str) -> Self {
        self.0.resolved_key_id = Some(key_id.into());
        self
    }

    /// Adds the version of the key.
    #[must_use]
    pub fn with_key_version(mut self, version: u32) -> Self {
        self.0.key_version = Some(version);
        self
    }

    /// Adds the request id of the provider's backend, which identifies the request in the provider's log and support.
    /// `Display` and the audit trail show it. Only visible ASCII characters are kept, at most 128.
    #[must_use]
    pub fn with_request_id(mut self, request_id: &str) -> Self {
        self.0.request_id = Self::kept_request_id(request_id);
        self
    }

    /// Returns what is kept of the request id of a backend: visible ASCII characters, at most 128. `None` if that is
    /// nothing.
    pub(crate) fn kept_request_id(request_id: &str) -> Option<Arc<str>> {
        let kept: String = request_id.chars().filter(char::is_ascii_graphic).take(MAX_REQUEST_ID_LEN).collect();
        (!kept.is_empty()).then(|| kept.into())
    }

    /// Adds the request id of an answer that the library refuses, if the answer has one.
    pub(crate) fn of_request(mut self, request_id: Option<&Arc<str>>) -> Self {
        self.0.request_id = request_id.cloned();
        self
    }

    /// Adds the time that the backend asks callers to wait before they retry.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// Sets whether the same call may succeed later without a change by an operator. Use it if the
    /// [kind](KeyProviderErrorKind) says otherwise: a key that is still being created is in an
    /// [`InvalidState`](KeyProviderErrorKind::InvalidState) that passes.
    ///
    /// It has no effect for the kinds that never pass: [`Misconfigured`](KeyProviderErrorKind::Misconfigured),
    /// [`AccessDenied`](KeyProviderErrorKind::AccessDenied), [`Rejected`](KeyProviderErrorKind::Rejected), and answers
    /// with a wrong key.
    #[must_use]
    pub fn with_transience(mut self, transient: bool) -> Self {
        self.0.transient = Some(transient);
        self
    }

    /// Returns the kind of this error.
    pub fn kind(&self) -> KeyProviderErrorKind {
        self.0.kind
    }

    /// Returns the requested key, as the request named it.
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// Returns the full name of the requested key, if the provider gave it: an ARN if the request had an alias or an
    /// id.
    pub fn resolved_key_id(&self) -> Option<&str> {
        self.0.resolved_key_id.as_deref()
    }

    /// Returns the version of the key, if the error is about one version. Errors of a keyring always have it.
    pub fn key_version(&self) -> Option<u32> {
        self.0.key_version
    }

    /// Returns the error that was given to [`with_source`](Self::with_source), for a downcast.
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
    /// let error = KeyProviderError::new(KeyProviderErrorKind::Unavailable, "key/1");
    /// let error = error.with_source(own);
    /// let own: Option<&MyKmsError> = error.cause().and_then(|cause| cause.downcast_ref());
    /// assert_eq!(own.map(|own| &*own.request_id), Some("7f3a"));
    /// ```
    ///
    /// # Security
    ///
    /// The library does not know the content of this error. Log only fields that are known to hold no key.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.cause.as_ref().map(Cause::error)
    }

    /// Returns the id that the provider's backend gave to the request.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Returns the time that the backend asks callers to wait before they retry.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Returns whether the same call may succeed later without a change by an operator: the value of
    /// [`with_transience`](Self::with_transience), or by default true for `Throttled` and `Unavailable`.
    pub fn is_transient(&self) -> bool {
        use KeyProviderErrorKind as Kind;

        match self.0.kind {
            Kind::Misconfigured
            | Kind::AccessDenied
            | Kind::InvalidKeyUsage
            | Kind::OtherRegion
            | Kind::Rejected
            | Kind::WrongKey
            | Kind::Unresolved
            | Kind::WrongLength => false,
            Kind::Throttled | Kind::Unavailable => self.0.transient.unwrap_or(true),
            Kind::NotFound | Kind::Disabled | Kind::PendingDeletion | Kind::InvalidState | Kind::Panicked => {
                self.0.transient.unwrap_or(false)
            }
        }
    }
}

impl fmt::Display for KeyProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The requester chooses the key id, so its length is not limited here.
        let shown =
            self.0.key_id.char_indices().nth(MAX_SHOWN).map_or(&*self.0.key_id, |(end, _)| &self.0.key_id[..end]);
        write!(f, "key {shown:?}")?;
        if let Some(version) = self.0.key_version {
            write!(f, " version {version}")?;
        }
        write!(f, ": {}", self.0.kind)?;
        match &self.0.request_id {
            Some(request_id) => write!(f, " (request {request_id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for KeyProviderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().and_then(Cause::ours)
    }
}

/// The kinds of a [`KeyProviderError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProviderErrorKind {
    /// The key, or the requested version, does not exist.
    #[error("no such key or version")]
    NotFound,
    /// The key, or the requested version, is disabled.
    #[error("the key is disabled")]
    Disabled,
    /// The key is pending deletion.
    #[error("the key is pending deletion")]
    PendingDeletion,
    /// The key is in another state that does not allow its use, such as waiting for its material.
    #[error("the key is in a state in which it cannot be used")]
    InvalidState,
    /// The key is not an encryption key: it signs or makes MACs.
    #[error("the key is not for encrypting")]
    InvalidKeyUsage,
    /// The ARN names another region than the provider's.
    #[error("the key's ARN names another region")]
    OtherRegion,
    /// The requester lacks the permission for this key.
    #[error("the requester may not do this with the key")]
    AccessDenied,
    /// The requester exceeded its rate: try again later.
    #[error("too many requests, try again later")]
    Throttled,
    /// The provider's own credentials or configuration are missing, expired or wrong. No client caused this, and only
    /// an operator can correct it: the error is never transient, and is never answered as a refusal of the requester.
    #[error("the provider's own credentials or configuration do not work")]
    Misconfigured,
    /// The provider refuses the request or the wrapped key as invalid.
    #[error("the provider refused the request")]
    Rejected,
    /// The provider cannot be reached, or does not answer.
    #[error("the provider is unavailable, try again later")]
    Unavailable,
    /// The provider answered with another key than the requested one. If the other key is a replica in another region,
    /// [`KmsKeys::with_replicas`](crate::KmsKeys::with_replicas) accepts it.
    #[error("the provider answered with another key; if it is a replica, accept it with KmsKeys::with_replicas")]
    WrongKey,
    /// The provider answered with an alias, which may name another key later. It has to answer with the resolved key
    /// id.
    #[error("the provider answered with an alias; it has to answer with the key's resolved id")]
    Unresolved,
    /// The provider answered with a key or wrapped key of a length that the format does not allow.
    #[error("the provider answered with a key or wrapped key of a wrong length")]
    WrongLength,
    /// The provider panicked.
    #[error("the provider panicked")]
    Panicked,
}
