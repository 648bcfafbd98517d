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

use crate::envelope::Envelope;
use crate::error::Result;
use crate::object::ObjectName;
use crate::sse::Sse;

/// Unwraps the data key of an SSE-S3 or DSSE-KMS object and drops it: what a benchmark compares with.
///
/// # Errors
///
/// As [`Sse::decryptor`].
pub fn unwrap_data_key(sse: &Sse, object: &ObjectName, envelope: &Envelope) -> Result<()> {
    pollster::block_on(sse.unwrap_alone(object, envelope))
}
