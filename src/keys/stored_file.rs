//! A file of sealed bytes that is only ever replaced whole, under a lock.

use std::ffi::OsStr;
#[cfg(feature = "embedded-kms")]
use std::fs::TryLockError;
use std::fs::{self, File};
use std::io;
#[cfg(feature = "embedded-kms")]
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{IoError, Misuse, Result};
use crate::files::{directory_of, owners_alone, sync_directory_of, write_unnamed};

/// Header and commitment of a sealed file, both made from its salt: no two files begin alike.
#[cfg(feature = "embedded-kms")]
pub(crate) const BEGINNING_LEN: usize = 11 + 12 + 32 + 32;

/// Where the file is, and the two beside it: `NAME.lock`, which is never removed, and `NAME.tmp`, where new bytes are
/// written before they take the old ones' place.
pub(crate) struct StoredFile {
    path: PathBuf,
    /// Under the lock nobody else uses it.
    temporary: PathBuf,
    lock: PathBuf,
}

impl StoredFile {
    /// A file that is there. A link is followed once: what it leads to is what is locked and replaced.
    pub(crate) fn existing(path: &Path) -> Result<Self> {
        let path = fs::canonicalize(path).map_err(|error| IoError::new("the sealed file cannot be read", error))?;
        Self::new(path)
    }

    /// A file that is to be made in a directory that is there.
    pub(crate) fn to_be(path: &Path) -> Result<Self> {
        let name = path.file_name().ok_or(Misuse::Path)?;
        let directory = fs::canonicalize(directory_of(path));
        let directory = directory.map_err(|e| IoError::new("the sealed file's directory cannot be opened", e))?;
        Self::new(directory.join(name))
    }

    fn new(path: PathBuf) -> Result<Self> {
        let name = path.file_name().ok_or(Misuse::Path)?;
        let beside =
            |suffix: &str| path.with_file_name([name, OsStr::new(suffix)].into_iter().collect::<std::ffi::OsString>());
        Ok(Self { temporary: beside(".tmp"), lock: beside(".lock"), path })
    }

    /// Waits for the lock.
    pub(crate) fn lock(&self) -> Result<Lock> {
        Lock::wait(&self.lock).map_err(cannot_be_locked)
    }

    /// The lock, unless somebody holds it.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>> {
        Lock::unless_held(&self.lock).map_err(cannot_be_locked)
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(|error| IoError::new("the sealed file cannot be read", error).into())
    }

    /// How the file begins: enough to tell any two apart.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn read_beginning(&self) -> Result<Vec<u8>> {
        let mut beginning = Vec::with_capacity(BEGINNING_LEN);
        let read = File::open(&self.path).and_then(|file| file.take(BEGINNING_LEN as u64).read_to_end(&mut beginning));
        read.map_err(|error| IoError::new("the sealed file cannot be read", error))?;
        Ok(beginning)
    }

    /// Makes the file, unless there is one. The caller holds the lock.
    pub(crate) fn create(&self, sealed: &[u8]) -> Result<()> {
        if fs::symlink_metadata(&self.path).is_ok() {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(IoError::new("the sealed file is there already and is not replaced", exists).into());
        }
        self.replace(sealed)
    }

    /// Replaces the file in one step: a crash leaves the old one or the new one, and a loss of power too, until it is
    /// [settled](Self::settle). The caller holds the lock.
    pub(crate) fn replace(&self, sealed: &[u8]) -> Result<()> {
        // A crash may have left one behind.
        let _ = fs::remove_file(&self.temporary);
        let replaced = write_unnamed(&self.temporary, sealed).and_then(|()| {
            fs::rename(&self.temporary, &self.path).inspect_err(|_| {
                let _ = fs::remove_file(&self.temporary); // the first error is the one to tell
            })
        });
        replaced.map_err(|error| IoError::new("the sealed file cannot be replaced", error).into())
    }

    /// Has a new file's name reach the disk.
    pub(crate) fn settle(&self) -> Result<()> {
        let settled = sync_directory_of(&self.path);
        settled.map_err(|error| IoError::new("the sealed file's directory cannot be synchronised", error).into())
    }
}

/// A lock on a file of its own, which is never removed; until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Lock {
    fn wait(path: &Path) -> io::Result<Self> {
        let file = Self::open(path)?;
        file.lock().map(|()| Self(file))
    }

    /// The lock, unless somebody holds it, in this process or another.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn unless_held(path: &Path) -> io::Result<Option<Self>> {
        let file = Self::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn open(path: &Path) -> io::Result<File> {
        owners_alone().create(true).truncate(false).write(true).open(path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being started elsewhere in this one has the file open too, for a moment.
        let _ = self.0.unlock();
    }
}

fn cannot_be_locked(error: io::Error) -> crate::error::Error {
    IoError::new("the sealed file cannot be locked", error).into()
}
