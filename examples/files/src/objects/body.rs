//! A stored body, opened: one file, or one for each part.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use atrest::{Decryptor, PartInfo, PartNumber};

use crate::failure::{About, Failure, Outcome};

/// The manifest's name among the parts.
pub(super) const MANIFEST: &str = "manifest";

/// What an object's record leads to.
#[derive(Debug)]
pub(crate) enum Body {
    /// One file. Open, it stays readable, whatever happens to the name meanwhile.
    Whole(File),
    /// A directory, with a file for each part and the manifest.
    Parts(PartFiles),
}

/// The parts of a body. There may be more than a process can hold open, so they are opened one by one; until then the
/// lock on the manifest keeps whoever overwrites the object from removing them.
#[derive(Debug)]
pub(crate) struct PartFiles {
    directory: PathBuf,
    manifest: File,
}

impl Body {
    /// To be called under the store's lock, so that nobody removes the body before it is open.
    pub(super) fn open(path: PathBuf) -> Outcome<Self> {
        if !fs::symlink_metadata(&path)?.is_dir() {
            return Ok(Self::Whole(File::open(&path)?));
        }
        let manifest = File::open(path.join(MANIFEST))?;
        manifest.lock_shared()?;
        Ok(Self::Parts(PartFiles { directory: path, manifest }))
    }

    /// How many bytes are stored, of all parts together.
    pub(crate) fn stored_len(&self) -> Outcome<u64> {
        match self {
            Self::Whole(file) => Ok(file.metadata()?.len()),
            Self::Parts(files) => parts_len(&files.directory),
        }
    }

    /// The same decryptor, knowing the parts where there are any.
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

    /// Gives every stored byte in order, file by file.
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
            // A file that is longer than its part is read to its end: then the rest does not authenticate.
            Self::Parts(files) => decryptor.parts()?.iter().try_for_each(|part| read(&mut files.open(part.number)?)),
        }
    }

    /// Gives these ranges of the stored body in order, each of which lies in one part.
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

    /// The parts of one that has some.
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

/// The part that a stored byte lies in. Parts without a plaintext have stored bytes too.
fn part_with(parts: &[PartInfo], offset: u64) -> Outcome<&PartInfo> {
    let index = parts.partition_point(|part| part.ciphertext.end <= offset);
    parts.get(index).ok_or_else(|| Failure::rule("nothing is stored there"))
}

/// The name of a part's file.
pub(super) fn part_name(number: PartNumber) -> String {
    format!("{:05}", number.get())
}

/// How many bytes the parts in a directory are.
pub(super) fn parts_len(directory: &Path) -> Outcome<u64> {
    let mut len = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        // Hidden ones are nobody's: file managers leave such.
        if entry.file_name() != MANIFEST && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            len += entry.metadata()?.len();
        }
    }
    Ok(len)
}

/// Removes a body that no record names; says whether it is gone. One that is being read in parts stays for `gc`.
pub(super) fn remove(path: &Path) -> Outcome<bool> {
    let removed = if fs::symlink_metadata(path)?.is_dir() {
        // Without a manifest it is the rest of one that was being removed.
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
