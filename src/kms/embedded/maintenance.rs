//! [`Maintained`] and [`Maintenance`]: rotation by age, deletion, and the thread that runs both.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::EmbeddedKms;
use super::key::KeyOrigin;
use super::record::{Affected, PendingEvent, caught};
use crate::error::{IoError, Result};
use crate::trail::AuditOperation;

/// The shortest period; zero would spin.
const LEAST_PERIOD: Duration = Duration::from_millis(1);

/// The result of [`EmbeddedKms::maintain`]: the ARNs of the changed keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// The keys that were rotated.
    pub rotated: Vec<String>,
    /// The keys that were deleted.
    pub deleted: Vec<String>,
}

impl EmbeddedKms {
    /// Rotates the keys whose newest version has reached the rotation age, and deletes the keys whose waiting period is
    /// over. Call it once a day or more often, where blocking is allowed, or start [a thread](Self::maintain_every)
    /// that calls it. If nothing is due, nothing is written. Each call checks that the lock of the store is still in
    /// place.
    ///
    /// # Security
    ///
    /// The call uses the clock of this machine: a clock that is weeks ahead deletes keys weeks too early. No other
    /// function deletes keys.
    ///
    /// # Errors
    ///
    /// On every error nothing was done.
    ///
    /// - [`KeyStoreError::ClockWentBack`](crate::error::KeyStoreError::ClockWentBack) if the clock is behind the last
    ///   change.
    /// - [`KeyStoreError::Conflict`](crate::error::KeyStoreError::Conflict) if the store's file was replaced or, even
    ///   if nothing is due, if the lock file was removed or replaced: another process may have the store open.
    /// - [`KeyStoreError::Panicked`](crate::error::KeyStoreError::Panicked) if the clock panicked.
    /// - [`Error::Io`](crate::Error::Io) if the change could not be stored.
    /// - [`Error::Audit`](crate::Error::Audit) if it could not be recorded.
    pub fn maintain(&self) -> Result<Maintained> {
        let owner = self.owner();
        self.store().changing_all(PendingEvent::new(AuditOperation::RotateKeyByAge, &owner), |state, affected| {
            self.store().check_lock()?;
            let (now, mut maintained) = (self.store().now()?, Maintained::default());
            let due = state.keys.values().filter(|key| key.deletion_is_due(now) || key.rotation_is_due(now));
            for key in due.cloned().collect::<Vec<_>>() {
                let (operation, version) = if key.deletion_is_due(now) {
                    state.delete(key.id);
                    maintained.deleted.push(key.arn.to_string());
                    (AuditOperation::DeleteKey, None)
                } else {
                    let found = state.key_mut(key.id).expect("it is due");
                    let number = found.rotate(now, KeyOrigin::Generated, self.store().generator().secret()?)?;
                    maintained.rotated.push(key.arn.to_string());
                    (AuditOperation::RotateKeyByAge, Some(number))
                };
                let key_id = Some(key.arn.clone());
                affected.push(Affected { operation: Some(operation), key_id, version, ..Affected::default() });
            }
            Ok(maintained)
        })
    }

    /// Starts a thread that calls [`maintain`](Self::maintain) at once and then once in every period. The thread passes
    /// each result to `outcome`. It stops when the returned guard is dropped.
    ///
    /// The thread survives panics: a panic of the clock or the sink is passed on as an error, and a panic of `outcome`
    /// is counted ([`Maintenance::panics`]). The thread then continues with the next period.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Io`](crate::Error::Io) if the thread cannot be started.
    pub fn maintain_every(
        &self,
        period: Duration,
        mut outcome: impl FnMut(Result<Maintained>) + Send + 'static,
    ) -> Result<Maintenance> {
        let (stop, stopped) = mpsc::channel();
        let (kms, panics) = (self.clone(), Arc::new(AtomicU64::new(0)));
        let counted = panics.clone();
        let maintaining = move || {
            loop {
                let maintained = caught(|| kms.maintain());
                if catch_unwind(AssertUnwindSafe(|| outcome(maintained))).is_err() {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                if stopped.recv_timeout(period.max(LEAST_PERIOD)) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("atrest-kms".to_owned()).spawn(maintaining);
        let thread = thread.map_err(|error| IoError::new("the thread for maintenance cannot be started", error))?;
        Ok(Maintenance { stop: Some(stop), thread: Some(thread), panics })
    }
}

/// The guard of a thread that maintains a KMS. Dropping the guard stops the thread and waits for it, and so for a run
/// of `maintain` in progress.
#[must_use = "the thread stops when this is dropped"]
pub struct Maintenance {
    /// The channel that stops the thread. `drop` closes it before it waits for the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    panics: Arc<AtomicU64>,
}

impl Maintenance {
    /// Returns whether the thread runs.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Returns the number of panics of the function that takes the results.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // The thread can panic only while it drops the values that the function owns.
            if let Err(panic) = thread.join()
                && !thread::panicking()
            {
                resume_unwind(panic);
            }
        }
    }
}

impl fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Maintenance")
            .field("is_alive", &self.is_alive())
            .field("panics", &self.panics())
            .finish_non_exhaustive()
    }
}
