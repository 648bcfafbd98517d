//! [`Observed`], a key provider that reports each call of another one to a [`KmsObserver`]; [`KmsCounters`], an
//! observer that counts.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, SystemClock};
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind};
use crate::keys::unwinding::PanicCatching;
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, KmsOperation, UnwrappedKey, WrappedKey};

/// The most keys that [`KmsCounters`] counts apart.
const MAX_KEYS: usize = 1_024;

/// The number of keys counted apart above which no id is added for a call that returned no key: a client may name any
/// number of keys that do not exist, and must not take the place of those that do.
const MAX_REFUSED_KEYS: usize = MAX_KEYS / 2;

/// How a call of a key provider ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum KmsOutcome<'a> {
    /// The provider returned a key; this is the resolved id of its KMS key.
    Key(&'a str),
    /// The provider returned an error.
    Error(&'a KeyProviderError),
    /// The caller left before the provider answered.
    Abandoned,
}

/// One call of a key provider that has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KmsCall<'a> {
    /// What was called.
    pub operation: KmsOperation,
    /// What it was called with.
    pub request: &'a KeyRequest,
    /// How it ended.
    pub outcome: KmsOutcome<'a>,
    /// The id that the provider's backend gave to the call, whether it returned a key or an error. `None` if the
    /// provider tells none, or if the call was abandoned.
    pub request_id: Option<&'a str>,
    /// How long it took.
    pub took: Duration,
    /// The wall clock's time when it ended.
    pub ended: SystemTime,
}

/// Learns of each call of a key provider: for metrics.
pub trait KmsObserver: Send + Sync + 'static {
    /// Takes one call that has ended. It runs on the caller's thread before the caller has the answer, so it must be
    /// fast. A panic in it is ignored.
    fn ended(&self, call: &KmsCall<'_>);
}

/// A key provider that reports each call of another one to an observer, with its outcome and its time.
///
/// Inside [`Resilient`](super::Resilient) it reports each attempt, around it each call. A bucket key from the cache
/// needs no call: [`Sse::bucket_key_stats`](crate::Sse::bucket_key_stats) counts those.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # #[cfg(feature = "testing")] {
/// use std::sync::Arc;
/// use atrest::kms::{KmsCounters, Observed};
/// use atrest::testing::MemoryKms;
/// use atrest::{KmsKeys, ObjectName, Sse, SseKms};
///
/// let kms = Arc::new(MemoryKms::new());
/// let key_id = kms.create_key("app")?;
/// let counters = Arc::new(KmsCounters::new());
/// let kms = Arc::new(Observed::new(kms, counters.clone()));
/// let sse = Sse::builder().kms(kms, KmsKeys::only([&*key_id])).build()?;
/// sse.blocking().encrypt(&ObjectName::new("photos", "cat.jpg")?, SseKms::new(&*key_id), b"meow")?;
/// assert_eq!((counters.key(&key_id).generated, counters.key(&key_id).failed), (1, 0));
/// # }
/// # Ok(()) }
/// ```
pub struct Observed {
    provider: Arc<PanicCatching>,
    observer: Arc<dyn KmsObserver>,
    clock: Arc<dyn Clock>,
}

impl Observed {
    /// Reports the calls of this provider to this observer.
    pub fn new(provider: Arc<dyn KeyProvider>, observer: Arc<dyn KmsObserver>) -> Self {
        Self { provider: Arc::new(PanicCatching(provider)), observer, clock: Arc::new(SystemClock) }
    }

    /// Sets the clock, for tests.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    async fn observed<T>(
        self: Arc<Self>,
        operation: KmsOperation,
        request: KeyRequest,
        ask: impl FnOnce(Arc<PanicCatching>, KeyRequest) -> KeyFuture<T>,
        told: impl Fn(&T) -> (&str, Option<&str>),
    ) -> Result<T, KeyProviderError> {
        let since = self.clock.monotonic();
        let running = Running { observed: &self, operation, request: &request, since, is_ended: false };
        let answer = ask(self.provider.clone(), request.clone()).await;
        match &answer {
            Ok(key) => {
                let (key_id, request_id) = told(key);
                running.end(KmsOutcome::Key(key_id), request_id);
            }
            Err(error) => running.end(KmsOutcome::Error(error), error.request_id()),
        }
        answer
    }
}

/// A call in progress. Dropped before its end, it is reported as abandoned.
struct Running<'a> {
    observed: &'a Observed,
    operation: KmsOperation,
    request: &'a KeyRequest,
    since: Duration,
    is_ended: bool,
}

impl Running<'_> {
    fn end(mut self, outcome: KmsOutcome<'_>, request_id: Option<&str>) {
        self.report(outcome, request_id);
        self.is_ended = true;
    }

    fn report(&self, outcome: KmsOutcome<'_>, request_id: Option<&str>) {
        let Self { observed, operation, request, since, .. } = *self;
        let took = observed.clock.monotonic().saturating_sub(since);
        let ended = observed.clock.wall();
        let call = KmsCall { operation, request, outcome, request_id, took, ended };
        let _ = catch_unwind(AssertUnwindSafe(|| observed.observer.ended(&call)));
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if !self.is_ended {
            self.report(KmsOutcome::Abandoned, None);
        }
    }
}

impl KeyProvider for Observed {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let ask = |provider: Arc<PanicCatching>, request| provider.generate_key(request);
        Box::pin(
            self.observed(KmsOperation::Generate, request, ask, |key: &GeneratedKey| (key.key_id(), key.request_id())),
        )
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let ask = |provider: Arc<PanicCatching>, request| provider.unwrap_key(wrapped, request);
        Box::pin(
            self.observed(KmsOperation::Unwrap, request, ask, |key: &UnwrappedKey| (key.key_id(), key.request_id())),
        )
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.provider.epoch(key_id)
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

/// An observer that counts the calls of each KMS key and tells its last use: by its resolved id where a key was
/// returned, else by the id in the request. Beyond 1,024 keys the others are counted together, under the empty id;
/// beyond 512 so are calls without a key for an id that is new.
///
/// It counts the calls of this process since its start. Before a KMS key is deleted, count what is stored under it: the
/// manual's page *howto*, "Before you delete a KMS key".
#[derive(Debug, Default)]
pub struct KmsCounters(Mutex<BTreeMap<String, KmsKeyCounts>>);

/// The counts of one KMS key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KmsKeyCounts {
    /// The number of generated keys.
    pub generated: u64,
    /// The number of unwrapped keys.
    pub unwrapped: u64,
    /// The number of calls that failed.
    pub failed: u64,
    /// The number of calls whose caller left.
    pub abandoned: u64,
    /// The kind of the last error.
    pub last_error: Option<Kind>,
    /// The time of all calls together.
    pub total_time: Duration,
    /// The time of the longest call.
    pub longest: Duration,
    /// The wall clock's time when the KMS last returned a key under this KMS key. A use of a
    /// [bucket key](crate::SseKms::with_bucket_key) from the cache does not count.
    pub last_used: Option<SystemTime>,
}

impl KmsCounters {
    /// Creates counters at zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the counts of one key id.
    pub fn key(&self, key_id: &str) -> KmsKeyCounts {
        self.lock().get(key_id).cloned().unwrap_or_default()
    }

    /// Returns the counts of all key ids.
    pub fn keys(&self) -> BTreeMap<String, KmsKeyCounts> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, KmsKeyCounts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KmsObserver for KmsCounters {
    fn ended(&self, call: &KmsCall<'_>) {
        let key_id = match call.outcome {
            KmsOutcome::Key(key_id) => key_id,
            KmsOutcome::Error(_) | KmsOutcome::Abandoned => call.request.key_id(),
        };
        let mut keys = self.lock();
        let most = if matches!(call.outcome, KmsOutcome::Key(_)) { MAX_KEYS } else { MAX_REFUSED_KEYS };
        let key_id = if keys.len() < most || keys.contains_key(key_id) { key_id } else { "" };
        let counts = keys.entry(key_id.to_owned()).or_default();
        counts.total_time = counts.total_time.saturating_add(call.took);
        counts.longest = counts.longest.max(call.took);
        match call.outcome {
            KmsOutcome::Key(_) => {
                counts.last_used = counts.last_used.max(Some(call.ended));
                match call.operation {
                    KmsOperation::Generate => counts.generated += 1,
                    KmsOperation::Unwrap => counts.unwrapped += 1,
                }
            }
            KmsOutcome::Error(error) => {
                counts.failed += 1;
                counts.last_error = Some(error.kind());
            }
            KmsOutcome::Abandoned => counts.abandoned += 1,
        }
    }
}
