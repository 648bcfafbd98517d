//! [`Hmac`]: HMAC-SHA-512 under one key for many messages.

use super::{Backend, Crypto, aws_lc, graviola, rust_crypto};
use crate::secret::Wiped;

/// HMAC-SHA-512 with an expanded key.
pub(super) enum Hmac {
    AwsLc(aws_lc::Hmac),
    Graviola(graviola::Hmac),
    RustCrypto(rust_crypto::Hmac),
}

impl Hmac {
    pub(super) fn new(crypto: Crypto, key: &[u8]) -> Self {
        match crypto.hash {
            Backend::AwsLc => Self::AwsLc(aws_lc::Hmac::new(key)),
            Backend::Graviola => Self::Graviola(graviola::Hmac::new(key)),
            Backend::RustCrypto => Self::RustCrypto(rust_crypto::Hmac::new(key)),
        }
    }

    /// Computes the MAC of the message that the pieces form.
    pub(super) fn compute<'a>(&self, message: impl IntoIterator<Item = &'a [u8]>) -> Wiped<64> {
        match self {
            Self::AwsLc(hmac) => hmac.compute(message),
            Self::Graviola(hmac) => hmac.compute(message),
            Self::RustCrypto(hmac) => hmac.compute(message),
        }
    }
}
