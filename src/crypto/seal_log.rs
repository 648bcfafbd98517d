//! [`SealLog`]: a log of every seal of a test run and its child processes, which detects a repeated (key, nonce) pair.
//!
//! With `ATREST_SEAL_LOG` set, each seal appends one record of 64 bytes to the file that the variable names: a digest
//! of the key and nonce, and a digest of the plaintext. A pair that is repeated with another plaintext is the most
//! common serious bug of this field.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest, Sha512_256};

use super::NONCE_LEN;

const VARIABLE: &str = "ATREST_SEAL_LOG";
/// The salt of every digest in the log, so that the digests are useless elsewhere.
const SALT: &[u8] = b"atrest seal log";
const RECORD_LEN: usize = 64;

/// The digest of a key; `None` if no log is kept.
pub(super) struct LoggedKey(Option<[u8; 32]>);

impl LoggedKey {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(log().map(|_| digest(&[key])))
    }

    pub(super) fn seal(&self, nonce: &[u8; NONCE_LEN], plaintext: &[u8]) {
        let (Some(key), Some(mut log)) = (self.0, log()) else { return };
        let mut record = [0; RECORD_LEN];
        record[..32].copy_from_slice(&digest(&[&key, nonce]));
        record[32..].copy_from_slice(&digest(&[&key, plaintext]));
        // One write to a file in append mode is one record: threads and processes never mix their records.
        log.write_all(&record).expect("the seal log can be written");
    }
}

/// The counts of one seal log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealLog {
    /// The number of sealed chunks, wraps and files.
    pub seals: u64,
    /// The number of seals that repeated key and nonce with the same plaintext (a generator of fixed bytes does this).
    pub repeated: u64,
    /// The number of seals that repeated key and nonce with another plaintext. Any number but zero is a bug.
    pub broken: u64,
}

impl SealLog {
    /// Reads a log.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or is not a seal log.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut bytes = Vec::new();
        File::open(path)?.read_to_end(&mut bytes)?;
        let (records, rest) = bytes.as_chunks::<RECORD_LEN>();
        if !rest.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a seal log is whole records"));
        }
        let mut seen = HashMap::new();
        let mut log = Self { seals: 0, repeated: 0, broken: 0 };
        for record in records {
            let (pair, plaintext) = record.split_at(32);
            log.seals += 1;
            match seen.insert(pair, plaintext) {
                None => {}
                Some(before) if before == plaintext => log.repeated += 1,
                Some(_) => log.broken += 1,
            }
        }
        Ok(log)
    }
}

fn log() -> Option<&'static File> {
    static LOG: OnceLock<Option<File>> = OnceLock::new();
    LOG.get_or_init(|| {
        let path = std::env::var_os(VARIABLE)?;
        Some(OpenOptions::new().create(true).append(true).open(path).expect("the seal log can be opened"))
    })
    .as_ref()
}

fn digest(pieces: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha512_256::new_with_prefix(SALT);
    for piece in pieces {
        hasher.update(piece);
    }
    hasher.finalize().into()
}
