// Floor 0, a noun: any module may use it.
//! [`offload`] and [`Worker`], which run blocking work on the library's threads, so that no executor's thread waits; and
//! [`block_on`], which drives a future on the calling thread.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::FutureExt;

use crate::error::Said;

/// How long the thread of an idle worker lives.
pub(crate) const IDLING: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// Runs work on a new thread, which starts at once. The work finishes even if the future is dropped.
///
/// # Errors
///
/// Returns an error if no thread could be started. The future returns an error if the work panicked.
pub(crate) fn offload<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<impl Future<Output = io::Result<T>> + Send + 'static> {
    let (answer, answered) = oneshot::channel();
    let working = move || drop(answer.send(work())); // the caller may have left
    thread::Builder::new().name("atrest".to_owned()).spawn(working)?;
    Ok(async move { answered.await.map_err(|oneshot::Canceled| panicked()) })
}

/// A thread that runs one job at a time. The thread starts with the first job and ends after 5 idle seconds. Clones
/// share the thread.
#[derive(Clone, Default)]
pub(crate) struct Worker(Arc<Mutex<Option<mpsc::Sender<Job>>>>);

impl Worker {
    /// Runs work on the worker's thread. Work that has begun finishes; work whose future is dropped earlier is never
    /// begun.
    ///
    /// # Errors
    ///
    /// Returns an error if no thread could be started or the work panicked.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let given = self.send(Box::new(move || {
            if !answer.is_canceled() {
                let _ = answer.send(work()); // the caller may have left
            }
        }));
        async move {
            given?;
            answered.await.map_err(|oneshot::Canceled| panicked())
        }
    }

    fn send(&self, job: Job) -> io::Result<()> {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match &*sender {
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(job)) => job,
            },
            None => job,
        };
        let (jobs, received) = mpsc::channel::<Job>();
        let shared = self.0.clone();
        thread::Builder::new().name("atrest-io".to_owned()).spawn(move || work_off(&shared, &received))?;
        let _ = jobs.send(job); // the thread was just started
        *sender = Some(jobs);
        Ok(())
    }
}

fn work_off(shared: &Mutex<Option<mpsc::Sender<Job>>>, received: &mpsc::Receiver<Job>) {
    // A panic drops the answer's sender, which tells the caller.
    let work = |job: Job| drop(catch_unwind(AssertUnwindSafe(job)));
    loop {
        match received.recv_timeout(IDLING) {
            Ok(job) => work(job),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let mut sender = shared.lock().unwrap_or_else(PoisonError::into_inner);
                // A job may have been sent between the time-out and the lock.
                match received.try_recv() {
                    Ok(job) => {
                        drop(sender);
                        work(job);
                    }
                    Err(_) => {
                        *sender = None;
                        return;
                    }
                }
            }
        }
    }
}

/// Drives a future on the calling thread, which waits until the future is ready.
///
/// PERF: the first poll has no waker. A call that waits for nothing, as in SSE-S3 and SSE-C, allocates none.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    future.as_mut().now_or_never().unwrap_or_else(|| pollster::block_on(future))
}

fn panicked() -> io::Error {
    io::Error::other(Said("the thread that was to do this panicked"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    type Working<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

    #[test]
    fn work_answers_and_work_that_panics_is_an_error() {
        let worker = Worker::default();
        assert_eq!((block_on(offload(|| 7).unwrap()).unwrap(), block_on(worker.run(|| 7)).unwrap()), (7, 7));
        let panics = || panic!("what the test is about");
        let panicked: [Working<()>; 2] = [Box::pin(offload(panics).unwrap()), Box::pin(worker.run(panics))];
        for panicked in panicked {
            assert_eq!(block_on(panicked).unwrap_err().to_string(), "the thread that was to do this panicked");
        }
        assert_eq!(block_on(worker.run(|| 8)).unwrap(), 8, "the worker goes on");
    }

    #[test]
    fn no_poll_waits_for_the_work() {
        let (go, wait) = mpsc::channel::<()>();
        let mut working = pin!(offload(move || wait.recv().is_ok()).unwrap());
        let mut context = Context::from_waker(Waker::noop());
        assert!(working.as_mut().poll(&mut context).is_pending());
        go.send(()).unwrap();
        assert!(block_on(working).unwrap());
    }

    #[test]
    fn offloaded_work_is_done_where_its_caller_leaves_and_a_worker_does_not_begin_such_work() {
        let (done, is_done) = mpsc::channel();
        let dropped = done.clone();
        drop(offload(move || dropped.send("offloaded").unwrap()).unwrap());
        assert_eq!(is_done.recv().unwrap(), "offloaded");

        let (go, wait) = mpsc::channel::<()>();
        let (worker, dropped) = (Worker::default(), done.clone());
        let first = worker.run(move || wait.recv().is_ok());
        drop(worker.run(move || dropped.send("not begun").unwrap()));
        let last = worker.run(move || done.send("last").unwrap());
        go.send(()).unwrap();
        assert!(block_on(first).unwrap());
        block_on(last).unwrap();
        assert_eq!(is_done.try_iter().collect::<Vec<_>>(), ["last"]);
    }
}
