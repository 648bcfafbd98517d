//! [`PlaintextMd5`], the MD5 of a plaintext, stored sealed.

use std::fmt;

use crate::error::{Error, Result};
use crate::stream::{SealedValue, ValueSealer};

/// The MD5 of a plaintext, computed by the host or sent by a client. Store the MD5 sealed, never unencrypted beside an
/// encrypted object.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PlaintextMd5([u8; 16]);

impl PlaintextMd5 {
    const NAME: &'static str = "s3/md5";

    /// Creates the MD5 from its 16 bytes.
    pub fn new(md5: [u8; 16]) -> Self {
        Self(md5)
    }

    /// Returns the 16 bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// Seals the MD5 as a value of its object, under the name `s3/md5`. The sealed value has 57 bytes, or 98 bytes in
    /// DSSE-KMS.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`] if the random generator fails.
    pub fn seal(self, values: &ValueSealer) -> Result<SealedValue> {
        values.seal(Self::NAME, &self.0)
    }

    /// Opens a sealed MD5.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the value was changed, belongs to another object, or is not an MD5.
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
