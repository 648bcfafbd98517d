//! [`Report`], the counts and problems of a sweep: [`OutcomeCounts`], [`VersionCounts`], [`EntryCounts`], [`Problem`],
//! [`Skipped`].

use std::collections::BTreeMap;
use std::fmt;

use super::codec::{self, SavedKind};
use super::kms_usage::KmsUsage;
use super::target::Skip;
use super::work::{EntryOutcome, EntryResult};
use crate::envelope::ModeId;
use crate::error::{Error, KeyProviderErrorKind, Result};
use crate::keys::KeyUsage;
use crate::object::ObjectName;
use crate::sse::Sse;

/// The most problems that a report names. Events carry every problem.
pub(super) const MAX_PROBLEMS: usize = 1_000;
/// The most versions with a row of their own besides those of the keyring. An attacker who writes the store can name
/// any number of versions.
pub(super) const MAX_OTHER_VERSIONS: usize = 1_000;
/// The most characters of a problem's reason.
const MAX_REASON_LEN: usize = 1_000;

/// The counts and problems of a sweep since its beginning, across all resumptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub(super) complete: bool,
    pub(super) counts: OutcomeCounts,
    pub(super) versions: BTreeMap<u32, VersionCounts>,
    pub(super) further_versions: VersionCounts,
    pub(super) problems: Vec<Problem>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) usage: Option<KeyUsage>,
    /// `None` if the sweep began in a release that did not count KMS keys.
    pub(super) kms_usage: Option<KmsUsage>,
}

/// The number of entries by [`EntryOutcome`]; `entries` is the sum of all other fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutcomeCounts {
    /// All entries.
    pub entries: u64,
    /// Entries with a new envelope.
    pub rewrapped: u64,
    /// Unencrypted objects that the sweep encrypted.
    pub encrypted: u64,
    /// Unchanged entries that are already under the primary or the sweep's target or, in a sweep that encrypts, already
    /// encrypted.
    pub current: u64,
    /// Unchanged entries that the sweep's filter does not select.
    pub not_selected: u64,
    /// Unchanged entries that a sweep to another key or mode cannot convert, each with a [reason](Report::skipped).
    pub skipped: u64,
    /// Unencrypted objects that the sweep left unencrypted.
    pub unencrypted: u64,
    /// Unchanged entries in SSE-KMS.
    pub sse_kms: u64,
    /// Unchanged entries in SSE-C: only the client has the key.
    pub sse_c: u64,
    /// Entries that were deleted or overwritten since the listing.
    pub gone: u64,
    /// Entries that the sweep failed to process, each with a [reason](Report::problems).
    pub problems: u64,
}

/// Numbers of objects and of multipart uploads under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryCounts {
    /// Number of objects; each version of an object counts.
    pub objects: u64,
    /// Number of multipart uploads under way.
    pub uploads: u64,
}

/// The numbers of entries under one keyring version, by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionCounts {
    /// Entries that were under this version before the sweep rewrapped them.
    pub rewrapped: EntryCounts,
    /// Entries under this version that the sweep left unchanged.
    pub current: EntryCounts,
    /// Entries under this version that the sweep failed to rewrap.
    pub problems: EntryCounts,
}

/// An entry that a sweep failed to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) name: ObjectName,
    pub(super) upload_id: Option<Vec<u8>>,
    pub(super) kind: ProblemKind,
    pub(super) version: Option<u32>,
    pub(super) reason: String,
}

/// An entry that a sweep to another key or mode left unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The object's name.
    pub name: ObjectName,
    /// The id of the multipart upload, if the entry is one.
    pub upload_id: Option<Vec<u8>>,
    /// The reason why the sweep left the entry unchanged.
    pub reason: Skip,
}

/// The kind of a [`Problem`], by what the operator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The bytes are not an envelope that this release can decode.
    Damaged,
    /// The envelope did not authenticate: envelope, name and key do not belong together.
    Inauthentic,
    /// The entry's keyring version is disabled: enable the version and sweep again.
    VersionDisabled,
    /// The keyring does not have the entry's version: the version was retired, or an old keyring was restored.
    VersionUnknown,
    /// The [`Sse`] does not accept the entry: another keyring, another KMS key, or a mode that is not configured.
    Unexpected,
    /// The KMS or the keyring's file did not provide the key.
    KeyProvider,
    /// The store failed, or other writers changed the envelope at every attempt: sweep again.
    Store,
    /// Any other error; see [`Problem::reason`].
    Other,
}

impl Report {
    pub(super) fn begin(sse: &Sse) -> Self {
        let usage = sse.keyring().map(KeyUsage::begin);
        let numbers = usage.iter().flat_map(|usage| usage.versions.keys());
        Self {
            complete: false,
            counts: OutcomeCounts::default(),
            versions: numbers.map(|number| (*number, VersionCounts::default())).collect(),
            further_versions: VersionCounts::default(),
            problems: Vec::new(),
            skipped: Vec::new(),
            usage,
            kms_usage: Some(KmsUsage::default()),
        }
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// Returns [`CursorError`](crate::error::CursorError) if the bytes are not a report of this version, or are
    /// damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(codec::decode(SavedKind::Report, bytes, codec::report)?)
    }

    /// Encodes the report, to be kept until a version is retired.
    ///
    /// # Security
    ///
    /// The checksum detects damage, not forgery: an attacker who can change the bytes can cause the operator to retire
    /// a version that is in use.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(SavedKind::Report, self, |writer| writer.report(self))
    }

    /// Returns whether the sweep reached the end of the listing. A complete report may still have
    /// [problems](OutcomeCounts::problems).
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns the number of entries by outcome.
    pub fn counts(&self) -> OutcomeCounts {
        self.counts
    }

    /// Returns the counts of each keyring version, in ascending order of version number.
    ///
    /// The iterator yields every version that the keyring had when the sweep began, and up to 1,000 others.
    pub fn versions(&self) -> impl Iterator<Item = (u32, VersionCounts)> + '_ {
        self.versions.iter().map(|(number, counts)| (*number, *counts))
    }

    /// Returns the counts of all versions that [`versions`](Self::versions) does not yield.
    pub fn further_versions(&self) -> VersionCounts {
        self.further_versions
    }

    /// Returns the first 1,000 problems; [`OutcomeCounts::problems`] counts all.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the first 1,000 entries that a sweep to another key or mode left unchanged; [`OutcomeCounts::skipped`]
    /// counts all.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Returns how many objects are wrapped under each keyring version, for
    /// [`Keyring::retire`](crate::Keyring::retire). `None` if the [`Sse`] has no keyring.
    pub fn usage(&self) -> Option<&KeyUsage> {
        self.usage.as_ref()
    }

    /// Returns how many objects are under each KMS key after the sweep, to read before one is deleted. An entry that
    /// the sweep failed to rewrap counts under its former key. `None` if the sweep was resumed from a cursor of atrest
    /// 0.4, which did not count them: walk again.
    pub fn kms_usage(&self) -> Option<&KmsUsage> {
        self.kms_usage.as_ref()
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
        if let Some(usage) = &mut self.usage {
            usage.finish();
        }
        if let Some(usage) = &mut self.kms_usage {
            usage.finish();
        }
    }

    pub(super) fn add(&mut self, done: &EntryResult) {
        let upload = done.entry.upload_id().is_some();
        let counts = &mut self.counts;
        bump(&mut counts.entries);
        bump(match &done.outcome {
            EntryOutcome::Rewrapped { .. } => &mut counts.rewrapped,
            EntryOutcome::Encrypted => &mut counts.encrypted,
            EntryOutcome::Current => &mut counts.current,
            EntryOutcome::NotSelected => &mut counts.not_selected,
            EntryOutcome::Skipped(_) => &mut counts.skipped,
            EntryOutcome::Unencrypted => &mut counts.unencrypted,
            EntryOutcome::OtherMode(ModeId::SseC) => &mut counts.sse_c,
            EntryOutcome::OtherMode(_) => &mut counts.sse_kms,
            EntryOutcome::Gone => &mut counts.gone,
            EntryOutcome::Problem(_) => &mut counts.problems,
        });
        if let Some(row) = done.before.map(|version| self.version(version)) {
            match &done.outcome {
                EntryOutcome::Rewrapped { .. } => row.rewrapped.add(upload),
                EntryOutcome::Problem(_) => row.problems.add(upload),
                _ => row.current.add(upload),
            }
        }
        done.now.count(upload, self.usage.as_mut(), self.kms_usage.as_mut());
        if let EntryOutcome::Skipped(reason) = &done.outcome
            && self.skipped.len() < MAX_PROBLEMS
        {
            let (name, upload_id) = (done.entry.name().clone(), done.entry.upload_id().map(Into::into));
            self.skipped.push(Skipped { name, upload_id, reason: *reason });
        }
        if let EntryOutcome::Problem(error) = &done.outcome
            && self.problems.len() < MAX_PROBLEMS
        {
            self.problems.push(Problem {
                name: done.entry.name().clone(),
                upload_id: done.entry.upload_id().map(Into::into),
                kind: ProblemKind::of(error),
                version: done.before,
                reason: error.to_string().chars().take(MAX_REASON_LEN).collect(),
            });
        }
    }

    fn version(&mut self, version: u32) -> &mut VersionCounts {
        let most = self.usage.as_ref().map_or(0, |usage| usage.versions.len()).saturating_add(MAX_OTHER_VERSIONS);
        if self.versions.len() >= most && !self.versions.contains_key(&version) {
            return &mut self.further_versions;
        }
        self.versions.entry(version).or_default()
    }
}

impl EntryCounts {
    pub(super) fn add(&mut self, upload: bool) {
        bump(if upload { &mut self.uploads } else { &mut self.objects });
    }
}

impl Problem {
    /// Returns the object's name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Returns the id of the multipart upload, if the entry is one.
    pub fn upload_id(&self) -> Option<&[u8]> {
        self.upload_id.as_deref()
    }

    /// Returns the kind of the problem.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Returns the entry's keyring version, if known.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// Returns the text of the [`Error`], cut after 1,000 characters.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.reason)
    }
}

impl ProblemKind {
    /// Returns the kind of an entry's error.
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Envelope(_) => Self::Damaged,
            Error::Inauthentic => Self::Inauthentic,
            Error::Unexpected(_) => Self::Unexpected,
            Error::Io(_) => Self::Store,
            Error::KeyProvider(error) => match (error.key_version(), error.kind()) {
                (Some(_), KeyProviderErrorKind::Disabled) => Self::VersionDisabled,
                (Some(_), KeyProviderErrorKind::NotFound) => Self::VersionUnknown,
                _ => Self::KeyProvider,
            },
            _ => Self::Other,
        }
    }
}

fn bump(count: &mut u64) {
    *count = count.saturating_add(1);
}
