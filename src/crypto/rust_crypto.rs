//! `AeadKey` and `Hmac` on RustCrypto.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use hmac::Mac;
use hmac::digest::FixedOutput;
use sha2::{Digest, Sha512};

use super::NONCE_LEN;
use super::aead::Cipher;
use crate::secret::Wiped;

/// An expanded AES-256-GCM key. It is boxed because it takes over 600 bytes, and is wiped in place.
pub(super) struct AeadKey(Box<Aes256Gcm>);

impl AeadKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Box::new(Aes256Gcm::new(key.into())))
    }
}

// These calls fail only on wrong lengths (over 2^36 bytes of plaintext, slices that do not match). The callers
// guarantee the lengths; hence the `expect`s.
impl Cipher for AeadKey {
    fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8]) {
        let buffers = InOutBuf::new(plaintext, ciphertext).expect("the lengths match");
        let sealed = self.0.encrypt_inout_detached(nonce.into(), &[], buffers);
        tag.copy_from_slice(&sealed.expect("the length is within GCM's bound"));
    }

    fn open(&self, nonce: &[u8; NONCE_LEN], ciphertext: &[u8], tag: &[u8], plaintext: &mut [u8]) -> bool {
        let buffers = InOutBuf::new(ciphertext, plaintext).expect("the lengths match");
        let tag = tag.try_into().expect("a tag is 16 bytes");
        self.0.decrypt_inout_detached(nonce.into(), &[], buffers, tag).is_ok()
    }

    fn open_in_place(&self, nonce: &[u8; NONCE_LEN], buffer: &mut [u8], tag: &[u8]) -> bool {
        let tag = tag.try_into().expect("a tag is 16 bytes");
        self.0.decrypt_inout_detached(nonce.into(), &[], buffer.into(), tag).is_ok()
    }
}

/// Computes SHA-512 of public bytes.
pub(super) fn sha512(bytes: &[u8]) -> [u8; 64] {
    Sha512::digest(bytes).into()
}

/// HMAC-SHA-512 as the two hash states after the padded key: a message costs its own blocks and one more.
pub(super) struct Hmac(Box<hmac::Hmac<Sha512>>);

impl Hmac {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(Box::new(hmac::Hmac::new_from_slice(key).expect("HMAC takes a key of any length")))
    }

    pub(super) fn compute<'a>(&self, message: impl IntoIterator<Item = &'a [u8]>) -> Wiped<64> {
        let mut mac = (*self.0).clone();
        for piece in message {
            mac.update(piece);
        }
        let mut code = Wiped::zeros();
        mac.finalize_into((&mut *code).into());
        code
    }
}
