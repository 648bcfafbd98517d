//! One table of every operation on a key, in every state, by every requester.

use std::sync::Arc;
use std::time::Duration;

use atrest::audit::{AuditOperation as Event, AuditTrail, MemorySink};
use atrest::error::{KeyProviderErrorKind as Kind, KeyStoreError};
use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission};
use atrest::{Error, KeyEncryptionKey, Requester, RootKey, WrappedKey};
use tempfile::TempDir;

use super::kit::{Store, generate, owner, unwrap};

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The outcome of a call, as far as the table states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Kms(Kind),
    Store(KeyStoreError),
}
use Outcome::{Done, Kms};

const DISABLED: Outcome = Kms(Kind::Disabled);
const PENDING: Outcome = Kms(Kind::PendingDeletion);
const DENIED: Outcome = Kms(Kind::AccessDenied);
const NOT_PENDING: Outcome = Outcome::Store(KeyStoreError::NotPendingDeletion);

/// The requesters who have permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    The(Permission),
    Ownership,
}
use Takes::{Ownership, The};

type Call = fn(&World, &Requester) -> Result<(), Error>;

struct Operation {
    name: &'static str,
    event: Event,
    takes: Takes,
    /// The outcomes for a requester with permission: for an enabled key, a disabled key, and a key that is pending
    /// deletion.
    outcomes: [Outcome; 3],
    run: Call,
}

const ADMINISTER: Takes = The(Permission::Administer);

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    Operation { name: "generate", event: Event::GenerateKey, takes: The(Permission::Generate), outcomes: [Done, DISABLED, PENDING],
        run: |w, by| generate(&w.kms, w.key, by).map(drop).map_err(Error::from) },
    Operation { name: "unwrap", event: Event::UnwrapKey, takes: The(Permission::Unwrap), outcomes: [Done, DISABLED, PENDING],
        run: |w, by| unwrap(&w.kms, w.key, &w.wrapped, by).map(drop).map_err(Error::from) },
    Operation { name: "describe", event: Event::DescribeKey, takes: ADMINISTER, outcomes: [Done, Done, Done],
        run: |w, by| w.kms.requested_by(by.clone()).describe_key(w.key).map(drop) },
    Operation { name: "set description", event: Event::SetDescription, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).set_description(w.key, "for photos") },
    Operation { name: "set tag", event: Event::SetTag, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).set_tag(w.key, "team", "photos") },
    Operation { name: "remove tag", event: Event::RemoveTag, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).remove_tag(w.key, "team") },
    Operation { name: "create alias", event: Event::CreateAlias, takes: Ownership, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).create_alias("alias/new", w.key) },
    Operation { name: "move alias", event: Event::MoveAlias, takes: Ownership, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).move_alias("alias/everyones", w.key) },
    Operation { name: "delete alias", event: Event::DeleteAlias, takes: Ownership, outcomes: [Done, Done, Done],
        run: |w, by| w.kms.requested_by(by.clone()).delete_alias("alias/key") },
    Operation { name: "enable", event: Event::EnableKey, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).enable_key(w.key) },
    Operation { name: "disable", event: Event::DisableKey, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).disable_key(w.key) },
    Operation { name: "schedule deletion", event: Event::ScheduleDeletion, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).schedule_deletion(w.key, WEEK).map(drop) },
    Operation { name: "cancel deletion", event: Event::CancelDeletion, takes: ADMINISTER, outcomes: [NOT_PENDING, NOT_PENDING, Done],
        run: |w, by| w.kms.requested_by(by.clone()).cancel_deletion(w.key) },
    Operation { name: "rotate", event: Event::RotateKey, takes: ADMINISTER, outcomes: [Done, DISABLED, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).rotate_key(w.key).map(drop) },
    Operation { name: "set rotation", event: Event::SetRotation, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).set_rotation(w.key, Some(90)) },
    Operation { name: "set policy", event: Event::SetPolicy, takes: ADMINISTER, outcomes: [Done, Done, Done],
        run: |w, by| w.kms.requested_by(by.clone()).set_policy(w.key, None) },
    Operation { name: "set quota", event: Event::SetQuota, takes: ADMINISTER, outcomes: [Done, Done, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).set_quota(w.key, None) },
    Operation { name: "export", event: Event::ExportKey, takes: Ownership, outcomes: [Done, Done, Done],
        run: |w, by| w.kms.requested_by(by.clone()).export_key(w.key, 1, &w.wrapping_key).map(drop) },
    Operation { name: "import a version", event: Event::ImportKey, takes: Ownership, outcomes: [Done, DISABLED, PENDING],
        run: |w, by| w.kms.requested_by(by.clone()).import_key_version(w.key, &w.wrapping_key, &w.exported).map(drop) },
];

/// The calls that need the owner, whatever the policies of the keys.
#[rustfmt::skip]
const OWNERS: &[(&str, Call)] = &[
    ("create", |w, by| w.kms.requested_by(by.clone()).create_key(NewKey::new()).map(drop)),
    ("create many", |w, by| w.kms.requested_by(by.clone()).create_keys([NewKey::new(), NewKey::new()]).map(drop)),
    ("import", |w, by| w.kms.requested_by(by.clone()).import_key(NewKey::new(), &w.wrapping_key, &w.exported).map(drop)),
    ("back up", |w, by| w.kms.requested_by(by.clone()).backup(&RootKey::generate()?).map(drop)),
    ("accept the clock", |w, by| w.kms.requested_by(by.clone()).accept_clock()),
];

#[derive(Clone, Copy, Debug)]
enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    None,
    Named,
    Everyone,
    Nobody,
}

const REQUESTERS: [&str; 6] = ["owner", "writer", "reader", "admin", "stranger", "anonymous"];

/// Returns whether the requester has permission by the policies below, without asking the library.
fn may(requester: &str, takes: Takes, policy: Policy) -> bool {
    match (takes, policy) {
        (Ownership, _) => requester == "owner",
        (The(_), Policy::Everyone) => true,
        (The(_), Policy::None) => requester == "owner",
        (The(Permission::Administer), Policy::Nobody) => requester == "owner",
        (The(_), Policy::Nobody) => false,
        (The(Permission::Generate), Policy::Named) => requester == "writer",
        (The(Permission::Unwrap), Policy::Named) => requester == "reader",
        (The(_), Policy::Named) => requester == "admin" || requester == "owner",
    }
}

fn policy(policy: Policy) -> Option<KeyPolicy> {
    let permissions =
        [(Permission::Generate, "writer"), (Permission::Unwrap, "reader"), (Permission::Administer, "admin")];
    match policy {
        Policy::None => None,
        Policy::Nobody => Some(KeyPolicy::new()),
        Policy::Named => {
            Some(permissions.iter().fold(KeyPolicy::new(), |policy, (permission, name)| {
                policy.allow(*permission, [&Requester::new(*name)])
            }))
        }
        Policy::Everyone => Some(
            permissions.iter().fold(KeyPolicy::new(), |policy, (permission, _)| policy.allow_everyone(*permission)),
        ),
    }
}

struct World {
    kms: EmbeddedKms,
    /// The name of the key in the call.
    key: &'static str,
    wrapped: WrappedKey,
    wrapping_key: KeyEncryptionKey,
    exported: Vec<u8>,
    trail: Arc<MemorySink>,
    _directory: TempDir,
}

/// Makes stores with a key in a given state.
struct Template {
    root_key: RootKey,
    backup: Vec<u8>,
    wrapped: WrappedKey,
    wrapping_key: [u8; 32],
    exported: Vec<u8>,
}

impl Template {
    fn new(state: KeyState, allowed: Policy) -> Self {
        let store = Store::new();
        let admin = store.admin();
        let everyones = NewKey::new().alias("alias/everyones").policy(policy(Policy::Everyone).unwrap());
        let key = &admin.create_keys([everyones, NewKey::new().alias("alias/key")]).unwrap()[1].arn;
        let wrapped = generate(&store.kms, key, &owner()).unwrap().wrapped().clone();
        let wrapping_key = *KeyEncryptionKey::generate().unwrap().expose_secret();
        let exported =
            admin.export_key(key, 1, &KeyEncryptionKey::from_bytes(&mut wrapping_key.clone()).unwrap()).unwrap();
        admin.set_policy(key, policy(allowed)).unwrap();
        match state {
            KeyState::Enabled => {}
            KeyState::Disabled => admin.disable_key(key).unwrap(),
            KeyState::PendingDeletion => drop(admin.schedule_deletion(key, WEEK).unwrap()),
        }
        let root_key = RootKey::generate().unwrap();
        Self { backup: admin.backup(&root_key).unwrap(), root_key, wrapped, wrapping_key, exported }
    }

    fn world(&self) -> World {
        let directory = tempfile::tempdir().unwrap();
        let trail = Arc::new(MemorySink::new());
        let at = EmbeddedKms::builder(directory.path().join("kms.atrest")).audit(AuditTrail::new(trail.clone()));
        let kms = at.restore(&self.backup, &self.root_key, &self.root_key).unwrap();
        trail.clear();
        World {
            kms,
            key: "alias/key",
            wrapped: self.wrapped.clone(),
            wrapping_key: KeyEncryptionKey::from_bytes(&mut self.wrapping_key.clone()).unwrap(),
            exported: self.exported.clone(),
            trail,
            _directory: directory,
        }
    }
}

fn outcome(result: Result<(), Error>) -> Outcome {
    match result {
        Ok(()) => Done,
        Err(Error::KeyProvider(error)) => Kms(error.kind()),
        Err(Error::KeyStore(error)) => Outcome::Store(error),
        Err(other) => panic!("an error that is not in the table: {other:?}"),
    }
}

#[test]
fn every_operation_is_done_or_refused_by_the_state_of_the_key_and_by_who_asks() {
    let mut cases = 0;
    for (at, state) in [KeyState::Enabled, KeyState::Disabled, KeyState::PendingDeletion].into_iter().enumerate() {
        for allowed in [Policy::None, Policy::Named, Policy::Everyone, Policy::Nobody] {
            let template = Template::new(state, allowed);
            let mut world = template.world();
            for operation in OPERATIONS {
                for name in REQUESTERS {
                    let generation = world.kms.generation();
                    let expected = match (may(name, operation.takes, allowed), operation.takes) {
                        (true, _) => operation.outcomes[at],
                        (false, The(_)) => DENIED,
                        (false, Ownership) => Outcome::Store(KeyStoreError::NotTheOwner),
                    };
                    let requester = if name == "anonymous" { Requester::anonymous() } else { Requester::new(name) };
                    let got = outcome((operation.run)(&world, &requester));
                    assert_eq!(got, expected, "{} a key {state:?} with {allowed:?} by {name}", operation.name);
                    let events = world.trail.events();
                    let event = &events[0];
                    assert_eq!((events.len(), event.operation()), (1, operation.event), "{}", operation.name);
                    assert_eq!(event.requester(), &requester);
                    assert_eq!(event.error().cloned().map_or(Done, |error| outcome(Err(error))), expected);
                    // Whose key it was is known, unless it was not looked for.
                    let found = operation.takes != Ownership || expected != Outcome::Store(KeyStoreError::NotTheOwner);
                    assert_eq!(event.key_id().is_some(), found, "{} {event:?}", operation.name);
                    assert!(event.requested_key_id().is_some());
                    world.trail.clear();
                    if got != Done {
                        assert_eq!(world.kms.generation(), generation, "what is refused changes nothing");
                    } else if world.kms.generation() > generation {
                        world = template.world();
                    }
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 3 * 4 * 19 * 6);
}

#[test]
fn what_is_the_owners_is_nobody_elses() {
    let world = Template::new(KeyState::Enabled, Policy::Everyone).world();
    for (name, run) in OWNERS {
        for requester in REQUESTERS {
            let expected = if requester == "owner" { Done } else { Outcome::Store(KeyStoreError::NotTheOwner) };
            assert_eq!(outcome(run(&world, &Requester::new(requester))), expected, "{name} by {requester}");
        }
    }
}

const UNKNOWN: [&str; 6] = [
    "alias/none",
    "none",
    "",
    "00000000-0000-4000-8000-000000000000",
    "arn:aws:kms:local:000000000000:key/00000000-0000-4000-8000-000000000000",
    "arn:aws:kms:elsewhere:000000000000:alias/key",
];

#[test]
fn a_key_that_is_not_there_is_not_found_whoever_asks() {
    let template = Template::new(KeyState::Enabled, Policy::Everyone);
    for operation in OPERATIONS.iter().filter(|operation| operation.name != "delete alias") {
        let mut world = template.world();
        for named in UNKNOWN {
            world.key = named;
            // A requester who names no key and may create keys gets a new one.
            let made = named.is_empty() && operation.name == "generate";
            let kind = if named.contains(":elsewhere:") { Kind::OtherRegion } else { Kind::NotFound };
            let expected = if made { Done } else { Kms(kind) };
            assert_eq!(outcome((operation.run)(&world, &owner())), expected, "{} {named:?}", operation.name);
        }
    }
}
