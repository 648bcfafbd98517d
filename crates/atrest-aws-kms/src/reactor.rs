//! [`Reactor`], a runtime on a thread of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A current-thread runtime of tokio on a thread of its own. The calls of the SDK run there, so that no call needs the
/// caller's runtime, and no connection belongs to it.
///
/// Dropping it waits for nothing: a runtime as a field would panic when it is dropped in async code.
#[derive(Debug)]
pub(crate) struct Reactor {
    runtime: Handle,
    /// The thread ends when this is dropped.
    _ends: oneshot::Sender<()>,
}

/// Why a task gave no result.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoResult {
    Panicked,
    Ended,
}

impl Reactor {
    pub(crate) fn start() -> io::Result<Self> {
        let (ends, ended) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let drive = move || drop(runtime.block_on(ended)); // an error, when the sender is dropped
        thread::Builder::new().name("atrest-aws-kms".to_owned()).spawn(drive)?;
        Ok(Self { runtime: handle, _ends: ends })
    }

    /// Runs a task. Dropping the future stops the task.
    pub(crate) fn run<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) -> Running<T> {
        Running(self.runtime.spawn(task))
    }
}

pub(crate) struct Running<T>(JoinHandle<T>);

impl<T> Future for Running<T> {
    type Output = Result<T, NoResult>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let no_result =
            |error: tokio::task::JoinError| if error.is_panic() { NoResult::Panicked } else { NoResult::Ended };
        Pin::new(&mut self.0).poll(context).map_err(no_result)
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
