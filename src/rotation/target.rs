//! `RewrapTarget` and `Filter`, the target and selection of a sweep, and [`Skip`].

use std::collections::BTreeSet;
use std::fmt;
use std::sync::OnceLock;

use super::entry::Entry;
use crate::crypto::checksum;
use crate::envelope::{Envelope, ModeId};
use crate::keys::EncryptionContext;
use crate::mode::{AnyMode, DsseKms, SseKms};
use crate::multipart::EnvelopeOrRecord;
use crate::sse::Sse;

/// The reason why a sweep to another key or mode left an entry unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// A change to or from DSSE-KMS needs new encryption, because DSSE-KMS encrypts the data in two layers.
    NeedsEncryption,
    /// The object is SSE-C, or has a completion record: only a request with the customer key can rewrap it.
    NeedsCustomerKey,
    /// A multipart upload under way keeps its mode and its KMS key. Sweep again after it is completed or aborted.
    UploadUnderWay,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NeedsEncryption => "a change to or from DSSE-KMS needs new encryption",
            Self::NeedsCustomerKey => "the object is SSE-C: rewrapping it needs its customer key",
            Self::UploadUnderWay => "a multipart upload under way keeps its mode and its KMS key",
        })
    }
}

/// The mode and key to which a sweep rewraps.
pub(super) struct RewrapTarget {
    mode: AnyMode,
    /// The resolved id of the KMS key, known after the first rewrap.
    resolved: OnceLock<String>,
}

/// The action for one envelope.
pub(super) enum EntryAction {
    Leave,
    Skip(Skip),
    /// Wraps the outer layer again under the same key.
    Renew,
    Rewrap(AnyMode),
}

impl RewrapTarget {
    pub(super) fn new(mode: AnyMode) -> Self {
        Self { mode, resolved: OnceLock::new() }
    }

    pub(super) fn step(&self, sse: &Sse, entry: &Entry, envelope: &Envelope) -> EntryAction {
        if envelope.mode() == ModeId::SseC {
            return EntryAction::Skip(Skip::NeedsCustomerKey);
        }
        if envelope.mode().layers() != self.mode.id().layers() {
            return EntryAction::Skip(Skip::NeedsEncryption);
        }
        if envelope.mode() == self.mode.id() && self.is_under(envelope) {
            return if sse.needs_rewrap(envelope) { EntryAction::Renew } else { EntryAction::Leave };
        }
        if entry.upload_id().is_some() {
            return EntryAction::Skip(Skip::UploadUnderWay);
        }
        EntryAction::Rewrap(self.mode_for(envelope))
    }

    /// Stores the resolved id of the KMS key, from the first new envelope.
    pub(super) fn learn(&self, made: &Envelope) {
        if let Some(key_id) = made.kms_key_id() {
            self.resolved.get_or_init(|| key_id.to_owned());
        }
    }

    /// Returns whether an envelope of the same mode is under the target's KMS key and, if the target names context
    /// pairs, has them.
    fn is_under(&self, envelope: &Envelope) -> bool {
        let Some((named, pairs)) = self.mode.kms_key() else { return true };
        let key_id = envelope.kms_key_id();
        let is_key = key_id == Some(named) || key_id == self.resolved.get().map(String::as_str);
        is_key && (pairs.is_empty() || pairs_of(envelope) == Some(pairs))
    }

    /// Returns the target's mode; with the object's own context pairs if the target names none.
    fn mode_for(&self, envelope: &Envelope) -> AnyMode {
        let pairs = pairs_of(envelope).filter(|_| self.mode.kms_key().is_some_and(|(_, pairs)| pairs.is_empty()));
        match (&self.mode, pairs) {
            (AnyMode::SseKms(mode), Some(pairs)) => SseKms::new(mode.key_id()).with_context(pairs.clone()).into(),
            (AnyMode::DsseKms(mode), Some(pairs)) => DsseKms::new(mode.key_id()).with_context(pairs.clone()).into(),
            (mode, _) => mode.clone(),
        }
    }
}

fn pairs_of(envelope: &Envelope) -> Option<&EncryptionContext> {
    envelope.context().or_else(|| envelope.inner().and_then(Envelope::context))
}

/// The selection of a sweep; the default selects every entry.
#[derive(Default)]
pub(super) struct Filter<'a> {
    pub(super) modes: Option<BTreeSet<ModeId>>,
    pub(super) key_ids: Option<BTreeSet<String>>,
    pub(super) chosen: Option<Box<Chosen<'a>>>,
}

type Chosen<'a> = dyn Fn(&Entry) -> bool + Send + Sync + 'a;

impl Filter<'_> {
    /// Returns whether the filter selects an entry with this envelope or record.
    pub(super) fn takes(&self, entry: &Entry, found: &EnvelopeOrRecord) -> bool {
        let inner = match found {
            EnvelopeOrRecord::Envelope(envelope) => envelope.inner().and_then(Envelope::key_id),
            EnvelopeOrRecord::Record(_) => None,
        };
        let is_key = |ids: &BTreeSet<String>| [found.key_id(), inner].into_iter().flatten().any(|id| ids.contains(id));
        self.modes.as_ref().is_none_or(|modes| modes.contains(&found.mode()))
            && self.key_ids.as_ref().is_none_or(is_key)
            && self.takes_entry(entry)
    }

    /// Returns whether the caller's predicate selects an entry.
    pub(super) fn takes_entry(&self, entry: &Entry) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen(entry))
    }
}

/// Returns a digest of a sweep's target and filter without the predicate; `None` if the sweep has neither.
pub(super) fn digest(target: Option<&AnyMode>, filter: &Filter<'_>) -> Option<[u8; 8]> {
    if target.is_none() && filter.modes.is_none() && filter.key_ids.is_none() {
        return None;
    }
    let mut described = Vec::new();
    let mut push = |piece: &[u8]| {
        described.extend_from_slice(&(piece.len() as u64).to_be_bytes());
        described.extend_from_slice(piece);
    };
    push(&target.map(|mode| mode.id().number()).into_iter().collect::<Vec<_>>());
    if let Some((key_id, pairs)) = target.and_then(AnyMode::kms_key) {
        push(key_id.as_bytes());
        push(&pairs.encode());
    }
    if let Some(modes) = &filter.modes {
        push(b"modes");
        push(&modes.iter().map(|mode| mode.number()).collect::<Vec<_>>());
    }
    if let Some(key_ids) = &filter.key_ids {
        push(b"key ids");
        key_ids.iter().for_each(|key_id| push(key_id.as_bytes()));
    }
    Some(checksum(&described))
}
