//! A keyring in a sealed file that processes and nodes share.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keyring::{Keyring, Storage};
use super::keyring_state::State;
use super::root_key::RootKey;
use super::sealed_keyring;
use super::stored_file::StoredFile;
use crate::error::{Error, KeyringError, Result, Unexpected};

/// A [`Keyring`] in a sealed file: how to create one, and how to open one.
///
/// ```no_run
/// # fn main() -> atrest::Result<()> {
/// use atrest::{KeyringFile, RootKey};
/// let root_key = RootKey::open_file("secrets/root.key")?;
/// let keyring = KeyringFile::open("keys/master.atrest", &root_key)?;
/// keyring.rotate()?; // stored before anything is written under it
/// # Ok(()) }
/// ```
///
/// The file has mode 0600. A change takes a lock (`NAME.lock` beside it), reads the file again, writes a temporary
/// file (`NAME.tmp`), has it reach the disk and renames it; so two processes that rotate at once make two versions, and a
/// crash leaves the old file or the new one. A missing or damaged file is an error, and never replaced by a new one.
///
/// # Security
///
/// The root key authenticates the file. A root key that seals one keyring only needs no further check; where it seals
/// several, or old copies of the file may be put back, say what you expect with [`at`](Self::at).
///
/// Spec: manual, format, "Sealed files".
#[derive(Clone, Debug)]
pub struct KeyringFile {
    path: PathBuf,
    key_id: Option<String>,
    min_generation: u64,
}

impl KeyringFile {
    /// Creates a new keyring with one version in a new file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: there is a file already, or it cannot be written (its directory has to exist).
    pub fn create(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Keyring> {
        Self::at(path).store(State::generate()?, root_key)
    }

    /// Puts a keyring as it is now into a new file: one rebuilt with [`Keyring::from_versions`], or a backup.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub fn create_from(path: impl Into<PathBuf>, keyring: &Keyring, root_key: &RootKey) -> Result<Keyring> {
        Self::at(path).store((*keyring.state()).clone(), root_key)
    }

    /// Opens the keyring of a file, whichever it is that the root key seals.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: the file is missing or cannot be read. [`Error::SealedFile`] and [`Error::Inauthentic`]: it is
    /// damaged, or sealed under another root key.
    pub fn open(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Keyring> {
        Self::at(path).open_expecting(root_key)
    }

    /// A file that is to be opened against expectations kept elsewhere.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), key_id: None, min_generation: 0 }
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

    /// Opens the keyring if it is the one that is expected.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and [`Unexpected`].
    pub fn open_expecting(self, root_key: &RootKey) -> Result<Keyring> {
        let storage = Storing::new(StoredFile::existing(&self.path)?, root_key);
        let sealed = storage.file.read()?;
        let state = storage.open(&sealed)?;
        if self.key_id.is_some_and(|expected| expected != state.key_id) {
            return Err(Unexpected::KeyringId.into());
        }
        if state.generation < self.min_generation {
            return Err(Unexpected::Generation.into());
        }
        storage.seen().current = sealed;
        Ok(Keyring::stored_in(state, storage))
    }

    fn store(self, state: State, root_key: &RootKey) -> Result<Keyring> {
        let storage = Storing::new(StoredFile::to_be(&self.path)?, root_key);
        let _lock = storage.file.lock()?;
        storage.write(&state, StoredFile::create)?;
        Ok(Keyring::stored_in(state, storage))
    }
}

struct Storing {
    file: StoredFile,
    root_key: RootKey,
    seen: Mutex<Seen>,
}

/// What was seen of the file. An envelope that names an unknown version has it read again, and whoever writes the store
/// makes as many of those as they like: only a file that has changed is worth opening.
#[derive(Default)]
struct Seen {
    /// The sealed bytes of the state that the keyring has.
    current: Vec<u8>,
    /// Sealed bytes that were refused, and why.
    refused: Option<(Vec<u8>, Error)>,
}

impl Storing {
    fn new(file: StoredFile, root_key: &RootKey) -> Self {
        Self { file, root_key: root_key.clone(), seen: Mutex::default() }
    }

    fn open(&self, sealed: &[u8]) -> Result<State> {
        sealed_keyring::open(sealed, &self.root_key)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the file hold this state. The caller holds the lock.
    fn write(&self, state: &State, put: fn(&StoredFile, &[u8]) -> Result<()>) -> Result<()> {
        let sealed = sealed_keyring::seal(state, &self.root_key)?;
        put(&self.file, &sealed)?;
        self.file.settle()?;
        *self.seen() = Seen { current: sealed, refused: None };
        Ok(())
    }
}

impl Storage for Storing {
    fn update(&self, seen: &State, change: &dyn Fn(&mut State) -> Result<()>) -> Result<State> {
        let _lock = self.file.lock()?;
        let sealed = self.file.read()?;
        let changed = self.open(&sealed)?.not_before(seen)?.changed(change)?;
        // Whoever ignores the lock is noticed as far as a file system lets us.
        if self.file.read()? != sealed {
            return Err(KeyringError::Conflict.into());
        }
        self.write(&changed, StoredFile::replace)?;
        Ok(changed)
    }

    fn load(&self, seen: &State) -> Result<Option<State>> {
        let sealed = self.file.read()?;
        match &*self.seen() {
            known if known.current == sealed => return Ok(None),
            Seen { refused: Some((refused, error)), .. } if *refused == sealed => return Err(error.clone()),
            _ => {}
        }
        match self.open(&sealed).and_then(|state| state.not_before(seen)) {
            Ok(state) => {
                *self.seen() = Seen { current: sealed, refused: None };
                Ok(Some(state))
            }
            Err(error) => {
                self.seen().refused = Some((sealed, error.clone()));
                Err(error)
            }
        }
    }
}
