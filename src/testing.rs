//! For tests of what is built on this crate, and of key providers (feature `testing`).
//!
//! [`MemoryKms`] is a KMS in memory with a switch for each class of failure. [`check_key_provider`] is the conformance
//! suite that a [`KeyProvider`](crate::KeyProvider) passes. [`SealLog`] reads the log that every process of a test run
//! keeps of what it sealed, when `ATREST_SEAL_LOG` names a file.
//!
//! # Security
//!
//! Not for production: enable the feature under `[dev-dependencies]` only.

mod conformance;
mod memory_kms;

pub use conformance::check_key_provider;
pub use memory_kms::{Calls, MemoryKms};

pub use crate::crypto::seal_log::SealLog;
