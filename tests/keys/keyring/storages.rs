//! Custom `KeyringStorage`s: conflicts, lost answers, and answers that never arrive.

use std::io::ErrorKind;

use atrest::{Error, Keyring, Loaded, RootKey, StorageTag};

use super::kit::{Fault, Row, is_unavailable, read, reads, write};

fn created() -> (std::sync::Arc<Row>, RootKey, Keyring) {
    let (row, root_key) = (Row::new(), RootKey::generate().unwrap());
    let keyring = row.file().create_blocking(&root_key).unwrap();
    (row, root_key, keyring)
}

#[test]
fn a_keyring_in_a_storage_is_created_once_changed_and_shared() {
    let (row, root_key, one) = created();
    let again = row.file().create_blocking(&root_key).unwrap_err();
    assert!(matches!(again, Error::Io(error) if error.kind() == ErrorKind::AlreadyExists));
    let two = row.file().open_blocking(&root_key).unwrap();
    assert_eq!(
        (one.blocking().rotate().unwrap(), two.blocking().rotate().unwrap()),
        (2, 3),
        "a conflict is read again"
    );
    let stored = write(&two).unwrap();
    assert!(reads(&one, &stored), "an unknown version is read once more");
    assert_eq!(one.primary(), 3);
    let missing = Row::new().file().open_blocking(&root_key).unwrap_err();
    assert!(matches!(missing, Error::Io(error) if error.kind() == ErrorKind::NotFound));
}

#[test]
fn a_change_whose_answer_was_lost_takes_effect_once_a_read_shows_it() {
    for fault in [Fault::DoneAndUnknown, Fault::DoneAndNever, Fault::DoneAndFails] {
        let (row, root_key, keyring) = created();
        row.fail_replace(fault);
        assert_eq!(keyring.blocking().rotate().unwrap(), 2, "{fault:?}: the keyring was read back");
        assert_eq!(row.file().open_blocking(&root_key).unwrap().versions().len(), 2, "no version too many");
    }
}

#[test]
fn a_change_that_was_not_stored_does_not_take_effect() {
    let (row, _, keyring) = created();
    for fault in [Fault::Never, Fault::Fails(ErrorKind::StorageFull), Fault::Panics] {
        row.fail_replace(fault);
        let refused = keyring.blocking().rotate().unwrap_err();
        let is_said = match fault {
            Fault::Fails(full) => matches!(&refused, Error::Io(error) if error.kind() == full),
            _ => is_unavailable(&refused),
        };
        assert!(is_said, "{fault:?}: {refused:?}");
        assert_eq!((keyring.primary(), keyring.generation(), keyring.versions().len()), (1, 1, 1), "{fault:?}");
    }
    row.fail_replace(Fault::Unknown);
    assert_eq!(keyring.blocking().rotate().unwrap(), 2, "nothing was stored, so it is tried again");
}

#[test]
fn until_it_is_known_a_new_version_is_neither_used_nor_dropped() {
    let (row, root_key, ours) = created();
    row.fail_replace(Fault::DoneAndUnknown);
    row.fail_load(Fault::Nothing); // before the change
    *row.loads.lock().unwrap() = Some(Fault::Fails(ErrorKind::ConnectionRefused)); // all that come after it
    let unknown = ours.blocking().rotate().unwrap_err();
    assert!(is_unavailable(&unknown), "{unknown:?}");
    assert_eq!(write(&ours).unwrap().envelope.key_version(), Some(1), "not used");

    // Another process has seen it, and writes under it.
    *row.loads.lock().unwrap() = None;
    let other = row.file().open_blocking(&root_key).unwrap();
    let stored = write(&other).unwrap();
    assert_eq!(stored.envelope.key_version(), Some(2));
    *row.loads.lock().unwrap() = Some(Fault::Fails(ErrorKind::ConnectionRefused));
    assert!(reads(&ours, &stored), "not dropped: it opens what names it");
    assert_eq!(ours.primary(), 1);

    *row.loads.lock().unwrap() = None;
    ours.blocking().reload().unwrap();
    assert_eq!((ours.primary(), ours.versions().len()), (2, 2));
}

#[test]
fn a_version_of_which_it_is_not_known_whether_it_was_stored_survives_that_the_own_state_is_sealed_anew() {
    let (row, root_key, ours) = created();
    row.fail_replace(Fault::DoneAndUnknown);
    row.fail_load(Fault::Nothing);
    *row.loads.lock().unwrap() = Some(Fault::Fails(ErrorKind::ConnectionRefused));
    assert!(is_unavailable(&ours.blocking().rotate().unwrap_err()));
    *row.loads.lock().unwrap() = None;
    let other = row.file().open_blocking(&root_key).unwrap();
    let stored = write(&other).unwrap();
    assert_eq!(stored.envelope.key_version(), Some(2));
    ours.blocking().replace_stored_by_own().unwrap();
    assert!(reads(&ours, &stored));
    assert!(reads(&row.file().open_blocking(&root_key).unwrap(), &stored));
}

#[test]
fn no_debug_of_what_a_storage_gives_shows_the_sealed_bytes() {
    let sealed = Loaded::Sealed(vec![201, 202, 203], StorageTag::new([204, 205]));
    assert_eq!(format!("{sealed:?}"), "Sealed(3 bytes, StorageTag(2 bytes))");
}

#[test]
fn where_a_read_shows_that_it_was_not_stored_the_old_state_goes_on() {
    let (row, root_key, ours) = created();
    row.fail_replace(Fault::Unknown);
    row.fail_load(Fault::Nothing);
    *row.loads.lock().unwrap() = Some(Fault::Never);
    assert!(is_unavailable(&ours.blocking().rotate().unwrap_err()));
    *row.loads.lock().unwrap() = None;
    ours.blocking().reload().unwrap();
    assert_eq!((ours.primary(), ours.generation()), (1, 1));
    // Another process takes the number meanwhile; nothing is a fork.
    let other = row.file().open_blocking(&root_key).unwrap();
    assert_eq!(other.blocking().rotate().unwrap(), 2);
    ours.blocking().reload().unwrap();
    assert!(reads(&ours, &write(&other).unwrap()));
    assert_eq!(ours.blocking().rotate().unwrap(), 3);
}

#[test]
fn creating_survives_a_lost_answer_too() {
    let root_key = RootKey::generate().unwrap();
    for fault in [Fault::DoneAndUnknown, Fault::DoneAndNever, Fault::DoneAndFails] {
        let row = Row::new();
        row.fail_replace(fault);
        let keyring = row.file().create_blocking(&root_key).unwrap();
        let opened = row.file().open_blocking(&root_key).unwrap();
        assert_eq!(opened.key_id(), keyring.key_id());
    }
    for fault in [Fault::Unknown, Fault::Never, Fault::Fails(ErrorKind::StorageFull)] {
        let row = Row::new();
        row.fail_replace(fault);
        row.file().create_blocking(&root_key).unwrap_err();
        row.file().create_blocking(&root_key).unwrap();
    }
}

#[test]
fn a_storage_that_never_answers_or_panics_is_unavailable_and_the_next_call_goes_on() {
    let (row, root_key, ours) = created();
    let other = row.file().open_blocking(&root_key).unwrap();
    other.blocking().rotate().unwrap();
    let stored = write(&other).unwrap();
    for fault in [Fault::Never, Fault::Panics, Fault::Fails(ErrorKind::TimedOut)] {
        row.fail_load(fault);
        let refused = read(&ours, &stored).unwrap_err();
        assert!(is_unavailable(&refused), "{fault:?}: {refused:?}");
    }
    assert!(reads(&ours, &stored));
}

#[test]
fn a_caller_that_leaves_loses_nothing() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    let (row, root_key, keyring) = created();
    {
        let mut rotating = pin!(keyring.rotate());
        assert!(matches!(rotating.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    }
    // What was begun is finished, what was not begun is not: in either case memory and storage agree.
    keyring.blocking().enable(1).unwrap();
    let opened = row.file().open_blocking(&root_key).unwrap();
    assert_eq!((opened.versions(), opened.generation()), (keyring.versions(), keyring.generation()));
}

#[test]
fn a_caller_whose_waker_panics_harms_no_other_caller() {
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let (row, _, keyring) = created();
    let waker = Waker::from(Arc::new(Panics));
    for fault in [Fault::Nothing, Fault::Never] {
        row.fail_load(fault);
        // On a busy machine an answer, or the time limit, may come before the poll, which then wakes no caller.
        let mut reloading = Box::pin(keyring.reload());
        let _ = reloading.as_mut().poll(&mut Context::from_waker(&waker));
        let mut rotating = Box::pin(keyring.rotate());
        let _ = rotating.as_mut().poll(&mut Context::from_waker(&waker));
        // Until the one has its answer, and the time of the other is over.
        std::thread::sleep(std::time::Duration::from_millis(900));
        keyring.blocking().reload().unwrap();
        keyring.blocking().rotate().unwrap();
    }
}

#[test]
fn bytes_that_were_refused_are_opened_once_and_what_passes_is_not_remembered() {
    let (row, _, ours) = created();
    let whole = row.sealed();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 1;
    row.put(damaged);
    for _ in 0..2 {
        assert!(matches!(ours.blocking().reload(), Err(Error::Inauthentic)));
    }
    row.put(whole);
    for _ in 0..2 {
        row.fail_load(Fault::Fails(ErrorKind::OutOfMemory));
        assert!(matches!(ours.blocking().reload(), Err(Error::Io(error)) if error.kind() == ErrorKind::OutOfMemory));
        ours.blocking().reload().unwrap();
    }
}

#[test]
fn more_bytes_than_a_keyring_can_have_are_refused() {
    let (row, root_key, ours) = created();
    row.put(vec![7; 3_000_000]);
    assert!(matches!(ours.blocking().reload(), Err(Error::Io(error)) if error.kind() == ErrorKind::FileTooLarge));
    assert!(row.file().open_blocking(&root_key).is_err());
}

#[test]
fn those_who_wait_share_one_read() {
    let (row, root_key, ours) = created();
    let other = row.file().open_blocking(&root_key).unwrap();
    other.blocking().rotate().unwrap();
    let stored = write(&other).unwrap();
    let before = *row.loaded.lock().unwrap();
    // The first read takes as long as it may, so that all others come while it is under way.
    row.fail_load(Fault::Never);
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| read(&ours, &stored).map_err(|error| assert!(is_unavailable(&error), "{error:?}")));
        }
    });
    let reads = *row.loaded.lock().unwrap() - before;
    assert!(reads <= 4, "{reads} reads for 32 readers");
}
