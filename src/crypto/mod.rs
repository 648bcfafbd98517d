// Floor 1. May use the nouns of floor 0.
//! [`Crypto`], [`AeadKey`], [`Prk`] and [`Generator`] over two crypto implementations.
//!
//! No other module names a crypto crate.
//!
//! Both implementations are complete, and [`Backend`], a value, chooses between them. Callers do not depend on which
//! one runs.

mod aead;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(not(feature = "aws-lc-rs"))]
#[path = "aws_lc_absent.rs"]
mod aws_lc;
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

pub(crate) use aead::AeadKey;
pub(crate) use kdf::{Prk, label};
pub(crate) use one_shot::OneShot;
pub(crate) use random::Generator;

use crate::error::{Feature, Result};
use crate::geometry::EachLayer;

/// The length of a GCM tag in bytes.
pub(crate) const TAG_LEN: usize = 16;
/// The length of a GCM nonce in bytes.
pub(crate) const NONCE_LEN: usize = 12;

/// An implementation of AES-256-GCM and HMAC-SHA-512. All implementations produce the same bytes.
///
/// DSSE-KMS runs its outer layer on the chosen backend and its inner layer on the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// AWS-LC through `aws-lc-rs`: four to five times faster. It needs the cargo feature `aws-lc-rs`, on by default.
    AwsLc,
    /// RustCrypto's `aes-gcm`, `hmac` and `sha2`: pure Rust, in every build.
    RustCrypto,
}

impl Backend {
    /// The fastest backend of this build, and the builder's default.
    pub fn fastest() -> Self {
        if Self::AwsLc.is_compiled() { Self::AwsLc } else { Self::RustCrypto }
    }

    /// Whether this build includes the backend.
    pub fn is_compiled(self) -> bool {
        match self {
            Self::AwsLc => cfg!(feature = "aws-lc-rs"),
            Self::RustCrypto => true,
        }
    }
}

/// The implementations that one layer runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crypto {
    aead: Backend,
    hash: Backend,
}

impl Crypto {
    /// For data with one layer: seals with `backend`, and derives keys with the backend that hashes faster.
    ///
    /// # Errors
    ///
    /// This build lacks the backend.
    pub(crate) fn single(backend: Backend) -> Result<Self> {
        // PERF: one compression of SHA-512 takes 160 ns in `sha2` and 210 ns through AWS-LC, whose contexts are
        // allocated; an object takes about 18 of them.
        Ok(Self { aead: compiled(backend)?, hash: Backend::RustCrypto })
    }

    /// For the outer and the inner layer of DSSE-KMS: two independent implementations.
    ///
    /// # Errors
    ///
    /// This build lacks one of the two.
    pub(crate) fn layers(outer: Backend) -> Result<EachLayer<Self>> {
        let inner = match outer {
            Backend::AwsLc => Backend::RustCrypto,
            Backend::RustCrypto => Backend::AwsLc,
        };
        let alone = |backend| compiled(backend).map(|backend| Self { aead: backend, hash: backend });
        Ok(EachLayer { outer: alone(outer)?, inner: Some(alone(inner)?) })
    }
}

fn compiled(backend: Backend) -> Result<Backend> {
    if backend.is_compiled() { Ok(backend) } else { Err(Feature::AwsLcRs.into()) }
}

/// A checksum that detects accidental damage, not forgery.
pub(crate) fn checksum(bytes: &[u8]) -> [u8; 8] {
    *rust_crypto::sha512(bytes).first_chunk().expect("SHA-512 has 64 bytes")
}

/// Compares two byte strings of public length in constant time.
pub(crate) fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(left, right).into()
}
