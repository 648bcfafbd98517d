//! KMS keys: names, versions and attributes, and that they survive a restart.

use std::num::NonZeroU32;
use std::time::Duration;

use atrest::error::{KeyProviderErrorKind as Kind, KeyStoreError};
use atrest::kms::{DEFAULT_ALIAS, EmbeddedKms, KeyOrigin, KeyPolicy, KeyState, NewKey, Permission, Quota};
use atrest::{Error, Requester};

use super::kit::{Store, generate, owner, unwrap, version_of};

fn quota(per_second: u32) -> Quota {
    Quota::per_second(NonZeroU32::new(per_second).unwrap())
}

fn refused(result: Result<impl Sized, Error>) -> KeyStoreError {
    match result.err().expect("it is refused") {
        Error::KeyStore(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_answers_to_its_id_its_arn_and_its_aliases_and_is_recorded_by_its_arn() {
    let store = Store::built(|builder| builder.region_and_account("eu-central-1", "111122223333"));
    let key = store.admin().create_key(NewKey::new().alias("alias/app").alias("alias/team/Photos_1-2")).unwrap();
    assert_eq!(key.arn, format!("arn:aws:kms:eu-central-1:111122223333:key/{}", key.id));
    let aliases = ["alias/app", "arn:aws:kms:eu-central-1:111122223333:alias/app", "alias/team/Photos_1-2"];
    let first = generate(&store.kms, &key.id, &owner()).unwrap();
    for named in aliases.into_iter().chain([&*key.id, &*key.arn]) {
        assert_eq!(generate(&store.kms, named, &owner()).unwrap().key_id(), key.arn, "{named}");
        let opened = unwrap(&store.kms, named, first.wrapped(), &owner()).unwrap();
        assert_eq!((opened.key_id(), opened.kek().expose_secret()), (&*key.arn, first.kek().expose_secret()));
        assert_eq!(store.admin().describe_key(named).unwrap(), key);
    }
    // One way to write each.
    let upper = key.id.to_uppercase();
    let others = [&*upper, &key.id[1..], "ALIAS/app", "alias/App", "arn:aws:kms:eu-central-1:111122223333:app", "app"];
    let others = others.into_iter().chain(["arn:aws:kms:eu-central-1:111122223333:key/alias/app"]);
    for named in others.chain([&*key.id.replace('-', ""), &*format!("arn:aws:kms:eu-central-1::key/{}", key.id)]) {
        assert_eq!(generate(&store.kms, named, &owner()).unwrap_err().kind(), Kind::NotFound, "{named}");
    }
}

#[test]
fn all_that_is_said_of_a_key_is_there_after_a_restart() {
    let store = Store::new();
    let (alice, bob) = (Requester::new("alice"), Requester::new("bob \"the\" builder \u{e9}"));
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice, &bob]).allow_everyone(Permission::Unwrap);
    let new = NewKey::new()
        .id("0123abcd-4567-4890-abcd-ef0123456789")
        .description("for \"photos\"\n and \u{1f600}")
        .alias("alias/b")
        .alias("alias/a")
        .tag("team", "photos")
        .tag("empty", "")
        .rotated_every_days(365)
        .policy(policy.clone())
        .quota(quota(7).with_burst(NonZeroU32::new(9).unwrap()));
    let key = store.admin().create_key(new).unwrap();
    assert_eq!(key.id, "0123abcd-4567-4890-abcd-ef0123456789");
    assert_eq!(key.aliases, ["alias/a", "alias/b"]);
    assert_eq!(key.tags.iter().collect::<Vec<_>>().len(), 2);
    assert_eq!((key.state, key.rotation_days, &key.policy), (KeyState::Enabled, Some(365), &Some(policy)));
    let other = store.admin().create_key(NewKey::new()).unwrap();
    store.admin().rotate_key(&other.id).unwrap();
    store.admin().disable_key(&other.id).unwrap();
    let third = store.admin().create_key(NewKey::new().alias("alias/c")).unwrap();
    store.admin().schedule_deletion(&third.id, Duration::from_secs(30 * 86_400)).unwrap();
    let before = (store.admin().list_keys().unwrap(), store.admin().list_aliases().unwrap());
    let told = (store.kms.store_id(), store.kms.generation(), store.kms.keyring().key_id());

    let store = store.reopened();
    assert_eq!((store.admin().list_keys().unwrap(), store.admin().list_aliases().unwrap()), before);
    assert_eq!((store.kms.store_id(), store.kms.generation(), store.kms.keyring().key_id()), told);
    assert_eq!(store.kms.owner(), owner());
    assert_eq!(store.admin().describe_key("alias/b").unwrap(), key);
    assert_eq!(store.admin().describe_key(&other.id).unwrap().state, KeyState::Disabled);
    assert!(matches!(store.admin().describe_key("alias/c").unwrap().state, KeyState::PendingDeletion { .. }));
}

#[test]
fn a_rotated_key_wraps_under_its_new_version_and_opens_what_the_older_ones_wrapped() {
    let store = Store::new();
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let mut wrapped = Vec::new();
    for version in 1..=5 {
        let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
        assert_eq!(version_of(generated.wrapped()), version);
        wrapped.push(generated);
        assert_eq!(store.admin().rotate_key("alias/app").unwrap(), version + 1);
    }
    let store = store.reopened();
    let versions = store.admin().describe_key(&key.id).unwrap().versions;
    assert_eq!(versions.iter().map(|v| v.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(versions.iter().all(|version| version.origin == KeyOrigin::Generated));
    for generated in wrapped {
        let opened = unwrap(&store.kms, &key.arn, generated.wrapped(), &owner()).unwrap();
        assert_eq!(opened.kek().expose_secret(), generated.kek().expose_secret());
    }
}

#[test]
fn a_wrapped_key_of_a_version_that_is_not_there_names_the_version() {
    let store = Store::new();
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
    let mut later = generated.wrapped().as_bytes().to_vec();
    later[4] = 2;
    let error = unwrap(&store.kms, "alias/app", &atrest::WrappedKey::new(later.clone()), &owner()).unwrap_err();
    assert_eq!((error.kind(), error.key_version()), (Kind::NotFound, Some(2)));
    // Version 2 comes to be, and did not wrap this.
    store.admin().rotate_key("alias/app").unwrap();
    let error = unwrap(&store.kms, "alias/app", &atrest::WrappedKey::new(later.clone()), &owner()).unwrap_err();
    assert_eq!((error.kind(), error.key_version()), (Kind::Rejected, Some(2)));
    later[1..5].fill(0);
    let error = unwrap(&store.kms, "alias/app", &atrest::WrappedKey::new(later), &owner()).unwrap_err();
    assert_eq!((error.kind(), error.key_version()), (Kind::Rejected, None));
}

#[test]
fn the_default_key_is_made_when_a_request_names_no_key_and_then_it_is_the_one() {
    let store = Store::new();
    let by_no_name = generate(&store.kms, "", &owner()).unwrap();
    let key = store.admin().describe_key(DEFAULT_ALIAS).unwrap();
    assert_eq!((by_no_name.key_id(), &key.aliases[..]), (&*key.arn, &[DEFAULT_ALIAS.to_owned()][..]));
    for named in ["", DEFAULT_ALIAS, "arn:aws:kms:local:000000000000:alias/aws/s3"] {
        assert_eq!(generate(&store.kms, named, &owner()).unwrap().key_id(), key.arn);
    }
    let store = store.reopened();
    assert_eq!(generate(&store.kms, "", &owner()).unwrap().key_id(), key.arn);
    assert_eq!(store.admin().list_keys().unwrap().len(), 1);
    // Sixteen threads that all come first get one key.
    let store = Store::new();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let kms = &store.kms;
        let calls: Vec<_> = (0..16).map(|_| scope.spawn(move || generate(kms, "", &owner()).unwrap())).collect();
        calls.into_iter().map(|call| call.join().unwrap().key_id().to_owned()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(store.admin().list_keys().unwrap().len(), 1);
}

#[test]
fn the_default_key_is_made_only_for_someone_who_may_use_it() {
    let (alice, bob) = (Requester::new("alice"), Requester::new("bob"));
    let store = Store::new();
    assert_eq!(generate(&store.kms, "", &alice).unwrap_err().kind(), Kind::AccessDenied);
    assert!(store.admin().list_keys().unwrap().is_empty());

    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]);
    let store = Store::built(|builder| builder.default_key_policy(policy.clone()));
    for stranger in [&bob, &owner(), &Requester::anonymous()] {
        assert_eq!(generate(&store.kms, "", stranger).unwrap_err().kind(), Kind::AccessDenied);
    }
    assert!(store.admin().list_keys().unwrap().is_empty());
    let generated = generate(&store.kms, "", &alice).unwrap();
    assert_eq!(store.admin().describe_key(DEFAULT_ALIAS).unwrap().policy, Some(policy));
    assert_eq!(unwrap(&store.kms, "", generated.wrapped(), &alice).unwrap_err().kind(), Kind::AccessDenied);
}

#[test]
fn a_policy_is_looked_at_after_the_name_is_resolved_and_at_every_use() {
    let store = Store::new();
    let alice = Requester::new("alice");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
    let theirs = store.admin().create_key(NewKey::new().alias("alias/theirs").policy(policy)).unwrap();
    let ours = store.admin().create_key(NewKey::new().alias("alias/ours")).unwrap();
    let generated = generate(&store.kms, "alias/theirs", &alice).unwrap();
    unwrap(&store.kms, "alias/theirs", generated.wrapped(), &alice).unwrap();
    // The name leads elsewhere now, and with it the policy.
    store.admin().move_alias("alias/theirs", &ours.id).unwrap();
    assert_eq!(generate(&store.kms, "alias/theirs", &alice).unwrap_err().kind(), Kind::AccessDenied);
    unwrap(&store.kms, &theirs.arn, generated.wrapped(), &alice).unwrap();
    // What was allowed a moment ago is not now.
    store.admin().set_policy(&theirs.arn, Some(KeyPolicy::new())).unwrap();
    assert_eq!(unwrap(&store.kms, &theirs.arn, generated.wrapped(), &alice).unwrap_err().kind(), Kind::AccessDenied);
    assert_eq!(generate(&store.kms, &theirs.arn, &alice).unwrap_err().kind(), Kind::AccessDenied);
}

#[test]
fn a_requester_beyond_their_quota_is_throttled_and_nobody_else_is() {
    let store = Store::built(|builder| builder.quota(quota(1_000_000)));
    let policy = KeyPolicy::new().allow_everyone(Permission::Generate).allow_everyone(Permission::Unwrap);
    // One a minute and two at once: no test is so slow.
    let slow = NewKey::new().policy(policy.clone()).quota(quota(1).with_burst(NonZeroU32::new(100).unwrap()));
    let key = store.admin().create_key(slow).unwrap().arn;
    let other = store.admin().create_key(NewKey::new().policy(policy)).unwrap().arn;
    let (alice, bob) = (Requester::new("alice"), Requester::new("bob"));
    let mut last = generate(&store.kms, &key, &alice);
    for use_ in 0..300 {
        last = match &last {
            Ok(generated) if use_ % 2 == 0 => {
                unwrap(&store.kms, &key, generated.wrapped(), &alice).and_then(|_| generate(&store.kms, &key, &alice))
            }
            Ok(_) => generate(&store.kms, &key, &alice),
            Err(_) => break,
        };
    }
    let error = last.expect_err("a hundred at once and one a second, and not hundreds");
    assert_eq!(error.kind(), Kind::Throttled);
    assert!(error.is_transient());
    generate(&store.kms, &key, &bob).unwrap();
    generate(&store.kms, &other, &alice).unwrap();
    // A requester without permission is refused, and no quota is taken.
    store.admin().set_policy(&key, None).unwrap();
    assert_eq!(generate(&store.kms, &key, &alice).unwrap_err().kind(), Kind::AccessDenied);
    store.admin().set_quota(&key, Some(quota(1_000_000))).unwrap();
    (0..200).for_each(|_| drop(generate(&store.kms, &key, &owner()).unwrap()));
}

#[test]
fn what_is_no_name_no_tag_and_no_number_is_refused_by_name() {
    let store = Store::new();
    let admin = store.admin();
    let key = admin.create_key(NewKey::new().alias("alias/app")).unwrap().id;
    let long = format!("alias/{}", "a".repeat(251));
    for alias in ["app", "alias/", "alias/a b", "alias/\u{e9}", "alias/aws/s3", "alias/aws/", "", &long] {
        assert_eq!(refused(admin.create_alias(alias, &key)), KeyStoreError::AliasName, "{alias}");
        assert_eq!(refused(admin.move_alias(alias, &key)), KeyStoreError::AliasName, "{alias}");
        assert_eq!(refused(admin.delete_alias(alias)), KeyStoreError::AliasName, "{alias}");
        assert_eq!(refused(admin.create_key(NewKey::new().alias(alias))), KeyStoreError::AliasName, "{alias}");
    }
    admin.create_alias(&long[..256], &key).unwrap();
    assert_eq!(refused(admin.create_alias("alias/app", &key)), KeyStoreError::AliasExists);
    assert_eq!(refused(admin.create_key(NewKey::new().alias("alias/x").alias("alias/x"))), KeyStoreError::AliasExists);
    assert_eq!(refused(admin.move_alias("alias/none", &key)), KeyStoreError::AliasUnknown);
    assert_eq!(refused(admin.delete_alias("alias/none")), KeyStoreError::AliasUnknown);
    assert_eq!(refused(admin.create_key(NewKey::new().id(&key))), KeyStoreError::KeyExists);
    for id in ["", "alias/app", &key.to_uppercase(), &key[1..]] {
        assert!(matches!(refused(admin.create_key(NewKey::new().id(id))), KeyStoreError::Invalid(_)), "{id}");
    }
    for tag in [(String::new(), String::new()), ("a".repeat(129), String::new()), ("a".into(), "b".repeat(257))] {
        assert!(matches!(refused(admin.set_tag(&key, &tag.0, &tag.1)), KeyStoreError::Invalid(_)));
        assert!(matches!(refused(admin.create_key(NewKey::new().tag(&tag.0, &tag.1))), KeyStoreError::Invalid(_)));
    }
    (0..50).for_each(|tag| admin.set_tag(&key, &format!("{tag}"), "").unwrap());
    assert!(matches!(refused(admin.set_tag(&key, "one more", "")), KeyStoreError::Invalid(_)));
    assert!(matches!(refused(admin.set_description(&key, &"a".repeat(8_193))), KeyStoreError::Invalid(_)));
    for days in [0, 3_651, u32::MAX] {
        assert_eq!(refused(admin.set_rotation(&key, Some(days))), KeyStoreError::RotationPeriod);
        assert_eq!(refused(admin.create_key(NewKey::new().rotated_every_days(days))), KeyStoreError::RotationPeriod);
    }
    for days in [0, 6, 31] {
        let waiting = Duration::from_secs(days * 86_400);
        assert_eq!(refused(admin.schedule_deletion(&key, waiting)), KeyStoreError::WaitingPeriod);
    }
    assert_eq!(
        refused(admin.export_key(&key, 2, &atrest::KeyEncryptionKey::generate().unwrap())),
        KeyStoreError::VersionUnknown(2)
    );
    // All or none.
    let before = admin.list_keys().unwrap();
    assert_eq!(refused(admin.create_keys([NewKey::new(), NewKey::new().id(&key)])), KeyStoreError::KeyExists);
    assert_eq!(admin.list_keys().unwrap(), before);
}

#[test]
fn a_store_has_an_owner_with_a_name_and_arns_that_can_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = atrest::RootKey::generate().unwrap();
    let at = || EmbeddedKms::builder(directory.path().join("kms.atrest"));
    let long = "o".repeat(2_049);
    for owner in ["anonymous", "", &long] {
        let created = at().create(&root_key, Requester::new(owner));
        assert!(matches!(refused(created), KeyStoreError::Invalid(_)), "{owner}");
    }
    for (region, account) in [
        ("", "000000000000"),
        ("a:b", "000000000000"),
        ("A", "000000000000"),
        ("a", "00000000000"),
        ("a", "00000000000a"),
    ] {
        let created = at().region_and_account(region, account).create(&root_key, owner());
        assert!(matches!(refused(created), KeyStoreError::Invalid(_)), "{region} {account}");
    }
    at().create(&root_key, owner()).unwrap();
}

#[test]
fn no_name_is_the_default_key_only_where_a_key_is_used() {
    let store = Store::new();
    generate(&store.kms, "", &owner()).unwrap();
    let admin = store.admin();
    let refused = |result: Result<(), Error>| match result {
        Err(Error::KeyProvider(error)) => assert_eq!(error.kind(), Kind::NotFound),
        other => panic!("{other:?}"),
    };
    refused(admin.schedule_deletion("", Duration::from_secs(7 * 86_400)).map(drop));
    refused(admin.disable_key(""));
    refused(admin.describe_key("").map(drop));
}

#[test]
fn the_stricter_of_two_quotas_holds() {
    let store = Store::built(|builder| builder.quota(quota(1)));
    let key = store.admin().create_key(NewKey::new().quota(quota(1_000_000))).unwrap().arn;
    let throttled = (0..50).filter(|_| generate(&store.kms, &key, &owner()).is_err()).count();
    assert!(throttled > 40, "{throttled}");
}

#[test]
fn nobody_makes_the_store_of_all_larger_than_it_needs_to_be() {
    let store = Store::new();
    let (admin, key) = (store.admin(), store.admin().create_key(NewKey::new()).unwrap().arn);
    let names: Vec<_> = (0..200).map(|at| Requester::new(format!("{at:0200}"))).collect();
    let policy = KeyPolicy::new().allow(Permission::Unwrap, &names);
    assert!(matches!(refused(admin.set_policy(&key, Some(policy.clone()))), KeyStoreError::Invalid(_)));
    assert!(matches!(refused(admin.create_key(NewKey::new().policy(policy))), KeyStoreError::Invalid(_)));
    (0..50).for_each(|at| admin.create_alias(&format!("alias/{at}"), &key).unwrap());
    assert_eq!(refused(admin.create_alias("alias/50", &key)), KeyStoreError::TooManyAliases);
}

#[test]
fn deleting_an_alias_leaves_the_key() {
    let store = Store::new();
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    store.admin().delete_alias("alias/app").unwrap();
    assert_eq!(generate(&store.kms, "alias/app", &owner()).unwrap_err().kind(), Kind::NotFound);
    assert!(store.admin().describe_key(&key.id).unwrap().aliases.is_empty());
    generate(&store.kms, &key.id, &owner()).unwrap();
}

#[test]
fn a_key_policy_covers_sessions_of_a_role_and_an_account_as_a_bucket_policy_does() {
    const ROLE: &str = "arn:aws:iam::111122223333:role/team/app";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/app/i-1";
    const ROOT: &str = "arn:aws:iam::111122223333:root";
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            ROLE,
            &[ROLE, SESSION],
            &[
                "arn:aws:sts::111122223333:assumed-role/app2/i-1",
                "arn:aws:sts::444455556666:assumed-role/app/i-1",
                "arn:aws:iam::111122223333:role/app",
                "arn:aws:iam::111122223333:assumed-role/app/i-1",
                ROOT,
                "app",
            ],
        ),
        (
            ROOT,
            &[ROOT, ROLE, SESSION, "111122223333", "arn:aws:iam::111122223333:user/u"],
            &["arn:aws:iam::444455556666:root", "anonymous"],
        ),
        ("111122223333", &[ROOT, SESSION], &["arn:aws:iam::444455556666:user/u", ""]),
        (SESSION, &[SESSION], &[ROLE, "arn:aws:sts::111122223333:assumed-role/app/i-2"]),
        ("alice", &["alice"], &["alice/x", "bob"]),
    ];
    for (listed, may, may_not) in table {
        let policy = KeyPolicy::new().allow(Permission::Generate, [&Requester::new(*listed)]);
        for (names, allowed) in [(may, true), (may_not, false)] {
            for name in *names {
                let requester = Requester::new(*name);
                assert_eq!(policy.allows(Permission::Generate, &requester), allowed, "{listed} {name}");
                assert!(!policy.allows(Permission::Unwrap, &requester), "{listed} {name}");
            }
        }
    }
}
