//! [`Resilient`], a key provider around another one, with time limits, retries, a circuit breaker and a limit of calls
//! at the same time.

mod breaker;
mod permits;

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use breaker::Breaker;
use permits::Permits;

use crate::crypto::Generator;
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind};
use crate::keys::unwinding::PanicCatching;
use crate::keys::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use crate::timer::{ThreadTimer, Timer, TimerFuture};

/// The longest backoff whatever is set, so that no arithmetic overflows.
const MAX_BACKOFF: Duration = Duration::from_secs(86_400);

/// A key provider around another one that bounds what a slow, throttled or dead KMS costs: every call ends within a
/// time limit.
///
/// | limit | default | |
/// |---|---|---|
/// | [one attempt](Self::with_attempt_limit) | 2 s | one that takes longer is abandoned: `Unavailable` |
/// | [all in all](Self::with_total_limit) | 8 s | attempts, waits and queueing together |
/// | [attempts](Self::with_attempts) | 4 | more than one only after an error that is transient |
/// | [backoff](Self::with_backoff) | 50 ms to 1 s | a random part of a time that doubles |
/// | [circuit breaker](Self::with_breaker) | 5 failures, 5 s | refuses calls at once, then one call probes |
/// | [calls at the same time](Self::with_concurrency) | 128 | further calls wait in order, within their limit |
///
/// An error says whether it [is transient](KeyProviderError::is_transient), and how long to wait
/// ([`retry_after`](KeyProviderError::retry_after)): that time is added to the backoff. If it does not fit into the
/// limit, the error is returned at once.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # #[cfg(feature = "testing")] {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use atrest::kms::Resilient;
/// use atrest::testing::MemoryKms;
/// use atrest::{KmsKeys, ObjectName, Sse, SseKms};
///
/// let kms = Arc::new(MemoryKms::new());
/// let key_id = kms.create_key("app")?;
/// let kms = Resilient::new(kms).with_total_limit(Duration::from_secs(3));
/// let sse = Sse::builder().kms(Arc::new(kms), KmsKeys::only([&*key_id])).build()?;
/// sse.blocking().encrypt(&ObjectName::new("photos", "cat.jpg")?, SseKms::new(key_id), b"meow")?;
/// # }
/// # Ok(()) }
/// ```
///
/// Use one around each provider: the breaker and the limits count all its keys. Turn off the retries of an SDK inside,
/// or the attempts of both multiply. Set the limits below the time that callers wait: a caller that leaves ends its
/// call, and an abandoned call tells the breaker nothing.
///
/// The breaker counts errors of kind `Unavailable` in a row, time limits included. It does not count the
/// time limit of a call that waited for its turn until less than the time of an attempt was left. An error by which
/// the provider refuses, such as `AccessDenied` or `Misconfigured`, shows that the provider answers. A panic of the
/// provider becomes an error of kind `Panicked` and is not retried.
///
/// It needs no runtime, and works in all of them. It cannot interrupt a provider that blocks the thread that polls it.
pub struct Resilient {
    provider: Arc<PanicCatching>,
    attempt_limit: Duration,
    total_limit: Duration,
    attempts: u32,
    backoff: (Duration, Duration),
    breaker: Breaker,
    permits: Arc<Permits>,
    timer: Arc<dyn Timer>,
}

impl Resilient {
    /// Wraps a provider, with the default limits.
    pub fn new(provider: Arc<dyn KeyProvider>) -> Self {
        Self {
            provider: Arc::new(PanicCatching(provider)),
            attempt_limit: Duration::from_secs(2),
            total_limit: Duration::from_secs(8),
            attempts: 4,
            backoff: (Duration::from_millis(50), Duration::from_secs(1)),
            breaker: Breaker::new(5, Duration::from_secs(5)),
            permits: Permits::new(128),
            timer: Arc::new(ThreadTimer::new()),
        }
    }

    /// Sets the time limit of one attempt.
    #[must_use]
    pub fn with_attempt_limit(self, limit: Duration) -> Self {
        Self { attempt_limit: limit, ..self }
    }

    /// Sets the time limit of a call with all its attempts and waits.
    #[must_use]
    pub fn with_total_limit(self, limit: Duration) -> Self {
        Self { total_limit: limit, ..self }
    }

    /// Sets the most attempts of one call. One means no retries.
    #[must_use]
    pub fn with_attempts(self, attempts: NonZeroU32) -> Self {
        Self { attempts: attempts.get(), ..self }
    }

    /// Sets the wait before the second attempt and the longest wait. Between them the wait doubles; each call waits a
    /// random part of it, so that callers that failed together do not return together.
    #[must_use]
    pub fn with_backoff(self, first: Duration, longest: Duration) -> Self {
        Self { backoff: (first, longest), ..self }
    }

    /// Sets the number of failures in a row that open the circuit breaker, and how long it then refuses calls before
    /// one probes.
    #[must_use]
    pub fn with_breaker(self, failures: NonZeroU32, open_for: Duration) -> Self {
        Self { breaker: Breaker::new(failures.get(), open_for), ..self }
    }

    /// Sets the most calls of the provider at the same time.
    #[must_use]
    pub fn with_concurrency(self, calls: NonZeroUsize) -> Self {
        Self { permits: Permits::new(calls.get()), ..self }
    }

    /// Sets the timer. The default is a [`ThreadTimer`], which works in every runtime and without one.
    #[must_use]
    pub fn with_timer(self, timer: Arc<dyn Timer>) -> Self {
        Self { timer, ..self }
    }

    /// Returns whether the circuit breaker refuses calls, or waits for the answer of its probe.
    pub fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    async fn call<T: Send + 'static>(
        &self,
        key_id: &str,
        ask: impl Fn(Arc<dyn KeyProvider>) -> KeyFuture<T> + Send,
    ) -> Result<T, KeyProviderError> {
        let deadline = self.timer.now().saturating_add(self.total_limit);
        for attempt in 1.. {
            let failed = match self.attempt(key_id, deadline, &ask).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if failed.is_final || attempt >= self.attempts || !failed.error.is_transient() {
                return Err(failed.error);
            }
            let wait = self.wait_after(attempt, &failed.error);
            if self.timer.now().saturating_add(wait) >= deadline {
                return Err(failed.error);
            }
            self.timer.sleep(wait).await;
        }
        unreachable!("the loop ends with its last attempt")
    }

    async fn attempt<T: Send + 'static>(
        &self,
        key_id: &str,
        deadline: Duration,
        ask: impl Fn(Arc<dyn KeyProvider>) -> KeyFuture<T>,
    ) -> Result<T, Failed> {
        let left = deadline.saturating_sub(self.timer.now());
        let unavailable = || KeyProviderError::new(Kind::Unavailable, key_id);
        let permit = within(Box::pin(self.permits.acquire()), self.timer.sleep(left)).await;
        let Some(permit) = permit else { return Err(Failed { error: unavailable(), is_final: true }) };
        let now = self.timer.now();
        let pass = self.breaker.admit(now).map_err(|wait| {
            let error = unavailable().with_retry_after(wait);
            Failed { error, is_final: true }
        })?;
        let limit = self.attempt_limit.min(deadline.saturating_sub(now));
        if limit.is_zero() {
            return Err(Failed { error: unavailable(), is_final: true });
        }
        let answer = within(ask(self.provider.clone()), self.timer.sleep(limit)).await;
        let is_cut_by_queue = answer.is_none() && permit.has_waited() && limit < self.attempt_limit;
        drop(permit);
        let answer = answer.unwrap_or_else(|| Err(unavailable()));
        let is_answered = !answer.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable);
        if !is_cut_by_queue {
            pass.finish(is_answered, self.timer.now());
        }
        answer.map_err(|error| Failed { error, is_final: false })
    }

    /// Returns how long a call waits after its failed attempt of this number.
    fn wait_after(&self, attempt: u32, error: &KeyProviderError) -> Duration {
        let (first, longest) = self.backoff;
        let doubled =
            first.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX)).min(longest).min(MAX_BACKOFF);
        // Without randomness the wait is whole.
        let part = Generator::default().bytes::<4>().map_or(u32::MAX, u32::from_be_bytes);
        let jittered = doubled.mul_f64(f64::from(part) / f64::from(u32::MAX));
        error.retry_after().unwrap_or_default().saturating_add(jittered)
    }
}

/// A failed attempt, and whether the call ends with it.
struct Failed {
    error: KeyProviderError,
    is_final: bool,
}

/// Returns the result of `work`, or `None` if the limit is over first; `work` is then dropped.
async fn within<T>(work: impl Future<Output = T> + Unpin, limit: TimerFuture) -> Option<T> {
    match select(work, limit).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(((), _)) => None,
    }
}

impl KeyProvider for Resilient {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let ask = |provider: Arc<dyn KeyProvider>| provider.generate_key(request.clone());
            self.call(request.key_id(), ask).await
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let ask = |provider: Arc<dyn KeyProvider>| provider.unwrap_key(wrapped.clone(), request.clone());
            self.call(request.key_id(), ask).await
        })
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.provider.epoch(key_id)
    }
}

impl fmt::Debug for Resilient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilient")
            .field("attempt_limit", &self.attempt_limit)
            .field("total_limit", &self.total_limit)
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}
