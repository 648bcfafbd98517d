//! Uninhabited `AeadKey` and `Hmac` in place of an implementation that this build lacks, so that no caller needs a
//! `cfg`.

use std::convert::Infallible;

use super::NONCE_LEN;
use super::aead::Cipher;
use crate::secret::Wiped;

pub(super) fn is_cpu_supported() -> bool {
    false
}

pub(super) struct AeadKey(Infallible);

impl AeadKey {
    pub(super) fn new(_: &[u8; 32]) -> Self {
        unreachable!("Crypto refuses a backend that is not available")
    }
}

impl Cipher for AeadKey {
    fn seal(&self, _: &[u8; NONCE_LEN], _: &[u8], _: &mut [u8], _: &mut [u8]) {
        match self.0 {}
    }

    fn open(&self, _: &[u8; NONCE_LEN], _: &[u8], _: &[u8], _: &mut [u8]) -> bool {
        match self.0 {}
    }

    fn open_in_place(&self, _: &[u8; NONCE_LEN], _: &mut [u8], _: &[u8]) -> bool {
        match self.0 {}
    }
}

pub(super) struct Hmac(Infallible);

impl Hmac {
    pub(super) fn new(_: &[u8]) -> Self {
        unreachable!("Crypto refuses a backend that is not available")
    }

    pub(super) fn compute<'a>(&self, _: impl IntoIterator<Item = &'a [u8]>) -> Wiped<64> {
        match self.0 {}
    }
}
