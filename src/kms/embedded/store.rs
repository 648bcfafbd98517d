//! The store's file and what it holds, changed together.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use super::payload;
use super::record::Doing;
use super::state::State;
use crate::audit::{AuditOperation, AuditTrail};
use crate::error::{KeyStoreError, Result};
use crate::keys::RootKey;
use crate::keys::keyring::Storage;
use crate::keys::keyring_state::{State as KeyringState, millis};
use crate::keys::stored_file::{Lock, StoredFile};

/// What tells the time; a test brings its own.
pub(super) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How far the clock may be behind the last change: what it takes to bring a clock in line.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(120);

/// One open store. Nobody else has it open: its lock is held for as long as this lives.
pub(super) struct Store {
    state: RwLock<Arc<State>>,
    /// Held for the whole of a change, so that two come one after the other.
    changing: Mutex<()>,
    file: StoredFile,
    _lock: Lock,
    root_key: RootKey,
    pub(super) manner: Manner,
}

/// How a store behaves, whatever it holds.
pub(super) struct Manner {
    pub(super) clock: Clock,
    pub(super) audit: Option<AuditTrail>,
}

impl Store {
    /// A new store in a new file.
    pub(super) fn create(file: StoredFile, state: State, root_key: &RootKey, manner: Manner) -> Result<Self> {
        let lock = locked(&file)?;
        file.create(&payload::seal(&state, root_key)?)?;
        Ok(Self::of(file, lock, state, root_key, manner))
    }

    /// The store of a file.
    pub(super) fn open(file: StoredFile, root_key: &RootKey, manner: Manner) -> Result<Self> {
        let lock = locked(&file)?;
        let state = payload::open(&file.read()?, root_key)?;
        Ok(Self::of(file, lock, state, root_key, manner))
    }

    fn of(file: StoredFile, lock: Lock, state: State, root_key: &RootKey, manner: Manner) -> Self {
        let state = RwLock::new(Arc::new(state));
        Self { state, changing: Mutex::new(()), file, _lock: lock, root_key: root_key.clone(), manner }
    }

    /// What the store holds now.
    pub(super) fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn time(&self) -> SystemTime {
        (self.manner.clock)()
    }

    /// Changes what is stored, and then what is seen; where either fails, nothing changes.
    ///
    /// After an error of the file itself the new state may have reached the disk all the same; the next change replaces it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state().next(millis(self.time()))?;
        let outcome = change(&mut state)?;
        self.file.replace(&payload::seal(&state, &self.root_key)?)?;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        Ok(outcome)
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

fn locked(file: &StoredFile) -> Result<Lock> {
    file.try_lock()?.ok_or(KeyStoreError::InUse.into())
}

/// The keyring of a store is changed as the store is, and on record as its owner's doing.
pub(super) struct KeyringIn(pub(super) Arc<Store>);

impl Storage for KeyringIn {
    fn update(&self, _: &KeyringState, change: &dyn Fn(&mut KeyringState) -> Result<()>) -> Result<KeyringState> {
        let owner = self.0.state().owner.clone();
        let doing = Doing { operation: AuditOperation::ChangeKeyring, requester: &owner, key_id: None, context: None };
        self.0.changing(doing, |state, touched| {
            touched.key_id = Some(state.keyring.key_id.as_str().into());
            state.keyring = state.keyring.changed(change)?;
            touched.version = Some(state.keyring.primary);
            Ok(state.keyring.clone())
        })
    }

    /// Nobody else changes it.
    fn load(&self, _: &KeyringState) -> Result<Option<KeyringState>> {
        Ok(None)
    }
}
