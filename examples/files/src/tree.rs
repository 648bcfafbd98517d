//! The files below a directory, and their names as objects.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::failure::{About, Outcome};

pub(crate) enum Found {
    /// A file. Its name is its path below the directory, separated by `/`.
    File {
        name: String,
        path: PathBuf,
        len: u64,
    },
    Skipped {
        path: PathBuf,
        why: Why,
    },
}

/// Why an entry is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// A link, which may lead anywhere or form a cycle.
    SymbolicLink,
    /// A device, a pipe or a socket.
    NoFile,
    /// The store itself.
    TheStore,
    NotUtf8,
}

impl Found {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::File { len, .. } => *len,
            Self::Skipped { .. } => 0,
        }
    }
}

impl Why {
    /// Whether the user may have expected the entry to be stored.
    pub(crate) fn is_failure(self) -> bool {
        self == Self::NotUtf8
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SymbolicLink => "a symbolic link, not followed",
            Self::NoFile => "neither a file nor a directory",
            Self::TheStore => "the store itself",
            Self::NotUtf8 => "its name is not UTF-8",
        })
    }
}

/// Lists everything below a directory except one other directory, sorted.
pub(crate) fn walk(directory: &Path, but: Option<&Path>) -> Outcome<Vec<Found>> {
    let but = but.and_then(|but| fs::canonicalize(but).ok());
    let mut found = Vec::new();
    let mut directories = vec![(directory.to_owned(), String::new())];
    while let Some((directory, prefix)) = directories.pop() {
        for entry in fs::read_dir(&directory).about(directory.display())? {
            let entry = entry.about(directory.display())?;
            let path = entry.path();
            let skipped = |why| Found::Skipped { path: path.clone(), why };
            let metadata = entry.metadata().about(path.display())?; // of a link itself, not of its target
            let Some(name) = entry.file_name().to_str().map(|name| format!("{prefix}{name}")) else {
                found.push(skipped(Why::NotUtf8));
                continue;
            };
            if metadata.is_symlink() {
                found.push(skipped(Why::SymbolicLink));
            } else if metadata.is_file() {
                found.push(Found::File { name, path, len: metadata.len() });
            } else if !metadata.is_dir() {
                found.push(skipped(Why::NoFile));
            } else if but.is_some() && fs::canonicalize(&path).ok() == but {
                found.push(skipped(Why::TheStore));
            } else {
                directories.push((path, format!("{name}/")));
            }
        }
    }
    found.sort_by(|a, b| key(a).cmp(key(b)));
    Ok(found)
}

fn key(found: &Found) -> &OsStr {
    match found {
        Found::File { path, .. } | Found::Skipped { path, .. } => path.as_os_str(),
    }
}

/// The path of an object of this name below a directory; `None` for a name that leads out of the directory or to the
/// path of another name.
pub(crate) fn path_below(directory: &Path, name: &str) -> Option<PathBuf> {
    let mut path = directory.to_owned();
    for part in name.split('/') {
        let mut components = Path::new(part).components();
        match (components.next(), components.next()) {
            (Some(Component::Normal(only)), None) if only == part && !part.contains('\0') => path.push(part),
            _ => return None,
        }
    }
    Some(path)
}
