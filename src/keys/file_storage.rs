//! [`FileStorage`]: stores a keyring in a file.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::keyring_storage::{KeyringStorage, Loaded, Replaced, StorageFuture, StorageTag};
use super::sealed_keyring::MAX_SEALED_LEN;
use super::stored_file::{NotReplaced, Replacing, StoredFile};
use crate::clock::Clock;
use crate::error::{IoError, Result};
use crate::files::Fingerprint;
use crate::offload::Worker;

/// A keyring file; its tag is the whole content. Reads and changes use separate threads, so that no read waits for a
/// lock.
pub(super) struct FileStorage {
    file: Arc<StoredFile>,
    lock_limit: Duration,
    clock: Arc<dyn Clock>,
    /// The fingerprint of the file when these bytes were read.
    last_read: Mutex<Option<(StorageTag, Fingerprint)>>,
    /// Whether the file was replaced but its directory could not be synchronised.
    directory_unsynced: AtomicBool,
    reading: Worker,
    changing: Worker,
}

impl FileStorage {
    pub(super) fn new(path: &Path, lock_limit: Duration, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            file: Arc::new(StoredFile::at(path, MAX_SEALED_LEN)?),
            lock_limit,
            clock,
            last_read: Mutex::default(),
            directory_unsynced: AtomicBool::new(false),
            reading: Worker::default(),
            changing: Worker::default(),
        })
    }

    /// PERF: reading an unchanged file costs one `open` and one `fstat`.
    fn read(&self, known: Option<&StorageTag>) -> io::Result<Loaded> {
        if self.directory_unsynced.load(Ordering::Acquire) {
            self.file.sync_directory().map_err(as_io)?;
            self.directory_unsynced.store(false, Ordering::Release);
        }
        let (file, metadata) = self.file.open()?;
        let fingerprint = Fingerprint::of(&metadata, self.clock.wall());
        let last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(known), Some((tag, before)), Some(now)) = (known, &last_read, fingerprint)
            && known == tag
            && *before == now
        {
            return Ok(Loaded::Unchanged);
        }
        let tag = StorageTag::new(self.file.read_from(&file)?);
        // If the file was written during the read, its fingerprint has changed.
        let fingerprint = fingerprint.filter(|before| {
            file.metadata().is_ok_and(|after| Fingerprint::of(&after, self.clock.wall()) == Some(*before))
        });
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = fingerprint.map(|seen| (tag.clone(), seen));
        if known == Some(&tag) {
            return Ok(Loaded::Unchanged);
        }
        Ok(Loaded::Sealed(tag.as_bytes().to_vec(), tag))
    }

    fn write(&self, sealed: Vec<u8>, expected: Option<&StorageTag>) -> io::Result<Replaced> {
        let locked = self.file.lock(expected.is_some(), self.lock_limit).map_err(as_io)?;
        let old = expected.map_or(Replacing::Nothing, |tag| Replacing::Whole(tag.as_bytes()));
        match locked.replace(&self.file, old, &sealed) {
            Ok(()) => Ok(Replaced::Stored(StorageTag::new(sealed))),
            Err(NotReplaced::Conflict) => Ok(Replaced::Conflict),
            Err(NotReplaced::Refused(error)) => Err(as_io(error)),
            Err(NotReplaced::Unknown(_)) => {
                self.directory_unsynced.store(true, Ordering::Release);
                Ok(Replaced::Unknown)
            }
        }
    }
}

impl KeyringStorage for FileStorage {
    fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded> {
        let reading = self.reading.clone();
        Box::pin(async move { reading.run(move || self.read(known.as_ref())).await? })
    }

    fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced> {
        let changing = self.changing.clone();
        Box::pin(async move { changing.run(move || self.write(sealed, expected.as_ref())).await? })
    }
}

/// Converts an error to the `io::Error` of the trait, with the same kind.
fn as_io(error: IoError) -> io::Error {
    io::Error::new(error.kind(), error)
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A clock that is 60 seconds ahead, so that every file of the test has settled.
    struct Later;

    impl Clock for Later {
        fn wall(&self) -> SystemTime {
            SystemTime::now() + Duration::from_secs(60)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn a_file_whose_fingerprint_did_not_change_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "bytes").unwrap();
        let storage = FileStorage::new(&path, Duration::ZERO, Arc::new(Later)).unwrap();
        assert!(matches!(storage.read(None).unwrap(), Loaded::Sealed(sealed, _) if sealed == b"bytes"));
        // Memory holds other bytes under the file's fingerprint, so that a read of the file would show.
        let other = StorageTag::new("other");
        storage.last_read.lock().unwrap().as_mut().unwrap().0 = other.clone();
        assert!(matches!(storage.read(Some(&other)).unwrap(), Loaded::Unchanged));
        std::fs::write(&path, "BYTES").unwrap();
        assert!(matches!(storage.read(Some(&other)).unwrap(), Loaded::Sealed(sealed, _) if sealed == b"BYTES"));
    }
}
