//! Where plaintext comes from.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::cli::Endpoint;
use crate::failure::{About, Failure, Outcome};

pub(crate) enum Source {
    /// A file of a length that is known: it can be read from several places at once.
    File { path: PathBuf, len: u64 },
    /// Anything that comes to an end some time.
    Stream(Box<dyn Read + Send>),
}

impl Source {
    pub(crate) fn open(endpoint: &Endpoint) -> Outcome<Self> {
        match endpoint {
            Endpoint::Standard => Ok(Self::Stream(Box::new(io::stdin()))),
            Endpoint::File(path) => Self::open_file(path),
        }
    }

    pub(crate) fn open_file(path: &Path) -> Outcome<Self> {
        let file = File::open(path).about(path.display())?;
        let metadata = file.metadata().about(path.display())?;
        if metadata.is_dir() {
            return Err(Failure::rule("is a directory; `put DIR` without a NAME stores all that is in it"))
                .about(path.display());
        }
        // Files that a kernel makes up as they are read say 0 here, and then give something.
        Ok(match metadata.len() {
            len if metadata.is_file() && len > 0 => Self::File { path: path.to_owned(), len },
            _ => Self::Stream(Box::new(file)),
        })
    }

    pub(crate) fn known_len(&self) -> Option<u64> {
        match self {
            Self::File { len, .. } => Some(*len),
            Self::Stream(_) => None,
        }
    }

    pub(crate) fn into_reader(self) -> Outcome<Box<dyn Read + Send>> {
        match self {
            Self::File { path, .. } => Ok(Box::new(File::open(&path).about(path.display())?)),
            Self::Stream(stream) => Ok(stream),
        }
    }
}
