//! [`AuditTrail::record_changes_of`]: records the changes of a stored keyring.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{AuditEvent, AuditOperation, AuditTrail};
use crate::clock::Clock;
use crate::error::Result;
use crate::keys::Keyring;
use crate::keys::keyring_record::{KeyringRecord, Recorder};
use crate::object::Requester;

impl AuditTrail {
    /// Records every later change of a stored keyring as made by this requester: rotations; versions that are staged,
    /// activated, disabled, enabled or retired; a stored keyring that is adopted or sealed anew.
    ///
    /// The event is recorded before the change is stored, and again with the error if the change could not be stored.
    /// Unless the trail is [best effort](Self::best_effort), a change that cannot be recorded is not made. All handles
    /// of a keyring share one trail; a second call has no effect. The call has no effect on the keyring of an [embedded
    /// KMS](crate::manual::kms), which its store records already, nor on a keyring in memory.
    ///
    /// ```
    /// # fn main() -> atrest::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a directory");
    /// # let path = directory.path().join("keyring.atrest");
    /// use std::sync::Arc;
    /// use atrest::audit::{AuditOperation, AuditTrail, MemorySink};
    /// use atrest::{Keyring, Requester, RootKey};
    ///
    /// let keyring = Keyring::create_blocking(path, &RootKey::generate()?)?;
    /// let sink = Arc::new(MemorySink::new());
    /// AuditTrail::new(sink.clone()).record_changes_of(&keyring, Requester::new("operator"));
    ///
    /// keyring.blocking().rotate()?;
    /// assert_eq!(sink.events()[0].operation(), AuditOperation::ChangeKeyring);
    /// # Ok(()) }
    /// ```
    pub fn record_changes_of(&self, keyring: &Keyring, requester: Requester) {
        keyring.record_changes(Arc::new(Trailed { trail: self.clone(), requester, clock: keyring.sources().clock }));
    }
}

struct Trailed {
    trail: AuditTrail,
    requester: Requester,
    clock: Arc<dyn Clock>,
}

impl Recorder for Trailed {
    fn record(&self, record: KeyringRecord) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'static>> {
        let event = AuditEvent::new(self.clock.wall(), self.requester.clone(), AuditOperation::ChangeKeyring)
            .with_key(&record.key_id, Some(record.primary))
            .with_parameter("generation", record.generation);
        let differences = record.differences.into_iter();
        let event = differences.fold(event, |event, (name, value)| event.with_parameter(name, value));
        Box::pin(self.trail.record(event.with_error(record.error)))
    }
}
