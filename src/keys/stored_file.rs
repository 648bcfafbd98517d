//! [`StoredFile`]: a file of sealed bytes that is replaced as a whole, under a lock.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use super::file_lock::FileLock;
use crate::error::{IoError, Misuse, Result, Said};
use crate::files::{copy_owner, directory_of, identity, links, open_regular, owners_alone, read_bounded};

/// The length in bytes of a sealed file's header and commitment. The salt makes them different in every file.
#[cfg(feature = "embedded-kms")]
pub(crate) const BEGINNING_LEN: usize = 11 + 12 + 32 + 32;

/// A file at a path. Links are followed anew at every use, so that a replaced directory link takes effect.
pub(crate) struct StoredFile {
    path: PathBuf,
    max_len: u64,
}

/// The file at the end of the links, its lock file `NAME.lock`, which is never removed, and its temporary file
/// `NAME.tmp`, which is written and then renamed to the file.
#[derive(PartialEq, Eq)]
struct Place {
    path: PathBuf,
    temporary: PathBuf,
    lock: PathBuf,
}

/// The held lock of the file at the end of the links.
pub(crate) struct LockedFile {
    place: Place,
    lock: FileLock,
}

/// What a write replaces.
pub(crate) enum Replacing<'a> {
    /// Nothing: the file is new.
    Nothing,
    /// The file with exactly this content.
    Whole(&'a [u8]),
    /// The file that begins with these bytes, which differ between any two files.
    #[cfg(feature = "embedded-kms")]
    Beginning(&'a [u8]),
}

/// Why a file was not replaced.
pub(crate) enum NotReplaced {
    /// The file is not the expected one. Nothing was written.
    Conflict,
    /// Nothing was written.
    Refused(IoError),
    /// The file was replaced, but a power loss may undo that; or another process replaced the file at the same moment.
    #[cfg_attr(not(feature = "embedded-kms"), expect(dead_code, reason = "a keyring is read back instead"))]
    Unknown(IoError),
}

impl StoredFile {
    /// Creates a file handle with a maximum length in bytes. Resolves a relative path against the current directory.
    pub(crate) fn at(path: &Path, max_len: u64) -> Result<Self> {
        path.file_name().ok_or(Misuse::Path)?;
        let path = path::absolute(path).map_err(|error| IoError::new("the sealed file cannot be found", error))?;
        Ok(Self { path, max_len })
    }

    /// Waits up to a time limit for the lock of the file. Returns `NotFound` if the file must exist but is missing.
    pub(crate) fn lock(&self, exists: bool, limit: Duration) -> Result<LockedFile, IoError> {
        let waiting_since = std::time::Instant::now();
        loop {
            let place = self.place(exists)?;
            let owner = fs::metadata(&place.path).ok();
            let left = limit.saturating_sub(waiting_since.elapsed());
            let lock = FileLock::wait(&place.lock, owner.as_ref(), left).map_err(cannot_be_locked)?;
            // The links may have been replaced during the wait.
            if self.place(exists)? == place {
                return Ok(LockedFile { place, lock });
            }
        }
    }

    /// Returns the lock, or `None` if another holder has it.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn try_lock(&self, exists: bool) -> Result<Option<LockedFile>, IoError> {
        match self.lock(exists, Duration::ZERO) {
            Ok(locked) => Ok(Some(locked)),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the file for reading.
    pub(crate) fn open(&self) -> io::Result<(File, Metadata)> {
        open_regular(&self.path)
    }

    /// Reads the opened file.
    pub(crate) fn read_from(&self, file: &File) -> io::Result<Vec<u8>> {
        read_bounded(file, self.max_len)
    }

    #[cfg(feature = "embedded-kms")]
    pub(crate) fn read(&self) -> Result<Vec<u8>, IoError> {
        self.open().and_then(|(file, _)| self.read_from(&file)).map_err(cannot_be_read)
    }

    /// Synchronises the directory of the file, so that a new name reaches the disk.
    pub(crate) fn sync_directory(&self) -> Result<(), IoError> {
        let place = self.place(true)?;
        File::open(directory_of(&place.path)).and_then(|directory| sync(&directory)).map_err(directory_not_synced)
    }

    /// Returns the place of the file. If `exists` is false, only its directory must exist.
    fn place(&self, exists: bool) -> Result<Place, IoError> {
        let found = if exists {
            fs::canonicalize(&self.path)
        } else {
            let name = self.path.file_name().unwrap_or_default();
            fs::canonicalize(directory_of(&self.path)).map(|directory| directory.join(name))
        };
        found.map(Place::of).map_err(|error| IoError::new("the sealed file cannot be found", error))
    }
}

impl Place {
    fn of(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default();
        let beside =
            |suffix: &str| path.with_file_name([name, OsStr::new(suffix)].into_iter().collect::<std::ffi::OsString>());
        Self { temporary: beside(".tmp"), lock: beside(".lock"), path }
    }
}

impl LockedFile {
    /// Replaces the file in one step: a crash leaves the old file or the new one. The new file keeps the owner, group
    /// and mode of the old one.
    pub(crate) fn replace(&self, file: &StoredFile, old: Replacing<'_>, sealed: &[u8]) -> Result<(), NotReplaced> {
        let exists = !matches!(old, Replacing::Nothing);
        // The directory is opened first: if it cannot be opened for the later sync, nothing is written.
        let directory = File::open(directory_of(&self.place.path)).map_err(directory_not_synced)?;
        if sealed.len() as u64 > file.max_len {
            return Err(cannot_be_replaced(ErrorKind::FileTooLarge.into()).into());
        }
        let old = self.old(file, &old)?;
        let new = self.write(old.as_ref(), sealed).map_err(cannot_be_replaced)?;
        let in_place = self.is_as_it_was(file, exists, old.as_ref(), &new).and_then(|as_it_was| match as_it_was {
            true => fs::rename(&self.place.temporary, &self.place.path).map_err(|e| cannot_be_replaced(e).into()),
            false => Err(NotReplaced::Conflict),
        });
        in_place.inspect_err(|_| {
            let _ = fs::remove_file(&self.place.temporary); // the first error is the one to return
        })?;
        let settled = sync(&directory).and_then(|()| {
            // If a lock did not hold, another process may have renamed its file over this one, or moved this one away.
            let is_new = identity(&fs::symlink_metadata(&self.place.path)?) == identity(&new.metadata()?);
            if is_new { Ok(()) } else { Err(ErrorKind::Interrupted.into()) }
        });
        settled.map_err(|error| NotReplaced::Unknown(directory_not_synced(error)))
    }

    /// Returns whether the path still leads to the locked file, and the lock file is still the locked one.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn is_held(&self, file: &StoredFile) -> bool {
        file.place(true).is_ok_and(|place| place == self.place) && self.lock.is_at(&self.place.lock)
    }

    /// Returns the metadata of the file to replace, if it is the expected one.
    fn old(&self, stored: &StoredFile, old: &Replacing<'_>) -> Result<Option<Metadata>, NotReplaced> {
        if matches!(old, Replacing::Nothing) {
            return match fs::symlink_metadata(&self.place.path) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                _ => Err(NotReplaced::Conflict),
            };
        }
        let (file, metadata) = open_regular(&self.place.path).map_err(cannot_be_read)?;
        if links(&metadata) > 1 {
            let hard_linked = io::Error::new(
                ErrorKind::Unsupported,
                Said("it has several names (hard links), which would become several files; remove all but one"),
            );
            return Err(cannot_be_replaced(hard_linked).into());
        }
        let found = stored.read_from(&file).map_err(cannot_be_read)?;
        let is_expected = match old {
            Replacing::Nothing => false,
            Replacing::Whole(bytes) => found == *bytes,
            #[cfg(feature = "embedded-kms")]
            Replacing::Beginning(bytes) => found.starts_with(bytes),
        };
        if is_expected { Ok(Some(metadata)) } else { Err(NotReplaced::Conflict) }
    }

    /// Returns whether path, file and lock are unchanged and the temporary file is this process's own. A change between
    /// this check and the rename is not noticed.
    fn is_as_it_was(
        &self,
        file: &StoredFile,
        exists: bool,
        old: Option<&Metadata>,
        new: &File,
    ) -> Result<bool, NotReplaced> {
        let same_file = match (old, fs::symlink_metadata(&self.place.path)) {
            (Some(old), Ok(now)) => now.is_file() && identity(&now) == identity(old) && links(&now) == 1,
            (None, Err(error)) => error.kind() == ErrorKind::NotFound,
            _ => false,
        };
        // If the lock has no effect, another process may have put its own half-written temporary file there.
        let same_new = match (new.metadata(), fs::symlink_metadata(&self.place.temporary)) {
            (Ok(written), Ok(there)) => identity(&written) == identity(&there),
            _ => false,
        };
        let same_file = same_file && same_new;
        Ok(same_file && file.place(exists)? == self.place && self.lock.is_at(&self.place.lock))
    }

    /// Writes and synchronises the temporary file. Removes it on failure.
    fn write(&self, old: Option<&Metadata>, sealed: &[u8]) -> io::Result<File> {
        // A crash may have left a temporary file.
        let _ = fs::remove_file(&self.place.temporary);
        let mut file = owners_alone().write(true).create_new(true).open(&self.place.temporary)?;
        let written = old.map_or(Ok(()), |old| keep_access(&file, old)).and_then(|()| file.write_all(sealed));
        written.and_then(|()| file.sync_all()).map(|()| file).inspect_err(|_| {
            let _ = fs::remove_file(&self.place.temporary);
        })
    }
}

impl From<IoError> for NotReplaced {
    fn from(error: IoError) -> Self {
        Self::Refused(error)
    }
}

/// Gives a new, empty file the owner, group and mode of the file to replace.
fn keep_access(file: &File, old: &Metadata) -> io::Result<()> {
    copy_owner(file, old).map_err(|error| {
        io::Error::new(
            error.kind(),
            Said("its owner or group is another, and this process may not give the new file to them"),
        )
    })?;
    if cfg!(unix) { file.set_permissions(old.permissions()) } else { Ok(()) }
}

fn sync(directory: &File) -> io::Result<()> {
    if cfg!(unix) { directory.sync_all() } else { Ok(()) }
}

pub(super) fn cannot_be_read(error: io::Error) -> IoError {
    IoError::new("the sealed file cannot be read", error)
}

fn cannot_be_locked(error: io::Error) -> IoError {
    IoError::new("the sealed file cannot be locked", error)
}

fn cannot_be_replaced(error: io::Error) -> IoError {
    IoError::new("the sealed file cannot be replaced", error)
}

fn directory_not_synced(error: io::Error) -> IoError {
    IoError::new("the sealed file's directory cannot be synchronised", error)
}
