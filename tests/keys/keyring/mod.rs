//! Shared keyrings: forks are refused, no key is lost, and no async call blocks its thread.

mod access;
mod forks;
mod fresh;
mod kit;
mod links;
mod model;
mod never_blocking;
mod storages;
