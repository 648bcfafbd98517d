//! A key provider of one's own, against a service as simple as one can be: two calls, wrap and unwrap.
//!
//! ```text
//! cargo run --example custom_kms
//! ```
//!
//! `atrest::testing::check_key_provider` (feature `testing`) tells whether a provider keeps all the promises that the
//! library builds on; have your tests call it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use atrest::{
    Encrypted, EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError,
    KeyProviderErrorKind, KeyRequest, Keyring, KmsKeys, ObjectName, Requester, Sse, SseKms, SseS3, Unlock,
    UnwrappedKey, WrappedKey,
};

/// The service: some named keys that never leave it, and who may use them. In earnest it is behind a network.
struct Vault {
    keys: BTreeMap<String, (Sse, &'static str)>,
}

impl Vault {
    fn with_keys(keys: &[(&str, &'static str)]) -> atrest::Result<Self> {
        let new = |&(id, user): &(&str, _)| {
            Ok((id.to_owned(), (Sse::builder().keyring(Keyring::generate()?).build()?, user)))
        };
        Ok(Self { keys: keys.iter().map(new).collect::<atrest::Result<_>>()? })
    }

    /// The key that a request names, if whoever asks may use it. Refusing is the service's, never the library's.
    fn key(&self, request: &KeyRequest) -> Result<&Sse, KeyProviderError> {
        let refuse = |kind| KeyProviderError::new(kind, request.key_id());
        let (key, user) = self.keys.get(request.key_id()).ok_or_else(|| refuse(KeyProviderErrorKind::NotFound))?;
        let allowed = request.requester().as_str() == *user;
        allowed.then_some(key).ok_or_else(|| refuse(KeyProviderErrorKind::AccessDenied))
    }
}

/// The two methods that a provider has. It makes the key-encryption keys, or hands on what its service makes (as one
/// would with `GenerateDataKey` of AWS KMS).
impl KeyProvider for Vault {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let key = self.key(&request)?;
            let failed = |error| failed(&request, KeyProviderErrorKind::Unavailable, error);
            let kek = KeyEncryptionKey::generate().map_err(failed)?;
            let name = bound_to(request.context()).map_err(failed)?;
            let wrapped = key.encrypt(&name, SseS3, kek.expose_secret()).await.map_err(failed)?;
            Ok(GeneratedKey::new(request.key_id(), wrapped.to_inline().map_err(failed)?, kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let key = self.key(&request)?;
            // Whatever does not unwrap was not wrapped here, or for another object: rejected, and not to be tried again.
            let failed = |error| failed(&request, KeyProviderErrorKind::Rejected, error);
            let wrapped = Encrypted::from_inline(wrapped.as_bytes()).map_err(failed)?;
            let name = bound_to(request.context()).map_err(failed)?;
            let mut kek = key.decrypt(&name, &wrapped, Unlock::Server).await.map_err(failed)?;
            let kek = KeyEncryptionKey::from_slice(&mut kek).map_err(failed)?; // wipes what it was given
            Ok(UnwrappedKey::new(request.key_id(), kek))
        })
    }
}

/// The cause is for logs: the library shows the kind and the key, and no more.
fn failed(request: &KeyRequest, kind: KeyProviderErrorKind, error: atrest::Error) -> KeyProviderError {
    KeyProviderError::new(kind, request.key_id()).with_source(error)
}

/// A key unwraps under the very context that it was wrapped under: every name and value behind its length.
fn bound_to(context: &EncryptionContext) -> atrest::Result<ObjectName> {
    let mut bound = Vec::from(*b"context");
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        bound.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bound.extend_from_slice(text.as_bytes());
    }
    ObjectName::new("wrapped-keys", bound)
}

fn main() -> Result<(), Box<dyn Error>> {
    let vault = Arc::new(Vault::with_keys(&[("key/photos", "alice"), ("key/payroll", "bob")])?);
    // Which of the service's keys this store uses, and so which an envelope may name.
    let sse = Sse::builder().kms(vault, KmsKeys::only(["key/photos", "key/payroll"])).build()?;
    let object = ObjectName::new("photos", "2026/cat.jpg")?;

    let alice = sse.requested_by(Requester::new("alice"));
    let encrypted = alice.blocking().encrypt(&object, SseKms::new("key/photos"), b"meow")?;
    println!("encrypted under {:?}", encrypted.envelope.kms_key_id());
    println!(
        "alice reads {}",
        String::from_utf8_lossy(&alice.blocking().decrypt(&object, &encrypted, Unlock::Server)?)
    );

    let bob = sse.requested_by(Requester::new("bob"));
    println!("bob: {}", bob.blocking().decrypt(&object, &encrypted, Unlock::Server).err().ok_or("was let in")?);
    let unknown = alice.blocking().encrypt(&object, SseKms::new("key/none"), b"meow");
    println!("a key that nobody made: {}", unknown.err().ok_or("was found")?);
    Ok(())
}
