//! `Original`: the file that the demo encrypts.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::failure::{About, Failure, Outcome};
use crate::source::Source;

pub(super) struct Original {
    path: PathBuf,
    pub(super) len: u64,
}

impl Original {
    pub(super) fn new(path: &Path) -> Outcome<Self> {
        let metadata = fs::metadata(path).about(path.display())?;
        if !metadata.is_file() {
            let refusal = Failure::rule("the demo reads its file several times, so it needs a regular file");
            return Err(refusal).about(path.display());
        }
        Ok(Self { path: path.to_owned(), len: metadata.len() })
    }

    pub(super) fn open(&self) -> Outcome<File> {
        File::open(&self.path).about(self.path.display())
    }

    /// The file as the source of a put.
    pub(super) fn source(&self) -> Source {
        Source::File { path: self.path.clone(), len: self.len }
    }

    pub(super) fn open_at(&self, start: u64) -> Outcome<File> {
        let mut file = self.open()?;
        file.seek(SeekFrom::Start(start))?;
        Ok(file)
    }
}
