//! Runs what blocks on a thread of its own, so that no executor's thread waits for it.
//!
//! Floor 0. Uses the errors alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::error::{IoError, Result};

/// The outcome of work that runs on another thread; the work goes on where this is dropped.
pub(crate) struct Offloaded<T>(Arc<Mutex<Shared<T>>>);

enum Shared<T> {
    Running(Option<Waker>),
    Done(Option<Result<T>>),
}

/// Begins the work at once, on a new thread.
pub(crate) fn offload<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Offloaded<T> {
    let shared = Arc::new(Mutex::new(Shared::Running(None)));
    // Answers also where the work panics, and where there is no thread for it.
    let answer = Answer { shared: shared.clone(), outcome: None };
    let started = thread::Builder::new().name("atrest".to_owned()).spawn(move || {
        let mut answer = answer;
        answer.outcome = Some(work());
    });
    drop(started);
    Offloaded(shared)
}

struct Answer<T> {
    shared: Arc<Mutex<Shared<T>>>,
    outcome: Option<Result<T>>,
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        let outcome = self.outcome.take().unwrap_or_else(|| {
            Err(IoError::new("the thread that was to do this could not start or panicked", STOPPED.into()).into())
        });
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *shared, Shared::Done(Some(outcome)));
        drop(shared);
        if let Shared::Running(Some(waker)) = before {
            waker.wake();
        }
    }
}

const STOPPED: std::io::ErrorKind = std::io::ErrorKind::Other;

impl<T> Future for Offloaded<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Shared::Running(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            Shared::Done(outcome) => Poll::Ready(outcome.take().expect("a future is not polled once it is done")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn work_answers_and_work_that_panics_is_an_error() {
        assert_eq!(pollster::block_on(offload(|| Ok(7))).expect("it does not fail"), 7);
        let panicked = pollster::block_on(offload::<()>(|| panic!("what the test is about")));
        assert!(matches!(panicked, Err(Error::Io(_))), "{panicked:?}");
    }

    #[test]
    fn no_poll_waits_for_the_work() {
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut working = offload(move || Ok(wait.recv().is_ok()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut working).poll(&mut context).is_pending());
        go.send(()).expect("the work waits for it");
        assert!(pollster::block_on(working).expect("it does not fail"));
    }
}
