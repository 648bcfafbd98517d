//! The runtimes in which a key provider has to conform.

use atrest::testing::{Capability, KeyProviderSuite, SuiteReport, SuiteTask};
use tokio::runtime::Builder;

/// Runs the suite without a runtime, in current-thread runtimes and in multi-thread runtimes.
pub(crate) fn conforms(suite: &KeyProviderSuite) {
    suite.run();
    suite.run_in(current_thread);
    suite.run_in(multi_thread);
}

/// Runs the suite over a provider around the memory KMS, which knows no requesters, and whose states are the test's.
pub(crate) fn conforms_around_memory(suite: KeyProviderSuite) {
    conforms(&suite.lacks(Capability::Requesters).lacks(Capability::States));
}

/// The reports of the suite without a runtime, in current-thread runtimes and in multi-thread runtimes.
pub(crate) fn reports(suite: &KeyProviderSuite) -> [SuiteReport; 3] {
    [suite.report(), suite.report_in(current_thread), suite.report_in(multi_thread)]
}

pub(crate) fn current_thread() -> impl Fn(SuiteTask) + Send + Sync + 'static {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    move |task| runtime.block_on(task)
}

fn multi_thread() -> impl Fn(SuiteTask) + Send + Sync + 'static {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    move |task| runtime.block_on(task)
}
