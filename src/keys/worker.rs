//! [`Worker`]: a thread for what blocks: file I/O, Argon2id.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use futures_channel::oneshot;

use crate::error::Said;

/// How long the thread of an idle worker or engine lives.
pub(super) const IDLING: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one thing after another. It is started when there is something to do, and ends when there has been
/// nothing for 5 seconds. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Worker(Arc<Mutex<Option<mpsc::Sender<Job>>>>);

impl Worker {
    /// Does something on the worker's thread. What the caller no longer waits for is not begun; what was begun is finished.
    ///
    /// # Errors
    ///
    /// No thread could be started, or the work panicked.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> impl Future<Output = io::Result<T>> + Send + 'static {
        let (answer, answered) = oneshot::channel();
        let given = self.give(Box::new(move || {
            if !answer.is_canceled() {
                let _ = answer.send(work()); // the caller may have left
            }
        }));
        async move {
            given?;
            answered.await.map_err(|_| io::Error::other(Said("a thread that was to read or change a keyring panicked")))
        }
    }

    fn give(&self, job: Job) -> io::Result<()> {
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
        thread::Builder::new().name("atrest-keyring-io".into()).spawn(move || work_off(&shared, &received))?;
        let _ = jobs.send(job); // the thread was just started
        *sender = Some(jobs);
        Ok(())
    }
}

fn work_off(shared: &Mutex<Option<mpsc::Sender<Job>>>, received: &mpsc::Receiver<Job>) {
    loop {
        match received.recv_timeout(IDLING) {
            Ok(job) => {
                // Its panic drops the sender of its answer, which tells the caller.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let mut sender = shared.lock().unwrap_or_else(PoisonError::into_inner);
                // A job may have been given between the time-out and the lock.
                match received.try_recv() {
                    Ok(job) => {
                        drop(sender);
                        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
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
