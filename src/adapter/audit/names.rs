//! Names of objects (bytes) as text in a record.

use std::borrow::Cow;
use std::str;

use percent_encoding::percent_encode;

use crate::object::{NAME, ObjectName};

/// Whether every name of the object is text.
pub(super) fn are_text(object: &ObjectName) -> bool {
    let names = [object.bucket(), object.key(), object.realm(), object.version_id()];
    names.into_iter().all(|name| str::from_utf8(name).is_ok())
}

/// A name as it is, or in percent-encoding. Names that are not text are encoded in any case: nothing is lost.
pub(super) fn text(name: &[u8], encoded: bool) -> Cow<'_, str> {
    match str::from_utf8(name) {
        Ok(text) if !encoded => text.into(),
        _ => percent_encode(name, NAME).into(),
    }
}
