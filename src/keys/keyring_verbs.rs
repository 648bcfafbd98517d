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
/// Every verb here reads or changes what is stored, where the keyring is stored. Beside what each names, it fails with
///
/// - [`Error::KeyProvider`](crate::Error::KeyProvider) of kind `Unavailable`: the storage or its lock does not answer
///   in time, what is stored has [another history](crate::error::OtherHistory), or it is not known whether a change was
///   stored;
/// - [`Error::Io`](crate::Error::Io): the storage cannot be read or written;
/// - [`Error::SealedFile`](crate::Error::SealedFile), [`Error::Inauthentic`](crate::Error::Inauthentic): what is stored
///   does not open;
/// - [`KeyringError::Conflict`](crate::error::KeyringError::Conflict): others changed it again and again meanwhile.
///
/// Changes of a keyring that is stored nowhere are
/// [`Misuse::KeyringNotStored`](crate::error::Misuse::KeyringNotStored). A caller that drops the future loses nothing:
/// a change that was begun is finished, one that was not is never begun.
impl Keyring {
    /// Creates a version that unwraps but does not wrap yet, and returns its number.
    ///
    /// For keyrings that many nodes share: stage, wait until each node has read the keyring, then
    /// [`activate`](Self::activate).
    ///
    /// # Errors
    ///
    /// [`Limit::Keyring`]; [`Error::Random`](crate::Error::Random).
    pub async fn stage(&self) -> Result<u32> {
        self.change_with(KeyringState::stage).await.map(|state| state.next_version - 1)
    }

    /// Makes a staged or enabled version the primary.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is disabled.
    pub async fn activate(&self, version: u32) -> Result<()> {
        self.change(move |state| state.activate(version)).await.map(drop)
    }

    /// Creates a version, makes it the primary, and returns its number. The older versions still unwrap.
    ///
    /// # Errors
    ///
    /// The errors of [`stage`](Self::stage).
    pub async fn rotate(&self) -> Result<u32> {
        let rotate = |state: &mut KeyringState, sources: &Sources| {
            state.stage(sources)?;
            state.activate(state.next_version - 1)
        };
        self.change_with(rotate).await.map(|state| state.primary)
    }

    /// Disables a version: it neither wraps nor unwraps until it is enabled again. Do this before
    /// [`retire`](Self::retire), to see which objects still need the version.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is the primary.
    pub async fn disable(&self, version: u32) -> Result<()> {
        self.change(move |state| state.disable(version)).await.map(drop)
    }

    /// Enables a disabled version: it unwraps again.
    ///
    /// # Errors
    ///
    /// [`KeyringError::VersionUnknown`](crate::error::KeyringError::VersionUnknown).
    pub async fn enable(&self, version: u32) -> Result<()> {
        self.change(move |state| state.enable(version)).await.map(drop)
    }

    /// Destroys a disabled or staged version that no longer wraps anything. Its number is never used again.
    ///
    /// The usage is the proof; a [sweep](crate::rotation), an inventory or an index of the service gives one. Its walk
    /// must be finished, and must have begun after the version was the primary.
    ///
    /// # Security
    ///
    /// Every object that is still under the version is lost for ever. No usage counts the writes of nodes that have not
    /// read the keyring yet, or writes that began before the walk. So make another version the primary; wait for both;
    /// sweep all versions of all objects, and all uploads; disable; wait; retire.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is not disabled, or the usage
    /// counts anything under it, or proves nothing of it.
    pub async fn retire(&self, version: u32, usage: &KeyUsage) -> Result<()> {
        let usage = usage.clone();
        self.change(move |state| state.retire(version, &usage)).await.map(drop)
    }

    /// Destroys a disabled or staged version without a proof that it wraps nothing. Its number is never used again.
    ///
    /// # Security
    ///
    /// Every object and upload that is still wrapped under it is lost for ever. [`retire`](Self::retire) asks for a
    /// proof that nothing is wrapped under it.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is not disabled.
    pub async fn retire_losing_what_it_wraps(&self, version: u32) -> Result<()> {
        self.change(move |state| state.retire_losing(version)).await.map(drop)
    }

    /// Raises the number of the next version to at least this one: after a backup was restored, one above every version
    /// found in the store.
    ///
    /// # Security
    ///
    /// What an envelope says of its version is not authenticated: a number that is far from those the keyring had is
    /// a forgery, and takes all the numbers in between with it.
    ///
    /// # Errors
    ///
    /// [`Limit::Keyring`]: 2^32 - 1, which no version has.
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

    /// Reads the stored keyring again, for the changes of other processes. Does nothing for a keyring in memory or of
    /// an embedded KMS.
    ///
    /// The library reads it without this call if an envelope names an unknown or disabled version, before an upload is
    /// completed, at the beginning of a sweep, and in the background of writes (see
    /// [`max_age`](crate::KeyringBuilder::max_age)).
    ///
    /// # Errors
    ///
    /// [`Unexpected::History`](crate::error::Unexpected::History): the stored keyring does not continue the one in
    /// memory. The keyring in memory still unwraps, and refuses to wrap.
    pub async fn reload(&self) -> Result<()> {
        match self.kept().stored() {
            Ok(stored) => stored.reload().await,
            Err(_) => Ok(()),
        }
    }

    /// Replaces the keyring in memory by the stored one, regardless of its history, and returns the numbers of the
    /// versions whose keys are lost by this.
    ///
    /// For an operator who knows which of two histories is the right one. If the key id is the same,
    /// versions that the stored keyring no longer has stay in memory as [gone](crate::VersionState::Gone).
    ///
    /// # Security
    ///
    /// A version is lost where the stored keyring has another key under its number, or is going to give the number to
    /// another key; and with it every object that this process wrote under it. [`seal`](Self::seal) the keyring first,
    /// and keep the bytes.
    ///
    /// # Errors
    ///
    /// [`KeyringError::NotInAStorage`](crate::error::KeyringError::NotInAStorage).
    pub async fn adopt_stored_losing_own_versions(&self) -> Result<Vec<u32>> {
        let lost = Arc::new(Mutex::new(Vec::new()));
        self.kept().stored()?.alter(Alteration::Adopt(lost.clone())).await?;
        let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut lost))
    }

    /// Replaces the stored keyring by the one in memory, regardless of its history, and returns the new generation,
    /// which is above both. A stored keyring that continues the one in memory is read first, and loses nothing. The
    /// numbers that a fork gave to its versions are not given out again.
    ///
    /// For an operator who knows which of two histories is the right one. Versions that are
    /// [gone](crate::VersionState::Gone) from the stored keyring come back as disabled ones. Other processes that have
    /// seen the other history refuse this one, until they are restarted or adopt it.
    ///
    /// # Security
    ///
    /// The versions of the stored keyring that this one does not have are lost, and with them every object that other
    /// processes wrote under them. Keep a copy of the file first.
    ///
    /// # Errors
    ///
    /// [`KeyringError::NotInAStorage`](crate::error::KeyringError::NotInAStorage).
    pub async fn replace_stored_by_own(&self) -> Result<u64> {
        self.kept().stored()?.alter(Alteration::Replace).await.map(|state| state.generation)
    }

    /// Makes a change that draws a key or records a time.
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
