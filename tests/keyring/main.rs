//! A keyring that is shared: no fork is taken, no key is lost, no async call blocks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod forks;
mod fresh;
mod kit;
mod links;
mod model;
mod never_blocking;
mod storages;
