//! Which keys of a KMS are accepted, and which of them may answer for another.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::keys::{RequestedKey, are_replicas};

/// Which keys of a KMS are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKeys {
    only: Option<Arc<BTreeSet<String>>>,
    replicas: bool,
}

impl KmsKeys {
    /// Accepts only these, by their resolved ids (ARNs or URIs, never aliases), compared byte for byte.
    pub fn only<K: Into<String>>(key_ids: impl IntoIterator<Item = K>) -> Self {
        Self { only: Some(Arc::new(key_ids.into_iter().map(Into::into).collect())), replicas: false }
    }

    /// Accepts every key that the provider lets this service use.
    ///
    /// # Security
    ///
    /// An attacker who can write the store, and may use any of these keys, can then write an object in place of
    /// another's.
    pub fn all() -> Self {
        Self { only: None, replicas: false }
    }

    /// Also accepts the replicas of these keys in other regions: ARNs of the same partition and account with the same
    /// key id, which begins with `mrk-`.
    ///
    /// Without this the provider has to answer with the very ARN that it was asked for, and an object that was written
    /// in one region is refused in another. Given to [`SseBuilder::kms`](crate::SseBuilder::kms), it also allows a
    /// provider that was asked for one replica to answer with another, when writing and when reading.
    ///
    /// # Security
    ///
    /// Replicas share their key material, but each has a policy of its own: what one region refuses, another may allow.
    ///
    /// Spec: AWS KMS, "Multi-Region keys in AWS KMS".
    #[must_use]
    pub fn with_replicas(self) -> Self {
        Self { replicas: true, ..self }
    }

    pub(crate) fn is_one(&self) -> bool {
        self.only.as_ref().is_some_and(|only| only.len() == 1)
    }

    pub(crate) fn accept(&self, key_id: &str) -> bool {
        let is_replica = |only: &BTreeSet<String>| self.replicas && only.iter().any(|one| are_replicas(one, key_id));
        self.only.as_ref().is_none_or(|only| only.contains(key_id) || is_replica(only))
    }

    /// What a provider is asked for, and with which ids it may answer: one of these keys is named by its resolved id.
    pub(crate) fn asked<'a>(&self, key_id: &'a str) -> RequestedKey<'a> {
        let is_listed = self.only.as_ref().is_some_and(|only| only.contains(key_id));
        RequestedKey::new(key_id).resolved_if(is_listed).with_replicas_if(self.replicas)
    }
}
