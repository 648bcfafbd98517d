//! [`MemorySink`]: keeps events in memory.

use std::future::ready;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AuditEvent, AuditFuture, AuditSink};

/// An audit sink that keeps every event in memory, for tests and for programs that show their events.
#[derive(Debug, Default)]
pub struct MemorySink(Mutex<Vec<AuditEvent>>);

impl MemorySink {
    /// Creates a sink without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the events since the last [`clear`](Self::clear), in order.
    pub fn events(&self) -> Vec<AuditEvent> {
        self.lock().clone()
    }

    /// Removes every event.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<AuditEvent>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for MemorySink {
    fn record(&self, event: AuditEvent) -> AuditFuture {
        self.lock().push(event);
        Box::pin(ready(Ok(())))
    }
}
