//! The commands `keys allow` and `keys forbid`: change the policy of a key.

use std::collections::BTreeSet;

use atrest::Requester;
use atrest::kms::{KeyAdmin, KeyPolicy, Permission};

use super::OWNER;
use crate::cli::Words;
use crate::failure::{Failure, Outcome};

/// The names of the permissions in this program: `write` generates keys, `read` unwraps keys.
pub(super) const PERMISSIONS: [(Permission, &str); 3] =
    [(Permission::Generate, "write"), (Permission::Unwrap, "read"), (Permission::Administer, "administer")];

/// A permission, and the requesters that it is granted to or revoked from.
pub(crate) struct Given {
    permission: Permission,
    /// Everyone, if no requesters are given.
    requesters: Option<BTreeSet<String>>,
}

pub(super) fn parse(words: &mut Words) -> Outcome<Given> {
    let word = words.text("write, read or administer")?;
    let found = PERMISSIONS.into_iter().find(|(_, name)| *name == word);
    let (permission, _) =
        found.ok_or_else(|| Failure::usage(format!("no such permission: {word} (write, read, administer)")))?;
    if words.switch("everyone") {
        return Ok(Given { permission, requesters: None });
    }
    let mut requesters = BTreeSet::from([words.text("WHO, or --everyone")?]);
    while words.len() > 0 {
        requesters.insert(words.text("WHO")?);
    }
    Ok(Given { permission, requesters: Some(requesters) })
}

/// Without a policy only the owner may use a key: the first requester is added beside the owner.
pub(super) fn allow(admin: &KeyAdmin, key: &str, given: Given) -> Outcome<()> {
    let owner = Some(BTreeSet::from([OWNER.to_owned()]));
    let policy = match admin.describe_key(key)?.policy {
        Some(policy) => policy,
        None => {
            PERMISSIONS.into_iter().fold(KeyPolicy::new(), |policy, (each, _)| allowing(policy, each, owner.as_ref()))
        }
    };
    Ok(admin.set_policy(key, Some(allowing(policy, given.permission, given.requesters.as_ref())))?)
}

/// Revoking a permission that a name does not have is an error: a misspelt name would leave the permission in place.
pub(super) fn forbid(admin: &KeyAdmin, key: &str, given: Given) -> Outcome<()> {
    let policy = admin.describe_key(key)?.policy;
    let policy = policy.ok_or_else(|| Failure::rule("only the owner may use it: there is no permission to revoke"))?;
    let left = match (policy.requesters(given.permission), &given.requesters) {
        (None, None) => BTreeSet::new(),
        (None, Some(_)) => return Err(Failure::rule("everyone has this permission: revoke it with --everyone")),
        (Some(_), None) => return Err(Failure::rule("not everyone has this permission: name the requesters")),
        (Some(names), Some(taken)) => match taken.iter().find(|name| !names.contains(*name)) {
            Some(stranger) => return Err(Failure::rule(format!("{stranger:?} does not have this permission"))),
            None => names - taken,
        },
    };
    let others = PERMISSIONS.into_iter().filter(|(each, _)| *each != given.permission);
    let others = others.fold(KeyPolicy::new(), |new, (each, _)| allowing(new, each, policy.requesters(each)));
    Ok(admin.set_policy(key, Some(allowing(others, given.permission, Some(&left))))?)
}

/// Adds these requesters to the policy; everyone, if no names are given.
fn allowing(policy: KeyPolicy, permission: Permission, names: Option<&BTreeSet<String>>) -> KeyPolicy {
    match names {
        None => policy.allow_everyone(permission),
        Some(names) => policy.allow(permission, &names.iter().map(Requester::new).collect::<Vec<_>>()),
    }
}
