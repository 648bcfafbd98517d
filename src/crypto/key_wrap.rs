//! AES-KWP: how key material of 32 bytes comes and goes under a key of 32 bytes.
//!
//! It authenticates with 64 bits and says the same about the same key twice; that is what RFC 5649 is. It is here for
//! import and export, whose other side speaks nothing else. What the library wraps for itself goes another way.

use aes_kw::{KeyInit, KwpAes256};
use zeroize::zeroize_stack;

use crate::error::{Error, Result};
use crate::secret::{KEY_LEN, Secret};

/// The length of wrapped key material in bytes: the material and one block of eight bytes, encrypted.
pub(crate) const WRAPPED_LEN: usize = KEY_LEN + 8;

/// More than `aes-kw` and `aes` put on the stack; most of it are key schedules, of up to 960 bytes each.
const STACK_LEN: usize = 8 * 1_024;

/// Wraps key material under a wrapping key.
///
/// Spec: RFC 5649 section 4.1; NIST SP 800-38F section 6.3, KWP-AE.
pub(crate) fn wrap(key: &[u8; KEY_LEN], material: &[u8; KEY_LEN]) -> [u8; WRAPPED_LEN] {
    let mut wrapped = [0; WRAPPED_LEN];
    wrap_any(key, material, &mut wrapped);
    zeroize_stack::<STACK_LEN>();
    wrapped
}

/// Unwraps key material of 32 bytes.
///
/// # Errors
///
/// [`Error::Inauthentic`]: it is not 40 bytes, was wrapped under another key or changed, or what was wrapped is shorter
/// than 32 bytes, or all zero.
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

/// Wraps material of any length; `wrapped` is exactly as long as that takes.
///
/// SECURITY: not inlined, so that what it leaves on the stack lies below its caller, who wipes it.
#[inline(never)]
pub(super) fn wrap_any(key: &[u8; KEY_LEN], material: &[u8], wrapped: &mut [u8]) {
    // Boxed: the expanded key is wiped where it stands.
    let cipher = Box::new(KwpAes256::new(key.into()));
    cipher.wrap_key(material, wrapped).expect("the caller made room for all of it");
}

/// Unwraps material of any length into `material`, which is 8 bytes shorter than `wrapped`, and gives how much it is.
///
/// SECURITY: not inlined, as above: `aes-kw` leaves the first 8 bytes of the material on the stack.
#[inline(never)]
pub(super) fn unwrap_any(key: &[u8; KEY_LEN], wrapped: &[u8], material: &mut [u8]) -> Option<usize> {
    let cipher = Box::new(KwpAes256::new(key.into()));
    cipher.unwrap_key(wrapped, material).ok().map(<[u8]>::len)
}
