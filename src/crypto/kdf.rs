//! [`Prk`]: HKDF with SHA-512; and the table of every derivation label.

use super::Crypto;
use super::mac::Hmac;

/// Every label of the format. Each derivation has its own label, and no label is a prefix of another.
pub(crate) mod label {
    /// The verifier of a key-encryption key.
    pub(crate) const VERIFIER: &[u8] = b"atrest/v1/verifier\0";
    /// The key and nonce that wrap a data key.
    pub(crate) const WRAP: &[u8] = b"atrest/v1/wrap\0";
    /// The message of an object's body: a context of [`MESSAGE`].
    pub(crate) const OBJECT: &[u8] = b"atrest/v1/object\0";
    /// The message of a part, followed by its number: a context of [`MESSAGE`].
    pub(crate) const PART: &[u8] = b"atrest/v1/part\0";
    /// The message of a manifest: a context of [`MESSAGE`].
    pub(crate) const MANIFEST: &[u8] = b"atrest/v1/manifest\0";
    /// A sealed keyring or key store.
    pub(crate) const FILE: &[u8] = b"atrest/v1/file\0";
    /// The key, base nonce and commitment of a message. This label is defined by C2SP.
    pub(crate) const MESSAGE: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
    /// A key-encryption key wrapped by the embedded KMS or the memory KMS.
    #[cfg_attr(
        not(any(test, feature = "embedded-kms", feature = "testing")),
        expect(dead_code, reason = "wrapped by the embedded KMS and the memory KMS")
    )]
    pub(crate) const KMS: &[u8] = b"atrest/v1/kms\0";
    /// The tag of a completion record.
    pub(crate) const COMPLETION: &[u8] = b"atrest/v1/completion\0";
    /// A small sealed value.
    pub(crate) const VALUE: &[u8] = b"atrest/v1/value\0";
}

/// A pseudorandom key from which other keys are expanded.
pub(crate) struct Prk {
    crypto: Crypto,
    hmac: Hmac,
}

impl Prk {
    /// HKDF-Extract: `HMAC-SHA-512(key = salt, message = input)`.
    ///
    /// Spec: RFC 5869 section 2.2.
    pub(crate) fn extract(crypto: Crypto, salt: &[u8], input: &[u8]) -> Self {
        Self::new(crypto, &*Hmac::new(crypto, salt).compute([input]))
    }

    /// Creates a PRK from a key that is uniformly random already and needs no extraction. RFC 5869 requires more than
    /// 32 bytes of a PRK; C2SP also uses 32.
    pub(crate) fn from_key(crypto: Crypto, key: &[u8; 32]) -> Self {
        Self::new(crypto, key)
    }

    /// HKDF-Expand: fills `out`, at most 255 x 64 bytes, from a label followed by `info`.
    ///
    /// The function is written on HMAC because RustCrypto's `hkdf` refuses a PRK of 32 bytes, and because `info` has no
    /// length limit here.
    ///
    /// Spec: RFC 5869 section 2.3.
    pub(crate) fn expand(&self, label: &[u8], info: &[&[u8]], out: &mut [u8]) {
        for (start, counter) in (0..out.len()).step_by(64).zip(1u8..=u8::MAX) {
            let (done, rest) = out.split_at_mut(start);
            let previous = &done[start.saturating_sub(64)..];
            let counter = [counter];
            let message = [previous, label].into_iter().chain(info.iter().copied()).chain([&counter[..]]);
            let code = self.hmac.compute(message);
            let block = rest.len().min(64);
            rest[..block].copy_from_slice(&code[..block]);
        }
    }

    /// Returns the implementations that keys derived here run on.
    pub(super) fn crypto(&self) -> Crypto {
        self.crypto
    }

    fn new(crypto: Crypto, key: &[u8]) -> Self {
        Self { crypto, hmac: Hmac::new(crypto, key) }
    }
}
