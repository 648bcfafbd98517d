//! The runtimes in which a key provider has to conform.

use atrest::testing::KeyProviderSuite;
use tokio::runtime::Builder;

/// Runs the suite without a runtime, in a current-thread runtime and in a multi-thread runtime.
pub(crate) fn conforms(suite: &KeyProviderSuite) {
    suite.run();
    let current_thread = Builder::new_current_thread().enable_all().build().unwrap();
    suite.run_in(|task| current_thread.block_on(task));
    let multi_thread = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    suite.run_in(|task| multi_thread.block_on(task));
}
