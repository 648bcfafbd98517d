//! Conversion of object names (bytes) to text in a record, and the names of what the key provider answered.

use std::borrow::Cow;
use std::str;

use percent_encoding::percent_encode;

use crate::keys::KmsOperation;
use crate::object::{NAME, ObjectName};
use crate::trail::{AuditOperation, KeyFrom, KeyProviderAnswer};

/// Returns whether every name of the object is valid text.
pub(super) fn are_text(object: &ObjectName) -> bool {
    let names = [object.bucket(), object.key(), object.realm(), object.version_id()];
    names.into_iter().all(|name| str::from_utf8(name).is_ok())
}

/// Returns a name as text, percent-encoded if `encoded`. A name that is not text is always encoded, so nothing is lost.
pub(super) fn text(name: &[u8], encoded: bool) -> Cow<'_, str> {
    match str::from_utf8(name) {
        Ok(text) if !encoded => text.into(),
        _ => percent_encode(name, NAME).into(),
    }
}

/// Returns CloudTrail's name of what the key provider was asked for, and where the answer came from.
pub(super) fn of_answer(answer: &KeyProviderAnswer) -> (&'static str, &'static str) {
    let operation = match answer.operation() {
        KmsOperation::Generate => AuditOperation::GenerateKey,
        KmsOperation::Unwrap => AuditOperation::UnwrapKey,
    };
    let from = match answer.key_from() {
        KeyFrom::Call => "call",
        KeyFrom::JoinedCall => "joinedCall",
        KeyFrom::Cache => "cache",
    };
    (operation.event_name(), from)
}
