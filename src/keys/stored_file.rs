//! [`StoredFile`]: a file of sealed bytes that is only ever replaced whole, under a lock.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use super::file_lock::FileLock;
use crate::error::{IoError, Misuse, Result, Said};
use crate::files::{copy_owner, directory_of, identity, links, open_regular, owners_alone, read_bounded};

/// Header and commitment of a sealed file, both made from its salt: no two files begin alike.
#[cfg(feature = "embedded-kms")]
pub(crate) const BEGINNING_LEN: usize = 11 + 12 + 32 + 32;

/// A file at a path. Links are followed anew at every use, so that a directory link that was swapped is followed too.
pub(crate) struct StoredFile {
    path: PathBuf,
    max_len: u64,
}

/// The file at the end of the links, and the two beside it: `NAME.lock`, which is never removed, and `NAME.tmp`, where
/// new bytes are written before they take the old ones' place.
#[derive(PartialEq, Eq)]
struct Place {
    path: PathBuf,
    temporary: PathBuf,
    lock: PathBuf,
}

/// The lock of the file at the end of the links.
pub(crate) struct LockedFile {
    place: Place,
    lock: FileLock,
}

/// What is written in the place of what.
pub(crate) enum Replacing<'a> {
    /// A new file.
    Nothing,
    /// The file of exactly these bytes.
    Whole(&'a [u8]),
    /// The file that begins with these bytes, enough to tell any two apart.
    #[cfg(feature = "embedded-kms")]
    Beginning(&'a [u8]),
}

/// Why a file was not replaced.
pub(crate) enum NotReplaced {
    /// The file is not the one that was to be replaced. Nothing was written.
    Conflict,
    /// Nothing was written.
    Refused(IoError),
    /// The file was replaced, and a loss of power may still undo it; or another process replaced it at the same moment.
    #[cfg_attr(not(feature = "embedded-kms"), expect(dead_code, reason = "a keyring is read back instead"))]
    Unknown(IoError),
}

impl StoredFile {
    /// A file of at most this many bytes. A relative path is one from today's working directory.
    pub(crate) fn at(path: &Path, max_len: u64) -> Result<Self> {
        path.file_name().ok_or(Misuse::Path)?;
        let path = path::absolute(path).map_err(|error| IoError::new("the sealed file cannot be found", error))?;
        Ok(Self { path, max_len })
    }

    /// Waits for the lock of the file, at most this long. Not found where a file is to be there and is not.
    pub(crate) fn lock(&self, exists: bool, limit: Duration) -> Result<LockedFile, IoError> {
        let waiting_since = std::time::Instant::now();
        loop {
            let place = self.place(exists)?;
            let owner = fs::metadata(&place.path).ok();
            let left = limit.saturating_sub(waiting_since.elapsed());
            let lock = FileLock::wait(&place.lock, owner.as_ref(), left).map_err(cannot_be_locked)?;
            // The links may have been swapped while this waited.
            if self.place(exists)? == place {
                return Ok(LockedFile { place, lock });
            }
        }
    }

    /// The lock, unless another holds it.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn try_lock(&self, exists: bool) -> Result<Option<LockedFile>, IoError> {
        match self.lock(exists, Duration::ZERO) {
            Ok(locked) => Ok(Some(locked)),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the file to read it.
    pub(crate) fn open(&self) -> io::Result<(File, Metadata)> {
        open_regular(&self.path)
    }

    /// Reads a file that was opened.
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

    /// The place of the file: one that is there, or one that is to be made in a directory that is there.
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
    /// Replaces the file in one step: a crash leaves the old one or the new one. The new file has the owner, the group
    /// and the mode of the old one.
    pub(crate) fn replace(&self, file: &StoredFile, old: Replacing<'_>, sealed: &[u8]) -> Result<(), NotReplaced> {
        let exists = !matches!(old, Replacing::Nothing);
        // A directory that cannot be opened cannot be synchronised either: that is found out before anything is
        // written.
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
            let _ = fs::remove_file(&self.place.temporary); // the first error is the one to send_answer
        })?;
        let settled = sync(&directory).and_then(|()| {
            // Where a lock did not hold, another process may have renamed its file over this one, or this one's name
            // away.
            let is_new = identity(&fs::symlink_metadata(&self.place.path)?) == identity(&new.metadata()?);
            if is_new { Ok(()) } else { Err(ErrorKind::Interrupted.into()) }
        });
        settled.map_err(|error| NotReplaced::Unknown(directory_not_synced(error)))
    }

    /// Whether the path still leads to the file whose lock this is, and the lock file is still the one that is locked.
    #[cfg(feature = "embedded-kms")]
    pub(crate) fn is_held(&self, file: &StoredFile) -> bool {
        file.place(true).is_ok_and(|place| place == self.place) && self.lock.is_at(&self.place.lock)
    }

    /// What is to be replaced, if it is what it is said to be.
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

    /// Whether path, file and lock are what they were, and the temporary file is the one that this process wrote. What
    /// changes from here to the rename is not noticed.
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
        // Where the lock does nothing, another process may have put its own temporary file there, half written.
        let same_new = match (new.metadata(), fs::symlink_metadata(&self.place.temporary)) {
            (Ok(written), Ok(there)) => identity(&written) == identity(&there),
            _ => false,
        };
        let same_file = same_file && same_new;
        Ok(same_file && file.place(exists)? == self.place && self.lock.is_at(&self.place.lock))
    }

    /// Writes the temporary file and synchronises it. If that fails, no file is left.
    fn write(&self, old: Option<&Metadata>, sealed: &[u8]) -> io::Result<File> {
        // A crash may have left one behind.
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

/// Gives a new, empty file the owner, group and mode of the one that it is to replace.
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
