//! [`KeyringPlace`]: the shared state of a keyring's clones, and the place where it is stored.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::keyring_state::KeyringState;
use super::keyring_stored::Stored;
use super::sources::Sources;
use crate::crypto::Generator;
use crate::error::{IoError, KeyringError, Misuse, Result};
use crate::offload::Worker;

/// A change of a keyring. It is applied again if another process has changed the keyring meanwhile.
pub(crate) type Change = Arc<dyn Fn(&mut KeyringState) -> Result<()> + Send + Sync>;

/// The current state, which is always replaced as a whole. Its lock is never held during I/O.
pub(super) struct Current(RwLock<Arc<KeyringState>>);

impl Current {
    pub(super) fn new(state: KeyringState) -> Self {
        Self(RwLock::new(Arc::new(state)))
    }

    pub(super) fn get(&self) -> Arc<KeyringState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the state under its lock.
    fn read<T>(&self, look: impl FnOnce(&KeyringState) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, state: KeyringState) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

/// The key store of the embedded KMS, which contains a keyring that no other process changes.
pub(crate) trait KeyringOwner: Send + Sync + 'static {
    /// Changes the keyring and writes the store. May block: the keyring's own thread makes the call.
    fn update(&self, change: &Change) -> Result<KeyringState>;
}

/// The place where a keyring is stored.
pub(super) enum KeyringPlace {
    Nowhere {
        current: Current,
        may_change: AtomicBool,
        changing: Mutex<()>,
        sources: Mutex<Sources>,
    },
    #[cfg_attr(not(feature = "embedded-kms"), expect(dead_code, reason = "the key store is the only whole"))]
    Within {
        current: Arc<Current>,
        whole: Arc<dyn KeyringOwner>,
        worker: Worker,
        sources: Sources,
    },
    Stored(Arc<Stored>),
}

impl KeyringPlace {
    pub(super) fn nowhere(state: KeyringState) -> Self {
        Self::Nowhere {
            current: Current::new(state),
            may_change: AtomicBool::new(false),
            changing: Mutex::new(()),
            sources: Mutex::default(),
        }
    }

    #[cfg(feature = "embedded-kms")]
    pub(super) fn within(state: KeyringState, whole: Arc<dyn KeyringOwner>, sources: Sources) -> Self {
        Self::Within { current: Arc::new(Current::new(state)), whole, worker: Worker::default(), sources }
    }

    pub(super) fn state(&self) -> Arc<KeyringState> {
        self.current().get()
    }

    /// Looks at the current state under its lock, for a look that takes no time.
    pub(super) fn read<T>(&self, look: impl FnOnce(&KeyringState) -> T) -> T {
        self.current().read(look)
    }

    fn current(&self) -> &Current {
        match self {
            Self::Nowhere { current, .. } => current,
            Self::Within { current, .. } => current,
            Self::Stored(stored) => &stored.current,
        }
    }

    /// Returns the clock and the generator of the keyring.
    pub(super) fn sources(&self) -> Sources {
        match self {
            Self::Nowhere { sources, .. } => sources.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            Self::Within { sources, .. } => sources.clone(),
            Self::Stored(stored) => stored.options.sources.clone(),
        }
    }

    /// Replaces the generator of a keyring in memory. Has no effect on other keyrings.
    pub(super) fn replace_generator(&self, generator: Generator) {
        if let Self::Nowhere { sources, .. } = self {
            sources.lock().unwrap_or_else(PoisonError::into_inner).generator = generator;
        }
    }

    pub(super) fn allow_changes_that_are_lost(&self) {
        if let Self::Nowhere { may_change, .. } = self {
            may_change.store(true, Ordering::Relaxed);
        }
    }

    pub(super) async fn change(&self, change: Change) -> Result<KeyringState> {
        match self {
            Self::Nowhere { may_change, .. } if !may_change.load(Ordering::Relaxed) => {
                Err(Misuse::KeyringNotStored.into())
            }
            Self::Nowhere { current, changing, .. } => {
                let _changing = changing.lock().unwrap_or_else(PoisonError::into_inner);
                let changed = current.get().changed(&*change)?;
                current.set(changed.clone());
                Ok(changed)
            }
            Self::Within { current, whole, worker, .. } => {
                let (current, whole) = (current.clone(), whole.clone());
                let update = move || whole.update(&change).inspect(|state| current.set(state.clone()));
                worker.run(update).await.map_err(|error| IoError::new("the keyring cannot be changed", error))?
            }
            Self::Stored(stored) => stored.change(change).await,
        }
    }

    pub(super) fn stored(&self) -> Result<&Arc<Stored>, KeyringError> {
        if let Self::Stored(stored) = self { Ok(stored) } else { Err(KeyringError::NotInAStorage) }
    }
}
