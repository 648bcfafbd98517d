//! Who may do what with a key.

use std::collections::BTreeSet;

use crate::error::{KeyStoreError, Result};
use crate::object::Requester;
use crate::principal::Identity;

/// What a requester may do with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Permission {
    /// Have keys generated under it: to write objects.
    Generate,
    /// Have keys unwrapped under it: to read objects.
    Unwrap,
    /// Describe and change it: its state, its names, its rotation, its policy.
    Administer,
}

/// Which requesters may do what with a key; a requester that it does not cover may do nothing.
///
/// A key without a policy may be used by the store's owner alone. A key with a policy may be used by the requesters that the
/// policy covers, and by the owner only if the policy covers the owner; but the owner may administer every key, so that no key
/// is ever out of reach.
///
/// A name covers the requester of that name. As in a bucket policy, the ARN of a role covers its sessions, and an account's
/// id or the ARN of its root covers every requester of the account.
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
    /// A policy that allows nothing to any requester.
    pub fn new() -> Self {
        Self::default()
    }

    /// And these requesters may do this.
    #[must_use]
    pub fn allow<'a>(mut self, permission: Permission, requesters: impl IntoIterator<Item = &'a Requester>) -> Self {
        if let Requesters::Only(names) = self.requesters_mut(permission) {
            names.extend(requesters.into_iter().map(|requester| requester.as_str().to_owned()));
        }
        self
    }

    /// Also allows this to every requester, the anonymous one included.
    ///
    /// # Security
    ///
    /// [`Requester::anonymous`] too. Where requests of strangers reach the KMS, this gives them the key.
    #[must_use]
    pub fn allow_everyone(mut self, permission: Permission) -> Self {
        *self.requesters_mut(permission) = Requesters::Everyone;
        self
    }

    /// Whether the requester may do this: by its own name, by its role or by its account.
    pub fn allows(&self, permission: Permission, requester: &Requester) -> bool {
        let covered = |names: &BTreeSet<String>| {
            let identity = Identity::new(requester.as_str());
            names.contains(requester.as_str()) || names.iter().any(|name| identity.is_covered_by(name))
        };
        self.requesters(permission).is_none_or(covered)
    }

    /// The names of those who may do this; `None` where everyone may.
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

    /// Refuses one that would make the store slow for everyone.
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
