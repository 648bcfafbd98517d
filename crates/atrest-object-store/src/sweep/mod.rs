//! [`StoreSweep`], a sweep that rewraps the objects of an [`EncryptedStore`], and [`StoreSweepReport`];
//! [`StoreInventory`], which changes nothing, and [`StoreInventoryTotals`].

mod in_parts;
mod inventory;
mod rewriter;

use std::fmt;
use std::io;

use atrest::rotation::{Cursor, KmsUsage, OutcomeCounts, Problem, Report, Skipped, Sweep, SweepEvent, VersionCounts};
use atrest::{AnyMode, KeyUsage};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::store::EncryptedStore;
pub use inventory::{StoreInventory, StoreInventoryTotals};
use rewriter::{Done, Limits, Rewriter};

/// The default of [`StoreSweep::max_object_len`].
const MAX_OBJECT_LEN: u64 = 64 << 20;

/// A sweep over the objects under a prefix: it rewraps each object that is not under the primary of the keyring, or
/// moves all to another key or mode. [`EncryptedStore::sweep`] returns one.
///
/// `object_store` changes no part and no attribute of an object, so **every object that the sweep rewraps is read and
/// written whole**. It is replaced only if it is still the one that was read (`PutMode::Update`); a writer that comes
/// between is never overwritten. The report names the objects that were written. Objects that are up to date cost one
/// small request each.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use atrest::{Keyring, Sse};
/// use atrest_object_store::EncryptedStore;
/// use object_store::memory::InMemory;
/// use object_store::{ObjectStoreExt, path::Path};
///
/// let keyring = Keyring::generate()?.with_changes_lost_on_exit(); // in a service: a stored keyring
/// let sse = Sse::builder().keyring(keyring.clone()).envelope_len(1024).build()?;
/// let store = EncryptedStore::builder(InMemory::new(), sse, "lake").build()?;
/// store.put(&Path::from("cats.parquet"), "meow".into()).await?;
///
/// let old = keyring.primary();
/// keyring.rotate().await?;
/// let report = store.sweep(None).concurrency(8).rewrap().await?;
/// assert_eq!(report.rewritten(), [Path::from("cats.parquet")]);
///
/// // Once every process writes under the new version, and no upload from before is under way:
/// keyring.disable(old).await?;
/// keyring.retire(old, report.usage().expect("a sweep over the whole store, without problems")).await?;
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
///
/// # Security
///
/// A rewrap revokes nothing: a reader that could open the old envelope may have kept the data key. Older versions of an
/// object that the inner store keeps stay under their old key.
///
/// # Performance
///
/// Holds [`concurrency`](Self::concurrency) objects of up to [`max_object_len`](Self::max_object_len) bytes in memory.
/// Tags of an object are lost when it is written, since `object_store` cannot read them; attributes are kept.
///
/// With [`Placement::Attributes`](crate::Placement::Attributes) over S3, run one sweep at a time: an e_tag of S3 is one
/// of the body alone, so that of two sweeps neither sees that the other has replaced the envelope.
#[must_use = "a sweep does nothing until rewrap or rewrap_to is called"]
pub struct StoreSweep<'a, T: ObjectStore> {
    store: &'a EncryptedStore<T>,
    prefix: Option<Path>,
    concurrency: usize,
    limits: Limits,
    checkpoint_every: u64,
    give_up_after: u64,
    resume: Option<Cursor>,
    on_event: Option<Box<OnEvent<'a>>>,
}

type OnEvent<'a> = dyn FnMut(SweepEvent<'_>) -> io::Result<()> + Send + 'a;

impl<T: ObjectStore> EncryptedStore<T> {
    /// Returns a sweep over the objects under a prefix, or over all objects.
    pub fn sweep(&self, prefix: Option<&Path>) -> StoreSweep<'_, T> {
        StoreSweep {
            store: self,
            prefix: prefix.cloned(),
            concurrency: 8,
            limits: Limits { most: MAX_OBJECT_LEN, in_parts: false, overwrites: false },
            checkpoint_every: 1_000,
            give_up_after: 100,
            resume: None,
            on_event: None,
        }
    }
}

impl<'a, T: ObjectStore> StoreSweep<'a, T> {
    /// Sets how many objects are in flight at once. The default is 8; 0 means 1.
    pub fn concurrency(self, objects: usize) -> Self {
        Self { concurrency: objects.max(1), ..self }
    }

    /// Sets the longest stored object in bytes that is held in memory and written in one request. The default is 64
    /// MiB; S3 takes at most 5 GiB in one request. A longer object is a [problem](StoreSweepReport::problems) and named
    /// in [`too_long`](StoreSweepReport::too_long): write it again by compaction, or sweep
    /// [`in_parts`](Self::in_parts).
    pub fn max_object_len(self, len: u64) -> Self {
        Self { limits: Limits { most: len, ..self.limits }, ..self }
    }

    /// Rewrites objects longer than [`max_object_len`](Self::max_object_len) by an upload in parts of 8 MiB, or in
    /// [equal parts](crate::EncryptedStoreBuilder::equal_parts), without holding them in memory.
    ///
    /// `object_store` has no condition for an upload in parts. The e_tag is compared right before the upload is
    /// completed; **an object that another process writes between these two requests is lost.** Use it while nothing
    /// else replaces long objects.
    pub fn in_parts(self) -> Self {
        Self { limits: Limits { in_parts: true, ..self.limits }, ..self }
    }

    /// Replaces objects without a condition, for stores without `PutMode::Update`, such as `LocalFileSystem`.
    ///
    /// An object that another process writes between the read and the write of the sweep is then lost: use it only
    /// while nothing else writes the store.
    pub fn overwriting(self) -> Self {
        Self { limits: Limits { overwrites: true, ..self.limits }, ..self }
    }

    /// Continues an earlier sweep over the same prefix after the position of a cursor, counts included. The inner store
    /// must list in ascending order.
    pub fn resume(self, cursor: Cursor) -> Self {
        Self { resume: Some(cursor), ..self }
    }

    /// Sets the number of objects between two checkpoints. The default is 1,000; 0 means 1.
    pub fn checkpoint_every(self, objects: u64) -> Self {
        Self { checkpoint_every: objects, ..self }
    }

    /// Ends the sweep after this many consecutive objects for which the store failed, or the key provider or the audit
    /// trail was unavailable; see [`Sweep::give_up_after`]. The default is 100; 0 means 1.
    ///
    /// An object that the store does not give, because it denies access to it, for instance, is a
    /// [problem](StoreSweepReport::problems) that names it, and the sweep goes on. 1 ends the sweep at the first such
    /// object instead; `u64::MAX` goes on whatever fails.
    pub fn give_up_after(self, objects: u64) -> Self {
        Self { give_up_after: objects, ..self }
    }

    /// Calls `on_event` for every object and every checkpoint: for a log, a progress bar, and to store cursors. The
    /// position of an entry is its path. An error of `on_event` ends the sweep.
    pub fn on_event(self, on_event: impl FnMut(SweepEvent<'_>) -> io::Result<()> + Send + 'a) -> Self {
        Self { on_event: Some(Box::new(on_event)), ..self }
    }

    /// Rewraps every object that is not under the primary of the keyring.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Sweep::rewrap`]. A failure of one object is not an error of the sweep; the report
    /// contains it.
    pub async fn rewrap(self) -> atrest::Result<StoreSweepReport> {
        self.run(None).await
    }

    /// Rewraps every object to another key or mode; see [`Sweep::rewrap_to`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Sweep::rewrap_to`].
    pub async fn rewrap_to(self, mode: impl Into<AnyMode>) -> atrest::Result<StoreSweepReport> {
        self.run(Some(mode.into())).await
    }

    async fn run(self, mode: Option<AnyMode>) -> atrest::Result<StoreSweepReport> {
        let rewriter = Rewriter::new(self.store, self.limits);
        let is_whole = self.prefix.is_none() && self.resume.is_none();
        let after = self.resume.as_ref().and_then(Cursor::position);
        let after = after.and_then(|at| std::str::from_utf8(at).ok()).and_then(|at| Path::parse(at).ok());
        let entries = rewriter.entries(self.prefix.as_ref(), after, self.concurrency);
        let shared = &self.store.shared;
        let any = shared.call(&Path::from("-"), self.store.options.clone());
        let sse = any.map_or_else(|_| shared.sse.clone(), |call| call.sse);
        let mut sweep = Sweep::new(&sse)
            .concurrency(self.concurrency)
            .checkpoint_every(self.checkpoint_every)
            .give_up_after(self.give_up_after);
        if let Some(cursor) = self.resume {
            sweep = sweep.resume(cursor);
        }
        if let Some(on_event) = self.on_event {
            sweep = sweep.on_event(on_event);
        }
        let report = match mode {
            None => sweep.rewrap(entries, &rewriter).await?,
            Some(mode) => sweep.rewrap_to(mode, entries, &rewriter).await?,
        };
        let done = rewriter.into_done();
        let kms_usage = report.kms_usage().filter(|_| is_whole).map(|usage| with_foreign(usage, done.foreign));
        Ok(StoreSweepReport { report, kms_usage, is_whole: is_whole && done.foreign == 0, done })
    }
}

/// Returns a usage that also counts the objects whose length no encrypted object of the store has: they may be under
/// any key.
fn with_foreign(usage: &KmsUsage, foreign: u64) -> KmsUsage {
    let mut usage = usage.clone();
    usage.add_unclear(foreign);
    usage
}

/// The result of a [`StoreSweep`].
#[derive(Debug)]
pub struct StoreSweepReport {
    report: Report,
    kms_usage: Option<KmsUsage>,
    /// Whether the sweep has seen every object of the store.
    is_whole: bool,
    done: Done,
}

impl StoreSweepReport {
    /// Returns the first 1,000 objects that were read and written whole; [`OutcomeCounts::rewrapped`] counts all, since
    /// no object is rewrapped in another way.
    pub fn rewritten(&self) -> &[Path] {
        &self.done.rewritten
    }

    /// Returns the number of stored bytes that were written.
    pub fn rewritten_len(&self) -> u64 {
        self.done.len
    }

    /// Returns the first 1,000 objects that are longer than [`StoreSweep::max_object_len`] and stay as they are.
    pub fn too_long(&self) -> &[Path] {
        &self.done.too_long
    }

    /// Returns the first 1,000 objects that copies wrote [beside their
    /// place](crate::EncryptedStore#copies-that-are-cut-short): a copy was cut short before it deleted the object, or
    /// could not delete it, or is under way. The names of these objects end in `.atrest-copy`. Delete those that are
    /// older than any copy can be. They count as objects, and are rewrapped under the name that they were meant for.
    pub fn left_behind(&self) -> &[Path] {
        &self.done.left_behind
    }

    /// Returns the number of objects by outcome, since the beginning of the sweep.
    pub fn counts(&self) -> OutcomeCounts {
        self.report.counts()
    }

    /// Returns the counts of each keyring version.
    pub fn versions(&self) -> impl Iterator<Item = (u32, VersionCounts)> + '_ {
        self.report.versions()
    }

    /// Returns the first 1,000 problems. The reason of a failure of the store is its kind: *file too large* for an
    /// object that is [too long](Self::too_long), *unsupported* for a store that needs
    /// [`overwriting`](StoreSweep::overwriting). The whole error is the cause of the `Error::Io` in the outcome of the
    /// object's [event](StoreSweep::on_event).
    pub fn problems(&self) -> &[Problem] {
        self.report.problems()
    }

    /// Returns the first 1,000 objects that a sweep to another key or mode cannot convert.
    pub fn skipped(&self) -> &[Skipped] {
        self.report.skipped()
    }

    /// Returns how many objects are wrapped under each keyring version, for
    /// [`Keyring::retire`](atrest::Keyring::retire). `None` unless this one sweep has seen the whole store: after a
    /// sweep over a prefix, a resumed one, or one that met objects whose length no encrypted object has.
    ///
    /// # Security
    ///
    /// Not counted are uploads under way, since `object_store` does not list them, older versions of objects that the
    /// inner store keeps, and copies elsewhere. An upload that began before the rotation makes an object under the old
    /// version when it is completed: sweep once the last of them has ended.
    pub fn usage(&self) -> Option<&KeyUsage> {
        self.report.usage().filter(|_| self.is_whole)
    }

    /// Returns how many objects are under each KMS key after the sweep, to read before one is deleted. Objects whose
    /// length no encrypted object has count as [unclear](KmsUsage::unclear). `None` after a sweep over a prefix and a
    /// resumed one: they have not seen the whole store.
    ///
    /// # Security
    ///
    /// As for [`usage`](Self::usage); and a [`StoreKeyring`](crate::StoreKeyring) has a KMS key of its own.
    pub fn kms_usage(&self) -> Option<&KmsUsage> {
        self.kms_usage.as_ref()
    }
}

impl<T: ObjectStore> fmt::Debug for StoreSweep<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreSweep")
            .field("store", &self.store)
            .field("prefix", &self.prefix)
            .field("concurrency", &self.concurrency)
            .field("limits", &self.limits)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}
