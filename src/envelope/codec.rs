//! Encodes and decodes an [`Envelope`]. Each envelope has exactly one encoding; decoding refuses all other bytes.
//!
//! ```text
//! magic(8) version mode state suite flags(2) fields_len(2) wrap_salt(32) verifier(32) fields wrapped_key(48)
//! field    u16 type || u16 len || value, types strictly ascending
//! ```
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::fields::{
    CONTEXT, Decoded, Fields, INNER, KEY_ID, KEY_VERSION, MESSAGE, MULTIPART, PADDING, PLAINTEXT_LEN, WRAPPED_KEK,
    context, key_id, key_version, malformed, message, multipart, plaintext_len, wrapped_kek,
};
use super::header::{SUITE, VERSION};
use super::{Content, Envelope, EnvelopeState, Header, KekScope, KeyRef, ModeId};
use crate::codec::ByteReader;
use crate::error::{EnvelopeError, Limit, Result};
use crate::geometry::Layers;
use crate::keys::{EncryptionContext, VERIFIER_LEN, WRAP_SALT_LEN, WRAPPED_KEY_LEN};

const MAGIC: [u8; 8] = *b"\x89ARST\r\n\x1a";
/// The number of bytes before the salt. They contain the envelope's length.
const PREFIX_LEN: usize = 16;
/// The number of bytes before the fields.
const START_LEN: usize = PREFIX_LEN + WRAP_SALT_LEN + VERIFIER_LEN;
/// The number of bytes of an envelope without its fields.
const FIXED_LEN: usize = START_LEN + WRAPPED_KEY_LEN;
const FIELD_HEAD_LEN: usize = 4;
const MAX_INNER_LEN: usize = 60_000;

const BOUND: u16 = 1;
const BUCKET_KEY: u16 = 2;
const INNER_LAYER: u16 = 4;

const STATES: [EnvelopeState; 3] = [EnvelopeState::Object, EnvelopeState::Upload, EnvelopeState::Multipart];

/// Encodes all bytes before the wrapped key, with capacity for the wrapped key.
///
/// # Errors
///
/// - [`Limit::EnvelopeLen`] if the envelope does not fit its fixed length.
/// - [`Limit::Envelope`] if a length does not fit its place in the format.
pub(super) fn encode_header(
    header: &Header,
    wrap_salt: &[u8; WRAP_SALT_LEN],
    verifier: &[u8; VERIFIER_LEN],
) -> Result<Vec<u8>> {
    let context = header.key.context().map(EncryptionContext::encode);
    let mut len = FIXED_LEN;
    each_field(header, context.as_deref(), |_, value| {
        len = len.saturating_add(FIELD_HEAD_LEN).saturating_add(value_len(value));
    });
    let padding = match header.fixed_len {
        Some(fixed_len) => {
            let unpadded_len = len.saturating_add(FIELD_HEAD_LEN);
            len = fixed_len;
            Some(fixed_len.checked_sub(unpadded_len).ok_or(Limit::EnvelopeLen(fixed_len))?)
        }
        None => None,
    };
    let is_inner_layer = header.key.scope() == Some(KekScope::InnerLayer);
    let fields_len = u16::try_from(len.saturating_sub(FIXED_LEN)).ok();
    let fields_len = fields_len.filter(|_| !is_inner_layer || len <= MAX_INNER_LEN).ok_or(Limit::Envelope)?;

    let mut bytes = Vec::with_capacity(len);
    bytes.put_slice(&MAGIC);
    bytes.put_slice(&[VERSION, header.mode().number(), header.content.state() as u8, SUITE]);
    bytes.put_u16(flags(header));
    bytes.put_u16(fields_len);
    bytes.put_slice(wrap_salt);
    bytes.put_slice(verifier);
    each_field(header, context.as_deref(), |field_type, value| {
        put_field_head(&mut bytes, field_type, value_len(value));
        value.iter().for_each(|piece| bytes.put_slice(piece));
    });
    if let Some(padding) = padding {
        put_field_head(&mut bytes, PADDING, padding);
        bytes.put_bytes(0, padding);
    }
    Ok(bytes)
}

/// Calls `field` for every field but the padding, in ascending order of type, with its value in pieces.
fn each_field(header: &Header, context: Option<&[u8]>, mut field: impl FnMut(u16, &[&[u8]])) {
    match &header.key {
        KeyRef::Keyring { id, version } => {
            field(KEY_ID, &[id.as_bytes()]);
            field(KEY_VERSION, &[&version.to_be_bytes()]);
        }
        KeyRef::Kms { id, wrapped_kek, .. } => {
            field(KEY_ID, &[id.as_bytes()]);
            field(WRAPPED_KEK, &[wrapped_kek.as_bytes()]);
        }
        KeyRef::Customer => {}
    }
    if let Some(context) = context {
        field(CONTEXT, &[context]);
    }
    match &header.content {
        Content::Object { message, .. } => field(MESSAGE, &[message.as_bytes()]),
        Content::Upload => {}
        Content::Multipart { parts, plaintext_len, manifest } => {
            field(MULTIPART, &[&parts.to_be_bytes(), &plaintext_len.to_be_bytes(), manifest.as_bytes()]);
        }
    }
    if let Some(inner) = &header.inner {
        field(INNER, &[inner.as_bytes()]);
    }
    if let Content::Object { plaintext_len: Some(len), .. } = header.content {
        field(PLAINTEXT_LEN, &[&len.to_be_bytes()]);
    }
}

fn value_len(value: &[&[u8]]) -> usize {
    value.iter().fold(0, |len, piece| len.saturating_add(piece.len()))
}

/// Writes type and length. All fields together fit a `u16`, so each field does.
fn put_field_head(bytes: &mut Vec<u8>, field_type: u16, len: usize) {
    bytes.put_u16(field_type);
    bytes.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
}

fn flags(header: &Header) -> u16 {
    let scope = match header.key.scope() {
        None | Some(KekScope::Object) => 0,
        Some(KekScope::Bucket) => BUCKET_KEY,
        Some(KekScope::InnerLayer) => INNER_LAYER,
    };
    if header.is_bound { scope | BOUND } else { scope }
}

/// Returns the length of the envelope that these bytes begin with.
pub(super) fn len_of(bytes: &[u8]) -> Decoded<usize> {
    let prefix = Prefix::decode(bytes)?;
    prefix.check_flags(false)?;
    Ok(prefix.envelope_len())
}

pub(super) fn decode(bytes: &[u8]) -> Decoded<Envelope> {
    let prefix = Prefix::decode_whole(bytes, false)?;
    decode_layer(prefix, Bytes::copy_from_slice(bytes))
}

/// Returns the salt and the verifier of an envelope that was decoded or made.
pub(super) fn salt_and_verifier(bytes: &[u8]) -> (&[u8; WRAP_SALT_LEN], &[u8; VERIFIER_LEN]) {
    let salt = bytes.get(PREFIX_LEN..).and_then(<[u8]>::split_first_chunk);
    let both = salt.and_then(|(salt, rest)| Some((salt, rest.first_chunk()?)));
    both.expect("an envelope has its fixed bytes")
}

fn decode_layer(prefix: Prefix, bytes: Bytes) -> Decoded<Envelope> {
    let mut reader = ByteReader::new(&bytes, malformed);
    reader.bytes(START_LEN)?;
    let mut fields = Fields::decode(reader.bytes(prefix.fields_len)?)?;
    let key = prefix.key(&mut fields)?;
    let content = prefix.content(&mut fields)?;
    let inner = match prefix.mode {
        ModeId::DsseKms => Some(Arc::new(inner(&bytes, fields.required(INNER)?)?)),
        ModeId::SseS3 | ModeId::SseKms | ModeId::SseC => None,
    };
    let is_bound = prefix.flags & BOUND != 0;
    if inner.as_deref().is_some_and(|inner| inner.is_bound() != is_bound || !agree(&content, &inner.header.content)) {
        return Err(malformed("its two layers say different things"));
    }
    let padding = if prefix.is_inner_layer() { None } else { fields.take(PADDING) };
    if padding.is_some_and(|padding| padding.iter().any(|byte| *byte != 0)) {
        return Err(malformed("its padding is not zero"));
    }
    fields.finish()?;
    let header = Header { key, is_bound, content, inner, fixed_len: padding.map(|_| bytes.len()) };
    debug_assert!(is_the_encoding_of(&header, &bytes), "every envelope has one encoding");
    Ok(Envelope { header, bytes })
}

/// Returns whether `header` encodes to these bytes, up to the wrapped key.
fn is_the_encoding_of(header: &Header, bytes: &[u8]) -> bool {
    let (wrap_salt, verifier) = salt_and_verifier(bytes);
    let encoded = encode_header(header, wrap_salt, verifier);
    encoded.is_ok_and(|encoded| bytes.strip_prefix(&*encoded).is_some_and(|rest| rest.len() == WRAPPED_KEY_LEN))
}

/// Decodes the value of the field that holds the inner envelope, whose bytes are a part of `outer`. Every error says
/// that the outer envelope is malformed.
fn inner(outer: &Bytes, value: &[u8]) -> Decoded<Envelope> {
    if value.len() > MAX_INNER_LEN {
        return Err(malformed("the length of its inner envelope"));
    }
    let inner = Prefix::decode_whole(value, true).and_then(|prefix| decode_layer(prefix, outer.slice_ref(value)));
    inner.map_err(|_| malformed("its inner envelope"))
}

/// Returns whether both layers of DSSE-KMS describe the same object.
fn agree(outer: &Content, inner: &Content) -> bool {
    match (outer, inner) {
        (Content::Object { plaintext_len: outer, .. }, Content::Object { plaintext_len: inner, .. }) => outer == inner,
        (Content::Upload, Content::Upload) => true,
        (
            Content::Multipart { parts, plaintext_len, .. },
            Content::Multipart { parts: inner_parts, plaintext_len: inner_len, .. },
        ) => parts == inner_parts && plaintext_len == inner_len,
        _ => false,
    }
}

/// The first 16 bytes, which are checked before anything else is read.
struct Prefix {
    mode: ModeId,
    state: EnvelopeState,
    flags: u16,
    fields_len: usize,
}

impl Prefix {
    fn decode(bytes: &[u8]) -> Decoded<Self> {
        let prefix: &[u8; PREFIX_LEN] = bytes.first_chunk().ok_or(EnvelopeError::NotAnEnvelope)?;
        let [magic @ .., version, mode, state, suite, f0, f1, l0, l1] = *prefix;
        if magic != MAGIC {
            return Err(EnvelopeError::NotAnEnvelope);
        }
        if version != VERSION {
            return Err(EnvelopeError::UnsupportedVersion(version));
        }
        let known = ModeId::ALL.into_iter().find(|known| known.number() == mode);
        let mode = known.ok_or(EnvelopeError::UnknownMode(mode))?;
        let known = STATES.into_iter().find(|known| *known as u8 == state);
        let state = known.ok_or(EnvelopeError::UnknownState(state))?;
        if suite != SUITE {
            return Err(EnvelopeError::UnknownSuite(suite));
        }
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & !(BOUND | BUCKET_KEY | INNER_LAYER) != 0 {
            return Err(EnvelopeError::UnknownFlag(flags));
        }
        Ok(Self { mode, state, flags, fields_len: usize::from(u16::from_be_bytes([l0, l1])) })
    }

    /// Decodes the prefix of bytes that are an envelope of the right length.
    fn decode_whole(bytes: &[u8], is_inner_layer: bool) -> Decoded<Self> {
        let prefix = Self::decode(bytes)?;
        prefix.check_flags(is_inner_layer)?;
        if bytes.len() == prefix.envelope_len() {
            Ok(prefix)
        } else {
            Err(malformed("its length is not the one it says"))
        }
    }

    /// Checks that the inner envelope of DSSE-KMS, and no other envelope, has its flag.
    fn check_flags(&self, is_inner_layer: bool) -> Decoded<()> {
        let has = |flag| self.flags & flag != 0;
        let only_in_sse_kms = !(has(BUCKET_KEY) || has(INNER_LAYER)) || self.mode == ModeId::SseKms;
        let together = has(BUCKET_KEY) && (has(INNER_LAYER) || !has(BOUND));
        if only_in_sse_kms && !together && has(INNER_LAYER) == is_inner_layer {
            Ok(())
        } else {
            Err(malformed("flags that do not belong there"))
        }
    }

    fn is_inner_layer(&self) -> bool {
        self.flags & INNER_LAYER != 0
    }

    fn envelope_len(&self) -> usize {
        FIXED_LEN.saturating_add(self.fields_len)
    }

    /// Takes the fields that name the key.
    fn key(&self, fields: &mut Fields<'_>) -> Decoded<KeyRef> {
        match self.mode {
            ModeId::SseS3 | ModeId::DsseKms => Ok(KeyRef::Keyring {
                id: key_id(fields.required(KEY_ID)?)?,
                version: key_version(fields.required(KEY_VERSION)?)?,
            }),
            ModeId::SseKms => Ok(KeyRef::Kms {
                id: key_id(fields.required(KEY_ID)?)?,
                wrapped_kek: wrapped_kek(fields.required(WRAPPED_KEK)?)?,
                context: Arc::new(fields.take(CONTEXT).map(context).transpose()?.unwrap_or_default()),
                scope: match self.flags & (BUCKET_KEY | INNER_LAYER) {
                    BUCKET_KEY => KekScope::Bucket,
                    INNER_LAYER => KekScope::InnerLayer,
                    _ => KekScope::Object,
                },
            }),
            ModeId::SseC => Ok(KeyRef::Customer),
        }
    }

    /// Takes the fields of the state.
    fn content(&self, fields: &mut Fields<'_>) -> Decoded<Content> {
        match self.state {
            EnvelopeState::Object => {
                let layers = if self.is_inner_layer() { Layers::Two } else { self.mode.layers() };
                let plaintext_len = fields.take(PLAINTEXT_LEN).map(|value| plaintext_len(value, layers)).transpose()?;
                Ok(Content::Object { message: message(fields.required(MESSAGE)?)?, plaintext_len })
            }
            EnvelopeState::Upload => Ok(Content::Upload),
            EnvelopeState::Multipart => multipart(fields.required(MULTIPART)?),
        }
    }
}
