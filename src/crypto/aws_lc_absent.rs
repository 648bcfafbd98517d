//! Uninhabited `AeadKey` and `Hmac` for a build without AWS-LC, so that no caller needs a `cfg`.

use std::convert::Infallible;

use crate::secret::Wiped;

use super::NONCE_LEN;

pub(super) struct AeadKey(Infallible);

impl AeadKey {
    pub(super) fn new(_: &[u8; 32]) -> Self {
        unreachable!("Crypto refuses a backend that is not compiled")
    }

    pub(super) fn seal(&self, _: &[u8; NONCE_LEN], _: &[u8], _: &mut [u8], _: &mut [u8]) {
        match self.0 {}
    }

    pub(super) fn open(&self, _: &[u8; NONCE_LEN], _: &[u8], _: &[u8], _: &mut [u8]) -> bool {
        match self.0 {}
    }

    pub(super) fn open_in_place(&self, _: &[u8; NONCE_LEN], _: &mut [u8], _: &[u8]) -> bool {
        match self.0 {}
    }
}

pub(super) struct Hmac(Infallible);

impl Hmac {
    pub(super) fn new(_: &[u8]) -> Self {
        unreachable!("Crypto refuses a backend that is not compiled")
    }

    pub(super) fn compute<'a>(&self, _: impl IntoIterator<Item = &'a [u8]>) -> Wiped<64> {
        match self.0 {}
    }
}
