//! A keyring in a storage: when it is read again, by whom, and how long they wait.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use futures_channel::oneshot;
use futures_util::FutureExt;

use super::engine::Engine;
use super::keyring_change::Alteration;
use super::keyring_record::Recorder;
use super::keyring_shared::{Change, Current};
use super::keyring_state::KeyringState;
use super::keyring_storage::{KeyringStorage, StorageTag};
use super::root_key::RootKey;
use super::sources::Sources;
use crate::clock::Moment;
use crate::error::{
    Error, IoError, KeyProviderError, KeyProviderErrorKind, KeyringError, OtherHistory, Result, Unexpected,
};
use crate::offload::Worker;

/// The settings of a keyring in a storage.
#[derive(Clone)]
pub(super) struct StoreOptions {
    pub(super) max_age: Duration,
    pub(super) wait: Duration,
    pub(super) sources: Sources,
}

/// A keyring in a storage, with all that was seen of the storage.
pub(super) struct Stored {
    pub(super) current: Current,
    pub(super) storage: Arc<dyn KeyringStorage>,
    pub(super) root_key: RootKey,
    pub(super) options: StoreOptions,
    pub(super) recorder: OnceLock<Arc<dyn Recorder>>,
    seen: Mutex<StorageView>,
    /// Those who wait for the next read; `None` where no read is under way.
    readers: Mutex<Option<Vec<oneshot::Sender<Result<()>>>>>,
    changes: Mutex<Option<Vec<Arc<Waiting>>>>,
    engine: Engine,
    pub(super) worker: Worker,
}

/// What was seen of the storage. Its lock is never held over I/O.
pub(super) struct StorageView {
    /// Rises whenever the state or the tag is replaced.
    pub(super) epoch: u64,
    /// Of the stored bytes that the state came from.
    pub(super) tag: StorageTag,
    /// When the storage was last asked for what it then gave.
    pub(super) read: Moment,
    /// When a read was last begun in the background.
    pub(super) attempted: Option<Moment>,
    /// Bytes that were refused, and why: an envelope that names an unknown version lets the storage be read again, and
    /// an attacker who writes the store makes as many of those as they like.
    pub(super) refused: Option<(Vec<u8>, Error)>,
    /// The rule by which the stored keyring has another history.
    pub(super) history: Option<OtherHistory>,
    /// A change of which it is not known whether it is stored.
    pub(super) pending: Option<(Vec<u8>, KeyringState)>,
}

/// A change that waits for its turn.
struct Waiting {
    alteration: Alteration,
    answer: Mutex<Option<oneshot::Sender<Result<KeyringState>>>>,
    begun: AtomicBool,
}

impl Stored {
    /// A keyring that was read or created at this moment.
    pub(super) fn new(
        state: KeyringState,
        tag: StorageTag,
        read: Moment,
        storage: Arc<dyn KeyringStorage>,
        root_key: RootKey,
        options: StoreOptions,
    ) -> Self {
        let seen = StorageView { epoch: 0, tag, read, attempted: None, refused: None, history: None, pending: None };
        Self {
            current: Current::new(state),
            storage,
            root_key,
            options,
            recorder: OnceLock::new(),
            seen: Mutex::new(seen),
            readers: Mutex::default(),
            changes: Mutex::default(),
            engine: Engine::default(),
            worker: Worker::default(),
        }
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, StorageView> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_read(&self) -> SystemTime {
        self.seen().read.wall
    }

    /// Reads the keyring again where it is not fresh enough to write under.
    ///
    /// # Errors
    ///
    /// `Unavailable`: the keyring is too old and cannot be read, or what is stored has another history.
    pub(super) async fn fresh(self: &Arc<Self>) -> Result<()> {
        let clock = &*self.options.sources.clock;
        let max_age = self.options.max_age;
        let (age, history) = {
            let seen = self.seen();
            (seen.read.age(clock), seen.history)
        };
        if let Some(rule) = history {
            self.reload_in_background();
            return Err(self.unavailable(Unexpected::History(rule)));
        }
        if age > max_age {
            return self.reload().await.map_err(|error| self.as_unavailable(error));
        }
        if age > max_age / 2 {
            self.reload_in_background();
        }
        Ok(())
    }

    /// Reads the storage again. All who wait share one read, which begins after each of them asked for it.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.ask_for_read(answer)?;
        match self.limited(answered).await? {
            Ok(outcome) => outcome,
            Err(oneshot::Canceled) => Err(self.unavailable(KeyringError::OutcomeUnknown)),
        }
    }

    /// Begins a read that is not waited for, unless one was begun a short while ago.
    fn reload_in_background(self: &Arc<Self>) {
        let clock = &*self.options.sources.clock;
        {
            let mut seen = self.seen();
            let pause = (self.options.max_age / 16).min(Duration::from_secs(10));
            if seen.attempted.is_some_and(|attempted| attempted.age(clock) < pause) {
                return;
            }
            seen.attempted = Some(Moment::now(clock));
        }
        let (answer, _) = oneshot::channel();
        // Where no thread can be started, the writer that finds the keyring too old says so.
        let _ = self.ask_for_read(answer);
    }

    fn ask_for_read(self: &Arc<Self>, answer: oneshot::Sender<Result<()>>) -> Result<()> {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = &mut *readers {
            waiting.push(answer);
            return Ok(());
        }
        let stored = self.clone();
        self.engine.spawn(async move { stored.read_for_all().await }).map_err(no_thread)?;
        *readers = Some(vec![answer]);
        Ok(())
    }

    async fn read_for_all(&self) {
        loop {
            let waiting = {
                let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *readers {
                    Some(waiting) if !waiting.is_empty() => std::mem::take(waiting),
                    _ => {
                        *readers = None;
                        return;
                    }
                }
            };
            // A storage that panics fails those who wait for it, and no others.
            let reading = AssertUnwindSafe(self.read()).catch_unwind();
            let outcome = reading.await.unwrap_or_else(|_| Err(self.unavailable(KeyringError::StoragePanicked)));
            for answer in waiting {
                send_answer(answer, outcome.clone());
            }
        }
    }

    pub(super) async fn change(self: &Arc<Self>, change: Change) -> Result<KeyringState> {
        self.alter(Alteration::Change(change)).await
    }

    /// Changes what is stored; one change after the other. A change that was begun is finished, whether or not its
    /// caller still waits; one that was not begun when its caller left is never begun.
    pub(super) async fn alter(self: &Arc<Self>, alteration: Alteration) -> Result<KeyringState> {
        let (answer, answered) = oneshot::channel();
        let answer = Mutex::new(Some(answer));
        let waiting = Arc::new(Waiting { alteration, answer, begun: AtomicBool::new(false) });
        {
            let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *changes {
                Some(others) => others.push(waiting.clone()),
                None => {
                    let stored = self.clone();
                    self.engine.spawn(async move { stored.change_for_all().await }).map_err(no_thread)?;
                    *changes = Some(vec![waiting.clone()]);
                }
            }
        }
        match self.engine.within(self.options.wait.saturating_mul(2), answered).await {
            Ok(Ok(outcome)) => outcome,
            Err(error) if !waiting.begun.load(Ordering::Acquire) => Err(self.too_late(error)),
            Ok(Err(oneshot::Canceled)) | Err(_) => Err(self.unavailable(KeyringError::OutcomeUnknown)),
        }
    }

    async fn change_for_all(&self) {
        loop {
            let next = {
                let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *changes {
                    Some(waiting) if !waiting.is_empty() => waiting.remove(0),
                    _ => {
                        *changes = None;
                        return;
                    }
                }
            };
            let answer = next.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Before the look at the caller: one that leaves between the two is told that the outcome is not known.
            next.begun.store(true, Ordering::Release);
            let Some(answer) = answer.filter(|answer| !answer.is_canceled()) else { continue };
            let changing = AssertUnwindSafe(self.carry_out(&next.alteration)).catch_unwind();
            let outcome = changing.await.unwrap_or_else(|_| Err(self.unavailable(KeyringError::StoragePanicked)));
            send_answer(answer, outcome);
        }
    }

    /// Waits for the storage, at most as long as it may take.
    pub(super) async fn limited<F: Future>(&self, future: F) -> Result<F::Output> {
        self.engine.within(self.options.wait, future).await.map_err(|error| self.too_late(error))
    }

    fn too_late(&self, error: std::io::Error) -> Error {
        self.unavailable(IoError::new("the storage of the keyring does not answer", error))
    }

    /// What is wrong with the stored keyring is no verdict on an object: it is never given as Inauthentic.
    pub(super) fn as_unavailable(&self, error: Error) -> Error {
        match error {
            Error::KeyProvider(error) if error.kind() == KeyProviderErrorKind::Unavailable => error.into(),
            error => self.unavailable(error),
        }
    }

    /// The cause is an [`Error`], so that the chain of `source()` shows it.
    pub(super) fn unavailable(&self, cause: impl Into<Error>) -> Error {
        let key_id = &self.current.get().key_id;
        KeyProviderError::new(KeyProviderErrorKind::Unavailable, key_id).with_source(cause.into()).into()
    }
}

/// Answers a caller, who may have left. Their waker is their own, and a panic of it is no concern of the others.
fn send_answer<T>(answer: oneshot::Sender<T>, outcome: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| answer.send(outcome)));
}

fn no_thread(error: std::io::Error) -> IoError {
    IoError::new("no thread could be started to read the keyring", error)
}
