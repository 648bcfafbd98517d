// Floor 0, a noun: any module may use it.
//! [`Timer`], a clock that also wakes; [`ThreadTimer`], one on a thread of its own, for callers without a runtime.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::clock::{Clock, SystemClock};

/// How long the thread waits for another sleep before it ends.
const IDLING: Duration = Duration::from_secs(5);

/// The longest single wait of the thread, so that it learns that the sleeps it waits for were dropped. Longer sleeps
/// take several.
const LONGEST_WAIT: Duration = IDLING;

/// A future that completes when its time is over.
pub type TimerFuture = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// A clock that also wakes: for the time limits and the waits of [`Resilient`](crate::kms::Resilient). The default is
/// [`ThreadTimer`]; `TokioTimer` (feature `tokio`) is that of a runtime; a test brings one whose time it sets.
pub trait Timer: Send + Sync + 'static {
    /// Returns the time since a fixed moment, by a clock that never goes back.
    fn now(&self) -> Duration;

    /// Returns a future that completes after this time. The time starts at this call, not at the first poll.
    fn sleep(&self, time: Duration) -> TimerFuture;
}

/// A timer on a thread of its own, which needs no runtime. The thread starts with the first sleep and ends at most 10
/// seconds after the last one is over or dropped. Clones share the thread.
///
/// If no thread can be started, a sleep ends at once: a call that is not answered at once is then over its time limit,
/// and fails.
#[derive(Clone, Default)]
pub struct ThreadTimer(Arc<Alarms>);

#[derive(Default)]
struct Alarms {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The sleepers in the order in which they wake. The number keeps two of one moment apart.
    sleepers: BTreeMap<(Duration, u64), Option<Waker>>,
    next: u64,
    is_running: bool,
}

impl ThreadTimer {
    /// Creates a timer.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Timer for ThreadTimer {
    fn now(&self) -> Duration {
        SystemClock.monotonic()
    }

    fn sleep(&self, time: Duration) -> TimerFuture {
        let mut state = self.0.lock();
        if !state.is_running {
            let alarms = self.0.clone();
            let started = thread::Builder::new().name("atrest-timer".to_owned()).spawn(move || alarms.run());
            if started.is_err() {
                return Box::pin(std::future::ready(()));
            }
            state.is_running = true;
        }
        let place = (self.now().saturating_add(time), state.next);
        state.next += 1;
        state.sleepers.insert(place, None);
        if state.sleepers.first_key_value().is_some_and(|(first, _)| *first == place) {
            self.0.changed.notify_one();
        }
        Box::pin(Sleep { alarms: self.0.clone(), place })
    }
}

impl fmt::Debug for ThreadTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadTimer").field("sleepers", &self.0.lock().sleepers.len()).finish_non_exhaustive()
    }
}

impl Alarms {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the sleepers until none came for a while.
    fn run(&self) {
        let mut state = self.lock();
        loop {
            let now = SystemClock.monotonic();
            let later = state.sleepers.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.sleepers, later);
            if !due.is_empty() {
                // Foreign code runs in a waker: not under the lock, and its panic ends no other sleep.
                drop(state);
                for waker in due.into_values().flatten() {
                    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                }
                state = self.lock();
                continue;
            }
            let first = state.sleepers.first_key_value().map(|((at, _), _)| at.saturating_sub(now).min(LONGEST_WAIT));
            let waited = self.changed.wait_timeout(state, first.unwrap_or(IDLING));
            let (woken, timed_out) = waited.unwrap_or_else(PoisonError::into_inner);
            state = woken;
            if first.is_none() && timed_out.timed_out() && state.sleepers.is_empty() {
                state.is_running = false;
                return;
            }
        }
    }
}

/// One sleep; its place is free when the thread has woken it.
struct Sleep {
    alarms: Arc<Alarms>,
    place: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        let mut state = self.alarms.lock();
        let Some(sleeper) = state.sleepers.get_mut(&self.place) else { return Poll::Ready(()) };
        let replaced = sleeper.replace(waker);
        drop(state);
        // Foreign code runs when a waker is dropped: not under the lock.
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let removed = self.alarms.lock().sleepers.remove(&self.place);
        drop(removed);
    }
}
