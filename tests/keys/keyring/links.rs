//! Links to keyring files: followed at every use, and refused where one file would become two.
#![cfg(unix)]

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use atrest::{Error, Keyring, RootKey};

use super::kit::{Files, SetClock, reads, write};

/// A secret that is projected into a directory: `keyring -> ..data/keyring`, `..data -> ..generation`.
struct Projected {
    files: Files,
    generation: u32,
}

impl Projected {
    fn new() -> Self {
        let (files, _) = Files::new();
        let sealed = fs::read(&files.path).unwrap();
        fs::remove_file(&files.path).unwrap();
        fs::remove_file(files.beside("master.atrest.lock")).unwrap();
        let mut projected = Self { files, generation: 0 };
        projected.swap(&sealed);
        symlink("..data/keyring", &projected.files.path).unwrap();
        projected
    }

    fn swap(&mut self, sealed: &[u8]) {
        let before = format!("..{}", self.generation);
        self.generation += 1;
        let now = format!("..{}", self.generation);
        fs::create_dir(self.files.beside(&now)).unwrap();
        fs::write(self.files.beside(&now).join("keyring"), sealed).unwrap();
        symlink(&now, self.files.beside("..data_tmp")).unwrap();
        fs::rename(self.files.beside("..data_tmp"), self.files.beside("..data")).unwrap();
        let _ = fs::remove_dir_all(self.files.beside(&before)); // absent the first time
    }
}

#[test]
fn a_projected_secret_that_is_swapped_is_followed() {
    let mut projected = Projected::new();
    let clock = Arc::new(SetClock::default());
    let file = || Keyring::builder(&projected.files.path).clock(clock.clone());
    let root_key = projected.files.root_key.clone();
    let ours = file().open_blocking(&root_key).unwrap();
    for version in 2..5 {
        // The operator changes a copy, and projects it.
        let aside = projected.files.beside("aside");
        fs::copy(&projected.files.path, &aside).unwrap();
        Keyring::open_blocking(&aside, &root_key).unwrap().blocking().rotate().unwrap();
        projected.swap(&fs::read(&aside).unwrap());
        ours.blocking().reload().unwrap();
        assert_eq!(ours.primary(), version);
    }
    // A change goes to the file at the end of the links, in its directory, under its lock.
    assert_eq!(ours.blocking().rotate().unwrap(), 5);
    assert!(fs::symlink_metadata(&projected.files.path).unwrap().is_symlink());
    assert!(fs::symlink_metadata(projected.files.beside("..data/keyring")).unwrap().is_file());
    assert!(projected.files.beside("..data/keyring.lock").exists());
    assert!(!projected.files.beside("master.atrest.lock").exists());
    assert_eq!(Keyring::open_blocking(&projected.files.path, &root_key).unwrap().primary(), 5);
}

#[test]
fn a_directory_link_that_is_swapped_to_an_older_copy_is_another_history() {
    let mut projected = Projected::new();
    let ours = projected.files.open();
    let old = fs::read(&projected.files.path).unwrap();
    ours.blocking().rotate().unwrap();
    let stored = write(&ours).unwrap();
    projected.swap(&old);
    assert_eq!(super::kit::history(&ours, ours.blocking().rotate()), atrest::error::OtherHistory::OlderGeneration);
    assert!(reads(&ours, &stored));
    assert_eq!(fs::read(&projected.files.path).unwrap(), old, "nothing was changed");
}

#[test]
fn a_hard_link_refuses_changes_and_not_reads() {
    let (files, ours) = Files::new();
    let second = files.beside("second.atrest");
    fs::hard_link(&files.path, &second).unwrap();
    let other = Keyring::open_blocking(&second, &files.root_key).unwrap();
    let before = fs::read(&files.path).unwrap();
    for keyring in [&ours, &other] {
        let refused = keyring.blocking().rotate().unwrap_err();
        assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::Unsupported), "{refused:?}");
        assert!(refused.to_string().contains("hard links"), "{refused}");
        keyring.blocking().reload().unwrap();
        assert!(reads(keyring, &write(keyring).unwrap()));
    }
    assert_eq!(fs::read(&files.path).unwrap(), before);
    fs::remove_file(second).unwrap();
    assert_eq!(ours.blocking().rotate().unwrap(), 2);
}

#[test]
fn a_lock_file_that_was_removed_makes_no_fork() {
    let (files, ours) = Files::new();
    let other = files.open();
    for version in 1..6 {
        fs::remove_file(files.beside("master.atrest.lock")).unwrap();
        let rotating = if version % 2 == 0 { &ours } else { &other };
        assert_eq!(rotating.blocking().rotate().unwrap(), version + 1);
    }
    // Removed while changes are under way.
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let keyring = Keyring::open_blocking(&files.path, &files.root_key).unwrap();
                    (0..5).filter_map(|_| keyring.blocking().rotate().ok().map(|_| write(&keyring).unwrap())).count()
                })
            })
            .collect();
        for _ in 0..50 {
            let _ = fs::remove_file(files.beside("master.atrest.lock"));
            std::thread::yield_now();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
    files.open();
}

#[cfg(feature = "embedded-kms")]
#[test]
fn a_store_of_the_embedded_kms_under_a_second_name_or_without_its_lock_changes_nothing() {
    use atrest::Requester;
    use atrest::kms::EmbeddedKms;

    let directory = tempfile::tempdir().unwrap();
    let root_key = RootKey::generate().unwrap();
    let (first, second) = (directory.path().join("kms.atrest"), directory.path().join("second.atrest"));
    let one = EmbeddedKms::create(&first, &root_key, Requester::new("owner")).unwrap();
    fs::hard_link(&first, &second).unwrap();
    let two = EmbeddedKms::open(&second, &root_key).unwrap();
    for kms in [&one, &two] {
        assert!(matches!(kms.keyring().blocking().rotate(), Err(Error::Io(_))));
        assert_eq!(kms.keyring().primary(), 1);
    }
    drop(two);
    fs::remove_file(&second).unwrap();
    one.keyring().blocking().rotate().unwrap();
    // Without its lock file the first owner changes nothing either: a second one may have the store open.
    fs::remove_file(directory.path().join("kms.atrest.lock")).unwrap();
    assert!(matches!(one.keyring().blocking().rotate(), Err(Error::KeyStore(_))));
    // `maintain` says so, though nothing is due.
    let maintained = one.maintain();
    assert!(matches!(maintained, Err(Error::KeyStore(atrest::error::KeyStoreError::Conflict))), "{maintained:?}");
    let second = EmbeddedKms::open(&first, &root_key).unwrap();
    second.maintain().unwrap();
}
