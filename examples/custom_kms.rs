//! A key provider of your own, `Vault`, for a KMS with two calls, wrap and unwrap, whose client blocks: connections on
//! threads of the provider, time limits, and retries.
//!
//! ```text
//! cargo run --example custom_kms
//! ```
//!
//! `atrest::testing::KeyProviderSuite` (feature `testing`) checks a provider against every promise that the library
//! relies on; run it in your tests.

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atrest::kms::{Resilient, Threads};
use atrest::{
    Encrypted, EncryptionContext, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError,
    KeyProviderErrorKind, KeyRequest, Keyring, KmsKeys, ObjectName, Requester, Sse, SseKms, SseS3, Unlock,
    UnwrappedKey, WrappedKey,
};

/// The KMS: named keys that never leave it, each with the user that may use it. A real KMS is behind a network.
struct Server {
    keys: BTreeMap<String, (Sse, &'static str)>,
    is_up: AtomicBool,
}

/// A connection, used by one thread at a time.
type Connection = Arc<Server>;

/// The key provider. Each of its threads has a connection once it has made a call, so no runtime waits for a call.
struct Vault {
    server: Arc<Server>,
    threads: Threads<Option<Connection>>,
}

impl Vault {
    /// Does not connect, so that a service can start before its KMS.
    fn new(server: Server) -> Self {
        let threads = Threads::new("vault", NonZeroUsize::MIN, 1_000, || None);
        Self { server: Arc::new(server), threads }
    }
}

impl Server {
    /// Returns the connection of a thread, made if there is none. The first attempt fails, as `Unavailable`: only a
    /// transient error is worth another attempt. A client that loses its connection sets it to `None`.
    fn connected<'a>(
        self: &Arc<Self>,
        connection: &'a mut Option<Connection>,
        request: &KeyRequest,
    ) -> Result<&'a Connection, KeyProviderError> {
        if connection.is_none() {
            let is_up = self.is_up.swap(true, Ordering::Relaxed);
            println!("connecting: {}", if is_up { "connected" } else { "no answer" });
            *connection = is_up.then(|| self.clone());
        }
        connection.as_ref().ok_or_else(|| KeyProviderError::new(KeyProviderErrorKind::Unavailable, request.key_id()))
    }

    fn with_keys(keys: &[(&str, &'static str)]) -> atrest::Result<Self> {
        let new = |&(id, user): &(&str, _)| {
            Ok((id.to_owned(), (Sse::builder().keyring(Keyring::generate()?).build()?, user)))
        };
        Ok(Self { keys: keys.iter().map(new).collect::<atrest::Result<_>>()?, is_up: AtomicBool::new(false) })
    }

    /// Returns the key that a request names, if the requester may use it. The KMS refuses requesters; the library does
    /// not.
    fn key(&self, request: &KeyRequest) -> Result<&Sse, KeyProviderError> {
        let refuse = |kind| KeyProviderError::new(kind, request.key_id());
        let (key, user) = self.keys.get(request.key_id()).ok_or_else(|| refuse(KeyProviderErrorKind::NotFound))?;
        let allowed = request.requester().as_str() == *user;
        allowed.then_some(key).ok_or_else(|| refuse(KeyProviderErrorKind::AccessDenied))
    }
}

/// The two methods of a key provider. A provider generates the key-encryption keys, or passes on those that its KMS
/// generates (such as with `GenerateDataKey` of AWS KMS).
impl KeyProvider for Vault {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let server = self.server.clone();
        self.threads.call(request, move |connection, request| {
            let key = server.connected(connection, request)?.key(request)?;
            let failed = |error| failed(request, KeyProviderErrorKind::Unavailable, error);
            let kek = KeyEncryptionKey::generate().map_err(failed)?;
            let name = bound_to(request.context()).map_err(failed)?;
            let wrapped = key.blocking().encrypt(&name, SseS3, kek.expose_secret()).map_err(failed)?;
            Ok(GeneratedKey::new(request.key_id(), wrapped.to_inline().map_err(failed)?, kek))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let server = self.server.clone();
        self.threads.call(request, move |connection, request| {
            let key = server.connected(connection, request)?.key(request)?;
            let failed = |error| failed(request, unwrap_failure(&error), error);
            let wrapped = Encrypted::from_inline(wrapped.as_bytes()).map_err(failed)?;
            let name = bound_to(request.context()).map_err(failed)?;
            let mut kek = key.blocking().decrypt(&name, &wrapped, Unlock::Server).map_err(failed)?;
            let kek = KeyEncryptionKey::from_slice(&mut kek); // wipes its input
            let kek = kek.map_err(|error| self::failed(request, KeyProviderErrorKind::WrongLength, error))?;
            Ok(UnwrappedKey::new(request.key_id(), kek))
        })
    }
}

/// Returns the kind of an error of an unwrap. `Unavailable`, which is tried again: the KMS itself lacks something.
/// `Rejected`, which is an alarm: all else comes from the wrapped key, which is damaged, or was wrapped under another
/// key or for another object. As `Unavailable` it would be tried again, and such keys would open the circuit breaker.
fn unwrap_failure(error: &atrest::Error) -> KeyProviderErrorKind {
    match error {
        atrest::Error::Random(_) | atrest::Error::Io(_) => KeyProviderErrorKind::Unavailable,
        atrest::Error::KeyProvider(error) if error.is_transient() => KeyProviderErrorKind::Unavailable,
        _ => KeyProviderErrorKind::Rejected,
    }
}

/// Converts an error. The cause is for logs: the library's errors show only the kind and the key id.
fn failed(request: &KeyRequest, kind: KeyProviderErrorKind, error: atrest::Error) -> KeyProviderError {
    KeyProviderError::new(kind, request.key_id()).with_source(error)
}

/// The object name that binds a wrapped key to its encryption context: every name and value with its length.
fn bound_to(context: &EncryptionContext) -> atrest::Result<ObjectName> {
    let mut bound = Vec::from(*b"context");
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        bound.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bound.extend_from_slice(text.as_bytes());
    }
    ObjectName::new("wrapped-keys", bound)
}

fn main() -> Result<(), Box<dyn Error>> {
    let vault = Vault::new(Server::with_keys(&[("key/photos", "alice"), ("key/payroll", "bob")])?);
    // What transient errors and a KMS that hangs may cost: 1 second for an attempt, 4 seconds for a call with all its
    // attempts, and the default number of them.
    let kms = Resilient::new(Arc::new(vault))
        .with_attempt_limit(Duration::from_secs(1))
        .with_total_limit(Duration::from_secs(4));
    // The KMS keys that this store uses, and so the only ones that its envelopes may name.
    let sse = Sse::builder().kms(Arc::new(kms), KmsKeys::only(["key/photos", "key/payroll"])).build()?;
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
    println!("an unknown key: {}", unknown.err().ok_or("was found")?);
    Ok(())
}
