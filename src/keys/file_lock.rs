//! [`FileLock`]: an exclusive lock on a file of its own, which is never removed.

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
    /// Waits for the lock, at most this long. A lock file that is made here belongs to the owner of the file that it
    /// guards, so that a change by root locks no other user out.
    ///
    /// # Errors
    ///
    /// `TimedOut`: another process holds it, or one that was stopped.
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

    /// The lock, unless another holds it, in this process or elsewhere.
    #[cfg(feature = "audit-json")]
    pub(crate) fn unless_held(path: &Path) -> io::Result<Option<Self>> {
        Self::attempt(path, None)
    }

    fn attempt(path: &Path, owner: Option<&Metadata>) -> io::Result<Option<Self>> {
        let lock = Self(open(path, owner)?);
        match lock.0.try_lock() {
            // Where the lock file was removed meanwhile, the lock is on a file that no other process finds.
            Ok(()) if lock.is_at(path) => Ok(Some(lock)),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether the path still leads to the file that is locked.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        let (Ok(locked), Ok(found)) = (self.0.metadata(), fs::symlink_metadata(path)) else {
            return false;
        };
        identity(&locked) == identity(&found)
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is being started elsewhere in this one has the file open too, for a
        // moment.
        let _ = self.0.unlock();
    }
}

/// Opens the lock file, or makes it.
fn open(path: &Path, owner: Option<&Metadata>) -> io::Result<File> {
    let existing = |write: bool| {
        let mut options = owners_alone();
        never_waiting(options.read(true).write(write)).open(path)
    };
    let opened = match existing(true) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match owners_alone().write(true).create_new(true).open(path) {
                // SECURITY: only a file that was just made is given away; one that was there may be a link to any file.
                Ok(file) => match owner.map_or(Ok(()), |owner| copy_owner(&file, owner)) {
                    Ok(()) => Ok(file),
                    Err(error) => {
                        let _ = fs::remove_file(path); // left behind it would lock the owner out
                        Err(error)
                    }
                },
                Err(error) if error.kind() == ErrorKind::AlreadyExists => existing(true),
                Err(error) => Err(error),
            }
        }
        // A file that another user made can be locked by all who may read it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => existing(false).map_err(|_| error),
        opened => opened,
    }?;
    if opened.metadata()?.is_file() { Ok(opened) } else { Err(not_regular()) }
}
