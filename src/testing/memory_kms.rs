//! [`MemoryKms`], an in-memory KMS for tests; and [`Calls`], its call counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;

use crate::crypto::Generator;
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind, Result};
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::kms::wrapped_kek::{self, Binding};
use crate::offload::offload;
use crate::secret::{KeyEncryptionKey, MasterKey};

/// An in-memory KMS with keys, aliases, bound contexts, key states, and switches: for each class of failure, for delays
/// and for calls that hang.
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
    /// The number of calls that still fail, and how.
    fails_next: Option<(u64, Kind)>,
    delay: Duration,
    /// Where calls hang: what each of them waits for.
    hanging: Option<Vec<oneshot::Sender<()>>>,
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

    /// Makes the next `count` calls fail with this kind; those after them succeed again. Otherwise as
    /// [`fail_with`](Self::fail_with), which goes before.
    pub fn fail_next(&self, count: u64, kind: Kind) {
        self.state().fails_next = Some((count, kind));
    }

    /// Makes every later call take this long. It waits on a thread of its own, so that no runtime is needed.
    pub fn delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Makes every later call hang until [`go_on`](Self::go_on). A test needs no time for it.
    pub fn hang(&self) {
        self.state().hanging.get_or_insert_default();
    }

    /// Lets the calls that hang go on, and every later call.
    pub fn go_on(&self) {
        self.state().hanging = None; // which drops the senders, and so wakes the calls
    }

    /// Returns the number of calls that hang now; a call whose future was dropped does not count.
    pub fn hanging(&self) -> usize {
        let state = self.state();
        state.hanging.iter().flatten().filter(|sender| !sender.is_canceled()).count()
    }

    /// Returns the number of calls so far. A call counts when it arrives, before a delay.
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

    /// Counts a call, and waits as long as the test wants it to.
    async fn arrives(&self, request: &KeyRequest, count: impl FnOnce(&mut Calls)) {
        let (delay, hangs) = {
            let mut state = self.state();
            count(&mut state.calls);
            state.requests.push(request.clone());
            let hangs = state.hanging.as_mut().map(|hanging| {
                let (go_on, goes_on) = oneshot::channel();
                hanging.push(go_on);
                goes_on
            });
            (state.delay, hangs)
        };
        if let Some(goes_on) = hangs {
            let _ = goes_on.await; // a dropped sender lets the call go on
        }
        if !delay.is_zero()
            && let Ok(slept) = offload(move || thread::sleep(delay))
        {
            let _ = slept.await; // a thread that only sleeps does not panic
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns how this call fails, if a test wants it to.
    fn failure(&mut self) -> Option<Kind> {
        let next = match &mut self.fails_next {
            Some((count @ 1.., kind)) => {
                *count -= 1;
                Some(*kind)
            }
            _ => None,
        };
        self.fails.or(next)
    }

    /// Returns the key that the request names, if it is usable now.
    fn key(&self, request: &KeyRequest, fails: Option<Kind>) -> Result<(String, &Key), KeyProviderError> {
        let refused = |kind| KeyProviderError::new(kind, request.key_id());
        match fails {
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

    fn generate(&mut self, request: &KeyRequest) -> Result<GeneratedKey, KeyProviderError> {
        let fails = self.failure();
        let (key_id, key) = self.key(request, fails)?;
        let unavailable =
            |error: crate::Error| KeyProviderError::new(Kind::Unavailable, request.key_id()).with_source(error);
        let kek = KeyEncryptionKey::generate().map_err(unavailable)?;
        let binding = Binding { version: 1, key_id: &key_id, context: request.context() };
        let wrapped = wrapped_kek::wrap(key.material.expose_secret(), &binding, &Generator::default(), &kek);
        let mut wrapped = wrapped.map_err(unavailable)?;
        if fails == Some(Kind::WrongLength) {
            wrapped.clear();
        }
        Ok(GeneratedKey::new(answers_as(key_id, fails), wrapped, kek))
    }

    fn unwrap(&mut self, wrapped: &WrappedKey, request: &KeyRequest) -> Result<UnwrappedKey, KeyProviderError> {
        let fails = self.failure();
        let (key_id, key) = self.key(request, fails)?;
        let rejected = || KeyProviderError::new(Kind::Rejected, request.key_id());
        if wrapped_kek::version_of(wrapped.as_bytes()) != Some(1) {
            return Err(rejected());
        }
        let binding = Binding { version: 1, key_id: &key_id, context: request.context() };
        let kek = wrapped_kek::unwrap(key.material.expose_secret(), &binding, wrapped.as_bytes());
        let kek = kek.map_err(|error| rejected().with_source(error))?;
        Ok(UnwrappedKey::new(answers_as(key_id, fails), kek))
    }
}

/// Returns the key id for the answer.
fn answers_as(key_id: String, fails: Option<Kind>) -> String {
    if fails == Some(Kind::WrongKey) { format!("{key_id}-another") } else { key_id }
}

impl KeyProvider for MemoryKms {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            self.arrives(&request, |calls| calls.generate += 1).await;
            self.state().generate(&request)
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            self.arrives(&request, |calls| calls.unwrap += 1).await;
            self.state().unwrap(&wrapped, &request)
        })
    }
}
