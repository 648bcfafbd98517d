//! What time brings: rotation by age, and deletion.

use std::fmt;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::EmbeddedKms;
use super::key::KeyOrigin;
use super::record::{Doing, Touched};
use crate::audit::AuditOperation;
use crate::crypto::Generator;
use crate::error::{IoError, Result};

/// What never ends is no period.
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
    /// over: call it once a day or more often, or have [a thread](Self::maintain_every) do so. Where nothing is due nothing is written.
    ///
    /// # Security
    ///
    /// Goes by the clock of this machine: one that is weeks ahead deletes keys weeks too early. Nothing else ever deletes one.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::ClockWentBack`](crate::error::KeyStoreError::ClockWentBack); [`Error::Io`](crate::Error::Io);
    /// [`Error::Audit`](crate::Error::Audit): nothing was done then.
    pub fn maintain(&self) -> Result<Maintained> {
        let owner = self.owner();
        self.store().changing_all(Doing::new(AuditOperation::RotateKeyByAge, &owner), |state, touched| {
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

    /// Starts a thread that calls [`maintain`](Self::maintain) now and then once in every period, and hands each outcome on, until the guard is
    /// dropped.
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
        let kms = self.clone();
        let maintaining = move || {
            loop {
                outcome(kms.maintain());
                if stopped.recv_timeout(period.max(LEAST_PERIOD)) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("atrest-kms".to_owned()).spawn(maintaining);
        let thread = thread.map_err(|error| IoError::new("the thread for maintenance cannot be started", error))?;
        Ok(Maintenance { stop: Some(stop), thread: Some(thread) })
    }
}

/// A thread that maintains a KMS; dropping this stops it and waits for it.
#[must_use = "the thread stops when this is dropped"]
pub struct Maintenance {
    /// Dropped before the thread is waited for.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Maintenance {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join(); // it only panics where the caller's function, clock or sink does
        }
    }
}

impl fmt::Debug for Maintenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maintenance(..)")
    }
}
