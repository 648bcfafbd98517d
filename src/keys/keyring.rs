//! [`Keyring`] and [`VersionInfo`]: one primary master key wraps; older versions unwrap.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::keyring_blocking::BlockingKeyring;
use super::keyring_builder::KeyringBuilder;
use super::keyring_record::Recorder;
#[cfg(feature = "embedded-kms")]
use super::keyring_shared::KeyringOwner;
use super::keyring_shared::KeyringPlace;
use super::keyring_state::{KeyringState, MasterVersion, VersionState};
use super::keyring_storage::KeyringStorage;
use super::keyring_stored::Stored;
use super::root_key::RootKey;
use super::sources::Sources;
use super::{is_key_id, sealed_keyring};
use crate::clock::time;
use crate::crypto::Generator;
use crate::crypto::random::TryCryptoRng;
use crate::error::{
    Error, IoError, KeyProviderError, KeyProviderErrorKind, KeyringError, Limit, Misuse, OtherHistory, Result,
};
use crate::offload::offload;
use crate::secret::MasterKey;

/// The versions of a master key, which wrap the data keys of SSE-S3 and of the outer layer of DSSE-KMS.
///
/// `Keyring` is a handle: clones share one keyring. An [`Sse`](crate::Sse) with this keyring wraps each object under
/// the current primary. A keyring of a [`KeyringBuilder`](crate::KeyringBuilder) stores every change before the change
/// takes effect. A keyring in memory refuses changes unless
/// [`with_changes_lost_on_exit`](Self::with_changes_lost_on_exit) allows them.
///
/// Operations that read or change a stored keyring are async and never block the polling thread.
/// [`blocking`](Self::blocking) offers each as a synchronous call. All other calls read memory only.
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
/// Rotation protects later writes only. Existing envelopes open under their old version until they are rewrapped, and a
/// rewrap revokes nothing. Retiring a version destroys its key and every object still under that version.
///
/// Spec: manual, keys; format, "Sealed files".
#[derive(Clone)]
pub struct Keyring(Arc<KeyringPlace>);

/// A version of a keyring, without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionInfo {
    /// The number of the version, from 1. It is not used again after the version is retired.
    pub number: u32,
    /// The state of the version.
    pub state: VersionState,
    /// The time of creation, by the clock of the creating machine.
    pub created: SystemTime,
}

impl Keyring {
    /// Creates a keyring with one version in a new file.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`KeyringBuilder::create`].
    pub async fn create(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Self> {
        Self::builder(path).create(root_key).await
    }

    /// [`create`](Self::create) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`KeyringBuilder::create`].
    pub fn create_blocking(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Self> {
        Self::builder(path).create_blocking(root_key)
    }

    /// Opens the keyring in a file. Accepts any keyring that the root key opens; [`KeyringBuilder`] can require a key
    /// id and a generation.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`KeyringBuilder::open`].
    pub async fn open(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Self> {
        Self::builder(path).open(root_key).await
    }

    /// [`open`](Self::open) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`KeyringBuilder::open`].
    pub fn open_blocking(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Self> {
        Self::builder(path).open_blocking(root_key)
    }

    /// Returns a builder that creates or opens the keyring of a file with further settings.
    pub fn builder(path: impl Into<PathBuf>) -> KeyringBuilder {
        KeyringBuilder::at(path.into())
    }

    /// Returns a builder that creates or opens the keyring in the caller's storage.
    pub fn builder_in(storage: Arc<dyn KeyringStorage>) -> KeyringBuilder {
        KeyringBuilder::kept_in(storage)
    }

    /// Creates a keyring in memory with one version. Its key id ends in 32 random hex digits.
    ///
    /// The keyring is not stored: all its objects are lost with it unless the bytes of [`seal`](Self::seal) are stored.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`](crate::Error::Random) if the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        Ok(Self::in_memory(KeyringState::generate(&Sources::default())?))
    }

    /// Rebuilds a keyring in memory from its key id, its versions with their numbers, and the number of its primary.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::KeyringVersions`] if a number is 0, 2^32 - 1 or a duplicate, or the primary is missing or not
    /// enabled. Returns [`Limit::KeyId`] if the key id is empty, too long, or has control characters.
    pub fn from_versions(
        key_id: impl Into<String>,
        primary: u32,
        versions: impl IntoIterator<Item = (u32, VersionState, MasterKey)>,
    ) -> Result<Self> {
        let mut state = KeyringState::empty(key_id.into(), 1, primary, 1);
        if !is_key_id(&state.key_id) {
            return Err(Limit::KeyId.into());
        }
        for (number, version_state, key) in versions {
            let version = MasterVersion { state: version_state, created: Sources::default().now(), key: Arc::new(key) };
            let next = number.checked_add(1).ok_or(Misuse::KeyringVersions)?;
            state.next_version = state.next_version.max(next);
            if number == 0 || version_state == VersionState::Gone || state.versions.insert(number, version).is_some() {
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

    /// Opens a keyring in memory from the bytes of [`seal`](Self::seal) or of a keyring file.
    ///
    /// An older copy opens too: compare [`key_id`](Self::key_id) and [`generation`](Self::generation) with the expected
    /// values. To store changes of the keyring, implement a [`KeyringStorage`](crate::KeyringStorage).
    ///
    /// # Errors
    ///
    /// Returns [`Error::SealedFile`](crate::Error::SealedFile), [`Error::Inauthentic`](crate::Error::Inauthentic) if
    /// the bytes were changed, or [`Error::Io`](crate::Error::Io) if no thread could be started.
    pub async fn from_sealed(sealed: &[u8], root_key: &RootKey) -> Result<Self> {
        let (sealed, root_key) = (sealed.to_vec(), root_key.clone());
        let opening = offload(move || sealed_keyring::open(&sealed, &root_key)).map_err(no_thread)?;
        opening.await.map_err(no_thread)?.map(Self::in_memory)
    }

    /// [`from_sealed`](Self::from_sealed) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of the async form.
    pub fn from_sealed_blocking(sealed: &[u8], root_key: &RootKey) -> Result<Self> {
        sealed_keyring::open(sealed, root_key).map(Self::in_memory)
    }

    /// Allows changes of a keyring in memory, for all handles. Has no effect on a stored keyring.
    ///
    /// # Security
    ///
    /// A new version, and every object under it, is lost when the process ends, unless the bytes of
    /// [`seal`](Self::seal) are stored before the first object is written.
    #[must_use]
    pub fn with_changes_lost_on_exit(self) -> Self {
        self.0.allow_changes_that_are_lost();
        self
    }

    /// Replaces the random generator of a keyring in memory, for all handles. Later versions and the salts of
    /// [`seal`](Self::seal) come from it. Has no effect on a keyring in a storage, which has the generator of its
    /// builder, nor on one of an embedded KMS, which has the generator of the KMS.
    ///
    /// `factory` makes a generator for each draw. To create the first version from this generator too, call
    /// [`from_versions`](Self::from_versions).
    ///
    /// # Security
    ///
    /// A generator that repeats itself repeats keys.
    #[must_use]
    pub fn with_generator<R>(self, factory: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: TryCryptoRng,
        R::Error: Send + Sync + 'static,
    {
        self.0.replace_generator(Generator::new(factory));
        self
    }

    /// Returns the blocking operations, for callers without a runtime.
    pub fn blocking(&self) -> BlockingKeyring {
        BlockingKeyring::new(self.clone())
    }

    /// Seals the current keyring under a fresh salt, for a backup. Versions that are [gone](VersionState::Gone) from
    /// the stored keyring are sealed as disabled versions.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`](crate::Error::Random), [`Error::NotCompiled`](crate::Error::NotCompiled) if the root
    /// key is a passphrase and its feature is missing, or [`Error::Io`](crate::Error::Io) if no thread could be
    /// started.
    ///
    /// # Performance
    ///
    /// With a passphrase, Argon2id runs on a separate thread.
    pub async fn seal(&self, root_key: &RootKey) -> Result<Vec<u8>> {
        let (state, root_key) = (self.whole_state()?, root_key.clone());
        let generator = self.0.sources().generator;
        let sealing = offload(move || sealed_keyring::seal(&state, &root_key, &generator)).map_err(no_thread)?;
        sealing.await.map_err(no_thread)?
    }

    /// Returns the key id, which is in every envelope under this keyring.
    pub fn key_id(&self) -> String {
        self.state().key_id.to_string()
    }

    /// Returns the number of the version that wraps.
    pub fn primary(&self) -> u32 {
        self.state().primary
    }

    /// Returns how often the keyring was written. The number never falls.
    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Returns the versions in ascending order of number, including those that are gone from the stored keyring.
    pub fn versions(&self) -> Vec<VersionInfo> {
        let info = |number: u32, state: VersionState, version: &MasterVersion| VersionInfo {
            number,
            state,
            created: time(version.created),
        };
        let state = self.state();
        let stored = state.versions.iter().map(|(number, version)| info(*number, version.state, version));
        let gone = state.gone.iter().map(|(number, version)| info(*number, VersionState::Gone, version));
        let mut versions: Vec<_> = stored.chain(gone).collect();
        versions.sort_by_key(|version| version.number);
        versions
    }

    /// Returns the time of the last read of the stored keyring, by the wall clock of the builder. Returns `None` for a
    /// keyring in memory or of an embedded KMS, which no other process changes.
    ///
    /// Writes fail if the last read is older than [`max_age`](crate::KeyringBuilder::max_age) and another read fails.
    pub fn last_read(&self) -> Option<SystemTime> {
        self.0.stored().ok().map(|stored| stored.last_read())
    }

    /// Returns the rule that the stored keyring broke at the last read, if it has another history. Writes fail
    /// meanwhile.
    pub fn other_history(&self) -> Option<OtherHistory> {
        self.0.stored().ok().and_then(|stored| stored.seen().history)
    }

    /// Records every later change by this handle and its clones, if the keyring is in a storage. The first recorder
    /// stays.
    pub(crate) fn record_changes(&self, recorder: Arc<dyn Recorder>) {
        if let Ok(stored) = self.0.stored() {
            let _ = stored.recorder.set(recorder);
        }
    }

    /// Creates the handle of a keyring in a storage.
    pub(super) fn stored_in(stored: Stored) -> Self {
        Self(Arc::new(KeyringPlace::Stored(Arc::new(stored))))
    }

    /// Creates the handle of a keyring inside an embedded KMS.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn within(state: KeyringState, whole: Arc<dyn KeyringOwner>, sources: Sources) -> Self {
        Self(Arc::new(KeyringPlace::within(state, whole, sources)))
    }

    pub(super) fn in_memory(state: KeyringState) -> Self {
        Self(Arc::new(KeyringPlace::nowhere(state)))
    }

    pub(super) fn kept(&self) -> &KeyringPlace {
        &self.0
    }

    /// Returns the clock and the generator of the keyring.
    pub(crate) fn sources(&self) -> Sources {
        self.0.sources()
    }

    pub(crate) fn state(&self) -> Arc<KeyringState> {
        self.0.state()
    }

    /// Returns the state with every key that is in memory.
    pub(crate) fn whole_state(&self) -> Result<KeyringState> {
        Ok(self.state().with_gone_as_disabled()?)
    }

    /// Returns whether this is the key id of the keyring.
    pub(crate) fn is(&self, key_id: Option<&str>) -> bool {
        key_id == Some(&*self.state().key_id)
    }

    /// Returns the wrapping key with its key id and version, all of one moment. Reads a stored keyring again first if
    /// the last read is too old.
    pub(crate) async fn wrapping_key(&self) -> Result<(Arc<str>, u32, Arc<MasterKey>)> {
        if let Ok(stored) = self.0.stored() {
            stored.fresh().await?;
        }
        let state = self.state();
        let primary = &state.versions[&state.primary];
        Ok((state.key_id.clone(), state.primary, primary.key.clone()))
    }

    /// Returns the key of a version for unwrapping. Reads a stored keyring once more before it refuses a version.
    pub(crate) async fn unwrapping_key(&self, version: u32) -> Result<Arc<MasterKey>> {
        let state = self.state();
        if let Some(key) = usable(&state, version) {
            return Ok(key);
        }
        // Another process may have created or enabled the version.
        let unread = self.refresh().await.err();
        self.key_of(&self.state(), version, unread.as_ref())
    }

    /// Returns the key of a version in this state. `unread` is why the stored keyring could not be read again.
    pub(super) fn key_of(&self, state: &KeyringState, version: u32, unread: Option<&Error>) -> Result<Arc<MasterKey>> {
        if let Some(key) = usable(state, version) {
            return Ok(key);
        }
        if let Some(error) = unread {
            // A change with unknown outcome may be stored, and another process may already use it.
            let pending =
                |stored: &Arc<Stored>| stored.seen().pending.as_ref().and_then(|(_, pending)| usable(pending, version));
            return self.0.stored().ok().and_then(pending).ok_or_else(|| error.clone());
        }
        let refused = |kind| KeyProviderError::new(kind, &state.key_id).with_key_version(version);
        Err(match (state.versions.get(&version), state.gone.get(&version)) {
            (Some(_), _) => refused(KeyProviderErrorKind::Disabled),
            (None, Some(_)) => {
                let gone = Error::from(KeyringError::VersionGone(version));
                refused(KeyProviderErrorKind::Disabled).with_source(gone)
            }
            (None, None) => refused(KeyProviderErrorKind::NotFound),
        }
        .into())
    }

    /// Reads the stored keyring again, as a step of another operation.
    pub(crate) async fn refresh(&self) -> Result<()> {
        match self.0.stored() {
            Ok(stored) => Box::pin(stored.reload()).await.map_err(|error| stored.as_unavailable(error)),
            Err(_) => Ok(()),
        }
    }
}

pub(super) fn usable(state: &KeyringState, version: u32) -> Option<Arc<MasterKey>> {
    let version = state.versions.get(&version)?;
    (version.state != VersionState::Disabled).then(|| version.key.clone())
}

fn no_thread(error: std::io::Error) -> IoError {
    IoError::new("no thread could be started to seal or open a keyring", error)
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
