//! Each operation's event, and nothing given out without it.

use std::time::SystemTime;

use super::Sse;
use crate::audit::{AuditEvent, AuditOperation, AuditTrail};
use crate::envelope::{Envelope, ModeId};
use crate::error::Result;
use crate::keys::EncryptionContext;
use crate::mode::AnyMode;
use crate::object::{ObjectName, Requester};

/// What is to be done, as far as it is known before. Borrowed: where there is no trail it costs nothing.
#[derive(Clone, Copy)]
pub(super) struct Deed<'a> {
    operation: AuditOperation,
    object: &'a ObjectName,
    source_object: Option<&'a ObjectName>,
    mode: ModeId,
    requested_key_id: Option<&'a str>,
    context: Option<&'a EncryptionContext>,
    /// The envelope whose key is used, unless another one comes of it.
    envelope: Option<&'a Envelope>,
}

impl<'a> Deed<'a> {
    /// Something is written in this mode.
    pub(super) fn writing(operation: AuditOperation, object: &'a ObjectName, mode: &'a AnyMode) -> Self {
        let (requested_key_id, context) = mode.kms_key().unzip();
        Self { operation, object, source_object: None, mode: mode.id(), requested_key_id, context, envelope: None }
    }

    /// What stands in this envelope is used, whether it is true or not.
    pub(super) fn reading(operation: AuditOperation, object: &'a ObjectName, envelope: &'a Envelope) -> Self {
        Self {
            operation,
            object,
            source_object: None,
            mode: envelope.mode(),
            requested_key_id: envelope.kms_key_id().or(envelope.key_id()),
            context: envelope.context().or_else(|| envelope.inner().and_then(Envelope::context)),
            envelope: Some(envelope),
        }
    }

    /// Something is done with the completion record of an SSE-C object, or to make one.
    pub(super) fn of_record(operation: AuditOperation, object: &'a ObjectName) -> Self {
        let mode = ModeId::SseC;
        Self { operation, object, source_object: None, mode, requested_key_id: None, context: None, envelope: None }
    }

    /// Out of an object that may have another name.
    pub(super) fn out_of(self, source: &'a ObjectName) -> Self {
        Self { source_object: Some(source).filter(|source| *source != self.object), ..self }
    }

    fn record<T>(
        self,
        trail: &AuditTrail,
        requester: &Requester,
        outcome: Result<T>,
        written: impl FnOnce(&T) -> Option<&Envelope>,
    ) -> Result<T> {
        let mut event = AuditEvent::new(SystemTime::now(), requester.clone(), self.operation)
            .with_object(self.object)
            .with_mode(self.mode)
            .with_error(outcome.as_ref().err().cloned());
        if let Some(source) = self.source_object {
            event = event.with_source_object(source);
        }
        if let Some(key_id) = self.requested_key_id {
            event = event.with_requested_key_id(key_id);
        }
        if let Some(context) = self.context {
            event = event.with_context(context);
        }
        if let Ok(done) = &outcome
            && let Some((key_id, version)) = written(done).or(self.envelope).and_then(key_of)
        {
            event = event.with_key(key_id, version);
        }
        let recorded = trail.record(&event);
        // Why it failed says more than that nobody could be told.
        let done = outcome?;
        recorded.map(|()| done)
    }
}

/// The KMS key if there is one: whoever reads a trail asks whose key it was. The keyring's version goes with the keyring.
fn key_of(envelope: &Envelope) -> Option<(&str, Option<u32>)> {
    let keyring = || envelope.key_id().map(|key_id| (key_id, envelope.key_version()));
    envelope.kms_key_id().map(|key_id| (key_id, None)).or_else(keyring)
}

impl Sse {
    /// Does it, and gives out what comes of it once it is on record: exactly one event for each call, whatever the outcome.
    ///
    /// `written` is the new envelope in what comes of it, if there is one.
    pub(super) async fn audited<T>(
        &self,
        deed: Deed<'_>,
        doing: impl Future<Output = Result<T>>,
        written: impl FnOnce(&T) -> Option<&Envelope>,
    ) -> Result<T> {
        let outcome = doing.await;
        match &self.shared.audit {
            Some(trail) => deed.record(trail, &self.requester, outcome, written),
            None => outcome,
        }
    }
}
