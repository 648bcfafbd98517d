//! The keyring: a primary master key that wraps, and older versions that still unwrap.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use super::keyring_state::{State, Version, VersionState};
use super::root_key::RootKey;
use super::usage::KeyUsage;
use super::{is_key_id, sealed_keyring};
use crate::clock::{now, time};
use crate::error::{KeyProviderError, KeyProviderErrorKind, Limit, Misuse, Result};
use crate::secret::MasterKey;

/// Versions of the master key that SSE-S3 and the outer layer of DSSE-KMS wrap data keys with.
///
/// A handle: clones share one keyring, and an [`Sse`](crate::Sse) built on one wraps its next object under whatever is
/// primary then. A keyring of a [`KeyringFile`](crate::KeyringFile) stores every change before it takes effect; one
/// made here lives in memory, and [`seal`](Self::seal) gives the bytes to keep elsewhere.
///
/// The life of a version:
///
/// ```text
/// stage ──> activate (primary) ──> another one is primary ──> disable ──> retire
/// '---- rotate ------'                                       <── enable
/// ```
///
/// # Security
///
/// Rotating protects what is written from now on. Envelopes wrapped before open under their old version until they
/// are rewrapped, and a rewrap revokes nothing. A retired version is gone, and with it every object still under it.
///
/// Spec: manual, keys; format, "Sealed files".
#[derive(Clone)]
pub struct Keyring(Arc<Shared>);

struct Shared {
    state: RwLock<Arc<State>>,
    /// Held for the whole of a change, so that two of one process come one after the other.
    changing: Mutex<()>,
    storage: Box<dyn Storage>,
}

/// Where a keyring is kept.
pub(crate) trait Storage: Send + Sync {
    /// Applies a change to what is stored now, stores the outcome, and gives it.
    fn update(&self, seen: &State, change: &dyn Fn(&mut State) -> Result<()>) -> Result<State>;

    /// What is stored now, if it is no older than what was seen; nothing where it is still the same.
    fn load(&self, seen: &State) -> Result<Option<State>>;
}

/// A version of a keyring, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionInfo {
    /// Its number, from 1; never used again once it is retired.
    pub number: u32,
    /// What it is good for.
    pub state: VersionState,
    /// When it was made, by the clock of the machine that made it.
    pub created: SystemTime,
}

impl Keyring {
    /// A new keyring in memory with one version; its key id ends in 32 random hex digits.
    ///
    /// Nothing of it is stored: what is encrypted under it is lost with it, unless [`seal`](Self::seal) is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Random`](crate::Error::Random): the operating system gave no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self::in_memory(State::generate()?))
    }

    /// A keyring rebuilt from its key id, its versions with their numbers, and the number of its primary.
    ///
    /// # Errors
    ///
    /// [`Misuse::KeyringVersions`]: a number is 0 or 2^32 - 1 or comes twice, or the primary is not there and enabled.
    /// [`Limit::KeyId`]: the key id is none.
    pub fn from_versions(
        key_id: impl Into<String>,
        primary: u32,
        versions: impl IntoIterator<Item = (u32, VersionState, MasterKey)>,
    ) -> Result<Self> {
        let mut state =
            State { key_id: key_id.into(), generation: 1, primary, next_version: 1, versions: BTreeMap::new() };
        if !is_key_id(&state.key_id) {
            return Err(Limit::KeyId.into());
        }
        for (number, version_state, key) in versions {
            let version = Version { state: version_state, created: now(), key: Arc::new(key) };
            let next = number.checked_add(1).ok_or(Misuse::KeyringVersions)?;
            state.next_version = state.next_version.max(next);
            if number == 0 || state.versions.insert(number, version).is_some() {
                return Err(Misuse::KeyringVersions.into());
            }
        }
        if state.versions.len() > usize::from(u16::MAX) {
            return Err(Limit::Keyring.into());
        }
        match state.versions.get(&primary) {
            Some(version) if version.state == VersionState::Enabled => Ok(Self::in_memory(state)),
            _ => Err(Misuse::KeyringVersions.into()),
        }
    }

    /// A keyring in memory from the bytes that [`seal`](Self::seal) or a keyring file gave.
    ///
    /// Compare [`key_id`](Self::key_id) and [`generation`](Self::generation) with what you expect: an older copy opens
    /// too.
    ///
    /// # Errors
    ///
    /// [`Error::SealedFile`](crate::Error::SealedFile); [`Error::Inauthentic`](crate::Error::Inauthentic): the bytes were changed.
    pub fn from_sealed(sealed: &[u8], root_key: &RootKey) -> Result<Self> {
        sealed_keyring::open(sealed, root_key).map(Self::in_memory)
    }

    /// The sealed bytes of the keyring as it is now, under a fresh salt: for a backup, or a store of your own.
    ///
    /// A store of your own replaces them by compare-and-swap, and [activates](Self::activate) a
    /// [staged](Self::stage) version only after its bytes are stored.
    ///
    /// # Errors
    ///
    /// [`Error::Random`](crate::Error::Random); [`Error::NotCompiled`](crate::Error::NotCompiled): a passphrase without the feature for it.
    pub fn seal(&self, root_key: &RootKey) -> Result<Vec<u8>> {
        sealed_keyring::seal(&self.state(), root_key)
    }

    /// The key id, as it stands in every envelope wrapped under this keyring.
    pub fn key_id(&self) -> String {
        self.state().key_id.clone()
    }

    /// The number of the version that wraps.
    pub fn primary(&self) -> u32 {
        self.state().primary
    }

    /// How many times the keyring was written; it only ever rises.
    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Every version there is, in ascending order of number.
    pub fn versions(&self) -> Vec<VersionInfo> {
        let info = |(number, version): (&u32, &Version)| VersionInfo {
            number: *number,
            state: version.state,
            created: time(version.created),
        };
        self.state().versions.iter().map(info).collect()
    }

    /// Makes a new version that opens but does not wrap yet, and gives its number.
    ///
    /// For keyrings that many nodes share: stage, wait until each has read it, then [`activate`](Self::activate).
    ///
    /// # Errors
    ///
    /// [`Limit::Keyring`]; [`Error::Random`](crate::Error::Random); of a file, [`Error::Io`](crate::Error::Io) and what opening it gives.
    pub fn stage(&self) -> Result<u32> {
        self.change(State::stage).map(|state| state.next_version - 1)
    }

    /// Makes a staged or enabled version the primary.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is disabled; of a file, [`Error::Io`](crate::Error::Io) and what opening gives.
    pub fn activate(&self, version: u32) -> Result<()> {
        self.change(|state| state.activate(version)).map(drop)
    }

    /// Makes a new version and has it wrap from now on; gives its number. The older ones still open.
    ///
    /// # Errors
    ///
    /// As [`stage`](Self::stage).
    pub fn rotate(&self) -> Result<u32> {
        let rotate = |state: &mut State| {
            state.stage()?;
            state.activate(state.next_version - 1)
        };
        self.change(rotate).map(|state| state.primary)
    }

    /// Has a version open nothing until it is enabled again: the rehearsal of retiring it.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is the primary; of a file, [`Error::Io`](crate::Error::Io) and what opening gives.
    pub fn disable(&self, version: u32) -> Result<()> {
        self.change(|state| state.disable(version)).map(drop)
    }

    /// Has a disabled version open again.
    ///
    /// # Errors
    ///
    /// [`KeyringError::VersionUnknown`](crate::error::KeyringError::VersionUnknown); of a file, [`Error::Io`](crate::Error::Io) and what opening gives.
    pub fn enable(&self, version: u32) -> Result<()> {
        self.change(|state| state.enable(version)).map(drop)
    }

    /// Destroys a disabled or staged version that wraps nothing any more. Its number is never used again.
    ///
    /// The usage is the proof: a [sweep](crate::rotation) or an inventory gives one, an index of your own another. It
    /// has to be of a walk that came to its end, and began when the version no longer was the primary.
    ///
    /// # Security
    ///
    /// Whatever is still wrapped under it is lost for ever. What no usage can show: nodes that have not read the keyring
    /// since, and writes that began before. Make another version the primary; wait for both; sweep all versions of all
    /// objects, and all uploads; disable; wait; retire.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is not disabled, or the usage
    /// counts anything under it, or proves nothing of it. Of a file, [`Error::Io`](crate::Error::Io) and what opening gives.
    pub fn retire(&self, version: u32, usage: &KeyUsage) -> Result<()> {
        self.change(|state| state.retire(version, usage)).map(drop)
    }

    /// Destroys a disabled version, or a staged one, whatever is still wrapped under it. Its number is never used again.
    ///
    /// # Security
    ///
    /// Every object and upload that is still wrapped under it is lost for ever. [`retire`](Self::retire) asks for a proof
    /// that there is none.
    ///
    /// # Errors
    ///
    /// [`KeyringError`](crate::error::KeyringError): there is no such version, or it is not disabled; of a file, [`Error::Io`](crate::Error::Io) and what opening gives.
    pub fn retire_losing_what_it_wraps(&self, version: u32) -> Result<()> {
        self.change(|state| state.retire_losing(version)).map(drop)
    }

    /// Has the next version's number be at least this one: after a backup was restored, one above every version found
    /// in the store.
    ///
    /// # Security
    ///
    /// What an envelope says of its version is not authenticated: a number that is far from those the keyring had is
    /// somebody's forgery, and takes all the numbers in between with it.
    ///
    /// # Errors
    ///
    /// [`Limit::Keyring`]: 2^32 - 1, which no version has. Of a file, [`Error::Io`](crate::Error::Io) and what opening gives.
    pub fn raise_next_version(&self, at_least: u32) -> Result<()> {
        if at_least == u32::MAX {
            return Err(Limit::Keyring.into());
        }
        let raise = |state: &mut State| {
            state.next_version = state.next_version.max(at_least);
            Ok(())
        };
        self.change(raise).map(drop)
    }

    /// Reads the keyring's file again, to see what other processes changed. A keyring in memory has nothing to read.
    ///
    /// Done by itself when an envelope names a version that is not known, or disabled.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io) and what opening gives; [`Unexpected`](crate::error::Unexpected): an older file or
    /// another keyring stands in its place. The keyring goes on with what it had.
    pub fn reload(&self) -> Result<()> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = self.state();
        if let Some(loaded) = self.0.storage.load(&seen)? {
            self.replace(loaded);
        }
        Ok(())
    }

    pub(crate) fn stored_in(state: State, storage: impl Storage + 'static) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self(Arc::new(Shared { state, changing: Mutex::new(()), storage: Box::new(storage) }))
    }

    pub(crate) fn state(&self) -> Arc<State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether this is the keyring's key id.
    pub(crate) fn is(&self, key_id: Option<&str>) -> bool {
        key_id == Some(&*self.state().key_id)
    }

    /// The key that wraps, with its id and number, all of one moment.
    pub(crate) fn wrapping_key(&self) -> (String, u32, Arc<MasterKey>) {
        let state = self.state();
        let primary = &state.versions[&state.primary];
        (state.key_id.clone(), state.primary, primary.key.clone())
    }

    /// The key of a version, to unwrap with; reads a file once more before it says that there is none.
    pub(crate) fn unwrapping_key(&self, version: u32) -> Result<Arc<MasterKey>> {
        let mut state = self.state();
        // Another process may have made it, or enabled it again.
        let usable = |state: &State| state.versions.get(&version).is_some_and(|v| v.state != VersionState::Disabled);
        if !usable(&state) {
            self.refresh_for(version)?;
            state = self.state();
        }
        let refused = |kind| Err(KeyProviderError::new(kind, &state.key_id).with_key_version(version).into());
        match state.versions.get(&version) {
            None => refused(KeyProviderErrorKind::NotFound),
            Some(found) if found.state == VersionState::Disabled => refused(KeyProviderErrorKind::Disabled),
            Some(found) => Ok(found.key.clone()),
        }
    }

    /// [`reload`](Self::reload) on the way to something else.
    pub(crate) fn refresh(&self) -> Result<()> {
        self.refresh_for(self.primary())
    }

    /// What is wrong with the keyring's file is no verdict on an object: it is never given as Inauthentic.
    fn refresh_for(&self, version: u32) -> Result<()> {
        self.reload().map_err(|error| {
            let unavailable = KeyProviderError::new(KeyProviderErrorKind::Unavailable, &self.key_id());
            unavailable.with_key_version(version).with_source(error).into()
        })
    }

    fn in_memory(state: State) -> Self {
        Self::stored_in(state, Memory)
    }

    /// Changes what is stored, and then what this handle sees.
    fn change(&self, change: impl Fn(&mut State) -> Result<()>) -> Result<Arc<State>> {
        let _changing = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = self.0.storage.update(&self.state(), &change)?;
        self.replace(stored);
        Ok(self.state())
    }

    fn replace(&self, state: State) {
        *self.0.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Keyring")
            .field("key_id", &state.key_id)
            .field("primary", &state.primary)
            .field("generation", &state.generation)
            .finish_non_exhaustive()
    }
}

/// The storage of a keyring that is stored nowhere, or by its caller.
struct Memory;

impl Storage for Memory {
    fn update(&self, seen: &State, change: &dyn Fn(&mut State) -> Result<()>) -> Result<State> {
        seen.changed(change)
    }

    fn load(&self, _: &State) -> Result<Option<State>> {
        Ok(None)
    }
}
