// Floor 5. May use floors 0 to 4, and no other module of floor 5.
//! The audit trail: [`AuditTrail`], [`AuditEvent`], [`AuditOperation`], the trait [`AuditSink`] and [`MemorySink`].
//!
//! Sinks in other people's formats are in `adapter/audit`; the public
//! path of both is `atrest::audit`.

mod event;
mod keyring_change;
mod memory;
mod operation;

pub use event::AuditEvent;
pub use memory::MemorySink;
pub use operation::AuditOperation;

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::error::{AuditError, Result, Said};

/// The answer of an [`AuditSink`]: resolves once the event is as safe as the sink promises.
pub type AuditFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'static>>;

/// A destination of audit events.
///
/// A sink that has nothing to wait for is a few lines:
///
/// ```
/// use std::io::{self, Write};
/// use atrest::audit::{AuditEvent, AuditFuture, AuditSink};
///
/// struct Stderr;
///
/// impl AuditSink for Stderr {
///     fn record(&self, event: AuditEvent) -> AuditFuture {
///         let requester = event.requester().as_str();
///         let written = writeln!(io::stderr(), "{requester} {}", event.operation());
///         Box::pin(std::future::ready(written))
///     }
/// }
/// ```
///
/// A sink that waits hands the event to its own thread or task in `record`, and returns a future that waits for the
/// answer:
///
/// ```
/// use std::io;
/// use std::sync::mpsc::Sender;
/// use atrest::audit::{AuditEvent, AuditFuture, AuditSink};
/// use futures_channel::oneshot;
///
/// /// A thread at the other end sends each event away, and then answers.
/// struct Collector(Sender<(AuditEvent, oneshot::Sender<io::Result<()>>)>);
///
/// impl AuditSink for Collector {
///     fn record(&self, event: AuditEvent) -> AuditFuture {
///         let (answer, answered) = oneshot::channel();
///         let sent = self.0.send((event, answer));
///         Box::pin(async move {
///             sent.map_err(|_| io::Error::other("the collector has ended"))?;
///             answered.await.map_err(io::Error::other)?
///         })
///     }
/// }
/// ```
pub trait AuditSink: Send + Sync + 'static {
    /// Takes an event, and returns a future that resolves once the event is as safe as the sink promises.
    ///
    /// The event is taken by the call, not by polling the future: the caller may drop the future at any time, and the
    /// event is still recorded.
    ///
    /// # Errors
    ///
    /// The event may not be on record. Unless the trail is [`best_effort`](AuditTrail::best_effort), the operation then
    /// fails and returns nothing. A panic of the call or of the future counts as an error.
    ///
    /// # Performance
    ///
    /// Neither the call nor the future may block its thread, which is often an executor's: a file is written on a
    /// thread of the sink's own. The future must resolve in bounded time: the operation waits for it without a limit. A
    /// sink must not call the `Sse` or the KMS whose events it takes: the call would wait
    /// for itself.
    fn record(&self, event: AuditEvent) -> AuditFuture;

    /// Waits until the sink has room for another event; a sink without a bound has room at once, and need not implement
    /// this.
    ///
    /// The library waits here before an operation begins. A sink that cannot keep up thus slows down new operations,
    /// and [`record`](Self::record) takes the event of one that is under way in any case. A sink that wraps another one
    /// forwards this call.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(std::future::ready(()))
    }
}

/// A sink and the policy for events that cannot be recorded. `AuditTrail` is a cheap handle.
#[derive(Clone)]
pub struct AuditTrail {
    sink: Arc<dyn AuditSink>,
    best_effort: bool,
    listings: bool,
}

impl AuditTrail {
    /// Creates a trail into a sink. An operation whose event cannot be recorded fails with
    /// [`Error::Audit`](crate::Error::Audit).
    pub fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self { sink, best_effort: false, listings: false }
    }

    /// Returns the trail with this setting: an operation succeeds although its event cannot be recorded.
    ///
    /// An operation still waits for the sink. A sink that never answers holds up every operation, because the library
    /// has no time limit for it: a sink that may hang limits its own waiting and answers with an error.
    ///
    /// # Security
    ///
    /// An attacker who can fill the sink's disk then works unseen.
    #[must_use]
    pub fn best_effort(self) -> Self {
        Self { best_effort: true, ..self }
    }

    /// Returns the trail with this setting: it records one event, [`AuditOperation::ListEtags`], for each listing whose
    /// ETags are opened. Without it no listing is recorded, and none fails because of the trail.
    #[must_use]
    pub fn with_listings(self) -> Self {
        Self { listings: true, ..self }
    }

    /// Whether listings are recorded.
    #[cfg(feature = "s3")]
    pub(crate) fn wants_listings(&self) -> bool {
        self.listings
    }

    /// Waits until the sink has room for the event of an operation that is about to begin.
    pub(crate) async fn ready(&self) {
        // A sink that panics here says so again when the event is recorded, and then fails the operation.
        if let Ok(ready) = catch_unwind(AssertUnwindSafe(|| self.sink.ready())) {
            let _ = AssertUnwindSafe(ready).catch_unwind().await;
        }
    }

    /// Hands an event to the sink now, and returns a future that waits for the answer.
    ///
    /// # Errors
    ///
    /// The sink failed or panicked, and the trail is not best effort.
    pub(crate) fn record(&self, event: AuditEvent) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let best_effort = self.best_effort;
        let recording = catch_unwind(AssertUnwindSafe(|| self.sink.record(event)));
        async move {
            let recorded = match recording {
                Ok(recording) => AssertUnwindSafe(recording).catch_unwind().await.unwrap_or_else(panicked),
                Err(panic) => panicked(panic),
            };
            match recorded {
                Err(error) if !best_effort => Err(AuditError::new(error).into()),
                _ => Ok(()),
            }
        }
    }
}

fn panicked(_: Box<dyn Any + Send>) -> io::Result<()> {
    Err(io::Error::other(Said("the sink of the audit trail panicked")))
}

impl fmt::Debug for AuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditTrail")
            .field("best_effort", &self.best_effort)
            .field("listings", &self.listings)
            .finish_non_exhaustive()
    }
}
