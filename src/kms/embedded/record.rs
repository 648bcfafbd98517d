//! What is done to the store, and that it goes on record.

use std::sync::Arc;

use super::state::State;
use super::store::Store;
use crate::audit::{AuditEvent, AuditOperation};
use crate::error::{Error, Result};
use crate::keys::EncryptionContext;
use crate::object::Requester;

/// Who does what, as far as it is known before it is done.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    pub(super) operation: AuditOperation,
    pub(super) requester: &'a Requester,
    /// The key as it was named, if one was.
    pub(super) key_id: Option<&'a str>,
    pub(super) context: Option<&'a EncryptionContext>,
}

/// Which key it was done with, as it turned out.
#[derive(Default)]
pub(super) struct Touched {
    pub(super) key_id: Option<Arc<str>>,
    pub(super) version: Option<u32>,
}

impl Store {
    /// Reads what is known and puts it on record: what cannot be recorded is not given out.
    pub(super) fn reading<T, E>(
        &self,
        doing: Doing<'_>,
        read: impl FnOnce(&mut Touched) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: Clone + From<Error> + Into<Error>,
    {
        let mut touched = Touched::default();
        let outcome = read(&mut touched);
        let recorded = self.record(doing, &touched, || outcome.as_ref().err().cloned().map(Into::into));
        // Its own error is the one to tell.
        outcome.and_then(|outcome| recorded.map(|()| outcome).map_err(E::from))
    }

    /// Changes the store, and puts it on record first: no change is made that is not recorded. One that is recorded and
    /// then cannot be stored is recorded again, as failed.
    pub(super) fn changing<T>(
        &self,
        doing: Doing<'_>,
        change: impl FnOnce(&mut State, &mut Touched) -> Result<T>,
    ) -> Result<T> {
        let mut touched = Touched::default();
        let outcome = self.change(|state| {
            let outcome = change(state, &mut touched)?;
            self.record(doing, &touched, || None)?;
            Ok(outcome)
        });
        outcome.inspect_err(|error| {
            if !matches!(error, Error::Audit(_)) {
                // Its own error is the one to tell.
                let _ = self.record(doing, &touched, || Some(error.clone()));
            }
        })
    }

    /// One event, if there is a trail.
    pub(super) fn record(
        &self,
        doing: Doing<'_>,
        touched: &Touched,
        error: impl FnOnce() -> Option<Error>,
    ) -> Result<()> {
        let Some(trail) = &self.manner.audit else {
            return Ok(());
        };
        let mut event = AuditEvent::new(self.time(), doing.requester.clone(), doing.operation);
        if let Some(key_id) = doing.key_id {
            event = event.with_requested_key_id(key_id);
        }
        if let Some(key_id) = &touched.key_id {
            event = event.with_key(key_id, touched.version);
        }
        if let Some(context) = doing.context {
            event = event.with_context(context);
        }
        trail.record(&event.with_error(error()))
    }
}
