//! `sync_directory` and `file_names`: the names in a directory.

use std::fs;
use std::path::Path;

use crate::failure::{About, Outcome};

/// Makes the names in a directory durable, as `File::sync_all` does for the bytes of a file.
pub(crate) fn sync_directory(directory: &Path) -> Outcome<()> {
    #[cfg(unix)]
    fs::File::open(directory)?.sync_all().about(directory.display())?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// The names in a directory, without hidden files, which file managers leave.
pub(crate) fn file_names(directory: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).about(directory.display())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}
