//! Time in the embedded KMS: rotation by age, deletion, and wrong clocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use atrest::error::{KeyProviderErrorKind as Kind, KeyStoreError};
use atrest::kms::{KeyState, Maintained, NewKey};
use atrest::{Error, KeyEncryptionKey};
use atrest_kit::wall_clock;

use super::kit::{Store, generate, owner, unwrap};

const DAY: Duration = Duration::from_secs(86_400);
/// A morning in 2026.
const START: Duration = Duration::from_secs(1_793_000_000);

/// A clock that the test sets.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn store() -> (Self, Store) {
        let clock = Self::default();
        let read = clock.clone();
        let now = move || SystemTime::UNIX_EPOCH + START + Duration::from_secs(read.0.load(Ordering::SeqCst));
        (clock, Store::built(|builder| builder.clock(wall_clock(now))))
    }

    fn set(&self, since_start: Duration) {
        self.0.store(since_start.as_secs(), Ordering::SeqCst);
    }
}

#[test]
fn a_key_is_rotated_when_its_newest_version_is_old_enough_and_once() {
    let (clock, store) = Clock::store();
    clock.set(10 * DAY);
    let admin = store.admin();
    let yearly = admin.create_key(NewKey::new().rotated_every_days(365)).unwrap().arn;
    let never = admin.create_key(NewKey::new()).unwrap().arn;
    let asleep = admin.create_key(NewKey::new().rotated_every_days(1)).unwrap().arn;
    admin.disable_key(&asleep).unwrap();
    let versions = |key: &str| admin.describe_key(key).unwrap().versions.len();
    clock.set(10 * DAY + 365 * DAY - Duration::from_secs(1));
    let generation = store.kms.generation();
    assert_eq!(store.kms.maintain().unwrap(), Maintained::default());
    assert_eq!(store.kms.generation(), generation, "where nothing is due nothing is written");
    clock.set(375 * DAY);
    let maintained = store.kms.maintain().unwrap();
    assert_eq!((&maintained.rotated[..], maintained.deleted.len()), (&[yearly.clone()][..], 0));
    assert_eq!(store.kms.maintain().unwrap(), Maintained::default());
    assert_eq!((versions(&yearly), versions(&never), versions(&asleep)), (2, 1, 1));
    // A rotation by hand in between starts the year again.
    clock.set(400 * DAY);
    admin.rotate_key(&yearly).unwrap();
    clock.set(750 * DAY);
    assert_eq!(store.kms.maintain().unwrap(), Maintained::default());
    clock.set(765 * DAY);
    assert_eq!(store.kms.maintain().unwrap().rotated, [yearly]);
}

#[test]
fn a_key_is_deleted_after_its_waiting_time_and_only_by_maintenance() {
    let (clock, store) = Clock::store();
    let admin = store.admin();
    let key = admin.create_key(NewKey::new().alias("alias/app")).unwrap().arn;
    let saved = admin.create_key(NewKey::new()).unwrap().arn;
    let generated = generate(&store.kms, &saved, &owner()).unwrap();
    let due = admin.schedule_deletion(&key, 7 * DAY).unwrap();
    assert_eq!(due, SystemTime::UNIX_EPOCH + START + 7 * DAY);
    assert_eq!(
        admin.describe_key(&key).unwrap().state,
        admin.list_keys().unwrap().iter().find(|k| k.arn == key).unwrap().state
    );
    admin.schedule_deletion(&saved, 7 * DAY).unwrap();
    clock.set(7 * DAY - Duration::from_secs(1));
    assert_eq!(store.kms.maintain().unwrap(), Maintained::default());
    admin.cancel_deletion(&saved).unwrap();
    assert_eq!(admin.describe_key(&saved).unwrap().state, KeyState::Disabled);
    // The time is over, but no call noticed yet, so the deletion can still be cancelled.
    clock.set(100 * DAY);
    assert_eq!(generate(&store.kms, &key, &owner()).unwrap_err().kind(), Kind::PendingDeletion);
    assert_eq!(store.kms.maintain().unwrap().deleted, std::slice::from_ref(&key));
    for named in [&*key, "alias/app"] {
        assert_eq!(generate(&store.kms, named, &owner()).unwrap_err().kind(), Kind::NotFound);
    }
    drop(admin);
    let store = store.reopened();
    assert_eq!(store.admin().list_keys().unwrap().len(), 1);
    assert!(store.admin().list_aliases().unwrap().is_empty());
    store.admin().enable_key(&saved).unwrap();
    let opened = unwrap(&store.kms, &saved, generated.wrapped(), &owner()).unwrap();
    assert_eq!(opened.kek().expose_secret(), generated.kek().expose_secret());
}

#[test]
fn a_clock_that_jumps_back_stops_what_writes_a_time_down_and_nothing_else() {
    let (clock, store) = Clock::store();
    let admin = store.admin();
    clock.set(100 * DAY);
    let key = admin.create_key(NewKey::new().alias("alias/app").rotated_every_days(1)).unwrap().arn;
    let wrapping_key = KeyEncryptionKey::generate().unwrap();
    let exported = admin.export_key(&key, 1, &wrapping_key).unwrap();
    let generated = generate(&store.kms, &key, &owner()).unwrap();
    // A clock is brought in line by a minute now and then.
    clock.set(100 * DAY - Duration::from_secs(60));
    admin.rotate_key(&key).unwrap();
    clock.set(40 * DAY);
    let went_back = |result: Result<(), Error>| match result {
        Err(Error::KeyStore(KeyStoreError::ClockWentBack(by))) => assert_eq!(by, 60 * DAY),
        other => panic!("{other:?}"),
    };
    let before = admin.list_keys().unwrap();
    went_back(admin.create_key(NewKey::new()).map(drop));
    went_back(admin.create_keys([NewKey::new()]).map(drop));
    went_back(admin.rotate_key(&key).map(drop));
    went_back(admin.schedule_deletion(&key, 7 * DAY).map(drop));
    went_back(admin.import_key(NewKey::new(), &wrapping_key, &exported).map(drop));
    went_back(admin.import_key_version(&key, &wrapping_key, &exported).map(drop));
    went_back(store.kms.maintain().map(drop));
    assert_eq!(
        generate(&store.kms, "", &owner()).unwrap_err().kind(),
        Kind::Unavailable,
        "the default key is not made"
    );
    assert_eq!(admin.list_keys().unwrap(), before);
    // What cannot wait works: keys are used, and disabled.
    unwrap(&store.kms, &key, generated.wrapped(), &owner()).unwrap();
    admin.disable_key(&key).unwrap();
    admin.enable_key(&key).unwrap();
    store.kms.keyring().blocking().rotate().unwrap();
    // None of these has made the store forget.
    went_back(admin.rotate_key(&key).map(drop));
    drop(admin);
    let store = store.reopened();
    unwrap(&store.kms, &key, generated.wrapped(), &owner()).unwrap();
}

#[test]
fn a_clock_that_was_ahead_can_be_accepted_as_right_again() {
    let (clock, store) = Clock::store();
    clock.set(30_000 * DAY);
    let key = store.admin().create_key(NewKey::new()).unwrap().arn;
    clock.set(DAY);
    assert!(store.admin().rotate_key(&key).is_err());
    store.admin().accept_clock().unwrap();
    store.admin().rotate_key(&key).unwrap();
}

#[test]
fn a_thread_maintains_until_its_guard_is_dropped() {
    let (clock, store) = Clock::store();
    let key = store.admin().create_key(NewKey::new().rotated_every_days(1)).unwrap().arn;
    clock.set(2 * DAY);
    let (told, outcomes) = mpsc::channel();
    let told = Mutex::new(told);
    let maintenance = store
        .kms
        .maintain_every(Duration::from_millis(1), move |outcome| drop(told.lock().unwrap().send(outcome.unwrap())))
        .unwrap();
    assert_eq!(outcomes.recv().unwrap().rotated, std::slice::from_ref(&key));
    assert_eq!(outcomes.recv().unwrap(), Maintained::default());
    clock.set(4 * DAY);
    assert!(outcomes.iter().any(|maintained| maintained.rotated == std::slice::from_ref(&key)));
    drop(maintenance);
    // The function went with the thread.
    assert!(outcomes.into_iter().last().is_none_or(|maintained| maintained == Maintained::default()));
    // And so did its handle: the store can be opened again.
    store.reopened();
}
