//! The life cycle of a keyring, its file, and rewraps in every mode.

mod files;
mod retire;
mod rewraps;

use atrest::error::{KeyProviderErrorKind, KeyringError, Misuse};
use atrest::{Encrypted, Error, KeyUsage, Keyring, MasterKey, RootKey, Sse, SseS3, Unlock, VersionState};
use atrest_kit::name;

fn sse(keyring: &Keyring) -> Sse {
    Sse::builder().keyring(keyring.clone()).build().unwrap()
}

fn put(sse: &Sse) -> Encrypted {
    sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap()
}

fn kind(error: Error) -> KeyProviderErrorKind {
    match error {
        Error::KeyProvider(error) => error.kind(),
        other => panic!("not of a key provider: {other:?}"),
    }
}

#[test]
fn a_running_sse_writes_under_the_new_primary_and_reads_under_the_old_one() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let sse = sse(&keyring);
    let old = put(&sse);
    assert_eq!((old.envelope.key_version(), keyring.blocking().rotate().unwrap()), (Some(1), 2));
    let new = put(&sse);
    assert_eq!(new.envelope.key_version(), Some(2));
    assert!(sse.needs_rewrap(&old.envelope) && !sse.needs_rewrap(&new.envelope));
    for stored in [old, new] {
        assert_eq!(sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
    }
}

#[test]
fn a_staged_version_opens_and_does_not_wrap_until_it_is_activated() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let other = sse(&keyring);
    assert_eq!(keyring.blocking().stage().unwrap(), 2);
    assert_eq!(put(&other).envelope.key_version(), Some(1));
    assert_eq!(keyring.versions()[1].state, VersionState::Staged);
    keyring.blocking().activate(2).unwrap();
    let stored = put(&other);
    assert_eq!(stored.envelope.key_version(), Some(2));
    keyring.blocking().activate(1).unwrap();
    assert_eq!(other.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
}

#[test]
fn a_disabled_version_opens_nothing_until_it_is_enabled_and_a_retired_one_never_again() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let sse = sse(&keyring);
    let stored = put(&sse);
    keyring.blocking().rotate().unwrap();
    keyring.blocking().disable(1).unwrap();
    let read = || sse.blocking().decrypt(&name(), &stored, Unlock::Server);
    let refused = read().unwrap_err();
    assert!(refused.to_string().contains("version 1"), "{refused}");
    assert_eq!(kind(refused), KeyProviderErrorKind::Disabled);
    keyring.blocking().enable(1).unwrap();
    assert_eq!(read().unwrap(), b"meow");
    keyring.blocking().disable(1).unwrap();
    keyring.blocking().retire_losing_what_it_wraps(1).unwrap();
    assert_eq!(kind(read().unwrap_err()), KeyProviderErrorKind::NotFound);
    assert_eq!(keyring.blocking().rotate().unwrap(), 3, "a number is never used again");
}

#[test]
fn a_keyring_refuses_what_would_lose_data() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let refused = |outcome: atrest::Result<()>| match outcome.unwrap_err() {
        Error::Keyring(error) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(keyring.blocking().disable(1)), KeyringError::VersionIsPrimary(1));
    assert_eq!(refused(keyring.blocking().retire_losing_what_it_wraps(1)), KeyringError::VersionNotDisabled(1));
    assert_eq!(refused(keyring.blocking().activate(9)), KeyringError::VersionUnknown(9));
    keyring.blocking().rotate().unwrap();
    assert_eq!(refused(keyring.blocking().retire(1, &KeyUsage::begin(&keyring))), KeyringError::VersionNotDisabled(1));
    assert_eq!(refused(keyring.blocking().retire_losing_what_it_wraps(1)), KeyringError::VersionNotDisabled(1));
    keyring.blocking().disable(1).unwrap();
    assert_eq!(refused(keyring.blocking().activate(1)), KeyringError::VersionDisabled(1));
    assert_eq!(keyring.primary(), 2, "what was refused changed nothing");
}

#[test]
fn a_keyring_is_rebuilt_from_its_versions_and_their_numbers() {
    let bytes = [3; 32];
    let version = |number, state| (number, state, MasterKey::from_bytes(&mut bytes.clone()).unwrap());
    let keyring =
        Keyring::from_versions("master", 4, [version(4, VersionState::Enabled)]).unwrap().with_changes_lost_on_exit();
    let stored = put(&sse(&keyring));
    let versions =
        [version(9, VersionState::Enabled), version(4, VersionState::Staged), version(6, VersionState::Disabled)];
    let rebuilt = Keyring::from_versions("master", 9, versions).unwrap().with_changes_lost_on_exit();
    assert_eq!(sse(&rebuilt).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(rebuilt.blocking().rotate().unwrap(), 10);
    rebuilt.blocking().raise_next_version(20).unwrap();
    assert_eq!(rebuilt.blocking().rotate().unwrap(), 20);
    assert!(rebuilt.blocking().raise_next_version(u32::MAX).is_err(), "a number that ends all rotation");
    assert_eq!(rebuilt.blocking().rotate().unwrap(), 21);
    for wrong in [
        vec![],
        vec![version(0, VersionState::Enabled)],
        vec![version(1, VersionState::Disabled)],
        vec![version(1, VersionState::Staged)],
        vec![version(2, VersionState::Enabled)],
        vec![version(1, VersionState::Enabled), version(1, VersionState::Enabled)],
        vec![version(1, VersionState::Enabled), version(u32::MAX, VersionState::Enabled)],
    ] {
        let refused = Keyring::from_versions("master", 1, wrong).unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::KeyringVersions)), "{refused:?}");
    }
    for wrong in ["", "two\nlines", &"x".repeat(2049)] {
        let refused = Keyring::from_versions(wrong, 1, [version(1, VersionState::Enabled)]);
        assert!(matches!(refused, Err(Error::LimitExceeded(_))));
    }
}

#[test]
fn two_keyrings_of_one_key_id_are_two_keys_and_an_envelope_of_another_keyring_is_unexpected() {
    let version = || [(1, VersionState::Enabled, MasterKey::generate().unwrap())];
    let one = sse(&Keyring::from_versions("master", 1, version()).unwrap());
    let two = sse(&Keyring::from_versions("master", 1, version()).unwrap());
    let other = sse(&Keyring::generate().unwrap());
    let stored = put(&one);
    assert!(matches!(two.blocking().decrypt(&name(), &stored, Unlock::Server), Err(Error::Inauthentic)));
    let unexpected = other.blocking().decrypt(&name(), &stored, Unlock::Server);
    assert!(matches!(unexpected, Err(Error::Unexpected(atrest::error::Unexpected::KeyringId))));
    assert!(other.needs_rewrap(&stored.envelope), "what cannot be read here is not passed over in silence");
}

#[test]
fn a_sealed_keyring_opens_under_its_root_key_alone() {
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    keyring.blocking().rotate().unwrap();
    let root_key = RootKey::generate().unwrap();
    let sealed = keyring.blocking().seal(&root_key).unwrap();
    let opened = Keyring::from_sealed_blocking(&sealed, &root_key).unwrap();
    assert_eq!((opened.key_id(), opened.primary(), opened.generation()), (keyring.key_id(), 2, 2));
    assert_eq!(opened.versions(), keyring.versions());
    assert_ne!(keyring.blocking().seal(&root_key).unwrap(), sealed, "a fresh salt at every write");
    let wrong = Keyring::from_sealed_blocking(&sealed, &RootKey::generate().unwrap());
    assert!(matches!(wrong, Err(Error::SealedFile(atrest::error::SealedFileError::WrongRootKey))));
    for at in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[at] ^= 1;
        let refused = Keyring::from_sealed_blocking(&damaged, &root_key).unwrap_err();
        assert!(matches!(refused, Error::SealedFile(_) | Error::Inauthentic), "byte {at}: {refused:?}");
        let refused = Keyring::from_sealed_blocking(&sealed[..at], &root_key).unwrap_err();
        assert!(matches!(refused, Error::SealedFile(_) | Error::Inauthentic), "cut at {at}: {refused:?}");
    }
}

#[test]
fn a_passphrase_seals_where_the_feature_is_there_and_is_a_named_error_where_it_is_not() {
    let keyring = Keyring::generate().unwrap();
    let passphrase = || RootKey::from_passphrase("correct horse battery staple").unwrap();
    let sealed = keyring.blocking().seal(&passphrase());
    if !cfg!(feature = "passphrase") {
        assert!(matches!(sealed, Err(Error::NotCompiled(atrest::error::Feature::Passphrase))));
        return;
    }
    let sealed = sealed.unwrap();
    assert_eq!(Keyring::from_sealed_blocking(&sealed, &passphrase()).unwrap().key_id(), keyring.key_id());
    for wrong in [RootKey::from_passphrase("Correct horse battery staple").unwrap(), RootKey::generate().unwrap()] {
        let refused = Keyring::from_sealed_blocking(&sealed, &wrong);
        assert!(matches!(refused, Err(Error::SealedFile(atrest::error::SealedFileError::WrongRootKey))));
    }
    // The cost is checked before any work is done: 4 GiB and a KiB, 65 passes, no lane, less memory than protects.
    for (at, number) in [(11, 4 * 1024 * 1024 + 1), (15, 65), (19, 0), (19, 65), (11, 19_455), (15, 1), (11, u32::MAX)]
    {
        let mut expensive = sealed.clone();
        expensive[at..at + 4].copy_from_slice(&u32::to_be_bytes(number));
        let refused = Keyring::from_sealed_blocking(&expensive, &passphrase());
        assert!(matches!(refused, Err(Error::SealedFile(atrest::error::SealedFileError::Unsupported(_)))));
    } // So is the one that this reader accepts: by default 1 GiB, 16 passes and 16 lanes; a reader may accept less, or more.
    let default = atrest::Argon2Cost::ACCEPTED;
    assert_eq!(default, atrest::Argon2Cost::new(1024 * 1024, 16, 16));
    let is_unsupported = |file: &[u8], root_key: &RootKey| {
        matches!(
            Keyring::from_sealed_blocking(file, root_key),
            Err(Error::SealedFile(atrest::error::SealedFileError::Unsupported(_)))
        )
    };
    for (at, number) in [(11, 1024 * 1024 + 1), (15, 17), (19, 17), (11, 4 * 1024 * 1024), (15, 64), (19, 64)] {
        let mut expensive = sealed.clone();
        expensive[at..at + 4].copy_from_slice(&u32::to_be_bytes(number));
        assert!(is_unsupported(&expensive, &passphrase()), "{at}: {number}");
    }
    assert!(is_unsupported(&sealed, &passphrase().accepting(atrest::Argon2Cost::new(64 * 1024, 2, 4))));
    assert!(!is_unsupported(&sealed, &passphrase().accepting(atrest::Argon2Cost::DEFAULT)));
    let mut more = sealed.clone();
    more[19..23].copy_from_slice(&u32::to_be_bytes(17));
    assert!(!is_unsupported(&more, &passphrase().accepting(atrest::Argon2Cost::new(1024 * 1024, 16, 17))));
    // A key opens no file under a passphrase, whatever that costs.
    more[11..15].copy_from_slice(&u32::to_be_bytes(4 * 1024 * 1024));
    let refused = Keyring::from_sealed_blocking(&more, &RootKey::generate().unwrap());
    assert!(matches!(refused, Err(Error::SealedFile(atrest::error::SealedFileError::WrongRootKey))), "{refused:?}");
    let empty = RootKey::from_passphrase("");
    assert!(matches!(empty, Err(Error::Misuse(atrest::error::Misuse::EmptyPassphrase))));
}
