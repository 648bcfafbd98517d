//! The root key, which seals keyrings.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::Generator;
use crate::error::{Error, IoError, Result};
use crate::secret::{KEY_LEN, Secret};

/// What a keyring is sealed under: 32 random bytes, or a passphrase.
///
/// Keep it apart from the keyring file and from its backups. Cheap to clone: all clones share one copy, which is
/// wiped with the last of them.
#[derive(Clone)]
pub struct RootKey(Arc<Kind>);

pub(super) enum Kind {
    Key(Secret),
    Passphrase(Zeroizing<Vec<u8>>),
}

impl RootKey {
    /// 32 random bytes; wipes the array they came from.
    pub fn from_bytes(bytes: &mut [u8; 32]) -> Self {
        Self(Arc::new(Kind::Key(Secret::from_bytes(bytes))))
    }

    /// A passphrase, its bytes taken as they are; Argon2id makes the key, at each seal and each open.
    ///
    /// Needs the cargo feature `passphrase`: without it, sealing and opening are
    /// [`Error::NotCompiled`](crate::Error::NotCompiled).
    pub fn from_passphrase(passphrase: impl Into<String>) -> Self {
        Self(Arc::new(Kind::Passphrase(Zeroizing::new(passphrase.into().into_bytes()))))
    }

    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`Error::Random`](crate::Error::Random): the operating system gave none.
    pub fn generate() -> Result<Self> {
        Ok(Self(Arc::new(Kind::Key(Generator::default().secret()?))))
    }

    /// A fresh key in a new file of 32 bytes that its owner alone may read (mode 0600 where there are modes).
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the file exists already, or cannot be written.
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self> {
        let secret = Generator::default().secret()?;
        write_new(path.as_ref(), secret.expose())?;
        Ok(Self(Arc::new(Kind::Key(secret))))
    }

    /// The key of a file that [`create_file`](Self::create_file) made.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the file is missing, cannot be read, or is not exactly 32 bytes long (kind
    /// `InvalidData`).
    ///
    /// # Security
    ///
    /// Opens the file whatever its mode: who mounts secrets into a container often cannot choose it. See to it that
    /// nobody else can read it.
    pub fn open_file(path: impl AsRef<Path>) -> Result<Self> {
        let doing = "the root key file cannot be read";
        let file = File::open(path).map_err(|e| IoError::new(doing, e))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
        file.take(KEY_LEN as u64 + 1).read_to_end(&mut bytes).map_err(|e| IoError::new(doing, e))?;
        let key = <&mut [u8; KEY_LEN]>::try_from(bytes.as_mut_slice());
        key.map(Self::from_bytes)
            .map_err(|_| IoError::new("a root key file is 32 bytes", ErrorKind::InvalidData.into()).into())
    }

    pub(super) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// Writes a file that did not exist, readable by its owner alone, and has it and its name reach the disk; nothing of it
/// is left where that fails.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let failed = |error| IoError::new("a new key file cannot be written", error);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(failed)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_directory_of(path));
    written.map_err(|error| {
        let _ = fs::remove_file(path); // the first error is the one to tell
        failed(error).into()
    })
}

/// Has a new name reach the disk.
pub(crate) fn sync_directory_of(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory_of(path))?.sync_all() } else { Ok(()) }
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
