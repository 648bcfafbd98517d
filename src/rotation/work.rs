//! What is done to one entry, and what came of it.

use std::io;

use super::elsewhere::{Elsewhere, Filter, Skip, Step};
use super::entry::{Entry, EnvelopeStore, PlainStore};
use super::pace::Pace;
use crate::envelope::{EnvelopeState, ModeId};
use crate::error::{Error, IoError, Result, Unexpected};
use crate::mode::AnyMode;
use crate::multipart::{CompletionRecord, EnvelopeOrRecord};
use crate::sse::{RewrapRequest, Sse, Unlock};

/// How often an envelope is read again because someone else was faster, before it is reported.
const MAX_RACES: u32 = 8;

/// What came of an entry; each is counted in one field of [`Counts`](super::Counts).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It has a new envelope.
    #[non_exhaustive]
    Rewrapped {
        /// The version of the keyring it was under; none in SSE-KMS.
        from: Option<u32>,
        /// The version it is under now; none in SSE-KMS.
        to: Option<u32>,
    },
    /// It was in the clear and is encrypted now.
    Encrypted,
    /// It was left as it is: under the primary or under the key that the sweep leads to, or, where a sweep encrypts,
    /// encrypted already.
    Current,
    /// It was left as it is: the sweep's filter does not take it.
    NotSelected,
    /// It was left as it is: a sweep to another key or mode cannot rewrap it.
    Skipped(Skip),
    /// It is in the clear, and this sweep does not encrypt.
    Plain,
    /// Its mode, SSE-KMS or SSE-C, is not under the keyring.
    OtherMode(ModeId),
    /// What was listed is not there any more: deleted, or, where a sweep encrypts, written again meanwhile.
    Gone,
    /// It could not be done, for this reason. The entry is as it was.
    Problem(Error),
}

/// An entry that was worked on.
pub(super) struct Done {
    pub(super) entry: Entry,
    pub(super) outcome: Outcome,
    /// The version of the keyring that it was under.
    pub(super) before: Option<u32>,
    pub(super) now: Under,
}

/// What an entry is wrapped under, as far as the keyring is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Under {
    /// No version of it.
    Nothing,
    Version(u32),
    /// Unknown.
    Unclear,
}

pub(super) enum Verb<'a> {
    Rewrap { aim: Aim, store: &'a dyn EnvelopeStore },
    Encrypt { mode: AnyMode, store: &'a dyn PlainStore },
}

/// What is rewrapped, and what it leads to.
pub(super) enum Aim {
    /// What is not under the primary.
    Needed,
    /// Everything that can be, both layers, each under its own key.
    All,
    /// Everything that is not under this mode and key.
    To(Elsewhere),
}

pub(super) struct Worker<'a> {
    pub(super) sse: &'a Sse,
    pub(super) filter: Filter<'a>,
    pub(super) verb: Verb<'a>,
    pub(super) pace: Option<Pace<'a>>,
}

impl Worker<'_> {
    pub(super) async fn work(&self, entry: Entry) -> Done {
        let mut seen = Seen { before: None, now: Under::Unclear };
        let outcome = match (&self.verb, entry.envelope()) {
            (Verb::Rewrap { aim, store }, Some(envelope)) => {
                self.rewrap(&entry, envelope, aim, *store, &mut seen).await
            }
            (Verb::Rewrap { .. }, None) => {
                seen.now = Under::Nothing;
                Ok(Outcome::Plain)
            }
            (Verb::Encrypt { .. }, Some(envelope)) => {
                seen.look(self.sse, envelope).map(|(_, under)| under.unwrap_or(Outcome::Current))
            }
            (Verb::Encrypt { .. }, None) if !self.filter.takes_entry(&entry) => {
                seen.now = Under::Nothing;
                Ok(Outcome::NotSelected)
            }
            (Verb::Encrypt { mode, store }, None) => self.encrypt(&entry, mode, *store, &mut seen).await,
        };
        let outcome = outcome.unwrap_or_else(Outcome::Problem);
        Done { entry, outcome, before: seen.before, now: seen.now }
    }

    async fn rewrap(
        &self,
        entry: &Entry,
        listed: &[u8],
        aim: &Aim,
        store: &dyn EnvelopeStore,
        seen: &mut Seen,
    ) -> Result<Outcome> {
        let mut read;
        let mut stored = listed;
        for _ in 0..MAX_RACES {
            let (found, other) = seen.look(self.sse, stored)?;
            if !self.filter.takes(entry, &found) {
                return Ok(Outcome::NotSelected);
            }
            let (fresh, to) = match self.fresh(entry, &found, other, aim).await? {
                Fresh::Made(bytes, to) => (bytes, to),
                Fresh::None(outcome) => return Ok(outcome),
            };
            if store.replace(entry, stored, &fresh).await.map_err(failed)? {
                seen.now = to.map_or(Under::Nothing, Under::Version);
                return Ok(Outcome::Rewrapped { from: seen.before, to });
            }
            // Another writer was faster, and may have written anything.
            seen.now = Under::Unclear;
            let Some(bytes) = store.read(entry).await.map_err(failed)? else {
                *seen = Seen { before: None, now: Under::Nothing };
                return Ok(Outcome::Gone);
            };
            read = bytes;
            stored = &read;
        }
        Err(raced())
    }

    /// What is to take the place of an envelope or record, or why nothing is.
    async fn fresh(&self, entry: &Entry, found: &EnvelopeOrRecord, other: Option<Outcome>, aim: &Aim) -> Result<Fresh> {
        let (sse, name) = (self.sse, entry.name());
        let envelope = match found {
            EnvelopeOrRecord::Record(record) => return self.fresh_record(entry, record, aim).await,
            EnvelopeOrRecord::Envelope(envelope) => envelope,
        };
        if entry.upload_id().is_none() && envelope.state() == EnvelopeState::Upload {
            return Err(Error::UploadNotComplete);
        }
        let object = RewrapRequest::object(name, Unlock::Server);
        let step = match (aim, other) {
            (Aim::To(elsewhere), _) => elsewhere.step(sse, entry, envelope),
            (Aim::All, None | Some(Outcome::OtherMode(ModeId::SseKms))) => Step::Renew,
            (Aim::All | Aim::Needed, Some(other)) => return Ok(Fresh::None(other)),
            (Aim::Needed, None) if sse.needs_rewrap(envelope) => Step::Renew,
            (Aim::Needed, None) => Step::Leave,
        };
        let request = match (step, entry.upload_id()) {
            (Step::Leave, _) => return Ok(Fresh::None(Outcome::Current)),
            (Step::Skip(skip), _) => return Ok(Fresh::None(Outcome::Skipped(skip))),
            (Step::Renew, Some(upload_id)) => RewrapRequest::upload(name, upload_id, Unlock::Server),
            (Step::Renew, None) if matches!(aim, Aim::All) => object.both_layers(),
            (Step::Renew, None) => object,
            (Step::Rewrap(mode), _) => object.leading_to(name, mode),
        };
        self.pass().await;
        let made = sse.rewrap_by(&request, envelope).await?;
        if let Aim::To(elsewhere) = aim {
            elsewhere.learn(&made);
        }
        Ok(Fresh::Made(made.encode(), made.key_version()))
    }

    /// A record is an object in SSE-C that stands under the keyring until it is finished.
    async fn fresh_record(&self, entry: &Entry, record: &CompletionRecord, aim: &Aim) -> Result<Fresh> {
        if entry.upload_id().is_some() {
            return Err(Unexpected::State.into());
        }
        match aim {
            Aim::To(_) => return Ok(Fresh::None(Outcome::Skipped(Skip::NeedsCustomerKey))),
            Aim::Needed if !self.sse.record_needs_rewrap(record) => return Ok(Fresh::None(Outcome::Current)),
            Aim::Needed | Aim::All => {}
        }
        self.pass().await;
        let made = self.sse.rewrap_record(entry.name(), record).await?;
        Ok(Fresh::Made(made.as_bytes().to_vec(), Some(made.key_version())))
    }

    async fn encrypt(&self, entry: &Entry, mode: &AnyMode, store: &dyn PlainStore, seen: &mut Seen) -> Result<Outcome> {
        // Until it is encrypted it is under nothing, and a problem leaves it so.
        seen.now = Under::Nothing;
        self.pass().await;
        let (envelope, encryptor) = entry.encryptor(self.sse, mode.clone()).await?;
        let version = envelope.key_version();
        if !store.encrypt(entry, envelope, encryptor).await.map_err(failed)? {
            return Ok(Outcome::Gone);
        }
        seen.now = version.map_or(Under::Nothing, Under::Version);
        Ok(Outcome::Encrypted)
    }

    async fn pass(&self) {
        if let Some(pace) = &self.pace {
            pace.pass().await;
        }
    }
}

/// What is to take the place of an envelope or record.
enum Fresh {
    /// Bytes, and the version of the keyring that they are under.
    Made(Vec<u8>, Option<u32>),
    /// Nothing, with this outcome.
    None(Outcome),
}

/// What was last seen of an entry's envelope or record.
struct Seen {
    before: Option<u32>,
    now: Under,
}

impl Seen {
    /// Decodes what an entry has in the place of an envelope, and remembers what that is under; with it the outcome for one
    /// that is not under the keyring.
    ///
    /// # Errors
    ///
    /// It is neither an envelope nor a record, or it is under a keyring that this service does not have.
    fn look(&mut self, sse: &Sse, stored: &[u8]) -> Result<(EnvelopeOrRecord, Option<Outcome>)> {
        *self = Self { before: None, now: Under::Unclear };
        let found = EnvelopeOrRecord::decode(stored)?;
        self.now = Under::of(sse, &found);
        self.before = self.now.version();
        let other = match &found {
            EnvelopeOrRecord::Envelope(envelope) => match envelope.mode() {
                mode @ (ModeId::SseKms | ModeId::SseC) => Some(Outcome::OtherMode(mode)),
                ModeId::SseS3 | ModeId::DsseKms => None,
            },
            EnvelopeOrRecord::Record(_) => None,
        };
        if other.is_none() && self.before.is_none() {
            return Err(sse.keyring().map_or(Unexpected::Mode, |_| Unexpected::KeyringId).into());
        }
        Ok((found, other))
    }
}

impl Under {
    pub(super) fn of(sse: &Sse, found: &EnvelopeOrRecord) -> Self {
        let ours = sse.keyring().is_some_and(|keyring| keyring.is(found.key_id()));
        found.key_version().filter(|_| ours).map_or(Self::Nothing, Self::Version)
    }

    pub(super) fn version(self) -> Option<u32> {
        match self {
            Self::Version(version) => Some(version),
            Self::Nothing | Self::Unclear => None,
        }
    }
}

fn failed(error: io::Error) -> Error {
    IoError::new("the store failed", error).into()
}

fn raced() -> Error {
    IoError::new("the envelope was changed by someone else at every attempt", io::ErrorKind::ResourceBusy.into()).into()
}
