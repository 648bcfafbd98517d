//! [`KeyAdmin`]: creates, describes and changes KMS keys on behalf of one requester.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::EmbeddedKms;
use super::key::{KeyInfo, KeyOrigin, KmsKey, NewKey, StoredState, days};
use super::payload;
use super::policy::{KeyPolicy, Permission};
use super::quota::Quota;
use super::record::{Affected, PendingEvent};
use super::state::{StoreState, check_description, check_rotation_days, check_tags};
use crate::clock::{millis, time};
use crate::error::{KeyProviderError, KeyProviderErrorKind, KeyStoreError, Result};
use crate::object::Requester;
use crate::secret::Secret;
use crate::trail::AuditOperation as Operation;

/// The administration of the keys of an [`EmbeddedKms`], and of its store, on behalf of one requester.
///
/// A key is named by its id, ARN or alias. Every call is checked against the key's [policy](KeyPolicy) and recorded in
/// the audit trail. Calls marked *owner only* need the store's owner as the requester. A change is on the disk when the
/// call returns.
///
/// Every call blocks its thread: it waits for the audit trail, and a change also waits for earlier changes and for the
/// disk. In async code, call it where blocking is allowed.
///
/// | state of the key | refused calls |
/// |---|---|
/// | enabled | cancel its deletion |
/// | disabled | generate, unwrap, rotate; cancel its deletion |
/// | pending deletion | all but describe, export, set its policy, move or delete its aliases, and cancel its deletion |
///
/// # Errors
///
/// Every call may return:
///
/// - [`KeyProviderError`] of kind `NotFound`, `AccessDenied` or, if the key's state refuses the call, `Disabled` or
///   `PendingDeletion`;
/// - [`Error::Audit`](crate::Error::Audit) if the call could not be recorded; it was not done.
///
/// A call that changes the store may also return:
///
/// - [`Error::Io`](crate::Error::Io) if the change could not be stored; it has no effect, or takes effect at the next
///   start if the rollback failed too;
/// - [`KeyStoreError::Conflict`] if the store's file was replaced;
/// - [`KeyStoreError::ClockWentBack`] if the change records a time and the clock is behind the last change.
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    pub(super) kms: EmbeddedKms,
    pub(super) requester: Requester,
}

/// The parameters of a call, for its audit event.
type Parameters<'a> = &'a [(&'static str, &'a (dyn Display + Sync))];

/// Whether a change is allowed while the key is pending deletion.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfPending {
    Allowed,
    Refused,
}

impl KeyAdmin {
    pub(super) fn new(kms: EmbeddedKms, requester: Requester) -> Self {
        Self { kms, requester }
    }

    /// Creates a key. Owner only.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError`] if the requester is not the owner, the key id or alias exists
    /// already, or a text is too long.
    pub fn create_key(&self, new: NewKey) -> Result<KeyInfo> {
        self.changing(Operation::CreateKey, None, &[], |state, affected| {
            self.owned(state)?;
            let id = self.add(state, new, None)?;
            Ok(created_info(state, id, affected))
        })
    }

    /// Creates many keys with one write, all or none. Owner only.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create_key`](Self::create_key).
    pub fn create_keys(&self, new: impl IntoIterator<Item = NewKey>) -> Result<Vec<KeyInfo>> {
        let new: Vec<_> = new.into_iter().collect();
        self.kms.store().changing_all(self.pending(Operation::CreateKey, None), |state, affected| {
            let mut made = Vec::new();
            for new in new {
                affected.push(Affected::default());
                self.owned(state)?;
                let id = self.add(state, new, None)?;
                affected[made.len()].key_id = Some(state.keys[&id].arn.clone());
                made.push(id);
            }
            Ok(state.infos(&made))
        })
    }

    /// Describes a key.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn describe_key(&self, key: &str) -> Result<KeyInfo> {
        self.kms.store().reading(self.pending(Operation::DescribeKey, Some(key)), |affected| {
            let state = self.kms.store().state();
            let id = self.administered(&state, key, affected)?;
            Ok(state.info(&state.keys[&id]))
        })
    }

    /// Describes every key that the requester may administer, in the order of the key ids.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Audit`](crate::Error::Audit) if the call could not be recorded.
    pub fn list_keys(&self) -> Result<Vec<KeyInfo>> {
        self.kms.store().reading(self.pending(Operation::ListKeys, None), |_| {
            let state = self.kms.store().state();
            let keys = state.keys.values();
            let allowed = keys.filter(|key| state.allows(key, Permission::Administer, &self.requester));
            Ok(state.infos(&allowed.map(|key| key.id).collect::<Vec<_>>()))
        })
    }

    /// Sets the description of a key, at most 8,192 bytes.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::Invalid`] if the description is too long.
    pub fn set_description(&self, key: &str, description: &str) -> Result<()> {
        self.change_key(Operation::SetDescription, key, &[("description", &description)], IfPending::Refused, |key| {
            check_description(description)?;
            description.clone_into(&mut key.description);
            Ok(())
        })
    }

    /// Sets a tag of a key, replacing one of the same name. A name has 1 to 128 bytes, a value at most 256.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::Invalid`] if the name or value has another length, or the key
    /// would have more than 50 tags.
    pub fn set_tag(&self, key: &str, name: &str, value: &str) -> Result<()> {
        self.change_key(Operation::SetTag, key, &[("tagKey", &name), ("tagValue", &value)], IfPending::Refused, |key| {
            key.tags.insert(name.to_owned(), value.to_owned());
            check_tags(&key.tags)
        })
    }

    /// Removes a tag of a key, if the key has it.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn remove_tag(&self, key: &str, name: &str) -> Result<()> {
        self.change_key(Operation::RemoveTag, key, &[("tagKey", &name)], IfPending::Refused, |key| {
            key.tags.remove(name);
            Ok(())
        })
    }

    /// Enables a disabled key.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn enable_key(&self, key: &str) -> Result<()> {
        self.change_key(Operation::EnableKey, key, &[], IfPending::Refused, |key| {
            key.state = StoredState::Enabled;
            Ok(())
        })
    }

    /// Disables a key: it can neither generate nor unwrap until it is enabled again.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn disable_key(&self, key: &str) -> Result<()> {
        self.change_key(Operation::DisableKey, key, &[], IfPending::Refused, |key| {
            key.state = StoredState::Disabled;
            Ok(())
        })
    }

    /// Schedules the deletion of a key after a waiting period of 7 to 30 days, and returns the time from which
    /// [`maintain`](EmbeddedKms::maintain) deletes it. The key is unusable in the meantime.
    ///
    /// # Security
    ///
    /// Objects that are still under the key when it is deleted are lost for ever. This machine's clock measures the
    /// waiting period.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::WaitingPeriod`] if `waiting` is not 7 to 30 days.
    pub fn schedule_deletion(&self, key: &str, waiting: Duration) -> Result<SystemTime> {
        let waits = waiting.as_secs() / days(1).as_secs();
        let parameters: Parameters<'_> = &[("pendingWindowInDays", &waits)];
        self.change_key(Operation::ScheduleDeletion, key, parameters, IfPending::Refused, |key| {
            if !(days(7)..=days(30)).contains(&waiting) {
                return Err(KeyStoreError::WaitingPeriod.into());
            }
            let due = self.kms.store().now()?.saturating_add(millis(SystemTime::UNIX_EPOCH + waiting));
            key.state = StoredState::PendingDeletion { due };
            Ok(time(due))
        })
    }

    /// Cancels the deletion of a key; the key is disabled afterwards.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::NotPendingDeletion`] if the key is not pending deletion.
    pub fn cancel_deletion(&self, key: &str) -> Result<()> {
        self.change_key(Operation::CancelDeletion, key, &[], IfPending::Allowed, |key| {
            if !matches!(key.state, StoredState::PendingDeletion { .. }) {
                return Err(KeyStoreError::NotPendingDeletion.into());
            }
            key.state = StoredState::Disabled;
            Ok(())
        })
    }

    /// Rotates a key: adds a version that wraps from now on, and returns its number. Older versions still unwrap.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::Invalid`] if the key has 10,000 versions already.
    pub fn rotate_key(&self, key: &str) -> Result<u32> {
        self.changing(Operation::RotateKey, Some(key), &[], |state, affected| {
            let id = self.administered(state, key, affected)?;
            self.rotate(state, (id, key), affected, KeyOrigin::Generated, || self.kms.store().generator().secret())
        })
    }

    /// Sets the age of a key's newest version, 1 to 3,650 days, at which [`maintain`](EmbeddedKms::maintain) rotates
    /// the key; `None` ends the rotation by age.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::RotationPeriod`] if `every_days` is not 1 to 3,650.
    pub fn set_rotation(&self, key: &str, every_days: Option<u32>) -> Result<()> {
        let (operation, period) = match &every_days {
            Some(days) => (Operation::SetRotation, Some(("rotationPeriodInDays", days as &(dyn Display + Sync)))),
            None => (Operation::EndRotation, None),
        };
        self.change_key(operation, key, period.as_slice(), IfPending::Refused, |key| {
            every_days.map_or(Ok(()), check_rotation_days)?;
            key.rotation_days = every_days;
            Ok(())
        })
    }

    /// Sets the policy of a key. With `None` only the owner of the store may use the key.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::Invalid`] if the names of the policy exceed 32 KiB.
    pub fn set_policy(&self, key: &str, policy: Option<KeyPolicy>) -> Result<()> {
        let shown = payload::shown(policy.as_ref());
        self.change_key(Operation::SetPolicy, key, &[("policy", &shown)], IfPending::Allowed, |key| {
            policy.as_ref().map_or(Ok(()), KeyPolicy::check_len)?;
            key.policy = policy;
            Ok(())
        })
    }

    /// Sets how often each requester may use a key. With `None` only the builder's quota applies.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn set_quota(&self, key: &str, quota: Option<Quota>) -> Result<()> {
        let (uses, burst) = quota.map(|quota| (quota.per_second, quota.burst)).unzip();
        let shown = [uses, burst].map(|number| number.map_or("none".to_owned(), |number| number.to_string()));
        let parameters: Parameters<'_> = &[("perSecond", &shown[0]), ("burst", &shown[1])];
        self.change_key(Operation::SetQuota, key, parameters, IfPending::Refused, |key| {
            key.quota = quota;
            Ok(())
        })
    }

    /// Accepts the current time of the clock although the store recorded a later one. Owner only.
    ///
    /// Call it after the clock was ahead for a while. Times that were recorded meanwhile do not change: check the keys
    /// that are pending deletion or rotated by age.
    ///
    /// # Errors
    ///
    /// - [`KeyStoreError::NotTheOwner`] if the requester is not the owner;
    /// - [`Error::Io`](crate::Error::Io) if the change could not be stored;
    /// - [`Error::Audit`](crate::Error::Audit) if the call could not be recorded.
    pub fn accept_clock(&self) -> Result<()> {
        self.changing(Operation::AcceptClock, None, &[], |state, _| {
            self.owned(state)?;
            state.written = millis(self.kms.store().time());
            Ok(())
        })
    }

    /// Adds a key with this material, or with fresh material.
    pub(super) fn add(&self, state: &mut StoreState, new: NewKey, material: Option<Secret>) -> Result<Uuid> {
        let store = self.kms.store();
        state.add(new, material, store.now()?, store.generator())
    }

    pub(super) fn pending<'a>(&'a self, operation: Operation, key_id: Option<&'a str>) -> PendingEvent<'a> {
        PendingEvent { key_id, ..PendingEvent::new(operation, &self.requester) }
    }

    pub(super) fn changing<T>(
        &self,
        operation: Operation,
        key: Option<&str>,
        parameters: Parameters<'_>,
        change: impl FnOnce(&mut StoreState, &mut Affected) -> Result<T>,
    ) -> Result<T> {
        self.kms.store().changing(PendingEvent { parameters, ..self.pending(operation, key) }, change)
    }

    fn change_key<T>(
        &self,
        operation: Operation,
        key: &str,
        parameters: Parameters<'_>,
        pending_deletion: IfPending,
        change: impl FnOnce(&mut KmsKey) -> Result<T>,
    ) -> Result<T> {
        self.changing(operation, Some(key), parameters, |state, affected| {
            let id = match pending_deletion {
                IfPending::Allowed => self.administered(state, key, affected)?,
                IfPending::Refused => self.administered_alive(state, key, affected)?,
            };
            change(state.key_mut(id).expect("it was found"))
        })
    }

    /// Adds a version with this material to an enabled key.
    pub(super) fn rotate(
        &self,
        state: &mut StoreState,
        (id, named): (Uuid, &str),
        affected: &mut Affected,
        origin: KeyOrigin,
        material: impl FnOnce() -> Result<Secret>,
    ) -> Result<u32> {
        let key = state.key_mut(id).expect("it was found");
        key.usable().map_err(|kind| KeyProviderError::new(kind, named))?;
        let number = key.rotate(self.kms.store().now()?, origin, material()?)?;
        affected.version = Some(number);
        Ok(number)
    }

    pub(super) fn owned(&self, state: &StoreState) -> Result<()> {
        if self.requester == state.owner { Ok(()) } else { Err(KeyStoreError::NotTheOwner.into()) }
    }

    /// Returns the id of the key with this name, if the requester may administer it.
    pub(super) fn administered(&self, state: &StoreState, named: &str, affected: &mut Affected) -> Result<Uuid> {
        let key = state.key(named)?;
        affected.key_id = Some(key.arn.clone());
        if !state.allows(key, Permission::Administer, &self.requester) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::AccessDenied, named).into());
        }
        Ok(key.id)
    }

    pub(super) fn administered_alive(&self, state: &StoreState, named: &str, affected: &mut Affected) -> Result<Uuid> {
        let id = self.administered(state, named, affected)?;
        state.keys[&id].alive().map_err(|kind| KeyProviderError::new(kind, named))?;
        Ok(id)
    }
}

/// Describes a key that was just created and records its ARN for the audit event.
pub(super) fn created_info(state: &StoreState, id: Uuid, affected: &mut Affected) -> KeyInfo {
    let key = &state.keys[&id];
    affected.key_id = Some(key.arn.clone());
    state.info(key)
}
