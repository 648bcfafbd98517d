//! Keys that are kept: for how long, how many, for whom, and what ends them.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::kms::{EmbeddedKms, NewKey};
use atrest::{KeyProviderErrorKind as Kind, Keyring, KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, SseS3};
use atrest_parquet::{CachePolicy, ColumnModes, FileKeys, KeyError, ParquetKeys};

use super::kit::{Lake, kind, name, people, read, reason, retrieved, schema_of, write};

/// The metadata of a new file's footer.
fn metadata(file: &FileKeys, modes: &ColumnModes) -> Vec<u8> {
    let encryption = file.encryption_blocking(modes, &schema_of(&people())).unwrap();
    encryption.footer_key_metadata().unwrap().clone()
}

#[test]
fn a_key_serves_until_its_time_is_over_however_often_it_is_used() {
    let lake = Lake::with_cache(CachePolicy::default().with_time_to_live(Duration::from_secs(60)));
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    let key = retrieved(&file, &metadata).unwrap();
    for _ in 0..59 {
        lake.time.pass(Duration::from_secs(1));
        assert_eq!(retrieved(&file, &metadata).unwrap(), key);
    }
    assert_eq!((lake.calls().1, lake.keys.kept()), (1, 1));
    lake.kms.disable(&lake.general);
    assert_eq!(retrieved(&file, &metadata).unwrap(), key, "the memory KMS tells no changes");
    lake.time.pass(Duration::from_secs(1));
    assert_eq!(lake.keys.kept(), 0);
    assert_eq!(kind(retrieved(&file, &metadata)), Kind::Disabled);
    assert_eq!(lake.calls().1, 2);
}

/// As the documentation of `CachePolicy` says.
#[test]
fn a_key_under_a_bucket_key_serves_for_the_time_of_both() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let modes = ColumnModes::new(SseKms::new(&*lake.general).with_bucket_key(true));
    let first = metadata(&file, &modes);
    retrieved(&file, &first).unwrap();
    lake.kms.disable(&lake.general);
    lake.time.pass(Duration::from_secs(299));
    retrieved(&file, &first).unwrap();
    lake.time.pass(Duration::from_secs(59));
    retrieved(&file, &first).unwrap();
    lake.time.pass(Duration::from_secs(1));
    assert_eq!(kind(retrieved(&file, &first)), Kind::Disabled);

    lake.kms.enable(&lake.general);
    let second = metadata(&file, &modes);
    retrieved(&file, &second).unwrap();
    lake.kms.disable(&lake.general);
    lake.keys.purge();
    retrieved(&file, &second).unwrap();
    lake.sse.purge_bucket_keys();
    lake.keys.purge();
    assert_eq!(kind(retrieved(&file, &second)), Kind::Disabled);
}

#[test]
fn neither_a_failure_nor_a_key_that_is_being_retrieved_counts_as_kept() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    lake.kms.disable(&lake.general);
    assert_eq!(kind(retrieved(&file, &metadata)), Kind::Disabled);
    assert_eq!(lake.keys.kept(), 0);
    lake.kms.enable(&lake.general);
    lake.time.pass(Duration::from_secs(1));
    lake.kms.hang();
    thread::scope(|scope| {
        let asking = scope.spawn(|| retrieved(&file, &metadata));
        while lake.kms.hanging() == 0 {
            thread::yield_now();
        }
        let kept = lake.keys.kept();
        lake.kms.go_on();
        asking.join().unwrap().unwrap();
        assert_eq!((kept, lake.keys.kept()), (0, 1));
    });
}

#[test]
fn neither_a_sleep_of_the_machine_nor_a_wall_clock_that_is_set_back_keeps_a_key_longer() {
    for (awake, asleep) in [(0, 60_000), (60_000, -60_000)] {
        let lake = Lake::new();
        let file = lake.keys.file(name()).unwrap();
        retrieved(&file, &metadata(&file, &lake.modes())).unwrap();
        lake.time.pass(Duration::from_millis(awake));
        lake.time.move_wall(asleep);
        assert_eq!(lake.keys.kept(), 0, "{awake} ms awake, the wall clock {asleep} ms off");
    }
}

#[test]
fn a_key_ends_in_time_although_an_older_one_before_it_does_not() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let (older, newer) = (metadata(&file, &lake.modes()), metadata(&file, &lake.modes()));
    lake.time.move_wall(3_600_000);
    retrieved(&file, &older).unwrap();
    // A time server sets the wall clock back; the machine sleeps for an hour after that.
    lake.time.move_wall(-3_600_000);
    retrieved(&file, &newer).unwrap();
    lake.time.move_wall(3_600_000);
    let unwraps = lake.calls().1;
    retrieved(&file, &older).unwrap();
    assert_eq!(lake.calls().1, unwraps);
    for _ in 0..2 {
        retrieved(&file, &newer).unwrap();
        assert_eq!(lake.calls().1, unwraps + 1);
    }
}

#[test]
fn no_more_keys_are_kept_than_the_policy_allows_and_the_oldest_goes_first() {
    // One key takes 1 KiB and the metadata, which is longer than 200 and shorter than 1,000 bytes.
    let lake = Lake::with_cache(CachePolicy::default().with_max_len(3 * 1_224));
    let file = lake.keys.file(name()).unwrap();
    let metadata: Vec<_> = (0..3).map(|_| metadata(&file, &lake.modes())).collect();
    for metadata in &metadata {
        retrieved(&file, metadata).unwrap();
        lake.time.pass(Duration::from_secs(1));
    }
    assert_eq!((lake.calls().1, lake.keys.kept()), (3, 2));
    for metadata in &metadata[1..] {
        retrieved(&file, metadata).unwrap();
    }
    assert_eq!(lake.calls().1, 3);
    retrieved(&file, &metadata[0]).unwrap();
    assert_eq!((lake.calls().1, lake.keys.kept()), (4, 2));
}

#[test]
fn what_is_no_key_metadata_and_what_is_too_long_takes_no_place() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    retrieved(&file, &metadata).unwrap();
    let too_long = [metadata, vec![0; 4 << 20]].concat();
    for refused in [b"".as_slice(), b"kf", &too_long] {
        retrieved(&file, refused).unwrap_err();
        assert_eq!(lake.keys.kept(), 1);
    }
}

#[test]
fn a_purge_drops_all_keys_of_all_clones() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    retrieved(&file, &metadata).unwrap();
    lake.keys.clone().purge();
    assert_eq!(lake.keys.kept(), 0);
    lake.kms.disable(&lake.general);
    assert_eq!(kind(retrieved(&file, &metadata)), Kind::Disabled);
}

#[test]
fn a_retrieval_that_a_purge_overtakes_leaves_nothing_behind() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    lake.kms.hang();
    thread::scope(|scope| {
        let serving = scope.spawn(|| retrieved(&file, &metadata));
        while lake.kms.hanging() == 0 {
            thread::yield_now();
        }
        lake.keys.purge();
        lake.kms.go_on();
        serving.join().unwrap().unwrap();
    });
    assert_eq!(lake.keys.kept(), 0);
    retrieved(&file, &metadata).unwrap();
    assert_eq!(lake.calls().1, 2);
}

#[test]
fn one_call_serves_all_who_ask_at_once() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    lake.kms.hang();
    thread::scope(|scope| {
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| retrieved(&file, &metadata).unwrap())).collect();
        while lake.kms.hanging() == 0 {
            thread::yield_now();
        }
        lake.kms.go_on();
        let keys: Vec<_> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
        assert!(keys.iter().all(|key| *key == keys[0]));
    });
    assert_eq!(lake.calls().1, 1);
}

#[test]
fn other_keys_over_the_same_kms_share_nothing() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    retrieved(&file, &metadata).unwrap();
    let bob = ParquetKeys::new(lake.sse.requested_by(Requester::new("bob")));
    retrieved(&bob.file(name()).unwrap(), &metadata).unwrap();
    let asked: Vec<_> = lake.kms.requests().iter().map(|request| request.requester().as_str().to_owned()).collect();
    assert_eq!(asked[asked.len() - 2..], ["anonymous", "bob"]);
}

/// The embedded KMS tells its changes.
#[test]
fn a_key_that_is_disabled_serves_no_more_reader_if_the_kms_tells_changes() {
    let directory = tempfile::tempdir().unwrap();
    let owner = Requester::new("owner");
    let kms = EmbeddedKms::builder(directory.path().join("kms.atrest"));
    let kms = kms.create(&RootKey::generate().unwrap(), owner.clone()).unwrap();
    let admin = kms.requested_by(owner.clone());
    let key_id = admin.create_key(NewKey::new()).unwrap().arn;
    let sse = Sse::builder().kms(Arc::new(kms), KmsKeys::all()).build().unwrap().requested_by(owner);
    for bucket_key in [false, true] {
        let keys = ParquetKeys::new(sse.clone());
        let file = keys.file(name()).unwrap();
        let modes = ColumnModes::new(SseKms::new(&*key_id).with_bucket_key(bucket_key));
        let stored = write(&file, &modes);
        assert_eq!(read(&file, &stored).unwrap(), people());
        admin.disable_key(&key_id).unwrap();
        assert_eq!(kind(read(&file, &stored)), Kind::Disabled);
        // Nor does the refusal outlive its cause.
        admin.enable_key(&key_id).unwrap();
        assert_eq!(read(&file, &stored).unwrap(), people());
    }
}

#[test]
fn a_version_of_the_keyring_that_is_disabled_serves_no_more_reader() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = RootKey::generate().unwrap();
    let keyring = Keyring::create_blocking(directory.path().join("keyring.atrest"), &root_key).unwrap();
    let keys = ParquetKeys::new(Sse::builder().keyring(keyring.clone()).build().unwrap());
    let file = keys.file(name()).unwrap();
    let stored = write(&file, &ColumnModes::new(SseS3));
    assert_eq!(read(&file, &stored).unwrap(), people());
    keyring.blocking().rotate().unwrap();
    assert_eq!(read(&file, &stored).unwrap(), people());
    assert_eq!(keys.kept(), 1);
    keyring.blocking().disable(1).unwrap();
    assert_eq!(kind(read(&file, &stored)), Kind::Disabled);
    assert_eq!(keys.kept(), 0);
}

#[test]
fn a_key_that_was_kept_for_one_file_serves_no_other() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    retrieved(&file, &metadata).unwrap();
    let other = lake.keys.file(ObjectName::new("lake", "people/part-1.parquet").unwrap()).unwrap();
    assert!(matches!(reason(&retrieved(&other, &metadata).unwrap_err()), KeyError::Atrest(_)));
}

#[test]
fn nothing_shows_a_key() {
    let lake = Lake::new();
    let file = lake.keys.file(name()).unwrap();
    let metadata = metadata(&file, &lake.modes());
    let key = retrieved(&file, &metadata).unwrap();
    let shown = format!("{:?} {:?} {:?} {:?}", lake.keys, file, file.decryption(), lake.modes());
    let in_decimal = format!("{key:?}");
    assert!(!shown.contains(in_decimal.trim_matches(['[', ']'])), "{shown}");
    assert!(shown.contains("kept: 1") && shown.contains("people/part-0.parquet"), "{shown}");
}
