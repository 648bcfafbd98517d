//! The runtimes in which the provider has to conform.

use atrest::testing::{KeyProviderSuite, SuiteTask};
use tokio::runtime::Builder;

pub(crate) fn conforms(suite: &KeyProviderSuite) {
    suite.run();
    suite.run_in(|| {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        move |task: SuiteTask| runtime.block_on(task)
    });
    suite.run_in(|| {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        move |task: SuiteTask| runtime.block_on(task)
    });
}
