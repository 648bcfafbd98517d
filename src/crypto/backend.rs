//! [`Backend`], an implementation; and [`Crypto`], the implementations for one layer.

use super::{aws_lc, graviola};
use crate::error::{Error, Feature, Result};
use crate::geometry::EachLayer;

/// An implementation of AES-256-GCM and HMAC-SHA-512.
///
/// Every backend makes the same bytes: an object that was written on one opens on every other. DSSE-KMS runs its outer
/// layer on the chosen backend and its inner layer on the fastest of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// AWS-LC through `aws-lc-rs`, the fastest.
    ///
    /// This backend needs the cargo feature `aws-lc-rs`, which is on by default, and a C compiler at build time.
    AwsLc,
    /// Graviola for messages of more than one chunk (16 KiB), RustCrypto for everything else.
    ///
    /// Graviola is Rust and assembly and needs no C compiler. This backend needs the cargo feature `graviola` and a
    /// processor with these instructions:
    ///
    /// - x86-64: AES, AVX, AVX2, ADX, BMI1 and PCLMULQDQ; most processors since 2014 have them;
    /// - AArch64: AES, SHA-2, PMULL and NEON.
    ///
    /// # Performance
    ///
    /// The backend copies each chunk once, because Graviola seals and opens in place only. The set-up of a Graviola key
    /// takes between 0.3 µs and 4 µs, by processor. RustCrypto therefore serves the keys that are used once: wrapped
    /// keys, sealed values and messages of one chunk. A DSSE-KMS layer whose other layer runs on RustCrypto runs on
    /// Graviola alone.
    Graviola,
    /// RustCrypto's `aes-gcm`, `hmac` and `sha2`: Rust, in every build and on every processor.
    RustCrypto,
}

impl Backend {
    /// Every backend, the fastest first.
    const ALL: [Self; 3] = [Self::AwsLc, Self::Graviola, Self::RustCrypto];

    /// Returns the backends that this build includes and this processor supports, the fastest first.
    ///
    /// The last is always [`RustCrypto`](Self::RustCrypto). DSSE-KMS needs two.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_available())
    }

    /// Returns the fastest backend that is available. It is the builder's default.
    pub fn fastest() -> Self {
        Self::available().next().unwrap_or(Self::RustCrypto)
    }

    /// Returns whether this build includes the backend and this processor supports it.
    pub fn is_available(self) -> bool {
        self.check().is_ok()
    }

    /// Checks that the backend is available.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotCompiled`] if this build lacks the backend, or [`Error::UnsupportedCpu`] if this processor
    /// does not support it.
    fn check(self) -> Result<()> {
        let (is_compiled, feature, is_supported): (_, _, fn() -> bool) = match self {
            Self::AwsLc => (cfg!(feature = "aws-lc-rs"), Feature::AwsLcRs, aws_lc::is_cpu_supported),
            Self::Graviola => (cfg!(feature = "graviola"), Feature::Graviola, graviola::is_cpu_supported),
            Self::RustCrypto => return Ok(()),
        };
        match (is_compiled, is_supported) {
            (false, _) => Err(feature.into()),
            (true, is_supported) if is_supported() => Ok(()),
            (true, _) => Err(Error::UnsupportedCpu),
        }
    }
}

/// The available implementations that one layer runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crypto {
    /// The cipher of keys that seal or open many chunks.
    pub(super) many: Backend,
    /// The cipher of keys that seal or open one plaintext.
    pub(super) once: Backend,
    /// HMAC-SHA-512.
    pub(super) hash: Backend,
}

impl Crypto {
    /// Returns the implementations for data with one layer: `backend` for messages, the fastest for the rest.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotCompiled`] or [`Error::UnsupportedCpu`] if the backend is not available.
    pub(crate) fn single(backend: Backend) -> Result<Self> {
        backend.check()?;
        // PERF: an HMAC of 80 bytes takes 320 ns in `sha2`, 400 ns in Graviola and 430 ns through AWS-LC, whose
        // contexts are allocated.
        Ok(Self { hash: Backend::RustCrypto, ..Self::beside(backend, None) })
    }

    /// Returns the implementations for DSSE-KMS. The two layers share no implementation, neither of the cipher nor of
    /// the hash.
    ///
    /// # Errors
    ///
    /// - [`Error::NotCompiled`] or [`Error::UnsupportedCpu`] if `outer` is not available.
    /// - [`Error::NotCompiled`] if no other backend is available.
    pub(crate) fn layers(outer: Backend) -> Result<EachLayer<Self>> {
        outer.check()?;
        let inner = Backend::available().find(|backend| *backend != outer).ok_or(Feature::AwsLcRs)?;
        Ok(EachLayer { outer: Self::beside(outer, Some(inner)), inner: Some(Self::beside(inner, Some(outer))) })
    }

    /// Returns `backend` with its companion: RustCrypto for Graviola, unless the other layer runs on RustCrypto.
    fn beside(backend: Backend, other: Option<Backend>) -> Self {
        let companion = match (backend, other) {
            (Backend::Graviola, None | Some(Backend::AwsLc)) => Backend::RustCrypto,
            _ => backend,
        };
        Self { many: backend, once: companion, hash: companion }
    }
}

#[cfg(test)]
impl Crypto {
    /// Returns all implementations of the layer: two ciphers, then the hash.
    pub(crate) fn implementations(self) -> ([Backend; 2], Backend) {
        ([self.many, self.once], self.hash)
    }

    /// Returns every value that a caller can hold on this machine, and each backend alone.
    pub(super) fn every() -> Vec<Self> {
        let mut every = Vec::new();
        for backend in Backend::available() {
            every.push(Self { many: backend, once: backend, hash: backend });
            every.push(Self::single(backend).expect("it is available"));
            let layers = Self::layers(backend).into_iter();
            every.extend(layers.flat_map(|layers| [Some(layers.outer), layers.inner]).flatten());
        }
        every
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_backend_comes_first_and_rust_crypto_last() {
        let available: Vec<_> = Backend::available().collect();
        assert_eq!(available.first(), Some(&Backend::fastest()));
        assert_eq!(available.last(), Some(&Backend::RustCrypto));
        assert_eq!(available.contains(&Backend::AwsLc), cfg!(feature = "aws-lc-rs"));
    }

    #[test]
    fn the_inner_layer_takes_the_fastest_other_backend() {
        use Backend::{AwsLc, Graviola, RustCrypto};
        let graviola = Graviola.is_available();
        let expected = |outer| match (outer, AwsLc.is_available()) {
            (AwsLc, _) => Some(if graviola { Graviola } else { RustCrypto }),
            (Graviola, true) | (RustCrypto, true) => Some(AwsLc),
            (Graviola, false) => Some(RustCrypto),
            (RustCrypto, false) => graviola.then_some(Graviola),
        };
        for outer in Backend::available() {
            let inner = Crypto::layers(outer).ok().and_then(|layers| layers.inner).map(|inner| inner.many);
            assert_eq!(inner, expected(outer), "{outer:?}");
        }
    }
}
