//! [`Argon2Cost`], and the derivation of a root key from a passphrase: Argon2id, version 0x13.

use crate::error::{Result, SealedFileError};
use crate::secret::Secret;

/// The cost of one guess at a passphrase: the parameters of Argon2id.
///
/// # Performance
///
/// The time grows with memory and passes; lanes are computed one after another. [`DEFAULT`](Self::DEFAULT) takes about
/// 0.1 s of one core and 64 MiB, [`ACCEPTED`](Self::ACCEPTED) about 12 s and 1 GiB, and ten times that on a busy
/// machine (bench `costs`).
///
/// Spec: RFC 9106.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Argon2Cost {
    /// The cost for a new file, 64 MiB, 3 passes and 4 lanes: the second choice of RFC 9106 section 4.
    pub const DEFAULT: Self = Self::new(64 * 1024, 3, 4);

    /// The highest cost that a file may require unless the caller accepts more: 1 GiB, 16 passes and 16 lanes.
    pub const ACCEPTED: Self = Self::new(1024 * 1024, 16, 16);

    /// The highest cost that the format allows: 4 GiB, 64 passes and 64 lanes.
    pub(crate) const FORMAT: Self = Self::new(4 * 1024 * 1024, 64, 64);

    /// Creates a cost from the memory in KiB, the passes and the lanes.
    pub const fn new(memory_kib: u32, passes: u32, lanes: u32) -> Self {
        Self { memory_kib, passes, lanes }
    }

    /// Checks the cost that a file requires. Returns an error if the cost protects too little, exceeds the format's
    /// bounds, or exceeds `accepted` in one of the three parameters.
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

/// Derives the root key from a passphrase and a salt, at the given cost.
///
/// # Errors
///
/// - [`Error::Io`](crate::Error::Io) of kind `OutOfMemory` if there is not enough memory at this moment.
/// - [`Feature::Passphrase`](crate::error::Feature::Passphrase) if this build lacks the feature.
#[cfg(feature = "passphrase")]
pub(crate) fn derive(passphrase: &[u8], salt: &[u8; 32], cost: Argon2Cost) -> Result<Secret> {
    use std::io::ErrorKind;

    use argon2::{Algorithm, Argon2, Params, Version};

    use crate::error::{Error, IoError};

    let failed = |error| match error {
        argon2::Error::OutOfMemory => {
            IoError::new("Argon2id needs more memory than is available now", ErrorKind::OutOfMemory.into()).into()
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
