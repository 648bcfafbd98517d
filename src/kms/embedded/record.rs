//! Uses and changes of the store, each on record.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use pollster::block_on;

use super::state::State;
use super::store::{Options, Store};
use crate::audit::{AuditEvent, AuditOperation};
use crate::error::{Error, IoError, KeyStoreError, Result};
use crate::keys::EncryptionContext;
use crate::object::Requester;
use crate::offload::offload;

/// How many events of one change are handed over before their answers are waited for.
const GROUP: usize = 256;

/// An audit event before its outcome is known.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    pub(super) operation: AuditOperation,
    pub(super) requester: &'a Requester,
    /// The key as it was named, if one was.
    pub(super) key_id: Option<&'a str>,
    pub(super) context: Option<&'a EncryptionContext>,
    /// What is to be changed, by its name; written down only where there is a trail.
    pub(super) parameters: &'a [(&'static str, &'a (dyn Display + Sync))],
}

impl<'a> Doing<'a> {
    pub(super) fn new(operation: AuditOperation, requester: &'a Requester) -> Self {
        Self { operation, requester, key_id: None, context: None, parameters: &[] }
    }
}

/// The outcome, for the audit event.
#[derive(Default)]
pub(super) struct Touched {
    /// The operation that was done, where it is not the one that was asked for.
    pub(super) operation: Option<AuditOperation>,
    /// The key it was done with, resolved.
    pub(super) key_id: Option<Arc<str>>,
    pub(super) version: Option<u32>,
    pub(super) parameters: Vec<(&'static str, String)>,
}

impl Store {
    /// [`using`](Self::using), blocking.
    pub(super) fn reading<T>(&self, doing: Doing<'_>, read: impl FnOnce(&mut Touched) -> Result<T>) -> Result<T> {
        block_on(self.using(doing, read))
    }

    /// Reads or uses what the store holds, and gives out the outcome once it is on record.
    pub(super) async fn using<T>(&self, doing: Doing<'_>, used: impl FnOnce(&mut Touched) -> Result<T>) -> Result<T> {
        self.options.ready().await;
        let mut touched = Touched::default();
        let outcome = caught(|| used(&mut touched));
        let recorded = self.options.record(doing, &touched, outcome.as_ref().err()).await;
        // If both fail, the operation's error says more.
        outcome.and_then(|outcome| recorded.map(|()| outcome))
    }

    /// Changes the store. A change is on record before it is stored, and is seen once it is stored. A change that is on
    /// record and cannot be stored is recorded again, as failed.
    ///
    /// Waits for the turn, the sink and the file: never called on an executor's thread.
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
        block_on(self.options.ready());
        let mut turn = self.turn();
        let mut touched = Vec::new();
        let changed = caught(|| {
            let mut state = self.next()?;
            let outcome = change(&mut state, &mut touched)?;
            Ok((state, outcome))
        });
        let (state, outcome) = match changed {
            Ok((_, outcome)) if touched.is_empty() => return Ok(outcome),
            Ok(changed) => changed,
            Err(error) => {
                drop(turn);
                // The key that was refused is the last one.
                let refused = touched.pop().unwrap_or_default();
                let _ = block_on(self.options.record(doing, &refused, Some(&error))); // the first error is the one to tell
                return Err(error);
            }
        };
        let (recorded, failed) = self.record_all(doing, &touched);
        let stored = failed.map_or_else(|| self.store(&mut turn, state), Err);
        drop(turn);
        stored.inspect_err(|error| {
            for group in recorded.chunks(GROUP) {
                let failed: Vec<_> = group.iter().map(|t| self.options.record(doing, t, Some(error))).collect();
                // The first error is the one to tell.
                failed.into_iter().for_each(|failed| drop(block_on(failed)));
            }
        })?;
        Ok(outcome)
    }

    /// Hands the events of a change over, many at once so that they share an fsync. Gives those that are on record, and
    /// the first error.
    fn record_all<'a>(&self, doing: Doing<'_>, touched: &'a [Touched]) -> (Vec<&'a Touched>, Option<Error>) {
        let (mut recorded, mut failed) = (Vec::new(), None);
        for group in touched.chunks(GROUP) {
            let recording: Vec<_> = group.iter().map(|touched| self.options.record(doing, touched, None)).collect();
            for (touched, recording) in group.iter().zip(recording) {
                match block_on(recording) {
                    Ok(()) => recorded.push(touched),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if failed.is_some() {
                break;
            }
        }
        (recorded, failed)
    }

    /// Runs a change on a thread of its own, for an async caller. It is done to its end even where the caller goes away.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(super) fn on_a_thread<T: Send + 'static>(
        change: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<impl Future<Output = Result<T>> + Send + 'static> {
        let changing = offload(move || caught(change))
            .map_err(|error| IoError::new("a thread for a change of the key store cannot be started", error))?;
        Ok(changing.map(|changed| changed.unwrap_or_else(|_| Err(KeyStoreError::Panicked.into()))))
    }
}

impl Options {
    /// Waits until the trail has room for another event.
    pub(super) async fn ready(&self) {
        if let Some(trail) = &self.audit {
            trail.ready().await;
        }
    }

    /// Hands one event to the trail now, if there is one; the future waits for its answer.
    pub(super) fn record(
        &self,
        doing: Doing<'_>,
        touched: &Touched,
        error: Option<&Error>,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let recording = self.audit.as_ref().map(|trail| trail.record(self.event(doing, touched, error)));
        async move {
            match recording {
                Some(recording) => recording.await,
                None => Ok(()),
            }
        }
    }

    fn event(&self, doing: Doing<'_>, touched: &Touched, error: Option<&Error>) -> AuditEvent {
        // A clock that panics has failed the operation; the event of that needs a time too.
        let time = catch_unwind(AssertUnwindSafe(|| (self.clock)())).unwrap_or_else(|_| SystemTime::now());
        let operation = touched.operation.unwrap_or(doing.operation);
        let mut event = AuditEvent::new(time, doing.requester.clone(), operation);
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
        event.with_error(error.cloned())
    }
}

/// Runs work that may call a function of the caller's, such as a clock, and gives a panic as an error.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(KeyStoreError::Panicked.into()))
}
