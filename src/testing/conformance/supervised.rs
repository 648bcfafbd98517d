//! [`Supervisor`], which runs each check on a thread of its own with a deadline for every call.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread;

use super::checker::{Checker, Seen};
use super::checks::{Check, How};
use super::{BlockOn, KeyProviderSuite, NewRuntime};

/// Runs the checks of one suite in one kind of runtime.
pub(super) struct Supervisor {
    suite: KeyProviderSuite,
    new_runtime: NewRuntime,
    seen: Arc<Mutex<Seen>>,
}

impl Supervisor {
    pub(super) fn new(suite: KeyProviderSuite, new_runtime: NewRuntime, seen: Arc<Mutex<Seen>>) -> Self {
        Self { suite, new_runtime, seen }
    }

    /// Runs one check on a new thread until it ends, panics, or makes no progress within the deadline. Returns what
    /// failed.
    pub(super) fn run(&self, check: &Check) -> Vec<String> {
        let checker = Checker::new(self.suite.clone(), self.seen.clone());
        let (done, is_done) = mpsc::channel();
        let (own, new_runtime, how) = (checker.clone(), self.new_runtime.clone(), check.how);
        let checking = move || {
            let checked = catch_unwind(AssertUnwindSafe(|| match how {
                How::Task(task) => _ = run_in(&new_runtime(), &own, task(own.clone())),
                How::Runtimes(check) => check(&own, &new_runtime),
            }));
            let _ = done.send(checked.map_err(|panic| text_of(&*panic))); // the supervisor may have given up
        };
        // No thread can be stopped: one that hangs is left behind.
        if let Err(error) = thread::Builder::new().name("atrest-suite".to_owned()).spawn(checking) {
            return vec![format!("no thread could be started: {error}")];
        }
        let mut seen = checker.progress();
        let ended = loop {
            match is_done.recv_timeout(self.suite.deadline) {
                Ok(Ok(())) => break None,
                Ok(Err(panic)) => break Some(format!("{} panicked: {panic}", checker.doing())),
                Err(RecvTimeoutError::Disconnected) => break Some("the thread of the check ended".to_owned()),
                Err(RecvTimeoutError::Timeout) => {
                    let now = checker.progress();
                    if now == seen {
                        let limit = self.suite.deadline.as_secs_f32();
                        break Some(format!("{} hangs: no answer within {limit} s", checker.doing()));
                    }
                    seen = now;
                }
            }
        };
        // A check that panicked or hangs may have left a change in force, in which every later check would fail.
        if let Some((undo, key_id)) = checker.take_undo() {
            let (done, is_done) = mpsc::channel::<()>();
            thread::spawn(move || {
                let _done = done;
                undo(&key_id);
            });
            // The channel closes when the hook returns or panics.
            let _ = is_done.recv_timeout(self.suite.deadline);
        }
        ended.into_iter().chain(checker.take_failures()).collect()
    }
}

/// Runs one task to its end, and returns its result. Notes if the runtime returned earlier.
pub(super) fn run_in<T: Send + 'static>(
    runtime: &BlockOn,
    checker: &Checker,
    task: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (done, is_done) = mpsc::channel();
    runtime(Box::pin(async move {
        let _ = done.send(task.await); // the receiver outlives the task
    }));
    let result = is_done.try_recv().ok();
    checker.expect(result.is_some(), || "the runtime returned before the task ended".to_owned());
    result
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
