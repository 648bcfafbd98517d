//! File primitives: files that only their owner may read, and directories that are synchronised.
//!
//! Floor 0. The only place beside `clock` that touches the system; uses the errors alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use crate::error::{Error, IoError, Result};

/// Writes a new file that its owner alone may read, and synchronises the file and its directory. If that fails, no file
/// is left.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| IoError::new("a new key file cannot be written", error);
    write_unnamed(path, bytes).map_err(failed)?;
    sync_directory_of(path).map_err(|error| {
        let _ = fs::remove_file(path); // the first error is the one to tell
        failed(error).into()
    })
}

/// Writes a new file that will be renamed: the file is synchronised, its directory is not.
pub(crate) fn write_unnamed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = owners_alone().write(true).create_new(true).open(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Open options that create files with mode 0600 where there are modes.
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

/// The directory of a path; `.` for a bare file name.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
