// Floor 5. May use floors 0 to 4, and no other module of floor 5.
//! The audit trail: [`AuditTrail`], [`AuditEvent`], [`AuditOperation`], the trait [`AuditSink`] and [`MemorySink`].
//!
//! Sinks for other formats are in `adapter/audit`. The public path of both is `atrest::audit`.

mod event;
mod keyring_change;
mod memory;
mod operation;

pub use event::AuditEvent;
pub use memory::MemorySink;
pub use operation::AuditOperation;

pub use crate::keys::{KeyFrom, KeyProviderAnswer};

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;

use crate::error::{AuditError, Result, Said};

/// The answer of an [`AuditSink`]; the future resolves once the event is as safe as the sink promises.
pub type AuditFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send + 'static>>;

/// A destination of audit events.
///
/// A sink that does not wait takes a few lines:
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
    /// The call itself takes the event: the caller may drop the future at any time, and the event is still recorded.
    ///
    /// # Errors
    ///
    /// Return an error if the event may not be recorded. Unless the trail is [`best_effort`](AuditTrail::best_effort),
    /// the operation then fails and returns nothing. A panic of the call or of the future counts as an error.
    ///
    /// # Performance
    ///
    /// Neither the call nor the future may block its thread, which is often an executor's: write a file on the sink's
    /// own thread. The future must resolve in bounded time: the operation waits for it without a limit. A sink must not
    /// call the `Sse` or the KMS that it records: the call would wait for itself.
    fn record(&self, event: AuditEvent) -> AuditFuture;

    /// Waits until the sink has room for another event. A sink without a bound need not implement this method.
    ///
    /// The library calls this before an operation begins, so that a sink that cannot keep up slows down new operations;
    /// [`record`](Self::record) always takes the event of an operation in progress. A sink that wraps another sink must
    /// forward this call.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        Box::pin(std::future::ready(()))
    }
}

/// An audit sink and the policy for events that cannot be recorded. `AuditTrail` is a cheap handle.
#[derive(Clone)]
pub struct AuditTrail {
    sink: Arc<dyn AuditSink>,
    best_effort: bool,
    listings: bool,
}

impl AuditTrail {
    /// Creates a trail into a sink. An operation whose event cannot be recorded returns
    /// [`Error::Audit`](crate::Error::Audit).
    pub fn new(sink: Arc<dyn AuditSink>) -> Self {
        Self { sink, best_effort: false, listings: false }
    }

    /// Lets an operation succeed even if its event cannot be recorded.
    ///
    /// An operation still waits for the sink, without a time limit, so a sink that never answers blocks every
    /// operation. A sink that may hang must limit its own waiting and return an error.
    ///
    /// # Security
    ///
    /// An attacker who can fill the sink's disk then works unseen.
    #[must_use]
    pub fn best_effort(self) -> Self {
        Self { best_effort: true, ..self }
    }

    /// Records one event, [`AuditOperation::ListEtags`], for each listing whose ETags are opened. By default no
    /// listing is recorded, and no listing fails because of the trail.
    #[must_use]
    pub fn with_listings(self) -> Self {
        Self { listings: true, ..self }
    }

    /// Returns whether listings are recorded.
    #[cfg(feature = "s3")]
    pub(crate) fn wants_listings(&self) -> bool {
        self.listings
    }

    /// Waits until the sink has room for the event of an operation that is about to begin.
    pub(crate) async fn ready(&self) {
        // If a panic here recurs when the event is recorded, it fails the operation there.
        if let Ok(ready) = catch_unwind(AssertUnwindSafe(|| self.sink.ready())) {
            let _ = AssertUnwindSafe(ready).catch_unwind().await;
        }
    }

    /// Hands an event to the sink at once, and returns a future that waits for the answer.
    ///
    /// # Errors
    ///
    /// Returns an error if the sink failed or panicked and the trail is not best effort.
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
