//! [`Fields`], the fields of an envelope by type, and the decoders of their values.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::sync::Arc;

use super::Content;
use crate::codec::ByteReader;
use crate::error::EnvelopeError;
use crate::geometry::{Layers, MAX_MULTIPART_PLAINTEXT_LEN, MAX_PARTS};
use crate::keys::{EncryptionContext, MAX_WRAPPED_LEN, WrappedKey, is_key_id};
use crate::stream::message::MessageHeader;

pub(super) const KEY_ID: u16 = 1;
pub(super) const KEY_VERSION: u16 = 2;
pub(super) const WRAPPED_KEK: u16 = 3;
pub(super) const CONTEXT: u16 = 4;
pub(super) const MESSAGE: u16 = 5;
pub(super) const MULTIPART: u16 = 6;
pub(super) const INNER: u16 = 7;
pub(super) const PLAINTEXT_LEN: u16 = 8;
pub(super) const PADDING: u16 = 9;
const FIELD_TYPES: usize = 10;

pub(super) type Decoded<T> = std::result::Result<T, EnvelopeError>;

/// The values of the fields by type; a value that is taken is removed.
pub(super) struct Fields<'a>([Option<&'a [u8]>; FIELD_TYPES]);

impl<'a> Fields<'a> {
    /// Checks bounds and order of all fields, and then that all types are known.
    pub(super) fn decode(bytes: &'a [u8]) -> Decoded<Self> {
        let mut fields = Self([None; FIELD_TYPES]);
        let mut reader = ByteReader::new(bytes, malformed);
        let (mut last, mut unknown) = (None, None);
        while !reader.is_empty() {
            let field_type = reader.u16()?;
            let value = reader.prefixed()?;
            if last.is_some_and(|last| last >= field_type) {
                return Err(malformed("its fields are not in order"));
            }
            last = Some(field_type);
            match fields.0.get_mut(usize::from(field_type)).filter(|_| field_type > 0) {
                Some(field) => *field = Some(value),
                None => unknown = unknown.or(Some(field_type)),
            }
        }
        unknown.map_or(Ok(fields), |field_type| Err(EnvelopeError::UnknownField(field_type)))
    }

    pub(super) fn take(&mut self, field_type: u16) -> Option<&'a [u8]> {
        self.0.get_mut(usize::from(field_type))?.take()
    }

    pub(super) fn required(&mut self, field_type: u16) -> Decoded<&'a [u8]> {
        self.take(field_type).ok_or(malformed("a field is missing"))
    }

    /// Refuses fields that were not taken.
    pub(super) fn finish(self) -> Decoded<()> {
        let taken = self.0.iter().all(Option::is_none);
        if taken { Ok(()) } else { Err(malformed("a field that does not belong there")) }
    }
}

pub(super) fn key_id(value: &[u8]) -> Decoded<Arc<str>> {
    let key_id = std::str::from_utf8(value).ok().filter(|key_id| is_key_id(key_id));
    key_id.map(Arc::from).ok_or(malformed("its key id"))
}

pub(super) fn key_version(value: &[u8]) -> Decoded<u32> {
    match whole(value).map(u32::from_be_bytes) {
        Some(version) if version > 0 => Ok(version),
        _ => Err(malformed("its key version")),
    }
}

pub(super) fn wrapped_kek(value: &[u8]) -> Decoded<WrappedKey> {
    if (1..=MAX_WRAPPED_LEN).contains(&value.len()) {
        Ok(WrappedKey::new(value))
    } else {
        Err(malformed("the length of its wrapped key-encryption key"))
    }
}

pub(super) fn context(value: &[u8]) -> Decoded<EncryptionContext> {
    EncryptionContext::decode(value).ok_or(malformed("its encryption context"))
}

pub(super) fn message(value: &[u8]) -> Decoded<MessageHeader> {
    whole(value).map(MessageHeader::from_bytes).ok_or(malformed("the length of its message header"))
}

pub(super) fn multipart(value: &[u8]) -> Decoded<Content> {
    let mut reader = ByteReader::new(value, malformed);
    let (parts, plaintext_len) = (reader.u32()?, reader.u64()?);
    let manifest = message(reader.rest())?;
    let parts_bound = u32::try_from(MAX_PARTS).unwrap_or(u32::MAX);
    if !(1..=parts_bound).contains(&parts) || plaintext_len > MAX_MULTIPART_PLAINTEXT_LEN {
        return Err(malformed("its parts or their total are out of bounds"));
    }
    Ok(Content::Multipart { parts, plaintext_len, manifest })
}

pub(super) fn plaintext_len(value: &[u8], layers: Layers) -> Decoded<u64> {
    match whole(value).map(u64::from_be_bytes) {
        Some(len) if len <= layers.max_plaintext_len() => Ok(len),
        _ => Err(malformed("its plaintext length")),
    }
}

fn whole<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

pub(super) fn malformed(what: &'static str) -> EnvelopeError {
    EnvelopeError::Malformed(what)
}
