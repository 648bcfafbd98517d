//! The store's file and what it holds, changed together.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::payload;
use super::record::{Doing, Touched};
use super::state::State;
use crate::audit::{AuditOperation, AuditTrail};
use crate::clock::millis;
use crate::error::{Error, IoError, KeyStoreError, Result};
use crate::keys::RootKey;
use crate::keys::keyring_shared::{Change, Whole};
use crate::keys::keyring_state::State as KeyringState;
use crate::keys::stored_file::{BEGINNING_LEN, Locked, NotReplaced, Replacing, StoredFile};

/// What tells the time; a test brings its own.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The longest store that is read or written: some 700,000 keys.
pub(super) const MAX_SEALED_LEN: u64 = 256 * 1024 * 1024;

/// How far the clock may be behind the last change: what it takes to bring a clock in line.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// One open store. Nobody else has it open: its lock is held for as long as this lives.
pub(super) struct Store {
    state: RwLock<Arc<State>>,
    /// How the file begins that was written or read last. Held for the whole of a change, so that two come one after the
    /// other.
    changing: Mutex<Beginning>,
    file: StoredFile,
    lock: Locked,
    root_key: RootKey,
    pub(super) manner: Manner,
}

/// How a store behaves, whatever it holds.
pub(super) struct Manner {
    pub(super) clock: Clock,
    pub(super) audit: Option<AuditTrail>,
}

impl Store {
    /// A new store in a new file; on record as this.
    pub(super) fn create(
        file: StoredFile,
        state: State,
        root_key: &RootKey,
        manner: Manner,
        operation: AuditOperation,
    ) -> Result<Self> {
        let lock = locked(&file, false)?;
        let sealed = payload::seal(&state, root_key)?;
        let owner = state.owner.clone();
        let store = Self::of(file, lock, state, &sealed, root_key, manner);
        let doing = Doing::new(operation, &owner);
        store.record(doing, &Touched::default(), None)?;
        let created = store.lock.replace(&store.file, Replacing::Nothing, &sealed).map_err(|failed| match failed {
            NotReplaced::Conflict => {
                IoError::new("the sealed file is there already and is not replaced", ErrorKind::AlreadyExists.into())
            }
            NotReplaced::Refused(error) | NotReplaced::Unknown(error) => error,
        });
        created
            .map_err(Error::from)
            .inspect_err(|error| drop(store.record(doing, &Touched::default(), Some(error))))?;
        Ok(store)
    }

    /// The store of a file.
    pub(super) fn open(file: StoredFile, root_key: &RootKey, manner: Manner) -> Result<Self> {
        let lock = locked(&file, true)?;
        let sealed = file.read()?;
        let state = payload::open(&sealed, root_key)?;
        Ok(Self::of(file, lock, state, &sealed, root_key, manner))
    }

    fn of(file: StoredFile, lock: Locked, state: State, sealed: &[u8], root_key: &RootKey, manner: Manner) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self { state, changing: Mutex::new(beginning(sealed)), file, lock, root_key: root_key.clone(), manner }
    }

    /// What the store holds now.
    pub(super) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn time(&self) -> SystemTime {
        (self.manner.clock)()
    }

    /// Changes what is stored, and then what is seen; where anything fails, nothing changes. The change says whether it
    /// changed anything.
    ///
    /// # Errors
    ///
    /// The change's; the file's; the file is not the one that was written last.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<(T, bool)>) -> Result<T> {
        let mut stored = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state().next(millis(self.time()))?;
        let (outcome, changed) = change(&mut state)?;
        if changed {
            self.store(&mut stored, state)?;
        }
        Ok(outcome)
    }

    fn store(&self, stored: &mut Beginning, state: State) -> Result<()> {
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
                self.take_back(stored, &state);
                Err(error.into())
            }
        }
    }

    /// Has the file hold again what it held before a change whose name may never reach the disk. Where that fails too, the
    /// change is there at the next start.
    fn take_back(&self, stored: &mut Beginning, change: &State) {
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

/// Of a sealed file.
type Beginning = Vec<u8>;

fn beginning(sealed: &[u8]) -> Beginning {
    sealed[..sealed.len().min(BEGINNING_LEN)].to_vec()
}

fn locked(file: &StoredFile, exists: bool) -> Result<Locked> {
    file.try_lock(exists)?.ok_or(KeyStoreError::InUse.into())
}

/// The keyring of a store is changed as the store is, and on record as its owner's doing.
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
