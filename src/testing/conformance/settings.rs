//! [`SETTINGS`], the runtimes in which every provider has to conform.

use std::io;
use std::sync::Arc;

use pollster::block_on;
use tokio::runtime::{Builder, Runtime};

use super::{BlockOn, SuiteTask};

/// Each setting with its name and its factory of runtimes.
pub(super) const SETTINGS: &[(&str, fn() -> BlockOn)] = &[
    ("without a runtime", || Arc::new(|task: SuiteTask| block_on(task))),
    ("in current-thread runtimes", || of_tokio(Builder::new_current_thread().enable_all().build())),
    ("in multi-thread runtimes", || of_tokio(Builder::new_multi_thread().worker_threads(2).enable_all().build())),
];

fn of_tokio(runtime: io::Result<Runtime>) -> BlockOn {
    let runtime = runtime.expect("the operating system gives what a runtime needs");
    Arc::new(move |task: SuiteTask| runtime.block_on(task))
}
