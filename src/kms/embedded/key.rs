//! [`NewKey`], [`KeyInfo`], [`KeyVersion`] and [`KeyState`]; and `KmsKey`, a KMS key in the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::policy::KeyPolicy;
use super::quota::Quota;
use super::state::check_alias;
use crate::clock::time;
use crate::error::{KeyProviderErrorKind, KeyStoreError};
use crate::secret::Secret;

/// The most versions of one key. Daily rotation reaches this after 27 years.
const MAX_VERSIONS: usize = 10_000;

/// The state of a KMS key.
///
/// ```text
///           disable            schedule deletion             (maintain, once it is due)
/// Enabled <---------> Disabled <---------------> PendingDeletion ---------> deleted
///           enable                cancel
/// ```
///
/// Spec: AWS KMS, "Key states of AWS KMS keys".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// The key generates and unwraps.
    Enabled,
    /// The key neither generates nor unwraps until it is enabled again.
    Disabled,
    /// The key waits for its deletion and is unusable until the deletion is cancelled.
    #[non_exhaustive]
    PendingDeletion {
        /// The time from which [`maintain`](super::EmbeddedKms::maintain) deletes the key.
        due: SystemTime,
    },
}

/// The origin of a version's key material.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// The KMS generated the material.
    Generated,
    /// The material was imported under a wrapping key.
    Imported,
}

/// A version of a KMS key, without its material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyVersion {
    /// The number of the version, from 1.
    pub number: u32,
    /// The time when the version was created.
    pub created: SystemTime,
    /// The origin of its material.
    pub origin: KeyOrigin,
}

/// The description of a KMS key, without its material.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// The key id, a UUID.
    pub id: String,
    /// The key ARN: the resolved key id that envelopes contain.
    pub arn: String,
    /// The description that its creator gave.
    pub description: String,
    /// The tags of the key.
    pub tags: BTreeMap<String, String>,
    /// The aliases of the key, each with the prefix `alias/`.
    pub aliases: Vec<String>,
    /// The state of the key.
    pub state: KeyState,
    /// The time when the key was created.
    pub created: SystemTime,
    /// The versions in ascending order of number. The last one wraps; every version unwraps.
    pub versions: Vec<KeyVersion>,
    /// The age in days at which [`maintain`](super::EmbeddedKms::maintain) rotates the key; `None` for no rotation by
    /// age.
    pub rotation_days: Option<u32>,
    /// The policy of the key; `None` if only the owner of the store may use the key.
    pub policy: Option<KeyPolicy>,
    /// The quota of the key; `None` if only the quota of the builder applies.
    pub quota: Option<Quota>,
}

/// The parameters of a key to create.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewKey {
    pub(super) id: Option<String>,
    pub(super) description: String,
    pub(super) aliases: Vec<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) rotation_days: Option<u32>,
    pub(super) policy: Option<KeyPolicy>,
    pub(super) quota: Option<Quota>,
}

impl NewKey {
    /// Returns the parameters of a key with a fresh id, without aliases or a policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns parameters with the same id, aliases, description, tags, rotation, policy and quota, for another store
    /// or a repeated import. Aliases that only the KMS creates, `alias/aws/..`, are left out.
    pub fn like(info: &KeyInfo) -> Self {
        Self {
            id: Some(info.id.clone()),
            description: info.description.clone(),
            aliases: info.aliases.iter().filter(|alias| check_alias(alias).is_ok()).cloned().collect(),
            tags: info.tags.clone(),
            rotation_days: info.rotation_days,
            policy: info.policy.clone(),
            quota: info.quota,
        }
    }

    /// Sets the key id, a UUID in lower case. An exported key needs its old id to unwrap the keys that it wrapped.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Sets the description, at most 8,192 bytes.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// Adds an alias: `alias/` and a name.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Adds a tag: a name of 1 to 128 bytes and a value of at most 256.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Sets the age in days of the newest version, 1 to 3,650, at which the key is rotated.
    #[must_use]
    pub fn rotated_every_days(self, days: u32) -> Self {
        Self { rotation_days: Some(days), ..self }
    }

    /// Sets the policy. Without it only the owner may use and administer the key.
    #[must_use]
    pub fn policy(self, policy: KeyPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Sets how often each requester may use the key.
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }
}

/// A KMS key in the store.
#[derive(Clone)]
pub(super) struct KmsKey {
    pub(super) id: Uuid,
    /// The key ARN.
    pub(super) arn: Arc<str>,
    pub(super) created: u64,
    pub(super) description: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) state: StoredState,
    pub(super) rotation_days: Option<u32>,
    pub(super) policy: Option<KeyPolicy>,
    pub(super) quota: Option<Quota>,
    /// The versions in ascending order of number. There is at least one, and the last one wraps.
    pub(super) versions: Vec<KmsKeyVersion>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StoredState {
    Enabled,
    Disabled,
    PendingDeletion { due: u64 },
}

#[derive(Clone)]
pub(super) struct KmsKeyVersion {
    pub(super) number: u32,
    pub(super) created: u64,
    pub(super) origin: KeyOrigin,
    pub(super) material: Arc<Secret>,
}

impl KmsKey {
    /// Returns the newest version, which wraps.
    pub(super) fn current(&self) -> &KmsKeyVersion {
        self.versions.last().expect("a key has a version")
    }

    pub(super) fn version(&self, number: u32) -> Option<&KmsKeyVersion> {
        let at = self.versions.binary_search_by_key(&number, |version| version.number).ok()?;
        self.versions.get(at)
    }

    /// Adds a version that wraps from now on.
    pub(super) fn rotate(&mut self, now: u64, origin: KeyOrigin, material: Secret) -> Result<u32, KeyStoreError> {
        let number = self.current().number.checked_add(1).filter(|_| self.versions.len() < MAX_VERSIONS);
        let number = number.ok_or(KeyStoreError::Invalid("a key with at most 10,000 versions; make another one"))?;
        self.versions.push(KmsKeyVersion { number, created: now, origin, material: Arc::new(material) });
        Ok(number)
    }

    /// Checks that the key may generate and unwrap.
    pub(super) fn usable(&self) -> Result<(), KeyProviderErrorKind> {
        match self.state {
            StoredState::Enabled => Ok(()),
            StoredState::Disabled => Err(KeyProviderErrorKind::Disabled),
            StoredState::PendingDeletion { .. } => Err(KeyProviderErrorKind::PendingDeletion),
        }
    }

    /// Checks that the key is not pending deletion.
    pub(super) fn alive(&self) -> Result<(), KeyProviderErrorKind> {
        match self.state {
            StoredState::Enabled | StoredState::Disabled => Ok(()),
            StoredState::PendingDeletion { .. } => Err(KeyProviderErrorKind::PendingDeletion),
        }
    }

    /// Returns whether the newest version has reached the rotation age.
    pub(super) fn rotation_is_due(&self, now: u64) -> bool {
        let age = Duration::from_millis(now.saturating_sub(self.current().created));
        self.state == StoredState::Enabled
            && self.versions.len() < MAX_VERSIONS
            && self.rotation_days.is_some_and(|days| age >= self::days(days))
    }

    pub(super) fn deletion_is_due(&self, now: u64) -> bool {
        matches!(self.state, StoredState::PendingDeletion { due } if due <= now)
    }

    pub(super) fn info(&self, aliases: Vec<String>) -> KeyInfo {
        let version = |v: &KmsKeyVersion| KeyVersion { number: v.number, created: time(v.created), origin: v.origin };
        KeyInfo {
            id: self.id.to_string(),
            arn: self.arn.to_string(),
            description: self.description.clone(),
            tags: self.tags.clone(),
            aliases,
            state: match self.state {
                StoredState::Enabled => KeyState::Enabled,
                StoredState::Disabled => KeyState::Disabled,
                StoredState::PendingDeletion { due } => KeyState::PendingDeletion { due: time(due) },
            },
            created: time(self.created),
            versions: self.versions.iter().map(version).collect(),
            rotation_days: self.rotation_days,
            policy: self.policy.clone(),
            quota: self.quota,
        }
    }
}

pub(super) fn days(days: u32) -> Duration {
    Duration::from_secs(u64::from(days) * 24 * 60 * 60)
}
