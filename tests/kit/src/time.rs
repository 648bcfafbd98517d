//! [`ManualTime`], a clock and a timer whose time goes on only when a test says so, or when all wait for it.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, SystemTime};

use atrest::Clock;
use atrest::kms::{Timer, TimerFuture};

/// Simulated time. Clones share it.
#[derive(Clone)]
pub struct ManualTime(Arc<Mutex<State>>);

struct State {
    now: Duration,
    /// What the wall clock shows; it can jump.
    wall: SystemTime,
    sleepers: BTreeMap<(Duration, u64), Option<Waker>>,
    next: u64,
}

impl ManualTime {
    pub fn new() -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let now = Duration::from_secs(1);
        Self(Arc::new(Mutex::new(State { now, wall, sleepers: BTreeMap::new(), next: 0 })))
    }

    /// Lets time pass, and wakes the sleepers whose time has come.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.state();
            state.now += by;
            state.wall += by;
            let later = (state.now, u64::MAX);
            let later = state.sleepers.split_off(&later);
            std::mem::replace(&mut state.sleepers, later)
        };
        due.into_values().flatten().for_each(Waker::wake);
    }

    /// Sets the wall clock alone forward.
    pub fn wall_forward(&self, by: Duration) {
        self.state().wall += by;
    }

    /// Sets the wall clock alone back.
    pub fn wall_back(&self, by: Duration) {
        self.state().wall -= by;
    }

    /// Runs a future on this thread. Whenever it can do nothing but wait, time goes on to the next sleeper.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let woken = Arc::new(Woken { thread: thread::current(), is_set: AtomicBool::new(false) });
        let waker = Waker::from(woken.clone());
        let mut work = pin!(work);
        loop {
            if let Poll::Ready(result) = work.as_mut().poll(&mut Context::from_waker(&waker)) {
                return result;
            }
            while !woken.is_set.swap(false, Ordering::SeqCst) {
                let next = self.state().sleepers.first_key_value().map(|((at, _), _)| *at);
                match next {
                    Some(at) => self.advance(at.saturating_sub(Timer::now(self))),
                    // A thread of its own works on it.
                    None => thread::park(),
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Timer for ManualTime {
    fn now(&self) -> Duration {
        self.state().now
    }

    fn sleep(&self, time: Duration) -> TimerFuture {
        let mut state = self.state();
        let place = (state.now.saturating_add(time), state.next);
        state.next += 1;
        state.sleepers.insert(place, None);
        Box::pin(Sleep { time: self.clone(), place })
    }
}

impl Clock for ManualTime {
    fn wall(&self) -> SystemTime {
        self.state().wall
    }

    fn monotonic(&self) -> Duration {
        self.state().now
    }
}

struct Sleep {
    time: ManualTime,
    place: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.time.state();
        if state.now >= self.place.0 {
            return Poll::Ready(());
        }
        let replaced = state.sleepers.insert(self.place, Some(context.waker().clone()));
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let removed = self.time.state().sleepers.remove(&self.place);
        drop(removed);
    }
}

struct Woken {
    thread: Thread,
    is_set: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_set.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Yields this many times.
pub async fn yields(mut count: u32) {
    poll_fn(|context| {
        count -= 1;
        context.waker().wake_by_ref();
        if count == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
