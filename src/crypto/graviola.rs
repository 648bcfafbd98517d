//! `AeadKey` and `Hmac` on Graviola.
//!
//! Graviola panics on a processor that it does not support, so callers check [`is_cpu_supported`] first.

use graviola::aead::AesGcm;
use graviola::hashing::{Sha512, hmac};
use zeroize::{Zeroize, zeroize_stack};

use super::NONCE_LEN;
use super::aead::Cipher;
use crate::secret::Wiped;

/// An upper bound on the stack use of one HMAC, in bytes: two hash states of 216 bytes, moved twice, and the message
/// schedules of the compression.
const STACK_LEN: usize = 4 * 1_024;

/// Returns whether this processor has the instructions that Graviola is written in. Valgrind's processor does not.
pub(super) fn is_cpu_supported() -> bool {
    graviola::util::is_cpu_supported()
}

/// An expanded AES-256-GCM key. It is boxed because it takes up to 800 bytes; Graviola wipes it in place.
pub(super) struct AeadKey(Box<AesGcm>);

impl AeadKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(AesGcm::new(key)))
    }
}

// Graviola works in place only, so `seal` and `open` copy first.
impl Cipher for AeadKey {
    fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8]) {
        ciphertext.copy_from_slice(plaintext);
        self.0.encrypt(nonce, &[], ciphertext, tag.try_into().expect("a tag is 16 bytes"));
    }

    fn open(&self, nonce: &[u8; NONCE_LEN], ciphertext: &[u8], tag: &[u8], plaintext: &mut [u8]) -> bool {
        plaintext.copy_from_slice(ciphertext);
        self.open_in_place(nonce, plaintext, tag)
    }

    fn open_in_place(&self, nonce: &[u8; NONCE_LEN], buffer: &mut [u8], tag: &[u8]) -> bool {
        self.0.decrypt(nonce, &[], buffer, tag).is_ok()
    }
}

/// HMAC-SHA-512 as the two hash states after the padded key.
pub(super) struct Hmac(Box<hmac::Hmac<Sha512>>);

impl Hmac {
    pub(super) fn new(key: &[u8]) -> Self {
        let hmac = Self(on_heap(key));
        zeroize_stack::<STACK_LEN>();
        hmac
    }

    pub(super) fn compute<'a>(&self, message: impl IntoIterator<Item = &'a [u8]>) -> Wiped<64> {
        let mut code = Wiped::zeros();
        self.compute_into(message, &mut code);
        zeroize_stack::<STACK_LEN>();
        code
    }

    /// SECURITY: not inlined, so that its stack frame lies below that of `compute`, which wipes it.
    #[inline(never)]
    fn compute_into<'a>(&self, message: impl IntoIterator<Item = &'a [u8]>, code: &mut [u8; 64]) {
        let mut hmac = (*self.0).clone();
        for piece in message {
            hmac.update(piece);
        }
        let mut output = hmac.finish();
        code.copy_from_slice(output.as_ref());
        output.as_mut().zeroize();
    }
}

/// SECURITY: not inlined, so that its stack frame lies below that of `Hmac::new`, which wipes it.
#[inline(never)]
fn on_heap(key: &[u8]) -> Box<hmac::Hmac<Sha512>> {
    Box::new(hmac::Hmac::new(key))
}

/// SECURITY: Graviola does not wipe its hash states, so the states of an empty key overwrite the secret ones.
/// `black_box` keeps the compiler from leaving out a write to memory that is freed next.
impl Drop for Hmac {
    fn drop(&mut self) {
        *self.0 = hmac::Hmac::new([]);
        std::hint::black_box(&self.0);
    }
}
