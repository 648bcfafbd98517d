//! [`Inventory`], a walk that reports how each object is encrypted, and [`InventoryRow`], its result for one entry.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;

use futures_core::Stream;
use futures_util::StreamExt;

use super::blocking::BlockingInventory;
use super::entry::Entry;
use super::table::{self, Field, Fields, Status, columns};
use super::totals::InventoryTotals;
use super::work::{WrappedUnder, unread};
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{Error, IoError, KeyProviderError, KeyProviderErrorKind, Result, Unexpected};
use crate::keys::VersionState;
use crate::multipart::{CompletionRecord, EnvelopeOrRecord};
use crate::sse::Sse;

/// A read-only walk over a whole store that reports how each object is encrypted.
///
/// An inventory requests no key and opens no object. The listing must contain every object, every version of an object
/// and every upload under way, and must begin no earlier than the walk.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::rotation::{Entry, Inventory, InventoryRow};
/// use atrest::{Keyring, ObjectName, Sse, SseS3};
///
/// # let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
/// let name = ObjectName::new("photos", "2026/cat 1.jpg")?;
/// let stored = sse.blocking().encrypt(&name, SseS3, b"meow")?;
/// let entry = Entry::object(name, stored.envelope.encode());
/// let entry = entry.with_stored_len(stored.ciphertext.len() as u64);
///
/// let mut csv = String::from(InventoryRow::CSV_HEADER);
/// let totals = Inventory::new(&sse).blocking().run([Ok(entry)], |row| {
///     csv.push_str(&row.to_csv());
///     Ok(())
/// })?;
/// assert!(csv.contains(",photos,2026/cat%201.jpg,,,SSE-S3,"));
/// print!("{}{}", csv, totals.to_csv());
/// # Ok(()) }
/// ```
///
/// # Security
///
/// Mode, key and plaintext length of a row come from the envelope and are not authenticated: an attacker who writes the
/// store can forge them. Only opening the object authenticates them.
#[derive(Clone, Debug)]
pub struct Inventory<'a> {
    sse: &'a Sse,
}

impl<'a> Inventory<'a> {
    /// Creates an inventory. A row has a [problem](InventoryRow::problem) if `sse` would not accept its envelope.
    pub fn new(sse: &'a Sse) -> Self {
        Self { sse }
    }

    /// Calls `on_row` for every entry, in the order of the listing, and returns the totals.
    ///
    /// # Errors
    ///
    /// - [`Error::Io`] if the listing or `on_row` failed.
    /// - [`Error::Io`], [`Error::KeyProvider`] or [`Error::SealedFile`] if the keyring could not be reloaded. The
    ///   inventory reloads it first.
    pub async fn run(
        self,
        entries: impl Stream<Item = io::Result<Entry>>,
        mut on_row: impl FnMut(&InventoryRow<'_>) -> io::Result<()>,
    ) -> Result<InventoryTotals> {
        if let Some(keyring) = self.sse.keyring() {
            keyring.reload().await?;
        }
        let mut versions = Versions::of(self.sse);
        let mut totals = InventoryTotals::begin(self.sse);
        let mut entries = pin!(entries);
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|error| IoError::new("the listing failed", error))?;
            let row = InventoryRow::of(self.sse, &mut versions, &entry).await;
            totals.add(self.sse, &row);
            on_row(&row).map_err(|error| IoError::new("a row of the inventory could not be written", error))?;
        }
        totals.complete();
        Ok(totals)
    }

    /// Returns the same inventory with a synchronous `run`, for callers without a runtime.
    pub fn blocking(self) -> BlockingInventory<'a> {
        BlockingInventory::new(self)
    }
}

/// The result of an [`Inventory`] for one entry.
#[derive(Clone, Debug)]
pub struct InventoryRow<'a> {
    entry: &'a Entry,
    found: Option<EnvelopeOrRecord>,
    problem: Option<Error>,
}

impl<'a> InventoryRow<'a> {
    /// The header line of a CSV file of rows.
    pub const CSV_HEADER: &'static str = columns!(
        "realm",
        "bucket",
        "key",
        "version_id",
        "upload_id",
        "status",
        "bucket_key",
        "key_id",
        "key_version",
        "inner_key_id",
        "stored_len",
        "plaintext_len",
        "problem",
    );

    async fn of(sse: &Sse, versions: &mut Versions, entry: &'a Entry) -> Self {
        match entry.envelope().map(EnvelopeOrRecord::decode) {
            None => Self { entry, found: None, problem: entry.is_unread().then(unread) },
            Some(Err(error)) => Self { entry, found: None, problem: Some(error) },
            Some(Ok(found)) => {
                let problem = versions.problem(sse, entry, &found).await;
                Self { entry, found: Some(found), problem }
            }
        }
    }

    /// Returns the entry, as it was listed.
    pub fn entry(&self) -> &'a Entry {
        self.entry
    }

    /// Returns the entry's envelope, if it has one that this release can decode.
    pub fn envelope(&self) -> Option<&Envelope> {
        match self.found.as_ref()? {
            EnvelopeOrRecord::Envelope(envelope) => Some(envelope),
            EnvelopeOrRecord::Record(_) => None,
        }
    }

    /// Returns the entry's completion record, if it has one in place of an envelope. The object is then SSE-C, and its
    /// record is wrapped under the keyring until the object is finished.
    pub fn record(&self) -> Option<&CompletionRecord> {
        match self.found.as_ref()? {
            EnvelopeOrRecord::Record(record) => Some(record),
            EnvelopeOrRecord::Envelope(_) => None,
        }
    }

    pub(super) fn found(&self) -> Option<&EnvelopeOrRecord> {
        self.found.as_ref()
    }

    /// Returns how the entry is stored.
    pub fn status(&self) -> Status {
        match (&self.found, self.entry.envelope()) {
            (Some(found), _) => Status::Encrypted(found.mode()),
            (None, None) if !self.entry.is_unread() => Status::Unencrypted,
            (None, _) => Status::Damaged,
        }
    }

    /// Returns whether the key-encryption key is a bucket key; `None` for modes other than SSE-KMS.
    pub fn bucket_key(&self) -> Option<bool> {
        let envelope = self.envelope().filter(|envelope| envelope.mode() == ModeId::SseKms)?;
        Some(envelope.has_bucket_key())
    }

    /// Returns the id of the keyring or KMS key; for DSSE-KMS and for a completion record the keyring's id.
    pub fn key_id(&self) -> Option<&str> {
        self.found.as_ref()?.key_id()
    }

    /// Returns the keyring version.
    pub fn key_version(&self) -> Option<u32> {
        self.found.as_ref()?.key_version()
    }

    /// Returns the id of the KMS key in DSSE-KMS.
    pub fn inner_key_id(&self) -> Option<&str> {
        self.envelope()?.inner()?.key_id()
    }

    /// Returns the plaintext length in bytes, from the envelope or record, or else computed from the stored length.
    pub fn plaintext_len(&self) -> Option<u64> {
        let stored_len = self.entry.stored_len();
        match &self.found {
            Some(EnvelopeOrRecord::Envelope(envelope)) => envelope.plaintext_len().or_else(|| {
                let stored_len = stored_len.filter(|_| envelope.state() == EnvelopeState::Object)?;
                envelope.mode().plaintext_len(stored_len)
            }),
            Some(EnvelopeOrRecord::Record(record)) => Some(record.claimed_plaintext_len()),
            None => stored_len.filter(|_| self.status() == Status::Unencrypted),
        }
    }

    /// Returns why the entry would not open, as far as this is known without its key: the envelope is damaged, the
    /// [`Sse`] does not accept it, or its keyring version is disabled or retired.
    pub fn problem(&self) -> Option<&Error> {
        self.problem.as_ref()
    }

    /// Returns the row as one line of CSV (RFC 4180), line end included; names are percent-encoded as in the S3
    /// inventory.
    ///
    /// # Security
    ///
    /// A key id is written as it is in the envelope, which an attacker may have written: a spreadsheet may interpret it
    /// as a formula. Import the file as text.
    pub fn to_csv(&self) -> String {
        self.line(table::csv)
    }

    /// Returns the row as one line of JSON, line end included. The fields are the columns of
    /// [`CSV_HEADER`](Self::CSV_HEADER); names are percent-encoded.
    pub fn to_json(&self) -> String {
        self.line(table::json)
    }

    fn line(&self, write: fn(&Fields<'_>) -> String) -> String {
        let name = self.entry.name();
        let status = self.status().to_string();
        let problem = self.problem.as_ref().map(Error::to_string);
        write(&[
            ("realm", Field::name(name.realm())),
            ("bucket", Field::name(name.bucket())),
            ("key", Field::name(name.key())),
            ("version_id", Field::name(name.version_id())),
            ("upload_id", Field::name(self.entry.upload_id().unwrap_or_default())),
            ("status", Field::Text(&status)),
            ("bucket_key", self.bucket_key().map_or(Field::None, Field::Enabled)),
            ("key_id", Field::text(self.key_id())),
            ("key_version", Field::number(self.key_version().map(u64::from))),
            ("inner_key_id", Field::text(self.inner_key_id())),
            ("stored_len", Field::number(self.entry.stored_len())),
            ("plaintext_len", Field::number(self.plaintext_len())),
            ("problem", Field::text(problem.as_deref())),
        ])
    }
}

/// The versions of the keyring, which is reloaded for a version that it does not have.
struct Versions {
    known: BTreeMap<u32, VersionState>,
    /// The remaining number of reloads, which is limited because envelopes can name any number of unknown versions.
    reloads: u32,
}

impl Versions {
    fn of(sse: &Sse) -> Self {
        let mut versions = Self { known: BTreeMap::new(), reloads: 100 };
        versions.read(sse);
        versions
    }

    fn read(&mut self, sse: &Sse) {
        let versions = sse.keyring().into_iter().flat_map(|keyring| keyring.versions());
        self.known = versions.map(|version| (version.number, version.state)).collect();
    }

    /// Reloads the keyring, to learn versions that other processes created.
    async fn reload(&mut self, sse: &Sse) -> Result<()> {
        if let Some(reloads) = self.reloads.checked_sub(1) {
            self.reloads = reloads;
            if let Some(keyring) = sse.keyring() {
                keyring.reload().await?;
            }
            self.read(sse);
        }
        Ok(())
    }

    async fn problem(&mut self, sse: &Sse, entry: &Entry, found: &EnvelopeOrRecord) -> Option<Error> {
        let accepted = match found {
            EnvelopeOrRecord::Envelope(envelope) => sse.accepts(entry.name(), entry.upload_id(), envelope),
            EnvelopeOrRecord::Record(_) if entry.upload_id().is_some() => Err(Unexpected::State.into()),
            EnvelopeOrRecord::Record(record) => sse.check_record(entry.name(), record, None).map(drop),
        };
        if let Err(error) = accepted {
            return Some(error);
        }
        let version = WrappedUnder::of(sse, found).version()?;
        if !self.known.contains_key(&version)
            && let Err(error) = self.reload(sse).await
        {
            return Some(error);
        }
        let kind = match self.known.get(&version) {
            None => KeyProviderErrorKind::NotFound,
            Some(VersionState::Disabled | VersionState::Gone) => KeyProviderErrorKind::Disabled,
            Some(VersionState::Staged | VersionState::Enabled) => return None,
        };
        let key_id = found.key_id().unwrap_or_default();
        Some(KeyProviderError::new(kind, key_id).with_key_version(version).into())
    }
}
