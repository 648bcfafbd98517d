//! [`KeyringBuilder`]: creates or opens a keyring in a sealed file or another storage that processes and nodes share.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;

use super::engine::Engine;
use super::file_storage::FileStorage;
use super::keyring::Keyring;
use super::keyring_state::KeyringState;
use super::keyring_storage::{KeyringStorage, Loaded, Replaced, StorageTag};
use super::keyring_stored::{StoreOptions, Stored};
use super::root_key::RootKey;
use super::sealed_keyring;
use super::sources::Sources;
use crate::clock::{Clock, Moment};
use crate::crypto::Generator;
use crate::crypto::random::TryCryptoRng;
use crate::error::{Error, IoError, KeyringError, Result, Unexpected};
use crate::offload::Worker;

const MAX_AGE: Duration = Duration::from_secs(5 * 60);
const WAIT: Duration = Duration::from_secs(10);

/// The place and the settings of a stored [`Keyring`]. Only the place is required.
///
/// ```no_run
/// # async fn example() -> atrest::Result<()> {
/// use std::time::Duration;
/// use atrest::{Keyring, RootKey};
///
/// let root_key = RootKey::open_file("secrets/root.key")?;
/// let keyring = Keyring::builder("keys/master.atrest").max_age(Duration::from_secs(60));
/// let keyring = keyring.open(&root_key).await?;
/// keyring.rotate().await?; // stored before anything is written under the new version
/// # Ok(()) }
/// ```
///
/// A new file has mode 0600. A replaced file keeps its owner, group and mode, or the change is refused. A change takes
/// a lock (`NAME.lock` beside the file), compares the file with what was read, writes a temporary file (`NAME.tmp`),
/// synchronises it and renames it. So two processes that rotate at the same time make two versions, and a crash leaves
/// the old file or the new one. Links are followed at every use; the file at their end is locked and replaced. A
/// missing or damaged file is an error; it is never replaced by a new one.
///
/// # Security
///
/// The root key authenticates the file. If a root key seals several keyrings, set [`key_id`](Self::key_id). If an
/// attacker may restore old copies of the file, set [`min_generation`](Self::min_generation).
///
/// # Performance
///
/// Reading an unchanged file costs one `open` and one `fstat`, on a thread of the keyring.
///
/// Spec: manual, keys; format, "Sealed files".
#[derive(Clone)]
pub struct KeyringBuilder {
    place: Place,
    key_id: Option<String>,
    min_generation: u64,
    max_age: Duration,
    wait: Duration,
    sources: Sources,
}

#[derive(Clone)]
enum Place {
    Path(PathBuf),
    Storage(Arc<dyn KeyringStorage>),
}

impl KeyringBuilder {
    pub(super) fn at(path: PathBuf) -> Self {
        Self::of(Place::Path(path))
    }

    pub(super) fn kept_in(storage: Arc<dyn KeyringStorage>) -> Self {
        Self::of(Place::Storage(storage))
    }

    fn of(place: Place) -> Self {
        let sources = Sources::default();
        Self { place, key_id: None, min_generation: 0, max_age: MAX_AGE, wait: WAIT, sources }
    }

    /// Requires this key id.
    #[must_use]
    pub fn key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }

    /// Requires this generation or a later one, so that a restored old copy is refused.
    #[must_use]
    pub fn min_generation(self, generation: u64) -> Self {
        Self { min_generation: generation, ..self }
    }

    /// Sets the maximum age of the last read of the stored keyring for a write. The default is 5 minutes.
    ///
    /// If the last read is older, a write reads the keyring again, and fails with [`Error::KeyProvider`] of kind
    /// `Unavailable` if that read fails. From half of this age on, a write starts a read in the background. Reads of
    /// objects have no such limit.
    ///
    /// # Security
    ///
    /// For this long, a node may keep writing under a version that another node took out of use: wait longer than this
    /// before you disable or retire a version.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// Sets how long a call waits for an answer of the storage. The default is 10 seconds; half of it is for a file's
    /// lock. A change asks the storage up to three times.
    #[must_use]
    pub fn wait(self, limit: Duration) -> Self {
        Self { wait: limit, ..self }
    }

    /// Sets the clock, for tests. It gives the age of the last read and the times of new versions and of audit events
    /// of keyring changes. The default is the machine's clock, which always measures [`wait`](Self::wait).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.sources.clock = clock;
        self
    }

    /// Sets the random generator for master keys, the key id of a new keyring and the salts of sealed files. The
    /// default is the operating system.
    ///
    /// `factory` makes a generator for each draw.
    ///
    /// # Security
    ///
    /// A generator that repeats itself repeats keys.
    #[must_use]
    pub fn generator<R>(mut self, factory: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: TryCryptoRng,
        R::Error: Send + Sync + 'static,
    {
        self.sources.generator = Generator::new(factory);
        self
    }

    /// Creates a keyring with one version in an empty place. Never replaces an existing keyring.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if a keyring exists already (kind `AlreadyExists`) or the place cannot be written (for a
    /// file, the directory must exist).
    pub async fn create(self, root_key: &RootKey) -> Result<Keyring> {
        let state = KeyringState::generate(&self.sources)?;
        self.store(state, root_key).await
    }

    /// [`create`](Self::create) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create`](Self::create).
    pub fn create_blocking(self, root_key: &RootKey) -> Result<Keyring> {
        block_on(self.create(root_key))
    }

    /// Stores a copy of a keyring, such as one of [`Keyring::from_versions`] or of a backup, in an empty place. Never
    /// replaces an existing keyring.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create`](Self::create).
    pub async fn create_from(self, keyring: &Keyring, root_key: &RootKey) -> Result<Keyring> {
        self.store(keyring.whole_state()?, root_key).await
    }

    /// [`create_from`](Self::create_from) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create`](Self::create).
    pub fn create_from_blocking(self, keyring: &Keyring, root_key: &RootKey) -> Result<Keyring> {
        block_on(self.create_from(keyring, root_key))
    }

    /// Opens the keyring if it is the expected one.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`] if the keyring is missing or cannot be read, [`Error::SealedFile`] or
    /// [`Error::Inauthentic`] if it is damaged or sealed under another root key, and [`Unexpected`] if it has another
    /// key id or an older generation.
    pub async fn open(self, root_key: &RootKey) -> Result<Keyring> {
        let opening = Opening::new(&self)?;
        let (sealed, tag) = opening.load().await?;
        let (state, root_key) = opening.open(sealed, root_key).await?;
        if self.key_id.is_some_and(|expected| *expected != *state.key_id) {
            return Err(Unexpected::KeyringId.into());
        }
        if state.generation < self.min_generation {
            return Err(Unexpected::Generation.into());
        }
        Ok(opening.keyring(state, tag, root_key))
    }

    /// [`open`](Self::open) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open`](Self::open).
    pub fn open_blocking(self, root_key: &RootKey) -> Result<Keyring> {
        block_on(self.open(root_key))
    }

    async fn store(self, state: KeyringState, root_key: &RootKey) -> Result<Keyring> {
        let opening = Opening::new(&self)?;
        let (sealed, state, root_key) = opening.seal(state, root_key).await?;
        let replaced = opening.within(opening.storage.clone().replace(sealed.clone(), None)).await;
        let failed = match replaced {
            Ok(Replaced::Stored(tag)) => return Ok(opening.keyring(state, tag, root_key)),
            Ok(Replaced::Conflict) => return Err(exists()),
            Ok(Replaced::Unknown) => KeyringError::OutcomeUnknown.into(),
            Err(error) => error,
        };
        // The bytes may be stored although the answer was lost.
        match opening.load().await {
            Ok((stored, tag)) if stored == sealed => Ok(opening.keyring(state, tag, root_key)),
            Ok(_) => Err(exists()),
            Err(_) => Err(failed),
        }
    }
}

fn exists() -> Error {
    IoError::new("there is a keyring already, and it is not replaced", ErrorKind::AlreadyExists.into()).into()
}

/// A keyring that is being created or opened.
struct Opening {
    storage: Arc<dyn KeyringStorage>,
    options: StoreOptions,
    began: Moment,
    engine: Engine,
    worker: Worker,
}

impl Opening {
    fn new(builder: &KeyringBuilder) -> Result<Self> {
        let clock = builder.sources.clock.clone();
        let storage = match &builder.place {
            Place::Path(path) => Arc::new(FileStorage::new(path, builder.wait / 2, clock.clone())?),
            Place::Storage(storage) => storage.clone(),
        };
        let began = Moment::now(&*clock);
        let options = StoreOptions { max_age: builder.max_age, wait: builder.wait, sources: builder.sources.clone() };
        Ok(Self { storage, options, began, engine: Engine::default(), worker: Worker::default() })
    }

    async fn load(&self) -> Result<(Vec<u8>, StorageTag)> {
        match self.within(self.storage.clone().load(None)).await? {
            Loaded::Sealed(sealed, tag) if sealed.len() as u64 <= sealed_keyring::MAX_SEALED_LEN => Ok((sealed, tag)),
            _ => Err(failed(ErrorKind::InvalidData.into())),
        }
    }

    async fn within<T>(&self, answer: impl Future<Output = std::io::Result<T>>) -> Result<T> {
        self.engine.within(self.options.wait, answer).await.and_then(|answer| answer).map_err(failed)
    }

    async fn open(&self, sealed: Vec<u8>, root_key: &RootKey) -> Result<(KeyringState, RootKey)> {
        let root_key = root_key.clone();
        let open = move || sealed_keyring::open(&sealed, &root_key).map(|state| (state, root_key));
        self.worker.run(open).await.map_err(failed)?
    }

    async fn seal(&self, state: KeyringState, root_key: &RootKey) -> Result<(Vec<u8>, KeyringState, RootKey)> {
        let (root_key, generator) = (root_key.clone(), self.options.sources.generator.clone());
        let seal = move || sealed_keyring::seal(&state, &root_key, &generator).map(|sealed| (sealed, state, root_key));
        self.worker.run(seal).await.map_err(failed)?
    }

    fn keyring(self, state: KeyringState, tag: StorageTag, root_key: RootKey) -> Keyring {
        Keyring::stored_in(Stored::new(state, tag, self.began, self.storage, root_key, self.options))
    }
}

fn failed(error: std::io::Error) -> Error {
    IoError::new("the keyring cannot be read or written", error).into()
}

impl fmt::Debug for KeyringBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KeyringBuilder");
        if let Place::Path(path) = &self.place {
            shown.field("path", path);
        }
        shown.field("key_id", &self.key_id).field("min_generation", &self.min_generation);
        shown.field("max_age", &self.max_age).field("wait", &self.wait).finish_non_exhaustive()
    }
}
