//! How everything in a store is encrypted, line by line.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;

use futures_core::Stream;
use futures_util::{StreamExt, stream};
use pollster::block_on;

use super::entry::Entry;
use super::table::{self, Field, Fields, Status, columns};
use super::totals::Totals;
use super::work::Under;
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{Error, IoError, KeyProviderError, KeyProviderErrorKind, Result, Unexpected};
use crate::keys::VersionState;
use crate::multipart::{CompletionRecord, EnvelopeOrRecord};
use crate::sse::Sse;

/// A walk over all that a store holds, that says how each object is encrypted and changes nothing.
///
/// No key is asked for and nothing is opened. As of a [`Sweep`](super::Sweep), the listing holds every object, every
/// version of it and every upload, and is begun no earlier than the walk.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::rotation::{Entry, Inventory, Row};
/// use atrest::{Keyring, ObjectName, Sse, SseS3};
///
/// # let sse = Sse::builder().keyring(Keyring::generate()?).build()?;
/// let name = ObjectName::new("photos", "2026/cat 1.jpg")?;
/// let stored = sse.blocking().encrypt(&name, SseS3, b"meow")?;
/// let entry = Entry::object(name, stored.envelope.encode()).with_stored_len(stored.ciphertext.len() as u64);
///
/// let mut csv = String::from(Row::CSV_HEADER);
/// let totals = Inventory::new(&sse).run_blocking([Ok(entry)], |row| {
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
/// What a row says of mode, key and plaintext length stands in the envelope and is not authenticated: whoever writes the
/// store wrote it. Only opening an object tells whether it is true.
#[derive(Clone, Debug)]
pub struct Inventory<'a> {
    sse: &'a Sse,
}

impl<'a> Inventory<'a> {
    /// An inventory against what this handle accepts.
    pub fn new(sse: &'a Sse) -> Self {
        Self { sse }
    }

    /// Gives every entry as a row, in the order of the listing, and then the totals.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: the listing failed, or the receiver of the rows. The same and [`Error::SealedFile`]: the keyring's
    /// file, which is read again first.
    pub async fn run(
        self,
        entries: impl Stream<Item = io::Result<Entry>>,
        mut on_row: impl FnMut(&Row<'_>) -> io::Result<()>,
    ) -> Result<Totals> {
        if let Some(keyring) = self.sse.keyring() {
            keyring.reload().await?;
        }
        let mut versions = Versions::of(self.sse);
        let mut totals = Totals::begin(self.sse);
        let mut entries = pin!(entries);
        while let Some(entry) = entries.next().await {
            let entry = entry.map_err(|error| IoError::new("the listing failed", error))?;
            let row = Row::of(self.sse, &mut versions, &entry).await;
            totals.add(self.sse, &row);
            on_row(&row).map_err(|error| IoError::new("a row of the inventory could not be written", error))?;
        }
        totals.complete();
        Ok(totals)
    }

    /// [`run`](Self::run) for those who have no runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn run_blocking(
        self,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        on_row: impl FnMut(&Row<'_>) -> io::Result<()>,
    ) -> Result<Totals> {
        block_on(self.run(stream::iter(entries), on_row))
    }
}

/// One entry of an [`Inventory`].
#[derive(Clone, Debug)]
pub struct Row<'a> {
    entry: &'a Entry,
    found: Option<EnvelopeOrRecord>,
    problem: Option<Error>,
}

impl<'a> Row<'a> {
    /// The first line of a CSV file of rows.
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
            None => Self { entry, found: None, problem: None },
            Some(Err(error)) => Self { entry, found: None, problem: Some(error) },
            Some(Ok(found)) => {
                let problem = versions.problem(sse, entry, &found).await;
                Self { entry, found: Some(found), problem }
            }
        }
    }

    /// The entry, as it was listed.
    pub fn entry(&self) -> &'a Entry {
        self.entry
    }

    /// Its envelope, if it has one that this release reads.
    pub fn envelope(&self) -> Option<&Envelope> {
        match self.found.as_ref()? {
            EnvelopeOrRecord::Envelope(envelope) => Some(envelope),
            EnvelopeOrRecord::Record(_) => None,
        }
    }

    /// Its completion record, if one stands in place of the envelope: the object is SSE-C, and under the keyring until it is
    /// finished.
    pub fn record(&self) -> Option<&CompletionRecord> {
        match self.found.as_ref()? {
            EnvelopeOrRecord::Record(record) => Some(record),
            EnvelopeOrRecord::Envelope(_) => None,
        }
    }

    pub(super) fn found(&self) -> Option<&EnvelopeOrRecord> {
        self.found.as_ref()
    }

    /// How it is stored.
    pub fn status(&self) -> Status {
        match (&self.found, self.entry.envelope()) {
            (Some(found), _) => Status::Encrypted(found.mode()),
            (None, Some(_)) => Status::Damaged,
            (None, None) => Status::NotSse,
        }
    }

    /// Whether its key-encryption key serves a bucket; of SSE-KMS alone.
    pub fn bucket_key(&self) -> Option<bool> {
        let envelope = self.envelope().filter(|envelope| envelope.mode() == ModeId::SseKms)?;
        Some(envelope.has_bucket_key())
    }

    /// The keyring's id or the KMS key's; of DSSE-KMS and of a completion record the keyring's.
    pub fn key_id(&self) -> Option<&str> {
        self.found.as_ref()?.key_id()
    }

    /// The version of the keyring.
    pub fn key_version(&self) -> Option<u32> {
        self.found.as_ref()?.key_version()
    }

    /// The KMS key's id of DSSE-KMS.
    pub fn inner_key_id(&self) -> Option<&str> {
        self.envelope()?.inner()?.key_id()
    }

    /// The length of the plaintext in bytes: as the envelope or the record claims it, or else as the stored length has it.
    pub fn plaintext_len(&self) -> Option<u64> {
        let stored_len = self.entry.stored_len();
        match &self.found {
            Some(EnvelopeOrRecord::Envelope(envelope)) => envelope.plaintext_len().or_else(|| {
                let stored_len = stored_len.filter(|_| envelope.state() == EnvelopeState::Object)?;
                envelope.mode().plaintext_len(stored_len)
            }),
            Some(EnvelopeOrRecord::Record(record)) => Some(record.claimed_plaintext_len()),
            None => stored_len.filter(|_| self.status() == Status::NotSse),
        }
    }

    /// Why it could not be opened, as far as that can be told without its key: it is damaged, not accepted here, or under
    /// a version of the keyring that is disabled or retired.
    pub fn problem(&self) -> Option<&Error> {
        self.problem.as_ref()
    }

    /// The row as a line of CSV with its end: RFC 4180, names percent-encoded as in the S3 inventory.
    ///
    /// # Security
    ///
    /// Key ids stand as the envelope has them, and whoever writes the store writes envelopes: a spreadsheet may take one
    /// for a formula. Import it as text.
    pub fn to_csv(&self) -> String {
        self.line(table::csv)
    }

    /// The row as a line of JSON with its end, the columns of [`CSV_HEADER`](Self::CSV_HEADER) as its fields; names
    /// percent-encoded.
    pub fn to_json(&self) -> String {
        self.line(table::json)
    }

    fn line(&self, write: fn(&Fields<'_>) -> String) -> String {
        let name = self.entry.name();
        let status = self.status().to_string();
        let problem = self.problem.as_ref().map(Error::to_string);
        write(&[
            ("realm", Field::name(name.realm_bytes())),
            ("bucket", Field::name(name.bucket())),
            ("key", Field::name(name.key())),
            ("version_id", Field::name(name.version_id_bytes())),
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

/// The versions of the keyring, read again where one is not known.
struct Versions {
    known: BTreeMap<u32, VersionState>,
    /// How often the keyring's file may still be read again: an envelope can name any version.
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

    /// Sees versions that others have made meanwhile.
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
            EnvelopeOrRecord::Record(record) => sse.check_record(entry.name(), record).map(drop),
        };
        if let Err(error) = accepted {
            return Some(error);
        }
        let version = Under::of(sse, found).version()?;
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
