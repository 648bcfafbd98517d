//! Customer keys (SSE-C) in files of 32 bytes that only their owner may read.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use atrest::error::CustomerKeyError;
use atrest::{CustomerKey, Envelope, Error, ModeId, Unlock};

use crate::failure::{About, Failure, Outcome};

/// Makes a key. An existing file is never replaced: objects may depend on it.
pub(crate) fn create(path: &Path) -> Outcome<()> {
    write_new(path, CustomerKey::generate()?.expose_secret())
}

/// A new file that only its owner may read.
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

    // One byte more than a key, so that a longer file is refused too; `from_slice` wipes what it was given.
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

/// The customer keys given on a command line.
pub(crate) struct KeyBunch(Vec<CustomerKey>);

impl KeyBunch {
    pub(crate) fn read(paths: &[PathBuf]) -> Outcome<Self> {
        paths.iter().map(|path| read(path)).collect::<Outcome<_>>().map(Self)
    }

    /// What opens this envelope: the server's own keys, or the customer key that its verifier recognises.
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

/// What opens an object for someone who brought this key, or none. Whether that fits the mode, the library says.
pub(crate) fn unlock(key: Option<&CustomerKey>) -> Unlock<'_> {
    key.map_or(Unlock::Server, Unlock::CustomerKey)
}
