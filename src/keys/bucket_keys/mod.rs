//! [`BucketKeys`], the limits of the cache of bucket keys; [`BucketKeyCache`], the cache; [`BucketKey`], a key in it.

mod entries;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

use entries::Entries;

use super::provider::{GeneratedKey, UNKNOWN_EPOCH, UnwrappedKey, WrappedKey};
use super::{EncryptionContext, KeyFrom};
use crate::clock::{Clock, Moment};
use crate::error::KeyProviderError;
use crate::object::Requester;
use crate::secret::KeyEncryptionKey;

/// The age from which a call of the KMS in progress serves no further caller, since the provider may hang. The limit is
/// shorter if the longest age of a key is.
const OLDEST_CALL: Duration = Duration::from_secs(10);

/// The shortest time between two searches for keys whose age is over, by the thread that makes them.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

/// The limits of the cache of [bucket keys](crate::SseKms::with_bucket_key) of one [`Sse`](crate::Sse).
///
/// | | default |
/// |---|---|
/// | [age](Self::with_max_age) | 5 minutes |
/// | [uses](Self::with_max_uses) of one key | 2^20 |
/// | [keys](Self::with_max_keys) in the cache | 1,024 |
/// | [keys of one requester](Self::with_max_keys_per_requester) | 64 |
///
/// A requester who needs more keys loses their own least recently used one, never that of another requester. Only if
/// the whole cache is full, the requester with the most keys loses one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketKeys {
    max_age: Duration,
    max_uses: u64,
    max_keys: usize,
    max_keys_per_requester: usize,
}

impl BucketKeys {
    /// Creates the default limits.
    pub fn new() -> Self {
        Self { max_age: Duration::from_secs(300), max_uses: 1 << 20, max_keys: 1_024, max_keys_per_requester: 64 }
    }

    /// Creates the limits of a cache that keeps nothing and shares no call: each object needs one call of the KMS.
    pub fn uncached() -> Self {
        Self { max_keys: 0, ..Self::new() }
    }

    /// Sets how long a key serves after its call of the KMS began.
    ///
    /// # Security
    ///
    /// For this long a key serves after the KMS disabled it or revoked a permission, unless the provider
    /// [tells changes](crate::KeyProvider::epoch).
    #[must_use]
    pub fn with_max_age(self, age: Duration) -> Self {
        Self { max_age: age, ..self }
    }

    /// Sets the most objects that one key serves, written or read.
    #[must_use]
    pub fn with_max_uses(self, uses: u64) -> Self {
        Self { max_uses: uses, ..self }
    }

    /// Sets the most keys in the cache. 0 means [`uncached`](Self::uncached).
    #[must_use]
    pub fn with_max_keys(self, keys: usize) -> Self {
        Self { max_keys: keys, ..self }
    }

    /// Sets the most keys of one requester in the cache.
    #[must_use]
    pub fn with_max_keys_per_requester(self, keys: usize) -> Self {
        Self { max_keys_per_requester: keys, ..self }
    }

    fn keeps_nothing(&self) -> bool {
        self.max_age.is_zero() || [self.max_uses, self.max_keys as u64, self.max_keys_per_requester as u64].contains(&0)
    }
}

impl Default for BucketKeys {
    fn default() -> Self {
        Self::new()
    }
}

/// The counts of a cache of bucket keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketKeyStats {
    /// The number of keys in the cache.
    pub keys: usize,
    /// The number of requests that a key in the cache served.
    pub hits: u64,
    /// The number of requests that joined a call of the KMS in progress.
    pub joined: u64,
    /// The number of calls of the KMS.
    pub calls: u64,
}

/// A key-encryption key of a bucket, its KMS key, and its wrapped form. It is wiped when its last user drops it.
pub(crate) struct BucketKey {
    /// The resolved id of the KMS key.
    pub(crate) key_id: Arc<str>,
    pub(crate) wrapped: WrappedKey,
    pub(crate) kek: KeyEncryptionKey,
    /// The backend's id of the call that brought the key.
    pub(crate) request_id: Option<Arc<str>>,
    /// Whether the key has opened an envelope: then it is the key that was wrapped.
    is_proven: AtomicBool,
}

impl BucketKey {
    pub(crate) fn generated(generated: GeneratedKey) -> Self {
        let GeneratedKey { key_id, wrapped, kek, request_id } = generated;
        Self { key_id: key_id.into(), wrapped, kek, request_id, is_proven: AtomicBool::default() }
    }

    pub(crate) fn unwrapped(key_id: Arc<str>, wrapped: WrappedKey, unwrapped: UnwrappedKey) -> Self {
        let UnwrappedKey { kek, request_id, .. } = unwrapped;
        Self { key_id, wrapped, kek, request_id, is_proven: AtomicBool::default() }
    }

    /// Tells that the key has opened an envelope.
    pub(crate) fn prove(&self) {
        // PERF: no write to memory that other threads read.
        if !self.is_proven() {
            self.is_proven.store(true, Ordering::Relaxed);
        }
    }

    fn is_proven(&self) -> bool {
        self.is_proven.load(Ordering::Relaxed)
    }
}

/// Everything that two requests have in common if one key serves both.
#[derive(PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) requester: Requester,
    /// For a write the KMS key as the writer named it, for a read its resolved id.
    pub(crate) key_id: Arc<str>,
    /// Whether only this very key may answer. A name may be answered by any key.
    pub(crate) is_resolved: bool,
    /// The caller's pairs. The bucket's ARN, which is shown with them, follows from the bucket.
    pub(crate) pairs: Arc<EncryptionContext>,
    pub(crate) realm: Box<[u8]>,
    pub(crate) bucket: Box<[u8]>,
    pub(crate) mode: u8,
    pub(crate) suite: u8,
    /// For a read the wrapped key, whole; a key that was generated serves no read.
    pub(crate) wrapped: Option<WrappedKey>,
}

impl Slot {
    /// Returns whether the KMS binds a key to the same context as for the other slot.
    fn has_context_of(&self, other: &Self) -> bool {
        (&self.pairs, &self.bucket) == (&other.pairs, &other.bucket)
    }
}

type Answer = Result<Arc<BucketKey>, KeyProviderError>;
type Call = Shared<BoxFuture<'static, Answer>>;

/// The bucket keys of one `Sse`. Clones share the keys.
#[derive(Clone)]
pub(crate) struct BucketKeyCache(Arc<Cache>);

struct Cache {
    limits: BucketKeys,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    entries: Entries,
    calls: HashMap<Arc<Slot>, RunningCall>,
    next_call: u64,
    stats: BucketKeyStats,
    /// Ends the thread that looks for old keys. There is one while there are keys.
    looking: Option<mpsc::Sender<()>>,
}

/// A call of the KMS in progress, which is dropped with its last caller. Once another call has taken its place, or a
/// purge has removed it, it leaves nothing in the cache.
struct RunningCall {
    number: u64,
    call: WeakShared<BoxFuture<'static, Answer>>,
    since: Moment,
    epoch: u64,
    uses: Arc<AtomicU64>,
}

/// What a request finds.
enum Found {
    Key(Arc<BucketKey>),
    Call(Call, KeyFrom),
}

impl BucketKeyCache {
    pub(crate) fn new(limits: BucketKeys, clock: Arc<dyn Clock>) -> Self {
        let state = State {
            entries: Entries::default(),
            calls: HashMap::new(),
            next_call: 0,
            stats: BucketKeyStats::default(),
            looking: None,
        };
        Self(Arc::new(Cache { limits, clock, state: Mutex::new(state) }))
    }

    /// Returns the key of a slot, and where it came from: the cache, a call in progress, or a call of `ask`.
    ///
    /// `epoch` is the provider's before this request. A call in progress at another epoch, or from before a purge, is
    /// not joined.
    pub(crate) async fn key(
        &self,
        slot: Slot,
        epoch: u64,
        ask: impl FnOnce() -> BoxFuture<'static, Result<BucketKey, KeyProviderError>>,
    ) -> (Answer, KeyFrom) {
        if self.0.limits.keeps_nothing() {
            self.0.lock().stats.calls += 1;
            return (ask().await.map(Arc::new), KeyFrom::Call);
        }
        match self.find(slot, epoch, ask) {
            Found::Key(key) => (Ok(key), KeyFrom::Cache),
            Found::Call(call, from) => (call.await, from),
        }
    }

    /// Tells that a key failed to open an envelope. If it has opened none before, the KMS may have unwrapped it
    /// wrongly, and it serves no further request unless another call confirms it.
    ///
    /// SECURITY: a key that has opened an envelope stays, so that damaged envelopes cost no call of the KMS.
    pub(crate) fn doubt(&self, key: &Arc<BucketKey>) {
        if !key.is_proven() {
            self.0.lock().entries.doubt(key);
        }
    }

    /// Drops all keys. A call in progress serves its callers and leaves nothing in the cache.
    pub(crate) fn purge(&self) {
        let mut state = self.0.lock();
        state.entries.clear();
        state.calls.clear();
        state.looking = None;
    }

    pub(crate) fn stats(&self) -> BucketKeyStats {
        let mut state = self.0.lock();
        self.0.drop_old(&mut state);
        BucketKeyStats { keys: state.entries.len(), ..state.stats }
    }

    fn find(
        &self,
        slot: Slot,
        epoch: u64,
        ask: impl FnOnce() -> BoxFuture<'static, Result<BucketKey, KeyProviderError>>,
    ) -> Found {
        let Cache { limits, clock, .. } = &*self.0;
        let mut state = self.0.lock();
        if let Some(key) = state.entries.used(&slot, epoch, limits, &**clock) {
            state.stats.hits += 1;
            return Found::Key(key);
        }
        if let Some(call) = state.joined(&slot, epoch, limits, &**clock) {
            state.stats.joined += 1;
            return Found::Call(call, KeyFrom::JoinedCall);
        }
        state.stats.calls += 1;
        let (slot, number) = (Arc::new(slot), state.next_call);
        state.next_call += 1;
        let (since, uses) = (Moment::now(&**clock), Arc::new(AtomicU64::new(1)));
        let call = {
            let ended = EndedCall { cache: Arc::downgrade(&self.0), slot: slot.clone(), number };
            let (uses, answer) = (uses.clone(), ask());
            async move {
                let key = Arc::new(answer.await?);
                if let Some(cache) = ended.cache.upgrade() {
                    cache.insert(&ended.slot, entries::Entry::new(key.clone(), since, epoch, uses), ended.number);
                }
                Ok(key)
            }
        };
        let call = call.boxed().shared();
        if let Some(weak) = call.downgrade() {
            state.calls.insert(slot, RunningCall { number, call: weak, since, epoch, uses });
        }
        Found::Call(call, KeyFrom::Call)
    }
}

impl State {
    /// Returns whether a call is still the one in progress for its slot.
    fn is_running(&self, slot: &Slot, number: u64) -> bool {
        self.calls.get(slot).is_some_and(|running| running.number == number)
    }

    /// Returns the call in progress for a slot, if it may serve one more caller.
    fn joined(&mut self, slot: &Slot, epoch: u64, limits: &BucketKeys, clock: &dyn Clock) -> Option<Call> {
        let running = self.calls.get(slot)?;
        let is_young = running.since.age(clock) < limits.max_age.min(OLDEST_CALL);
        let is_current = running.epoch == epoch && epoch != UNKNOWN_EPOCH && is_young;
        // The call itself is taken last: dropping the last handle of a call locks the cache.
        (is_current && entries::take_use(&running.uses, limits)).then(|| running.call.upgrade()).flatten()
    }
}

/// Removes a call from those in progress when it ends, or when its last caller has left.
struct EndedCall {
    cache: Weak<Cache>,
    slot: Arc<Slot>,
    number: u64,
}

impl Drop for EndedCall {
    fn drop(&mut self) {
        let Some(cache) = self.cache.upgrade() else { return };
        let mut state = cache.lock();
        if state.is_running(&self.slot, self.number) {
            state.calls.remove(&self.slot);
        }
    }
}

impl Cache {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(self: &Arc<Self>, slot: &Arc<Slot>, entry: entries::Entry, number: u64) {
        let mut state = self.lock();
        if !state.is_running(slot, number) || !entry.is_usable(&self.limits, &*self.clock) {
            return;
        }
        self.drop_old(&mut state);
        state.entries.insert(slot.clone(), entry, &self.limits);
        if state.looking.is_none() {
            state.looking = self.look_for_old_keys();
        }
    }

    fn drop_old(&self, state: &mut State) -> Option<Duration> {
        state.entries.drop_old(&self.limits, &*self.clock)
    }

    /// Starts the thread that drops keys whose age is over, so that an idle process keeps none. It ends with the last
    /// key. If it cannot be started, keys are dropped by later requests alone.
    fn look_for_old_keys(self: &Arc<Self>) -> Option<mpsc::Sender<()>> {
        let (keep, ended) = mpsc::channel();
        let (cache, mut wait) = (Arc::downgrade(self), self.limits.max_age);
        let look = move || {
            while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(wait.max(SHORTEST_LOOK)) {
                let Some(cache) = cache.upgrade() else { return };
                let mut state = cache.lock();
                match cache.drop_old(&mut state) {
                    Some(next) => wait = next,
                    None => {
                        state.looking = None;
                        return;
                    }
                }
            }
        };
        thread::Builder::new().name("atrest-bucket-keys".to_owned()).spawn(look).ok().map(|_| keep)
    }
}

impl fmt::Debug for BucketKeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketKeyCache").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}
