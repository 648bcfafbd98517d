//! [`PlaintextMd5`], the MD5 of a plaintext, which is kept sealed.

use std::fmt;

use crate::error::{Error, Result};
use crate::stream::{SealedValue, ValueSealer};

/// The MD5 of a plaintext, as the host computed it or a client sent it. It is stored sealed, never unencrypted beside
/// an encrypted object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PlaintextMd5([u8; 16]);

impl PlaintextMd5 {
    const NAME: &'static str = "s3/md5";

    /// Of these 16 bytes.
    pub fn new(md5: [u8; 16]) -> Self {
        Self(md5)
    }

    /// The 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Seals it beside its plaintext, under the name `s3/md5`: 57 bytes, in DSSE-KMS 98.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn seal(self, values: &ValueSealer) -> Result<SealedValue> {
        values.seal(Self::NAME, &self.0)
    }

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: it was changed, or is another object's, or no MD5.
    pub fn open(values: &ValueSealer, sealed: &SealedValue) -> Result<Self> {
        let opened = values.open(Self::NAME, sealed)?;
        opened.try_into().map(Self).map_err(|_| Error::Inauthentic)
    }
}

impl fmt::Debug for PlaintextMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaintextMd5(..)")
    }
}
