//! [`AeadKey`]: AES-256-GCM under one key for many chunks.

use super::{Backend, Crypto, NONCE_LEN, Prk, TAG_LEN, aws_lc, rust_crypto};
use crate::error::{Error, Result};
use crate::secret::{KEY_LEN, Wiped, wipe};

/// The maximum length of a commitment that is derived with a key, in bytes.
const MAX_COMMITMENT_LEN: usize = 32;

/// An expanded AES-256-GCM key. The caller keeps nonces unique; the associated data is always empty.
pub(crate) struct AeadKey {
    implementation: Implementation,
    #[cfg(feature = "testing")]
    logged: super::seal_log::LoggedKey,
}

enum Implementation {
    AwsLc(aws_lc::AeadKey),
    RustCrypto(rust_crypto::AeadKey),
}

impl AeadKey {
    pub(crate) fn new(crypto: Crypto, key: &[u8; 32]) -> Self {
        Self {
            implementation: match crypto.aead {
                Backend::AwsLc => Implementation::AwsLc(aws_lc::AeadKey::new(key)),
                Backend::RustCrypto => Implementation::RustCrypto(rust_crypto::AeadKey::new(key)),
            },
            #[cfg(feature = "testing")]
            logged: super::seal_log::LoggedKey::new(key),
        }
    }

    /// Derives a key, a nonce and a commitment of `N` bytes (at most 32) from one expansion, in this order.
    pub(crate) fn derive<const N: usize>(prk: &Prk, label: &[u8], info: &[&[u8]]) -> (Self, [u8; NONCE_LEN], [u8; N]) {
        const { assert!(N <= MAX_COMMITMENT_LEN) };
        let mut room = Wiped::<{ KEY_LEN + NONCE_LEN + MAX_COMMITMENT_LEN }>::zeros();
        let derived = &mut room[..KEY_LEN + NONCE_LEN + N];
        prk.expand(label, info, derived);
        let (key, rest) = derived.split_first_chunk::<KEY_LEN>().expect("the key comes first");
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().expect("then the nonce");
        let commitment = rest.try_into().expect("then the commitment");
        (Self::new(prk.crypto(), key), *nonce, commitment)
    }

    /// Seals `plaintext` into `sealed`, in one pass without a copy. On entry `sealed` is [`TAG_LEN`] bytes longer than
    /// `plaintext`.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], sealed: &mut [u8]) {
        #[cfg(feature = "testing")]
        self.logged.seal(nonce, plaintext);
        let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
        match &self.implementation {
            Implementation::AwsLc(key) => key.seal(nonce, plaintext, ciphertext, tag),
            Implementation::RustCrypto(key) => key.seal(nonce, plaintext, ciphertext, tag),
        }
    }

    /// Opens `sealed` into `plaintext`. On entry `plaintext` is [`TAG_LEN`] bytes shorter than `sealed`; on error it is
    /// wiped.
    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG_LEN);
        let authentic = match &self.implementation {
            Implementation::AwsLc(key) => key.open(nonce, ciphertext, tag, plaintext),
            Implementation::RustCrypto(key) => key.open(nonce, ciphertext, tag, plaintext),
        };
        released(authentic, plaintext)
    }

    /// Opens `buffer` in place and returns its plaintext. On error the plaintext is wiped.
    pub(crate) fn open_in_place<'a>(&self, nonce: &[u8; NONCE_LEN], buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let (ciphertext, tag) = buffer.split_at_mut(buffer.len() - TAG_LEN);
        let authentic = match &self.implementation {
            Implementation::AwsLc(key) => key.open_in_place(nonce, ciphertext, tag),
            Implementation::RustCrypto(key) => key.open_in_place(nonce, ciphertext, tag),
        };
        released(authentic, ciphertext)?;
        Ok(ciphertext)
    }
}

/// SECURITY: wipes unauthenticated plaintext, whatever the implementation left in the buffer.
fn released(authentic: bool, plaintext: &mut [u8]) -> Result<()> {
    if authentic {
        return Ok(());
    }
    wipe(plaintext);
    Err(Error::Inauthentic)
}
