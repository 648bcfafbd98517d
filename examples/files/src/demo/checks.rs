//! The checks of the demo: digests of files, and flipped bits.

use std::collections::hash_map::RandomState;
use std::fs::OpenOptions;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::failure::{About, Outcome};

/// A 64-bit digest that shows whether a file is unchanged: the standard library's keyed hash, with a key of this run.
#[derive(Default)]
pub(super) struct Fingerprint(RandomState);

impl Fingerprint {
    pub(super) fn of(&self, mut file: impl Read) -> Outcome<u64> {
        let mut hasher = self.0.build_hasher();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hasher.finish()),
                len => hasher.write(&buffer[..len]),
            }
        }
    }
}

/// Runs a function while one bit of a file is flipped, and then restores the bit, whatever the result.
pub(super) fn with_flipped_bit<T>(path: &Path, offset: u64, action: impl FnOnce() -> T) -> Outcome<T> {
    flip_bit(path, offset).about(path.display())?;
    let outcome = action();
    flip_bit(path, offset).about(path.display())?;
    Ok(outcome)
}

fn flip_bit(path: &Path, offset: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(&mut byte)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(&[byte[0] ^ 1])
}
