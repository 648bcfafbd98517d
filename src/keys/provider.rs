//! [`KeyProvider`], the trait of a KMS, with its requests and answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::EncryptionContext;
use super::key_id::{are_replicas, is_alias, is_key_arn, is_key_id};
use crate::error::{KeyProviderError, KeyProviderErrorKind};
use crate::object::Requester;
use crate::secret::KeyEncryptionKey;

/// The maximum length of a wrapped key in bytes.
pub(crate) const MAX_WRAPPED_LEN: usize = 6_144;

/// The answer of a key provider.
pub type KeyFuture<T> = Pin<Box<dyn Future<Output = Result<T, KeyProviderError>> + Send + 'static>>;

/// A key management service (KMS), which generates and unwraps key-encryption keys. Requests and futures are owned, so
/// that a caller can share, time out or abandon a call.
///
/// The library calls it once for each object that is written or read, less often with [bucket
/// keys](crate::SseKms::with_bucket_key), and up to twice for a rewrap. A provider must also work without an async
/// runtime (under [`Sse::blocking`](crate::Sse::blocking)), and inside a runtime whose only thread waits for the call.
/// A provider whose calls block makes them on threads of its own ([`kms::Threads`](crate::kms::Threads)); one that
/// needs a reactor runs it on a thread of its own, and never holds a runtime that async code could drop.
///
/// ```
/// use std::sync::Arc;
/// use atrest::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
/// use atrest::{KeyProviderError, KeyProviderErrorKind};
///
/// struct MyKms { /* a client */ }
///
/// impl KeyProvider for MyKms {
///     fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
///         Box::pin(async move {
///             // ask the KMS for a data key under request.key_id() with request.context()
///             Err(KeyProviderError::new(KeyProviderErrorKind::Unavailable, request.key_id()))
///         })
///     }
///     fn unwrap_key(
///         self: Arc<Self>,
///         wrapped: WrappedKey,
///         request: KeyRequest,
///     ) -> KeyFuture<UnwrappedKey> {
///         Box::pin(async move {
///             let _ciphertext = wrapped.as_bytes();
///             Err(KeyProviderError::new(KeyProviderErrorKind::Unavailable, request.key_id()))
///         })
///     }
/// }
/// ```
///
/// If the backend gives its calls request ids, tell them ([`GeneratedKey::with_request_id`],
/// [`UnwrappedKey::with_request_id`], [`KeyProviderError::with_request_id`]): they lead from the audit trail to the
/// backend's own log.
///
/// If a provider panics, the operation fails with an error of kind [`Panicked`](KeyProviderErrorKind::Panicked).
///
/// # Security
///
/// The provider authorises [`KeyRequest::requester`] after it has resolved the key. AWS KMS, HSMs and most other
/// backends authorise only the credentials of the service: wrap their providers in
/// [`kms::Authorized`](crate::kms::Authorized), or every requester may use every key that the service may use.
///
/// The provider binds the wrapped key to every pair of [`KeyRequest::context`], in an encoding in which no two contexts
/// are alike (each text behind its length): unwrapping with other pairs must fail. The library compares the answering
/// key with the requested key at every unwrap, and at a generate if the request names the key by its ARN or by an id in
/// the service's [`KmsKeys`](crate::KmsKeys). It cannot compare an alias: the provider alone decides which key an alias
/// names.
pub trait KeyProvider: Send + Sync + 'static {
    /// Generates a key-encryption key and wraps it under the KMS key of the request.
    ///
    /// An empty key id asks for the default key of the provider: a client named none, and S3 then uses the key
    /// `alias/aws/s3`. A provider without a default key answers `NotFound`, without asking its backend.
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey>;

    /// Unwraps a key that [`generate_key`](Self::generate_key) wrapped. The request names the resolved key.
    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey>;

    /// Returns a number that is another after each change by which a call about this key may have another outcome: a
    /// rotation, a key that is disabled or deleted, another policy, an alias that moves.
    ///
    /// The library compares it at each use of a cached [bucket key](crate::SseKms::with_bucket_key), and asks the
    /// provider again after a change. The call must be fast: it does no I/O. The default, 0 for ever, is for a provider
    /// that does not learn of changes: a cached key then serves until its age is over.
    /// [`UNKNOWN_EPOCH`] means that the provider cannot tell now: no cached key is used.
    ///
    /// A provider around another one returns the number of the inner one.
    fn epoch(&self, key_id: &str) -> u64 {
        let _ = key_id;
        0
    }
}

/// The [epoch](KeyProvider::epoch) of a provider that cannot tell it now.
pub const UNKNOWN_EPOCH: u64 = u64::MAX;

/// A request to a key provider: the KMS key, the encryption context and the requester.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyRequest {
    key_id: Arc<str>,
    context: Arc<EncryptionContext>,
    requester: Requester,
}

impl KeyRequest {
    /// Creates a request, as the library does; for tests of a provider.
    pub fn new(key_id: &str, context: EncryptionContext, requester: Requester) -> Self {
        Self { key_id: key_id.into(), context: Arc::new(context), requester }
    }

    /// Returns the KMS key: for a generate, the caller's name for it, which may be empty; for an unwrap, the resolved
    /// id.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the pairs to bind the key to: the caller's pairs and, if the object has a name, `aws:s3:arn`. Together
    /// they take at most 8,192 bytes in a generate, with 2 bytes more for all and 4 for each pair. In an unwrap, and in
    /// the generate of a rewrap, of an object that atrest 0.4 wrote, the ARN alone may take 65,535 bytes.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// Returns the requester on whose behalf the library asks.
    pub fn requester(&self) -> &Requester {
        &self.requester
    }
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest")
            .field("key_id", &self.key_id)
            .field("context", &self.context)
            .field("requester", &self.requester)
            .finish()
    }
}

/// The requested KMS key, and the rule that decides which ids may answer.
#[derive(Clone, Copy)]
pub(crate) struct RequestedKey<'a> {
    key_id: &'a str,
    resolved: bool,
    replicas: bool,
}

impl<'a> RequestedKey<'a> {
    /// Creates a request by the caller's name: only the same key may answer an ARN, any key may answer another name.
    pub(crate) fn new(key_id: &'a str) -> Self {
        Self { key_id, resolved: is_key_arn(key_id), replicas: false }
    }

    /// Creates a request by resolved id: only the same key may answer.
    pub(crate) fn resolved(key_id: &'a str) -> Self {
        Self::new(key_id).resolved_if(true)
    }

    pub(crate) fn resolved_if(self, resolved: bool) -> Self {
        Self { resolved: self.resolved || resolved, ..self }
    }

    /// Accepts an answer by a replica of a multi-Region key.
    pub(crate) fn with_replicas_if(self, replicas: bool) -> Self {
        Self { replicas, ..self }
    }

    fn allows(self, answered: &str) -> bool {
        !self.resolved || answered == self.key_id || (self.replicas && are_replicas(answered, self.key_id))
    }
}

/// The answer to [`KeyProvider::generate_key`]: a key-encryption key and its wrapped form.
#[derive(Debug)]
pub struct GeneratedKey {
    pub(crate) key_id: String,
    pub(crate) wrapped: WrappedKey,
    pub(crate) kek: KeyEncryptionKey,
    pub(crate) request_id: Option<Arc<str>>,
}

impl GeneratedKey {
    /// Creates an answer from the resolved id of the KMS key (an ARN or URI; the library refuses an alias), the wrapped
    /// key (1 to 6,144 bytes) and the key-encryption key. For a multi-Region key the resolved id is the ARN of the
    /// replica that wrapped, with its own region.
    pub fn new(key_id: impl Into<String>, wrapped: impl Into<Vec<u8>>, kek: KeyEncryptionKey) -> Self {
        Self { key_id: key_id.into(), wrapped: WrappedKey::new(wrapped), kek, request_id: None }
    }

    /// Adds the request id of the provider's backend, which identifies the call in the backend's own log. The audit
    /// trail shows it. Only visible ASCII characters are kept, at most 128.
    #[must_use]
    pub fn with_request_id(self, request_id: &str) -> Self {
        Self { request_id: KeyProviderError::kept_request_id(request_id), ..self }
    }

    /// Returns the resolved id of the KMS key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the wrapped key.
    pub fn wrapped(&self) -> &WrappedKey {
        &self.wrapped
    }

    /// Returns the key-encryption key.
    pub fn kek(&self) -> &KeyEncryptionKey {
        &self.kek
    }

    /// Returns the id that the provider's backend gave to the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the resolved id, the wrapped key and the key-encryption key, without a copy of the key. A provider that
    /// builds another answer from them gives it the [request id](Self::request_id) too.
    pub fn into_parts(self) -> (String, WrappedKey, KeyEncryptionKey) {
        (self.key_id, self.wrapped, self.kek)
    }

    /// Returns the answer if its id may answer the request, and its id and wrapped key can be stored.
    pub(crate) fn checked(self, asked: RequestedKey<'_>) -> Result<Self, KeyProviderError> {
        let refused = if is_alias(&self.key_id) {
            KeyProviderErrorKind::Unresolved
        } else if !is_key_id(&self.key_id) || !asked.allows(&self.key_id) {
            KeyProviderErrorKind::WrongKey
        } else if !(1..=MAX_WRAPPED_LEN).contains(&self.wrapped.as_bytes().len()) {
            KeyProviderErrorKind::WrongLength
        } else {
            return Ok(self);
        };
        Err(KeyProviderError::new(refused, asked.key_id).of_request(self.request_id.as_ref()))
    }
}

/// A wrapped key-encryption key: bytes that only its provider can interpret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey(Arc<[u8]>);

impl WrappedKey {
    /// Creates a wrapped key from the bytes of its provider.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into())
    }

    /// Returns the bytes of the provider.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

/// The answer to [`KeyProvider::unwrap_key`]: a key-encryption key and the id of the KMS key that unwrapped it.
#[derive(Debug)]
pub struct UnwrappedKey {
    pub(crate) key_id: String,
    pub(crate) kek: KeyEncryptionKey,
    pub(crate) request_id: Option<Arc<str>>,
}

impl UnwrappedKey {
    /// Creates an answer from the id of the KMS key that unwrapped, and the key-encryption key. For a multi-Region key
    /// it is the ARN of the replica that unwrapped; only [`KmsKeys::with_replicas`](crate::KmsKeys::with_replicas)
    /// accepts it for an object that names another replica.
    ///
    /// If the backend does not report which key it used, make the backend enforce the key of the request, and pass the
    /// id of the request.
    pub fn new(key_id: impl Into<String>, kek: KeyEncryptionKey) -> Self {
        Self { key_id: key_id.into(), kek, request_id: None }
    }

    /// Adds the request id of the provider's backend, as [`GeneratedKey::with_request_id`] does.
    #[must_use]
    pub fn with_request_id(self, request_id: &str) -> Self {
        Self { request_id: KeyProviderError::kept_request_id(request_id), ..self }
    }

    /// Returns the id of the KMS key that answered.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the key-encryption key.
    pub fn kek(&self) -> &KeyEncryptionKey {
        &self.kek
    }

    /// Returns the id that the provider's backend gave to the request.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the id of the KMS key that answered and the key-encryption key, without a copy of the key. A provider
    /// that builds another answer from them gives it the [request id](Self::request_id) too.
    pub fn into_parts(self) -> (String, KeyEncryptionKey) {
        (self.key_id, self.kek)
    }

    /// Returns the answer if the answering KMS key may answer the request.
    pub(crate) fn checked(self, asked: RequestedKey<'_>) -> Result<Self, KeyProviderError> {
        if asked.allows(&self.key_id) {
            return Ok(self);
        }
        let refused = KeyProviderError::new(KeyProviderErrorKind::WrongKey, asked.key_id);
        Err(refused.of_request(self.request_id.as_ref()))
    }
}
