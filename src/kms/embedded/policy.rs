//! [`KeyPolicy`] and [`Permission`]: the access rules of one key.

use std::collections::BTreeSet;

use crate::error::{KeyStoreError, Result};
use crate::object::Requester;
use crate::principal::Identity;

/// One kind of access to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Permission {
    /// Generate keys under it, to write objects.
    Generate,
    /// Unwrap keys under it, to read objects.
    Unwrap,
    /// Describe and change the key: its state, aliases, rotation and policy.
    Administer,
}

/// The requesters that have each [`Permission`] for a key. All others have no access.
///
/// Without a policy only the store's owner may use the key. With a policy the owner needs its permission too, except to
/// administer the key: the owner may administer every key, so that every key stays manageable.
///
/// A name covers the requester of that name. As in a bucket policy, the ARN of a role covers its sessions, and the id
/// of an account, or the ARN of its root, covers every requester of the account.
///
/// ```
/// use atrest::Requester;
/// use atrest::kms::{KeyPolicy, Permission};
/// let (alice, backup) = (Requester::new("alice"), Requester::new("backup"));
/// let policy = KeyPolicy::new()
///     .allow(Permission::Generate, [&alice])
///     .allow(Permission::Unwrap, [&alice, &backup]);
/// assert!(policy.allows(Permission::Unwrap, &backup));
/// assert!(!policy.allows(Permission::Generate, &backup));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPolicy {
    pub(super) generate: Requesters,
    pub(super) unwrap: Requesters,
    pub(super) administer: Requesters,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requesters {
    Everyone,
    Only(BTreeSet<String>),
}

impl Default for Requesters {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl KeyPolicy {
    /// Creates a policy that covers no requester.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds requesters to a permission.
    #[must_use]
    pub fn allow<'a>(mut self, permission: Permission, requesters: impl IntoIterator<Item = &'a Requester>) -> Self {
        if let Requesters::Only(names) = self.requesters_mut(permission) {
            names.extend(requesters.into_iter().map(|requester| requester.as_str().to_owned()));
        }
        self
    }

    /// Gives a permission to every requester.
    ///
    /// # Security
    ///
    /// This includes [`Requester::anonymous`]. If public requests reach the KMS, all of them may use the key.
    #[must_use]
    pub fn allow_everyone(mut self, permission: Permission) -> Self {
        *self.requesters_mut(permission) = Requesters::Everyone;
        self
    }

    /// Returns whether the requester has the permission, by its own name, its role or its account.
    pub fn allows(&self, permission: Permission, requester: &Requester) -> bool {
        let covered = |names: &BTreeSet<String>| {
            let identity = Identity::new(requester.as_str());
            names.contains(requester.as_str()) || names.iter().any(|name| identity.is_covered_by(name))
        };
        self.requesters(permission).is_none_or(covered)
    }

    /// Returns the names that a permission covers; `None` if it covers every requester.
    pub fn requesters(&self, permission: Permission) -> Option<&BTreeSet<String>> {
        let requesters = match permission {
            Permission::Generate => &self.generate,
            Permission::Unwrap => &self.unwrap,
            Permission::Administer => &self.administer,
        };
        match requesters {
            Requesters::Everyone => None,
            Requesters::Only(names) => Some(names),
        }
    }

    /// Checks the length of the policy: long policies would make every change of the store slow.
    pub(super) fn check_len(&self) -> Result<()> {
        const WHAT: &str = "a policy of at most 32 KiB of names";
        let all = [Permission::Generate, Permission::Unwrap, Permission::Administer];
        let names = all.into_iter().filter_map(|permission| self.requesters(permission)).flatten();
        if names.map(String::len).sum::<usize>() <= 32 * 1_024 {
            Ok(())
        } else {
            Err(KeyStoreError::Invalid(WHAT).into())
        }
    }

    fn requesters_mut(&mut self, permission: Permission) -> &mut Requesters {
        match permission {
            Permission::Generate => &mut self.generate,
            Permission::Unwrap => &mut self.unwrap,
            Permission::Administer => &mut self.administer,
        }
    }
}
