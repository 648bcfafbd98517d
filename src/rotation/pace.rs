//! `Pace`: the rate limiter of a sweep.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::lock::Mutex;

/// The caller's timer, which makes a sweep independent of the runtime.
type Timer<'a> = Box<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'a>;

/// The most waits in one second: timers of common runtimes have a resolution of one millisecond.
const WAITS_PER_SECOND: u32 = 100;

/// Admits a batch of changes, then waits for the time that the batch may take. A lock allows one wait at a time, so
/// that entries in flight are not admitted all at once.
pub(super) struct Pace<'a> {
    timer: Timer<'a>,
    batch: u32,
    wait: Duration,
    passed: Mutex<u32>,
}

impl<'a> Pace<'a> {
    pub(super) fn new<F>(per_second: u32, timer: impl Fn(Duration) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let per_second = per_second.max(1);
        let batch = per_second.div_ceil(WAITS_PER_SECOND);
        Self {
            timer: Box::new(move |wait| Box::pin(timer(wait))),
            batch,
            wait: Duration::from_secs(1) * batch / per_second,
            passed: Mutex::new(0),
        }
    }

    pub(super) async fn pass(&self) {
        let mut passed = self.passed.lock().await;
        if *passed == self.batch {
            (self.timer)(self.wait).await;
            *passed = 0;
        }
        *passed += 1;
    }
}
