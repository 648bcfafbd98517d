//! A keyring in a sealed file that processes and nodes share.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keyring::{Keyring, Storage};
use super::keyring_state::State;
use super::root_key::{RootKey, directory_of, sync_directory_of, write_new};
use super::sealed_keyring;
use crate::error::{Error, IoError, KeyringError, Misuse, Result, Unexpected};

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
        // A link is followed once: the file it leads to is what is locked and replaced.
        let path = fs::canonicalize(&self.path).map_err(|e| IoError::new("the keyring file cannot be read", e))?;
        let storage = Storing::new(path, root_key)?;
        let sealed = storage.read_sealed()?;
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
        let name = self.path.file_name().ok_or(Misuse::Path)?;
        let directory = fs::canonicalize(directory_of(&self.path));
        let directory = directory.map_err(|e| IoError::new("the keyring file's directory cannot be opened", e))?;
        let storage = Storing::new(directory.join(name), root_key)?;
        let _lock = storage.lock()?;
        if fs::symlink_metadata(&storage.path).is_ok() {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(IoError::new("the keyring file is there already and is not replaced", exists).into());
        }
        storage.write(&state)?;
        Ok(Keyring::stored_in(state, storage))
    }
}

struct Storing {
    path: PathBuf,
    /// Where a new file is written before it takes the old one's place; under the lock nobody else uses it.
    temporary: PathBuf,
    lock: PathBuf,
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
    fn new(path: PathBuf, root_key: &RootKey) -> Result<Self> {
        let beside = |suffix: &str| {
            let mut name = path.file_name().ok_or(Misuse::Path)?.to_owned();
            name.push(suffix);
            Ok::<_, Error>(path.with_file_name(name))
        };
        Ok(Self {
            temporary: beside(".tmp")?,
            lock: beside(".lock")?,
            path,
            root_key: root_key.clone(),
            seen: Mutex::default(),
        })
    }

    fn lock(&self) -> Result<File> {
        let locked = (|| {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&self.lock)?;
            file.lock()?;
            Ok(file)
        })();
        locked.map_err(|error| IoError::new("the keyring file cannot be locked", error).into())
    }

    fn read_sealed(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(|error| IoError::new("the keyring file cannot be read", error).into())
    }

    fn open(&self, sealed: &[u8]) -> Result<State> {
        sealed_keyring::open(sealed, &self.root_key)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the file in one step. The caller holds the lock.
    fn write(&self, state: &State) -> Result<()> {
        let sealed = sealed_keyring::seal(state, &self.root_key)?;
        // A crash may have left one behind.
        let _ = fs::remove_file(&self.temporary);
        write_new(&self.temporary, &sealed)?;
        let replaced = fs::rename(&self.temporary, &self.path).and_then(|()| sync_directory_of(&self.path));
        replaced.map_err(|error| IoError::new("the keyring file cannot be replaced", error))?;
        *self.seen() = Seen { current: sealed, refused: None };
        Ok(())
    }
}

impl Storage for Storing {
    fn update(&self, seen: &State, change: &dyn Fn(&mut State) -> Result<()>) -> Result<State> {
        let _lock = self.lock()?;
        let sealed = self.read_sealed()?;
        let changed = self.open(&sealed)?.not_before(seen)?.changed(change)?;
        // Whoever ignores the lock is noticed as far as a file system lets us.
        if self.read_sealed()? != sealed {
            return Err(KeyringError::Conflict.into());
        }
        self.write(&changed)?;
        Ok(changed)
    }

    fn load(&self, seen: &State) -> Result<Option<State>> {
        let sealed = self.read_sealed()?;
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
