//! The bytes of an envelope; one encoding of each, and nothing else is accepted.
//!
//! ```text
//! magic(8) version mode state suite flags(2) fields_len(2) wrap_salt(32) verifier(32) fields wrapped_key(48)
//! field    u16 type || u16 len || value, types strictly ascending
//! ```
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use super::{Content, Envelope, ModeId, SUITE, VERSION};
use crate::error::{EnvelopeError, Limit, Result};
use crate::geometry::{MAX_MULTIPART_PLAINTEXT_LEN, MAX_PARTS};
use crate::keys::{EncryptionContext, MAX_KEY_ID_LEN, WRAPPED_KEY_LEN, is_key_id};
use crate::stream::message::MessageHeader;

const MAGIC: [u8; 8] = *b"\x89ARST\r\n\x1a";
/// What comes before the salts and tells the envelope's length.
const PREFIX_LEN: usize = 16;
/// What comes before the fields.
const FIXED_LEN: usize = 80;
pub(super) const FIELD_HEAD_LEN: usize = 4;
const MAX_WRAPPED_KEK_LEN: usize = 6_144;
const MAX_INNER_LEN: usize = 60_000;

const BOUND: u16 = 1;
const BUCKET_KEY: u16 = 2;
const INNER_LAYER: u16 = 4;

const KEY_ID: u16 = 1;
const KEY_VERSION: u16 = 2;
const WRAPPED_KEK: u16 = 3;
const CONTEXT: u16 = 4;
const MESSAGE: u16 = 5;
const MULTIPART: u16 = 6;
const INNER: u16 = 7;
const PLAINTEXT_LEN: u16 = 8;
const PADDING: u16 = 9;
const FIELD_TYPES: usize = 10;

type Decoded<T> = std::result::Result<T, EnvelopeError>;

pub(super) fn encode_header(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_len(envelope));
    let (state, flags) = (state_number(&envelope.content), flags(envelope));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[VERSION, envelope.mode.number(), state, SUITE]);
    bytes.extend_from_slice(&flags.to_be_bytes());
    let fields_len = encoded_len(envelope).saturating_sub(FIXED_LEN).saturating_sub(WRAPPED_KEY_LEN);
    bytes.extend_from_slice(&be16(fields_len));
    bytes.extend_from_slice(&envelope.wrap_salt);
    bytes.extend_from_slice(&envelope.verifier);
    each_field(envelope, |field_type, value| {
        bytes.extend_from_slice(&field_type.to_be_bytes());
        bytes.extend_from_slice(&be16(value.iter().map(|piece| piece.len()).sum()));
        value.iter().for_each(|piece| bytes.extend_from_slice(piece));
    });
    bytes
}

pub(super) fn encoded_len(envelope: &Envelope) -> usize {
    let mut len = FIXED_LEN.saturating_add(WRAPPED_KEY_LEN);
    each_field(envelope, |_, value| {
        len = value.iter().fold(len.saturating_add(FIELD_HEAD_LEN), |len, piece| len.saturating_add(piece.len()));
    });
    len
}

/// Whether every length fits where it is written; what is decoded always does.
pub(super) fn check_len(envelope: &Envelope) -> Result<()> {
    let inner_fits = envelope.inner.as_deref().is_none_or(|inner| encoded_len(inner) <= MAX_INNER_LEN);
    let fields_len = encoded_len(envelope).saturating_sub(FIXED_LEN).saturating_sub(WRAPPED_KEY_LEN);
    if inner_fits && u16::try_from(fields_len).is_ok() { Ok(()) } else { Err(Limit::Envelope.into()) }
}

/// Every field that is there, in ascending order of type, its value in pieces.
fn each_field(envelope: &Envelope, mut field: impl FnMut(u16, &[&[u8]])) {
    if let Some(key_id) = &envelope.key_id {
        field(KEY_ID, &[key_id.as_bytes()]);
    }
    if let Some(version) = envelope.key_version {
        field(KEY_VERSION, &[&version.to_be_bytes()]);
    }
    if let Some(wrapped) = &envelope.wrapped_kek {
        field(WRAPPED_KEK, &[wrapped]);
    }
    if let Some(context) = &envelope.context {
        field(CONTEXT, &[&context.encode()]);
    }
    match &envelope.content {
        Content::Object(header) => field(MESSAGE, &[header.as_bytes()]),
        Content::Upload => {}
        Content::Multipart { parts, plaintext_len, manifest } => {
            field(MULTIPART, &[&parts.to_be_bytes(), &plaintext_len.to_be_bytes(), manifest.as_bytes()]);
        }
    }
    if let Some(inner) = &envelope.inner {
        field(INNER, &[&inner.encode()]);
    }
    if let Some(len) = envelope.plaintext_len {
        field(PLAINTEXT_LEN, &[&len.to_be_bytes()]);
    }
    if let Some(padding) = envelope.padding {
        field(PADDING, &[&vec![0; padding]]);
    }
}

/// The length of the envelope that these bytes begin, once they are known to begin one.
pub(super) fn len_of(bytes: &[u8]) -> Decoded<usize> {
    let prefix = Prefix::decode(bytes)?;
    prefix.check_flags(false)?;
    Ok(prefix.envelope_len())
}

pub(super) fn decode(bytes: &[u8]) -> Decoded<Envelope> {
    decode_layer(bytes, false)
}

/// The inner envelope of DSSE-KMS has its flag, and no other envelope has it.
fn decode_layer(bytes: &[u8], inner_layer: bool) -> Decoded<Envelope> {
    let prefix = Prefix::decode(bytes)?;
    prefix.check_flags(inner_layer)?;
    if bytes.len() != prefix.envelope_len() {
        return Err(malformed("its length is not the one it says"));
    }
    let mut reader = Reader(bytes.get(PREFIX_LEN..).unwrap_or_default());
    let (wrap_salt, verifier) = (reader.array()?, reader.array()?);
    let fields = Fields::decode(reader.bytes(prefix.fields_len)?)?;
    let wrapped_key = reader.array()?;

    fields.check_presence(prefix.mode, prefix.state)?;
    let key_id = fields.get(KEY_ID).map(key_id).transpose()?;
    let key_version = fields.get(KEY_VERSION).map(key_version).transpose()?;
    let wrapped_kek = fields.get(WRAPPED_KEK).map(wrapped_kek).transpose()?;
    let context = fields.get(CONTEXT).map(context).transpose()?;
    let content = match (fields.get(MESSAGE), fields.get(MULTIPART)) {
        (Some(header), _) => Content::Object(message(header)?),
        (None, Some(multipart)) => self::multipart(multipart)?,
        (None, None) => Content::Upload,
    };
    let inner = fields.get(INNER).map(inner).transpose()?;
    let plaintext_len =
        fields.get(PLAINTEXT_LEN).map(|value| plaintext_len(value, prefix.mode, inner_layer)).transpose()?;
    let padding = fields.get(PADDING).map(padding).transpose()?;
    let envelope = Envelope {
        mode: prefix.mode,
        bound: prefix.flags & BOUND != 0,
        bucket_key: prefix.flags & BUCKET_KEY != 0,
        inner_layer,
        wrap_salt,
        verifier,
        key_id,
        key_version,
        wrapped_kek,
        context,
        content,
        inner: inner.map(Box::new),
        plaintext_len,
        padding,
        wrapped_key,
    };
    if inner_layer && envelope.padding.is_some() {
        return Err(malformed("padding in the inner envelope"));
    }
    match envelope.inner.as_deref() {
        Some(inner) if !agree(&envelope, inner) => Err(malformed("its two layers say different things")),
        _ => Ok(envelope),
    }
}

/// What both layers of DSSE-KMS say of the object.
fn agree(outer: &Envelope, inner: &Envelope) -> bool {
    let content = match (&outer.content, &inner.content) {
        (Content::Object(_), Content::Object(_)) | (Content::Upload, Content::Upload) => true,
        (
            Content::Multipart { parts, plaintext_len, .. },
            Content::Multipart { parts: inner_parts, plaintext_len: inner_len, .. },
        ) => parts == inner_parts && plaintext_len == inner_len,
        _ => false,
    };
    content && outer.bound == inner.bound && outer.plaintext_len == inner.plaintext_len
}

/// The first 16 bytes, believed before anything else is.
struct Prefix {
    mode: ModeId,
    state: u8,
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
        if !(1..=3).contains(&state) {
            return Err(EnvelopeError::UnknownState(state));
        }
        if suite != SUITE {
            return Err(EnvelopeError::UnknownSuite(suite));
        }
        let flags = u16::from_be_bytes([f0, f1]);
        if flags & !(BOUND | BUCKET_KEY | INNER_LAYER) != 0 {
            return Err(EnvelopeError::UnknownFlag(flags));
        }
        Ok(Self { mode, state, flags, fields_len: usize::from(u16::from_be_bytes([l0, l1])) })
    }

    fn check_flags(&self, inner_layer: bool) -> Decoded<()> {
        let has = |flag| self.flags & flag != 0;
        let only_in_sse_kms = !(has(BUCKET_KEY) || has(INNER_LAYER)) || self.mode == ModeId::SseKms;
        let together = has(BUCKET_KEY) && (has(INNER_LAYER) || !has(BOUND));
        if only_in_sse_kms && !together && has(INNER_LAYER) == inner_layer {
            Ok(())
        } else {
            Err(malformed("flags that do not belong there"))
        }
    }

    fn envelope_len(&self) -> usize {
        FIXED_LEN.saturating_add(self.fields_len).saturating_add(WRAPPED_KEY_LEN)
    }
}

/// The values of the fields by type; bounds, order and types were checked.
struct Fields<'a>([Option<&'a [u8]>; FIELD_TYPES]);

impl<'a> Fields<'a> {
    fn decode(bytes: &'a [u8]) -> Decoded<Self> {
        let mut fields = Self([None; FIELD_TYPES]);
        let mut reader = Reader(bytes);
        let (mut last, mut unknown) = (None, None);
        while !reader.0.is_empty() {
            let field_type = u16::from_be_bytes(reader.array()?);
            let len = u16::from_be_bytes(reader.array()?);
            let value = reader.bytes(usize::from(len))?;
            if last.is_some_and(|last| last >= field_type) {
                return Err(malformed("its fields are not in order"));
            }
            last = Some(field_type);
            match fields.0.get_mut(usize::from(field_type)).filter(|_| field_type > 0) {
                Some(field) => *field = Some(value),
                None => unknown = unknown.or(Some(field_type)),
            }
        }
        // Only once all of them are in bounds and in order.
        unknown.map_or(Ok(fields), |field_type| Err(EnvelopeError::UnknownField(field_type)))
    }

    fn get(&self, field_type: u16) -> Option<&'a [u8]> {
        self.0.get(usize::from(field_type)).copied().flatten()
    }

    fn check_presence(&self, mode: ModeId, state: u8) -> Decoded<()> {
        use ModeId::{DsseKms, SseC, SseKms, SseS3};

        let keyring = matches!(mode, SseS3 | DsseKms);
        let object = state == 1;
        let always_or_never = [
            (KEY_ID, mode != SseC),
            (KEY_VERSION, keyring),
            (WRAPPED_KEK, mode == SseKms),
            (MESSAGE, object),
            (MULTIPART, state == 3),
            (INNER, mode == DsseKms),
        ];
        let only_in = [(CONTEXT, mode == SseKms), (PLAINTEXT_LEN, object)];
        let there = |field_type| self.get(field_type).is_some();
        let right = always_or_never.iter().all(|(field_type, always)| there(*field_type) == *always)
            && only_in.iter().all(|(field_type, allowed)| *allowed || !there(*field_type));
        if right { Ok(()) } else { Err(malformed("a field is missing, or does not belong there")) }
    }
}

fn key_id(value: &[u8]) -> Decoded<String> {
    // Before anything is allocated for it.
    if value.len() > MAX_KEY_ID_LEN {
        return Err(malformed("its key id"));
    }
    match std::str::from_utf8(value) {
        Ok(key_id) if is_key_id(key_id) => Ok(key_id.to_owned()),
        _ => Err(malformed("its key id")),
    }
}

fn key_version(value: &[u8]) -> Decoded<u32> {
    match whole(value).map(u32::from_be_bytes) {
        Some(version) if version > 0 => Ok(version),
        _ => Err(malformed("its key version")),
    }
}

fn wrapped_kek(value: &[u8]) -> Decoded<Vec<u8>> {
    if (1..=MAX_WRAPPED_KEK_LEN).contains(&value.len()) {
        Ok(value.to_vec())
    } else {
        Err(malformed("the length of its wrapped key-encryption key"))
    }
}

fn context(value: &[u8]) -> Decoded<EncryptionContext> {
    EncryptionContext::decode(value).ok_or(malformed("its encryption context"))
}

fn message(value: &[u8]) -> Decoded<MessageHeader> {
    whole(value).map(MessageHeader::from_bytes).ok_or(malformed("the length of its message header"))
}

fn multipart(value: &[u8]) -> Decoded<Content> {
    let mut reader = Reader(value);
    let parts = u32::from_be_bytes(reader.array()?);
    let plaintext_len = u64::from_be_bytes(reader.array()?);
    let manifest = message(reader.0)?;
    let parts_bound = u32::try_from(MAX_PARTS).unwrap_or(u32::MAX);
    if !(1..=parts_bound).contains(&parts) || plaintext_len > MAX_MULTIPART_PLAINTEXT_LEN {
        return Err(malformed("its parts or their total are out of bounds"));
    }
    Ok(Content::Multipart { parts, plaintext_len, manifest })
}

/// Whatever is wrong inside the inner envelope, this one is malformed.
fn inner(value: &[u8]) -> Decoded<Envelope> {
    if value.len() > MAX_INNER_LEN {
        return Err(malformed("the length of its inner envelope"));
    }
    decode_layer(value, true).map_err(|_| malformed("its inner envelope"))
}

fn plaintext_len(value: &[u8], mode: ModeId, inner_layer: bool) -> Decoded<u64> {
    let layers = if inner_layer { ModeId::DsseKms.layers() } else { mode.layers() };
    match whole(value).map(u64::from_be_bytes) {
        Some(len) if len <= layers.max_plaintext_len() => Ok(len),
        _ => Err(malformed("its plaintext length")),
    }
}

fn padding(value: &[u8]) -> Decoded<usize> {
    if value.iter().all(|byte| *byte == 0) { Ok(value.len()) } else { Err(malformed("its padding is not zero")) }
}

fn whole<const N: usize>(value: &[u8]) -> Option<[u8; N]> {
    value.try_into().ok()
}

fn state_number(content: &Content) -> u8 {
    match content {
        Content::Object(_) => 1,
        Content::Upload => 2,
        Content::Multipart { .. } => 3,
    }
}

fn flags(envelope: &Envelope) -> u16 {
    [(envelope.bound, BOUND), (envelope.bucket_key, BUCKET_KEY), (envelope.inner_layer, INNER_LAYER)]
        .iter()
        .fold(0, |flags, (set, flag)| if *set { flags | flag } else { flags })
}

/// Lengths are held to what a u16 counts before an envelope is encoded: `check_len`, and every field's own bound.
fn be16(len: usize) -> [u8; 2] {
    u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes()
}

fn malformed(what: &'static str) -> EnvelopeError {
    EnvelopeError::Malformed(what)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Decoded<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(malformed("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(malformed("it ends too early"))?;
        self.0 = rest;
        Ok(*bytes)
    }
}
