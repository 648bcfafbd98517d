//! [`SealsValues`] and [`OpensValues`], what seals and opens the values of an object or part, and [`PlaintextMd5`].

use std::fmt;

use crate::error::{Error, Result};
use crate::multipart::{PartEncryptor, PartReceipt, Upload};
use crate::stream::{Decryptor, Encryptor, SealedValue};

/// What seals values that belong to an object or part: [`Encryptor`], [`PartEncryptor`], [`Upload`], [`Decryptor`].
///
/// Sealed: there are these and no others.
#[expect(private_bounds, reason = "outsiders can neither implement it nor call its inner method")]
pub trait SealsValues: sealed::Seals {}

/// What opens values that belong to an object or part: [`Decryptor`], [`PartReceipt`], [`Upload`], [`Encryptor`].
///
/// Sealed: there are these and no others.
#[expect(private_bounds, reason = "outsiders can neither implement it nor call its inner method")]
pub trait OpensValues: sealed::Opens {}

pub(super) mod sealed {
    use super::{Result, SealedValue};

    pub(crate) trait Seals {
        fn seal(&self, name: &str, value: &[u8]) -> Result<SealedValue>;

        /// Fresh digits for an ETag, from the handle's generator.
        fn random_digits(&self) -> Result<[u8; 16]>;
    }

    pub(crate) trait Opens {
        fn open(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>>;
    }
}

macro_rules! seals {
    ($($name:ident)*) => {$(
        impl SealsValues for $name {}

        impl sealed::Seals for $name {
            fn seal(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
                self.seal_value(name, value)
            }

            fn random_digits(&self) -> Result<[u8; 16]> {
                self.random_digits()
            }
        }
    )*};
}

macro_rules! opens {
    ($($name:ident)*) => {$(
        impl OpensValues for $name {}

        impl sealed::Opens for $name {
            fn open(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
                self.open_value(name, sealed)
            }
        }
    )*};
}

seals! { Encryptor PartEncryptor Upload Decryptor }
opens! { Decryptor PartReceipt Upload Encryptor }

/// The MD5 of a plaintext, as the host computed it or a client sent it. It is stored sealed, never unencrypted beside an
/// encrypted object.
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
    pub fn seal(self, values: &impl SealsValues) -> Result<SealedValue> {
        values.seal(Self::NAME, &self.0)
    }

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: it was changed, or is another object's, or no MD5.
    pub fn open(values: &impl OpensValues, sealed: &SealedValue) -> Result<Self> {
        let opened = values.open(Self::NAME, sealed)?;
        opened.try_into().map(Self).map_err(|_| Error::Inauthentic)
    }
}

impl fmt::Debug for PlaintextMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaintextMd5(..)")
    }
}
