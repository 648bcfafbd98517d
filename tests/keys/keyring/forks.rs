//! Forked keyrings: a stored keyring of another history is refused, and no key in memory is lost.

use std::fs;

use atrest::error::{KeyringError, Misuse, OtherHistory};
use atrest::{Encrypted, Error, Keyring, MasterKey, RootKey, VersionState};

use super::kit::{Files, Row, history, kind, read, reads, write};

/// A keyring that was rotated so often and then wrote an object; and the fork of a process that remembers nothing,
/// found the old file put back, and rotated it so often.
fn forked(ours: u64, theirs: u64) -> (Files, Keyring, Encrypted, Keyring) {
    let rotated = |keyring: Keyring, rotations: u64| {
        for _ in 0..rotations {
            keyring.blocking().rotate().unwrap();
        }
        keyring
    };
    let (files, keyring) = Files::new();
    let old = fs::read(&files.path).unwrap();
    let keyring = rotated(keyring, ours);
    let stored = write(&keyring).unwrap();
    files.put(&old);
    let other = rotated(files.open(), theirs);
    (files, keyring, stored, other)
}

/// A keyring, an object under a version of it, and the keyring of another process, which has retired that version.
fn retired_elsewhere() -> (Files, Keyring, Encrypted, Keyring) {
    let (files, ours) = Files::new();
    let stored = write(&ours).unwrap();
    let other = files.open();
    other.blocking().rotate().unwrap();
    other.blocking().disable(1).unwrap();
    other.blocking().retire_losing_what_it_wraps(1).unwrap();
    ours.blocking().reload().unwrap();
    (files, ours, stored, other)
}

#[test]
fn a_fork_of_the_file_is_refused_and_the_key_of_what_was_written_stays() {
    for rotations in 1..=2 {
        let (files, ours, stored, other) = forked(rotations, rotations);
        let theirs = write(&other).unwrap();

        assert_eq!(history(&ours, ours.blocking().reload()), OtherHistory::VersionKey(2));
        assert!(reads(&ours, &stored), "the process that wrote it still opens it");
        assert_eq!(history(&ours, write(&ours)), OtherHistory::VersionKey(2), "nothing is written meanwhile");
        assert_eq!(history(&ours, ours.blocking().rotate()), OtherHistory::VersionKey(2));
        assert_eq!(history(&ours, ours.blocking().disable(1)), OtherHistory::VersionKey(2));
        assert_eq!(ours.generation(), 1 + rotations);
        assert!(matches!(read(&other, &stored), Err(Error::Inauthentic)), "the other history has another key");

        // An operator rescues the key first, and then takes the other history.
        let rescued = ours.blocking().seal(&files.root_key).unwrap();
        let lost = ours.blocking().adopt_stored_losing_own_versions().unwrap();
        assert_eq!(lost, (2..=1 + rotations as u32).collect::<Vec<_>>());
        assert!(reads(&ours, &theirs));
        write(&ours).unwrap();
        assert!(reads(&Keyring::from_sealed_blocking(&rescued, &files.root_key).unwrap(), &stored));
    }
}

#[test]
fn an_envelope_that_names_an_unknown_version_does_not_let_a_fork_in() {
    let (_files, ours, stored, other) = forked(1, 2);
    let unknown = write(&other).unwrap();
    assert_eq!(history(&ours, read(&ours, &unknown)), OtherHistory::VersionKey(2));
    assert!(reads(&ours, &stored));
}

#[test]
fn an_operator_seals_the_own_state_anew_in_the_place_of_the_other_history() {
    let (files, ours, stored, other) = forked(1, 2);
    history(&ours, ours.blocking().reload());
    assert_eq!(ours.blocking().replace_stored_by_own().unwrap(), 4, "above both");
    write(&ours).unwrap();
    assert!(reads(&files.open(), &stored));
    // The process of the other history sees a fork in its turn.
    assert!(matches!(
        history(&other, other.blocking().reload()),
        OtherHistory::VersionKey(2) | OtherHistory::NextVersion
    ));
    assert_eq!(
        ours.blocking().rotate().unwrap(),
        4,
        "the fork has a version 3: its number is not given to another key"
    );
    let theirs = write(&other);
    assert!(theirs.is_err(), "the fork is refused until it is adopted: {theirs:?}");
}

#[test]
fn sealing_the_own_state_anew_keeps_what_continues_it() {
    let (files, ours) = Files::new();
    let other = files.open();
    other.blocking().rotate().unwrap();
    let stored = write(&other).unwrap();
    assert_eq!(ours.blocking().replace_stored_by_own().unwrap(), 3);
    assert!(reads(&ours, &stored) && reads(&files.open(), &stored));
    other.blocking().reload().unwrap();
}

#[test]
fn a_refusal_says_why_and_what_is_stored() {
    let (files, ours) = Files::new();
    let old = fs::read(&files.path).unwrap();
    ours.blocking().rotate().unwrap();
    files.put(&old);
    let chain = |error: Error| {
        let mut said = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            said = format!("{said}: {error}");
            source = error.source();
        }
        said
    };
    let reload = ours.blocking().reload().unwrap_err();
    for refused in [reload, write(&ours).unwrap_err(), ours.blocking().rotate().unwrap_err()] {
        let said = chain(refused);
        assert!(said.contains("another history") && said.contains("an old one was put back"), "{said}");
    }
    let (_files, ours, stored, _) = retired_elsewhere();
    let gone = chain(read(&ours, &stored).unwrap_err());
    assert!(gone.contains("gone from the stored keyring"), "{gone}");
}

#[test]
fn a_keyring_that_does_not_open_is_replaced_by_the_own_state_too() {
    let (files, ours) = Files::new();
    let stored = write(&ours).unwrap();
    files.put(b"damaged");
    assert!(ours.blocking().reload().is_err());
    ours.blocking().replace_stored_by_own().unwrap();
    assert!(reads(&files.open(), &stored));
    fs::remove_file(&files.path).unwrap();
    ours.blocking().replace_stored_by_own().unwrap();
    assert!(reads(&files.open(), &stored));
}

#[test]
fn where_the_right_file_is_put_back_writing_goes_on() {
    let (files, ours) = Files::new();
    let old = fs::read(&files.path).unwrap();
    ours.blocking().rotate().unwrap();
    let new = fs::read(&files.path).unwrap();
    files.put(&old);
    assert_eq!(history(&ours, ours.blocking().reload()), OtherHistory::OlderGeneration);
    assert_eq!(history(&ours, write(&ours)), OtherHistory::OlderGeneration);
    files.put(&new);
    ours.blocking().reload().unwrap();
    write(&ours).unwrap();
}

/// Every rule: what was seen, what is stored then, and which rule it breaks.
#[test]
fn each_rule_is_held_by_itself() {
    let key = |byte: u8| MasterKey::from_bytes(&mut [byte; 32]).unwrap();
    let enabled = |number: u32, byte: u8| (number, VersionState::Enabled, key(byte));
    let keyring = |key_id: &str, primary: u32, versions: Vec<(u32, u8)>, changes: u32, next: u32| {
        let versions = versions.into_iter().map(|(number, byte)| enabled(number, byte));
        let keyring = Keyring::from_versions(key_id, primary, versions).unwrap().with_changes_lost_on_exit();
        for _ in 0..changes {
            keyring.blocking().raise_next_version(next).unwrap();
        }
        keyring
    };
    let seen = || keyring("master", 3, vec![(1, 1), (3, 3)], 1, 5);
    let cases = [
        (keyring("other", 3, vec![(1, 1), (3, 3)], 1, 5), OtherHistory::KeyId),
        (keyring("master", 3, vec![(1, 1), (3, 3)], 0, 5), OtherHistory::OlderGeneration),
        (keyring("master", 3, vec![(1, 1), (3, 3)], 1, 6), OtherHistory::SameGeneration),
        (keyring("master", 1, vec![(1, 1), (3, 3)], 1, 5), OtherHistory::SameGeneration),
        (keyring("master", 3, vec![(3, 3)], 1, 5), OtherHistory::SameGeneration),
        (keyring("master", 3, vec![(1, 1), (3, 3)], 2, 4), OtherHistory::NextVersion),
        (keyring("master", 3, vec![(1, 1), (3, 4)], 2, 5), OtherHistory::VersionKey(3)),
        (keyring("master", 3, vec![(1, 1), (3, 4)], 1, 5), OtherHistory::VersionKey(3)),
        (keyring("master", 3, vec![(1, 1), (2, 2), (3, 3)], 2, 5), OtherHistory::VersionReturned(2)),
    ];
    let root_key = RootKey::generate().unwrap();
    for (stored, rule) in cases {
        let row = Row::new();
        let ours = Keyring::builder_in(row.clone());
        let ours = pollster::block_on(ours.create_from(&seen(), &root_key)).unwrap();
        row.put(stored.blocking().seal(&root_key).unwrap());
        for _ in 0..2 {
            assert_eq!(history(&ours, ours.blocking().reload()), rule);
        }
        assert_eq!(history(&ours, write(&ours)), rule);
        assert_eq!(ours.primary(), 3);
    }
}

#[test]
fn a_version_that_is_gone_from_the_file_opens_nothing_and_its_key_is_not_lost() {
    let (files, ours, stored, other) = retired_elsewhere();
    let gone = &ours.versions()[0];
    assert_eq!((gone.number, gone.state), (1, VersionState::Gone));
    let refused = read(&ours, &stored).unwrap_err();
    assert_eq!(kind(&refused), Some(atrest::KeyProviderErrorKind::Disabled));
    assert!(matches!(ours.blocking().enable(1), Err(Error::Keyring(KeyringError::VersionUnknown(1)))));
    // `seal` saves it, as a disabled version.
    let rescued = Keyring::from_sealed_blocking(&ours.blocking().seal(&files.root_key).unwrap(), &files.root_key);
    let rescued = rescued.unwrap().with_changes_lost_on_exit();
    assert_eq!(rescued.versions()[0].state, VersionState::Disabled);
    rescued.blocking().enable(1).unwrap();
    assert!(reads(&rescued, &stored));
    // So does the operator's verb that replaces the file.
    ours.blocking().replace_stored_by_own().unwrap();
    ours.blocking().enable(1).unwrap();
    assert!(reads(&ours, &stored));
    // The process that retired it never takes it back.
    assert_eq!(history(&other, other.blocking().reload()), OtherHistory::VersionReturned(1));
}

#[test]
fn the_numbers_at_the_end_are_refused_and_harm_nothing() {
    let root_key = RootKey::generate().unwrap();
    let version = (1, VersionState::Enabled, MasterKey::generate().unwrap());
    let row = Row::new();
    let keyring = Keyring::from_versions("master", 1, [version]).unwrap();
    let ours = pollster::block_on(row.file().create_from(&keyring, &root_key)).unwrap();
    ours.blocking().raise_next_version(u32::MAX - 1).unwrap();
    assert_eq!(ours.blocking().rotate().unwrap(), u32::MAX - 1);
    for _ in 0..2 {
        assert!(matches!(ours.blocking().rotate(), Err(Error::LimitExceeded(_))), "next version 2^32 - 1");
        assert!(matches!(ours.blocking().stage(), Err(Error::LimitExceeded(_))));
    }
    ours.blocking().disable(1).unwrap();
    let stored = write(&ours).unwrap();
    assert!(reads(&row.file().open_blocking(&root_key).unwrap(), &stored));

    // This library does not write a generation of 2^64 - 1: the reference implementation seals one.
    let keyring = atrest_reference::sealed_file::Keyring {
        key_id: "master".into(),
        generation: u64::MAX,
        primary: 1,
        next_version: 2,
        versions: vec![atrest_reference::sealed_file::Version { number: 1, state: 1, created: 0, master_key: [7; 32] }],
    };
    row.put(atrest_reference::sealed_file::seal_keyring(&[9; 32], &[5; 32], &keyring));
    let root_key = RootKey::from_bytes(&mut [9; 32]).unwrap();
    let full = row.file().open_blocking(&root_key).unwrap();
    assert_eq!(full.generation(), u64::MAX);
    assert!(matches!(full.blocking().rotate(), Err(Error::LimitExceeded(_))));
    assert!(matches!(full.blocking().replace_stored_by_own(), Err(Error::LimitExceeded(_))));
    assert!(reads(&full, &write(&full).unwrap()));
}

#[test]
fn a_keyring_that_is_stored_nowhere_refuses_to_change_until_it_is_said_that_changes_are_lost() {
    let root_key = RootKey::generate().unwrap();
    let generated = Keyring::generate().unwrap();
    let opened = Keyring::from_sealed_blocking(&generated.blocking().seal(&root_key).unwrap(), &root_key).unwrap();
    let version = (1, VersionState::Enabled, MasterKey::generate().unwrap());
    let rebuilt = Keyring::from_versions("master", 1, [version]).unwrap();
    for keyring in [generated, opened, rebuilt] {
        let refused = keyring.blocking().rotate().unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::KeyringNotStored)), "{refused:?}");
        assert!(refused.to_string().contains("Keyring::builder"), "says what to do: {refused}");
        assert!(keyring.blocking().stage().is_err() && keyring.blocking().raise_next_version(9).is_err());
        assert_eq!((keyring.primary(), keyring.generation()), (1, 1));
        assert_eq!(keyring.last_read(), None);
        keyring.blocking().reload().unwrap();
        assert!(matches!(keyring.blocking().replace_stored_by_own(), Err(Error::Keyring(KeyringError::NotInAStorage))));
        let keyring = keyring.with_changes_lost_on_exit();
        assert_eq!(keyring.blocking().rotate().unwrap(), 2);
    }
}
