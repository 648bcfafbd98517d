// Floor 0, a noun: any module may use it. Only this module and `clock` call the operating system.
//! File functions: writing files that only their owner may read, bounded reads, synchronising directories.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use crate::error::{Error, IoError, Result, Said};

/// Writes a new file that only its owner may read, and synchronises the file and its directory. Removes the file on
/// failure.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| IoError::new("a new key file cannot be written", error);
    write_unnamed(path, bytes).map_err(failed)?;
    sync_directory_of(path).map_err(|error| {
        let _ = fs::remove_file(path); // the first error is the one to return
        failed(error).into()
    })
}

/// Writes a new file that will be renamed or linked. Synchronises the file but not its directory.
pub(crate) fn write_unnamed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = owners_alone().write(true).create_new(true).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Returns open options that create files with mode 0600 on Unix.
pub(crate) fn owners_alone() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "where there are modes it is changed"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Synchronises the directory of a path, so that a new name reaches the disk.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory_of(path))?.sync_all() } else { Ok(()) }
}

/// Returns the directory of a path; `.` for a bare file name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a regular file for reading and never waits: refuses a FIFO instead of waiting for its writer.
pub(crate) fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = OpenOptions::new();
    never_waiting(options.read(true));
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(not_regular()) }
}

/// Reads a file of at most `max_len` bytes.
pub(crate) fn read_bounded(file: &File, max_len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max_len.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_len {
        return Err(io::Error::new(ErrorKind::FileTooLarge, Said("the file is longer than any of its kind")));
    }
    Ok(bytes)
}

/// Makes an open return at once, even for a device or for a FIFO without a writer.
pub(crate) fn never_waiting(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

pub(crate) fn not_regular() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, Said("it is not a regular file"))
}

/// Returns device and inode, which identify a file whatever its names. Returns `None` if the system has no such
/// numbers.
pub(crate) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// Returns whether a path leads to this open file, which then still has a name.
#[cfg(feature = "audit-json")]
pub(crate) fn leads_to(path: &Path, file: &File) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    links(&open) > 0 && identity(&open) == identity(&there)
}

/// Returns the number of names of the file; 1 if the system does not count names.
pub(crate) fn links(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::nlink(metadata)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        1
    }
}

/// Gives a file that this process has just created the owner and group of another file.
///
/// # Errors
///
/// Returns an error if they differ and this process may not change them.
pub(crate) fn copy_owner(file: &File, other: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let own = file.metadata()?;
        let uid = Some(other.uid()).filter(|uid| *uid != own.uid());
        let gid = Some(other.gid()).filter(|gid| *gid != own.gid());
        if uid.is_some() || gid.is_some() {
            fchown(file, uid, gid)?;
        }
    }
    #[cfg(not(unix))]
    let _ = (file, other);
    Ok(())
}

/// The values that show that a file is unchanged: device, inode, size, and times of last modification and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    identity: (u64, u64),
    len: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// Returns the fingerprint of a file read at time `read`. Returns `None` if the system lacks these numbers or the
    /// file changed less than two seconds before `read`: another change within the resolution of the file system's
    /// times would keep the fingerprint.
    pub(crate) fn of(metadata: &Metadata, read: SystemTime) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let changed = (metadata.ctime(), metadata.ctime_nsec());
            let read = read.duration_since(SystemTime::UNIX_EPOCH).ok()?;
            let settled = i64::try_from(read.as_secs()).ok()?.checked_sub(SETTLING_SECONDS)?;
            let is_settled = (settled, i64::from(read.subsec_nanos())) >= changed;
            is_settled.then_some(Self {
                identity: identity(metadata)?,
                len: metadata.len(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed,
            })
        }
        #[cfg(not(unix))]
        {
            let _ = (metadata, read, SETTLING_SECONDS);
            None
        }
    }
}

/// The coarsest time stamps of file systems in use are 2 seconds apart.
const SETTLING_SECONDS: i64 = 2;
