//! [`JsonLinesStats`]: counters of a sink of JSON lines.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of what a [`JsonLines`](super::JsonLines) did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonLinesStats {
    /// The number of written events, each counted once.
    pub events: u64,
    /// The number of batches in which the events were written.
    pub batches: u64,
    /// The number of fsync calls on the file.
    pub fsyncs: u64,
    /// The number of lines written again because the file was moved, removed or cut meanwhile.
    pub written_again: u64,
}

/// The running counters behind [`JsonLinesStats`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) events: AtomicU64,
    pub(super) batches: AtomicU64,
    pub(super) fsyncs: AtomicU64,
    pub(super) written_again: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> JsonLinesStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        JsonLinesStats {
            events: read(&self.events),
            batches: read(&self.batches),
            fsyncs: read(&self.fsyncs),
            written_again: read(&self.written_again),
        }
    }
}
