//! [`PendingEvent`], and the recording of one event for each operation before its outcome is returned.

use std::time::SystemTime;

use futures_util::future::Either;

use super::Sse;
use crate::envelope::{Envelope, ModeId};
use crate::error::{Error, Result};
use crate::keys::{EncryptionContext, KeyAnswers, KeyProviderAnswer};
use crate::mode::AnyMode;
use crate::object::{ObjectName, Requester};
use crate::trail::{AuditEvent, AuditOperation, AuditTrail};

/// An audit event before its outcome is known. It borrows its fields, so it costs nothing without a trail.
#[derive(Clone, Copy)]
pub(super) struct PendingEvent<'a> {
    operation: AuditOperation,
    object: &'a ObjectName,
    source_object: Option<&'a ObjectName>,
    mode: ModeId,
    requested_key_id: Option<&'a str>,
    context: Option<&'a EncryptionContext>,
    /// The envelope whose key is used, unless the operation writes another one.
    envelope: Option<&'a Envelope>,
    /// Whether a decryptor of an earlier operation reads the object again.
    served_again: bool,
}

impl<'a> PendingEvent<'a> {
    /// Creates the event of an operation that writes in this mode.
    pub(super) fn writing(operation: AuditOperation, object: &'a ObjectName, mode: &'a AnyMode) -> Self {
        let (requested_key_id, context) = mode.kms_key().unzip();
        Self {
            operation,
            object,
            source_object: None,
            mode: mode.id(),
            requested_key_id,
            context,
            envelope: None,
            served_again: false,
        }
    }

    /// Creates the event of an operation that reads this envelope. The event names the envelope's mode and key, which
    /// are not authenticated.
    pub(super) fn reading(operation: AuditOperation, object: &'a ObjectName, envelope: &'a Envelope) -> Self {
        Self {
            operation,
            object,
            source_object: None,
            mode: envelope.mode(),
            requested_key_id: envelope.kms_key_id().or(envelope.key_id()),
            context: envelope.context().or_else(|| envelope.inner().and_then(Envelope::context)),
            envelope: Some(envelope),
            served_again: false,
        }
    }

    /// Creates the event of an operation that makes or uses the completion record of an SSE-C object.
    pub(super) fn of_record(operation: AuditOperation, object: &'a ObjectName) -> Self {
        Self {
            operation,
            object,
            source_object: None,
            mode: ModeId::SseC,
            requested_key_id: None,
            context: None,
            envelope: None,
            served_again: false,
        }
    }

    /// Marks the event: no key was requested for this operation, since an earlier one has unlocked the object.
    pub(super) fn served_again(self) -> Self {
        Self { served_again: true, ..self }
    }

    /// Adds the source object if its name differs.
    pub(super) fn out_of(self, source: &'a ObjectName) -> Self {
        Self { source_object: Some(source).filter(|source| *source != self.object), ..self }
    }

    /// Creates the final event when the outcome is known. `written` is the new envelope, if there is one.
    fn event(
        self,
        time: SystemTime,
        requester: &Requester,
        answers: Vec<KeyProviderAnswer>,
        written: Option<&Envelope>,
        error: Option<Error>,
    ) -> AuditEvent {
        let is_done = error.is_none();
        let mut event = AuditEvent::new(time, requester.clone(), self.operation)
            .with_object(self.object)
            .with_mode(self.mode)
            .with_key_provider_answers(answers)
            .with_error(error);
        if let Some(source) = self.source_object {
            event = event.with_source_object(source);
        }
        if let Some(key_id) = self.requested_key_id {
            event = event.with_requested_key_id(key_id);
        }
        if let Some(context) = self.context {
            event = event.with_context(context);
        }
        if self.served_again {
            event = event.with_parameter("servedAgain", true);
        }
        match written.or(self.envelope).and_then(key_of) {
            Some((key_id, version)) if is_done => event.with_key(key_id, version),
            _ => event,
        }
    }
}

/// Returns the key that a trail names: the KMS key if there is one, else the keyring with the version.
fn key_of(envelope: &Envelope) -> Option<(&str, Option<u32>)> {
    let keyring = || envelope.key_id().map(|key_id| (key_id, envelope.key_version()));
    envelope.kms_key_id().map(|key_id| (key_id, None)).or_else(keyring)
}

impl Sse {
    /// Returns where an operation keeps the answers of the key provider for its event.
    pub(super) fn answers(&self) -> KeyAnswers {
        KeyAnswers::kept_if(self.shared.audit.is_some())
    }

    /// Runs an operation and returns its outcome after recording it: exactly one event for each call, on success and
    /// failure.
    ///
    /// The operation adds to `answers` what the key provider answers; `written` returns the new envelope in the outcome,
    /// if there is one. A call that is dropped before its outcome is known has no event; if it is dropped later, the
    /// sink already has the event.
    ///
    /// PERF: without a trail nothing is allocated, and the future holds the operation once. An `async fn` that awaits its
    /// argument holds it twice.
    pub(super) fn audited<T>(
        &self,
        pending: PendingEvent<'_>,
        answers: &KeyAnswers,
        operation: impl Future<Output = Result<T>>,
        written: impl FnOnce(&T) -> Option<&Envelope>,
    ) -> impl Future<Output = Result<T>> {
        match &self.shared.audit {
            None => Either::Left(operation),
            Some(trail) => Either::Right(Box::pin(self.recorded(trail, pending, answers, operation, written))),
        }
    }

    async fn recorded<T>(
        &self,
        trail: &AuditTrail,
        pending: PendingEvent<'_>,
        answers: &KeyAnswers,
        operation: impl Future<Output = Result<T>>,
        written: impl FnOnce(&T) -> Option<&Envelope>,
    ) -> Result<T> {
        trail.ready().await;
        let outcome = operation.await;
        let (written, error) = (outcome.as_ref().ok().and_then(written), outcome.as_ref().err().cloned());
        let event = pending.event(self.shared.clock.wall(), &self.requester, answers.take(), written, error);
        let recorded = trail.record(event).await;
        // If both fail, the operation's error says more.
        let done = outcome?;
        recorded.map(|()| done)
    }
}
