//! One walk that changes what it finds.

use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use pollster::block_on;

use super::cursor::{Cursor, Goal, GoalVerb};
use super::elsewhere::{Elsewhere, Filter, digest};
use super::entry::{Entry, EnvelopeStore, PlainStore};
use super::pace::Pace;
use super::progress::Progress;
use super::report::Report;
use super::work::{Aim, Outcome, Verb, Worker};
use crate::envelope::ModeId;
use crate::error::{IoError, Misuse, Result};
use crate::mode::{AnyMode, Mode, any};
use crate::sse::Sse;

/// What a sweep tells as it goes.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// An entry is done; in the order of the listing.
    #[non_exhaustive]
    Entry {
        /// The entry, as it was listed.
        entry: &'a Entry,
        /// What came of it.
        outcome: &'a Outcome,
    },
    /// Every entry up to here is done: the moment to store the cursor.
    Checkpoint(&'a Cursor),
}

/// A walk over all that a store holds, to rewrap it or to encrypt what is in the clear.
///
/// The caller lists; whatever order the listing has, it has it again when it is resumed. Every object, every version of
/// it and every multipart upload under way belongs in it, and it is begun no earlier than the sweep. Running a sweep
/// again does no harm: what is done is left as it is.
///
/// # Performance
///
/// One task; entries are held in memory for as long as they are in flight. Rewrapping one in SSE-S3 takes some
/// microseconds; for more than one core run a sweep for each part of the listing.
pub struct Sweep<'a> {
    sse: &'a Sse,
    concurrency: usize,
    checkpoint_every: u64,
    give_up_after: u64,
    all: bool,
    filter: Filter<'a>,
    pace: Option<Pace<'a>>,
    resume: Option<Cursor>,
    on_event: Option<Box<OnEvent<'a>>>,
}

pub(super) type OnEvent<'a> = dyn FnMut(Event<'_>) -> io::Result<()> + Send + 'a;

impl<'a> Sweep<'a> {
    /// A sweep with this service's keys, on behalf of whomever the handle is.
    pub fn new(sse: &'a Sse) -> Self {
        Self {
            sse,
            concurrency: 16,
            checkpoint_every: 1_000,
            give_up_after: 100,
            all: false,
            filter: Filter::default(),
            pace: None,
            resume: None,
            on_event: None,
        }
    }

    /// How many entries are in flight at once, all in this one task; 16 if not given. 0 counts as 1.
    #[must_use]
    pub fn concurrency(self, entries: usize) -> Self {
        Self { concurrency: entries.max(1), ..self }
    }

    /// Begins no more than so many rewraps or encryptions in a second; as many as it can if not given. 0 counts as 1.
    ///
    /// The timer is the caller's: `|wait| tokio::time::sleep(wait)`, or without a runtime
    /// `|wait| { std::thread::sleep(wait); std::future::ready(()) }`. It is asked at most a hundred times a second.
    #[must_use]
    pub fn rate_limit<F>(self, per_second: u32, timer: impl Fn(Duration) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { pace: Some(Pace::new(per_second, timer)), ..self }
    }

    /// Goes on where a sweep of the same kind was, with its counts; the listing begins after the cursor's position.
    #[must_use]
    pub fn resume(self, cursor: Cursor) -> Self {
        Self { resume: Some(cursor), ..self }
    }

    /// How many entries there are from one checkpoint to the next; 1,000 if not given. 0 counts as 1.
    #[must_use]
    pub fn checkpoint_every(self, entries: u64) -> Self {
        Self { checkpoint_every: entries.max(1), ..self }
    }

    /// Gives up after so many entries in a row for which the store failed, or a key provider or the audit trail was not to be
    /// had; 100 if not given. 0 counts as 1. The last checkpoint is then the one before them, so that a resumed sweep does them.
    #[must_use]
    pub fn give_up_after(self, entries: u64) -> Self {
        Self { give_up_after: entries.max(1), ..self }
    }

    /// Rewraps everything that can be, and not only what needs it: fresh keys from the KMS too, in DSSE-KMS for both
    /// layers of an object.
    #[must_use]
    pub fn all(self) -> Self {
        Self { all: true, ..self }
    }

    /// Takes only what is in these modes; a completion record is SSE-C. What is not taken is counted as
    /// [`NotSelected`](Outcome::NotSelected), and still under its version of the keyring.
    #[must_use]
    pub fn only_modes(mut self, modes: impl IntoIterator<Item = ModeId>) -> Self {
        self.filter.modes = Some(modes.into_iter().collect());
        self
    }

    /// Takes only what is under these keys: the keyring's id, or resolved ids of KMS keys; of DSSE-KMS either of its two.
    #[must_use]
    pub fn only_key_ids<K: Into<String>>(mut self, key_ids: impl IntoIterator<Item = K>) -> Self {
        self.filter.key_ids = Some(key_ids.into_iter().map(Into::into).collect());
        self
    }

    /// Takes only the entries for which this is true, such as those of one bucket or with one prefix. It also chooses among
    /// the unencrypted objects of [`encrypt_plain`](Self::encrypt_plain).
    ///
    /// A cursor cannot tell two closures apart: give the same one when the sweep is resumed.
    #[must_use]
    pub fn only(mut self, chosen: impl Fn(&Entry) -> bool + Send + Sync + 'a) -> Self {
        self.filter.chosen = Some(Box::new(chosen));
        self
    }

    /// Tells of every entry and every checkpoint, as it happens: for a log, a progress bar, and to store cursors. An error
    /// ends the sweep: a cursor that cannot be stored is no checkpoint.
    #[must_use]
    pub fn on_event(self, on_event: impl FnMut(Event<'_>) -> io::Result<()> + Send + 'a) -> Self {
        Self { on_event: Some(Box::new(on_event)), ..self }
    }

    /// Rewraps what is not under the keyring's primary, each by compare-and-swap; a swap that was lost is tried again on
    /// what is there then, up to eight times.
    ///
    /// What cannot be rewrapped is reported by name and left as it is: damaged envelopes, those under a version that is
    /// disabled or retired, those of another keyring.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the listing failed, and a last checkpoint says where; or an event was answered with an error. It and
    /// [`Error::KeyProvider`](crate::Error::KeyProvider), [`Error::Audit`](crate::Error::Audit): the sweep [gave up](Self::give_up_after). The same and
    /// [`Error::SealedFile`](crate::Error::SealedFile): the keyring's file, which is read again first.
    /// [`CursorError::OtherSweep`](crate::error::CursorError::OtherSweep) and
    /// [`Unexpected::KeyringId`](crate::error::Unexpected::KeyringId): the cursor is not of such a sweep.
    /// [`Misuse::SamePosition`]. What goes wrong with one entry is no error, but in the report.
    pub async fn rewrap(
        self,
        entries: impl Stream<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        let (aim, goal) = if self.all { (Aim::All, GoalVerb::RewrapAll) } else { (Aim::Needed, GoalVerb::Rewrap) };
        self.walk(goal, None, Verb::Rewrap { aim, store }, entries).await
    }

    /// [`rewrap`](Self::rewrap) for those who have no runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_blocking(
        self,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        block_on(self.rewrap(stream::iter(entries), store))
    }

    /// Rewraps everything under another mode or key, each by compare-and-swap: from one KMS key to another, from SSE-S3 to
    /// SSE-KMS, and so on. The data is not touched. What is under the target already is left as it is.
    ///
    /// An object keeps its encryption context where the target names no pairs. What a rewrap cannot do is left as it is
    /// and reported by name as [skipped](crate::rotation::Report::skipped), with the reason ([`Skip`](super::Skip)).
    /// Where the target is an alias, the KMS key is found out from the first objects that are rewrapped, which may have been
    /// under it already. [`all`](Self::all) changes nothing here.
    ///
    /// # Errors
    ///
    /// As [`rewrap`](Self::rewrap). [`Misuse::RewrapCrossesCustomerKey`]: the target is SSE-C.
    ///
    /// # Security
    ///
    /// A rewrap revokes nothing: a reader that could open the old envelope keeps the data key.
    pub async fn rewrap_to(
        self,
        mode: impl Mode,
        entries: impl Stream<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        let mode = any(mode);
        if mode.id() == ModeId::SseC {
            return Err(Misuse::RewrapCrossesCustomerKey.into());
        }
        let verb = Verb::Rewrap { aim: Aim::To(Elsewhere::new(mode.clone())), store };
        self.walk(GoalVerb::RewrapTo, Some(&mode), verb, entries).await
    }

    /// [`rewrap_to`](Self::rewrap_to) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_to_blocking(
        self,
        mode: impl Mode,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        block_on(self.rewrap_to(mode, stream::iter(entries), store))
    }

    /// Encrypts what is in the clear; what has an envelope is left as it is, and counted.
    ///
    /// # Errors
    ///
    /// As [`rewrap`](Self::rewrap).
    ///
    /// # Security
    ///
    /// What was in the clear may have been read and copied before. An object that is written in the clear while the sweep
    /// runs is found by the next one only: have writers encrypt first.
    pub async fn encrypt_plain(
        self,
        mode: impl Mode,
        entries: impl Stream<Item = io::Result<Entry>>,
        store: &dyn PlainStore,
    ) -> Result<Report> {
        let mode = any(mode);
        let verb = Verb::Encrypt { mode: mode.clone(), store };
        self.walk(GoalVerb::Encrypt, Some(&mode), verb, entries).await
    }

    /// [`encrypt_plain`](Self::encrypt_plain) for those who have no runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encrypt_plain_blocking(
        self,
        mode: impl Mode,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        store: &dyn PlainStore,
    ) -> Result<Report> {
        block_on(self.encrypt_plain(mode, stream::iter(entries), store))
    }

    async fn walk(
        self,
        goal: GoalVerb,
        target: Option<&AnyMode>,
        verb: Verb<'_>,
        entries: impl Stream<Item = io::Result<Entry>>,
    ) -> Result<Report> {
        let goal = Goal { verb: goal, of: digest(target, &self.filter) };
        if let Some(keyring) = self.sse.keyring() {
            keyring.reload().await?;
        }
        let cursor = match self.resume {
            Some(cursor) => {
                cursor.check(goal, self.sse)?;
                Some(cursor)
            }
            None => None,
        };
        let mut progress = Progress {
            positions_matter: self.on_event.is_some() || cursor.is_some(),
            cursor: cursor.unwrap_or_else(|| Cursor::begin(goal, self.sse)),
            on_event: self.on_event.unwrap_or_else(|| Box::new(|_| Ok(()))),
            checkpoint_every: self.checkpoint_every,
            since_checkpoint: 0,
            give_up_after: self.give_up_after,
            failing: None,
        };
        let worker = Worker { sse: self.sse, filter: self.filter, verb, pace: self.pace };
        let work = |listed: io::Result<Entry>| async {
            match listed {
                Ok(entry) => Ok(worker.work(entry).await),
                Err(error) => Err(error),
            }
        };
        // After an error nothing more is begun, and what was is waited for: nothing is dropped half done.
        let over = AtomicBool::new(false);
        let listing = entries.take_while(|_| ready(!over.load(Ordering::Relaxed))).inspect(|listed| {
            over.fetch_or(listed.is_err(), Ordering::Relaxed);
        });
        let mut done = pin!(listing.map(work).buffered(self.concurrency));
        let mut failure = None;
        while let Some(done) = done.next().await {
            if failure.is_some() {
                continue;
            }
            let taken = match done {
                Ok(done) => progress.take(&done),
                Err(error) => Err(IoError::new("the listing failed", error).into()),
            };
            if let Err(error) = taken {
                over.store(true, Ordering::Relaxed);
                failure = Some(error);
            }
        }
        progress.finish(failure)
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweep")
            .field("sse", &self.sse)
            .field("concurrency", &self.concurrency)
            .field("checkpoint_every", &self.checkpoint_every)
            .field("give_up_after", &self.give_up_after)
            .field("all", &self.all)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}
