//! `OneShot`: a derived AES-256-GCM key with its nonce, used once by type.

use super::{AeadKey, NONCE_LEN, Prk};
use crate::error::Result;

/// The length of a commitment in bytes.
pub(crate) const COMMITMENT_LEN: usize = 32;

/// A key and a nonce that seal or open one plaintext.
///
/// The caller derives them under a fresh salt; sealing and opening take the value, so that no nonce is used twice.
pub(crate) struct OneShot {
    key: AeadKey,
    nonce: [u8; NONCE_LEN],
}

impl OneShot {
    /// Derives key and nonce from a label and the info that follows it.
    pub(crate) fn derive(prk: &Prk, label: &[u8], info: &[&[u8]]) -> Self {
        let (key, nonce, []) = AeadKey::derive(prk, label, info);
        Self { key, nonce }
    }

    /// Derives key and nonce, and the commitment to the input key that follows them.
    pub(crate) fn derive_committed(prk: &Prk, label: &[u8], info: &[&[u8]]) -> (Self, [u8; COMMITMENT_LEN]) {
        let (key, nonce, commitment) = AeadKey::derive(prk, label, info);
        (Self { key, nonce }, commitment)
    }

    /// Seals `plaintext` into `sealed`, which is 16 bytes longer.
    pub(crate) fn seal(self, plaintext: &[u8], sealed: &mut [u8]) {
        self.key.seal(&self.nonce, plaintext, sealed);
    }

    /// Opens `sealed` into `plaintext`, which is 16 bytes shorter and is wiped on failure.
    ///
    /// # Errors
    ///
    /// Inauthentic: the tag does not match.
    pub(crate) fn open(self, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        self.key.open(&self.nonce, sealed, plaintext)
    }
}
