//! [`Engine`]: the thread that drives the reads and changes of one keyring and their time limits.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use crate::error::Said;
use crate::offload::IDLING;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A thread that polls a few futures and wakes them at their time limits. The thread does no I/O, starts with the first
/// future and ends after 5 idle seconds. Clones share the thread.
#[derive(Clone, Default)]
pub(super) struct Engine(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    given: Vec<Task>,
    timers: BTreeMap<(Instant, u64), Waker>,
    last_timer: u64,
    thread: Option<Thread>,
}

impl Engine {
    /// Drives a future to its end. A panic ends the future.
    ///
    /// # Errors
    ///
    /// Returns an error if no thread could be started.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let task = AssertUnwindSafe(task).catch_unwind().map(drop);
        let mut queue = self.queue();
        self.ensure_thread(&mut queue)?;
        queue.given.push(Box::pin(task));
        Ok(())
    }

    /// Waits for a future up to a time limit, then drops the future.
    ///
    /// # Errors
    ///
    /// Returns an error if the time is over or no thread could be started.
    pub(super) async fn within<F: Future>(&self, limit: Duration, future: F) -> io::Result<F::Output> {
        let sleep = Sleep { engine: self, until: Instant::now().checked_add(limit), number: None };
        match select(Box::pin(future), Box::pin(sleep)).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right((slept, _)) => {
                slept?;
                Err(io::Error::new(io::ErrorKind::TimedOut, Said("it took longer than it may; try again later")))
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread, or wakes the thread to look at the queue again.
    fn ensure_thread(&self, queue: &mut Queue) -> io::Result<()> {
        match &queue.thread {
            Some(thread) => thread.unpark(),
            None => {
                let engine = self.clone();
                let started = thread::Builder::new().name("atrest-keyring".into()).spawn(move || engine.drive())?;
                queue.thread = Some(started.thread().clone());
            }
        }
        Ok(())
    }

    fn drive(&self) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut tasks = Vec::new();
        let mut idle_since = Instant::now();
        loop {
            let due = {
                let mut queue = self.queue();
                tasks.append(&mut queue.given);
                let later = queue.timers.split_off(&(Instant::now(), u64::MAX));
                std::mem::replace(&mut queue.timers, later)
            };
            for waker in due.into_values() {
                // The waker belongs to a caller; the thread survives a waker that panics.
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
            }
            tasks.retain_mut(|task: &mut Task| task.as_mut().poll(&mut context).is_pending());
            let mut queue = self.queue();
            let next_timer = queue.timers.first_key_value().map(|((at, _), _)| *at);
            if !queue.given.is_empty() {
                continue;
            }
            if !tasks.is_empty() || next_timer.is_some() {
                idle_since = Instant::now();
            } else if idle_since.elapsed() >= IDLING {
                queue.thread = None;
                return;
            }
            drop(queue);
            match (next_timer, tasks.is_empty()) {
                (Some(at), _) => thread::park_timeout(at.saturating_duration_since(Instant::now())),
                (None, true) => thread::park_timeout(IDLING),
                (None, false) => thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A future that is ready at its time; `None` is never ready.
struct Sleep<'a> {
    engine: &'a Engine,
    until: Option<Instant>,
    number: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(until) = self.until else { return Poll::Pending };
        if Instant::now() >= until {
            return Poll::Ready(Ok(()));
        }
        let mut queue = self.engine.queue();
        if let Some(number) = self.number {
            let before = queue.timers.insert((until, number), context.waker().clone());
            // The queue is dropped first: the last waker of a task drops the task, which may hold another `Sleep`.
            drop(queue);
            drop(before);
            return Poll::Pending;
        }
        queue.last_timer += 1;
        let number = queue.last_timer;
        // Only a new timer needs to wake the thread; the thread does not end while a timer exists.
        let running = self.engine.ensure_thread(&mut queue);
        if let Err(error) = running {
            return Poll::Ready(Err(error));
        }
        queue.timers.insert((until, number), context.waker().clone());
        drop(queue);
        self.number = Some(number);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let (Some(until), Some(number)) = (self.until, self.number) {
            let mut queue = self.engine.queue();
            let waker = queue.timers.remove(&(until, number));
            // The same order as in `poll`.
            drop(queue);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::mpsc;

    use super::*;

    /// A task that only its wakers keep alive.
    struct Holding(#[expect(dead_code, reason = "it is dropped")] Mutex<Task>);

    impl Wake for Holding {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_waker_whose_drop_drops_another_call_hangs_no_call() {
        let (done, is_done) = mpsc::channel();
        thread::spawn(move || {
            let engine = Engine::default();
            let waiting = || {
                let engine = engine.clone();
                Box::pin(async move { drop(engine.within(Duration::from_secs(600), pending::<()>()).await) })
            };
            let mut held = waiting();
            assert!(held.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            let waker = Waker::from(Arc::new(Holding(Mutex::new(held))));
            let mut call = waiting();
            assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            drop(call);
            done.send(()).expect("the test waits");
        });
        is_done.recv_timeout(Duration::from_secs(60)).expect("dropping a call waits for itself");
    }
}
