//! [`SETTINGS`], the runtimes in which every provider has to conform.

use std::io;
use std::sync::Arc;

use pollster::block_on;
use tokio::runtime::{Builder, Runtime};

use super::{BlockOn, SuiteTask};

/// A kind of runtime.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) new_runtime: fn() -> BlockOn,
}

pub(super) const SETTINGS: &[Setting] = &[
    Setting { name: "without a runtime", new_runtime: || Arc::new(|task: SuiteTask| block_on(task)) },
    Setting {
        name: "in current-thread runtimes",
        new_runtime: || of_tokio(Builder::new_current_thread().enable_all().build()),
    },
    Setting {
        name: "in multi-thread runtimes",
        new_runtime: || of_tokio(Builder::new_multi_thread().worker_threads(2).enable_all().build()),
    },
];

fn of_tokio(runtime: io::Result<Runtime>) -> BlockOn {
    let runtime = runtime.expect("the operating system gives what a runtime needs");
    Arc::new(move |task: SuiteTask| runtime.block_on(task))
}
