//! Conversion of object names (bytes) to text in a record.

use std::borrow::Cow;
use std::str;

use percent_encoding::percent_encode;

use crate::object::{NAME, ObjectName};

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
