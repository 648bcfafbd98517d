//! Events of changes of a keyring.

use std::time::SystemTime;

use super::{AuditEvent, AuditOperation, AuditTrail};
use crate::error::{Error, Result};
use crate::keys::keyring_state::{State as KeyringState, VersionState};
use crate::object::Requester;

impl AuditTrail {
    /// Records a change of a keyring, before it is stored: the key id, the primary after the change, and what differs.
    /// Where the change could then not be stored, it is recorded again with the error.
    ///
    /// The event is handed to the sink now; the future waits for the answer.
    ///
    /// # Errors
    ///
    /// The sink failed, and the trail is not best effort: the change must not be stored.
    #[allow(dead_code, reason = "a keyring in a file calls it through its hook")]
    pub(crate) fn record_keyring_change(
        &self,
        requester: &Requester,
        before: &KeyringState,
        after: &KeyringState,
        error: Option<Error>,
    ) -> impl Future<Output = Result<()>> + Send + 'static + use<> {
        self.record(keyring_changed(requester, before, after, error))
    }
}

fn keyring_changed(
    requester: &Requester,
    before: &KeyringState,
    after: &KeyringState,
    error: Option<Error>,
) -> AuditEvent {
    let event = AuditEvent::new(SystemTime::now(), requester.clone(), AuditOperation::ChangeKeyring)
        .with_key(&after.key_id, Some(after.primary));
    let differences = differences(before, after);
    differences.into_iter().fold(event, |event, (name, value)| event.with_parameter(name, value)).with_error(error)
}

/// What a change did to a keyring, as parameters of an event.
pub(crate) fn differences(before: &KeyringState, after: &KeyringState) -> Vec<(&'static str, String)> {
    let mut differences = Vec::new();
    for (number, version) in &after.versions {
        let state = match version.state {
            VersionState::Staged => "staged",
            VersionState::Enabled => "enabled",
            VersionState::Disabled => "disabled",
        };
        if before.versions.get(number).is_none_or(|before| before.state != version.state) {
            differences.push((state, number.to_string()));
        }
    }
    let retired = before.versions.keys().filter(|number| !after.versions.contains_key(number));
    differences.extend(retired.map(|number| ("retired", number.to_string())));
    if before.primary != after.primary {
        differences.push(("primary", after.primary.to_string()));
    }
    if before.next_version != after.next_version {
        differences.push(("nextVersion", after.next_version.to_string()));
    }
    differences
}
