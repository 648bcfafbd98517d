//! The async operations of [`Keyring`] that read or change the stored keyring.

use std::sync::{Arc, Mutex, PoisonError};

use super::keyring::Keyring;
use super::keyring_change::Alteration;
use super::keyring_state::KeyringState;
use super::sources::Sources;
use super::usage::KeyUsage;
use crate::error::{Limit, Result};

/// # Errors of a stored keyring
///
/// For a stored keyring, each operation below can also return
///
/// - [`Error::KeyProvider`](crate::Error::KeyProvider) of kind `Unavailable` if the storage or its lock does not answer
///   in time, the stored keyring has [another history](crate::error::OtherHistory), or the outcome of a change is
///   unknown;
/// - [`Error::Io`](crate::Error::Io) if the storage cannot be read or written;
/// - [`Error::SealedFile`](crate::Error::SealedFile) or [`Error::Inauthentic`](crate::Error::Inauthentic) if the stored
///   keyring does not open;
/// - [`KeyringError::Conflict`](crate::error::KeyringError::Conflict) if other processes kept changing the keyring.
///
/// A change of a keyring that is not stored returns
/// [`Misuse::KeyringNotStored`](crate::error::Misuse::KeyringNotStored). Dropping a future is safe: a change that has
/// begun is finished, and one that has not is never begun.
impl Keyring {
    /// Creates a version that unwraps but does not wrap yet, and returns its number.
    ///
    /// For a keyring that many nodes share: stage a version, wait until each node has read the keyring, then call
    /// [`activate`](Self::activate).
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Keyring`] or [`Error::Random`](crate::Error::Random).
    pub async fn stage(&self) -> Result<u32> {
        self.change_with(KeyringState::stage).await.map(|state| state.next_version - 1)
    }

    /// Makes a staged or enabled version the primary.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError`](crate::error::KeyringError) if the version does not exist or is disabled.
    pub async fn activate(&self, version: u32) -> Result<()> {
        self.change(move |state| state.activate(version)).await.map(drop)
    }

    /// Creates a version, makes it the primary, and returns its number. Older versions still unwrap.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`stage`](Self::stage).
    pub async fn rotate(&self) -> Result<u32> {
        let rotate = |state: &mut KeyringState, sources: &Sources| {
            state.stage(sources)?;
            state.activate(state.next_version - 1)
        };
        self.change_with(rotate).await.map(|state| state.primary)
    }

    /// Disables a version: it neither wraps nor unwraps until it is enabled again. Disable a version before you
    /// [`retire`](Self::retire) it, to see which objects still need it.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError`](crate::error::KeyringError) if the version does not exist or is the primary.
    pub async fn disable(&self, version: u32) -> Result<()> {
        self.change(move |state| state.disable(version)).await.map(drop)
    }

    /// Enables a disabled version, which then unwraps again.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::VersionUnknown`](crate::error::KeyringError::VersionUnknown) if the version does not
    /// exist.
    pub async fn enable(&self, version: u32) -> Result<()> {
        self.change(move |state| state.enable(version)).await.map(drop)
    }

    /// Destroys a disabled or staged version that wraps nothing. Its number is never used again.
    ///
    /// The usage is the proof: a [sweep](crate::rotation), an inventory or the service's own index counts it. Its walk
    /// must be finished and must have begun after the version was last the primary.
    ///
    /// # Security
    ///
    /// Every object still under the version is lost for ever. The usage does not count writes of nodes that have
    /// not read the keyring yet, nor writes that began before the walk. So activate another version; wait for both;
    /// sweep all versions of all objects, and all uploads; disable; wait; retire.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError`](crate::error::KeyringError) if the version does not exist or is not disabled or staged,
    /// or the usage counts anything under it or does not prove that it is unused.
    pub async fn retire(&self, version: u32, usage: &KeyUsage) -> Result<()> {
        let usage = usage.clone();
        self.change(move |state| state.retire(version, &usage)).await.map(drop)
    }

    /// Destroys a disabled or staged version without proof that it wraps nothing. Its number is never used again.
    ///
    /// # Security
    ///
    /// Every object and upload still under the version is lost for ever. [`retire`](Self::retire) requires a proof that
    /// there are none.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError`](crate::error::KeyringError) if the version does not exist or is not disabled or staged.
    pub async fn retire_losing_what_it_wraps(&self, version: u32) -> Result<()> {
        self.change(move |state| state.retire_losing(version)).await.map(drop)
    }

    /// Raises the number of the next version to at least `at_least`. After you restore a backup, pass one more than the
    /// highest version found in the store.
    ///
    /// # Security
    ///
    /// The version in an envelope is not authenticated: a number far from those of the keyring is a forgery, and
    /// raising to it uses up all the numbers in between.
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Keyring`] for 2^32 - 1, which is not a valid version.
    pub async fn raise_next_version(&self, at_least: u32) -> Result<()> {
        if at_least == u32::MAX {
            return Err(Limit::Keyring.into());
        }
        let raise = move |state: &mut KeyringState| {
            state.next_version = state.next_version.max(at_least);
            Ok(())
        };
        self.change(raise).await.map(drop)
    }

    /// Reads the stored keyring again, to see the changes of other processes. Does nothing for a keyring in memory or
    /// of an embedded KMS.
    ///
    /// The library also does this if an envelope names an unknown or disabled version, before an upload is completed,
    /// at the beginning of a sweep, and in the background of writes (see [`max_age`](crate::KeyringBuilder::max_age)).
    ///
    /// # Errors
    ///
    /// Returns [`Unexpected::History`](crate::error::Unexpected::History) if the stored keyring does not continue the
    /// one in memory. The keyring in memory then still unwraps, but refuses to wrap.
    pub async fn reload(&self) -> Result<()> {
        match self.kept().stored() {
            Ok(stored) => stored.reload().await,
            Err(_) => Ok(()),
        }
    }

    /// Replaces the keyring in memory by the stored one, regardless of its history, and returns the numbers of the
    /// versions whose keys are lost.
    ///
    /// Only an operator who knows which of two histories is right should call this. If the key id is the same, versions
    /// missing from the stored keyring stay in memory as [gone](crate::VersionState::Gone).
    ///
    /// # Security
    ///
    /// A version is lost, with every object that this process wrote under it, if the stored keyring has another key id,
    /// or has or may later create another key under its number. [`seal`](Self::seal) the keyring first, and keep the
    /// bytes.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::NotInAStorage`](crate::error::KeyringError::NotInAStorage) for any other keyring.
    pub async fn adopt_stored_losing_own_versions(&self) -> Result<Vec<u32>> {
        let lost = Arc::new(Mutex::new(Vec::new()));
        self.kept().stored()?.alter(Alteration::Adopt(lost.clone())).await?;
        let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut lost))
    }

    /// Replaces the stored keyring by the one in memory, regardless of its history, and returns the new generation,
    /// which is above both. A stored keyring that continues the one in memory is read first and loses nothing. The
    /// version numbers of a fork are not used again.
    ///
    /// Only an operator who knows which of two histories is right should call this. Versions that are
    /// [gone](crate::VersionState::Gone) from the stored keyring become disabled versions. Other processes that have
    /// seen the other history refuse this one until they are restarted or adopt it.
    ///
    /// # Security
    ///
    /// Versions that only the stored keyring has are lost, with every object that other processes wrote under them.
    /// Keep a copy of the stored keyring first.
    ///
    /// # Errors
    ///
    /// Returns [`KeyringError::NotInAStorage`](crate::error::KeyringError::NotInAStorage) for any other keyring.
    pub async fn replace_stored_by_own(&self) -> Result<u64> {
        self.kept().stored()?.alter(Alteration::Replace).await.map(|state| state.generation)
    }

    /// Makes a change that creates a key or records a time.
    async fn change_with(
        &self,
        change: impl Fn(&mut KeyringState, &Sources) -> Result<()> + Send + Sync + 'static,
    ) -> Result<KeyringState> {
        let sources = self.kept().sources();
        self.change(move |state| change(state, &sources)).await
    }

    async fn change(
        &self,
        change: impl Fn(&mut KeyringState) -> Result<()> + Send + Sync + 'static,
    ) -> Result<KeyringState> {
        self.kept().change(Arc::new(change)).await
    }
}
