//! One event.

use std::fmt;
use std::time::SystemTime;

use super::AuditOperation;
use crate::envelope::ModeId;
use crate::error::Error;
use crate::keys::{EncryptionContext, MAX_KEY_ID_LEN};
use crate::object::{ObjectName, Requester};

/// One thing that was done with a key or an object, or was refused.
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
            error: None,
        }
    }

    /// No longer than a key id can be: the requester chooses the name.
    pub(crate) fn with_requested_key_id(self, key_id: &str) -> Self {
        let end = (0..=key_id.len().min(MAX_KEY_ID_LEN)).rev().find(|at| key_id.is_char_boundary(*at));
        Self { requested_key_id: key_id.get(..end.unwrap_or(0)).map(str::to_owned), ..self }
    }

    /// The key, resolved.
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

    pub(crate) fn with_error(self, error: Option<Error>) -> Self {
        Self { error, ..self }
    }

    /// When it was done or refused, by the system's clock.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// On whose behalf.
    pub fn requester(&self) -> &Requester {
        &self.requester
    }

    /// What was to be done.
    pub fn operation(&self) -> AuditOperation {
        self.operation
    }

    /// The key as it was named: by the request (an alias, an id, an ARN), or, where an object is read or rewrapped, by
    /// its envelope, whether that is true or not. Of DSSE-KMS the KMS key.
    pub fn requested_key_id(&self) -> Option<&str> {
        self.requested_key_id.as_deref()
    }

    /// The key that was used, by its resolved id: the KMS key in SSE-KMS and DSSE-KMS, the keyring in SSE-S3. `None`
    /// in SSE-C, and where the operation was refused before the key was known.
    pub fn key_id(&self) -> Option<&str> {
        self.key.as_ref().map(|(key_id, _)| key_id.as_str())
    }

    /// The version of that key, where the recorder of the event knows it: a keyring's in SSE-S3, and of a KMS key in
    /// the KMS's own events.
    pub fn key_version(&self) -> Option<u32> {
        self.key.as_ref().and_then(|(_, version)| *version)
    }

    /// The pairs that the key is bound to: the caller's in an event of an object, and in a KMS's event those that it
    /// was shown, with the object's ARN among them.
    pub fn context(&self) -> Option<&EncryptionContext> {
        self.context.as_ref()
    }

    /// The object; after a rewrap under another name, the new name.
    pub fn object(&self) -> Option<&ObjectName> {
        self.object.as_ref()
    }

    /// Where a rewrap gave the object another name: the one it had.
    pub fn source_object(&self) -> Option<&ObjectName> {
        self.source_object.as_ref()
    }

    /// The mode that was asked for, or that the envelope names.
    pub fn mode(&self) -> Option<ModeId> {
        self.mode
    }

    /// What a KMS was asked to change, beside the key: names in CloudTrail's words where it has one, and values.
    pub fn parameters(&self) -> &[(&'static str, String)] {
        &self.parameters
    }

    /// Why it was refused, or failed; `None` where it was done.
    pub fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }
}

/// The error as it is shown, without its cause: that is another library's, and may say anything.
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
            .field("error", &self.error.as_ref().map(ToString::to_string))
            .finish()
    }
}
