//! What is done to the store, and that it goes on record.

use std::fmt::Display;
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
    /// What is to be changed, by its name; written down only where there is a trail.
    pub(super) parameters: &'a [(&'static str, &'a dyn Display)],
}

impl<'a> Doing<'a> {
    pub(super) fn new(operation: AuditOperation, requester: &'a Requester) -> Self {
        Self { operation, requester, key_id: None, context: None, parameters: &[] }
    }
}

/// What it came to.
#[derive(Default)]
pub(super) struct Touched {
    /// What was done, where that is not what was asked for.
    pub(super) operation: Option<AuditOperation>,
    /// The key it was done with, resolved.
    pub(super) key_id: Option<Arc<str>>,
    pub(super) version: Option<u32>,
    pub(super) parameters: Vec<(&'static str, String)>,
}

impl Store {
    /// Reads what is known and puts it on record: what cannot be recorded is not given out.
    pub(super) fn reading<T>(&self, doing: Doing<'_>, read: impl FnOnce(&mut Touched) -> Result<T>) -> Result<T> {
        let mut touched = Touched::default();
        let outcome = read(&mut touched);
        let recorded = self.record(doing, &touched, outcome.as_ref().err());
        // Its own error is the one to tell.
        outcome.and_then(|outcome| recorded.map(|()| outcome))
    }

    /// Changes the store, and puts it on record first: no change is made that is not recorded. What is recorded and then
    /// cannot be stored is recorded again, as failed.
    pub(super) fn changing<T>(
        &self,
        doing: Doing<'_>,
        change: impl FnOnce(&mut State, &mut Touched) -> Result<T>,
    ) -> Result<T> {
        self.changing_all(doing, |state, touched| {
            touched.push(Touched::default());
            change(state, touched.last_mut().expect("it was just put there"))
        })
    }

    /// [`changing`](Self::changing) of any number of keys, all or none. Where nothing is touched, nothing is stored.
    pub(super) fn changing_all<T>(
        &self,
        doing: Doing<'_>,
        change: impl FnOnce(&mut State, &mut Vec<Touched>) -> Result<T>,
    ) -> Result<T> {
        let (mut touched, mut recorded) = (Vec::new(), 0);
        let outcome = self.change(|state| {
            let outcome = change(state, &mut touched)?;
            for touched in &touched {
                self.record(doing, touched, None)?;
                recorded += 1;
            }
            Ok((outcome, recorded > 0))
        });
        outcome.inspect_err(|error| {
            // What was on record as done was not. Where it came to nothing before, what was refused is the last one.
            let refused = if recorded == 0 { touched.len().saturating_sub(1)..touched.len() } else { 0..recorded };
            if recorded > 0 || !matches!(error, Error::Audit(_)) {
                for touched in &touched[refused] {
                    // Its own error is the one to tell.
                    let _ = self.record(doing, touched, Some(error));
                }
            }
        })
    }

    /// One event, if there is a trail.
    pub(super) fn record(&self, doing: Doing<'_>, touched: &Touched, error: Option<&Error>) -> Result<()> {
        let Some(trail) = &self.manner.audit else {
            return Ok(());
        };
        let operation = touched.operation.unwrap_or(doing.operation);
        let mut event = AuditEvent::new(self.time(), doing.requester.clone(), operation);
        if let Some(key_id) = doing.key_id {
            event = event.with_requested_key_id(key_id);
        }
        if let Some(key_id) = &touched.key_id {
            event = event.with_key(key_id, touched.version);
        }
        if let Some(context) = doing.context {
            event = event.with_context(context);
        }
        for (name, value) in doing.parameters {
            event = event.with_parameter(name, value);
        }
        for (name, value) in &touched.parameters {
            event = event.with_parameter(name, value);
        }
        trail.record(&event.with_error(error.cloned()))
    }
}
