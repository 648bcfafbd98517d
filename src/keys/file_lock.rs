//! [`FileLock`]: an exclusive lock on a lock file, which is never removed.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Said;
use crate::files::{copy_owner, identity, never_waiting, not_regular, owners_alone};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(crate) struct FileLock(File);

impl FileLock {
    /// Waits up to a time limit for the lock. A new lock file gets the owner of the guarded file, so that a change by
    /// root does not lock out that owner.
    ///
    /// # Errors
    ///
    /// Returns `TimedOut` if another process, perhaps a stopped one, holds the lock.
    pub(super) fn wait(path: &Path, owner: Option<&Metadata>, limit: Duration) -> io::Result<Self> {
        let (since, mut pause) = (Instant::now(), Duration::from_millis(1));
        loop {
            if let Some(lock) = Self::attempt(path, owner)? {
                return Ok(lock);
            }
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    Said("another process holds its lock; try again later"),
                ));
            }
            thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// Returns the lock, or `None` if another holder in this or another process has it.
    #[cfg(feature = "audit-json")]
    pub(crate) fn unless_held(path: &Path) -> io::Result<Option<Self>> {
        Self::attempt(path, None)
    }

    fn attempt(path: &Path, owner: Option<&Metadata>) -> io::Result<Option<Self>> {
        let lock = Self(open(path, owner)?);
        match lock.0.try_lock() {
            // If the lock file was removed meanwhile, no other process finds the locked file.
            Ok(()) if lock.is_at(path) => Ok(Some(lock)),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Returns whether the path still leads to the locked file.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let (Ok(locked), Ok(found)) = (self.0.metadata(), fs::symlink_metadata(path)) else {
            return false;
        };
        identity(&locked) == identity(&found)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing is not enough: a child process that is being started may briefly have the file open too.
        let _ = self.0.unlock();
    }
}

/// Opens or creates the lock file.
fn open(path: &Path, owner: Option<&Metadata>) -> io::Result<File> {
    let existing = |write: bool| {
        let mut options = owners_alone();
        never_waiting(options.read(true).write(write)).open(path)
    };
    let opened = match existing(true) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match owners_alone().write(true).create_new(true).open(path) {
                // SECURITY: only a newly created file gets another owner; an existing one may be a link to any file.
                Ok(file) => match owner.map_or(Ok(()), |owner| copy_owner(&file, owner)) {
                    Ok(()) => Ok(file),
                    Err(error) => {
                        let _ = fs::remove_file(path); // a lock file left behind would lock out the owner
                        Err(error)
                    }
                },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => existing(true),
                Err(error) => Err(error),
            }
        }
        // Every user who may read a file of another user can lock it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => existing(false).map_err(|_| error),
        opened => opened,
    }?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(not_regular()) }
}
