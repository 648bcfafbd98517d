//! [`Store`]: the file of the key store and the state in memory, changed together.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures_util::lock::{Mutex, MutexGuard};
use pollster::block_on;

use super::payload;
use super::record::{Doing, Touched, caught};
use super::state::State;
use crate::audit::{AuditOperation, AuditTrail};
use crate::clock::millis;
use crate::error::{Error, IoError, KeyStoreError, Result};
use crate::keys::RootKey;
use crate::keys::keyring_shared::{Change, Whole};
use crate::keys::keyring_state::State as KeyringState;
use crate::keys::stored_file::{BEGINNING_LEN, Locked, NotReplaced, Replacing, StoredFile};
use crate::object::Requester;

/// What tells the time; a test brings its own.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The longest store that is read or written: some 700,000 keys.
pub(super) const MAX_SEALED_LEN: u64 = 256 * 1024 * 1024;

/// How far the clock may be behind the last change: what it takes to bring a clock in line.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// One open store. No other process has it open: its lock is held for as long as this lives.
pub(super) struct Store {
    /// What readers see. Its lock is held to take or replace the pointer, never while anything is waited for.
    state: RwLock<Arc<State>>,
    /// The turn of a change: two come one after the other. It holds how the file begins that was written or read last.
    /// A change waits for the sink and the file in its turn; readers take no turn, and no async call does.
    turn: Mutex<Beginning>,
    file: StoredFile,
    lock: Locked,
    root_key: RootKey,
    pub(super) options: Options,
}

/// How a store behaves, whatever it holds.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) clock: Clock,
    pub(super) audit: Option<AuditTrail>,
}

impl Store {
    /// A new store in a new file; the operation goes on record.
    pub(super) fn create(
        file: StoredFile,
        state: State,
        root_key: &RootKey,
        options: Options,
        operation: AuditOperation,
    ) -> Result<Self> {
        let lock = locked(&file, false)?;
        let sealed = payload::seal(&state, root_key)?;
        let owner = state.owner.clone();
        let touched = Touched { parameters: identity(&state), ..Touched::default() };
        let store = Self::of(file, lock, state, &sealed, root_key, options);
        let record =
            |error: Option<&Error>| block_on(store.options.record(Doing::new(operation, &owner), &touched, error));
        record(None)?;
        let created = store.lock.replace(&store.file, Replacing::Nothing, &sealed).map_err(|failed| match failed {
            NotReplaced::Conflict => {
                IoError::new("the sealed file is there already and is not replaced", ErrorKind::AlreadyExists.into())
            }
            NotReplaced::Refused(error) | NotReplaced::Unknown(error) => error,
        });
        created.map_err(Error::from).inspect_err(|error| drop(record(Some(error))))?;
        Ok(store)
    }

    /// The store of a file, if it is as expected. Opening it goes on record, also where it is refused: the event says
    /// which store it is and its generation, so that an old copy shows.
    pub(super) fn open(
        path: &Path,
        root_key: &RootKey,
        options: Options,
        expected: impl FnOnce(&State) -> Result<()>,
    ) -> Result<Self> {
        let (mut owner, mut touched) = (Requester::anonymous(), Touched::default());
        let opened = caught(|| {
            let file = StoredFile::at(path, MAX_SEALED_LEN)?;
            let lock = locked(&file, true)?;
            let sealed = file.read()?;
            let state = payload::open(&sealed, root_key)?;
            owner = state.owner.clone();
            touched.parameters = identity(&state);
            expected(&state)?;
            Ok(Self::of(file, lock, state, &sealed, root_key, options.clone()))
        });
        let doing = Doing::new(AuditOperation::OpenStore, &owner);
        let recorded = block_on(options.record(doing, &touched, opened.as_ref().err()));
        let store = opened?;
        recorded.map(|()| store)
    }

    fn of(file: StoredFile, lock: Locked, state: State, sealed: &[u8], root_key: &RootKey, options: Options) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self { state, turn: Mutex::new(beginning(sealed)), file, lock, root_key: root_key.clone(), options }
    }

    /// What the store holds now.
    pub(super) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn time(&self) -> SystemTime {
        (self.options.clock)()
    }

    /// Waits until no other change is under way. Blocks its thread.
    pub(super) fn turn(&self) -> MutexGuard<'_, Beginning> {
        block_on(self.turn.lock())
    }

    /// # Errors
    ///
    /// The lock file was removed or replaced, or the path leads elsewhere: another process may have the store open.
    pub(super) fn check_lock(&self) -> Result<()> {
        if self.lock.is_held(&self.file) { Ok(()) } else { Err(KeyStoreError::Conflict.into()) }
    }

    /// The state that a change begins with.
    pub(super) fn next(&self) -> Result<State> {
        self.state().next(millis(self.time()))
    }

    /// Stores a change, and lets readers see it once it is stored; where anything fails, nothing changes.
    ///
    /// # Errors
    ///
    /// The file's; the file is not the one that was written last.
    pub(super) fn store(&self, stored: &mut Beginning, state: State) -> Result<()> {
        let sealed = payload::seal(&state, &self.root_key)?;
        match self.lock.replace(&self.file, Replacing::Beginning(stored), &sealed) {
            Ok(()) => {
                *stored = beginning(&sealed);
                self.see(state);
                Ok(())
            }
            // Another process that ignores the lock is noticed as far as a file system allows.
            Err(NotReplaced::Conflict) => Err(KeyStoreError::Conflict.into()),
            Err(NotReplaced::Refused(error)) => Err(error.into()),
            Err(NotReplaced::Unknown(error)) => {
                *stored = beginning(&sealed);
                self.roll_back(stored, &state);
                Err(error.into())
            }
        }
    }

    /// Writes the previous state again after a change whose name may never reach the disk. Where that fails too, the
    /// change is there at the next start.
    fn roll_back(&self, stored: &mut Beginning, change: &State) {
        let before = State { generation: change.generation, ..(*self.state()).clone() };
        let Ok(before) = before.next(change.written) else { return };
        let Ok(sealed) = payload::seal(&before, &self.root_key) else { return };
        // The first error is the one to tell.
        if let Ok(()) | Err(NotReplaced::Unknown(_)) =
            self.lock.replace(&self.file, Replacing::Beginning(stored), &sealed)
        {
            *stored = beginning(&sealed);
            self.see(before);
        }
    }

    fn see(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// The time in milliseconds since 1970, for what will be judged by it later.
    ///
    /// # Errors
    ///
    /// The clock is behind the store.
    pub(super) fn now(&self) -> Result<u64> {
        let (now, written) = (millis(self.time()), self.state().written);
        let behind = Duration::from_millis(written.saturating_sub(now));
        if behind > CLOCK_TOLERANCE { Err(KeyStoreError::ClockWentBack(behind).into()) } else { Ok(now) }
    }
}

/// The first bytes of a sealed file.
pub(super) type Beginning = Vec<u8>;

fn beginning(sealed: &[u8]) -> Beginning {
    sealed[..sealed.len().min(BEGINNING_LEN)].to_vec()
}

/// Which store it is, and how often it was written: for the trail.
fn identity(state: &State) -> Vec<(&'static str, String)> {
    vec![("storeId", state.id.to_string()), ("generation", state.generation.to_string())]
}

fn locked(file: &StoredFile, exists: bool) -> Result<Locked> {
    file.try_lock(exists)?.ok_or(KeyStoreError::InUse.into())
}

/// The keyring of a store: a change of it is a change of the store, on record as one by the store's owner.
pub(super) struct KeyringIn(pub(super) Arc<Store>);

impl Whole for KeyringIn {
    fn update(&self, change: &Change) -> Result<KeyringState> {
        let owner = self.0.state().owner.clone();
        self.0.changing(Doing::new(AuditOperation::ChangeKeyring, &owner), |state, touched| {
            touched.key_id = Some(state.keyring.key_id.as_str().into());
            let changed = state.keyring.changed(&**change)?;
            touched.version = Some(changed.primary);
            touched.parameters = changed.differences_from(&state.keyring);
            state.keyring = changed;
            Ok(state.keyring.clone())
        })
    }
}
