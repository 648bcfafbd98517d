//! The notation of the format: Extract, Expand, LP, and AES-256-GCM, over `ring`.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use crate::Error;

/// What every label of this library begins with.
pub const D: &str = "atrest/v1/";

/// A label of this library: `D`, the name, and the zero byte that ends it.
pub fn label(name: &str) -> Vec<u8> {
    format!("{D}{name}\0").into_bytes()
}

/// `Extract(salt, ikm) = HMAC-SHA-512(key = salt, message = ikm)`.
pub fn extract(salt: &[u8], ikm: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA512, salt);
    hmac::sign(&key, ikm).as_ref().to_vec()
}

/// `Expand(prk, info, n)`: HKDF-Expand with SHA-512 (RFC 5869, section 2.3), over a PRK of any length.
pub fn expand(prk: &[u8], info: &[u8], n: usize) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA512, prk);
    let mut out = Vec::new();
    let mut previous = Vec::new();
    let mut counter = 1_u8;
    while out.len() < n {
        let input = [&previous[..], info, &[counter]].concat();
        previous = hmac::sign(&key, &input).as_ref().to_vec();
        out.extend_from_slice(&previous);
        counter += 1;
    }
    out.truncate(n);
    out
}

/// `LP(x) = u16(len x) || x`.
///
/// # Panics
/// When `x` is longer than 65,535 bytes.
pub fn lp(x: &[u8]) -> Vec<u8> {
    let len = u16::try_from(x.len()).expect("a length-prefixed value of at most 65,535 bytes");
    [&len.to_be_bytes()[..], x].concat()
}

/// AES-256-GCM without associated data: ciphertext and tag.
///
/// # Panics
/// When the key is not of 32 bytes or the nonce not of 12.
pub fn gcm_seal(key: &[u8], nonce: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = plaintext.to_vec();
    aead(key)
        .seal_in_place_append_tag(aead_nonce(nonce), Aad::empty(), &mut sealed)
        .expect("a plaintext of a length that GCM takes");
    sealed
}

/// The inverse of [`gcm_seal`]; a tag that does not match is Inauthentic.
///
/// # Panics
/// When the key is not of 32 bytes or the nonce not of 12.
pub fn gcm_open(key: &[u8], nonce: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let mut opened = sealed.to_vec();
    let len =
        aead(key).open_in_place(aead_nonce(nonce), Aad::empty(), &mut opened).map_err(|_| Error::Inauthentic)?.len();
    opened.truncate(len);
    Ok(opened)
}

fn aead(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of 32 bytes"))
}

fn aead_nonce(nonce: &[u8]) -> Nonce {
    Nonce::try_assume_unique_for_key(nonce).expect("a nonce of 12 bytes")
}
