//! [`AuditEvent`]: one event of an audit trail.

use std::fmt;
use std::time::SystemTime;

use super::AuditOperation;
use crate::envelope::ModeId;
use crate::error::Error;
use crate::keys::{EncryptionContext, KeyProviderAnswer, MAX_KEY_ID_LEN};
use crate::object::{ObjectName, Requester};

/// One operation on a key or an object that was done or refused.
///
/// `Debug` shows no value of the encryption context.
#[derive(Clone)]
pub struct AuditEvent {
    time: SystemTime,
    requester: Requester,
    operation: AuditOperation,
    requested_key_id: Option<String>,
    key: Option<(String, Option<u32>)>,
    context: Option<EncryptionContext>,
    object: Option<ObjectName>,
    source_object: Option<ObjectName>,
    mode: Option<ModeId>,
    parameters: Vec<(&'static str, String)>,
    key_provider_answers: Vec<KeyProviderAnswer>,
    request_id: Option<Box<str>>,
    error: Option<Error>,
}

impl AuditEvent {
    pub(crate) fn new(time: SystemTime, requester: Requester, operation: AuditOperation) -> Self {
        Self {
            time,
            requester,
            operation,
            requested_key_id: None,
            key: None,
            context: None,
            object: None,
            source_object: None,
            mode: None,
            parameters: Vec::new(),
            key_provider_answers: Vec::new(),
            request_id: None,
            error: None,
        }
    }

    /// Sets the requested key id, cut to the maximum length of a key id: the requester chooses the name.
    pub(crate) fn with_requested_key_id(self, key_id: &str) -> Self {
        let end = (0..=key_id.len().min(MAX_KEY_ID_LEN)).rev().find(|at| key_id.is_char_boundary(*at));
        Self { requested_key_id: key_id.get(..end.unwrap_or(0)).map(str::to_owned), ..self }
    }

    /// Sets the resolved key and its version.
    pub(crate) fn with_key(self, key_id: &str, version: Option<u32>) -> Self {
        Self { key: Some((key_id.to_owned(), version)), ..self }
    }

    pub(crate) fn with_context(self, context: &EncryptionContext) -> Self {
        Self { context: Some(context.clone()), ..self }
    }

    pub(crate) fn with_object(self, object: &ObjectName) -> Self {
        Self { object: Some(object.clone()), ..self }
    }

    pub(crate) fn with_source_object(self, object: &ObjectName) -> Self {
        Self { source_object: Some(object.clone()), ..self }
    }

    pub(crate) fn with_mode(self, mode: ModeId) -> Self {
        Self { mode: Some(mode), ..self }
    }

    pub(crate) fn with_parameter(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.parameters.push((name, value.to_string()));
        self
    }

    pub(crate) fn with_key_provider_answers(self, answers: Vec<KeyProviderAnswer>) -> Self {
        Self { key_provider_answers: answers, ..self }
    }

    #[cfg(feature = "embedded-kms")]
    pub(crate) fn with_request_id(self, request_id: &str) -> Self {
        Self { request_id: Some(request_id.into()), ..self }
    }

    pub(crate) fn with_error(self, error: Option<Error>) -> Self {
        Self { error, ..self }
    }

    /// Returns the time when the operation was done or refused, by the [clock](crate::Clock) of the recorder.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// Returns the requester of the operation.
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// Returns the requested operation.
    pub fn operation(&self) -> AuditOperation {
        self.operation
    }

    /// Returns the key name in the request: an alias, an id or an ARN. If an object is read or rewrapped, returns the
    /// key name in its envelope, which is not authenticated. In DSSE-KMS, returns the name of the KMS key.
    pub fn requested_key_id(&self) -> Option<&str> {
        self.requested_key_id.as_deref()
    }

    /// Returns the resolved id of the used key: the KMS key in SSE-KMS and DSSE-KMS, the keyring in SSE-S3. Returns
    /// `None` in SSE-C, and if the operation was refused before the key was known.
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(|(key_id, _)| key_id.as_str())
    }

    /// Returns the version of the used key, if the recorder of the event knows the version: in SSE-S3 that of the
    /// keyring, in events of the embedded KMS that of the KMS key.
    pub fn key_version(&self) -> Option<u32> {
        self.key.as_ref().and_then(|(_, version)| *version)
    }

    /// Returns the pairs that the key is bound to: in an event of an object the caller's pairs, in an event of the KMS
    /// the pairs of the request, including the object's ARN.
    pub fn context(&self) -> Option<&EncryptionContext> {
        self.context.as_ref()
    }

    /// Returns the name of the object; after a rewrap under another name, the new name.
    pub fn object(&self) -> Option<&ObjectName> {
        self.object.as_ref()
    }

    /// Returns the former name of the object if a rewrap changed the name.
    pub fn source_object(&self) -> Option<&ObjectName> {
        self.source_object.as_ref()
    }

    /// Returns the requested mode, or the mode in the envelope.
    pub fn mode(&self) -> Option<ModeId> {
        self.mode
    }

    /// Returns the requested change of a KMS as names and values, and `servedAgain` for a read that an earlier
    /// [`Decryptor`](crate::Decryptor) serves. Names are those of CloudTrail if CloudTrail has them.
    pub fn parameters(&self) -> &[(&'static str, String)] {
        &self.parameters
    }

    /// Returns the request id, if this is the event of the embedded KMS for a use of a key. The event of the object has
    /// the same id among its [answers](Self::key_provider_answers).
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Returns the reason why the operation was refused or failed, or `None` if it was done.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Returns what the key provider answered, in order: one answer for each key that the operation asked for. A read
    /// or a write under a KMS key has one; a rewrap has one for the old and one for the new KMS key, even if they are
    /// the same. If the provider failed, the last answer has the request id of its [error](Self::error). The request id
    /// of an answer leads to the call in the KMS's own log.
    pub fn key_provider_answers(&self) -> &[KeyProviderAnswer] {
        &self.key_provider_answers
    }
}

/// Shows the error's own text without its cause: the cause comes from another library and may contain anything.
impl fmt::Debug for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditEvent")
            .field("time", &self.time)
            .field("requester", &self.requester)
            .field("operation", &self.operation)
            .field("requested_key_id", &self.requested_key_id)
            .field("key_id", &self.key_id())
            .field("key_version", &self.key_version())
            .field("context", &self.context)
            .field("object", &self.object)
            .field("source_object", &self.source_object)
            .field("mode", &self.mode)
            .field("parameters", &self.parameters)
            .field("key_provider_answers", &self.key_provider_answers)
            .field("request_id", &self.request_id)
            .field("error", &self.error.as_ref().map(ToString::to_string))
            .finish()
    }
}
