//! [`KeyringState`], a keyring at one moment with its changes, and [`VersionState`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::is_key_id;
use super::sources::Sources;
use super::usage::KeyUsage;
use crate::error::{Error, KeyringError, Limit, Result, SealedFileError};
use crate::secret::MasterKey;

/// A keyring at one moment.
#[derive(Clone)]
pub(crate) struct KeyringState {
    pub(crate) key_id: Arc<str>,
    pub(crate) generation: u64,
    pub(crate) primary: u32,
    pub(crate) next_version: u32,
    pub(crate) versions: BTreeMap<u32, MasterVersion>,
    /// Versions that are gone from the stored keyring. They unwrap nothing; their keys are still in memory.
    pub(crate) gone: BTreeMap<u32, MasterVersion>,
}

#[derive(Clone)]
pub(crate) struct MasterVersion {
    pub(crate) state: VersionState,
    /// The time of creation in milliseconds since 1970.
    pub(crate) created: u64,
    pub(crate) key: Arc<MasterKey>,
}

/// The state of a version of a keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VersionState {
    /// The version unwraps but has not wrapped yet, so that every node has time to read it.
    Staged,
    /// The version unwraps. The primary is an enabled version.
    Enabled,
    /// The version unwraps nothing until it is enabled again.
    Disabled,
    /// The version was retired by another process or lost from the stored keyring. It unwraps nothing. Its key is only
    /// in this process's memory; [`Keyring::seal`](crate::Keyring::seal) saves it as a disabled version.
    Gone,
}

impl VersionState {
    /// Returns the name of the state in an audit event.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Gone => "gone",
        }
    }
}

impl KeyringState {
    pub(super) fn empty(key_id: String, generation: u64, primary: u32, next_version: u32) -> Self {
        Self {
            key_id: key_id.into(),
            generation,
            primary,
            next_version,
            versions: BTreeMap::new(),
            gone: BTreeMap::new(),
        }
    }

    /// Creates a keyring with one version.
    pub(crate) fn generate(sources: &Sources) -> Result<Self> {
        use std::fmt::Write;

        let mut key_id = String::from("atrest-");
        for byte in sources.generator.bytes::<16>()? {
            let _ = write!(key_id, "{byte:02x}"); // writing to a String cannot fail
        }
        let mut state = Self::empty(key_id, 1, 1, 1);
        state.stage(sources)?;
        state.activate(1)?;
        Ok(state)
    }

    /// Rebuilds the state from the content of a sealed file.
    ///
    /// # Errors
    ///
    /// Returns an error if the content breaks a rule of the format.
    pub(crate) fn stored(
        key_id: String,
        generation: u64,
        primary: u32,
        next_version: u32,
        versions: impl IntoIterator<Item = (u32, MasterVersion)>,
    ) -> Result<Self, SealedFileError> {
        if !is_key_id(&key_id) {
            return Err(SealedFileError::Malformed("its key id"));
        }
        let mut state = Self::empty(key_id, generation, primary, next_version);
        let mut last = 0;
        for (number, version) in versions {
            if number <= last || number >= next_version || state.versions.len() >= usize::from(u16::MAX) {
                return Err(SealedFileError::Malformed("the number of a version"));
            }
            last = number;
            state.versions.insert(number, version);
        }
        match state.versions.get(&primary) {
            Some(version) if version.state == VersionState::Enabled => Ok(state),
            _ => Err(SealedFileError::Malformed("its primary is not there and enabled")),
        }
    }

    /// Returns the state after a change, with the next generation.
    pub(crate) fn changed(&self, change: &dyn Fn(&mut Self) -> Result<()>) -> Result<Self> {
        let mut changed = self.clone();
        change(&mut changed)?;
        changed.generation = changed.generation.checked_add(1).ok_or(Limit::Keyring)?;
        Ok(changed)
    }

    pub(super) fn stage(&mut self, sources: &Sources) -> Result<()> {
        let number = self.next_version;
        self.next_version = number.checked_add(1).ok_or(Limit::Keyring)?;
        if self.versions.len() >= usize::from(u16::MAX) {
            return Err(Limit::Keyring.into());
        }
        let key = Arc::new(MasterKey::from_secret(sources.generator.secret()?));
        let version = MasterVersion { state: VersionState::Staged, created: sources.now(), key };
        self.versions.insert(number, version);
        Ok(())
    }

    pub(super) fn activate(&mut self, number: u32) -> Result<()> {
        let version = self.version(number)?;
        if version.state == VersionState::Disabled {
            return Err(KeyringError::VersionDisabled(number).into());
        }
        version.state = VersionState::Enabled;
        self.primary = number;
        Ok(())
    }

    pub(super) fn disable(&mut self, number: u32) -> Result<()> {
        let primary = self.primary;
        let version = self.version(number)?;
        if number == primary {
            return Err(KeyringError::VersionIsPrimary(number).into());
        }
        version.state = VersionState::Disabled;
        Ok(())
    }

    pub(super) fn enable(&mut self, number: u32) -> Result<()> {
        let version = self.version(number)?;
        if version.state == VersionState::Disabled {
            version.state = VersionState::Enabled;
        }
        Ok(())
    }

    /// Removes a version if the usage proves that it wraps nothing. A staged version needs the proof too: it may have
    /// been the primary after the backup from which the keyring was restored.
    pub(super) fn retire(&mut self, number: u32, usage: &KeyUsage) -> Result<()> {
        self.retirable(number)?;
        if *usage.key_id != *self.key_id {
            return Err(KeyringError::UsageOfOtherKeyring.into());
        }
        usage.check_unused(self, number)?;
        self.versions.remove(&number);
        Ok(())
    }

    pub(super) fn retire_losing(&mut self, number: u32) -> Result<()> {
        self.retirable(number)?;
        self.versions.remove(&number);
        Ok(())
    }

    fn retirable(&mut self, number: u32) -> Result<()> {
        match self.version(number)?.state {
            VersionState::Enabled => Err(KeyringError::VersionNotDisabled(number).into()),
            VersionState::Staged | VersionState::Disabled | VersionState::Gone => Ok(()),
        }
    }

    fn version(&mut self, number: u32) -> Result<&mut MasterVersion, Error> {
        self.versions.get_mut(&number).ok_or_else(|| KeyringError::VersionUnknown(number).into())
    }
}
