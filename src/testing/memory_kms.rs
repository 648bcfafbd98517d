//! [`MemoryKms`], an in-memory KMS for tests; and [`Calls`], its call counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::crypto::Generator;
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind, Result};
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::kms::wrapped_kek::{self, Binding};
use crate::secret::{KeyEncryptionKey, MasterKey};

/// An in-memory KMS with keys, aliases, bound contexts, key states, and a switch for each class of failure.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use std::sync::Arc;
/// use atrest::testing::MemoryKms;
/// use atrest::{KmsKeys, ObjectName, Sse, SseKms, Unlock};
///
/// let kms = Arc::new(MemoryKms::new());
/// let key_id = kms.create_key("app")?;
/// kms.alias("alias/app", &key_id);
/// let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([&*key_id])).build()?;
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let stored = sse.blocking().encrypt(&object, SseKms::new("alias/app"), b"meow")?;
/// kms.disable(&key_id);
/// assert!(sse.blocking().decrypt(&object, &stored, Unlock::Server).is_err());
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct MemoryKms(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
    fails: Option<Kind>,
    calls: Calls,
    requests: Vec<KeyRequest>,
}

#[derive(Debug)]
struct Key {
    material: MasterKey,
    /// The reason why the key refuses its use; `None` if it is usable.
    refuses: Option<Kind>,
}

/// The number of calls that a KMS received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// The number of calls of `generate_key`, including refused ones.
    pub generate: u64,
    /// The number of calls of `unwrap_key`, including refused ones.
    pub unwrap: u64,
}

impl MemoryKms {
    /// Creates a KMS without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a key and returns its id.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`](crate::Error::Random) if the operating system's random generator failed.
    pub fn create_key(&self, name: &str) -> Result<String> {
        let key_id = format!("memory-kms:key/{name}");
        let key = Key { material: MasterKey::generate()?, refuses: None };
        self.state().keys.insert(key_id.clone(), key);
        Ok(key_id)
    }

    /// Creates or moves an alias of a key.
    pub fn alias(&self, alias: &str, key_id: &str) {
        self.state().aliases.insert(alias.to_owned(), key_id.to_owned());
    }

    /// Disables a key: every use of it fails with `Disabled`.
    pub fn disable(&self, key_id: &str) {
        self.refuse(key_id, Some(Kind::Disabled));
    }

    /// Enables a key that was disabled or pending deletion.
    pub fn enable(&self, key_id: &str) {
        self.refuse(key_id, None);
    }

    /// Makes a key pending deletion: every use of it fails with `PendingDeletion`.
    pub fn schedule_deletion(&self, key_id: &str) {
        self.refuse(key_id, Some(Kind::PendingDeletion));
    }

    /// Makes every later call fail with this kind, until this function is called with `None`.
    ///
    /// With `WrongKey` and `WrongLength` the calls succeed but return another key id or an empty wrapped key.
    pub fn fail_with(&self, kind: Option<Kind>) {
        self.state().fails = kind;
    }

    /// Returns the number of calls so far.
    pub fn calls(&self) -> Calls {
        self.state().calls
    }

    /// Returns all requests so far, in order.
    pub fn requests(&self) -> Vec<KeyRequest> {
        self.state().requests.clone()
    }

    fn refuse(&self, key_id: &str, refuses: Option<Kind>) {
        if let Some(key) = self.state().keys.get_mut(key_id) {
            key.refuses = refuses;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the key that the request names, if it is usable now.
    fn key(&self, request: &KeyRequest) -> Result<(String, &Key), KeyProviderError> {
        let refused = |kind| KeyProviderError::new(kind, request.key_id());
        match self.fails {
            None | Some(Kind::WrongKey | Kind::WrongLength) => {}
            Some(kind) => return Err(refused(kind)),
        }
        let key_id = self.aliases.get(request.key_id()).map_or(request.key_id(), String::as_str);
        let key = self.keys.get(key_id).ok_or_else(|| refused(Kind::NotFound))?;
        match key.refuses {
            Some(kind) => Err(refused(kind)),
            None => Ok((key_id.to_owned(), key)),
        }
    }

    /// Returns the key id for the answer.
    fn answers_as(&self, key_id: String) -> String {
        if self.fails == Some(Kind::WrongKey) { format!("{key_id}-another") } else { key_id }
    }

    fn generate(&mut self, request: &KeyRequest) -> Result<GeneratedKey, KeyProviderError> {
        self.calls.generate += 1;
        self.requests.push(request.clone());
        let (key_id, key) = self.key(request)?;
        let unavailable =
            |error: crate::Error| KeyProviderError::new(Kind::Unavailable, request.key_id()).with_source(error);
        let kek = KeyEncryptionKey::generate().map_err(unavailable)?;
        let binding = Binding { version: 1, key_id: &key_id, context: request.context() };
        let wrapped = wrapped_kek::wrap(key.material.expose_secret(), &binding, &Generator::default(), &kek);
        let mut wrapped = wrapped.map_err(unavailable)?;
        if self.fails == Some(Kind::WrongLength) {
            wrapped.clear();
        }
        Ok(GeneratedKey::new(self.answers_as(key_id), wrapped, kek))
    }

    fn unwrap(&mut self, wrapped: &WrappedKey, request: &KeyRequest) -> Result<UnwrappedKey, KeyProviderError> {
        self.calls.unwrap += 1;
        self.requests.push(request.clone());
        let (key_id, key) = self.key(request)?;
        let rejected = || KeyProviderError::new(Kind::Rejected, request.key_id());
        if wrapped_kek::version_of(wrapped.as_bytes()) != Some(1) {
            return Err(rejected());
        }
        let binding = Binding { version: 1, key_id: &key_id, context: request.context() };
        let kek = wrapped_kek::unwrap(key.material.expose_secret(), &binding, wrapped.as_bytes());
        let kek = kek.map_err(|error| rejected().with_source(error))?;
        Ok(UnwrappedKey::new(self.answers_as(key_id), kek))
    }
}

impl KeyProvider for MemoryKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move { self.state().generate(&request) })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move { self.state().unwrap(&wrapped, &request) })
    }
}
