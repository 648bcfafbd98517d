//! `KeyBunch`: customer keys (SSE-C) in files of 32 bytes that only their owner may read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use atrest::error::CustomerKeyError;
use atrest::{CustomerKey, Envelope, Error, ModeId, Unlock};

use crate::failure::{About, Failure, Outcome};

/// Creates a key. An existing file is never replaced, because objects may depend on it.
pub(crate) fn create(path: &Path) -> Outcome<()> {
    write_new(path, CustomerKey::generate()?.expose_secret())
}

/// Creates a file that only its owner may read.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Outcome<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).about(path.display())?;
    file.write_all(bytes).about(path.display())?;
    file.sync_all().about(path.display())
}

pub(crate) fn read(path: &Path) -> Outcome<CustomerKey> {
    let file = File::open(path).about(path.display())?;
    refuse_what_others_may_read(&file).about(path.display())?;

    // Reads one byte more than a key, so that a longer file is refused; `from_slice` wipes its input.
    let mut bytes = [0; 33];
    let mut len = 0;
    let mut file = file.take(bytes.len() as u64);
    loop {
        match file.read(&mut bytes[len..]).about(path.display())? {
            0 => break,
            read => len += read,
        }
    }
    CustomerKey::from_slice(&mut bytes[..len]).about(path.display())
}

#[cfg(unix)]
fn refuse_what_others_may_read(file: &File) -> Outcome<()> {
    use std::os::unix::fs::MetadataExt;
    if file.metadata()?.mode() & 0o077 != 0 {
        return Err(Failure::rule("others may read this key: chmod 600"));
    }
    Ok(())
}

#[cfg(not(unix))]
fn refuse_what_others_may_read(_: &File) -> Outcome<()> {
    Ok(())
}

/// The customer keys on a command line.
pub(crate) struct KeyBunch(Vec<CustomerKey>);

impl KeyBunch {
    pub(crate) fn read(paths: &[PathBuf]) -> Outcome<Self> {
        paths.iter().map(|path| read(path)).collect::<Outcome<_>>().map(Self)
    }

    /// The unlock for this envelope: the server's keys, or the customer key that the envelope's verifier recognises.
    pub(crate) fn unlock(&self, envelope: &Envelope) -> Outcome<Unlock<'_>> {
        if envelope.mode() != ModeId::SseC {
            return Ok(Unlock::Server);
        }
        let mut refusal = Error::CustomerKey(CustomerKeyError::Required);
        for key in &self.0 {
            match envelope.verify_customer_key(key) {
                Ok(()) => return Ok(Unlock::CustomerKey(key)),
                Err(error) => refusal = error,
            }
        }
        Err(refusal.into())
    }
}

/// The unlock for a request with this key or without one. The library checks whether the unlock fits the mode.
pub(crate) fn unlock(key: Option<&CustomerKey>) -> Unlock<'_> {
    key.map_or(Unlock::Server, Unlock::CustomerKey)
}
