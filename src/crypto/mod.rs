// Floor 1. May use the nouns of floor 0.
//! [`Crypto`], [`AeadKey`], [`Prk`] and [`Generator`] over three crypto implementations.
//!
//! No other module names a crypto crate.
//!
//! [`Backend`], a value, chooses the implementation. All make the same bytes, so no caller depends on the choice.
//! An implementation that this build lacks is the uninhabited `absent`, so that no field and no variant is under `cfg`.

#[cfg(not(all(feature = "aws-lc-rs", feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64"))))]
mod absent;
mod aead;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
mod backend;
#[cfg(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64")))]
mod graviola;
pub(crate) mod kdf;
#[cfg(feature = "embedded-kms")]
pub(crate) mod key_wrap;
mod mac;
#[cfg(feature = "s3")]
pub(crate) mod md5;
mod one_shot;
pub(crate) mod passphrase;
pub(crate) mod random;
mod rust_crypto;
#[cfg(feature = "testing")]
pub(crate) mod seal_log;
#[cfg(test)]
mod wycheproof;

#[cfg(not(feature = "aws-lc-rs"))]
use absent as aws_lc;
#[cfg(not(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64"))))]
use absent as graviola;

pub(crate) use aead::AeadKey;
pub use backend::Backend;
pub(crate) use backend::Crypto;
pub(crate) use kdf::{Prk, label};
pub(crate) use one_shot::OneShot;
pub(crate) use random::Generator;

use subtle::ConstantTimeEq;

/// The length of a GCM tag in bytes.
pub(crate) const TAG_LEN: usize = 16;
/// The length of a GCM nonce in bytes.
pub(crate) const NONCE_LEN: usize = 12;

/// Returns a checksum that detects accidental damage, not forgery.
pub(crate) fn checksum(bytes: &[u8]) -> [u8; 8] {
    *rust_crypto::sha512(bytes).first_chunk().expect("SHA-512 has 64 bytes")
}

/// Compares two byte strings of public length in constant time.
pub(crate) fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    // PERF: `subtle` takes a nanosecond for each word, both for words of one byte and of eight.
    let ((left_words, left_rest), (right_words, right_rest)) = (left.as_chunks::<8>(), right.as_chunks::<8>());
    let words = left_words.iter().zip(right_words).map(|(l, r)| u64::from_ne_bytes(*l).ct_eq(&u64::from_ne_bytes(*r)));
    (left.len() == right.len()) & bool::from(words.fold(left_rest.ct_eq(right_rest), |equal, word| equal & word))
}

#[cfg(test)]
mod tests {
    use super::constant_time_eq;

    #[test]
    fn bytes_of_any_length_are_equal_unless_one_of_them_or_their_lengths_differ() {
        let bytes: Vec<u8> = (0..60).collect();
        for len in 0..bytes.len() {
            let left = &bytes[..len];
            assert!(constant_time_eq(left, &bytes.clone()[..len]));
            assert!(!constant_time_eq(left, &bytes[..=len]) && !constant_time_eq(&bytes[..=len], left));
            for at in 0..len {
                let mut other = left.to_vec();
                other[at] ^= 0x80;
                assert!(!constant_time_eq(left, &other), "byte {at} of {len}");
            }
        }
    }
}
