//! Where key-encryption keys come from: somebody's KMS.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{EncryptionContext, is_key_id};
use crate::error::{KeyProviderError, KeyProviderErrorKind};
use crate::object::Requester;
use crate::secret::KeyEncryptionKey;

/// The most bytes of a wrapped key.
pub(super) const MAX_WRAPPED_LEN: usize = 6_144;

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
/// A panic of a provider becomes an error of kind [`Panicked`](KeyProviderErrorKind::Panicked) of the operation that asked.
///
/// # Security
///
/// The provider authorises [`KeyRequest::requester`] after it has resolved the key, and binds the wrapped key to every
/// pair of [`KeyRequest::context`]: unwrapping with others fails. The library compares the key that answered with the
/// key that was asked for.
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

/// A fresh key-encryption key, plain and wrapped.
#[derive(Debug)]
pub struct GeneratedKey {
    pub(crate) key_id: String,
    pub(crate) wrapped: WrappedKey,
    pub(crate) kek: KeyEncryptionKey,
}

impl GeneratedKey {
    /// What a provider generated: the resolved id of the KMS key (an ARN or URI, never an alias), the wrapped key (1
    /// to 6,144 bytes) and the key itself.
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

    /// Itself, if its id and its wrapped key can be stored; `asked` is the key as the request named it.
    pub(crate) fn checked(self, asked: &str) -> Result<Self, KeyProviderError> {
        if !is_key_id(&self.key_id) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::WrongKey, asked));
        }
        if !(1..=MAX_WRAPPED_LEN).contains(&self.wrapped.as_bytes().len()) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::WrongLength, asked));
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

    /// The key, if the KMS key that answered is the one that was asked.
    pub(crate) fn answered_by(self, asked: &str) -> Result<KeyEncryptionKey, KeyProviderError> {
        if self.key_id != asked {
            return Err(KeyProviderError::new(KeyProviderErrorKind::WrongKey, asked));
        }
        Ok(self.kek)
    }
}
