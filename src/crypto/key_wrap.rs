//! AES-KWP (RFC 5649) of 32-byte key material: [`wrap`] and [`unwrap`].
//!
//! AES-KWP authenticates with 64 bits and is deterministic: it wraps the same key to the same bytes. It serves import
//! and export only, because other KMSs support nothing else. The library wraps its own keys with AES-256-GCM.

use aes::Aes256;
use aes_kw::{AesKwp, KeyInit};
use zeroize::zeroize_stack;

use crate::error::{Error, Result};
use crate::secret::{KEY_LEN, Secret};

/// The length of wrapped key material in bytes: the material and one block of eight bytes.
pub(crate) const WRAPPED_LEN: usize = KEY_LEN + 8;

/// An upper bound on the stack use of `aes-kw` and `aes`, in bytes. Most of it is key schedules of up to 960 bytes
/// each.
const STACK_LEN: usize = 8 * 1_024;

/// Wraps 32 bytes of key material under a wrapping key.
///
/// Spec: RFC 5649 section 4.1; NIST SP 800-38F section 6.3, KWP-AE.
pub(crate) fn wrap(key: &[u8; KEY_LEN], material: &[u8; KEY_LEN]) -> [u8; WRAPPED_LEN] {
    let mut wrapped = [0; WRAPPED_LEN];
    wrap_any(key, material, &mut wrapped);
    zeroize_stack::<STACK_LEN>();
    wrapped
}

/// Unwraps 32 bytes of key material.
///
/// # Errors
///
/// Returns [`Error::Inauthentic`] if `wrapped` is not 40 bytes, was changed, or was wrapped under another key; or if
/// the unwrapped material is shorter than 32 bytes or all zero.
///
/// Spec: RFC 5649 section 4.2; NIST SP 800-38F section 6.3, KWP-AD.
pub(crate) fn unwrap(key: &[u8; KEY_LEN], wrapped: &[u8]) -> Result<Secret> {
    if wrapped.len() != WRAPPED_LEN {
        return Err(Error::Inauthentic);
    }
    let fill = |material: &mut [u8; KEY_LEN]| match unwrap_any(key, wrapped, material) {
        Some(KEY_LEN) => Ok(()),
        _ => Err(Error::Inauthentic),
    };
    let unwrapped = Secret::filled_by(fill, || Error::Inauthentic);
    zeroize_stack::<STACK_LEN>();
    unwrapped
}

/// Wraps material of any length. On entry `wrapped` has exactly the length of the result.
///
/// SECURITY: not inlined, so that its stack frame lies below that of the caller, which wipes it.
#[inline(never)]
pub(super) fn wrap_any(key: &[u8; KEY_LEN], material: &[u8], wrapped: &mut [u8]) {
    // The box lets the cipher wipe its expanded key in place.
    let cipher = Box::new(AesKwp::<Aes256>::new(key.into()));
    cipher.wrap_key(material, wrapped).expect("the caller made room for all of it");
}

/// Unwraps material of any length into `material` and returns its length. On entry `material` is 8 bytes shorter than
/// `wrapped`.
///
/// SECURITY: not inlined, for the same reason as `wrap_any`: `aes-kw` leaves the first 8 bytes of the material on the
/// stack.
#[inline(never)]
pub(super) fn unwrap_any(key: &[u8; KEY_LEN], wrapped: &[u8], material: &mut [u8]) -> Option<usize> {
    let cipher = Box::new(AesKwp::<Aes256>::new(key.into()));
    cipher.unwrap_key(wrapped, material).ok().map(<[u8]>::len)
}
