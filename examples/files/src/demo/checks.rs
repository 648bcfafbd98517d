//! What the demo compares with.

use std::collections::hash_map::RandomState;
use std::fs::OpenOptions;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::failure::{About, Outcome};

/// Tells in 64 bits whether a file is still the same: the standard library's keyed hash, with a key of this run.
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

/// Does something while one bit of a file is wrong. The bit is right again afterwards, whatever came out.
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
