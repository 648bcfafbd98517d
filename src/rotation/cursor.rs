//! Where a sweep is.

use super::codec::{self, Kind};
use super::report::Report;
use crate::error::{CursorError, Result, Unexpected};
use crate::sse::Sse;

/// How far a sweep has come: everything up to its position is done, and what came of it is in its report.
///
/// Store its bytes, and list on after its [position](Self::position).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) goal: Goal,
    pub(super) position: Option<Vec<u8>>,
    pub(super) report: Report,
}

/// What a sweep is for; a cursor goes on with no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Goal {
    pub(super) verb: GoalVerb,
    /// What tells the target and the filter from others, where there is one.
    pub(super) of: Option<[u8; 8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoalVerb {
    Rewrap,
    RewrapAll,
    RewrapTo,
    Encrypt,
}

impl Cursor {
    pub(super) fn begin(goal: Goal, sse: &Sse) -> Self {
        Self { goal, position: None, report: Report::begin(sse) }
    }

    /// Refuses a sweep for something else, or under another keyring.
    pub(super) fn check(&self, goal: Goal, sse: &Sse) -> Result<()> {
        if self.goal != goal {
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

    /// A cursor from the bytes that [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    ///
    /// [`CursorError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Ok(codec::decode(Kind::Cursor, bytes, codec::cursor)?)
    }

    /// The cursor as bytes: some hundreds, and the names of the problems.
    ///
    /// # Security
    ///
    /// A checksum finds damage and no forgery: whoever can change the bytes can have entries passed over.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(Kind::Cursor, |writer| writer.cursor(self))
    }

    /// What the listing goes on after, as the entry gave it; `None`: from the beginning.
    pub fn position(&self) -> Option<&[u8]> {
        self.position.as_deref()
    }

    /// What the sweep has done so far.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
