//! No more changes of the store in a second than were asked for.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use futures_util::lock::Mutex;

/// Waits for a time; the caller's, so that any runtime does.
type Timer<'a> = Box<dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'a>;

/// How many waits there are in a second at the most: timers of common runtimes count in milliseconds.
const WAITS_PER_SECOND: u32 = 100;

/// Lets through a few changes and then waits for as long as they may take; one wait at a time, so that what is in flight
/// together does not pass together.
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
