//! [`JsonLines`], an audit sink that appends one JSON record per line to a file, with its builder and [`Fsync`].

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

/// The default maximum number of events in one batch.
const MAX_BATCH: NonZeroUsize = NonZeroUsize::new(1_024).expect("it is not zero");
/// The default number of waiting events above which new operations wait.
const QUEUE_LEN: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");

/// When the lines of a [`JsonLines`] reach the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fsync {
    /// Before the event is answered: no event is lost once its operation is done. Events that arrive during an fsync
    /// share the next one.
    #[default]
    EveryEvent,
    /// At the latest this long after they were written, and when the sink is dropped: a power loss loses the events of
    /// this period. If an fsync fails while no caller waits for it, the next event fails.
    Every(Duration),
    /// When the operating system writes them.
    Never,
}

/// A file that gets one line of JSON for each event, in the shape of a record of AWS CloudTrail.
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
/// The sink's own thread takes all waiting events, up to [`max_batch`](JsonLinesBuilder::max_batch), appends them with
/// one write call, synchronises the file, and then answers all of them. An event that was handed over is written even
/// if its caller no longer waits.
///
/// The file has mode 0600 and is only appended to (`O_APPEND`): this sink overwrites, cuts and deletes nothing. If a
/// batch cannot be written, each of its events fails, and the sink tries the next batch: it continues once the disk has
/// room. A crash or a full disk may leave an incomplete line. The sink then begins the next line with a newline, so
/// that only the incomplete line (or an empty one) is unreadable.
///
/// The path is checked before each batch and again after its fsync. If the file was moved, removed or cut meanwhile,
/// the batch is written again, into the file that the path leads to now or into a new one, before its events are
/// answered. A line may then be in two files; none is missing.
///
/// Only one sink at a time writes to a file: the sink locks `NAME.lock` beside the file, and a second sink is refused.
/// Programs that ignore the lock and append too do not damage whole lines.
///
/// # Errors
///
/// [`record`](AuditSink::record) returns the file system's error for all events of a batch, although some of them may
/// be recorded. If the thread has ended by a panic, each event fails.
///
/// # Security
///
/// The file shows who did what with which object, and the values of the encryption contexts. The file is not sealed: an
/// attacker who can write it can change its content.
///
/// # Performance
///
/// `record` encodes the line and hands it over without waiting for the disk. Dropping the sink waits until all events
/// handed over are written and synchronised. In async code call [`sync`](Self::sync) first, or drop the sink where
/// blocking is allowed.
///
/// Spec: manual, audit; AWS CloudTrail, "CloudTrail record contents".
#[derive(Debug)]
pub struct JsonLines {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    generator: Generator,
    /// The thread that writes; dropping the sink waits for its end.
    thread: Option<JoinHandle<()>>,
}

/// The path and the settings of a [`JsonLines`]. Only the path is required.
#[derive(Clone, Debug)]
pub struct JsonLinesBuilder {
    path: PathBuf,
    fsync: Fsync,
    max_len: Option<u64>,
    max_batch: NonZeroUsize,
    queue_len: NonZeroUsize,
}

impl JsonLines {
    /// Returns a builder that opens a sink into this file. A missing file is created; its directory must exist.
    pub fn builder(path: impl Into<PathBuf>) -> JsonLinesBuilder {
        JsonLinesBuilder {
            path: path.into(),
            fsync: Fsync::default(),
            max_len: None,
            max_batch: MAX_BATCH,
            queue_len: QUEUE_LEN,
        }
    }

    /// Waits until every event handed over so far has reached the disk.
    ///
    /// # Errors
    ///
    /// Returns the file system's error, after which some of the events may be lost, or an error if the thread has
    /// ended.
    pub fn sync(&self) -> impl Future<Output = io::Result<()>> + Send + 'static + use<> {
        answer(self.ask(Task::Sync))
    }

    /// Opens or creates the file that the path leads to now, once all events handed over before are written: for
    /// SIGHUP, after another program has moved the file. Without this call the sink notices the move at the next event.
    ///
    /// # Errors
    ///
    /// Returns the file system's error, or `ResourceBusy` if the path now leads to another place whose lock another
    /// sink holds. The sink then keeps its file.
    pub fn reopen(&self) -> impl Future<Output = io::Result<()>> + Send + 'static + use<> {
        answer(self.ask(Task::Reopen))
    }

    /// Returns the same calls in blocking form.
    pub fn blocking(&self) -> BlockingJsonLines<'_> {
        BlockingJsonLines(self)
    }

    /// Returns counters of what this sink did so far.
    pub fn stats(&self) -> JsonLinesStats {
        self.counters.stats()
    }

    /// Hands a task over at once and returns the receiver of its answer.
    fn ask(&self, task: impl FnOnce(Answer) -> Task) -> oneshot::Receiver<io::Result<()>> {
        let (answer, answered) = oneshot::channel();
        self.queue.push(task(answer));
        answered
    }
}

async fn answer(answered: oneshot::Receiver<io::Result<()>>) -> io::Result<()> {
    answered.await.unwrap_or_else(|_| Err(io::Error::other(Said("the thread of the audit trail has ended"))))
}

/// The blocking calls of a [`JsonLines`].
#[derive(Clone, Copy, Debug)]
pub struct BlockingJsonLines<'a>(&'a JsonLines);

impl BlockingJsonLines<'_> {
    /// The blocking form of [`JsonLines::sync`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`JsonLines::sync`].
    pub fn sync(&self) -> io::Result<()> {
        block_on(self.0.sync())
    }

    /// The blocking form of [`JsonLines::reopen`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`JsonLines::reopen`].
    pub fn reopen(&self) -> io::Result<()> {
        block_on(self.0.reopen())
    }
}

impl JsonLinesBuilder {
    /// Sets when lines reach the disk. The default is [`Fsync::EveryEvent`].
    #[must_use]
    pub fn fsync(self, fsync: Fsync) -> Self {
        Self { fsync, ..self }
    }

    /// Sets the maximum length of a file in bytes. Before a line that would exceed it, the file is synchronised and
    /// renamed to `NAME.000001` or the next free number, and a new file is begun. No file is ever replaced or deleted.
    /// By default one file grows without limit.
    #[must_use]
    pub fn max_len(self, max_len: u64) -> Self {
        Self { max_len: Some(max_len), ..self }
    }

    /// Sets the maximum number of events that are written together and share one fsync. The default is 1,024. With 1,
    /// each event has its own fsync.
    #[must_use]
    pub fn max_batch(self, max_batch: NonZeroUsize) -> Self {
        Self { max_batch, ..self }
    }

    /// Sets how many events may wait to be written before new operations wait too ([`AuditSink::ready`]). The default
    /// is 4,096.
    ///
    /// # Performance
    ///
    /// A line is about 1 KB. The queue also takes the events of operations that were in progress when it became full.
    #[must_use]
    pub fn queue_len(self, queue_len: NonZeroUsize) -> Self {
        Self { queue_len, ..self }
    }

    /// Opens or creates the file and starts the thread that writes. Blocks the calling thread: call it when the service
    /// starts.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`](crate::Error::Io) if the file cannot be opened or the thread cannot be started; of kind
    /// `ResourceBusy` if another sink in this or another process has the file open; of kind `InvalidInput` if
    /// [`max_len`](Self::max_len) is set and the file is not a regular file.
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
            // If the thread has ended, the event fails instead.
            Some(room) => Box::pin(room.map(|_| ())),
            None => Box::pin(ready(())),
        }
    }
}

impl Drop for JsonLines {
    fn drop(&mut self) {
        self.queue.close();
        // If an answer wakes the last owner, the thread drops the sink itself and must not wait for its own end.
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join(); // after a panic, each event has failed already
        }
    }
}
