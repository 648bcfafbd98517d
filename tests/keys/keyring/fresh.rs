//! The greatest age of a keyring that still wraps.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use atrest::{Error, Keyring, RootKey};

use super::kit::{Fault, Files, Row, SetClock, is_unavailable, reads, write};

const START: u64 = 2_000_000_000;

fn shared() -> (Arc<Row>, RootKey, Arc<SetClock>, Keyring, Keyring) {
    let (row, root_key, clock) = (Row::new(), RootKey::generate().unwrap(), Arc::new(SetClock::default()));
    clock.set(START, 0);
    let ours = row.file().clock(clock.clone()).create_blocking(&root_key).unwrap();
    let other = row.file().open_blocking(&root_key).unwrap();
    (row, root_key, clock, ours, other)
}

/// Waits for a read in the background.
fn until(what: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it did not come to pass within a minute");
}

#[test]
fn a_writer_reads_a_keyring_that_is_too_old_again_before_it_wraps() {
    let (row, _, clock, ours, other) = shared();
    other.blocking().rotate().unwrap();
    other.blocking().disable(1).unwrap();
    assert_eq!(write(&ours).unwrap().envelope.key_version(), Some(1), "it may be 5 minutes old");
    clock.set(START + 301, 301);
    assert_eq!(write(&ours).unwrap().envelope.key_version(), Some(2));
    assert_eq!(ours.last_read(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(START + 301)));
    *row.loads.lock().unwrap() = Some(Fault::Fails(ErrorKind::HostUnreachable));
    let stored = write(&ours).unwrap();
    clock.set(START + 700, 700);
    for _ in 0..2 {
        assert!(is_unavailable(&write(&ours).unwrap_err()));
    }
    assert!(reads(&ours, &stored), "reads go on");
    *row.loads.lock().unwrap() = None;
    write(&ours).unwrap();
}

#[test]
fn the_age_is_by_the_clock_that_says_longer() {
    for (wall, monotonic) in [(START + 301, 0), (START, 301), (START - 1_000_000, 301)] {
        let (row, _, clock, ours, _) = shared();
        *row.loads.lock().unwrap() = Some(Fault::Never);
        write(&ours).unwrap();
        clock.set(wall, monotonic);
        assert!(is_unavailable(&write(&ours).unwrap_err()), "{wall} {monotonic}");
    }
}

#[test]
fn a_clock_that_is_set_back_below_the_creation_of_the_file_harms_nothing() {
    let (_, _, clock, ours, other) = shared();
    clock.set(1_000, 0);
    write(&ours).unwrap();
    other.blocking().rotate().unwrap();
    clock.set(1_000, 400);
    assert_eq!(write(&ours).unwrap().envelope.key_version(), Some(2));

    let (files, keyring) = Files::new();
    let clock = Arc::new(SetClock::default());
    let behind = files.file().clock(clock.clone()).open_blocking(&files.root_key).unwrap();
    keyring.blocking().rotate().unwrap();
    clock.set(0, 400);
    assert_eq!(write(&behind).unwrap().envelope.key_version(), Some(2), "a file from the future is read every time");
}

#[test]
fn from_half_of_the_time_a_write_begins_a_read_in_the_background() {
    let (row, _, clock, ours, other) = shared();
    other.blocking().rotate().unwrap();
    clock.set(START + 149, 149);
    let before = *row.loaded.lock().unwrap();
    write(&ours).unwrap();
    assert_eq!(*row.loaded.lock().unwrap(), before, "not before");
    clock.set(START + 151, 151);
    assert_eq!(write(&ours).unwrap().envelope.key_version(), Some(1), "the write does not wait for it");
    until(|| ours.primary() == 2);
    assert_eq!(write(&ours).unwrap().envelope.key_version(), Some(2));
}

#[test]
fn the_time_is_the_operators_to_choose() {
    let (row, root_key) = (Row::new(), RootKey::generate().unwrap());
    row.file().create_blocking(&root_key).unwrap();
    let at_once = row.file().max_age(Duration::ZERO).open_blocking(&root_key).unwrap();
    let never = row.file().max_age(Duration::MAX).open_blocking(&root_key).unwrap();
    let other = row.file().open_blocking(&root_key).unwrap();
    other.blocking().rotate().unwrap();
    std::thread::sleep(Duration::from_millis(2)); // so that the last read is some time ago
    assert_eq!(write(&at_once).unwrap().envelope.key_version(), Some(2));
    assert_eq!(write(&never).unwrap().envelope.key_version(), Some(1));
}

#[test]
fn a_file_that_is_missing_stops_the_writes_of_a_node_and_not_its_reads() {
    let (files, _) = Files::new();
    let clock = Arc::new(SetClock::default());
    let ours = files.file().clock(clock.clone()).open_blocking(&files.root_key).unwrap();
    let stored = write(&ours).unwrap();
    fs::remove_file(&files.path).unwrap();
    write(&ours).unwrap();
    clock.set(0, 301);
    assert!(is_unavailable(&write(&ours).unwrap_err()));
    assert!(reads(&ours, &stored));
}

/// The access time tells whether a file was read, where the file system keeps it; so this looks at the answers instead:
/// a file whose times are kept is taken as unchanged, although its bytes are not.
#[cfg(unix)]
#[test]
fn a_file_whose_fingerprint_did_not_change_is_not_read_and_any_change_of_it_is_seen() {
    let (files, other) = Files::new();
    let ours = files.open();
    // Changed less than two seconds before the read: read every time, so that no change is missed.
    for version in 2..20 {
        assert_eq!(other.blocking().rotate().unwrap(), version);
        ours.blocking().reload().unwrap();
        assert_eq!(ours.primary(), version);
    }
    // A file that was left alone, and read again: a change after that shows in its times.
    std::thread::sleep(Duration::from_millis(2_100));
    ours.blocking().reload().unwrap();
    ours.blocking().reload().unwrap();
    assert_eq!(other.blocking().rotate().unwrap(), 20);
    ours.blocking().reload().unwrap();
    assert_eq!(ours.primary(), 20);
    // Written in place, with the same length and the old times put back: the change time tells.
    std::thread::sleep(Duration::from_millis(2_100));
    ours.blocking().reload().unwrap();
    let (mut bytes, modified) =
        (fs::read(&files.path).unwrap(), fs::metadata(&files.path).unwrap().modified().unwrap());
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&files.path, bytes).unwrap();
    fs::File::options().write(true).open(&files.path).unwrap().set_modified(modified).unwrap();
    assert!(matches!(ours.blocking().reload(), Err(Error::Inauthentic)));
}
