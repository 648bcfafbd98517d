//! What is done to one entry, and what came of it.

use std::io;

use super::entry::{Entry, EnvelopeStore, PlainStore};
use super::pace::Pace;
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{Error, IoError, Result, Unexpected};
use crate::mode::AnyMode;
use crate::sse::{Sse, Unlock};

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
    /// It was left as it is: under the primary, or, where a sweep encrypts, encrypted already.
    Current,
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
    /// Nobody can say.
    Unclear,
}

pub(super) enum Verb<'a> {
    Rewrap { all: bool, store: &'a dyn EnvelopeStore },
    Encrypt { mode: AnyMode, store: &'a dyn PlainStore },
}

pub(super) struct Worker<'a> {
    pub(super) sse: &'a Sse,
    pub(super) verb: Verb<'a>,
    pub(super) pace: Option<Pace<'a>>,
}

impl Worker<'_> {
    pub(super) async fn work(&self, entry: Entry) -> Done {
        let mut seen = Seen { before: None, now: Under::Unclear };
        let outcome = match (&self.verb, entry.envelope()) {
            (Verb::Rewrap { all, store }, Some(envelope)) => {
                self.rewrap(&entry, envelope, *all, *store, &mut seen).await
            }
            (Verb::Rewrap { .. }, None) => {
                seen.now = Under::Nothing;
                Ok(Outcome::Plain)
            }
            (Verb::Encrypt { .. }, Some(envelope)) => {
                seen.look(self.sse, envelope).map(|(_, under)| under.unwrap_or(Outcome::Current))
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
        all: bool,
        store: &dyn EnvelopeStore,
        seen: &mut Seen,
    ) -> Result<Outcome> {
        let mut read;
        let mut stored = listed;
        for _ in 0..MAX_RACES {
            let (envelope, other) = seen.look(self.sse, stored)?;
            if entry.upload_id().is_none() && envelope.state() == EnvelopeState::Upload {
                return Err(Error::UploadNotComplete);
            }
            match other {
                Some(Outcome::OtherMode(ModeId::SseKms)) if all => {}
                Some(other) => return Ok(other),
                None if all || self.sse.needs_rewrap(&envelope) => {}
                None => return Ok(Outcome::Current),
            }
            self.pass().await;
            let fresh = self.fresh(entry, &envelope, all).await?;
            if store.replace(entry, stored, &fresh.encode()).await.map_err(failed)? {
                let to = fresh.key_version();
                seen.now = to.map_or(Under::Nothing, Under::Version);
                return Ok(Outcome::Rewrapped { from: seen.before, to });
            }
            // Whoever was faster may have written anything.
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

    async fn fresh(&self, entry: &Entry, envelope: &Envelope, all: bool) -> Result<Envelope> {
        let (sse, name) = (self.sse, entry.name());
        match entry.upload_id() {
            Some(upload_id) => sse.rewrap_upload(name, upload_id, envelope, Unlock::Server).await,
            None if all => sse.rewrap_both_layers(name, envelope, Unlock::Server).await,
            None => sse.rewrap(name, envelope, Unlock::Server).await,
        }
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

/// What was last seen of an entry's envelope.
struct Seen {
    before: Option<u32>,
    now: Under,
}

impl Seen {
    /// Decodes an envelope and remembers what it is under; with it the outcome for one that is not under the keyring.
    ///
    /// # Errors
    ///
    /// It is no envelope, or it is under a keyring that this service does not have.
    fn look(&mut self, sse: &Sse, stored: &[u8]) -> Result<(Envelope, Option<Outcome>)> {
        *self = Self { before: None, now: Under::Unclear };
        let envelope = Envelope::decode(stored)?;
        self.now = Under::of(sse, &envelope);
        self.before = self.now.version();
        let other = match envelope.mode() {
            mode @ (ModeId::SseKms | ModeId::SseC) => Some(Outcome::OtherMode(mode)),
            ModeId::SseS3 | ModeId::DsseKms if self.before.is_none() => {
                return Err(sse.keyring().map_or(Unexpected::Mode, |_| Unexpected::KeyringId).into());
            }
            ModeId::SseS3 | ModeId::DsseKms => None,
        };
        Ok((envelope, other))
    }
}

impl Under {
    pub(super) fn of(sse: &Sse, envelope: &Envelope) -> Self {
        let ours = sse.keyring().is_some_and(|keyring| keyring.is(envelope.key_id()));
        envelope.key_version().filter(|_| ours).map_or(Self::Nothing, Self::Version)
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
