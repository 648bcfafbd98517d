//! [`JsonLinesStats`]: counters of a sink of JSON lines.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a [`JsonLines`](super::JsonLines) did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonLinesStats {
    /// Events that were written, each counted once.
    pub events: u64,
    /// Batches in which they were written.
    pub batches: u64,
    /// Calls of fsync on the file.
    pub fsyncs: u64,
    /// Lines that were written once more, because the file was moved, removed or cut meanwhile.
    pub written_again: u64,
}

/// The same, while it is counted.
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
