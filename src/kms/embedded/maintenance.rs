//! Rotation by age, deletion, and the thread that sees to both.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::EmbeddedKms;
use super::key::KeyOrigin;
use super::record::{Doing, Touched, caught};
use crate::audit::AuditOperation;
use crate::crypto::Generator;
use crate::error::{IoError, Result};

/// The shortest period: a period of zero would keep one core busy.
const LEAST_PERIOD: Duration = Duration::from_millis(1);

/// What [`EmbeddedKms::maintain`] did, by the ARNs of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Keys that have a new version.
    pub rotated: Vec<String>,
    /// Keys that are gone.
    pub deleted: Vec<String>,
}

impl EmbeddedKms {
    /// Rotates the keys whose newest version is as old as their rotation allows, and deletes those whose waiting time is
    /// over. Call it once a day or more often where blocking is allowed, or let [a thread](Self::maintain_every) call it.
    /// Where nothing is due nothing is written. Each call looks whether the store's lock is still in place.
    ///
    /// # Security
    ///
    /// Goes by the clock of this machine: one that is weeks ahead deletes keys weeks too early. Nothing else ever deletes one.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::ClockWentBack`](crate::error::KeyStoreError::ClockWentBack);
    /// [`KeyStoreError::Conflict`](crate::error::KeyStoreError::Conflict), also where nothing is due: the lock file was
    /// removed or replaced, and another process may have the store open. [`KeyStoreError::Panicked`](crate::error::KeyStoreError::Panicked); [`Error::Io`](crate::Error::Io);
    /// [`Error::Audit`](crate::Error::Audit). Nothing was done then.
    pub fn maintain(&self) -> Result<Maintained> {
        let owner = self.owner();
        self.store().changing_all(Doing::new(AuditOperation::RotateKeyByAge, &owner), |state, touched| {
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
                    let number = found.rotate(now, KeyOrigin::Generated, Generator::default().secret()?)?;
                    maintained.rotated.push(key.arn.to_string());
                    (AuditOperation::RotateKeyByAge, Some(number))
                };
                let key_id = Some(key.arn.clone());
                touched.push(Touched { operation: Some(operation), key_id, version, ..Touched::default() });
            }
            Ok(maintained)
        })
    }

    /// Starts a thread that calls [`maintain`](Self::maintain) at once and then once in every period, and hands each
    /// outcome to the function, until the guard is dropped.
    ///
    /// The thread survives panics: one of the clock or the sink is an outcome like any other error, and one of the function
    /// itself is counted ([`Maintenance::panics`]); the next period goes on.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): the thread cannot be started.
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

/// A thread that maintains a KMS. Dropping this stops the thread and waits for it: a run of `maintain` is done to its end.
#[must_use = "the thread stops when this is dropped"]
pub struct Maintenance {
    /// Dropped before the thread is waited for.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    panics: Arc<AtomicU64>,
}

impl Maintenance {
    /// Whether the thread runs.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// How many times the function that takes the outcomes has panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            // Only what the function owned can still panic, where it is dropped.
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
