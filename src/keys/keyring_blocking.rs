//! The same verbs for callers without a runtime.

use pollster::block_on;

use super::keyring::Keyring;
use super::root_key::RootKey;
use super::sealed_keyring;
use super::usage::KeyUsage;
use crate::error::Result;

/// The verbs of a [`Keyring`] that read or change what is stored, synchronous: each waits on this thread.
///
/// Not for use inside an async runtime, where it would hold up a worker.
#[derive(Clone, Debug)]
pub struct BlockingKeyring(Keyring);

impl BlockingKeyring {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self(keyring)
    }

    /// See [`Keyring::seal`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn seal(&self, root_key: &RootKey) -> Result<Vec<u8>> {
        sealed_keyring::seal(&self.0.whole_state()?, root_key, &self.0.kept().sources().generator)
    }

    /// See [`Keyring::stage`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn stage(&self) -> Result<u32> {
        block_on(self.0.stage())
    }

    /// See [`Keyring::activate`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn activate(&self, version: u32) -> Result<()> {
        block_on(self.0.activate(version))
    }

    /// See [`Keyring::rotate`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rotate(&self) -> Result<u32> {
        block_on(self.0.rotate())
    }

    /// See [`Keyring::disable`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn disable(&self, version: u32) -> Result<()> {
        block_on(self.0.disable(version))
    }

    /// See [`Keyring::enable`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn enable(&self, version: u32) -> Result<()> {
        block_on(self.0.enable(version))
    }

    /// See [`Keyring::retire`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn retire(&self, version: u32, usage: &KeyUsage) -> Result<()> {
        block_on(self.0.retire(version, usage))
    }

    /// See [`Keyring::retire_losing_what_it_wraps`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn retire_losing_what_it_wraps(&self, version: u32) -> Result<()> {
        block_on(self.0.retire_losing_what_it_wraps(version))
    }

    /// See [`Keyring::raise_next_version`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn raise_next_version(&self, at_least: u32) -> Result<()> {
        block_on(self.0.raise_next_version(at_least))
    }

    /// See [`Keyring::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reload(&self) -> Result<()> {
        block_on(self.0.reload())
    }

    /// See [`Keyring::adopt_stored_losing_own_versions`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn adopt_stored_losing_own_versions(&self) -> Result<Vec<u32>> {
        block_on(self.0.adopt_stored_losing_own_versions())
    }

    /// See [`Keyring::replace_stored_by_own`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn replace_stored_by_own(&self) -> Result<u64> {
        block_on(self.0.replace_stored_by_own())
    }
}
