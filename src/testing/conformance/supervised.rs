//! [`Supervisor`], which runs each check on a thread of its own with a deadline for every call.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use super::checker::Checker;
use super::checks::Check;
use super::report::SuiteReport;
use super::{AT_ONCE, BlockOn, KeyProviderSuite, NewRuntime, SuiteTask};

/// Runs the checks of one suite in one kind of runtime.
pub(super) struct Supervisor {
    suite: KeyProviderSuite,
    new_runtime: NewRuntime,
}

impl Supervisor {
    pub(super) fn new(suite: KeyProviderSuite, new_runtime: NewRuntime) -> Self {
        Self { suite, new_runtime }
    }

    /// Runs one check as one task of a new runtime.
    pub(super) fn in_one_runtime(&self, name: &str, check: Check, report: &mut SuiteReport) {
        self.run(name, move |checker, new_runtime| run_task(&new_runtime(), checker, check), report);
    }

    /// Runs one check on a new thread until it ends, panics, or makes no progress within the deadline.
    pub(super) fn run(
        &self,
        name: &str,
        check: impl FnOnce(&Checker, &NewRuntime) + Send + 'static,
        report: &mut SuiteReport,
    ) {
        let checker = Checker::new(self.suite.clone());
        let (done, is_done) = mpsc::channel();
        let (own, new_runtime) = (checker.clone(), self.new_runtime.clone());
        let checking = move || {
            let checked = catch_unwind(AssertUnwindSafe(|| check(&own, &new_runtime)));
            let _ = done.send(checked.map_err(|panic| text_of(&*panic))); // the supervisor may have given up
        };
        // No thread can be stopped: one that hangs is left behind.
        if let Err(error) = thread::Builder::new().name("atrest-suite".to_owned()).spawn(checking) {
            return report.fail(name, format!("no thread could be started: {error}"));
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
        let failures: Vec<_> = ended.into_iter().chain(checker.take_failures()).collect();
        if failures.is_empty() {
            report.pass();
        }
        failures.into_iter().for_each(|failure| report.fail(name, failure));
    }
}

/// Makes sixteen threads use one runtime at once, each for a key of its own.
pub(super) fn in_threads(checker: &Checker, new_runtime: &NewRuntime) {
    let runtime = new_runtime();
    thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let runtime = &runtime;
            let own = checker.clone();
            let task = move |checker: Checker| -> SuiteTask {
                Box::pin(async move { checker.gets_its_own_key(number).await })
            };
            scope.spawn(move || run_task(runtime, &own, task));
        }
    });
}

/// Uses the provider in one runtime, then in a second one while the first is idle, and again after the first is gone.
/// A connection that belongs to the first runtime would hang or fail then.
pub(super) fn beside_idle_runtime(checker: &Checker, new_runtime: &NewRuntime) {
    let task = |number| {
        move |checker: Checker| -> SuiteTask { Box::pin(async move { checker.gets_its_own_key(number).await }) }
    };
    let first = new_runtime();
    run_task(&first, checker, task(1));
    let second = new_runtime();
    run_task(&second, checker, task(2));
    drop(first);
    run_task(&second, checker, task(3));
    drop(second);
    run_task(&new_runtime(), checker, task(4));
}

/// Makes a provider, uses it, and drops its last handle inside a task.
pub(super) fn dropped_inside(checker: &Checker, new_runtime: &NewRuntime) {
    let Some(made) = checker.with_new_provider() else { return };
    let own = checker.clone();
    let task: SuiteTask = Box::pin(async move {
        made.gets_its_own_key(0).await;
        own.begins("dropping the last handle inside a runtime".to_owned());
        drop(made);
        own.begins("the end of the task".to_owned());
    });
    new_runtime()(task);
}

/// Runs one task to its end, and notes if the runtime returned earlier.
fn run_task(runtime: &BlockOn, checker: &Checker, task: impl FnOnce(Checker) -> SuiteTask) {
    let (own, task) = (checker.clone(), task(checker.clone()));
    let (done, is_done) = mpsc::channel();
    runtime(Box::pin(async move {
        task.await;
        let _ = done.send(()); // the receiver outlives the task
    }));
    own.expect(is_done.try_recv().is_ok(), || "the runtime returned before the task ended".to_owned());
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
