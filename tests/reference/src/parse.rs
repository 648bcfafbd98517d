//! The parser of envelopes: every check, in the order that determines the error.

use std::collections::BTreeMap;

use crate::envelope::{
    BOUND, BUCKET_KEY, DSSE_KMS, Envelope, INNER, MAGIC, MULTIPART, OBJECT, SSE_C, SSE_KMS, SSE_S3, field,
};
use crate::message::max_plaintext;
use crate::{Error, pairs, take, take_u16, take_u64};

/// An envelope of an object, an upload or a multipart object.
pub fn decode(bytes: &[u8]) -> Result<Envelope, Error> {
    decode_layer(bytes, false)
}

/// The envelope in field 7: whatever fails is Malformed.
pub fn decode_inner(bytes: &[u8]) -> Result<Envelope, Error> {
    decode_layer(bytes, true).map_err(|_| Error::Malformed)
}

/// Step 1 alone: what the first 16 bytes tell. Returns the length of the whole envelope.
pub fn check_first_16(bytes: &[u8]) -> Result<usize, Error> {
    if bytes.len() < 16 || bytes[..8] != MAGIC {
        return Err(Error::NotAnEnvelope);
    }
    let (version, mode, state, suite) = (bytes[8], bytes[9], bytes[10], bytes[11]);
    if version != 1 {
        return Err(Error::UnsupportedVersion);
    }
    if !(1..=4).contains(&mode) {
        return Err(Error::UnknownMode);
    }
    if !(1..=3).contains(&state) {
        return Err(Error::UnknownState);
    }
    if suite != 1 {
        return Err(Error::UnknownSuite);
    }
    let flags = u16::from_be_bytes([bytes[12], bytes[13]]);
    if flags > 0b111 {
        return Err(Error::UnknownFlag);
    }
    let fields_len = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
    Ok(80 + fields_len + 48)
}

fn decode_layer(bytes: &[u8], as_inner: bool) -> Result<Envelope, Error> {
    // Step 1.
    let len = check_first_16(bytes)?;
    let (mode, state) = (bytes[9], bytes[10]);
    let flags = u16::from_be_bytes([bytes[12], bytes[13]]);

    // Step 2.
    let bucket_key = flags & BUCKET_KEY != 0;
    let inner = flags & INNER != 0;
    let wrong_flags = ((bucket_key || inner) && mode != SSE_KMS)
        || (bucket_key && inner)
        || (bucket_key && flags & BOUND == 0)
        || inner != as_inner;
    if wrong_flags || bytes.len() != len {
        return Err(Error::Malformed);
    }

    // Step 3.
    let fields = split_fields(&bytes[80..len - 48])?;
    if fields.keys().any(|kind| !(1..=9).contains(kind)) {
        return Err(Error::UnknownField);
    }
    let envelope = Envelope {
        mode,
        state,
        flags,
        wrap_salt: bytes[16..48].try_into().expect("32 bytes"),
        verifier: bytes[48..80].try_into().expect("32 bytes"),
        fields,
        wrapped_key: bytes[len - 48..].try_into().expect("48 bytes"),
    };
    let well_formed =
        presence(&envelope) && envelope.fields.iter().all(|(kind, value)| value_is_good(&envelope, *kind, value));
    match well_formed {
        true => Ok(envelope),
        false => Err(Error::Malformed),
    }
}

/// Bounds and order of all fields, whatever their types.
fn split_fields(mut bytes: &[u8]) -> Result<BTreeMap<u16, Vec<u8>>, Error> {
    let mut fields = BTreeMap::new();
    let mut last = None;
    while !bytes.is_empty() {
        let kind = take_u16(&mut bytes).ok_or(Error::Malformed)?;
        let len = take_u16(&mut bytes).ok_or(Error::Malformed)?;
        let value = take(&mut bytes, usize::from(len)).ok_or(Error::Malformed)?;
        if last.is_some_and(|last| last >= kind) {
            return Err(Error::Malformed);
        }
        last = Some(kind);
        fields.insert(kind, value.to_vec());
    }
    Ok(fields)
}

/// The table's column "present".
fn presence(envelope: &Envelope) -> bool {
    let Envelope { mode, state, flags, .. } = *envelope;
    (1..=9).all(|kind| {
        let present = envelope.fields.contains_key(&kind);
        match kind {
            field::KEY_ID => present == (mode != SSE_C),
            field::KEY_VERSION => present == (mode == SSE_S3 || mode == DSSE_KMS),
            field::WRAPPED_KEK => present == (mode == SSE_KMS),
            field::CONTEXT => !present || mode == SSE_KMS,
            field::MESSAGE_HEADER => present == (state == OBJECT),
            field::MANIFEST => present == (state == MULTIPART),
            field::INNER_ENVELOPE => present == (mode == DSSE_KMS),
            field::PLAINTEXT_LEN => !present || state == OBJECT,
            _ => !present || flags & INNER == 0,
        }
    })
}

fn value_is_good(envelope: &Envelope, kind: u16, value: &[u8]) -> bool {
    match kind {
        field::KEY_ID => is_key_id(value),
        field::KEY_VERSION => value.len() == 4 && envelope.key_version() != Some(0),
        field::WRAPPED_KEK => (1..=6_144).contains(&value.len()),
        field::CONTEXT => value.len() <= 8_192 && pairs::decode(value).is_some(),
        field::MESSAGE_HEADER => value.len() == 56,
        field::MANIFEST => {
            let bounds = |(parts, total, _)| (1..=65_536).contains(&parts) && total <= 1_u64 << 56;
            value.len() == 68 && envelope.manifest().is_some_and(bounds)
        }
        field::INNER_ENVELOPE => value.len() <= 60_000 && inner_is_good(envelope, value),
        field::PLAINTEXT_LEN => {
            let two_layers = envelope.mode == DSSE_KMS || envelope.flags & INNER != 0;
            let most = max_plaintext(if two_layers { 2 } else { 1 });
            value.len() == 8 && take_u64(&mut &value[..]).is_some_and(|len| len <= most)
        }
        _ => value.iter().all(|byte| *byte == 0),
    }
}

/// UTF-8 without a code point of category Cc, 1 to 2,048 bytes.
pub fn is_key_id(value: &[u8]) -> bool {
    let is_cc = |c: char| matches!(u32::from(c), 0..=0x1F | 0x7F..=0x9F);
    (1..=2_048).contains(&value.len()) && str::from_utf8(value).is_ok_and(|text| !text.chars().any(is_cc))
}

/// Field 7: same version and suite (both have but one), state and binding; the same parts and total, the
/// same known length or none.
fn inner_is_good(outer: &Envelope, value: &[u8]) -> bool {
    let Ok(inner) = decode_inner(value) else {
        return false;
    };
    let counts = |e: &Envelope| e.manifest().map(|(parts, total, _)| (parts, total));
    inner.state == outer.state
        && inner.is_bound() == outer.is_bound()
        && counts(&inner) == counts(outer)
        && inner.fields.get(&field::PLAINTEXT_LEN) == outer.fields.get(&field::PLAINTEXT_LEN)
}
