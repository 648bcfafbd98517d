//! [`KeyringFile`]: a keyring in a sealed file, or in another storage, that processes and nodes share.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pollster::block_on;

use super::engine::Engine;
use super::file_storage::FileStorage;
use super::keyring::Keyring;
use super::keyring_state::State;
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

/// A [`Keyring`] in a sealed file: how to create one, and how to open one. The file lies at a path, or in
/// [a storage of your own](Self::kept_in).
///
/// ```no_run
/// # async fn example() -> atrest::Result<()> {
/// use atrest::{KeyringFile, RootKey};
/// let root_key = RootKey::open_file("secrets/root.key")?;
/// let keyring = KeyringFile::open("keys/master.atrest", &root_key).await?;
/// keyring.rotate().await?; // stored before anything is written under it
/// # Ok(()) }
/// ```
///
/// A new file has mode 0600; one that is replaced keeps its owner, group and mode, or the change is refused. A change
/// takes a lock (`NAME.lock` beside the file), compares the file with what was read, writes a temporary file
/// (`NAME.tmp`), synchronises it and renames it. So two processes that rotate at once make two versions, and a crash
/// leaves the old file or the new one. Links are followed at every use, and the file at their end is locked and
/// replaced. A missing or damaged file is an error, and never replaced by a new one.
///
/// # Security
///
/// The root key authenticates the file. A root key that seals one keyring only needs no further check; where it seals
/// several, or old copies of the file may be put back, say what you expect with [`at`](Self::at).
///
/// # Performance
///
/// A read of a file that did not change costs one `open` and one `fstat`, on a thread of the keyring's own.
///
/// Spec: manual, keys; format, "Sealed files".
#[derive(Clone)]
pub struct KeyringFile {
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

impl KeyringFile {
    /// Creates a new keyring with one version in a new file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: there is a file already, or it cannot be written (its directory has to exist).
    pub async fn create(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Keyring> {
        Self::at(path).create_new(root_key).await
    }

    /// [`create`](Self::create) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create_blocking(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Keyring> {
        block_on(Self::create(path, root_key))
    }

    /// Puts a keyring as it is now into a new file: one rebuilt with [`Keyring::from_versions`], or a backup.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn create_from(path: impl Into<PathBuf>, keyring: &Keyring, root_key: &RootKey) -> Result<Keyring> {
        Self::at(path).create_new_from(keyring, root_key).await
    }

    /// [`create_from`](Self::create_from) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create_from_blocking(path: impl Into<PathBuf>, keyring: &Keyring, root_key: &RootKey) -> Result<Keyring> {
        block_on(Self::create_from(path, keyring, root_key))
    }

    /// Opens the keyring of a file, whichever it is that the root key seals.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: the file is missing or cannot be read. [`Error::SealedFile`] and [`Error::Inauthentic`]: it is
    /// damaged, or sealed under another root key.
    pub async fn open(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Keyring> {
        Self::at(path).open_expecting(root_key).await
    }

    /// [`open`](Self::open) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_blocking(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Keyring> {
        block_on(Self::open(path, root_key))
    }

    /// A file that is to be created or opened with more said about it.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self::of(Place::Path(path.into()))
    }

    /// A sealed file that lies in a storage of your own.
    pub fn kept_in(storage: Arc<dyn KeyringStorage>) -> Self {
        Self::of(Place::Storage(storage))
    }

    fn of(place: Place) -> Self {
        let sources = Sources::default();
        Self { place, key_id: None, min_generation: 0, max_age: MAX_AGE, wait: WAIT, sources }
    }

    /// Expects the keyring of this key id.
    #[must_use]
    pub fn key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }

    /// Expects no older generation than this one: an old copy that was put back is refused.
    #[must_use]
    pub fn min_generation(self, generation: u64) -> Self {
        Self { min_generation: generation, ..self }
    }

    /// How long ago the stored keyring may have been read for a write to be under it; 5 minutes if not given.
    ///
    /// A write reads the keyring again where the last read is longer ago, and fails with [`Error::KeyProvider`] of kind
    /// `Unavailable` where it cannot. From half of this time a write begins a read that it does not wait for. Reads of
    /// objects go on whatever the age.
    ///
    /// # Security
    ///
    /// This is how long a node may go on writing under a version that another node took out of use: wait longer than
    /// this before a version is disabled or retired.
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// How long a call waits for the storage to answer; 10 seconds if not given. Half of it is for the lock of a file.
    /// A change asks the storage up to three times.
    #[must_use]
    pub fn wait(self, limit: Duration) -> Self {
        Self { wait: limit, ..self }
    }

    /// Sets the clock, for tests. It tells the age of what was read, when versions are created, and when audit events
    /// of the keyring's changes happen. The default is the clock of this machine, which also measures
    /// [`wait`](Self::wait) in any case.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.sources.clock = clock;
        self
    }

    /// Sets the random generator. Master keys, the key id of a new keyring and the salts of sealed files come from it.
    /// The default is the operating system.
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

    /// Creates a new keyring with one version in an empty storage. An existing keyring is never replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: there is one already (kind `AlreadyExists`), or the storage cannot be written.
    pub async fn create_new(self, root_key: &RootKey) -> Result<Keyring> {
        let state = State::generate(&self.sources)?;
        self.store(state, root_key).await
    }

    /// [`create_new`](Self::create_new) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn create_new_blocking(self, root_key: &RootKey) -> Result<Keyring> {
        block_on(self.create_new(root_key))
    }

    /// Stores a copy of a keyring as it is now in an empty storage. An existing keyring is never replaced.
    ///
    /// # Errors
    ///
    /// As [`create_new`](Self::create_new).
    pub async fn create_new_from(self, keyring: &Keyring, root_key: &RootKey) -> Result<Keyring> {
        self.store(keyring.whole_state()?, root_key).await
    }

    /// Opens the keyring if it is the one that is expected.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`Unexpected`].
    pub async fn open_expecting(self, root_key: &RootKey) -> Result<Keyring> {
        let opening = Opening::of(&self)?;
        let (sealed, tag) = opening.load().await?;
        let (state, root_key) = opening.open(sealed, root_key).await?;
        if self.key_id.is_some_and(|expected| expected != state.key_id) {
            return Err(Unexpected::KeyringId.into());
        }
        if state.generation < self.min_generation {
            return Err(Unexpected::Generation.into());
        }
        Ok(opening.keyring(state, tag, root_key))
    }

    /// [`open_expecting`](Self::open_expecting) for callers without a runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_expecting_blocking(self, root_key: &RootKey) -> Result<Keyring> {
        block_on(self.open_expecting(root_key))
    }

    async fn store(self, state: State, root_key: &RootKey) -> Result<Keyring> {
        let opening = Opening::of(&self)?;
        let (sealed, state, root_key) = opening.seal(state, root_key).await?;
        let replaced = opening.within(opening.storage.clone().replace(sealed.clone(), None)).await;
        let failed = match replaced {
            Ok(Replaced::Stored(tag)) => return Ok(opening.keyring(state, tag, root_key)),
            Ok(Replaced::Conflict) => return Err(exists()),
            Ok(Replaced::Unknown) => KeyringError::OutcomeUnknown.into(),
            Err(error) => error,
        };
        // The answer may have been lost on the way back.
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
    fn of(file: &KeyringFile) -> Result<Self> {
        let clock = file.sources.clock.clone();
        let storage = match &file.place {
            Place::Path(path) => Arc::new(FileStorage::new(path, file.wait / 2, clock.clone())?),
            Place::Storage(storage) => storage.clone(),
        };
        let began = Moment::now(&*clock);
        let options = StoreOptions { max_age: file.max_age, wait: file.wait, sources: file.sources.clone() };
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

    async fn open(&self, sealed: Vec<u8>, root_key: &RootKey) -> Result<(State, RootKey)> {
        let root_key = root_key.clone();
        let open = move || sealed_keyring::open(&sealed, &root_key).map(|state| (state, root_key));
        self.worker.run(open).await.map_err(failed)?
    }

    async fn seal(&self, state: State, root_key: &RootKey) -> Result<(Vec<u8>, State, RootKey)> {
        let (root_key, generator) = (root_key.clone(), self.options.sources.generator.clone());
        let seal = move || sealed_keyring::seal(&state, &root_key, &generator).map(|sealed| (sealed, state, root_key));
        self.worker.run(seal).await.map_err(failed)?
    }

    fn keyring(self, state: State, tag: StorageTag, root_key: RootKey) -> Keyring {
        Keyring::stored_in(Stored::new(state, tag, self.began, self.storage, root_key, self.options))
    }
}

fn failed(error: std::io::Error) -> Error {
    IoError::new("the keyring cannot be read or written", error).into()
}

impl fmt::Debug for KeyringFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("KeyringFile");
        if let Place::Path(path) = &self.place {
            shown.field("path", path);
        }
        shown.field("key_id", &self.key_id).field("min_generation", &self.min_generation);
        shown.field("max_age", &self.max_age).field("wait", &self.wait).finish_non_exhaustive()
    }
}
