//! [`OneShot`]: a derived AES-256-GCM key with its nonce, which can be used only once.

use super::{AeadKey, NONCE_LEN, Prk};
use crate::error::Result;

/// The length of a commitment in bytes.
pub(crate) const COMMITMENT_LEN: usize = 32;

/// A key and a nonce that seal or open one plaintext.
///
/// The caller derives both under a fresh salt. Sealing and opening consume the value, so that a nonce is never used
/// twice.
pub(crate) struct OneShot {
    key: AeadKey,
    nonce: [u8; NONCE_LEN],
}

impl OneShot {
    /// Derives the key and the nonce from a label followed by `info`.
    pub(crate) fn derive(prk: &Prk, label: &[u8], info: &[&[u8]]) -> Self {
        let (key, nonce, []) = AeadKey::derive_once(prk, label, info);
        Self { key, nonce }
    }

    /// Derives the key, the nonce and a commitment to the input key, in this order.
    pub(crate) fn derive_committed(prk: &Prk, label: &[u8], info: &[&[u8]]) -> (Self, [u8; COMMITMENT_LEN]) {
        let (key, nonce, commitment) = AeadKey::derive_once(prk, label, info);
        (Self { key, nonce }, commitment)
    }

    /// Seals `plaintext` into `sealed`. On entry `sealed` is 16 bytes longer than `plaintext`.
    pub(crate) fn seal(self, plaintext: &[u8], sealed: &mut [u8]) {
        self.key.seal(&self.nonce, plaintext, sealed);
    }

    /// Opens `sealed` into `plaintext`. On entry `plaintext` is 16 bytes shorter than `sealed`; on error it is wiped.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`](crate::Error::Inauthentic) if the tag does not match.
    pub(crate) fn open(self, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        self.key.open(&self.nonce, sealed, plaintext)
    }
}
