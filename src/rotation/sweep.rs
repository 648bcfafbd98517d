//! [`Sweep`], a walk over a store that rewraps or encrypts its entries, and [`SweepEvent`].

use std::fmt;
use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_core::Stream;
use futures_util::StreamExt;

use super::blocking::BlockingSweep;
use super::cursor::{Cursor, SweepId, SweepKind};
use super::entry::{Entry, EnvelopeStore, UnencryptedStore};
use super::pace::Pace;
use super::progress::Progress;
use super::report::Report;
use super::target::{Filter, RewrapTarget, digest};
use super::work::{EntryOutcome, Scope, Task, Worker};
use crate::envelope::ModeId;
use crate::error::{IoError, Misuse, Result};
use crate::mode::{AnyMode, Mode, any};
use crate::sse::Sse;

/// A progress event of a sweep.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum SweepEvent<'a> {
    /// The sweep has processed an entry. Events follow the order of the listing.
    #[non_exhaustive]
    Entry {
        /// The entry, as it was listed.
        entry: &'a Entry,
        /// The result for the entry.
        outcome: &'a EntryOutcome,
    },
    /// The sweep has processed every entry up to this cursor. Store the cursor now.
    Checkpoint(&'a Cursor),
}

/// A walk over a whole store that rewraps envelopes or encrypts unencrypted objects.
///
/// The caller provides the listing. The listing must contain every object, every version of an object and every
/// multipart upload under way, and must begin no earlier than the sweep. A resumed sweep needs the same order of
/// entries. A sweep can be repeated: it leaves entries that are up to date unchanged.
///
/// # Performance
///
/// A sweep runs in one task and holds only the entries in flight in memory. Rewrapping one SSE-S3 envelope takes a few
/// microseconds. To use more than one core, run one sweep for each section of the listing.
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

pub(super) type OnEvent<'a> = dyn FnMut(SweepEvent<'_>) -> io::Result<()> + Send + 'a;

impl<'a> Sweep<'a> {
    /// Creates a sweep that uses the keys of `sse`. The requester of `sse` is the requester of each call.
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

    /// Sets how many entries are in flight at once, all in one task. The default is 16; 0 means 1.
    #[must_use]
    pub fn concurrency(self, entries: usize) -> Self {
        Self { concurrency: entries.max(1), ..self }
    }

    /// Limits the number of rewraps or encryptions that begin in one second. The default is no limit; 0 means 1.
    ///
    /// The caller provides the timer: `|wait| tokio::time::sleep(wait)`, or without a runtime
    /// `|wait| { std::thread::sleep(wait); std::future::ready(()) }`. The sweep calls it at most 100 times a second.
    #[must_use]
    pub fn rate_limit<F>(self, per_second: u32, timer: impl Fn(Duration) -> F + Send + Sync + 'a) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self { pace: Some(Pace::new(per_second, timer)), ..self }
    }

    /// Continues an earlier sweep of the same kind, counts included. The listing must begin after the cursor's
    /// position.
    #[must_use]
    pub fn resume(self, cursor: Cursor) -> Self {
        Self { resume: Some(cursor), ..self }
    }

    /// Sets the number of entries between two checkpoints. The default is 1,000; 0 means 1.
    #[must_use]
    pub fn checkpoint_every(self, entries: u64) -> Self {
        Self { checkpoint_every: entries.max(1), ..self }
    }

    /// Stops the sweep after this many consecutive entries for which the store failed, or the key provider or the audit
    /// trail was unavailable. The default is 100; 0 means 1. An entry that is
    /// [too long](std::io::ErrorKind::FileTooLarge) for the store is a problem of its own, and does not count.
    ///
    /// The last checkpoint is then before the failed entries, so that a resumed sweep processes them again.
    #[must_use]
    pub fn give_up_after(self, entries: u64) -> Self {
        Self { give_up_after: entries.max(1), ..self }
    }

    /// Rewraps every envelope, not only those that need it. SSE-KMS objects get a fresh key from the KMS; DSSE-KMS
    /// objects get fresh keys for both layers.
    #[must_use]
    pub fn all(self) -> Self {
        Self { all: true, ..self }
    }

    /// Selects only entries in these modes. A completion record counts as SSE-C.
    ///
    /// The report counts other entries as [`NotSelected`](EntryOutcome::NotSelected). The [`KeyUsage`](crate::KeyUsage)
    /// of the report still counts them under their version of the keyring.
    #[must_use]
    pub fn only_modes(mut self, modes: impl IntoIterator<Item = ModeId>) -> Self {
        self.filter.modes = Some(modes.into_iter().collect());
        self
    }

    /// Selects only entries under these keys: the keyring's id, or resolved ids of KMS keys. A DSSE-KMS object matches
    /// by either of its two key ids.
    #[must_use]
    pub fn only_key_ids<K: Into<String>>(mut self, key_ids: impl IntoIterator<Item = K>) -> Self {
        self.filter.key_ids = Some(key_ids.into_iter().map(Into::into).collect());
        self
    }

    /// Selects only entries for which `chosen` returns true, such as those of one bucket or with one prefix. The
    /// predicate also selects the unencrypted objects of [`encrypt_unencrypted`](Self::encrypt_unencrypted).
    ///
    /// A cursor does not record the predicate: pass the same one to a resumed sweep.
    #[must_use]
    pub fn only(mut self, chosen: impl Fn(&Entry) -> bool + Send + Sync + 'a) -> Self {
        self.filter.chosen = Some(Box::new(chosen));
        self
    }

    /// Calls `on_event` for every entry and every checkpoint: for a log, a progress bar, and to store cursors. An error
    /// of `on_event` ends the sweep, because a sweep must not continue past a cursor that could not be stored.
    #[must_use]
    pub fn on_event(self, on_event: impl FnMut(SweepEvent<'_>) -> io::Result<()> + Send + 'a) -> Self {
        Self { on_event: Some(Box::new(on_event)), ..self }
    }

    /// Rewraps every envelope that is not under the keyring's primary. The store replaces each envelope by
    /// compare-and-swap; after a lost swap the sweep reads the envelope again and retries, up to eight times.
    ///
    /// The sweep leaves each envelope that it cannot rewrap unchanged, and the report names it: a damaged envelope, one
    /// under a disabled or retired version, or one of another keyring.
    ///
    /// # Errors
    ///
    /// - [`Error::Io`](crate::Error::Io) if the listing failed, and the last checkpoint is before the failure; or if
    ///   `on_event` returned an error.
    /// - `Error::Io`, [`Error::KeyProvider`](crate::Error::KeyProvider) or [`Error::Audit`](crate::Error::Audit) if the
    ///   sweep [gave up](Self::give_up_after).
    /// - `Error::Io`, `Error::KeyProvider` or [`Error::SealedFile`](crate::Error::SealedFile) if the keyring could not
    ///   be reloaded. The sweep reloads it first.
    /// - [`CursorError::OtherSweep`](crate::error::CursorError::OtherSweep) or
    ///   [`Unexpected::KeyringId`](crate::error::Unexpected::KeyringId) if the cursor belongs to another sweep.
    /// - [`Misuse::SamePosition`] if two consecutive entries have the same position.
    ///
    /// A failure of one entry is not an error of the sweep; the report contains it.
    pub async fn rewrap(
        self,
        entries: impl Stream<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        let (scope, kind) =
            if self.all { (Scope::All, SweepKind::RewrapAll) } else { (Scope::Needed, SweepKind::Rewrap) };
        self.walk(kind, None, Task::Rewrap { scope, store }, entries).await
    }

    /// Rewraps every envelope to another mode or key: from one KMS key to another, from SSE-S3 to SSE-KMS, and so on.
    /// The store replaces each envelope by compare-and-swap. The sweep does not read bodies, and leaves entries that
    /// are already under the target unchanged.
    ///
    /// An object keeps its encryption context if `mode` names no pairs. The sweep leaves an entry that a rewrap cannot
    /// convert unchanged, and reports it as [skipped](crate::rotation::Report::skipped) with the reason
    /// ([`Skip`](super::Skip)). If `mode` names an alias, the sweep learns the resolved key id from the first rewrap;
    /// entries before that may be rewrapped although they were under that KMS key. [`all`](Self::all) has no effect
    /// here.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`rewrap`](Self::rewrap), and [`Misuse::RewrapCrossesCustomerKey`] if the target is SSE-C.
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
        let task = Task::Rewrap { scope: Scope::To(RewrapTarget::new(mode.clone())), store };
        self.walk(SweepKind::RewrapTo, Some(&mode), task, entries).await
    }

    /// Encrypts every unencrypted object. The sweep counts entries that have an envelope and leaves them unchanged.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`rewrap`](Self::rewrap).
    ///
    /// # Security
    ///
    /// An attacker may have read and copied an object while it was unencrypted. The sweep misses unencrypted objects
    /// that are written while it runs: make all writers encrypt before the sweep begins.
    pub async fn encrypt_unencrypted(
        self,
        mode: impl Mode,
        entries: impl Stream<Item = io::Result<Entry>>,
        store: &dyn UnencryptedStore,
    ) -> Result<Report> {
        let mode = any(mode);
        let task = Task::Encrypt { mode: mode.clone(), store };
        self.walk(SweepKind::Encrypt, Some(&mode), task, entries).await
    }

    /// Returns the same sweep with synchronous methods, for callers without a runtime.
    pub fn blocking(self) -> BlockingSweep<'a> {
        BlockingSweep::new(self)
    }

    async fn walk(
        self,
        kind: SweepKind,
        target: Option<&AnyMode>,
        task: Task<'_>,
        entries: impl Stream<Item = io::Result<Entry>>,
    ) -> Result<Report> {
        let id = SweepId { kind, digest: digest(target, &self.filter) };
        if let Some(keyring) = self.sse.keyring() {
            keyring.reload().await?;
        }
        let cursor = match self.resume {
            Some(cursor) => {
                cursor.check(id, self.sse)?;
                Some(cursor)
            }
            None => None,
        };
        let mut progress = Progress {
            positions_matter: self.on_event.is_some() || cursor.is_some(),
            cursor: cursor.unwrap_or_else(|| Cursor::begin(id, self.sse)),
            on_event: self.on_event.unwrap_or_else(|| Box::new(|_| Ok(()))),
            checkpoint_every: self.checkpoint_every,
            since_checkpoint: 0,
            give_up_after: self.give_up_after,
            failing: None,
        };
        let worker = Worker { sse: self.sse, filter: self.filter, task, pace: self.pace };
        let work = |listed: io::Result<Entry>| async {
            match listed {
                Ok(entry) => Ok(worker.work(entry).await),
                Err(error) => Err(error),
            }
        };
        // After an error the sweep begins no further entry and waits for those in flight, so that no entry
        // is dropped halfway.
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
