//! What a sweep has done so far.

use std::collections::BTreeMap;
use std::fmt;

use super::codec::{self, Kind};
use super::elsewhere::Skip;
use super::work::{Done, Outcome, Under};
use crate::envelope::ModeId;
use crate::error::{Error, KeyProviderErrorKind, Result};
use crate::keys::KeyUsage;
use crate::object::ObjectName;
use crate::sse::Sse;

/// The most problems that are kept by name; an event tells of every one.
pub(super) const MAX_PROBLEMS: usize = 1_000;
/// The most versions that have a row of their own beside those of the keyring: whoever writes the store can name any.
pub(super) const MAX_OTHER_VERSIONS: usize = 1_000;
/// The most characters of a reason.
const MAX_REASON_LEN: usize = 1_000;

/// What a sweep has done, from its beginning, however often it was resumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub(super) complete: bool,
    pub(super) counts: Counts,
    pub(super) versions: BTreeMap<u32, VersionCounts>,
    pub(super) further_versions: VersionCounts,
    pub(super) problems: Vec<Problem>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) usage: Option<KeyUsage>,
}

/// How many entries there were, and what came of them; `entries` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// All.
    pub entries: u64,
    /// Given a new envelope.
    pub rewrapped: u64,
    /// Encrypted; they were in the clear.
    pub encrypted: u64,
    /// Left as they are: under the primary or under what the sweep leads to, or, where a sweep encrypts, encrypted already.
    pub current: u64,
    /// Left as they are: the sweep's filter does not take them.
    pub not_selected: u64,
    /// Left as they are: a sweep to another key or mode cannot rewrap them, each for a [reason](Report::skipped).
    pub skipped: u64,
    /// In the clear, and left so.
    pub plain: u64,
    /// In SSE-KMS, and left as they are.
    pub sse_kms: u64,
    /// In SSE-C, and left as they are: only the client has the key.
    pub sse_c: u64,
    /// Gone since they were listed, or written again.
    pub gone: u64,
    /// Not done, each for a reason.
    pub problems: u64,
}

/// Objects, and multipart uploads that are under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Objects, each version of one by itself.
    pub objects: u64,
    /// Multipart uploads.
    pub uploads: u64,
}

/// What came of the entries that were under one version of the keyring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionCounts {
    /// Were under it and are under the primary now.
    pub rewrapped: Tally,
    /// Are under it and were left so.
    pub current: Tally,
    /// Are under it and could not be rewrapped.
    pub problems: Tally,
}

/// An entry that could not be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) name: ObjectName,
    pub(super) upload_id: Option<Vec<u8>>,
    pub(super) kind: ProblemKind,
    pub(super) version: Option<u32>,
    pub(super) reason: String,
}

/// An entry that a sweep to another key or mode left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The object's name.
    pub name: ObjectName,
    /// The id of the multipart upload, if it is one.
    pub upload_id: Option<Vec<u8>>,
    /// Why.
    pub reason: Skip,
}

/// What is to be done about a [`Problem`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The bytes are no envelope that this release reads.
    Damaged,
    /// Envelope, name and key do not belong together.
    Inauthentic,
    /// The version of the keyring that it is under is disabled: enable it, and walk again.
    VersionDisabled,
    /// The keyring has no such version: it was retired, or an old keyring was restored.
    VersionUnknown,
    /// It is not accepted here: another keyring, another KMS key, a mode that this service does not have.
    Unexpected,
    /// The KMS or the keyring's file did not give the key.
    KeyProvider,
    /// The store failed, or others changed the envelope at every attempt: walk again.
    Store,
    /// Anything else; the reason says it.
    Other,
}

impl Report {
    pub(super) fn begin(sse: &Sse) -> Self {
        let usage = sse.keyring().map(KeyUsage::begin);
        let numbers = usage.iter().flat_map(|usage| usage.versions.keys());
        Self {
            complete: false,
            counts: Counts::default(),
            versions: numbers.map(|number| (*number, VersionCounts::default())).collect(),
            further_versions: VersionCounts::default(),
            problems: Vec::new(),
            skipped: Vec::new(),
            usage,
        }
    }

    /// A report from the bytes that [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// [`CursorError`](crate::error::CursorError).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(codec::decode(Kind::Report, bytes, codec::report)?)
    }

    /// The report as bytes, to keep until a version is retired.
    ///
    /// # Security
    ///
    /// A checksum finds damage and no forgery: whoever can change the bytes can have a version retired that is in use.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(Kind::Report, |writer| writer.report(self))
    }

    /// Whether the walk came to the end of the listing. [Problems](Counts::problems) may be left all the same.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many entries there were, and what came of them.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What came of the entries under each version, in ascending order of number.
    ///
    /// Every version that the keyring had when the sweep began is there, and up to 1,000 others.
    pub fn versions(&self) -> impl Iterator<Item = (u32, VersionCounts)> + '_ {
        self.versions.iter().map(|(number, counts)| (*number, *counts))
    }

    /// What came of the entries under all versions that have no row of their own.
    pub fn further_versions(&self) -> VersionCounts {
        self.further_versions
    }

    /// The first 1,000 problems; [`Counts::problems`] says how many there were.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The first 1,000 entries that a sweep to another key or mode left as they are; [`Counts::skipped`] says how many there
    /// were.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What is wrapped under which version now: what [`Keyring::retire`](crate::Keyring::retire) asks for. None where the
    /// service has no keyring.
    pub fn usage(&self) -> Option<&KeyUsage> {
        self.usage.as_ref()
    }

    pub(super) fn complete(&mut self) {
        self.complete = true;
        if let Some(usage) = &mut self.usage {
            usage.finish();
        }
    }

    pub(super) fn add(&mut self, done: &Done) {
        let upload = done.entry.upload_id().is_some();
        let counts = &mut self.counts;
        bump(&mut counts.entries);
        bump(match &done.outcome {
            Outcome::Rewrapped { .. } => &mut counts.rewrapped,
            Outcome::Encrypted => &mut counts.encrypted,
            Outcome::Current => &mut counts.current,
            Outcome::NotSelected => &mut counts.not_selected,
            Outcome::Skipped(_) => &mut counts.skipped,
            Outcome::Plain => &mut counts.plain,
            Outcome::OtherMode(ModeId::SseC) => &mut counts.sse_c,
            Outcome::OtherMode(_) => &mut counts.sse_kms,
            Outcome::Gone => &mut counts.gone,
            Outcome::Problem(_) => &mut counts.problems,
        });
        if let Some(row) = done.before.map(|version| self.version(version)) {
            match &done.outcome {
                Outcome::Rewrapped { .. } => row.rewrapped.add(upload),
                Outcome::Problem(_) => row.problems.add(upload),
                _ => row.current.add(upload),
            }
        }
        match (&mut self.usage, done.now) {
            (Some(usage), Under::Version(version)) => usage.add(version, u64::from(!upload), u64::from(upload)),
            (Some(usage), Under::Unclear) => usage.add_unclear(1),
            _ => {}
        }
        if let Outcome::Skipped(reason) = &done.outcome
            && self.skipped.len() < MAX_PROBLEMS
        {
            let (name, upload_id) = (done.entry.name().clone(), done.entry.upload_id().map(Into::into));
            self.skipped.push(Skipped { name, upload_id, reason: *reason });
        }
        if let Outcome::Problem(error) = &done.outcome
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

impl Tally {
    fn add(&mut self, upload: bool) {
        bump(if upload { &mut self.uploads } else { &mut self.objects });
    }
}

impl Problem {
    /// The object's name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The id of the multipart upload, if it is one.
    pub fn upload_id(&self) -> Option<&[u8]> {
        self.upload_id.as_deref()
    }

    /// What is to be done about it.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// The version of the keyring that it is under, if that is known.
    pub fn version(&self) -> Option<u32> {
        self.version
    }

    /// Why it could not be done: what the [`Error`] said, at most 1,000 characters of it.
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
    /// What is to be done about an error of an entry.
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
