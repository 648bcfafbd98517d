//! [`Cursor`]: a resumable position in a sweep, with its report.

use super::codec::{self, SavedKind};
use super::report::Report;
use crate::error::{CursorError, Result, Unexpected};
use crate::sse::Sse;

/// A resumable position in a sweep: every entry up to the position is processed, and the cursor's report counts it.
///
/// Store the cursor's [bytes](Self::to_bytes); to resume, begin the listing after its [position](Self::position).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) id: SweepId,
    pub(super) position: Option<Vec<u8>>,
    pub(super) report: Report,
}

/// Identifies a sweep by its kind, target and filter. A cursor resumes only the sweep that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SweepId {
    pub(super) kind: SweepKind,
    /// A digest of target and filter, if the sweep has one of them.
    pub(super) digest: Option<[u8; 8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweepKind {
    Rewrap = 1,
    Encrypt = 2,
    RewrapAll = 3,
    RewrapTo = 4,
}

impl Cursor {
    pub(super) fn begin(id: SweepId, sse: &Sse) -> Self {
        Self { id, position: None, report: Report::begin(sse) }
    }

    /// Checks that the cursor belongs to this sweep and keyring.
    pub(super) fn check(&self, id: SweepId, sse: &Sse) -> Result<()> {
        if self.id != id {
            return Err(CursorError::OtherSweep.into());
        }
        let same_keyring = match (&self.report.usage, sse.keyring()) {
            (Some(usage), Some(keyring)) => keyring.is(Some(&usage.key_id)),
            (usage, keyring) => usage.is_none() && keyring.is_none(),
        };
        if same_keyring { Ok(()) } else { Err(Unexpected::KeyringId.into()) }
    }

    pub(super) fn move_to(&mut self, position: &[u8]) {
        let moved = self.position.get_or_insert_default();
        moved.clear();
        moved.extend_from_slice(position);
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// Returns [`CursorError`] if the bytes are not a cursor of this version, or are damaged.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(codec::decode(SavedKind::Cursor, bytes, codec::cursor)?)
    }

    /// Encodes the cursor: a few hundred bytes, the names of its problems and skipped entries, and the ids of KMS keys.
    ///
    /// # Security
    ///
    /// The checksum detects damage, not forgery: an attacker who can change the bytes can make a sweep skip entries.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(SavedKind::Cursor, &self.report, |writer| writer.cursor(self))
    }

    /// Returns the [position](super::Entry::position) of the last processed entry; `None` before the first entry.
    pub fn position(&self) -> Option<&[u8]> {
        self.position.as_deref()
    }

    /// Returns the report of the sweep so far.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
