//! [`AeadKey`]: AES-256-GCM under one key.

use std::sync::OnceLock;

use zeroize::Zeroizing;

use super::{Backend, Crypto, NONCE_LEN, Prk, TAG_LEN, aws_lc, graviola, rust_crypto};
use crate::error::{Error, Result};
use crate::secret::{KEY_LEN, Wiped, wipe};

/// The maximum length of a commitment that is derived with a key, in bytes.
const MAX_COMMITMENT_LEN: usize = 32;

/// AES-256-GCM under one key, as each implementation provides it. The associated data is always empty.
///
/// `ciphertext` has the length of `plaintext`, and `tag` has 16 bytes.
pub(super) trait Cipher {
    fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], ciphertext: &mut [u8], tag: &mut [u8]);

    /// Returns whether the tag matches. If it does not, the plaintext is undefined.
    fn open(&self, nonce: &[u8; NONCE_LEN], ciphertext: &[u8], tag: &[u8], plaintext: &mut [u8]) -> bool;

    /// Returns whether the tag matches. If it does not, the buffer is undefined.
    fn open_in_place(&self, nonce: &[u8; NONCE_LEN], buffer: &mut [u8], tag: &[u8]) -> bool;
}

/// An expanded AES-256-GCM key. The caller keeps nonces unique; the associated data is always empty.
pub(crate) struct AeadKey {
    implementation: Implementation,
    #[cfg(feature = "testing")]
    logged: super::seal_log::LoggedKey,
}

impl AeadKey {
    /// Derives the key of a message, its base nonce and a commitment of `N` bytes (at most 32) from one expansion, in
    /// this order.
    pub(crate) fn derive<const N: usize>(prk: &Prk, label: &[u8], info: &[&[u8]]) -> (Self, [u8; NONCE_LEN], [u8; N]) {
        Self::derive_for(Self::many_chunks, prk, label, info)
    }

    /// Derives a key that seals or opens one plaintext, its nonce and a commitment, as [`derive`](Self::derive) does.
    pub(super) fn derive_once<const N: usize>(
        prk: &Prk,
        label: &[u8],
        info: &[&[u8]],
    ) -> (Self, [u8; NONCE_LEN], [u8; N]) {
        Self::derive_for(Self::one_plaintext, prk, label, info)
    }

    fn derive_for<const N: usize>(
        expand: fn(Crypto, &[u8; KEY_LEN]) -> Self,
        prk: &Prk,
        label: &[u8],
        info: &[&[u8]],
    ) -> (Self, [u8; NONCE_LEN], [u8; N]) {
        const { assert!(N <= MAX_COMMITMENT_LEN) };
        let mut room = Wiped::<{ KEY_LEN + NONCE_LEN + MAX_COMMITMENT_LEN }>::zeros();
        let derived = &mut room[..KEY_LEN + NONCE_LEN + N];
        prk.expand(label, info, derived);
        let (key, rest) = derived.split_first_chunk::<KEY_LEN>().expect("the key comes first");
        let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().expect("then the nonce");
        let commitment = rest.try_into().expect("then the commitment");
        (expand(prk.crypto(), key), *nonce, commitment)
    }

    pub(super) fn many_chunks(crypto: Crypto, key: &[u8; KEY_LEN]) -> Self {
        match (crypto.many, crypto.once) {
            (Backend::Graviola, Backend::RustCrypto) => {
                Self::on(Implementation::ByLength(Box::new(ByLength::new(key))), key)
            }
            (backend, _) => Self::on(Implementation::new(backend, key), key),
        }
    }

    pub(super) fn one_plaintext(crypto: Crypto, key: &[u8; KEY_LEN]) -> Self {
        Self::on(Implementation::new(crypto.once, key), key)
    }

    #[cfg_attr(not(feature = "testing"), expect(unused_variables, reason = "only the seal log takes the key"))]
    fn on(implementation: Implementation, key: &[u8; KEY_LEN]) -> Self {
        Self {
            implementation,
            #[cfg(feature = "testing")]
            logged: super::seal_log::LoggedKey::new(key),
        }
    }

    /// Seals `plaintext` into `sealed`. On entry `sealed` is [`TAG_LEN`] bytes longer than `plaintext`.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8], sealed: &mut [u8]) {
        #[cfg(feature = "testing")]
        self.logged.seal(nonce, plaintext);
        let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
        self.implementation.cipher(plaintext.len()).seal(nonce, plaintext, ciphertext, tag);
    }

    /// Opens `sealed` into `plaintext`. On entry `plaintext` is [`TAG_LEN`] bytes shorter than `sealed`; on error it is
    /// wiped.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the tag does not match.
    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let (ciphertext, tag) = sealed.split_at(sealed.len() - TAG_LEN);
        let authentic = self.implementation.cipher(ciphertext.len()).open(nonce, ciphertext, tag, plaintext);
        released(authentic, plaintext)
    }

    /// Opens `buffer` in place and returns its plaintext. On error the plaintext is wiped.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the tag does not match.
    pub(crate) fn open_in_place<'a>(&self, nonce: &[u8; NONCE_LEN], buffer: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let (ciphertext, tag) = buffer.split_at_mut(buffer.len() - TAG_LEN);
        let authentic = self.implementation.cipher(ciphertext.len()).open_in_place(nonce, ciphertext, tag);
        released(authentic, ciphertext)?;
        Ok(ciphertext)
    }
}

enum Implementation {
    AwsLc(aws_lc::AeadKey),
    Graviola(graviola::AeadKey),
    RustCrypto(rust_crypto::AeadKey),
    ByLength(Box<ByLength>),
}

impl Implementation {
    fn new(backend: Backend, key: &[u8; KEY_LEN]) -> Self {
        match backend {
            Backend::AwsLc => Self::AwsLc(aws_lc::AeadKey::new(key)),
            Backend::Graviola => Self::Graviola(graviola::AeadKey::new(key)),
            Backend::RustCrypto => Self::RustCrypto(rust_crypto::AeadKey::new(key)),
        }
    }

    /// Returns the cipher for a chunk of `len` bytes of plaintext.
    fn cipher(&self, len: usize) -> &dyn Cipher {
        match self {
            Self::AwsLc(key) => key,
            Self::Graviola(key) => key,
            Self::RustCrypto(key) => key,
            Self::ByLength(keys) => keys.cipher(len),
        }
    }
}

/// A cipher that runs on RustCrypto until the first whole chunk, and on Graviola from then on.
///
/// Only the last chunk of a message is shorter than a whole chunk. A short chunk that comes first is therefore the only
/// chunk, or the only one that a range needs.
struct ByLength {
    key: Zeroizing<[u8; KEY_LEN]>,
    short: rust_crypto::AeadKey,
    whole: OnceLock<graviola::AeadKey>,
}

impl ByLength {
    const WHOLE_CHUNK: usize = 16 * 1_024;

    fn new(key: &[u8; KEY_LEN]) -> Self {
        Self { key: Zeroizing::new(*key), short: rust_crypto::AeadKey::new(key), whole: OnceLock::new() }
    }

    fn cipher(&self, len: usize) -> &dyn Cipher {
        match self.whole.get() {
            Some(whole) => whole,
            None if len < Self::WHOLE_CHUNK => &self.short,
            None => self.whole.get_or_init(|| graviola::AeadKey::new(&self.key)),
        }
    }
}

/// SECURITY: wipes unauthenticated plaintext that an implementation may leave in the buffer.
fn released(authentic: bool, plaintext: &mut [u8]) -> Result<()> {
    if authentic {
        return Ok(());
    }
    wipe(plaintext);
    Err(Error::Inauthentic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the implementations that chunks of these lengths run on, in this order.
    fn runs_on(key: &AeadKey, lens: &[usize]) -> Vec<Backend> {
        let backend = |len: &usize| match &key.implementation {
            Implementation::AwsLc(_) => Backend::AwsLc,
            Implementation::Graviola(_) => Backend::Graviola,
            Implementation::RustCrypto(_) => Backend::RustCrypto,
            Implementation::ByLength(keys) => {
                keys.cipher(*len);
                if keys.whole.get().is_some() { Backend::Graviola } else { Backend::RustCrypto }
            }
        };
        lens.iter().map(backend).collect()
    }

    const WHOLE: usize = ByLength::WHOLE_CHUNK;

    #[test]
    fn the_layers_of_dsse_have_no_implementation_in_common() {
        for outer in Backend::available() {
            let Ok(layers) = Crypto::layers(outer) else { continue };
            let inner = layers.inner.expect("there are two layers");
            let ciphers = |crypto| {
                let lens = [0, 48, WHOLE - 1, WHOLE, 7];
                let many = runs_on(&AeadKey::many_chunks(crypto, &[7; 32]), &lens);
                [many, runs_on(&AeadKey::one_plaintext(crypto, &[7; 32]), &lens)].concat()
            };
            let (outside, inside) = (ciphers(layers.outer), ciphers(inner));
            assert!(outside.iter().all(|backend| !inside.contains(backend)), "{outer:?}: {outside:?} {inside:?}");
            assert_ne!(layers.outer.hash, inner.hash, "{outer:?}");
            assert!(outside.contains(&outer), "{outer:?}: {outside:?}");
        }
    }

    #[test]
    fn graviola_serves_whole_chunks_and_what_follows_them() {
        let Ok(crypto) = Crypto::single(Backend::Graviola) else { return };
        let one = AeadKey::one_plaintext(crypto, &[7; 32]);
        assert_eq!(runs_on(&one, &[WHOLE]), [Backend::RustCrypto]);
        let many = AeadKey::many_chunks(crypto, &[7; 32]);
        let lens = [0, WHOLE - 1, WHOLE, 0, WHOLE - 1];
        let expected =
            [Backend::RustCrypto, Backend::RustCrypto, Backend::Graviola, Backend::Graviola, Backend::Graviola];
        assert_eq!(runs_on(&many, &lens), expected);
    }

    /// A nonce for each length: tests, too, never seal two plaintexts under one key and nonce.
    fn nonce_of(len: usize) -> [u8; NONCE_LEN] {
        let mut nonce = [9; NONCE_LEN];
        nonce[NONCE_LEN - 8..].copy_from_slice(&(len as u64).to_be_bytes());
        nonce
    }

    #[test]
    fn every_implementation_seals_to_the_same_bytes_at_every_length() {
        let plaintext: Vec<u8> = (0..WHOLE + 300).map(|at| (at * 7 + at / 256) as u8).collect();
        let keys: Vec<_> = Crypto::every()
            .into_iter()
            .flat_map(|crypto| [AeadKey::many_chunks(crypto, &[7; 32]), AeadKey::one_plaintext(crypto, &[7; 32])])
            .collect();
        let reference = AeadKey::one_plaintext(Crypto::single(Backend::RustCrypto).expect("always there"), &[7; 32]);
        for len in (0..600).chain(WHOLE - 20..=plaintext.len()).step_by(3).chain([WHOLE - 1, WHOLE, WHOLE + 1]) {
            let nonce = nonce_of(len);
            let mut expected = vec![0; len + TAG_LEN];
            reference.seal(&nonce, &plaintext[..len], &mut expected);
            for key in &keys {
                let mut sealed = vec![0xAA; len + TAG_LEN];
                key.seal(&nonce, &plaintext[..len], &mut sealed);
                assert_eq!(sealed, expected, "{len}");
                let mut opened = vec![0xAA; len];
                key.open(&nonce, &sealed, &mut opened).expect("it is authentic");
                assert_eq!(opened, plaintext[..len], "{len}");
                assert_eq!(key.open_in_place(&nonce, &mut sealed).expect("it is authentic"), &plaintext[..len]);
            }
        }
    }

    #[test]
    fn every_implementation_refuses_every_changed_byte_and_leaves_no_plaintext() {
        for crypto in Crypto::every() {
            for key in [AeadKey::many_chunks(crypto, &[8; 32]), AeadKey::one_plaintext(crypto, &[8; 32])] {
                for len in [1, 100, WHOLE] {
                    let nonce = nonce_of(len);
                    let mut sealed = vec![0; len + TAG_LEN];
                    key.seal(&nonce, &vec![0x5A; len], &mut sealed);
                    for at in (0..len).step_by(len.div_ceil(10)).chain(len..len + TAG_LEN) {
                        let mut changed = sealed.clone();
                        changed[at] ^= 1;
                        let mut opened = vec![0xAA; len];
                        assert!(key.open(&nonce, &changed, &mut opened).is_err(), "{crypto:?} {len} {at}");
                        assert!(key.open_in_place(&nonce, &mut changed).is_err(), "{crypto:?} {len} {at}");
                        assert!(opened.iter().chain(&changed[..len]).all(|byte| *byte == 0), "{crypto:?} {len} {at}");
                    }
                }
            }
        }
    }
}
