//! A file of records, one on each line.

mod log_file;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{AuditEvent, AuditSink, record};
use crate::crypto::Generator;
use crate::error::{IoError, Result};
use log_file::LogFile;

/// When the lines of a [`JsonLines`] reach the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Before [`record`](AuditSink::record) returns: no event is lost once its operation is done.
    ///
    /// Events of many threads share a call of fsync, as far as they come at once.
    #[default]
    EveryEvent,
    /// With the first event after so long, and when the sink is dropped: a loss of power loses the events since.
    Every(Duration),
    /// Whenever the operating system does it.
    Never,
}

/// A file to which one line of JSON is appended for each event, in the shape of a record of AWS CloudTrail.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # let directory = tempfile::tempdir().expect("a directory");
/// # let path = directory.path().join("audit.jsonl");
/// use std::sync::Arc;
/// use atrest::audit::{AuditTrail, JsonLines};
///
/// let sink = JsonLines::at(path).max_len(64 << 20).open()?;
/// let trail = AuditTrail::new(Arc::new(sink));
/// # Ok(()) }
/// ```
///
/// The file has mode 0600. Each line is appended (`O_APPEND`) with one call of write; nothing is ever overwritten, cut or
/// deleted. A write that fails is an error to whoever caused the event, and the next one is tried again: once there is
/// room, the sink goes on. A crash or a full disk may leave a line that is cut; the next one then begins after a newline of
/// its own, so that what cannot be read is that one line (or an empty one).
///
/// One sink at a time writes to a file: it holds a lock on `NAME.lock` beside it, and a second one is refused. Programs
/// that ignore the lock and append too do no harm to whole lines, but their lengths are not counted.
///
/// # Errors
///
/// Of [`record`](AuditSink::record): the event may be on record all the same, where the error came after the write.
///
/// # Security
///
/// The file says who did what with which object, and the values of the encryption contexts. It is not sealed: whoever may
/// write it can change what it says.
///
/// Spec: manual, audit; AWS CloudTrail, "CloudTrail record contents".
#[derive(Debug)]
pub struct JsonLines {
    file: Mutex<LogFile>,
    synced: Mutex<Synced>,
    fsync: Fsync,
    generator: Generator,
}

/// How a [`JsonLines`] is opened.
#[derive(Clone, Debug)]
pub struct JsonLinesOptions {
    path: PathBuf,
    fsync: Fsync,
    max_len: Option<u64>,
}

impl JsonLines {
    /// A sink into this file, which is made if it is not there; its directory has to be.
    pub fn at(path: impl Into<PathBuf>) -> JsonLinesOptions {
        JsonLinesOptions { path: path.into(), fsync: Fsync::default(), max_len: None }
    }

    /// Has every event so far reach the disk.
    ///
    /// # Errors
    ///
    /// The file system's: some of the events may be lost.
    pub fn sync(&self) -> io::Result<()> {
        self.sync_now(&mut lock(&self.synced))
    }

    /// Has a line reach the disk, and all that were written before it.
    ///
    /// PERF: whoever waits here for another's fsync finds its own line done with the next one, or before.
    fn sync_through(&self, line: u64) -> io::Result<()> {
        let mut synced = lock(&self.synced);
        // A failed fsync is told once, by some systems; the lines that it was for may be gone.
        if line <= lock(&self.file).lost_through() {
            return Err(io::Error::other("the line did not reach the disk"));
        }
        if line <= synced.through { Ok(()) } else { self.sync_now(&mut synced) }
    }

    fn sync_now(&self, synced: &mut Synced) -> io::Result<()> {
        let (file, lines) = lock(&self.file).written();
        if let Some(file) = file
            && let Err(error) = file.sync_data()
        {
            lock(&self.file).lost(lines);
            return Err(error);
        }
        *synced = Synced { through: lines, at: Instant::now() };
        Ok(())
    }
}

impl JsonLinesOptions {
    /// When lines reach the disk; [`Fsync::EveryEvent`] if not given.
    #[must_use]
    pub fn fsync(self, fsync: Fsync) -> Self {
        Self { fsync, ..self }
    }

    /// Begins a new file before a line with which this one would be longer, in bytes: the old one is synchronised and
    /// renamed to `NAME.000001`, or the next number that is free. No file is ever replaced or deleted. One file that grows
    /// for ever if not given.
    #[must_use]
    pub fn max_len(self, max_len: u64) -> Self {
        Self { max_len: Some(max_len), ..self }
    }

    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): it cannot be opened; of kind `ResourceBusy`: another sink has it open, in this
    /// process or another; of kind `InvalidInput`: with [`max_len`](Self::max_len), it is no regular file.
    pub fn open(self) -> Result<JsonLines> {
        let file = LogFile::open(&self.path, self.max_len);
        let file = file.map_err(|error| IoError::new("the file of the audit trail cannot be opened", error))?;
        Ok(JsonLines {
            file: Mutex::new(file),
            synced: Mutex::new(Synced { through: 0, at: Instant::now() }),
            fsync: self.fsync,
            generator: Generator::default(),
        })
    }
}

impl AuditSink for JsonLines {
    fn record(&self, event: &AuditEvent) -> io::Result<()> {
        let id = record::event_id(&self.generator).map_err(io::Error::other)?;
        let line = record::line(event, &id)?;
        let line = lock(&self.file).append(line)?;
        match self.fsync {
            Fsync::EveryEvent => self.sync_through(line),
            Fsync::Every(period) => {
                let mut synced = lock(&self.synced);
                if synced.at.elapsed() < period { Ok(()) } else { self.sync_now(&mut synced) }
            }
            Fsync::Never => Ok(()),
        }
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        if self.fsync != Fsync::Never {
            // Nobody is left to be told.
            let _ = self.sync();
        }
    }
}

/// What has reached the disk. Its lock is taken before the file's.
#[derive(Debug)]
struct Synced {
    /// The number of the last line.
    through: u64,
    at: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
