//! `Body` and `PartFiles`: an opened body, which is one file or one file for each part.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use atrest::{Decryptor, PartInfo, PartNumber};

use crate::failure::{About, Failure, Outcome};

/// The name of the manifest in the directory of the parts.
pub(super) const MANIFEST: &str = "manifest";

/// The body that an object's record names.
#[derive(Debug)]
pub(crate) enum Body {
    /// One file. An open file stays readable even if its name is removed.
    Whole(File),
    /// A directory with a file for each part and the manifest.
    Parts(PartFiles),
}

/// The parts of a body. A body may have more parts than a process can hold open, so they are opened one by one.
/// Meanwhile the lock on the manifest keeps a writer that overwrites the object from removing them.
#[derive(Debug)]
pub(crate) struct PartFiles {
    directory: PathBuf,
    manifest: File,
}

impl Body {
    /// Opens a body. The caller must hold the store's lock, so that no writer removes the body first.
    pub(super) fn open(path: PathBuf) -> Outcome<Self> {
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Ok(Self::Whole(File::open(&path)?));
        }
        let manifest = File::open(path.join(MANIFEST))?;
        manifest.lock_shared()?;
        Ok(Self::Parts(PartFiles { directory: path, manifest }))
    }

    /// The stored bytes of all parts together.
    pub(crate) fn stored_len(&self) -> Outcome<u64> {
        match self {
            Self::Whole(file) => Ok(file.metadata()?.len()),
            Self::Parts(files) => parts_len(&files.directory),
        }
    }

    /// Gives the decryptor the manifest, if the body has parts.
    pub(crate) fn list_parts(&self, decryptor: Decryptor) -> Outcome<Decryptor> {
        match self {
            Self::Whole(_) => Ok(decryptor),
            Self::Parts(files) => {
                let (mut manifest, mut bytes) = (&files.manifest, Vec::new());
                manifest.seek(SeekFrom::Start(0))?;
                manifest.read_to_end(&mut bytes)?;
                Ok(decryptor.with_manifest(&bytes)?)
            }
        }
    }

    /// Calls `read` for every stored byte in order, file by file.
    pub(crate) fn read_all(
        &self,
        decryptor: &Decryptor,
        mut read: impl FnMut(&mut dyn Read) -> Outcome<()>,
    ) -> Outcome<()> {
        match self {
            Self::Whole(file) => {
                let mut file = file;
                file.seek(SeekFrom::Start(0))?;
                read(&mut file)
            }
            // A file that is longer than its part is read to its end, so that the rest fails to authenticate.
            Self::Parts(files) => decryptor.parts()?.iter().try_for_each(|part| read(&mut files.open(part.number)?)),
        }
    }

    /// Reads these ranges of the stored body in order. Each range lies in one part.
    pub(crate) fn read_ranges(
        &self,
        decryptor: &Decryptor,
        ranges: &[Range<u64>],
        mut read: impl FnMut(&mut dyn Read) -> Outcome<()>,
    ) -> Outcome<()> {
        let parts = decryptor.parts()?;
        for range in ranges {
            let (mut file, start) = match self {
                Self::Whole(file) => (file.try_clone()?, range.start),
                Self::Parts(files) => {
                    let part = part_with(&parts, range.start)?;
                    (files.open(part.number)?, range.start - part.ciphertext.start)
                }
            };
            file.seek(SeekFrom::Start(start))?;
            read(&mut file.take(range.end - range.start))?;
        }
        Ok(())
    }

    /// The files of the parts, if the body has parts.
    pub(crate) fn part_files(&self) -> Outcome<&PartFiles> {
        match self {
            Self::Whole(_) => Err(Failure::rule("was not put in parts")),
            Self::Parts(files) => Ok(files),
        }
    }
}

impl PartFiles {
    /// The stored bytes of one part.
    pub(crate) fn open(&self, number: PartNumber) -> Outcome<File> {
        File::open(self.directory.join(part_name(number))).about(format!("part {number}"))
    }
}

/// The part that contains a stored byte. Parts with empty plaintext have stored bytes too.
fn part_with(parts: &[PartInfo], offset: u64) -> Outcome<&PartInfo> {
    let index = parts.partition_point(|part| part.ciphertext.end <= offset);
    parts.get(index).ok_or_else(|| Failure::rule("nothing is stored there"))
}

/// The name of a part's file.
pub(super) fn part_name(number: PartNumber) -> String {
    format!("{:05}", number.get())
}

/// The stored bytes of all parts in a directory.
pub(super) fn parts_len(directory: &Path) -> Outcome<u64> {
    let mut len = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Hidden files are not parts: file managers leave such files.
        if entry.file_name() != MANIFEST && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            len += entry.metadata()?.len();
        }
    }
    Ok(len)
}

/// Removes a body that no record names. Returns whether it was removed; a body whose parts are being read stays for
/// `gc`.
pub(super) fn remove(path: &Path) -> Outcome<bool> {
    let removed = if fs::symlink_metadata(path)?.is_dir() {
        // Without a manifest, the directory is the rest of a removal that was interrupted.
        if File::open(path.join(MANIFEST)).is_ok_and(|manifest| manifest.try_lock().is_err()) {
            return Ok(false);
        }
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(true),
    }
}
