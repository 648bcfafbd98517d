//! [`KeyProvider`]: the trait of a KMS, with its requests and answers.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::EncryptionContext;
use super::key_id::{are_replicas, is_alias, is_key_arn, is_key_id};
use crate::error::{KeyProviderError, KeyProviderErrorKind};
use crate::object::Requester;
use crate::secret::KeyEncryptionKey;

/// The most bytes of a wrapped key.
pub(crate) const MAX_WRAPPED_LEN: usize = 6_144;

/// What a key provider answers in its own time.
pub type KeyFuture<T> = Pin<Box<dyn Future<Output = Result<T, KeyProviderError>> + Send + 'static>>;

/// A KMS: makes key-encryption keys and unwraps them again. Two methods; requests and futures are owned, so that a
/// call can be shared, timed out or abandoned.
///
/// It is asked once for each object that is written or read. It has to work without any async runtime too (under
/// [`Sse::blocking`](crate::Sse::blocking)); one that needs a reactor brings its own thread.
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
///     fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
///         Box::pin(async move {
///             let _ciphertext = wrapped.as_bytes();
///             Err(KeyProviderError::new(KeyProviderErrorKind::Unavailable, request.key_id()))
///         })
///     }
/// }
/// ```
///
/// A panic of a provider becomes an error of kind [`Panicked`](KeyProviderErrorKind::Panicked) of the operation that
/// asked.
///
/// # Security
///
/// The provider authorises [`KeyRequest::requester`] after it has resolved the key, and binds the wrapped key to every
/// pair of [`KeyRequest::context`]: unwrapping with others fails. The library compares the key that answered with the
/// key that was asked for: always when a key is unwrapped, and when one is generated wherever the request names a key
/// by its ARN or by an id that the service's [`KmsKeys`](crate::KmsKeys) list. An alias is not compared with anything,
/// so the provider alone answers for which key it stands.
pub trait KeyProvider: Send + Sync + 'static {
    /// Makes a fresh key-encryption key under the KMS key that the request names, and wraps it.
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey>;

    /// Unwraps what [`generate_key`](Self::generate_key) wrapped; the request names the resolved key.
    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey>;
}

/// Which KMS key is to be used, for what, and by whom.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyRequest {
    key_id: Arc<str>,
    context: Arc<EncryptionContext>,
    requester: Requester,
}

impl KeyRequest {
    /// A request; the library makes them, and so do tests of a provider.
    pub fn new(key_id: &str, context: EncryptionContext, requester: Requester) -> Self {
        Self { key_id: key_id.into(), context: Arc::new(context), requester }
    }

    /// The KMS key: whatever the caller named it to generate a key, its resolved id to unwrap one.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The pairs to bind the key to: the caller's and, where the object has a name, `aws:s3:arn`.
    pub fn context(&self) -> &EncryptionContext {
        &self.context
    }

    /// On whose behalf.
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

/// The KMS key that a provider is asked for, and with which ids the provider may answer.
#[derive(Clone, Copy)]
pub(crate) struct RequestedKey<'a> {
    key_id: &'a str,
    resolved: bool,
    replicas: bool,
}

impl<'a> RequestedKey<'a> {
    /// By the name that a caller gave. A key's ARN is answered by that key alone, any other name by any key.
    pub(crate) fn new(key_id: &'a str) -> Self {
        Self { key_id, resolved: is_key_arn(key_id), replicas: false }
    }

    /// By a resolved id, which its key alone answers.
    pub(crate) fn resolved(key_id: &'a str) -> Self {
        Self::new(key_id).resolved_if(true)
    }

    pub(crate) fn resolved_if(self, resolved: bool) -> Self {
        Self { resolved: self.resolved || resolved, ..self }
    }

    /// Whether the replicas of a multi-Region key answer for one another.
    pub(crate) fn with_replicas_if(self, replicas: bool) -> Self {
        Self { replicas, ..self }
    }

    fn allows(self, answered: &str) -> bool {
        !self.resolved || answered == self.key_id || (self.replicas && are_replicas(answered, self.key_id))
    }
}

/// A fresh key-encryption key, plain and wrapped.
#[derive(Debug)]
pub struct GeneratedKey {
    pub(crate) key_id: String,
    pub(crate) wrapped: WrappedKey,
    pub(crate) kek: KeyEncryptionKey,
}

impl GeneratedKey {
    /// What a provider generated: the resolved id of the KMS key (an ARN or URI; an alias is refused), the wrapped key
    /// (1 to 6,144 bytes) and the key itself.
    pub fn new(key_id: impl Into<String>, wrapped: impl Into<Vec<u8>>, kek: KeyEncryptionKey) -> Self {
        Self { key_id: key_id.into(), wrapped: WrappedKey::new(wrapped), kek }
    }

    /// The resolved id of the KMS key.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The wrapped key.
    pub fn wrapped(&self) -> &WrappedKey {
        &self.wrapped
    }

    /// The key.
    pub fn kek(&self) -> &KeyEncryptionKey {
        &self.kek
    }

    /// Gives itself back if its id may answer what was asked, and id and wrapped key can be stored.
    pub(crate) fn checked(self, asked: RequestedKey<'_>) -> Result<Self, KeyProviderError> {
        if is_alias(&self.key_id) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::Unresolved, asked.key_id));
        }
        if !is_key_id(&self.key_id) || !asked.allows(&self.key_id) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::WrongKey, asked.key_id));
        }
        if !(1..=MAX_WRAPPED_LEN).contains(&self.wrapped.as_bytes().len()) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::WrongLength, asked.key_id));
        }
        Ok(self)
    }
}

/// A key-encryption key as its provider wrapped it; bytes that mean something to the provider alone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct WrappedKey(Arc<[u8]>);

impl WrappedKey {
    /// The bytes as the provider gave them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into())
    }

    /// The bytes as the provider gave them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({} bytes)", self.0.len())
    }
}

/// A key-encryption key that was unwrapped, and the KMS key that did it.
#[derive(Debug)]
pub struct UnwrappedKey {
    pub(crate) key_id: String,
    pub(crate) kek: KeyEncryptionKey,
}

impl UnwrappedKey {
    /// What a provider unwrapped: the id of the KMS key that answered, and the key.
    ///
    /// Where the backend does not say which key it used, have the backend enforce the one of the request, and give the
    /// request's id.
    pub fn new(key_id: impl Into<String>, kek: KeyEncryptionKey) -> Self {
        Self { key_id: key_id.into(), kek }
    }

    /// The id of the KMS key that answered.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The key.
    pub fn kek(&self) -> &KeyEncryptionKey {
        &self.kek
    }

    /// Gives the key if the KMS key that answered may answer what was asked.
    pub(crate) fn checked(self, asked: RequestedKey<'_>) -> Result<KeyEncryptionKey, KeyProviderError> {
        if !asked.allows(&self.key_id) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::WrongKey, asked.key_id));
        }
        Ok(self.kek)
    }
}
