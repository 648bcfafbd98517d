//! `Worker`, which processes one entry of a sweep, and [`EntryOutcome`], its result.

use std::io;

use bytes::Bytes;

use super::entry::{Entry, EnvelopeStore, UnencryptedStore};
use super::kms_usage::{KmsKeyOf, KmsUsage};
use super::pace::Pace;
use super::target::{EntryAction, Filter, RewrapTarget, Skip};
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{Error, IoError, Result, Unexpected};
use crate::keys::KeyUsage;
use crate::mode::AnyMode;
use crate::multipart::{CompletionRecord, EnvelopeOrRecord};
use crate::sse::{Rewrap, Sse, Unlock};

/// The number of lost compare-and-swaps on one envelope after which the entry is reported as a problem.
const MAX_RACES: u32 = 8;

/// The result for one entry. Each variant has its count in [`OutcomeCounts`](super::OutcomeCounts).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EntryOutcome {
    /// The entry has a new envelope.
    #[non_exhaustive]
    Rewrapped {
        /// The keyring version that the old envelope was under; `None` in SSE-KMS.
        from: Option<u32>,
        /// The keyring version that the new envelope is under; `None` in SSE-KMS.
        to: Option<u32>,
    },
    /// The object was unencrypted and is now encrypted.
    Encrypted,
    /// Unchanged: the entry is already under the primary or the sweep's target or, in a sweep that encrypts, is already
    /// encrypted.
    Current,
    /// Unchanged: the sweep's filter does not select the entry.
    NotSelected,
    /// Unchanged: [`rewrap_to`](super::Sweep::rewrap_to) cannot convert the entry.
    Skipped(Skip),
    /// Unchanged: the object is unencrypted, and this sweep only rewraps.
    Unencrypted,
    /// Unchanged: the entry's mode, SSE-KMS or SSE-C, does not use the keyring.
    OtherMode(ModeId),
    /// The listed entry no longer exists: it was deleted or, in a sweep that encrypts, overwritten since the listing.
    Gone,
    /// The sweep failed to process the entry, for this reason. The entry is unchanged.
    Problem(Error),
}

/// An entry with its result.
pub(super) struct EntryResult {
    pub(super) entry: Entry,
    pub(super) outcome: EntryOutcome,
    /// The keyring version that the entry was under before.
    pub(super) before: Option<u32>,
    pub(super) now: WrappedUnder,
}

/// The keys that an entry is wrapped under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WrappedUnder {
    /// A version of this keyring, a KMS key, both or neither.
    Keys { version: Option<u32>, kms_key: Option<KmsKeyOf> },
    /// Unknown: the envelope is unreadable, or another writer replaced it.
    Unclear,
}

/// The action of a sweep on each entry.
pub(super) enum Task<'a> {
    Rewrap { scope: Scope, store: &'a dyn EnvelopeStore },
    Encrypt { mode: AnyMode, store: &'a dyn UnencryptedStore },
}

/// The envelopes that a sweep rewraps, and the key that it rewraps them to.
pub(super) enum Scope {
    /// Envelopes that are not under the primary.
    Needed,
    /// Every envelope, both layers, each layer under its own key.
    All,
    /// Envelopes that are not under this mode and key.
    To(RewrapTarget),
}

/// Processes the entries of one sweep.
pub(super) struct Worker<'a> {
    pub(super) sse: &'a Sse,
    pub(super) filter: Filter<'a>,
    pub(super) task: Task<'a>,
    pub(super) pace: Option<Pace<'a>>,
}

impl Worker<'_> {
    pub(super) async fn work(&self, entry: Entry) -> EntryResult {
        let mut seen = LastSeen { before: None, now: WrappedUnder::Unclear };
        let outcome = match (&self.task, entry.envelope()) {
            (Task::Rewrap { scope, store }, Some(envelope)) => {
                self.rewrap(&entry, envelope, scope, *store, &mut seen).await
            }
            (Task::Rewrap { scope, store }, None) if entry.is_unread() => match store.read(&entry).await {
                Ok(Some(envelope)) => self.rewrap(&entry, &envelope, scope, *store, &mut seen).await,
                Ok(None) => {
                    seen.now = WrappedUnder::NOTHING;
                    Ok(EntryOutcome::Gone)
                }
                Err(error) => Err(failed(error)),
            },
            (Task::Encrypt { .. }, None) if entry.is_unread() => Err(unread()),
            (Task::Rewrap { .. }, None) => {
                seen.now = WrappedUnder::NOTHING;
                Ok(EntryOutcome::Unencrypted)
            }
            (Task::Encrypt { .. }, Some(envelope)) => {
                seen.inspect(self.sse, envelope).map(|(_, under)| under.unwrap_or(EntryOutcome::Current))
            }
            (Task::Encrypt { .. }, None) if !self.filter.takes_entry(&entry) => {
                seen.now = WrappedUnder::NOTHING;
                Ok(EntryOutcome::NotSelected)
            }
            // PERF: boxed, so that the futures of a sweep that rewraps stay small.
            (Task::Encrypt { mode, store }, None) => Box::pin(self.encrypt(&entry, mode, *store, &mut seen)).await,
        };
        let outcome = outcome.unwrap_or_else(EntryOutcome::Problem);
        EntryResult { entry, outcome, before: seen.before, now: seen.now }
    }

    async fn rewrap(
        &self,
        entry: &Entry,
        listed: &[u8],
        scope: &Scope,
        store: &dyn EnvelopeStore,
        seen: &mut LastSeen,
    ) -> Result<EntryOutcome> {
        let mut read;
        let mut stored = listed;
        for _ in 0..MAX_RACES {
            let (found, other) = seen.inspect(self.sse, stored)?;
            if !self.filter.takes(entry, &found) {
                return Ok(EntryOutcome::NotSelected);
            }
            let (fresh, under) = match self.replacement(entry, &found, other, scope).await? {
                Replacement::Made(bytes, under) => (bytes, under),
                Replacement::None(outcome) => return Ok(outcome),
            };
            if store.replace(entry, stored, &fresh).await.map_err(failed)? {
                let to = under.version();
                seen.now = under;
                return Ok(EntryOutcome::Rewrapped { from: seen.before, to });
            }
            // Another writer replaced the envelope, so its keys are unknown until it is read again.
            seen.now = WrappedUnder::Unclear;
            let Some(bytes) = store.read(entry).await.map_err(failed)? else {
                *seen = LastSeen { before: None, now: WrappedUnder::NOTHING };
                return Ok(EntryOutcome::Gone);
            };
            read = bytes;
            stored = &read;
        }
        Err(raced())
    }

    /// Rewraps an envelope or record, or returns the outcome that leaves it unchanged.
    async fn replacement(
        &self,
        entry: &Entry,
        found: &EnvelopeOrRecord,
        other: Option<EntryOutcome>,
        scope: &Scope,
    ) -> Result<Replacement> {
        let (sse, name) = (self.sse, entry.name());
        let envelope = match found {
            EnvelopeOrRecord::Record(record) => return Box::pin(self.record_replacement(entry, record, scope)).await,
            EnvelopeOrRecord::Envelope(envelope) => envelope,
        };
        if entry.upload_id().is_none() && envelope.state() == EnvelopeState::Upload {
            return Err(Error::UploadNotComplete);
        }
        let object = || Rewrap::of(name, envelope, Unlock::Server);
        let step = match (scope, other) {
            (Scope::To(target), _) => target.step(sse, entry, envelope),
            (Scope::All, None | Some(EntryOutcome::OtherMode(ModeId::SseKms))) => EntryAction::Renew,
            (Scope::All | Scope::Needed, Some(other)) => return Ok(Replacement::None(other)),
            (Scope::Needed, None) if sse.needs_rewrap(envelope) => EntryAction::Renew,
            (Scope::Needed, None) => EntryAction::Leave,
        };
        let request = match (step, entry.upload_id()) {
            (EntryAction::Leave, _) => return Ok(Replacement::None(EntryOutcome::Current)),
            (EntryAction::Skip(skip), _) => return Ok(Replacement::None(EntryOutcome::Skipped(skip))),
            (EntryAction::Renew, Some(upload_id)) => Rewrap::upload(name, upload_id, envelope, Unlock::Server),
            (EntryAction::Renew, None) if matches!(scope, Scope::All) => object().both_layers(),
            (EntryAction::Renew, None) => object(),
            (EntryAction::Rewrap(mode), _) => object().to(name, mode),
        };
        self.pass().await;
        let made = sse.rewrap(request).await?;
        if let Scope::To(target) = scope {
            target.learn(&made);
        }
        let under = WrappedUnder::of_made(&made);
        Ok(Replacement::Made(made.into_bytes(), under))
    }

    /// Rewraps a completion record: the object is SSE-C, but its record is wrapped under the keyring until it is
    /// finished.
    async fn record_replacement(&self, entry: &Entry, record: &CompletionRecord, scope: &Scope) -> Result<Replacement> {
        if entry.upload_id().is_some() {
            return Err(Unexpected::State.into());
        }
        match scope {
            Scope::To(_) => return Ok(Replacement::None(EntryOutcome::Skipped(Skip::NeedsCustomerKey))),
            Scope::Needed if !self.sse.record_needs_rewrap(record) => {
                return Ok(Replacement::None(EntryOutcome::Current));
            }
            Scope::Needed | Scope::All => {}
        }
        self.pass().await;
        let made = self.sse.rewrap_record(entry.name(), record).await?;
        let under = WrappedUnder::Keys { version: Some(made.key_version()), kms_key: None };
        Ok(Replacement::Made(Bytes::copy_from_slice(made.as_bytes()), under))
    }

    async fn encrypt(
        &self,
        entry: &Entry,
        mode: &AnyMode,
        store: &dyn UnencryptedStore,
        seen: &mut LastSeen,
    ) -> Result<EntryOutcome> {
        // The object is under no version until it is encrypted; after a failure it is still unencrypted.
        seen.now = WrappedUnder::NOTHING;
        self.pass().await;
        let (name, mode) = (entry.name(), mode.clone());
        let (envelope, encryptor) = match entry.stored_len() {
            Some(len) => self.sse.encryptor_of_len(name, mode, len).await?,
            None => self.sse.encryptor(name, mode).await?,
        };
        let under = WrappedUnder::of_made(&envelope);
        if !store.encrypt(entry, envelope, encryptor).await.map_err(failed)? {
            return Ok(EntryOutcome::Gone);
        }
        seen.now = under;
        Ok(EntryOutcome::Encrypted)
    }

    async fn pass(&self) {
        if let Some(pace) = &self.pace {
            pace.pass().await;
        }
    }
}

/// The bytes that replace an envelope or record.
enum Replacement {
    /// The new bytes, and the keys that they are under.
    Made(Bytes, WrappedUnder),
    /// No replacement; the entry has this outcome.
    None(EntryOutcome),
}

/// The keys of the envelope or record that was last read for an entry.
struct LastSeen {
    before: Option<u32>,
    now: WrappedUnder,
}

impl LastSeen {
    /// Decodes the envelope or record of an entry and stores its keys. Also returns the outcome for a mode
    /// that does not use the keyring.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are neither an envelope nor a record, or are under another keyring.
    fn inspect(&mut self, sse: &Sse, stored: &[u8]) -> Result<(EnvelopeOrRecord, Option<EntryOutcome>)> {
        *self = Self { before: None, now: WrappedUnder::Unclear };
        let found = EnvelopeOrRecord::decode(stored)?;
        self.now = WrappedUnder::of(sse, &found);
        self.before = self.now.version();
        let other = match &found {
            EnvelopeOrRecord::Envelope(envelope) => match envelope.mode() {
                mode @ (ModeId::SseKms | ModeId::SseC) => Some(EntryOutcome::OtherMode(mode)),
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

impl WrappedUnder {
    pub(super) const NOTHING: Self = Self::Keys { version: None, kms_key: None };

    pub(super) fn of(sse: &Sse, found: &EnvelopeOrRecord) -> Self {
        let ours = sse.keyring().is_some_and(|keyring| keyring.is(found.key_id()));
        let kms_key = match found {
            EnvelopeOrRecord::Envelope(envelope) => KmsKeyOf::envelope(envelope),
            EnvelopeOrRecord::Record(_) => None,
        };
        Self::Keys { version: found.key_version().filter(|_| ours), kms_key }
    }

    /// Returns the keys of an envelope that this sweep made.
    fn of_made(envelope: &Envelope) -> Self {
        Self::Keys { version: envelope.key_version(), kms_key: KmsKeyOf::envelope(envelope) }
    }

    /// Counts one entry under its keys.
    pub(super) fn count(&self, upload: bool, keyring: Option<&mut KeyUsage>, kms: Option<&mut KmsUsage>) {
        match self {
            Self::Keys { version, kms_key } => {
                if let (Some(usage), Some(version)) = (keyring, version) {
                    usage.add(*version, u64::from(!upload), u64::from(upload));
                }
                if let (Some(usage), Some(key)) = (kms, kms_key) {
                    usage.add(key, upload);
                }
            }
            Self::Unclear => {
                keyring.into_iter().for_each(|usage| usage.add_unclear(1));
                kms.into_iter().for_each(|usage| usage.add_unclear(1));
            }
        }
    }

    pub(super) fn version(&self) -> Option<u32> {
        match self {
            Self::Keys { version, .. } => *version,
            Self::Unclear => None,
        }
    }
}

fn failed(error: io::Error) -> Error {
    IoError::new("the store failed", error).into()
}

/// Returns the problem of an entry whose envelope was not read while it was listed.
pub(super) fn unread() -> Error {
    IoError::new("the envelope could not be read", io::ErrorKind::Other.into()).into()
}

fn raced() -> Error {
    IoError::new("another writer changed the envelope at every attempt", io::ErrorKind::ResourceBusy.into()).into()
}
