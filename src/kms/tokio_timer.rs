//! [`TokioTimer`], a timer of a runtime of tokio.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::timer::{Timer, TimerFuture};

/// The longest sleep: a century, so that no instant overflows.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A timer of a runtime of tokio, which needs no thread of its own.
///
/// ```
/// # fn example(kms: std::sync::Arc<dyn atrest::KeyProvider>) {
/// use std::sync::Arc;
/// use atrest::kms::{Resilient, TokioTimer};
///
/// // In a task of the service's main runtime:
/// let timer = TokioTimer::new(tokio::runtime::Handle::current());
/// let kms = Resilient::new(kms).with_timer(Arc::new(timer));
/// # }
/// ```
///
/// Its futures can be polled anywhere: on other threads, in other runtimes, and without one. **The runtime itself must
/// run**: no sleep ends, and no call has a time limit, while a current-thread runtime is not driven or its thread waits
/// in a blocking call. Where that happens use the default, [`ThreadTimer`](super::ThreadTimer).
///
/// If the runtime has shut down, or was built without `enable_time`, each sleep ends at once: a call that is not
/// answered at once is then over its time limit, and fails.
#[derive(Clone, Debug)]
pub struct TokioTimer {
    runtime: Handle,
    start: Instant,
}

impl TokioTimer {
    /// Creates a timer of this runtime.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, start: Instant::now() }
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep(&self, time: Duration) -> TimerFuture {
        let until = Instant::now() + time.min(LONGEST);
        // A task ends quietly with its runtime, where a tokio::time::Sleep that is polled afterwards panics.
        Box::pin(Sleep(self.runtime.spawn(async move { sleep_until(until).await })))
    }
}

/// A sleep, which is over too when its task cannot run.
struct Sleep(JoinHandle<()>);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.0.abort();
    }
}
