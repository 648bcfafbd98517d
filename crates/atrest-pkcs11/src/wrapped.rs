//! The bytes of a wrapped key, and what they are bound to.

use std::ffi::c_ulong;

use atrest::EncryptionContext;

pub(crate) const NONCE_LEN: usize = 12;
pub(crate) const TAG_LEN: usize = 16;
pub(crate) const TAG_BITS: c_ulong = 128;
pub(crate) const KEY_LEN: usize = 32;

const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"atrest-pkcs11 wrapped key 1";
const LEN: usize = 1 + NONCE_LEN + KEY_LEN + TAG_LEN;

/// Returns a wrapped key: a version of 1 byte, the nonce of 12, and the ciphertext with its tag of 48.
pub(crate) fn encode(nonce: &[u8; NONCE_LEN], sealed: &[u8]) -> Vec<u8> {
    [&[VERSION][..], nonce, sealed].concat()
}

/// Returns the nonce and the ciphertext with its tag; `None` if the length or the version is another one.
pub(crate) fn decode(wrapped: &[u8]) -> Option<([u8; NONCE_LEN], &[u8])> {
    let rest = wrapped.strip_prefix(&[VERSION]).filter(|_| wrapped.len() == LEN)?;
    let (nonce, sealed) = rest.split_first_chunk()?;
    Some((*nonce, sealed))
}

/// Returns the additional data of a wrap: the resolved id of the key and every pair of the context, each text behind
/// its length, so that no two contexts are alike.
pub(crate) fn bound_to(key_id: &str, context: &EncryptionContext) -> Vec<u8> {
    let mut bound = Vec::new();
    let mut put = |bytes: &[u8]| {
        bound.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        bound.extend_from_slice(bytes);
    };
    put(DOMAIN);
    put(key_id.as_bytes());
    for (name, value) in context.iter() {
        put(name.as_bytes());
        put(value.as_bytes());
    }
    bound
}
