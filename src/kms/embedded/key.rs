//! A KMS key: its versions, its state, and what may be done in which.

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

/// With one a day it takes 27 years.
const MAX_VERSIONS: usize = 10_000;

/// The state of a KMS key.
///
/// ```text
///           disable            schedule deletion             (maintain, once it is due)
/// Enabled <---------> Disabled <---------------> PendingDeletion ---------> gone
///           enable                cancel
/// ```
///
/// Spec: AWS KMS, "Key states of AWS KMS keys".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyState {
    /// It generates and unwraps.
    Enabled,
    /// It does neither until it is enabled again.
    Disabled,
    /// It waits for its deletion, and does nothing until that is cancelled.
    #[non_exhaustive]
    PendingDeletion {
        /// From when on [`maintain`](super::EmbeddedKms::maintain) deletes it.
        due: SystemTime,
    },
}

/// Where the material of a version came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// The KMS drew it.
    Generated,
    /// It was brought in under a wrapping key.
    Imported,
}

/// A version of a KMS key, without its material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyVersion {
    /// Its number, from 1.
    pub number: u32,
    /// When it was made.
    pub created: SystemTime,
    /// Where its material came from.
    pub origin: KeyOrigin,
}

/// What there is to know of a KMS key, without its material.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its id, a UUID.
    pub id: String,
    /// Its ARN: the resolved key id that stands in envelopes.
    pub arn: String,
    /// What it is for, in its maker's words.
    pub description: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// The names that lead to it, each beginning with `alias/`.
    pub aliases: Vec<String>,
    /// Its state.
    pub state: KeyState,
    /// When it was made.
    pub created: SystemTime,
    /// Its versions in ascending order; the last one wraps, every one unwraps.
    pub versions: Vec<KeyVersion>,
    /// After how many days [`maintain`](super::EmbeddedKms::maintain) rotates it, if it does.
    pub rotation_days: Option<u32>,
    /// Who may use and administer it; without one the owner of the store alone.
    pub policy: Option<KeyPolicy>,
    /// How often each requester may use it; without one as the KMS was built.
    pub quota: Option<Quota>,
}

/// A key to be made.
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
    /// A key of a fresh id, without names or policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// A key of the same id, names, description, tags, rotation, policy and quota, for another store or to be imported
    /// again. The names that the KMS makes by itself, `alias/aws/..`, are left out.
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

    /// Of this id, a UUID in lower case: to bring a key back that was exported, so that what it wrapped opens.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// What it is for, at most 8,192 bytes.
    #[must_use]
    pub fn description(self, description: impl Into<String>) -> Self {
        Self { description: description.into(), ..self }
    }

    /// And a name that leads to it: `alias/` and what the key is for.
    #[must_use]
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// And a tag: a name of 1 to 128 bytes and a value of at most 256.
    #[must_use]
    pub fn tag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(name.into(), value.into());
        self
    }

    /// Rotated whenever its newest version is so many days old, 1 to 3,650.
    #[must_use]
    pub fn rotated_every_days(self, days: u32) -> Self {
        Self { rotation_days: Some(days), ..self }
    }

    /// Used and administered by those whom the policy names, and not by the owner alone.
    #[must_use]
    pub fn policy(self, policy: KeyPolicy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Used by each requester so often.
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }
}

/// A key as the store holds it.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) id: Uuid,
    /// Its ARN.
    pub(super) arn: Arc<str>,
    pub(super) created: u64,
    pub(super) description: String,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) life: Life,
    pub(super) rotation_days: Option<u32>,
    pub(super) policy: Option<KeyPolicy>,
    pub(super) quota: Option<Quota>,
    /// In ascending order of number; there is at least one, and the last one wraps.
    pub(super) versions: Vec<Version>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Enabled,
    Disabled,
    PendingDeletion { due: u64 },
}

#[derive(Clone)]
pub(super) struct Version {
    pub(super) number: u32,
    pub(super) created: u64,
    pub(super) origin: KeyOrigin,
    pub(super) material: Arc<Secret>,
}

impl Key {
    /// The version that wraps.
    pub(super) fn current(&self) -> &Version {
        self.versions.last().expect("a key has a version")
    }

    pub(super) fn version(&self, number: u32) -> Option<&Version> {
        let at = self.versions.binary_search_by_key(&number, |version| version.number).ok()?;
        self.versions.get(at)
    }

    /// Adds a version, which wraps from now on.
    pub(super) fn rotate(&mut self, now: u64, origin: KeyOrigin, material: Secret) -> Result<u32, KeyStoreError> {
        let number = self.current().number.checked_add(1).filter(|_| self.versions.len() < MAX_VERSIONS);
        let number = number.ok_or(KeyStoreError::Invalid("a key with at most 10,000 versions; make another one"))?;
        self.versions.push(Version { number, created: now, origin, material: Arc::new(material) });
        Ok(number)
    }

    /// Refuses what takes a key that works.
    pub(super) fn usable(&self) -> Result<(), KeyProviderErrorKind> {
        match self.life {
            Life::Enabled => Ok(()),
            Life::Disabled => Err(KeyProviderErrorKind::Disabled),
            Life::PendingDeletion { .. } => Err(KeyProviderErrorKind::PendingDeletion),
        }
    }

    /// Refuses what cannot be done to a key that waits for its deletion.
    pub(super) fn alive(&self) -> Result<(), KeyProviderErrorKind> {
        match self.life {
            Life::Enabled | Life::Disabled => Ok(()),
            Life::PendingDeletion { .. } => Err(KeyProviderErrorKind::PendingDeletion),
        }
    }

    /// Whether its newest version is as old as its rotation allows.
    pub(super) fn rotation_is_due(&self, now: u64) -> bool {
        let age = Duration::from_millis(now.saturating_sub(self.current().created));
        self.life == Life::Enabled
            && self.versions.len() < MAX_VERSIONS
            && self.rotation_days.is_some_and(|days| age >= self::days(days))
    }

    pub(super) fn deletion_is_due(&self, now: u64) -> bool {
        matches!(self.life, Life::PendingDeletion { due } if due <= now)
    }

    pub(super) fn info(&self, aliases: Vec<String>) -> KeyInfo {
        let version = |v: &Version| KeyVersion { number: v.number, created: time(v.created), origin: v.origin };
        KeyInfo {
            id: self.id.to_string(),
            arn: self.arn.to_string(),
            description: self.description.clone(),
            tags: self.tags.clone(),
            aliases,
            state: match self.life {
                Life::Enabled => KeyState::Enabled,
                Life::Disabled => KeyState::Disabled,
                Life::PendingDeletion { due } => KeyState::PendingDeletion { due: time(due) },
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
