//! [`Wrapping`]: wraps and unwraps a data key, and computes the verifier of a key-encryption key.

use crate::crypto::{Crypto, OneShot, Prk, TAG_LEN, constant_time_eq, label};
use crate::error::{Error, Result};
use crate::secret::{DataKey, KEY_LEN, Secret};

pub(crate) const WRAP_SALT_LEN: usize = 32;
pub(crate) const VERIFIER_LEN: usize = 32;
pub(crate) const WRAPPED_KEY_LEN: usize = KEY_LEN + TAG_LEN;

/// A key-encryption key with the salt of one wrap.
pub(crate) struct Wrapping {
    prk: Prk,
}

impl Wrapping {
    /// Combines the key-encryption key with a salt that is fresh for every wrap.
    pub(crate) fn new(crypto: Crypto, kek: &[u8; KEY_LEN], wrap_salt: &[u8; WRAP_SALT_LEN]) -> Self {
        Self { prk: Prk::extract(crypto, wrap_salt, kek) }
    }

    /// Returns the verifier, which identifies the key and commits to it. `kind` is version, mode and suite.
    pub(crate) fn verifier(&self, kind: [u8; 3]) -> [u8; VERIFIER_LEN] {
        let mut verifier = [0; VERIFIER_LEN];
        self.prk.expand(label::VERIFIER, &[&kind], &mut verifier);
        verifier
    }

    /// Returns whether this key made the verifier. The comparison takes constant time.
    pub(crate) fn verify(&self, kind: [u8; 3], verifier: &[u8; VERIFIER_LEN]) -> bool {
        constant_time_eq(&self.verifier(kind), verifier)
    }

    /// Wraps a data key for an envelope with this header. `binding` holds the names that the wrap is bound to.
    pub(crate) fn wrap(&self, header: &[u8], binding: &[u8], data_key: &DataKey) -> [u8; WRAPPED_KEY_LEN] {
        let mut wrapped = [0; WRAPPED_KEY_LEN];
        self.one_shot(header, binding).seal(data_key.expose_secret(), &mut wrapped);
        wrapped
    }

    /// Unwraps the data key of an envelope.
    ///
    /// # Errors
    ///
    /// Returns `Inauthentic` if header, binding, key-encryption key and wrapped key do not belong together, or the data
    /// key is all zero.
    pub(crate) fn unwrap(
        &self,
        header: &[u8],
        binding: &[u8],
        wrapped: &[u8; WRAPPED_KEY_LEN],
    ) -> Result<DataKey, Error> {
        let one_shot = self.one_shot(header, binding);
        let data_key = Secret::filled_by(|data_key| one_shot.open(wrapped, data_key), || Error::Inauthentic)?;
        Ok(DataKey::from_secret(data_key))
    }

    /// Derives the key and nonce of this wrap, which are unique because the salt is fresh.
    fn one_shot(&self, header: &[u8], binding: &[u8]) -> OneShot {
        OneShot::derive(&self.prk, label::WRAP, &[header, binding])
    }
}
