//! [`Store`]: the sealed file and the state in memory, which change together.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures_util::lock::{Mutex, MutexGuard};
use pollster::block_on;

use super::payload;
use super::record::{Affected, PendingEvent, caught};
use super::state::StoreState;
use crate::clock::millis;
use crate::crypto::Generator;
use crate::error::{Error, IoError, KeyStoreError, Result};
use crate::keys::RootKey;
use crate::keys::keyring_shared::{Change, KeyringOwner};
use crate::keys::keyring_state::KeyringState;
use crate::keys::sources::Sources;
use crate::keys::stored_file::{BEGINNING_LEN, LockedFile, NotReplaced, Replacing, StoredFile};
use crate::object::Requester;
use crate::trail::{AuditOperation, AuditTrail};

/// The longest store file in bytes; it has room for about 700,000 keys.
pub(super) const MAX_SEALED_LEN: u64 = 256 * 1024 * 1024;

/// How far the clock may be behind the last change: time synchronisation sets clocks back.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// One open store. Its file lock excludes every other handle while this lives.
pub(super) struct Store {
    /// The state that readers see. Its lock is held to copy or replace the pointer, never during a wait.
    state: RwLock<Arc<StoreState>>,
    /// Serialises changes. The value is the beginning of the file as it was last written or read. A change waits for
    /// the sink and the file while it holds this lock; readers and async calls never take it.
    turn: Mutex<Beginning>,
    file: StoredFile,
    lock: LockedFile,
    root_key: RootKey,
    pub(super) options: StoreOptions,
}

/// The settings of a store that are not part of its content.
#[derive(Clone)]
pub(super) struct StoreOptions {
    pub(super) sources: Sources,
    pub(super) audit: Option<AuditTrail>,
}

impl Store {
    /// Creates a store in a new file and records the operation.
    pub(super) fn create(
        file: StoredFile,
        state: StoreState,
        root_key: &RootKey,
        options: StoreOptions,
        operation: AuditOperation,
    ) -> Result<Self> {
        let lock = locked(&file, false)?;
        let sealed = payload::seal(&state, root_key, &options.sources.generator)?;
        let owner = state.owner.clone();
        let affected = Affected { parameters: identity(&state), ..Affected::default() };
        let store = Self::of(file, lock, state, &sealed, root_key, options);
        let record = |error: Option<&Error>| {
            block_on(store.options.record(PendingEvent::new(operation, &owner), &affected, error))
        };
        record(None)?;
        let created = store.lock.replace(&store.file, Replacing::Nothing, &sealed).map_err(|failed| match failed {
            NotReplaced::Conflict => {
                IoError::new("the sealed file exists already and is not replaced", ErrorKind::AlreadyExists.into())
            }
            NotReplaced::Refused(error) | NotReplaced::Unknown(error) => error,
        });
        created.map_err(Error::from).inspect_err(|error| drop(record(Some(error))))?;
        Ok(store)
    }

    /// Opens the store of a file if it is the expected one. The trail records the opening, even if it is refused. The
    /// event contains the store's id and generation, which reveal an old copy.
    pub(super) fn open(
        path: &Path,
        root_key: &RootKey,
        options: StoreOptions,
        expected: impl FnOnce(&StoreState) -> Result<()>,
    ) -> Result<Self> {
        let (mut owner, mut affected) = (Requester::anonymous(), Affected::default());
        let opened = caught(|| {
            let file = StoredFile::at(path, MAX_SEALED_LEN)?;
            let lock = locked(&file, true)?;
            let sealed = file.read()?;
            let state = payload::open(&sealed, root_key)?;
            owner = state.owner.clone();
            affected.parameters = identity(&state);
            expected(&state)?;
            Ok(Self::of(file, lock, state, &sealed, root_key, options.clone()))
        });
        let pending = PendingEvent::new(AuditOperation::OpenStore, &owner);
        let recorded = block_on(options.record(pending, &affected, opened.as_ref().err()));
        let store = opened?;
        recorded.map(|()| store)
    }

    fn of(
        file: StoredFile,
        lock: LockedFile,
        state: StoreState,
        sealed: &[u8],
        root_key: &RootKey,
        options: StoreOptions,
    ) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self { state, turn: Mutex::new(beginning(sealed)), file, lock, root_key: root_key.clone(), options }
    }

    /// Returns the current state.
    pub(super) fn state(&self) -> Arc<StoreState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn generator(&self) -> &Generator {
        &self.options.sources.generator
    }

    pub(super) fn time(&self) -> SystemTime {
        self.options.sources.clock.wall()
    }

    /// Waits until no other change is in progress. Blocks its thread.
    pub(super) fn turn(&self) -> MutexGuard<'_, Beginning> {
        block_on(self.turn.lock())
    }

    /// Checks that the lock file is still in place.
    ///
    /// # Errors
    ///
    /// Returns an error if the lock file was removed or replaced, or the path leads elsewhere: another process may have
    /// the store open.
    pub(super) fn check_lock(&self) -> Result<()> {
        if self.lock.is_held(&self.file) { Ok(()) } else { Err(KeyStoreError::Conflict.into()) }
    }

    /// Returns the state from which a change starts.
    pub(super) fn next(&self) -> Result<StoreState> {
        self.state().next(millis(self.time()))
    }

    /// Stores a change, then publishes it to readers. On any error nothing changes.
    ///
    /// # Errors
    ///
    /// Returns the errors of the file, and [`KeyStoreError::Conflict`] if the file is not the one that was written
    /// last.
    pub(super) fn store(&self, stored: &mut Beginning, state: StoreState) -> Result<()> {
        let sealed = payload::seal(&state, &self.root_key, &self.options.sources.generator)?;
        match self.lock.replace(&self.file, Replacing::Beginning(stored), &sealed) {
            Ok(()) => {
                *stored = beginning(&sealed);
                self.publish(state);
                Ok(())
            }
            // Best-effort detection of a process that ignores the lock.
            Err(NotReplaced::Conflict) => Err(KeyStoreError::Conflict.into()),
            Err(NotReplaced::Refused(error)) => Err(error.into()),
            Err(NotReplaced::Unknown(error)) => {
                *stored = beginning(&sealed);
                self.roll_back(stored, &state);
                Err(error.into())
            }
        }
    }

    /// Rolls back: writes the previous state again after the directory fsync failed. If this fails too, the change
    /// takes effect at the next start.
    fn roll_back(&self, stored: &mut Beginning, change: &StoreState) {
        let before = StoreState { generation: change.generation, ..(*self.state()).clone() };
        let Ok(before) = before.next(change.written) else { return };
        let Ok(sealed) = payload::seal(&before, &self.root_key, &self.options.sources.generator) else { return };
        // The first error is returned, so an error of this step is dropped.
        if let Ok(()) | Err(NotReplaced::Unknown(_)) =
            self.lock.replace(&self.file, Replacing::Beginning(stored), &sealed)
        {
            *stored = beginning(&sealed);
            self.publish(before);
        }
    }

    fn publish(&self, state: StoreState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// Returns the current time in milliseconds since 1970, for times that later decisions depend on.
    ///
    /// # Errors
    ///
    /// Returns [`KeyStoreError::ClockWentBack`] if the clock is behind the store.
    pub(super) fn now(&self) -> Result<u64> {
        let (now, written) = (millis(self.time()), self.state().written);
        let behind = Duration::from_millis(written.saturating_sub(now));
        if behind > CLOCK_TOLERANCE { Err(KeyStoreError::ClockWentBack(behind).into()) } else { Ok(now) }
    }
}

/// The first bytes of a sealed file, which identify one version of it.
pub(super) type Beginning = Vec<u8>;

fn beginning(sealed: &[u8]) -> Beginning {
    sealed[..sealed.len().min(BEGINNING_LEN)].to_vec()
}

/// Returns the store's id and generation, for the audit trail.
fn identity(state: &StoreState) -> Vec<(&'static str, String)> {
    vec![("storeId", state.id.to_string()), ("generation", state.generation.to_string())]
}

fn locked(file: &StoredFile, exists: bool) -> Result<LockedFile> {
    file.try_lock(exists)?.ok_or(KeyStoreError::InUse.into())
}

/// The storage of a store's keyring. A change of the keyring is a change of the store, recorded with the owner as its
/// requester.
pub(super) struct StoreKeyring(pub(super) Arc<Store>);

impl KeyringOwner for StoreKeyring {
    fn update(&self, change: &Change) -> Result<KeyringState> {
        let owner = self.0.state().owner.clone();
        self.0.changing(PendingEvent::new(AuditOperation::ChangeKeyring, &owner), |state, affected| {
            affected.key_id = Some(state.keyring.key_id.clone());
            let changed = state.keyring.changed(&**change)?;
            affected.version = Some(changed.primary);
            affected.parameters = changed.differences_from(&state.keyring);
            state.keyring = changed;
            Ok(state.keyring.clone())
        })
    }
}
