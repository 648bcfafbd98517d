//! [`Stored`]: a keyring in a storage, with its reads, its queue of changes and their time limits.

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

/// A keyring in a storage, and the latest view of the storage.
pub(super) struct Stored {
    pub(super) current: Current,
    pub(super) storage: Arc<dyn KeyringStorage>,
    pub(super) root_key: RootKey,
    pub(super) options: StoreOptions,
    pub(super) recorder: OnceLock<Arc<dyn Recorder>>,
    seen: Mutex<StorageView>,
    /// The callers that wait for the next read; `None` if no read is in progress.
    readers: Mutex<Option<Vec<oneshot::Sender<Result<()>>>>>,
    changes: Mutex<Option<Vec<Arc<Waiting>>>>,
    engine: Engine,
    pub(super) worker: Worker,
}

/// The latest view of the storage. Its lock is never held during I/O.
pub(super) struct StorageView {
    /// Rises with each replacement of the state or the tag.
    pub(super) epoch: u64,
    /// The tag of the stored bytes from which the state was read.
    pub(super) tag: StorageTag,
    /// The start of the last successful read.
    pub(super) read: Moment,
    /// The start of the last background read.
    pub(super) attempted: Option<Moment>,
    /// The last refused bytes and their error, so that the same bytes are judged once. An attacker who writes the store
    /// can cause many reads with envelopes of unknown versions.
    pub(super) refused: Option<(Vec<u8>, Error)>,
    /// The rule that the stored keyring breaks if it has another history.
    pub(super) history: Option<OtherHistory>,
    /// A change with unknown outcome.
    pub(super) pending: Option<(Vec<u8>, KeyringState)>,
}

/// A change that waits in the queue.
struct Waiting {
    alteration: Alteration,
    answer: Mutex<Option<oneshot::Sender<Result<KeyringState>>>>,
    begun: AtomicBool,
}

impl Stored {
    /// Creates a keyring that was read or created at the time `read`.
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

    /// Reads the keyring again if the last read is too old for a write.
    ///
    /// # Errors
    ///
    /// Returns `Unavailable` if the last read is too old and another read fails, or the stored keyring has another
    /// history.
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
            return Box::pin(self.reload()).await.map_err(|error| self.as_unavailable(error));
        }
        if age > max_age / 2 {
            self.reload_in_background();
        }
        Ok(())
    }

    /// Reads the storage again. Waiting callers share one read, which begins after each of their calls.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.ask_for_read(answer)?;
        match self.limited(answered).await? {
            Ok(outcome) => outcome,
            Err(oneshot::Canceled) => Err(self.unavailable(KeyringError::OutcomeUnknown)),
        }
    }

    /// Begins a read without waiting for it, unless another began a short while ago.
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
        // If no thread can be started, a later write reports the old keyring.
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
            // A panic of the storage fails only the callers that wait for this read.
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

    /// Changes the stored keyring, one change at a time. A change that has begun is finished even if its caller leaves;
    /// a change whose caller leaves earlier is never begun.
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
            // Set before the caller is checked: a caller that leaves in between gets "outcome unknown".
            next.begun.store(true, Ordering::Release);
            let Some(answer) = answer.filter(|answer| !answer.is_canceled()) else { continue };
            let changing = AssertUnwindSafe(self.carry_out(&next.alteration)).catch_unwind();
            let outcome = changing.await.unwrap_or_else(|_| Err(self.unavailable(KeyringError::StoragePanicked)));
            send_answer(answer, outcome);
        }
    }

    /// Waits for the storage up to the time limit.
    pub(super) async fn limited<F: Future>(&self, future: F) -> Result<F::Output> {
        self.engine.within(self.options.wait, future).await.map_err(|error| self.too_late(error))
    }

    fn too_late(&self, error: std::io::Error) -> Error {
        self.unavailable(IoError::new("the storage of the keyring does not answer", error))
    }

    /// Converts a fault of the stored keyring into `Unavailable`. The fault is not one of the object, so it must not
    /// look like `Inauthentic`.
    pub(super) fn as_unavailable(&self, error: Error) -> Error {
        match error {
            Error::KeyProvider(error) if error.kind() == KeyProviderErrorKind::Unavailable => error.into(),
            error => self.unavailable(error),
        }
    }

    /// Creates an `Unavailable` error. Its cause is an [`Error`], so that the `source()` chain shows it.
    pub(super) fn unavailable(&self, cause: impl Into<Error>) -> Error {
        let key_id = &self.current.get().key_id;
        KeyProviderError::new(KeyProviderErrorKind::Unavailable, key_id).with_source(cause.into()).into()
    }
}

/// Answers a caller, which may have left. Catches a panic of the caller's waker, so that other callers are answered.
fn send_answer<T>(answer: oneshot::Sender<T>, outcome: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| answer.send(outcome)));
}

fn no_thread(error: std::io::Error) -> IoError {
    IoError::new("no thread could be started to read the keyring", error)
}
