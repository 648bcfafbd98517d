//! [`Place`]: the resolved path of the audit file, and the lock on it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::Said;
use crate::files::directory_of;
use crate::keys::file_lock::FileLock;

/// The maximum number of links followed in a row, as in Linux.
const MAX_LINKS: usize = 40;

/// The resolved path of the file, locked by `NAME.lock` beside it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    lock: FileLock,
    lock_path: PathBuf,
}

impl Place {
    /// Locks the place that a path leads to. Follows links now: the file at their end is the one that is set aside.
    ///
    /// # Errors
    ///
    /// Returns the file system's error, or `ResourceBusy` if another sink holds the lock.
    pub(super) fn lock(given: &Path) -> io::Result<Self> {
        const HELD: &str = "another process has it open, or this one has it open twice";
        let path = resolved(given)?;
        let lock_path = beside(&path, ".lock")?;
        match FileLock::unless_held(&lock_path)? {
            Some(lock) => Ok(Self { path, lock, lock_path }),
            None => Err(io::Error::new(ErrorKind::ResourceBusy, Said(HELD))),
        }
    }

    /// Follows the path again. If the path leads to another place or the lock file was replaced, takes the lock anew
    /// and returns true.
    pub(super) fn follow(&mut self, given: &Path) -> io::Result<bool> {
        if resolved(given)? == self.path && self.lock.is_at(&self.lock_path) {
            return Ok(false);
        }
        *self = Self::lock(given)?;
        Ok(true)
    }
}

/// Returns the path without links, even if the last link leads to a missing file, which is then created there. Keeps a
/// link to a device or a pipe, because no file is put beside those.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    if fs::metadata(&path).map_or(true, |metadata| metadata.is_file()) {
        for _ in 0..MAX_LINKS {
            let Ok(target) = fs::read_link(&path) else { break };
            path = directory_of(&path).join(target);
        }
    }
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok(fs::canonicalize(directory_of(&path))?.join(name))
}

/// Returns the path with this suffix after its file name.
pub(super) fn beside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let mut name: OsString = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    name.push(suffix);
    Ok(path.with_file_name(name))
}
