//! Where a sweep leads, what it takes of a listing, and what it has to leave.

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

/// Why a sweep to another key or mode left an entry as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skip {
    /// DSSE-KMS has a second layer of data: entering or leaving it takes new encryption.
    NeedsEncryption,
    /// The object is SSE-C, finished or not: only a request that brings the customer key can rewrap it.
    NeedsCustomerKey,
    /// A multipart upload under way keeps its mode and its KMS key: sweep again when it is completed or aborted.
    UploadUnderWay,
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NeedsEncryption => "changing to DSSE-KMS or from it needs new encryption",
            Self::NeedsCustomerKey => "the object is SSE-C: rewrapping it needs its customer key",
            Self::UploadUnderWay => "a multipart upload under way keeps its mode and its KMS key",
        })
    }
}

/// The mode and key that everything is to be under.
pub(super) struct Elsewhere {
    mode: AnyMode,
    /// The id that the KMS resolved the key to; known once one object has been rewrapped.
    resolved: OnceLock<String>,
}

/// What is to be done with one envelope.
pub(super) enum Step {
    Leave,
    Skip(Skip),
    /// A fresh wrap under the same key, of the outer layer.
    Renew,
    Rewrap(AnyMode),
}

impl Elsewhere {
    pub(super) fn new(mode: AnyMode) -> Self {
        Self { mode, resolved: OnceLock::new() }
    }

    pub(super) fn step(&self, sse: &Sse, entry: &Entry, envelope: &Envelope) -> Step {
        if envelope.mode() == ModeId::SseC {
            return Step::Skip(Skip::NeedsCustomerKey);
        }
        if envelope.mode().layers() != self.mode.id().layers() {
            return Step::Skip(Skip::NeedsEncryption);
        }
        if envelope.mode() == self.mode.id() && self.is_under(envelope) {
            return if sse.needs_rewrap(envelope) { Step::Renew } else { Step::Leave };
        }
        if entry.upload_id().is_some() {
            return Step::Skip(Skip::UploadUnderWay);
        }
        Step::Rewrap(self.mode_for(envelope))
    }

    /// Learns what the KMS calls the key, from the first envelope that was made under it.
    pub(super) fn learn(&self, made: &Envelope) {
        if let Some(key_id) = made.kms_key_id() {
            self.resolved.get_or_init(|| key_id.to_owned());
        }
    }

    /// Whether an envelope of the same mode has the KMS key, and the pairs where the target names some.
    fn is_under(&self, envelope: &Envelope) -> bool {
        let Some((named, pairs)) = self.mode.kms_key() else { return true };
        let key_id = envelope.kms_key_id();
        let is_key = key_id == Some(named) || key_id == self.resolved.get().map(String::as_str);
        is_key && (pairs.is_empty() || pairs_of(envelope) == Some(pairs))
    }

    /// The target, with the pairs that the object has where the target names none.
    fn mode_for(&self, envelope: &Envelope) -> AnyMode {
        let pairs = pairs_of(envelope).filter(|_| self.mode.kms_key().is_some_and(|(_, pairs)| pairs.is_empty()));
        match (&self.mode, pairs) {
            (AnyMode::SseKms(mode), Some(pairs)) => SseKms::new(mode.key_id()).context(pairs.clone()).into(),
            (AnyMode::DsseKms(mode), Some(pairs)) => DsseKms::new(mode.key_id()).context(pairs.clone()).into(),
            (mode, _) => mode.clone(),
        }
    }
}

fn pairs_of(envelope: &Envelope) -> Option<&EncryptionContext> {
    envelope.context().or_else(|| envelope.inner().and_then(Envelope::context))
}

/// What a sweep takes of the entries that have an envelope; nothing given takes all.
#[derive(Default)]
pub(super) struct Filter<'a> {
    pub(super) modes: Option<BTreeSet<ModeId>>,
    pub(super) key_ids: Option<BTreeSet<String>>,
    pub(super) chosen: Option<Box<Chosen<'a>>>,
}

type Chosen<'a> = dyn Fn(&Entry) -> bool + Send + Sync + 'a;

impl Filter<'_> {
    /// Whether an entry is taken for what stands in its envelope or record.
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

    /// Whether an entry is taken, whatever stands in its envelope.
    pub(super) fn takes_entry(&self, entry: &Entry) -> bool {
        self.chosen.as_ref().is_none_or(|chosen| chosen(entry))
    }
}

/// What tells one sweep from another beside its verb: the target and the filter, a closure aside. `None` where there is
/// neither.
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
