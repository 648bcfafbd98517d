//! [`KeyAdmin`]: keys made, described and changed on behalf of a requester.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::EmbeddedKms;
use super::key::{Key, KeyInfo, KeyOrigin, Life, NewKey, days};
use super::payload;
use super::policy::{KeyPolicy, Permission};
use super::quota::Quota;
use super::record::{Doing, Touched};
use super::state::{State, check_description, check_rotation_days, check_tags};
use crate::audit::AuditOperation as Operation;
use crate::clock::{millis, time};
use crate::crypto::Generator;
use crate::error::{KeyProviderError, KeyProviderErrorKind, KeyStoreError, Result};
use crate::object::Requester;
use crate::secret::Secret;

/// What one requester may do with the keys of an [`EmbeddedKms`], and with the store if they are its owner.
///
/// Keys are named by id, ARN or alias. Every call is checked against the key's [policy](KeyPolicy) and goes on record; a
/// change has reached the disk when the call returns.
///
/// Every call blocks its thread: it waits for the audit trail, and a change for its turn and the disk. In async code call
/// it where blocking is allowed.
///
/// | state of the key | refused |
/// |---|---|
/// | enabled | cancelling its deletion |
/// | disabled | generating, unwrapping, rotating; cancelling its deletion |
/// | pending deletion | all but describing and exporting it, its policy, taking its aliases away, and cancelling |
///
/// # Errors
///
/// Every call: [`KeyProviderError`] of kind `NotFound`, `AccessDenied` or, where the key's state refuses it, `Disabled` or
/// `PendingDeletion`; [`Error::Audit`](crate::Error::Audit): it could not be recorded and was not done. One that changes anything:
/// [`Error::Io`](crate::Error::Io): it could not be stored and has no effect (where even taking it back failed, it has one at the
/// next start); [`KeyStoreError::Conflict`]; [`KeyStoreError::ClockWentBack`] where a time is written down.
#[derive(Clone, Debug)]
pub struct KeyAdmin {
    pub(super) kms: EmbeddedKms,
    pub(super) requester: Requester,
}

/// What a change may do to a key that waits for its deletion.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dying {
    Allowed,
    Refused,
}

impl KeyAdmin {
    pub(super) fn new(kms: EmbeddedKms, requester: Requester) -> Self {
        Self { kms, requester }
    }

    /// Makes a key. The owner's alone.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError`]: the requester is not the owner, there is such a key or alias, or a text is too long.
    pub fn create_key(&self, new: NewKey) -> Result<KeyInfo> {
        self.changing(Operation::CreateKey, None, &[], |state, touched| {
            self.owned(state)?;
            let id = state.add(new, None, self.kms.store().now()?)?;
            Ok(touch(state, id, touched))
        })
    }

    /// Makes many keys, with one write: all of them or none. The owner's alone.
    ///
    /// # Errors
    ///
    /// As [`create_key`](Self::create_key).
    pub fn create_keys(&self, new: impl IntoIterator<Item = NewKey>) -> Result<Vec<KeyInfo>> {
        let new: Vec<_> = new.into_iter().collect();
        self.kms.store().changing_all(self.doing(Operation::CreateKey, None), |state, touched| {
            let mut made = Vec::new();
            for new in new {
                touched.push(Touched::default());
                self.owned(state)?;
                let id = state.add(new, None, self.kms.store().now()?)?;
                touched[made.len()].key_id = Some(state.keys[&id].arn.clone());
                made.push(id);
            }
            Ok(state.infos(&made))
        })
    }

    /// What there is to know of a key.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn describe_key(&self, key: &str) -> Result<KeyInfo> {
        self.kms.store().reading(self.doing(Operation::DescribeKey, Some(key)), |touched| {
            let state = self.kms.store().state();
            let id = self.administered(&state, key, touched)?;
            Ok(state.info(&state.keys[&id]))
        })
    }

    /// What there is to know of every key that the requester may administer, in the order of their ids.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`](crate::Error::Audit).
    pub fn list_keys(&self) -> Result<Vec<KeyInfo>> {
        self.kms.store().reading(self.doing(Operation::ListKeys, None), |_| {
            let state = self.kms.store().state();
            let keys = state.keys.values();
            let allowed = keys.filter(|key| state.allows(key, Permission::Administer, &self.requester));
            Ok(state.infos(&allowed.map(|key| key.id).collect::<Vec<_>>()))
        })
    }

    /// Says what a key is for, in at most 8,192 bytes.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::Invalid`].
    pub fn set_description(&self, key: &str, description: &str) -> Result<()> {
        self.change_key(Operation::SetDescription, key, &[("description", &description)], Dying::Refused, |key| {
            check_description(description)?;
            description.clone_into(&mut key.description);
            Ok(())
        })
    }

    /// Gives a key a tag, in the place of one of the same name: a name of 1 to 128 bytes, a value of at most 256.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::Invalid`].
    pub fn set_tag(&self, key: &str, name: &str, value: &str) -> Result<()> {
        self.change_key(Operation::SetTag, key, &[("tagKey", &name), ("tagValue", &value)], Dying::Refused, |key| {
            key.tags.insert(name.to_owned(), value.to_owned());
            check_tags(&key.tags)
        })
    }

    /// Takes a tag away, if it is there.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn remove_tag(&self, key: &str, name: &str) -> Result<()> {
        self.change_key(Operation::RemoveTag, key, &[("tagKey", &name)], Dying::Refused, |key| {
            key.tags.remove(name);
            Ok(())
        })
    }

    /// Has a disabled key work again.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn enable_key(&self, key: &str) -> Result<()> {
        self.change_key(Operation::EnableKey, key, &[], Dying::Refused, |key| {
            key.life = Life::Enabled;
            Ok(())
        })
    }

    /// Has a key do nothing until it is enabled again: neither write nor read.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn disable_key(&self, key: &str) -> Result<()> {
        self.change_key(Operation::DisableKey, key, &[], Dying::Refused, |key| {
            key.life = Life::Disabled;
            Ok(())
        })
    }

    /// Has a key wait for its deletion, 7 to 30 days, in which it does nothing; gives the time from when on
    /// [`maintain`](EmbeddedKms::maintain) deletes it.
    ///
    /// # Security
    ///
    /// Whatever is still under it then is lost for ever. The waiting time is measured by the clock of this machine.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::WaitingPeriod`].
    pub fn schedule_deletion(&self, key: &str, waiting: Duration) -> Result<SystemTime> {
        let waits = waiting.as_secs() / days(1).as_secs();
        self.change_key(Operation::ScheduleDeletion, key, &[("pendingWindowInDays", &waits)], Dying::Refused, |key| {
            if !(days(7)..=days(30)).contains(&waiting) {
                return Err(KeyStoreError::WaitingPeriod.into());
            }
            let due = self.kms.store().now()?.saturating_add(millis(SystemTime::UNIX_EPOCH + waiting));
            key.life = Life::PendingDeletion { due };
            Ok(time(due))
        })
    }

    /// Has a key no longer wait for its deletion; it is disabled then.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::NotPendingDeletion`].
    pub fn cancel_deletion(&self, key: &str) -> Result<()> {
        self.change_key(Operation::CancelDeletion, key, &[], Dying::Allowed, |key| {
            if !matches!(key.life, Life::PendingDeletion { .. }) {
                return Err(KeyStoreError::NotPendingDeletion.into());
            }
            key.life = Life::Disabled;
            Ok(())
        })
    }

    /// Gives a key a new version, which wraps from now on; gives its number. The older ones still unwrap.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn rotate_key(&self, key: &str) -> Result<u32> {
        self.changing(Operation::RotateKey, Some(key), &[], |state, touched| {
            let id = self.administered(state, key, touched)?;
            self.rotate(state, (id, key), touched, KeyOrigin::Generated, || Generator::default().secret())
        })
    }

    /// Has [`maintain`](EmbeddedKms::maintain) rotate a key whenever its newest version is so many days old, 1 to 3,650; or
    /// no longer.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::RotationPeriod`].
    pub fn set_rotation(&self, key: &str, every_days: Option<u32>) -> Result<()> {
        let (operation, period) = match &every_days {
            Some(days) => (Operation::SetRotation, Some(("rotationPeriodInDays", days as &(dyn Display + Sync)))),
            None => (Operation::EndRotation, None),
        };
        self.change_key(operation, key, period.as_slice(), Dying::Refused, |key| {
            every_days.map_or(Ok(()), check_rotation_days)?;
            key.rotation_days = every_days;
            Ok(())
        })
    }

    /// Says who may use and administer a key; with none, the owner of the store alone.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn set_policy(&self, key: &str, policy: Option<KeyPolicy>) -> Result<()> {
        self.change_key(
            Operation::SetPolicy,
            key,
            &[("policy", &payload::shown(policy.as_ref()))],
            Dying::Allowed,
            |key| {
                policy.as_ref().map_or(Ok(()), KeyPolicy::check_len)?;
                key.policy = policy;
                Ok(())
            },
        )
    }

    /// Says how often each requester may use a key; with none, as the KMS was built.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`].
    pub fn set_quota(&self, key: &str, quota: Option<Quota>) -> Result<()> {
        let (uses, burst) = quota.map(|quota| (quota.per_second, quota.burst)).unzip();
        let shown = [uses, burst].map(|number| number.map_or("none".to_owned(), |number| number.to_string()));
        self.change_key(
            Operation::SetQuota,
            key,
            &[("perSecond", &shown[0]), ("burst", &shown[1])],
            Dying::Refused,
            |key| {
                key.quota = quota;
                Ok(())
            },
        )
    }

    /// Takes the present time of the clock as right, though the store has seen a later one. The owner's alone.
    ///
    /// For a clock that was ahead for a while. What was written down meanwhile stays as it was: see to keys that wait for
    /// their deletion, and to those that are rotated by age.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::NotTheOwner`]; [`Error::Io`](crate::Error::Io); [`Error::Audit`](crate::Error::Audit).
    pub fn accept_clock(&self) -> Result<()> {
        self.changing(Operation::AcceptClock, None, &[], |state, _| {
            self.owned(state)?;
            state.written = millis(self.kms.store().time());
            Ok(())
        })
    }

    pub(super) fn doing<'a>(&'a self, operation: Operation, key_id: Option<&'a str>) -> Doing<'a> {
        Doing { key_id, ..Doing::new(operation, &self.requester) }
    }

    pub(super) fn changing<T>(
        &self,
        operation: Operation,
        key: Option<&str>,
        parameters: &[(&'static str, &(dyn Display + Sync))],
        change: impl FnOnce(&mut State, &mut Touched) -> Result<T>,
    ) -> Result<T> {
        self.kms.store().changing(Doing { parameters, ..self.doing(operation, key) }, change)
    }

    fn change_key<T>(
        &self,
        operation: Operation,
        key: &str,
        parameters: &[(&'static str, &(dyn Display + Sync))],
        dying: Dying,
        change: impl FnOnce(&mut Key) -> Result<T>,
    ) -> Result<T> {
        self.changing(operation, Some(key), parameters, |state, touched| {
            let id = match dying {
                Dying::Allowed => self.administered(state, key, touched)?,
                Dying::Refused => self.administered_alive(state, key, touched)?,
            };
            change(state.key_mut(id).expect("it was found"))
        })
    }

    /// Gives a key that works a new version of this material.
    pub(super) fn rotate(
        &self,
        state: &mut State,
        (id, named): (Uuid, &str),
        touched: &mut Touched,
        origin: KeyOrigin,
        material: impl FnOnce() -> Result<Secret>,
    ) -> Result<u32> {
        let key = state.key_mut(id).expect("it was found");
        key.usable().map_err(|kind| KeyProviderError::new(kind, named))?;
        let number = key.rotate(self.kms.store().now()?, origin, material()?)?;
        touched.version = Some(number);
        Ok(number)
    }

    pub(super) fn owned(&self, state: &State) -> Result<()> {
        if self.requester == state.owner { Ok(()) } else { Err(KeyStoreError::NotTheOwner.into()) }
    }

    /// The key of this name, if the requester may administer it.
    pub(super) fn administered(&self, state: &State, named: &str, touched: &mut Touched) -> Result<Uuid> {
        let key = state.key(named)?;
        touched.key_id = Some(key.arn.clone());
        if !state.allows(key, Permission::Administer, &self.requester) {
            return Err(KeyProviderError::new(KeyProviderErrorKind::AccessDenied, named).into());
        }
        Ok(key.id)
    }

    pub(super) fn administered_alive(&self, state: &State, named: &str, touched: &mut Touched) -> Result<Uuid> {
        let id = self.administered(state, named, touched)?;
        state.keys[&id].alive().map_err(|kind| KeyProviderError::new(kind, named))?;
        Ok(id)
    }
}

/// What there is to know of a key that was just made, and that it was this one.
pub(super) fn touch(state: &State, id: Uuid, touched: &mut Touched) -> KeyInfo {
    let key = &state.keys[&id];
    touched.key_id = Some(key.arn.clone());
    state.info(key)
}
