//! Keyring files: created on request, shared, and never replaced by a new keyring.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Barrier;

use atrest::error::{KeyProviderErrorKind, OtherHistory, SealedFileError, Unexpected};
use atrest::{Error, Keyring, RootKey, Unlock};

use super::{kind, put, sse};
use atrest_kit::name;

fn io_kind(error: Error) -> ErrorKind {
    match error {
        Error::Io(error) => error.kind(),
        other => panic!("not of the file system: {other:?}"),
    }
}

fn created(directory: &Path) -> (std::path::PathBuf, RootKey, Keyring) {
    let (path, root_key) = (directory.join("master.atrest"), RootKey::generate().unwrap());
    let keyring = Keyring::create_blocking(&path, &root_key).unwrap();
    (path, root_key, keyring)
}

#[test]
fn a_file_keeps_its_keyring_through_every_change() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, keyring) = created(directory.path());
    let stored = put(&sse(&keyring));
    assert_eq!((keyring.blocking().rotate().unwrap(), keyring.blocking().stage().unwrap()), (2, 3));
    keyring.blocking().disable(1).unwrap();
    let opened = Keyring::open_blocking(&path, &root_key).unwrap();
    assert_eq!(opened.versions(), keyring.versions());
    assert_eq!((opened.key_id(), opened.generation()), (keyring.key_id(), 4));
    opened.blocking().enable(1).unwrap();
    assert_eq!(sse(&opened).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
    assert!(keyring.key_id().starts_with("atrest-") && keyring.key_id().len() == 7 + 32);
}

#[test]
fn a_key_file_is_its_owners_alone_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let (_, _, keyring) = created(directory.path());
    RootKey::create_file(directory.path().join("root.key")).unwrap();
    keyring.blocking().rotate().unwrap();
    let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(|entry| entry.file_name());
    let shown: Vec<_> = names.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    assert_eq!(shown, ["master.atrest", "master.atrest.lock", "root.key"]);
    #[cfg(unix)]
    for entry in names {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
}

#[test]
fn a_file_that_is_there_is_never_replaced_by_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, _) = created(directory.path());
    let before = fs::read(&path).unwrap();
    assert_eq!(io_kind(Keyring::create_blocking(&path, &root_key).unwrap_err()), ErrorKind::AlreadyExists);
    fs::write(&path, b"").unwrap();
    assert_eq!(io_kind(Keyring::create_blocking(&path, &root_key).unwrap_err()), ErrorKind::AlreadyExists);
    fs::write(&path, before).unwrap();
    Keyring::open_blocking(&path, &root_key).unwrap();
    let root = directory.path().join("root.key");
    RootKey::create_file(&root).unwrap();
    assert_eq!(io_kind(RootKey::create_file(&root).unwrap_err()), ErrorKind::AlreadyExists);
}

#[test]
fn a_missing_or_damaged_file_is_an_error_and_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, keyring) = created(directory.path());
    let whole = fs::read(&path).unwrap();
    for damaged in [&b""[..], &whole[..10], &whole[..whole.len() - 1], b"not a keyring at all, but long enough for one"]
    {
        fs::write(&path, damaged).unwrap();
        let refused = Keyring::open_blocking(&path, &root_key).unwrap_err();
        assert!(matches!(refused, Error::SealedFile(_) | Error::Inauthentic), "{refused:?}");
        assert!(keyring.blocking().rotate().is_err(), "a change reads the file again");
        assert_eq!(fs::read(&path).unwrap(), damaged);
    }
    assert_eq!(keyring.primary(), 1, "what could not be stored does not take effect");
    fs::remove_file(&path).unwrap();
    assert_eq!(io_kind(Keyring::open_blocking(&path, &root_key).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(io_kind(keyring.blocking().rotate().unwrap_err()), ErrorKind::NotFound);
    assert!(!path.exists());
    let wrong = RootKey::generate().unwrap();
    fs::write(&path, &whole).unwrap();
    let refused = Keyring::open_blocking(&path, &wrong).unwrap_err();
    assert!(matches!(refused, Error::SealedFile(SealedFileError::WrongRootKey)));
    fs::write(directory.path().join("short.key"), [1; 31]).unwrap();
    fs::write(directory.path().join("long.key"), [1; 33]).unwrap();
    for name in ["short.key", "long.key"] {
        assert_eq!(io_kind(RootKey::open_file(directory.path().join(name)).unwrap_err()), ErrorKind::InvalidData);
    }
}

#[test]
fn an_unknown_version_has_the_file_read_once_more() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, one) = created(directory.path());
    let two = Keyring::open_blocking(&path, &root_key).unwrap();
    one.blocking().rotate().unwrap();
    let stored = put(&sse(&one));
    assert_eq!(two.primary(), 1);
    assert_eq!(sse(&two).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(two.primary(), 2);
    one.blocking().rotate().unwrap();
    one.blocking().disable(2).unwrap();
    one.blocking().retire_losing_what_it_wraps(2).unwrap();
    two.blocking().reload().unwrap();
    let refused = sse(&two).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    assert_eq!(
        kind(refused),
        KeyProviderErrorKind::Disabled,
        "it is gone from the file, and its key is still in memory"
    );
    let refused = sse(&one).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    assert_eq!(kind(refused), KeyProviderErrorKind::NotFound, "the process that retired it has no key");
}

#[test]
fn rotations_at_once_make_versions_of_different_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, _) = created(directory.path());
    let barrier = Barrier::new(8);
    let mut numbers: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let keyring = Keyring::open_blocking(&path, &root_key).unwrap();
                    barrier.wait();
                    keyring.blocking().rotate().unwrap()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=9).collect::<Vec<_>>());
    let keyring = Keyring::open_blocking(&path, &root_key).unwrap();
    assert_eq!((keyring.versions().len(), keyring.generation()), (9, 9));
}

#[test]
fn an_older_file_or_another_keyring_in_its_place_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, keyring) = created(directory.path());
    let old = fs::read(&path).unwrap();
    keyring.blocking().rotate().unwrap();
    let (key_id, generation) = (keyring.key_id(), keyring.generation());
    fs::write(&path, &old).unwrap();
    let generation_is_old = |error| matches!(error, Error::Unexpected(Unexpected::Generation));
    let is = |rule, error| matches!(error, Error::Unexpected(Unexpected::History(found)) if found == rule);
    for _ in 0..2 {
        assert!(is(OtherHistory::OlderGeneration, keyring.blocking().reload().unwrap_err()));
        assert_eq!(kind(keyring.blocking().rotate().unwrap_err()), KeyProviderErrorKind::Unavailable);
    }
    assert_eq!(keyring.primary(), 2);
    let expecting = || Keyring::builder(&path).key_id(&*key_id);
    assert!(generation_is_old(expecting().min_generation(generation).open_blocking(&root_key).unwrap_err()));
    expecting().min_generation(1).open_blocking(&root_key).unwrap();
    fs::remove_file(&path).unwrap();
    Keyring::create_blocking(&path, &root_key).unwrap();
    let another = |error| matches!(error, Error::Unexpected(Unexpected::KeyringId));
    assert!(another(expecting().open_blocking(&root_key).unwrap_err()));
    for _ in 0..2 {
        assert!(is(OtherHistory::KeyId, keyring.blocking().reload().unwrap_err()));
    }
}

#[test]
fn a_change_that_is_refused_does_not_hide_what_others_changed() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, one) = created(directory.path());
    let two = Keyring::open_blocking(&path, &root_key).unwrap();
    two.blocking().rotate().unwrap();
    let stored = put(&sse(&two));
    assert!(one.blocking().retire_losing_what_it_wraps(9).is_err());
    one.blocking().reload().unwrap();
    assert_eq!(one.primary(), 2);
    let three = Keyring::open_blocking(&path, &root_key).unwrap();
    two.blocking().rotate().unwrap();
    assert!(three.blocking().disable(3).is_err(), "the primary");
    assert_eq!(sse(&three).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(put(&sse(&two)).envelope.key_version(), Some(3));
    three.blocking().reload().unwrap();
    assert_eq!(three.primary(), 3);
}

#[test]
fn a_damaged_keyring_file_is_no_verdict_on_an_object() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, one) = created(directory.path());
    let two = Keyring::open_blocking(&path, &root_key).unwrap();
    one.blocking().rotate().unwrap();
    let stored = put(&sse(&one));
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&path, damaged).unwrap();
    for _ in 0..2 {
        let refused = sse(&two).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
        assert_eq!(kind(refused), KeyProviderErrorKind::Unavailable);
        assert!(matches!(two.blocking().reload(), Err(Error::Inauthentic)));
    }
    fs::write(&path, whole).unwrap();
    assert_eq!(sse(&two).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
}

#[test]
fn a_version_that_another_process_enabled_again_opens_again() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, one) = created(directory.path());
    let stored = put(&sse(&one));
    one.blocking().rotate().unwrap();
    one.blocking().disable(1).unwrap();
    let two = Keyring::open_blocking(&path, &root_key).unwrap();
    assert!(sse(&two).blocking().decrypt(&name(), &stored, Unlock::Server).is_err());
    one.blocking().enable(1).unwrap();
    assert_eq!(sse(&two).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_keyring_file_is_the_same_keyring() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, keyring) = created(directory.path());
    let link = directory.path().join("link.atrest");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let linked = Keyring::open_blocking(&link, &root_key).unwrap();
    assert_eq!((linked.blocking().rotate().unwrap(), keyring.blocking().rotate().unwrap()), (2, 3));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let dangling = directory.path().join("dangling.atrest");
    std::os::unix::fs::symlink(directory.path().join("none"), &dangling).unwrap();
    assert_eq!(io_kind(Keyring::create_blocking(&dangling, &root_key).unwrap_err()), ErrorKind::AlreadyExists);
}

#[test]
fn a_rebuilt_keyring_is_put_into_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let (_, root_key, keyring) = created(directory.path());
    let stored = put(&sse(&keyring));
    let backup = Keyring::from_sealed_blocking(&keyring.blocking().seal(&root_key).unwrap(), &root_key).unwrap();
    let path = directory.path().join("restored.atrest");
    let restored = Keyring::builder(&path).create_from_blocking(&backup, &root_key).unwrap();
    restored.blocking().raise_next_version(7).unwrap();
    assert_eq!(restored.blocking().rotate().unwrap(), 7);
    let opened = Keyring::open_blocking(&path, &root_key).unwrap();
    assert_eq!(sse(&opened).blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
}

#[test]
fn a_temporary_file_of_a_crash_is_no_obstacle() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, keyring) = created(directory.path());
    fs::write(directory.path().join("master.atrest.tmp"), b"half a keyri").unwrap();
    keyring.blocking().rotate().unwrap();
    assert_eq!(Keyring::open_blocking(&path, &root_key).unwrap().primary(), 2);
}

#[test]
fn a_path_that_names_no_file_is_refused() {
    let root_key = RootKey::generate().unwrap();
    assert!(matches!(Keyring::create_blocking("..", &root_key), Err(Error::Misuse(_))));
    assert!(Keyring::open_blocking("..", &root_key).is_err());
    assert!(Keyring::open_blocking("/", &root_key).is_err());
}
