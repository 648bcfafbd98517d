//! The audit trail: what was done with keys and objects and for whom, and what was refused.
//!
//! ```
//! # fn main() -> atrest::Result<()> {
//! use std::sync::Arc;
//! use atrest::audit::{AuditOperation, AuditTrail, MemorySink};
//! use atrest::{Keyring, ObjectName, Requester, Sse, SseS3};
//!
//! let sink = Arc::new(MemorySink::new());
//! let sse = Sse::builder().keyring(Keyring::generate()?).audit(AuditTrail::new(sink.clone())).build()?;
//!
//! let alice = sse.requested_by(Requester::new("arn:aws:iam::111122223333:user/alice"));
//! alice.blocking().encrypt(&ObjectName::new("photos", "cat.jpg")?, SseS3, b"meow")?;
//!
//! let events = sink.events();
//! assert_eq!(events[0].operation(), AuditOperation::EncryptObject);
//! assert_eq!(events[0].key_version(), Some(1));
//! assert!(events[0].error().is_none());
//! # Ok(()) }
//! ```
//!
//! There is one event for every object that was encrypted, opened or rewrapped, and for every call of a KMS that keeps a
//! trail; also where it was refused, whyever. No event holds a key, plaintext, or anything made from one. The manual's
//! page [audit](crate::manual::audit) says what stands where.
//!
//! A sink is a trait of one method. Beside [`MemorySink`] there are, with the cargo feature `audit-json`, `JsonLines`, a
//! file of records in the shape of AWS CloudTrail's, and with the feature `tracing` `TracingSink`, for a service's own
//! logs.

mod event;
#[cfg(feature = "audit-json")]
mod json_lines;
mod memory;
#[cfg(any(feature = "audit-json", feature = "tracing"))]
mod names;
mod operation;
#[cfg(feature = "audit-json")]
mod record;
#[cfg(feature = "tracing")]
mod tracing_sink;

pub use event::AuditEvent;
#[cfg(feature = "audit-json")]
pub use json_lines::{Fsync, JsonLines, JsonLinesOptions};
pub use memory::MemorySink;
pub use operation::AuditOperation;
#[cfg(feature = "tracing")]
pub use tracing_sink::TracingSink;

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::error::{AuditError, Result};

/// Where events go.
///
/// ```
/// use std::io::{self, Write};
/// use atrest::audit::{AuditEvent, AuditSink};
///
/// struct Stderr;
///
/// impl AuditSink for Stderr {
///     fn record(&self, event: &AuditEvent) -> io::Result<()> {
///         writeln!(io::stderr(), "{} {}", event.requester().as_str(), event.operation())
///     }
/// }
/// ```
pub trait AuditSink: Send + Sync + 'static {
    /// Returns once the event is as safe as the sink promises.
    ///
    /// # Errors
    ///
    /// It is not known to be: unless the trail is [`best_effort`](AuditTrail::best_effort), what the event tells of is
    /// then not given out.
    ///
    /// # Performance
    ///
    /// Called on the thread that does the work, within async calls too, and within the lock of a KMS that is changed.
    /// Nothing is given out before it returns. A sink calls no KMS and no `Sse` whose events it is given: it would wait for
    /// itself.
    fn record(&self, event: &AuditEvent) -> io::Result<()>;
}

/// A sink, and what happens to an operation whose event cannot be recorded. Cheap to clone.
#[derive(Clone)]
pub struct AuditTrail {
    sink: Arc<dyn AuditSink>,
    best_effort: bool,
    listings: bool,
}

impl AuditTrail {
    /// A trail into this sink: an operation whose event cannot be recorded fails, with
    /// [`Error::Audit`](crate::Error::Audit).
    pub fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self { sink, best_effort: false, listings: false }
    }

    /// The same, but an event that cannot be recorded is passed over.
    ///
    /// # Security
    ///
    /// Whoever can fill the sink's disk then works unseen.
    #[must_use]
    pub fn best_effort(self) -> Self {
        Self { best_effort: true, ..self }
    }

    /// The same, but with one event, [`AuditOperation::ListEtags`], for each listing whose ETags are opened. Without this,
    /// opening ETags puts nothing on record, and a trail that cannot be written refuses no listing.
    #[must_use]
    pub fn with_listings(self) -> Self {
        Self { listings: true, ..self }
    }

    /// Whether listings are put on record.
    #[cfg(feature = "s3")]
    pub(crate) fn wants_listings(&self) -> bool {
        self.listings
    }

    /// Puts an event on record.
    ///
    /// # Errors
    ///
    /// The sink failed, and the trail is not best effort.
    pub(crate) fn record(&self, event: &AuditEvent) -> Result<()> {
        match self.sink.record(event) {
            Err(error) if !self.best_effort => Err(AuditError::new(error).into()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditTrail")
            .field("best_effort", &self.best_effort)
            .field("listings", &self.listings)
            .finish_non_exhaustive()
    }
}
