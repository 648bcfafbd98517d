//! A root key from a passphrase: Argon2id, version 0x13.

use crate::error::{Result, SealedFileError};
use crate::secret::Secret;

/// What a guess at a passphrase costs: the parameters of Argon2id.
///
/// # Performance
///
/// Time grows with memory and passes; lanes are computed one after another. [`DEFAULT`](Self::DEFAULT) takes up to a
/// second of one core and 64 MiB, [`ACCEPTED`](Self::ACCEPTED) one to two minutes and 1 GiB.
///
/// Spec: RFC 9106.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Argon2Cost {
    /// What a new file gets, 64 MiB, 3 passes and 4 lanes: the second choice of RFC 9106 section 4.
    pub const DEFAULT: Self = Self::new(64 * 1024, 3, 4);

    /// The most that a file may ask for unless the caller accepts more: 1 GiB, 16 passes and 16 lanes.
    pub const ACCEPTED: Self = Self::new(1024 * 1024, 16, 16);

    /// The most that the format allows: 4 GiB, 64 passes and 64 lanes.
    pub(crate) const FORMAT: Self = Self::new(4 * 1024 * 1024, 64, 64);

    /// A cost of memory in KiB, passes and lanes.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Self {
        Self { memory_kib, passes, lanes }
    }

    /// Refuses a cost of a file that protects too little, that is out of the format's bounds, or that is more than
    /// `accepted` in any of the three parameters.
    pub(crate) fn check(self, accepted: Self) -> Result<(), SealedFileError> {
        let protects = self.memory_kib >= 19_456 && self.passes >= 2 && self.lanes >= 1;
        if !protects || !self.is_within(Self::FORMAT) {
            return Err(SealedFileError::Unsupported("the Argon2id cost is out of bounds"));
        }
        if !self.is_within(accepted) {
            return Err(SealedFileError::Unsupported(
                "the Argon2id cost is more than this reader accepts (RootKey::accepting)",
            ));
        }
        Ok(())
    }

    fn is_within(self, most: Self) -> bool {
        self.memory_kib <= most.memory_kib && self.passes <= most.passes && self.lanes <= most.lanes
    }
}

/// The root key of a passphrase under a salt; takes as long as the cost says.
///
/// # Errors
///
/// [`Error::Io`](crate::Error::Io) of kind `OutOfMemory`: there is not enough memory now.
/// [`Feature::Passphrase`](crate::error::Feature::Passphrase) where this build lacks it.
#[cfg(feature = "passphrase")]
pub(crate) fn derive(passphrase: &[u8], salt: &[u8; 32], cost: Argon2Cost) -> Result<Secret> {
    use std::io::ErrorKind;

    use argon2::{Algorithm, Argon2, Params, Version};

    use crate::error::{Error, IoError};

    let failed = |error| match error {
        argon2::Error::OutOfMemory => {
            IoError::new("Argon2id needs more memory than there is now", ErrorKind::OutOfMemory.into()).into()
        }
        _ => Error::from(SealedFileError::Unsupported("the Argon2id cost is out of bounds")),
    };
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Secret::filled_by(
        |key| argon2.hash_password_into(passphrase, salt, key).map_err(failed),
        || SealedFileError::WrongRootKey.into(),
    )
}

#[cfg(not(feature = "passphrase"))]
pub(crate) fn derive(_: &[u8], _: &[u8; 32], _: Argon2Cost) -> Result<Secret> {
    Err(crate::error::Feature::Passphrase.into())
}
