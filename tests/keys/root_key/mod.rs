//! `RootKey`: from a file, from an environment variable, and unwrapped by a key provider.

mod environment;
#[cfg(all(feature = "passphrase", target_os = "linux"))]
mod passphrase;
mod wrapped;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use atrest::error::{Misuse, SealedFileError};
use atrest::{Error, Keyring, RootKey};

fn io_kind(error: Error) -> ErrorKind {
    match error {
        Error::Io(error) => error.kind(),
        other => panic!("not of reading or writing: {other:?}"),
    }
}

/// Returns whether the second root key opens what the first seals.
fn is_same(one: &RootKey, other: &RootKey) -> bool {
    let sealed = Keyring::generate().unwrap().blocking().seal(one).unwrap();
    match Keyring::from_sealed_blocking(&sealed, other) {
        Ok(_) => true,
        Err(Error::SealedFile(SealedFileError::WrongRootKey)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

fn names_in(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Checks that only the owner may read the file, if files have modes.
fn assert_is_private(path: &Path) {
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777, 0o600);
    #[cfg(not(unix))]
    assert!(path.exists());
}

#[test]
fn a_missing_file_is_made_once_and_opened_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let first = RootKey::open_or_create_file(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 32);
    assert_is_private(&path);
    assert_eq!(names_in(directory.path()), BTreeSet::from(["root.key".to_owned()]), "nothing is left behind");
    let second = RootKey::open_or_create_file(&path).unwrap();
    assert!(is_same(&first, &second) && is_same(&first, &RootKey::open_file(&path).unwrap()));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let elsewhere = RootKey::open_or_create_file(directory.path().join("other.key")).unwrap();
    assert!(!is_same(&first, &elsewhere), "each file has a key of its own");
}

#[test]
fn a_file_that_create_file_made_is_opened_by_open_or_create_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let created = RootKey::create_file(&path).unwrap();
    assert!(is_same(&created, &RootKey::open_or_create_file(&path).unwrap()));
}

#[test]
fn only_a_missing_file_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    for damaged in [&[][..], &[1; 31], &[1; 33], &[0; 32]] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(io_kind(RootKey::open_or_create_file(&path).unwrap_err()), ErrorKind::InvalidData);
        assert_eq!(fs::read(&path).unwrap(), damaged, "a damaged file stays as it is");
    }
    RootKey::open_or_create_file(directory.path()).unwrap_err();
    let below_a_file = path.join("root.key");
    RootKey::open_or_create_file(below_a_file).unwrap_err();
    let nowhere = directory.path().join("none").join("root.key");
    assert_eq!(io_kind(RootKey::open_or_create_file(nowhere).unwrap_err()), ErrorKind::NotFound);
    assert!(matches!(RootKey::open_or_create_file("").unwrap_err(), Error::Misuse(Misuse::Path)));
    assert_eq!(names_in(directory.path()), BTreeSet::from(["root.key".to_owned()]));
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_no_missing_file() {
    let directory = tempfile::tempdir().unwrap();
    let (link, target) = (directory.path().join("root.key"), directory.path().join("not mounted"));
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(io_kind(RootKey::open_or_create_file(&link).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(names_in(directory.path()), BTreeSet::from(["root.key".to_owned()]));
    assert!(!target.exists());
}

/// A crash between the link and the removal of the temporary name leaves a second link, which would outlive the key.
#[cfg(unix)]
#[test]
fn a_second_link_that_a_crash_left_is_removed_at_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let created = RootKey::open_or_create_file(&path).unwrap();
    let left = directory.path().join("root.key.0123456789abcdef.tmp");
    let kept = ["root.key.tmp", "root.key.backup", "root.key.0123456789abcdeg.tmp", "other.key.0123456789abcdef.tmp"];
    for link in kept.iter().map(|name| directory.path().join(name)).chain([left.clone()]) {
        fs::hard_link(&path, link).unwrap();
    }
    // Another process is about to link this one.
    let starting = directory.path().join("root.key.fedcba9876543210.tmp");
    fs::write(&starting, [7; 32]).unwrap();
    assert!(is_same(&created, &RootKey::open_or_create_file(&path).unwrap()));
    assert!(!left.exists() && starting.exists());
    assert!(kept.iter().all(|name| directory.path().join(name).exists()), "what the operator linked stays");
}

#[test]
fn all_who_start_at_once_get_the_same_key() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let path = directory.path().join(format!("{round}.key"));
        let start = Barrier::new(8);
        let keys: Vec<RootKey> = std::thread::scope(|scope| {
            let starting = (0..8).map(|_| {
                scope.spawn(|| {
                    start.wait();
                    RootKey::open_or_create_file(&path).unwrap()
                })
            });
            starting.collect::<Vec<_>>().into_iter().map(|one| one.join().unwrap()).collect()
        });
        let stored = RootKey::open_file(&path).unwrap();
        assert!(keys.iter().all(|key| is_same(key, &stored)));
    }
    assert_eq!(names_in(directory.path()).len(), 50, "nothing is left behind");
}

#[test]
fn nobody_ever_sees_half_of_a_new_file() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..100 {
        let path = directory.path().join(format!("{round}.key"));
        let (start, over) = (Barrier::new(2), AtomicBool::new(false));
        let seen = std::thread::scope(|scope| {
            let watching = scope.spawn(|| {
                start.wait();
                loop {
                    let (seen, last) = (fs::read(&path), over.load(Ordering::SeqCst));
                    if seen.is_ok() || last {
                        break seen;
                    }
                }
            });
            start.wait();
            let created = RootKey::open_or_create_file(&path);
            over.store(true, Ordering::SeqCst);
            created.unwrap();
            watching.join().unwrap()
        });
        // It may have looked a last time just before the file came.
        let whole = fs::read(&path).unwrap();
        assert_eq!(seen.unwrap_or_else(|_| whole.clone()), whole);
    }
}

#[test]
fn a_root_key_made_anew_neither_opens_nor_replaces_the_store_of_the_lost_one() {
    let directory = tempfile::tempdir().unwrap();
    let (root, store) = (directory.path().join("root.key"), directory.path().join("master.atrest"));
    Keyring::create_blocking(&store, &RootKey::open_or_create_file(&root).unwrap()).unwrap();
    let before = fs::read(&store).unwrap();
    fs::remove_file(&root).unwrap();
    let anew = RootKey::open_or_create_file(&root).unwrap();
    let refused = Keyring::open_blocking(&store, &anew).unwrap_err();
    assert!(matches!(refused, Error::SealedFile(SealedFileError::WrongRootKey)), "{refused:?}");
    assert_eq!(io_kind(Keyring::create_blocking(&store, &anew).unwrap_err()), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&store).unwrap(), before);
}
