//! `AeadKey` and `Hmac` on AWS-LC.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use super::NONCE_LEN;
use super::aead::Cipher;
use crate::secret::Wiped;

/// Returns true: AWS-LC chooses its code by processor and runs on every one.
pub(super) fn is_cpu_supported() -> bool {
    true
}

/// An expanded AES-256-GCM key. AWS-LC wipes the key when it frees it.
pub(super) struct AeadKey(LessSafeKey);

// These calls fail only on wrong lengths (a key that is not 32 bytes, over 2^36 bytes of plaintext, slices that do not
// match). The callers guarantee the lengths; hence the `expect`s.
impl AeadKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("an AES-256 key is 32 bytes")))
    }
}

impl Cipher for AeadKey {
    fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8]) {
        self.0
            .seal_out_of_place_scatter(own(nonce), Aad::empty(), plaintext, ciphertext, &[], tag)
            .expect("the lengths match");
    }

    // PERF: The ciphertext is not read once before, to bring it into the cache. That makes reading from memory 1.4
    // times as fast on AMD's Zen 5, and halves the speed on Zen 4, which then waits for memory and computes in turns.
    fn open(&self, nonce: &[u8; NONCE_LEN], ciphertext: &[u8], tag: &[u8], plaintext: &mut [u8]) -> bool {
        self.0.open_separate_gather(own(nonce), Aad::empty(), ciphertext, tag, plaintext).is_ok()
    }

    fn open_in_place(&self, nonce: &[u8; NONCE_LEN], buffer: &mut [u8], tag: &[u8]) -> bool {
        self.0.open_in_place_separate_tag(own(nonce), Aad::empty(), tag, buffer).is_ok()
    }
}

fn own(nonce: &[u8; NONCE_LEN]) -> Nonce {
    Nonce::assume_unique_for_key(*nonce)
}

/// HMAC-SHA-512 on AWS-LC. The key is boxed because it takes over 1,200 bytes; AWS-LC wipes it in place.
pub(super) struct Hmac(Box<hmac::Key>);

impl Hmac {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Box::new(hmac::Key::new(hmac::HMAC_SHA512, key)))
    }

    pub(super) fn compute<'a>(&self, message: impl IntoIterator<Item = &'a [u8]>) -> Wiped<64> {
        let mut context = hmac::Context::with_key(&self.0);
        for piece in message {
            context.update(piece);
        }
        let mut code = Wiped::zeros();
        code.copy_from_slice(context.sign().as_ref());
        code
    }
}
