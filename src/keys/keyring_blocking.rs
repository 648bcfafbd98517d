//! [`BlockingKeyring`]: the operations of a keyring for callers without a runtime.

use pollster::block_on;

use super::keyring::Keyring;
use super::root_key::RootKey;
use super::sealed_keyring;
use super::usage::KeyUsage;
use crate::error::Result;

/// The blocking operations of a [`Keyring`], which wait on the calling thread.
///
/// Do not use it on a thread of an async runtime: it would hold up other tasks.
#[derive(Clone, Debug)]
pub struct BlockingKeyring(Keyring);

impl BlockingKeyring {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }

    /// The blocking form of [`Keyring::seal`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn seal(&self, root_key: &RootKey) -> Result<Vec<u8>> {
        sealed_keyring::seal(&self.0.whole_state()?, root_key, &self.0.kept().sources().generator)
    }

    /// The blocking form of [`Keyring::stage`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn stage(&self) -> Result<u32> {
        block_on(self.0.stage())
    }

    /// The blocking form of [`Keyring::activate`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn activate(&self, version: u32) -> Result<()> {
        block_on(self.0.activate(version))
    }

    /// The blocking form of [`Keyring::rotate`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn rotate(&self) -> Result<u32> {
        block_on(self.0.rotate())
    }

    /// The blocking form of [`Keyring::disable`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn disable(&self, version: u32) -> Result<()> {
        block_on(self.0.disable(version))
    }

    /// The blocking form of [`Keyring::enable`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn enable(&self, version: u32) -> Result<()> {
        block_on(self.0.enable(version))
    }

    /// The blocking form of [`Keyring::retire`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn retire(&self, version: u32, usage: &KeyUsage) -> Result<()> {
        block_on(self.0.retire(version, usage))
    }

    /// The blocking form of [`Keyring::retire_losing_what_it_wraps`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn retire_losing_what_it_wraps(&self, version: u32) -> Result<()> {
        block_on(self.0.retire_losing_what_it_wraps(version))
    }

    /// The blocking form of [`Keyring::raise_next_version`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn raise_next_version(&self, at_least: u32) -> Result<()> {
        block_on(self.0.raise_next_version(at_least))
    }

    /// The blocking form of [`Keyring::reload`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn reload(&self) -> Result<()> {
        block_on(self.0.reload())
    }

    /// The blocking form of [`Keyring::adopt_stored_losing_own_versions`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn adopt_stored_losing_own_versions(&self) -> Result<Vec<u32>> {
        block_on(self.0.adopt_stored_losing_own_versions())
    }

    /// The blocking form of [`Keyring::replace_stored_by_own`].
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn replace_stored_by_own(&self) -> Result<u64> {
        block_on(self.0.replace_stored_by_own())
    }
}
