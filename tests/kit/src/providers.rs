//! Fake key providers: `TableKms` answers honestly, `OneKey` has one key, and `Faulty` gives another provider one fault.
//!
//! They need no feature of `atrest`. Tests that need aliases, disabled keys or a count of calls use `MemoryKms`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use atrest::error::{KeyProviderError, KeyProviderErrorKind};
use atrest::{GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};

/// The only key of a [`TableKms`].
pub const KMS_KEY: &str = "table-kms:key/1";

/// A KMS that keeps its keys in a table under a number, which it gives out as the wrapped key. It refuses a context or a
/// key id that differs from the one of the write.
#[derive(Debug, Default)]
pub struct TableKms(Mutex<Table>);

/// For each wrapped key: the request that it was made for, and the key.
type Table = HashMap<Vec<u8>, (KeyRequest, [u8; 32])>;

impl KeyProvider for TableKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let kek = KeyEncryptionKey::generate().unwrap();
            let resolved = KeyRequest::new(KMS_KEY, request.context().clone(), request.requester().clone());
            let mut table = self.0.lock().unwrap();
            let wrapped = (table.len() as u64).to_be_bytes().to_vec();
            table.insert(wrapped.clone(), (resolved, *kek.expose_secret()));
            Ok(GeneratedKey::new(KMS_KEY, wrapped, kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let table = self.0.lock().unwrap();
            match table.get(wrapped.as_bytes()) {
                Some((known, kek)) if known.context() == request.context() && known.key_id() == request.key_id() => {
                    Ok(UnwrappedKey::new(KMS_KEY, KeyEncryptionKey::from_bytes(&mut kek.clone()).unwrap()))
                }
                _ => Err(KeyProviderError::new(KeyProviderErrorKind::Rejected, request.key_id())),
            }
        })
    }
}

/// A KMS with one key, which it generates and unwraps for every request.
#[derive(Debug)]
pub struct OneKey {
    pub key_id: String,
    pub wrapped: Vec<u8>,
    pub kek: [u8; 32],
    /// The requests, in order.
    pub asked: Mutex<Vec<KeyRequest>>,
}

impl OneKey {
    pub fn new(key_id: &str, wrapped: &[u8], kek: [u8; 32]) -> Arc<Self> {
        let asked = Mutex::default();
        Arc::new(Self { key_id: key_id.to_owned(), wrapped: wrapped.to_vec(), kek, asked })
    }

    fn kek(&self, request: KeyRequest) -> KeyEncryptionKey {
        self.asked.lock().unwrap().push(request);
        KeyEncryptionKey::from_bytes(&mut self.kek.clone()).unwrap()
    }
}

impl KeyProvider for OneKey {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let kek = self.kek(request);
        Box::pin(async move { Ok(GeneratedKey::new(self.key_id.clone(), self.wrapped.clone(), kek)) })
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let key_id = request.key_id().to_owned();
        let kek = self.kek(request);
        Box::pin(async move { Ok(UnwrappedKey::new(key_id, kek)) })
    }
}

/// The faults of a [`Faulty`] provider; the default has none.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Refuses to generate, without asking the provider behind.
    pub refuses_to_generate: Option<KeyProviderErrorKind>,
    /// Refuses to unwrap, without asking the provider behind.
    pub refuses_to_unwrap: Option<KeyProviderErrorKind>,
    /// Generates under this key instead of the one that the request names.
    pub generates_under: Option<String>,
    /// Answers with this key id.
    pub answers_as: Option<String>,
    /// Unwraps to a key that was never wrapped.
    pub unwraps_to_another_key: bool,
}

/// The request id of every answer of a [`Faulty`] provider.
const REQUEST_ID: &str = "7f3a";

/// A provider with faults that a test switches on and off.
#[derive(Debug)]
pub struct Faulty<P> {
    inner: Arc<P>,
    faults: Mutex<Faults>,
}

impl<P> Faulty<P> {
    pub fn new(inner: Arc<P>) -> Arc<Self> {
        Self::with(inner, Faults::default())
    }

    pub fn with(inner: Arc<P>, faults: Faults) -> Arc<Self> {
        Arc::new(Self { inner, faults: Mutex::new(faults) })
    }

    /// Changes the faults, for every later request.
    pub fn change(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    /// Refuses every request for this reason, or none.
    pub fn refuse(&self, kind: Option<KeyProviderErrorKind>) {
        self.change(|faults| (faults.refuses_to_generate, faults.refuses_to_unwrap) = (kind, kind));
    }

    fn faults(&self) -> Faults {
        self.faults.lock().unwrap().clone()
    }
}

fn refused(kind: Option<KeyProviderErrorKind>, request: &KeyRequest) -> Result<(), KeyProviderError> {
    kind.map_or(Ok(()), |kind| Err(KeyProviderError::new(kind, request.key_id()).with_request_id(REQUEST_ID)))
}

impl<P: KeyProvider> KeyProvider for Faulty<P> {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let faults = self.faults();
            refused(faults.refuses_to_generate, &request)?;
            let request = match faults.generates_under {
                Some(key_id) => KeyRequest::new(&key_id, request.context().clone(), request.requester().clone()),
                None => request,
            };
            let generated = self.inner.clone().generate_key(request).await?;
            let key_id = faults.answers_as.unwrap_or_else(|| generated.key_id().to_owned());
            let kek = KeyEncryptionKey::from_bytes(&mut generated.kek().expose_secret().clone()).unwrap();
            Ok(GeneratedKey::new(key_id, generated.wrapped().as_bytes(), kek).with_request_id(REQUEST_ID))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let faults = self.faults();
            refused(faults.refuses_to_unwrap, &request)?;
            let unwrapped = self.inner.clone().unwrap_key(wrapped, request).await?;
            let key_id = faults.answers_as.unwrap_or_else(|| unwrapped.key_id().to_owned());
            let kek = match faults.unwraps_to_another_key {
                true => KeyEncryptionKey::generate().unwrap(),
                false => KeyEncryptionKey::from_bytes(&mut unwrapped.kek().expose_secret().clone()).unwrap(),
            };
            Ok(UnwrappedKey::new(key_id, kek).with_request_id(REQUEST_ID))
        })
    }
}
