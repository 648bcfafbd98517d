//! `Progress`: the state of one sweep, which emits its events and checkpoints.

use std::io;

use super::cursor::Cursor;
use super::report::Report;
use super::sweep::{OnEvent, SweepEvent};
use super::work::{EntryOutcome, EntryResult};
use crate::error::{Error, IoError, Misuse, Result};

/// The state of one sweep.
pub(super) struct Progress<'a> {
    pub(super) cursor: Cursor,
    pub(super) on_event: Box<OnEvent<'a>>,
    pub(super) positions_matter: bool,
    pub(super) checkpoint_every: u64,
    pub(super) since_checkpoint: u64,
    pub(super) give_up_after: u64,
    /// The cursor before the current run of outages, and the number of entries in that run.
    pub(super) failing: Option<(Cursor, u64)>,
}

impl Progress<'_> {
    pub(super) fn take(&mut self, done: &EntryResult) -> Result<()> {
        let position = done.entry.position();
        if self.positions_matter && self.cursor.position() == Some(position) {
            return Err(Misuse::SamePosition.into());
        }
        let failing = match (&done.outcome, self.failing.take()) {
            (EntryOutcome::Problem(error), before) if is_outage(error) => {
                let (cursor, entries) = before.unwrap_or_else(|| (self.cursor.clone(), 0));
                if entries.saturating_add(1) >= self.give_up_after {
                    self.cursor = cursor;
                    self.since_checkpoint = 1;
                    return Err(error.clone());
                }
                Some((cursor, entries.saturating_add(1)))
            }
            _ => None,
        };
        self.failing = failing;
        self.cursor.move_to(position);
        self.cursor.report.add(done);
        (self.on_event)(SweepEvent::Entry { entry: &done.entry, outcome: &done.outcome }).map_err(stopped)?;
        self.since_checkpoint = self.since_checkpoint.saturating_add(1);
        if self.since_checkpoint >= self.checkpoint_every { self.checkpoint() } else { Ok(()) }
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.since_checkpoint = 0;
        Ok((self.on_event)(SweepEvent::Checkpoint(&self.cursor)).map_err(stopped)?)
    }

    pub(super) fn finish(mut self, failure: Option<Error>) -> Result<Report> {
        let told = if self.since_checkpoint > 0 { self.checkpoint() } else { Ok(()) };
        failure.map_or(told, Err)?;
        self.cursor.report.complete();
        Ok(self.cursor.report)
    }
}

/// Returns whether an error points to an outage of the store, the key provider or the audit trail, not to a fault of
/// the entry.
fn is_outage(error: &Error) -> bool {
    match error {
        Error::KeyProvider(error) => error.is_transient(),
        // What is too long for the store's way of writing is a fault of the entry.
        Error::Io(error) => error.kind() != io::ErrorKind::FileTooLarge,
        Error::Audit(_) => true,
        _ => false,
    }
}

fn stopped(error: io::Error) -> IoError {
    IoError::new("the sweep's event handler failed", error)
}
