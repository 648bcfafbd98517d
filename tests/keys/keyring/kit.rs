//! Test kit: a storage with faults, a manual clock, and checks of errors.

use std::collections::VecDeque;
use std::fs;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use atrest::error::{OtherHistory, Unexpected};
use atrest::{
    Clock, Encrypted, Error, KeyProviderErrorKind, Keyring, KeyringBuilder, KeyringStorage, Loaded, ObjectName,
    Replaced, RootKey, Sse, SseS3, StorageFuture, StorageTag, Unlock,
};

/// A keyring file in a directory of its own.
pub(crate) struct Files {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) root_key: RootKey,
}

impl Files {
    pub(crate) fn new() -> (Self, Keyring) {
        let directory = tempfile::tempdir().unwrap();
        let (path, root_key) = (directory.path().join("master.atrest"), RootKey::generate().unwrap());
        let keyring = Keyring::create_blocking(&path, &root_key).unwrap();
        (Self { directory, path, root_key }, keyring)
    }

    pub(crate) fn open(&self) -> Keyring {
        self.file().open_blocking(&self.root_key).unwrap()
    }

    /// A handle that waits a short while only.
    pub(crate) fn file(&self) -> KeyringBuilder {
        Keyring::builder(&self.path).wait(Duration::from_millis(400))
    }

    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Puts bytes in the file's place as another process does: a new file, renamed.
    pub(crate) fn put(&self, sealed: &[u8]) {
        put(&self.path, sealed);
    }
}

pub(crate) fn put(path: &Path, sealed: &[u8]) {
    let aside = path.with_extension("put");
    fs::write(&aside, sealed).unwrap();
    fs::rename(aside, path).unwrap();
}

pub(crate) fn name() -> ObjectName {
    ObjectName::new("photos", "2026/cat.jpg").unwrap()
}

pub(crate) fn sse(keyring: &Keyring) -> Sse {
    Sse::builder().keyring(keyring.clone()).build().unwrap()
}

pub(crate) fn write(keyring: &Keyring) -> atrest::Result<Encrypted> {
    sse(keyring).blocking().encrypt(&name(), SseS3, b"meow")
}

pub(crate) fn read(keyring: &Keyring, stored: &Encrypted) -> atrest::Result<Vec<u8>> {
    sse(keyring).blocking().decrypt(&name(), stored, Unlock::Server)
}

pub(crate) fn reads(keyring: &Keyring, stored: &Encrypted) -> bool {
    read(keyring, stored).is_ok_and(|plaintext| plaintext == b"meow")
}

pub(crate) fn kind(error: &Error) -> Option<KeyProviderErrorKind> {
    if let Error::KeyProvider(error) = error { Some(error.kind()) } else { None }
}

pub(crate) fn is_unavailable(error: &Error) -> bool {
    kind(error) == Some(KeyProviderErrorKind::Unavailable)
}

/// The history rule for which a change was refused.
pub(crate) fn history<T: std::fmt::Debug>(keyring: &Keyring, outcome: atrest::Result<T>) -> OtherHistory {
    let rule = keyring.other_history().expect("the keyring says that what is stored has another history");
    match outcome.unwrap_err() {
        Error::Unexpected(Unexpected::History(found)) => assert_eq!(found, rule),
        error => assert!(is_unavailable(&error), "{error:?}"),
    }
    rule
}

/// A clock that stands still until the test sets it.
#[derive(Default)]
pub(crate) struct SetClock(Mutex<(u64, u64)>);

impl SetClock {
    pub(crate) fn set(&self, wall: u64, monotonic: u64) {
        *self.0.lock().unwrap() = (wall, monotonic);
    }
}

impl Clock for SetClock {
    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.lock().unwrap().0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().1)
    }
}

/// The fault of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The call succeeds.
    Nothing,
    /// The call never answers, and does nothing.
    Never,
    /// The call does its work and never answers.
    DoneAndNever,
    /// The call does its work and answers that the outcome is unknown.
    DoneAndUnknown,
    /// The call does nothing and answers that the outcome is unknown.
    Unknown,
    /// The call does nothing and fails.
    Fails(io::ErrorKind),
    /// The call does its work, and answers with an error.
    DoneAndFails,
    Panics,
}

/// A storage of one row with a rising number, for compare-and-swap.
#[derive(Default)]
pub(crate) struct Row {
    row: Mutex<Option<(u64, Vec<u8>)>>,
    pub(crate) load_faults: Mutex<VecDeque<Fault>>,
    pub(crate) replace_faults: Mutex<VecDeque<Fault>>,
    /// All loads fail like this from now on.
    pub(crate) loads: Mutex<Option<Fault>>,
    pub(crate) loaded: Mutex<u32>,
}

impl Row {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn sealed(&self) -> Vec<u8> {
        self.row.lock().unwrap().as_ref().unwrap().1.clone()
    }

    pub(crate) fn put(&self, sealed: Vec<u8>) {
        let mut row = self.row.lock().unwrap();
        let number = row.as_ref().map_or(1, |(number, _)| number + 1);
        *row = Some((number, sealed));
    }

    pub(crate) fn fail_replace(&self, fault: Fault) {
        self.replace_faults.lock().unwrap().push_back(fault);
    }

    pub(crate) fn fail_load(&self, fault: Fault) {
        self.load_faults.lock().unwrap().push_back(fault);
    }

    pub(crate) fn file(self: &Arc<Self>) -> KeyringBuilder {
        Keyring::builder_in(self.clone()).wait(Duration::from_millis(300))
    }
}

fn tag(number: u64) -> StorageTag {
    StorageTag::new(number.to_be_bytes())
}

impl KeyringStorage for Row {
    fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded> {
        let fault = self.load_faults.lock().unwrap().pop_front().or(*self.loads.lock().unwrap());
        *self.loaded.lock().unwrap() += 1;
        Box::pin(async move {
            match fault {
                Some(Fault::Never) => pending().await,
                Some(Fault::Fails(kind)) => return Err(kind.into()),
                Some(Fault::Panics) => panic!("a storage that panics"),
                _ => {}
            }
            let row = self.row.lock().unwrap();
            let (number, sealed) = row.as_ref().ok_or(io::ErrorKind::NotFound)?;
            Ok(match known == Some(tag(*number)) {
                true => Loaded::Unchanged,
                false => Loaded::Sealed(sealed.clone(), tag(*number)),
            })
        })
    }

    fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced> {
        let fault = self.replace_faults.lock().unwrap().pop_front().unwrap_or(Fault::Nothing);
        Box::pin(async move {
            match fault {
                Fault::Never => pending().await,
                Fault::Unknown => return Ok(Replaced::Unknown),
                Fault::Fails(kind) => return Err(kind.into()),
                Fault::Panics => panic!("a storage that panics"),
                _ => {}
            }
            if self.row.lock().unwrap().as_ref().map(|(number, _)| tag(*number)) != expected {
                return Ok(Replaced::Conflict);
            }
            self.put(sealed);
            match fault {
                Fault::DoneAndNever => pending().await,
                Fault::DoneAndUnknown => Ok(Replaced::Unknown),
                Fault::DoneAndFails => Err(io::ErrorKind::ConnectionReset.into()),
                _ => Ok(Replaced::Stored(tag(self.row.lock().unwrap().as_ref().unwrap().0))),
            }
        })
    }
}
