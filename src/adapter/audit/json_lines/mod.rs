//! [`JsonLines`]: an audit sink that appends one JSON record per line to a file; with its builder and [`Fsync`].

mod log_file;
mod place;
mod queue;
mod stats;
mod writer;

pub use stats::JsonLinesStats;

use std::future::ready;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::FutureExt;
use pollster::block_on;

use super::record;
use crate::crypto::Generator;
use crate::error::{IoError, Result, Said};
use crate::trail::{AuditEvent, AuditFuture, AuditSink};
use log_file::LogFile;
use queue::{Answer, Queue, Task};
use stats::Counters;
use writer::Writer;

/// Events in one batch, unless the options say otherwise.
const MAX_BATCH: NonZeroUsize = NonZeroUsize::new(1_024).expect("it is not zero");
/// Events that wait to be written before new operations wait too, unless the options say otherwise.
const QUEUE_LEN: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");

/// When the lines of a [`JsonLines`] reach the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Before the event is answered: no event is lost once its operation is done. Events that come while another fsync
    /// is under way share the next one.
    #[default]
    EveryEvent,
    /// At the latest this long after they were written, and when the sink is dropped: a loss of power loses the events
    /// of this period. If an fsync fails for which no caller waits, the next event fails.
    Every(Duration),
    /// When the operating system does it.
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
/// let sink = Arc::new(JsonLines::builder(path).max_len(64 << 20).open()?);
/// let trail = AuditTrail::new(sink.clone());
/// // On SIGHUP, or after the file was moved on purpose:
/// # let result: std::io::Result<()> =
/// sink.blocking().reopen();
/// # result.unwrap();
/// # Ok(()) }
/// ```
///
/// A thread of the sink's own writes: it takes all events that wait, up to [`max_batch`](JsonLinesBuilder::max_batch),
/// appends them with one call of write, synchronises the file, and then answers all of them. An event that was handed
/// over is written whether its caller still waits or not.
///
/// The file has mode 0600 and is only ever appended to (`O_APPEND`): this sink overwrites, cuts and deletes nothing. A
/// batch that cannot be written is an error for each of its events, and the next batch is tried again: once the disk
/// has room, the sink goes on. A crash or a full disk may leave a line that is cut. The next line then begins after a
/// newline of its own, so that one line (or an empty one) cannot be read, and no other.
///
/// The path is looked at before each batch and again after its fsync. Where the file was moved or removed, or cut
/// meanwhile, the batch is written again into the file that the path leads to now, or into a new one, before its events
/// are answered. A line may then stand in two files; none is missing.
///
/// One sink at a time writes to a file: it holds a lock on `NAME.lock` beside it, and a second sink is refused.
/// Programs that ignore the lock and append too do no harm to whole lines.
///
/// # Errors
///
/// Of [`record`](AuditSink::record): the file system's, for all events of a batch; some of them may be on record all
/// the same. Where the thread has ended by a panic, each event fails.
///
/// # Security
///
/// The file says who did what with which object, and the values of the encryption contexts. It is not sealed: an
/// attacker who may write it can change what it says.
///
/// # Performance
///
/// `record` encodes the line and hands it over; it never waits for the disk. Dropping the sink does: it waits until all
/// that was handed over is written and synchronised. In async code call [`sync`](Self::sync) before, or drop it where
/// blocking is allowed.
///
/// Spec: manual, audit; AWS CloudTrail, "CloudTrail record contents".
#[derive(Debug)]
pub struct JsonLines {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    generator: Generator,
    /// Waited for when the sink is dropped.
    thread: Option<JoinHandle<()>>,
}

/// The path and the settings of a [`JsonLines`]. Everything but the path is optional.
#[derive(Clone, Debug)]
pub struct JsonLinesBuilder {
    path: PathBuf,
    fsync: Fsync,
    max_len: Option<u64>,
    max_batch: NonZeroUsize,
    queue_len: NonZeroUsize,
}

impl JsonLines {
    /// Returns a builder that opens a sink into this file. The file is created if it is missing; its directory must
    /// exist.
    pub fn builder(path: impl Into<PathBuf>) -> JsonLinesBuilder {
        JsonLinesBuilder {
            path: path.into(),
            fsync: Fsync::default(),
            max_len: None,
            max_batch: MAX_BATCH,
            queue_len: QUEUE_LEN,
        }
    }

    /// Waits until every event that was handed over so far has reached the disk.
    ///
    /// # Errors
    ///
    /// The file system's: some of the events may be lost. The thread has ended.
    pub fn sync(&self) -> impl Future<Output = io::Result<()>> + Send + 'static + use<> {
        answer(self.ask(Task::Sync))
    }

    /// Opens the file that the path leads to now, or makes it, after what was handed over before is written: for
    /// SIGHUP, once another program has moved the file. Without it the move is noticed with the next event.
    ///
    /// # Errors
    ///
    /// The file system's; `ResourceBusy`: the path leads to another place now, and another sink holds its lock. The
    /// sink keeps the file that it had.
    pub fn reopen(&self) -> impl Future<Output = io::Result<()>> + Send + 'static + use<> {
        answer(self.ask(Task::Reopen))
    }

    /// The same calls, which wait.
    pub fn blocking(&self) -> BlockingJsonLines<'_> {
        BlockingJsonLines(self)
    }

    /// What this sink did so far.
    pub fn stats(&self) -> JsonLinesStats {
        self.counters.stats()
    }

    /// Hands a task over now; what comes back is its answer.
    fn ask(&self, task: impl FnOnce(Answer) -> Task) -> oneshot::Receiver<io::Result<()>> {
        let (answer, answered) = oneshot::channel();
        self.queue.push(task(answer));
        answered
    }
}

async fn answer(answered: oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    answered.await.unwrap_or_else(|_| Err(io::Error::other(Said("the thread of the audit trail has ended"))))
}

/// Calls of a [`JsonLines`] that block their thread.
#[derive(Clone, Copy, Debug)]
pub struct BlockingJsonLines<'a>(&'a JsonLines);

impl BlockingJsonLines<'_> {
    /// [`JsonLines::sync`], blocking.
    ///
    /// # Errors
    ///
    /// The errors of [`JsonLines::sync`].
    pub fn sync(&self) -> io::Result<()> {
        block_on(self.0.sync())
    }

    /// [`JsonLines::reopen`], blocking.
    ///
    /// # Errors
    ///
    /// The errors of [`JsonLines::reopen`].
    pub fn reopen(&self) -> io::Result<()> {
        block_on(self.0.reopen())
    }
}

impl JsonLinesBuilder {
    /// When lines reach the disk; [`Fsync::EveryEvent`] if not given.
    #[must_use]
    pub fn fsync(self, fsync: Fsync) -> Self {
        Self { fsync, ..self }
    }

    /// The most bytes of a file. Before a line that would make it longer, the file is synchronised and renamed to
    /// `NAME.000001`, or the next number that is free, and a new one is begun. No file is ever replaced or deleted. One
    /// file that grows for ever if not given.
    #[must_use]
    pub fn max_len(self, max_len: u64) -> Self {
        Self { max_len: Some(max_len), ..self }
    }

    /// The most events that are written together and share one fsync; 1,024 if not given. With 1, each event has an
    /// fsync of its own.
    #[must_use]
    pub fn max_batch(self, max_batch: NonZeroUsize) -> Self {
        Self { max_batch, ..self }
    }

    /// How many events may wait to be written before new operations wait too ([`AuditSink::ready`]); 4,096 if not
    /// given.
    ///
    /// # Performance
    ///
    /// A line is about 1 KB. The queue also takes the events of operations that were under way when it became full.
    #[must_use]
    pub fn queue_len(self, queue_len: NonZeroUsize) -> Self {
        Self { queue_len, ..self }
    }

    /// Opens the file, or makes it, and starts the thread that writes. Blocks its thread for the file: call it at the
    /// start of a service.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the file cannot be opened, or the thread cannot be started; of kind
    /// `ResourceBusy`: another sink has the file open, in this process or another; of kind `InvalidInput`: with
    /// [`max_len`](Self::max_len), it is not a regular file.
    pub fn open(self) -> Result<JsonLines> {
        let counters = Arc::new(Counters::default());
        let file = LogFile::open(self.path, self.max_len, counters.clone());
        let file = file.map_err(|error| IoError::new("the file of the audit trail cannot be opened", error))?;
        let queue = Arc::new(Queue::new(self.queue_len.get()));
        let (fsync, max_batch) = (self.fsync, self.max_batch);
        let writer = Writer { queue: queue.clone(), counters: counters.clone(), fsync, max_batch };
        let thread = thread::Builder::new().name("atrest-audit".to_owned()).spawn(move || writer.run(file));
        let thread = thread.map_err(|error| IoError::new("the thread of the audit trail cannot be started", error))?;
        Ok(JsonLines { queue, counters, generator: Generator::default(), thread: Some(thread) })
    }
}

impl AuditSink for JsonLines {
    fn record(&self, event: AuditEvent) -> AuditFuture {
        let id = record::event_id(&self.generator).map_err(io::Error::other);
        match id.and_then(|id| record::line(&event, &id)) {
            Ok(line) => Box::pin(answer(self.ask(|answer| Task::Line(line, answer)))),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        match self.queue.room() {
            // Where the thread has ended, it is the event that fails.
            Some(room) => Box::pin(room.map(|_| ())),
            None => Box::pin(ready(())),
        }
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.queue.close();
        // The thread itself drops the sink where an answer wakes its last owner: then it ends by itself.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join(); // after a panic each event has failed
        }
    }
}
