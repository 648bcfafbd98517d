// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! [`MemoryKms`], [`KeyProviderSuite`] and [`SealLog`]: tools for testing a storage service or a key provider
//! (feature `testing`).
//!
//! [`MemoryKms`] is an in-memory KMS with a switch for each class of failure, for delays and for calls that hang.
//! [`KeyProviderSuite`] is the conformance suite for a [`KeyProvider`](crate::KeyProvider). [`SealLog`] reads the log
//! of seals that every process of a test run writes when `ATREST_SEAL_LOG` names a file.
//!
//! # Security
//!
//! Do not use this module in production: enable the feature under `[dev-dependencies]` only.

mod conformance;
mod memory_kms;

pub use conformance::{Capability, KeyProviderSuite, SuiteReport, SuiteTask};
pub use memory_kms::{Calls, MemoryKms};

pub use crate::crypto::seal_log::SealLog;

use crate::envelope::Envelope;
use crate::error::Result;
use crate::object::ObjectName;
use crate::sse::Sse;

/// Unwraps the data key of an SSE-S3 or DSSE-KMS object and drops it, as a baseline for benchmarks.
///
/// # Errors
///
/// Returns the errors of [`Sse::decryptor`].
pub fn unwrap_data_key(sse: &Sse, object: &ObjectName, envelope: &Envelope) -> Result<()> {
    pollster::block_on(sse.unwrap_alone(object, envelope))
}
