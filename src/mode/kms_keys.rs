//! [`KmsKeys`], the KMS keys that a service accepts.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::keys::{RequestedKey, are_replicas, is_alias};

/// The keys of a KMS that a service accepts, for reading and for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsKeys {
    only: Option<Arc<BTreeSet<String>>>,
    replicas: bool,
}

impl KmsKeys {
    /// Accepts only these keys, by their resolved ids (ARNs or URIs, never aliases), compared byte for byte.
    pub fn only<K: Into<String>>(key_ids: impl IntoIterator<Item = K>) -> Self {
        Self { only: Some(Arc::new(key_ids.into_iter().map(Into::into).collect())), replicas: false }
    }

    /// Accepts every key that the provider lets this service use.
    ///
    /// # Security
    ///
    /// An attacker who can write the store and may use any of these keys can then replace an object by another one.
    pub fn all() -> Self {
        Self { only: None, replicas: false }
    }

    /// Also accepts the replicas of these keys in other regions: ARNs of the same partition and account with the same
    /// key id, which begins with `mrk-`.
    ///
    /// By default the provider has to answer with exactly the ARN that the request names, and an object that was
    /// written in one region is refused in another. With these keys in [`SseBuilder::kms`](crate::SseBuilder::kms), a
    /// provider may also answer with another replica than the requested one.
    ///
    /// # Security
    ///
    /// Replicas share their key material, but each has its own policy: one region may allow what another refuses.
    ///
    /// Spec: AWS KMS, "Multi-Region keys in AWS KMS".
    #[must_use]
    pub fn with_replicas(self) -> Self {
        Self { replicas: true, ..self }
    }

    /// Returns the aliases among these keys. An alias accepts no object, because a resolved id is never an alias: check
    /// for them at the start of the service. With the feature `tracing`,
    /// [`SseBuilder::build`](crate::SseBuilder::build) warns of each.
    pub fn aliases(&self) -> impl Iterator<Item = &str> {
        self.only.iter().flat_map(|only| only.iter()).map(String::as_str).filter(|key_id| is_alias(key_id))
    }

    /// Returns whether exactly one key is accepted, apart from its replicas.
    pub(crate) fn is_one(&self) -> bool {
        self.only.as_ref().is_some_and(|only| only.len() == 1)
    }

    pub(crate) fn accept(&self, key_id: &str) -> bool {
        let is_replica = |only: &BTreeSet<String>| self.replicas && only.iter().any(|one| are_replicas(one, key_id));
        self.only.as_ref().is_none_or(|only| only.contains(key_id) || is_replica(only))
    }

    /// Returns the KMS key to request, with the ids that a provider may answer with. A listed key is a resolved id.
    pub(crate) fn asked<'a>(&self, key_id: &'a str) -> RequestedKey<'a> {
        let is_listed = self.only.as_ref().is_some_and(|only| only.contains(key_id));
        RequestedKey::new(key_id).resolved_if(is_listed).with_replicas_if(self.replicas)
    }
}
