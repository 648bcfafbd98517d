//! The thread that writes: batches, and their answers.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Fsync;
use super::queue::{Answer, Queue, Work};
use super::stats::Counters;

/// How long the thread waits at most for callers to come back, on a disk that is slow.
const MAX_PATIENCE: Duration = Duration::from_millis(4);

/// Where the lines go.
pub(super) trait Log {
    /// Appends a batch; with `sync`, it has reached the disk after that. An error is one for the whole batch.
    fn append(&mut self, lines: &[Vec<u8>], sync: bool) -> io::Result<()>;

    /// Has all lines so far reach the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Opens the log again, where it is now.
    fn reopen(&mut self) -> io::Result<()>;
}

/// How the thread writes.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    pub(super) fsync: Fsync,
    pub(super) max_batch: NonZeroUsize,
}

impl Writer {
    /// Writes what comes, until the queue is closed and empty.
    pub(super) fn run(self, mut log: impl Log) {
        let _end = End(&self.queue);
        let (mut synced, mut answered, mut patience) = (Instant::now(), 0, Duration::ZERO);
        while let Some(work) = self.queue.take(self.max_batch.get(), answered, patience) {
            let (outcome, answers) = match work {
                Work::Lines(lines, answers) => {
                    let sync = match self.fsync {
                        Fsync::EveryEvent => true,
                        Fsync::Every(period) => synced.elapsed() >= period,
                        Fsync::Never => false,
                    };
                    let began = Instant::now();
                    let outcome = log.append(&lines, sync);
                    // An fsync that is saved is worth half of one.
                    patience = (began.elapsed() / 2).min(MAX_PATIENCE);
                    answered = if sync { lines.len() } else { 0 };
                    if outcome.is_ok() {
                        Counters::add(&self.counters.events, lines.len());
                        Counters::add(&self.counters.batches, 1);
                    }
                    if outcome.is_ok() && sync {
                        synced = Instant::now();
                    }
                    (outcome, answers)
                }
                Work::Sync(answer) => (log.sync(), vec![answer]),
                // What another program put aside is whole before it is left.
                Work::Reopen(answer) if self.fsync != Fsync::Never => {
                    (log.sync().and_then(|()| log.reopen()), vec![answer])
                }
                Work::Reopen(answer) => (log.reopen(), vec![answer]),
            };
            answer_all(answers, outcome);
        }
        if self.fsync != Fsync::Never {
            let _ = log.sync(); // the sink is gone, and with it those who could be told
        }
    }
}

/// Fails everything that waits, when the thread ends: also when it panics.
struct End<'a>(&'a Queue);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn answer_all(answers: Vec<Answer>, outcome: io::Result<()>) {
    let shared = outcome.map_err(Arc::new);
    for answer in answers {
        let own = shared.as_ref().map(|()| ()).map_err(|error| io::Error::new(error.kind(), Shared(error.clone())));
        let _ = answer.send(own); // its caller may be gone
    }
}

/// An error that many are told.
#[derive(Debug)]
struct Shared(Arc<io::Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Shared {}
