//! A file of sealed bytes that is only ever replaced whole, under a lock.

use std::ffi::OsStr;
#[cfg(feature = "embedded-kms")]
use std::fs::TryLockError;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::root_key::{directory_of, sync_directory_of, write_new};
use crate::error::{IoError, Misuse, Result};

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
        let locked = self.open_lock().and_then(|file| file.lock().map(|()| Lock(file)));
        locked.map_err(cannot_be_locked)
    }

    /// The lock, unless somebody holds it.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn try_lock(&self) -> Result<Option<Lock>> {
        let file = self.open_lock().map_err(cannot_be_locked)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot_be_locked(error)),
        }
    }

    fn open_lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.lock)
    }

    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        fs::read(&self.path).map_err(|error| IoError::new("the sealed file cannot be read", error).into())
    }

    /// Makes the file, unless there is one. The caller holds the lock.
    pub(crate) fn create(&self, sealed: &[u8]) -> Result<()> {
        if fs::symlink_metadata(&self.path).is_ok() {
            let exists = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(IoError::new("the sealed file is there already and is not replaced", exists).into());
        }
        self.replace(sealed)
    }

    /// Replaces the file in one step: a crash leaves the old one or the new one. The caller holds the lock.
    pub(crate) fn replace(&self, sealed: &[u8]) -> Result<()> {
        // A crash may have left one behind.
        let _ = fs::remove_file(&self.temporary);
        write_new(&self.temporary, sealed)?;
        let replaced = fs::rename(&self.temporary, &self.path).and_then(|()| sync_directory_of(&self.path));
        replaced.map_err(|error| IoError::new("the sealed file cannot be replaced", error).into())
    }
}

/// A lock, until it is dropped.
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being started elsewhere in this one has the file open too, for a moment.
        let _ = self.0.unlock();
    }
}

fn cannot_be_locked(error: io::Error) -> crate::error::Error {
    IoError::new("the sealed file cannot be locked", error).into()
}
