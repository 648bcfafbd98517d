//! `Keyring::retire`: the proof that it needs.

use atrest::error::KeyringError;
use atrest::{Error, KeyUsage, Keyring, VersionState};

fn refused(outcome: atrest::Result<()>) -> KeyringError {
    match outcome.unwrap_err() {
        Error::Keyring(error) => error,
        other => panic!("{other:?}"),
    }
}

/// The usage of a whole walk over an empty store.
fn of_nothing(keyring: &Keyring) -> KeyUsage {
    let mut usage = KeyUsage::begin(keyring);
    usage.finish();
    usage
}

fn rotated() -> Keyring {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    keyring.blocking().rotate().unwrap();
    keyring
}

#[test]
fn a_version_is_retired_once_a_whole_walk_found_nothing_under_it() {
    let keyring = rotated();
    let mut usage = KeyUsage::begin(&keyring);
    usage.add(2, 10, 1);
    usage.finish();
    assert_eq!(usage.versions().collect::<Vec<_>>(), [(1, 0, 0), (2, 10, 1)]);
    keyring.blocking().disable(1).unwrap();
    keyring.blocking().retire(1, &usage).unwrap();
    assert_eq!(keyring.versions().len(), 1);
    assert_eq!(refused(keyring.blocking().retire(1, &usage)), KeyringError::VersionUnknown(1));
}

#[test]
fn a_version_that_wraps_anything_is_not_retired_unless_its_loss_is_asked_for_by_name() {
    let keyring = rotated();
    for (objects, uploads) in [(1, 0), (0, 1), (7, 2)] {
        let mut usage = KeyUsage::begin(&keyring);
        usage.add(1, objects, uploads);
        usage.finish();
        let keyring = clone(&keyring);
        keyring.blocking().disable(1).unwrap();
        let in_use = KeyringError::VersionInUse { version: 1, objects, uploads };
        assert_eq!(refused(keyring.blocking().retire(1, &usage)), in_use);
        assert!(in_use.to_string().contains(&format!("{objects} objects and {uploads} multipart uploads")));
        assert_eq!(keyring.versions().len(), 2, "what was refused changed nothing");
        keyring.blocking().retire_losing_what_it_wraps(1).unwrap();
        assert_eq!(keyring.versions().len(), 1);
    }
}

/// An independent copy of the keyring in its present state.
fn clone(keyring: &Keyring) -> Keyring {
    let root_key = atrest::RootKey::generate().unwrap();
    Keyring::from_sealed_blocking(&keyring.blocking().seal(&root_key).unwrap(), &root_key)
        .unwrap()
        .with_changes_lost_on_exit()
}

#[test]
fn a_usage_that_proves_nothing_retires_nothing() {
    let keyring = rotated();
    let unfinished = KeyUsage::begin(&keyring);
    let other = of_nothing(&rotated());
    let mut unclear = of_nothing(&keyring);
    unclear.add_unclear(3);
    keyring.blocking().disable(1).unwrap();
    assert_eq!(refused(keyring.blocking().retire(1, &unfinished)), KeyringError::UsageUnfinished);
    assert_eq!(refused(keyring.blocking().retire(1, &other)), KeyringError::UsageOfOtherKeyring);
    assert_eq!(refused(keyring.blocking().retire(1, &unclear)), KeyringError::UsageUnclear(3));
    keyring.blocking().retire(1, &of_nothing(&keyring)).unwrap();
}

#[test]
fn a_walk_that_began_while_the_version_was_the_primary_retires_nothing() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let usage = of_nothing(&keyring);
    keyring.blocking().rotate().unwrap();
    keyring.blocking().disable(1).unwrap();
    assert_eq!(refused(keyring.blocking().retire(1, &usage)), KeyringError::UsageOutdated(1));
}

#[test]
fn a_walk_from_before_a_version_was_written_under_does_not_retire_it() {
    let keyring = rotated();
    let before = of_nothing(&keyring);
    keyring.blocking().rotate().unwrap();
    keyring.blocking().rotate().unwrap();
    keyring.blocking().disable(3).unwrap();
    assert_eq!(refused(keyring.blocking().retire(3, &before)), KeyringError::UsageOutdated(3), "it was not there");

    let staged = keyring.blocking().stage().unwrap();
    let before = of_nothing(&keyring);
    keyring.blocking().activate(staged).unwrap();
    keyring.blocking().rotate().unwrap();
    keyring.blocking().disable(staged).unwrap();
    assert_eq!(
        refused(keyring.blocking().retire(staged, &before)),
        KeyringError::UsageOutdated(staged),
        "it was staged"
    );

    let before = of_nothing(&keyring);
    let primary = keyring.primary();
    keyring.blocking().activate(1).unwrap();
    keyring.blocking().activate(primary).unwrap();
    keyring.blocking().disable(1).unwrap();
    assert_eq!(refused(keyring.blocking().retire(1, &before)), KeyringError::UsageOutdated(1), "it was rolled back to");
    keyring.blocking().retire(1, &of_nothing(&keyring)).unwrap();
}

#[test]
fn one_walk_retires_every_version_that_it_found_unused() {
    for together in [false, true] {
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        for _ in 0..4 {
            keyring.blocking().rotate().unwrap();
        }
        keyring.blocking().disable(4).unwrap();
        let usage = of_nothing(&keyring);
        keyring.blocking().rotate().unwrap();
        for version in 1..=3 {
            keyring.blocking().disable(version).unwrap();
            if !together {
                keyring.blocking().retire(version, &usage).unwrap();
            }
        }
        for version in if together { 1..=4 } else { 4..=4 } {
            keyring.blocking().retire(version, &usage).unwrap();
        }
        let left: Vec<u32> = keyring.versions().iter().map(|version| version.number).collect();
        assert_eq!(left, [5, 6]);
    }
}

#[test]
fn a_staged_version_is_retired_with_the_same_proof() {
    let keyring = rotated();
    let before = of_nothing(&keyring);
    for _ in 0..2 {
        keyring.blocking().stage().unwrap();
    }
    assert_eq!(refused(keyring.blocking().retire(3, &before)), KeyringError::UsageOutdated(3), "it was not there");
    assert_eq!(refused(keyring.blocking().retire(3, &KeyUsage::begin(&keyring))), KeyringError::UsageUnfinished);
    keyring.blocking().retire(3, &of_nothing(&keyring)).unwrap();
    assert_eq!(refused(keyring.blocking().retire(4, &of_nothing(&rotated()))), KeyringError::UsageOfOtherKeyring);
    keyring.blocking().retire_losing_what_it_wraps(4).unwrap();
    assert_eq!(keyring.versions().len(), 2);
}

/// A backup from between staging and activating holds the version as staged, and objects are under it all the same.
#[test]
fn a_version_that_is_staged_again_in_a_restored_keyring_is_not_retired_from_under_its_objects() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let staged = keyring.blocking().stage().unwrap();
    let restored = clone(&keyring);
    let mut usage = KeyUsage::begin(&restored);
    usage.add(staged, 1, 0);
    usage.finish();
    let in_use = KeyringError::VersionInUse { version: staged, objects: 1, uploads: 0 };
    assert_eq!(refused(restored.blocking().retire(staged, &usage)), in_use);
}

#[test]
fn a_usage_of_another_history_of_the_keyring_retires_nothing() {
    let rebuilt = |states: [VersionState; 2], primary| {
        let key = |byte: u8| atrest::MasterKey::from_bytes(&mut [byte; 32]).unwrap();
        let versions = [(1, states[0], key(1)), (2, states[1], key(2))];
        Keyring::from_versions("atrest-rebuilt", primary, versions).unwrap().with_changes_lost_on_exit()
    };
    let usage = of_nothing(&rebuilt([VersionState::Enabled; 2], 2));
    let now = rebuilt([VersionState::Disabled, VersionState::Enabled], 2);
    assert_eq!(
        refused(now.blocking().retire(1, &usage)),
        KeyringError::UsageOutdated(1),
        "no change explains the difference"
    );
}

/// Every change of a keyring, in any order, against a record of the last write under each version.
#[derive(Clone, Copy, Debug)]
enum Change {
    Rotate,
    Stage,
    Activate(u32),
    Disable(u32),
    Enable(u32),
    Retire(u32),
    Walk,
}

fn change() -> impl proptest::strategy::Strategy<Value = Change> {
    use proptest::prelude::*;
    let version = || 1_u32..6;
    prop_oneof![
        1 => Just(Change::Rotate),
        1 => Just(Change::Stage),
        2 => version().prop_map(Change::Activate),
        3 => version().prop_map(Change::Disable),
        1 => version().prop_map(Change::Enable),
        4 => version().prop_map(Change::Retire),
        2 => Just(Change::Walk),
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_version_that_was_the_primary_since_the_walk_is_ever_retired(
        changes in proptest::collection::vec(change(), 1..40),
    ) {
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let mut usage = of_nothing(&keyring);
        let mut primaries = vec![keyring.primary()];
        for change in changes {
            match change {
                Change::Rotate => drop(keyring.blocking().rotate()),
                Change::Stage => drop(keyring.blocking().stage()),
                Change::Activate(version) => drop(keyring.blocking().activate(version)),
                Change::Disable(version) => drop(keyring.blocking().disable(version)),
                Change::Enable(version) => drop(keyring.blocking().enable(version)),
                Change::Walk => {
                    usage = of_nothing(&keyring);
                    primaries = vec![keyring.primary()];
                }
                Change::Retire(version) => {
                    let staged = keyring
                        .versions()
                        .iter()
                        .any(|known| known.number == version && known.state == VersionState::Staged);
                    if keyring.blocking().retire(version, &usage).is_ok() && !staged {
                        proptest::prop_assert!(!primaries.contains(&version), "{version} {primaries:?}");
                    }
                }
            }
            primaries.push(keyring.primary());
        }
    }
}
