//! Shared keyrings: forks are refused, no key is lost, and no async call blocks its thread.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod access;
mod forks;
mod fresh;
mod kit;
mod links;
mod model;
mod never_blocking;
mod storages;
