//! `DemoKms`: stands for a KMS behind a network. The example `custom_kms` shows a key provider that wraps keys.

use std::future::ready;
use std::sync::{Arc, Mutex};

use atrest::error::{KeyProviderError, KeyProviderErrorKind as Kind};
use atrest::{
    EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey,
};

/// The one key of the KMS.
pub(crate) const KEY_ID: &str = "demo-kms:key/1";

/// Keeps each key-encryption key with its encryption context. The wrapped key is the number of the entry.
#[derive(Default)]
pub(crate) struct DemoKms(Mutex<Vec<(EncryptionContext, [u8; 32])>>);

impl KeyProvider for DemoKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let failed = |error| KeyProviderError::new(Kind::Unavailable, KEY_ID).with_source(error);
        Box::pin(ready(KeyEncryptionKey::generate().map_err(failed).map(|kek| {
            let mut keys = self.0.lock().expect("no thread panics");
            keys.push((request.context().clone(), *kek.expose_secret()));
            GeneratedKey::new(KEY_ID, (keys.len() - 1).to_string(), kek)
        })))
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let rejected = || KeyProviderError::new(Kind::Rejected, KEY_ID);
        let index = str::from_utf8(wrapped.as_bytes()).ok().and_then(|index| index.parse::<usize>().ok());
        let mut keys = self.0.lock().expect("no thread panics");
        let known = index.and_then(|index| keys.get_mut(index)).filter(|(context, _)| context == request.context());
        let kek = known.and_then(|(_, kek)| KeyEncryptionKey::from_bytes(&mut kek.clone()).ok());
        Box::pin(ready(kek.map(|kek| UnwrappedKey::new(KEY_ID, kek)).ok_or_else(rejected)))
    }
}
