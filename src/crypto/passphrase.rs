//! A root key from a passphrase: Argon2id, version 0x13.

use crate::error::{Result, SealedFileError};
use crate::secret::Secret;

/// What a guess at a passphrase costs.
///
/// Spec: RFC 9106.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Argon2Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

impl Argon2Cost {
    /// What a new file gets: the second choice of RFC 9106 section 4.
    pub(crate) const DEFAULT: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };

    /// Refuses a cost that protects too little, or that a forged file could exhaust a machine with.
    pub(crate) fn checked(self) -> Result<Self, SealedFileError> {
        let within = (19_456..=4 * 1024 * 1024).contains(&self.memory_kib)
            && (2..=64).contains(&self.passes)
            && (1..=64).contains(&self.lanes);
        if within { Ok(self) } else { Err(SealedFileError::Unsupported("the Argon2id cost is out of bounds")) }
    }
}

/// The root key of a passphrase under a salt; takes as long as the cost says.
///
/// # Errors
///
/// [`Feature::Passphrase`](crate::error::Feature::Passphrase) where this build lacks it.
#[cfg(feature = "passphrase")]
pub(crate) fn derive(passphrase: &[u8], salt: &[u8; 32], cost: Argon2Cost) -> Result<Secret> {
    use argon2::{Algorithm, Argon2, Params, Version};

    let out_of_bounds = |_| SealedFileError::Unsupported("the Argon2id cost is out of bounds");
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(out_of_bounds)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Secret::filled_by(|key| argon2.hash_password_into(passphrase, salt, key).map_err(|e| out_of_bounds(e).into()))
}

#[cfg(not(feature = "passphrase"))]
pub(crate) fn derive(_: &[u8], _: &[u8; 32], _: Argon2Cost) -> Result<Secret> {
    Err(crate::error::Feature::Passphrase.into())
}
