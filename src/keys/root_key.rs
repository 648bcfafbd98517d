//! [`RootKey`]: the key that seals keyrings and key stores.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use crate::crypto::Generator;
use crate::crypto::passphrase::Argon2Cost;
use crate::error::{Error, IoError, Misuse, Result, Said};
#[cfg(unix)]
use crate::files::directory_of;
use crate::files::{sync_directory_of, write_new, write_unnamed};
use crate::secret::{KEY_LEN, Secret};

const ALL_ZERO: Said = Said("its 32 bytes are all zero");

/// The key that seals a keyring or a key store: 32 random bytes, or a passphrase.
///
/// Store the root key apart from the keyring file and its backups. `RootKey` is a cheap handle: clones share one copy,
/// which is wiped with the last clone.
#[derive(Clone)]
pub struct RootKey(Arc<RootKeyKind>);

pub(super) enum RootKeyKind {
    Key(Secret),
    Passphrase(Passphrase),
}

pub(super) struct Passphrase {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// The highest Argon2id cost that a file may require.
    pub(super) accepts: Argon2Cost,
}

impl RootKey {
    /// Takes 32 random bytes and wipes the array.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::AllZeroKey`] if the array was never filled, or a key was taken from it before.
    pub fn from_bytes(bytes: &mut [u8; 32]) -> Result<Self> {
        Secret::from_bytes(bytes, || Misuse::AllZeroKey.into()).map(Self::from_secret)
    }

    /// Takes the bytes of a passphrase unchanged. Argon2id derives the key at each seal and each open.
    ///
    /// Needs the cargo feature `passphrase`: without it, sealing and opening return
    /// [`Error::NotCompiled`](crate::Error::NotCompiled).
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::EmptyPassphrase`] if the passphrase is empty.
    ///
    /// # Security
    ///
    /// A file names its own Argon2id cost, and opening the file costs that much before the file is authenticated. The
    /// limit is [`Argon2Cost::ACCEPTED`] unless [`accepting`](Self::accepting) changes it.
    pub fn from_passphrase(passphrase: impl Into<String>) -> Result<Self> {
        let bytes = Zeroizing::new(passphrase.into().into_bytes());
        if bytes.is_empty() {
            return Err(Misuse::EmptyPassphrase.into());
        }
        Ok(Self(Arc::new(RootKeyKind::Passphrase(Passphrase { bytes, accepts: Argon2Cost::ACCEPTED }))))
    }

    /// Sets the highest Argon2id cost of files that the passphrase opens. Opening a file with a higher cost returns
    /// [`SealedFileError::Unsupported`](crate::error::SealedFileError::Unsupported) before any work is done.
    ///
    /// Has no effect on a root key of 32 bytes.
    #[must_use]
    pub fn accepting(self, cost: Argon2Cost) -> Self {
        match &*self.0 {
            RootKeyKind::Key(_) => self,
            RootKeyKind::Passphrase(Passphrase { bytes, .. }) => {
                Self(Arc::new(RootKeyKind::Passphrase(Passphrase { bytes: bytes.clone(), accepts: cost })))
            }
        }
    }

    /// Draws a fresh key from the operating system's random generator. To use another generator, pass 32 bytes of it to
    /// [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`](crate::Error::Random) if the operating system's generator failed.
    pub fn generate() -> Result<Self> {
        Ok(Self::from_secret(Generator::default().secret()?))
    }

    /// Draws a fresh key from the operating system's random generator and writes it into a new file of 32 bytes, with
    /// mode 0600 on Unix.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`](crate::Error::Io) if the file exists already or cannot be written.
    pub fn create_file(path: impl AsRef<Path>) -> Result<Self> {
        let secret = Generator::default().secret()?;
        write_new(path.as_ref(), secret.expose())?;
        Ok(Self::from_secret(secret))
    }

    /// Reads the key from a file that [`create_file`](Self::create_file) wrote.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`](crate::Error::Io) if the file is missing or cannot be read, or if it is not exactly 32
    /// bytes long or is all zero (kind `InvalidData`).
    ///
    /// # Security
    ///
    /// The mode of the file is not checked, because an operator who mounts secrets into a container often cannot choose
    /// it. Make sure that no other user can read the file.
    pub fn open_file(path: impl AsRef<Path>) -> Result<Self> {
        let doing = "the root key file cannot be read";
        let file = File::open(path).map_err(|e| IoError::new(doing, e))?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
        file.take(KEY_LEN as u64 + 1).read_to_end(&mut bytes).map_err(|e| IoError::new(doing, e))?;
        let invalid =
            |said| IoError::new("the root key file holds no key", io::Error::new(ErrorKind::InvalidData, said));
        let key = <&mut [u8; KEY_LEN]>::try_from(bytes.as_mut_slice());
        let key = key.map_err(|_| invalid(Said("a root key file is 32 bytes")))?;
        Ok(Self::from_secret(Secret::from_bytes(key, || invalid(ALL_ZERO))?))
    }

    /// Reads the key from a file, or creates the file with a fresh key if it does not exist.
    ///
    /// Processes that start at the same time get the same key: a complete temporary file is hard-linked to the path,
    /// and an existing file is never replaced. A crash leaves no file or a complete one. A crash may also leave a
    /// `NAME.*.tmp` of mode 0600, which is a second link to the root key file or a key that seals nothing. On Unix the
    /// next call removes a second link if it may write the directory.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`open_file`](Self::open_file) except for a missing file, [`Error::Io`](crate::Error::Io)
    /// if the new file cannot be written or its file system has no hard links, and [`Misuse::Path`] if the path has no
    /// file name.
    ///
    /// # Security
    ///
    /// If the old key was lost, the new key opens nothing, and the loss shows only when a sealed file is opened. Use
    /// this only if the same start also opens that sealed file by a call that never creates one:
    /// [`Keyring::open`](crate::Keyring::open) then returns `WrongRootKey`, and
    /// [`Keyring::create`](crate::Keyring::create) refuses to replace a file.
    pub fn open_or_create_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match Self::open_file(path) {
            Err(Error::Io(error)) if error.kind() == ErrorKind::NotFound => {}
            opened => {
                // The key is right even if a second link cannot be removed.
                let _ = remove_second_links(path);
                return opened;
            }
        }
        let secret = Generator::default().secret()?;
        match link_new(path, secret.expose()) {
            // Another process was faster: use its key.
            Err(Error::Io(error)) if error.kind() == ErrorKind::AlreadyExists => Self::open_file(path),
            linked => linked.map(|()| Self::from_secret(secret)),
        }
    }

    /// Reads the key from an environment variable: 32 bytes in padded base64 (44 characters). Surrounding white space
    /// is allowed.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`](crate::Error::Io) if the variable is not set (kind `NotFound`), or its value is not such a
    /// key or is all zero (kind `InvalidData`). No error shows any part of the value.
    ///
    /// # Security
    ///
    /// The copies made here are wiped, but the variable stays. Child processes inherit it, every user who may inspect
    /// the process can read it, and crash reports often print it. A file that only the service can read is safer.
    pub fn from_env(name: impl AsRef<OsStr>) -> Result<Self> {
        let value = env::var_os(name).ok_or_else(|| {
            IoError::new("the root key's environment variable is not set", ErrorKind::NotFound.into())
        })?;
        // A value that is not Unicode is not base64 either; it is wiped too.
        let value = Zeroizing::new(value.into_encoded_bytes());
        let doing = "the root key's environment variable holds no key";
        let invalid = |said| IoError::new(doing, io::Error::new(ErrorKind::InvalidData, said));
        let fill = |key: &mut [u8; KEY_LEN]| match Base64::decode(value.trim_ascii(), key) {
            Ok(decoded) if decoded.len() == KEY_LEN => Ok(()),
            _ => Err(invalid(Said("its value is 32 bytes in base64"))),
        };
        Ok(Self::from_secret(Secret::filled_by(fill, || invalid(ALL_ZERO))?))
    }

    pub(super) fn from_secret(secret: Secret) -> Self {
        Self(Arc::new(RootKeyKind::Key(secret)))
    }

    pub(super) fn kind(&self) -> &RootKeyKind {
        &self.0
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(..)")
    }
}

/// Removes `NAME.*.tmp` files that are links to the root key file; a crash between link and removal leaves one.
///
/// Other `NAME.*.tmp` files stay, because another process may be about to link them.
#[cfg(unix)]
fn remove_second_links(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;

    let file = fs::symlink_metadata(path)?;
    if !file.is_file() || file.nlink() < 2 {
        return Ok(());
    }
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    for entry in fs::read_dir(directory_of(path))? {
        let entry = entry?;
        let found = entry.file_name();
        let random = found.as_encoded_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(b"."));
        let random = random.and_then(|rest| rest.strip_suffix(b".tmp"));
        let is_temporary = random.is_some_and(|hex| hex.len() == 16 && hex.iter().all(u8::is_ascii_hexdigit));
        if is_temporary {
            let link = entry.metadata()?;
            if (link.dev(), link.ino()) == (file.dev(), file.ino()) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    sync_directory_of(path)
}

#[cfg(not(unix))]
fn remove_second_links(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes a new file that other processes see only when complete: a temporary file is linked to the path. Fails if the
/// file exists.
fn link_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().ok_or(Misuse::Path)?.to_owned();
    let own = u64::from_be_bytes(Generator::default().bytes()?);
    name.push(format!(".{own:016x}.tmp"));
    let temporary = path.with_file_name(name);
    write_unnamed(&temporary, bytes).map_err(|error| IoError::new("a new key file cannot be written", error))?;
    let linked = fs::hard_link(&temporary, path);
    // If this fails, the temporary file is a second link to the root key; the next call removes it.
    let _ = fs::remove_file(&temporary);
    let linked = linked.and_then(|()| sync_directory_of(path));
    linked.map_err(|error| IoError::new("a new key file cannot be linked to its name", error).into())
}
