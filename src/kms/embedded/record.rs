//! `PendingEvent` and `Affected`; and the functions that run a use or change of the store and record it.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt;
use pollster::block_on;

use super::state::{StoreState, new_id};
use super::store::{Store, StoreOptions};
use crate::error::{Error, IoError, KeyStoreError, Result};
use crate::keys::EncryptionContext;
use crate::object::Requester;
use crate::offload::offload;
use crate::trail::{AuditEvent, AuditOperation};

/// The number of events of one change that are submitted before their answers are awaited.
const GROUP: usize = 256;

/// An audit event before its outcome is known.
#[derive(Clone, Copy)]
pub(super) struct PendingEvent<'a> {
    pub(super) operation: AuditOperation,
    pub(super) requester: &'a Requester,
    /// The key name in the request, if it has one.
    pub(super) key_id: Option<&'a str>,
    pub(super) context: Option<&'a EncryptionContext>,
    /// The id of a use of a key, which the user learns too.
    pub(super) request_id: Option<&'a str>,
    /// The requested change as names and values; formatted only if there is a trail.
    pub(super) parameters: &'a [(&'static str, &'a (dyn Display + Sync))],
}

impl<'a> PendingEvent<'a> {
    pub(super) fn new(operation: AuditOperation, requester: &'a Requester) -> Self {
        Self { operation, requester, key_id: None, context: None, request_id: None, parameters: &[] }
    }
}

/// The key that an operation affected, for its audit event.
#[derive(Default)]
pub(super) struct Affected {
    /// The operation that was done, if it differs from the requested one.
    pub(super) operation: Option<AuditOperation>,
    /// The resolved key.
    pub(super) key_id: Option<Arc<str>>,
    pub(super) version: Option<u32>,
    pub(super) parameters: Vec<(&'static str, String)>,
}

impl Store {
    /// Does what [`using`](Self::using) does, and blocks its thread.
    pub(super) fn reading<T>(
        &self,
        pending: PendingEvent<'_>,
        read: impl FnOnce(&mut Affected) -> Result<T>,
    ) -> Result<T> {
        block_on(self.using(pending, read))
    }

    /// Reads or uses the store's content, and returns the result after the trail has recorded it.
    pub(super) async fn using<T>(
        &self,
        pending: PendingEvent<'_>,
        used: impl FnOnce(&mut Affected) -> Result<T>,
    ) -> Result<T> {
        self.options.ready().await;
        let mut affected = Affected::default();
        let outcome = caught(|| used(&mut affected));
        let recorded = self.options.record(pending, &affected, outcome.as_ref().err()).await;
        // If both fail, the operation's error says more.
        outcome.and_then(|outcome| recorded.map(|()| outcome))
    }

    /// Changes the store. A change is recorded before it is stored, and readers see it after it is stored. A change
    /// that is recorded and then cannot be stored is recorded again, as failed.
    ///
    /// The call waits for earlier changes, the sink and the file, and must not run on an executor's thread.
    pub(super) fn changing<T>(
        &self,
        pending: PendingEvent<'_>,
        change: impl FnOnce(&mut StoreState, &mut Affected) -> Result<T>,
    ) -> Result<T> {
        self.changing_all(pending, |state, affected| {
            affected.push(Affected::default());
            change(state, affected.last_mut().expect("it was just put there"))
        })
    }

    /// Changes any number of keys, all or none, as [`changing`](Self::changing) changes one. If no key is affected,
    /// nothing is stored.
    pub(super) fn changing_all<T>(
        &self,
        pending: PendingEvent<'_>,
        change: impl FnOnce(&mut StoreState, &mut Vec<Affected>) -> Result<T>,
    ) -> Result<T> {
        block_on(self.options.ready());
        let mut turn = self.turn();
        let mut affected = Vec::new();
        let changed = caught(|| {
            let mut state = self.next()?;
            let outcome = change(&mut state, &mut affected)?;
            Ok((state, outcome))
        });
        let (state, outcome) = match changed {
            Ok((_, outcome)) if affected.is_empty() => return Ok(outcome),
            Ok(changed) => changed,
            Err(error) => {
                drop(turn);
                // The last key is the refused one.
                let refused = affected.pop().unwrap_or_default();
                let _ = block_on(self.options.record(pending, &refused, Some(&error))); // the first error is returned
                return Err(error);
            }
        };
        let (recorded, failed) = self.record_all(pending, &affected);
        let stored = failed.map_or_else(|| self.store(&mut turn, state), Err);
        drop(turn);
        stored.inspect_err(|error| {
            for group in recorded.chunks(GROUP) {
                let failed: Vec<_> = group.iter().map(|t| self.options.record(pending, t, Some(error))).collect();
                // The first error is returned, so later ones are dropped.
                failed.into_iter().for_each(|failed| drop(block_on(failed)));
            }
        })?;
        Ok(outcome)
    }

    /// Submits the events of a change, many at once so that they share an fsync. Returns those that are recorded, and
    /// the first error.
    fn record_all<'a>(
        &self,
        pending: PendingEvent<'_>,
        affected: &'a [Affected],
    ) -> (Vec<&'a Affected>, Option<Error>) {
        let (mut recorded, mut failed) = (Vec::new(), None);
        for group in affected.chunks(GROUP) {
            let recording: Vec<_> = group.iter().map(|affected| self.options.record(pending, affected, None)).collect();
            for (affected, recording) in group.iter().zip(recording) {
                match block_on(recording) {
                    Ok(()) => recorded.push(affected),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if failed.is_some() {
                break;
            }
        }
        (recorded, failed)
    }

    /// Runs a change on its own thread, for an async caller. The change finishes even if the caller drops the future.
    ///
    /// # Errors
    ///
    /// Returns an error if the thread cannot be started.
    pub(super) fn on_a_thread<T: Send + 'static>(
        change: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<impl Future<Output = Result<T>> + Send + 'static> {
        let changing = offload(move || caught(change))
            .map_err(|error| IoError::new("a thread for a change of the key store cannot be started", error))?;
        Ok(changing.map(|changed| changed.unwrap_or_else(|_| Err(KeyStoreError::Panicked.into()))))
    }
}

impl StoreOptions {
    /// Returns an id for a use of a key, if it is on record. Without randomness the use fails later, or needs none and
    /// stays without an id.
    pub(super) fn request_id(&self) -> Option<String> {
        self.audit.as_ref()?;
        caught(|| new_id(&self.sources.generator)).ok().map(|id| id.hyphenated().to_string())
    }

    /// Waits until the trail has room for another event.
    pub(super) async fn ready(&self) {
        if let Some(trail) = &self.audit {
            trail.ready().await;
        }
    }

    /// Submits one event to the trail, if there is one. The future waits for the trail's answer.
    pub(super) fn record(
        &self,
        pending: PendingEvent<'_>,
        affected: &Affected,
        error: Option<&Error>,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        let recording = self.audit.as_ref().map(|trail| trail.record(self.event(pending, affected, error)));
        async move {
            match recording {
                Some(recording) => recording.await,
                None => Ok(()),
            }
        }
    }

    fn event(&self, pending: PendingEvent<'_>, affected: &Affected, error: Option<&Error>) -> AuditEvent {
        // A panic of the clock has failed the operation already; its event still needs a time.
        let time = catch_unwind(AssertUnwindSafe(|| self.sources.clock.wall())).unwrap_or_else(|_| SystemTime::now());
        let operation = affected.operation.unwrap_or(pending.operation);
        let mut event = AuditEvent::new(time, pending.requester.clone(), operation);
        if let Some(key_id) = pending.key_id {
            event = event.with_requested_key_id(key_id);
        }
        if let Some(key_id) = &affected.key_id {
            event = event.with_key(key_id, affected.version);
        }
        if let Some(context) = pending.context {
            event = event.with_context(context);
        }
        if let Some(request_id) = pending.request_id {
            event = event.with_request_id(request_id);
        }
        for (name, value) in pending.parameters {
            event = event.with_parameter(name, value);
        }
        for (name, value) in &affected.parameters {
            event = event.with_parameter(name, value);
        }
        event.with_error(error.cloned())
    }
}

/// Runs work that may call a function of the caller, such as a clock, and returns a panic as an error.
pub(super) fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(KeyStoreError::Panicked.into()))
}
