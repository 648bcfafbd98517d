//! `KmsUsage`: what is under each KMS key, by an inventory, by a sweep, and by cursors and reports of earlier releases.

use std::io;

use atrest::error::CursorError;
use atrest::rotation::{Cursor, Entry, Inventory, KmsUsage, Report, Sweep, SweepEvent};
use atrest::{DsseKms, Error, SseKms, SseS3};
use sha2::Digest;

use super::elsewhere::{DSSE, World, world};
use super::kit::object;

fn inventory(world: &World) -> KmsUsage {
    let totals = Inventory::new(&world.sse).blocking().run(world.store.listing(), |_| Ok(())).unwrap();
    totals.kms_usage().clone()
}

/// The ids of the keys, each with objects and uploads in SSE-KMS and in DSSE-KMS.
fn counts(usage: &KmsUsage) -> Vec<(String, [u64; 4])> {
    let counts = usage.keys().map(|(key_id, under)| {
        let (one, two) = (under.sse_kms, under.dsse_kms);
        (key_id.to_owned(), [one.objects, one.uploads, two.objects, two.uploads])
    });
    counts.collect()
}

#[test]
fn an_inventory_counts_each_object_once_under_its_kms_key_by_mode_and_asks_no_kms() {
    let mut world = world();
    let a = world.a.clone();
    world.put("bucket key", SseKms::new(&*a).with_bucket_key(true));
    world.upload("upload", SseKms::new(&*a));
    if DSSE {
        world.upload("upload in two layers", DsseKms::new(&*a));
    }
    world.store.plain("plain");
    let calls = world.kms.calls();
    let usage = inventory(&world);
    let dsse = u64::from(DSSE);
    assert_eq!(counts(&usage), [(world.a.clone(), [3, 1, dsse, dsse]), (world.b.clone(), [1, 0, 0, 0])]);
    assert_eq!((usage.unclear(), usage.is_finished(), world.kms.calls()), (0, true, calls));
}

#[test]
fn only_a_finished_walk_without_a_doubt_shows_that_a_key_is_unused() {
    let world = world();
    let usage = inventory(&world);
    for used in [&*world.a, &*world.b, "arn:aws:kms:eu-west-1:111122223333:key/a"] {
        assert!(!usage.is_unused(used), "{used}");
    }
    let no_ids = ["", "alias/b", "alias/none", "arn:aws:kms:eu-west-1:111122223333:alias/none", "a label", "key:\n"];
    for no_id in no_ids {
        assert!(!usage.is_unused(no_id), "{no_id:?} is no resolved id");
    }
    assert!(usage.is_unused("memory-kms:key/c"));
    let begun = KmsUsage::default();
    assert!(!begun.is_unused("memory-kms:key/c") && !begun.is_finished());
    let mut doubtful = usage;
    doubtful.add_unclear(1);
    assert!(!doubtful.is_unused("memory-kms:key/c"));

    world.store.set("damaged", b"meow".to_vec());
    let damaged = inventory(&world);
    assert_eq!((damaged.unclear(), damaged.is_unused("memory-kms:key/c")), (1, false));
}

#[test]
fn what_a_sweep_reports_as_unused_can_be_disabled_and_everything_opens() {
    let world = world();
    // DSSE-KMS moves by a sweep of its own.
    if DSSE {
        world.to(DsseKms::new(&*world.b));
    }
    world.upload("upload", SseKms::new(&*world.a));
    let report = world.to(SseKms::new(&*world.b));
    let usage = report.kms_usage().unwrap();
    let dsse = u64::from(DSSE);
    assert_eq!(counts(usage), [(world.a.clone(), [0, 1, 0, 0]), (world.b.clone(), [4, 0, dsse, 0])]);
    assert!(!usage.is_unused(&world.a), "an upload under way keeps its KMS key");
    assert_eq!(usage, &inventory(&world));

    world.store.envelopes.lock().unwrap().remove("upload?up");
    let report = world.to(SseKms::new(&*world.b));
    assert!(report.kms_usage().unwrap().is_unused(&world.a));
    world.kms.disable(&world.a);
    world.check_all();
}

#[test]
fn an_entry_that_a_filter_or_an_error_leaves_counts_where_it_is_and_one_that_is_gone_nowhere() {
    let mut world = world();
    let sweep = Sweep::new(&world.sse).only(|entry| entry.name().key() == b"kms a");
    let report = sweep.blocking().rewrap_to(SseKms::new(&*world.b), world.store.listing(), &world.store).unwrap();
    assert_eq!(report.kms_usage().unwrap(), &inventory(&world));
    assert_eq!(report.counts().rewrapped, 1);

    world.kms.disable(&world.b);
    let failed = world.to(SseKms::new(&*world.b));
    assert!(failed.counts().problems > 0);
    assert_eq!(failed.kms_usage().unwrap(), &inventory(&world));
    world.kms.enable(&world.b);

    world.store.interfere(|attempt| (attempt == 1).then_some(None));
    let raced = world.to(SseKms::new(&*world.b));
    assert_eq!(raced.counts().gone, 1);
    assert_eq!(raced.kms_usage().unwrap(), &inventory(&world));

    // Other writers leave what is no envelope: which key it is under is not known.
    let other = world.store.envelope("s3");
    world.store.interfere(move |attempt| Some(Some([&other[..], &attempt.to_be_bytes()].concat())));
    let raced = world.to(SseS3);
    assert!(raced.counts().problems > 0);
    assert!(raced.kms_usage().unwrap().unclear() > 0);
}

#[test]
fn a_sweep_that_encrypts_counts_what_it_encrypted_and_what_was_encrypted() {
    let world = world();
    let bodies = super::plain::Bodies::default();
    bodies.put("plain", b"meow");
    let listing = world.store.listing().into_iter().chain([Ok(Entry::unencrypted(object("plain")))]);
    let target = SseKms::new(&*world.b);
    let report = Sweep::new(&world.sse).blocking().encrypt_unencrypted(target, listing, &bodies).unwrap();
    assert_eq!(report.counts().encrypted, 1);
    let usage = counts(report.kms_usage().unwrap());
    assert_eq!(usage, [(world.a.clone(), [2, 0, u64::from(DSSE), 0]), (world.b.clone(), [2, 0, 0, 0])]);
}

/// Every cursor of a sweep to key B that stores one after each entry, and its report.
fn cursors(world: &World) -> (Vec<Cursor>, Report) {
    let mut cursors = Vec::new();
    let sweep = Sweep::new(&world.sse).concurrency(1).checkpoint_every(1).on_event(|event| {
        if let SweepEvent::Checkpoint(cursor) = event {
            cursors.push(cursor.clone());
        }
        Ok(())
    });
    let target = SseKms::new(&*world.b);
    let report = sweep.blocking().rewrap_to(target, world.store.listing(), &world.store).unwrap();
    (cursors, report)
}

fn resumed(world: &World, cursor: Cursor) -> Report {
    let listing = world.store.listing_after(cursor.position());
    let sweep = Sweep::new(&world.sse).resume(cursor);
    sweep.blocking().rewrap_to(SseKms::new(&*world.b), listing, &world.store).unwrap()
}

#[test]
fn a_resumed_sweep_counts_as_one_that_was_not_interrupted() {
    let world = world();
    let (cursors, whole) = cursors(&world);
    assert_eq!(whole.kms_usage().unwrap(), &inventory(&world));
    for cursor in cursors {
        assert!(!cursor.report().kms_usage().unwrap().is_finished());
        let cursor = Cursor::from_bytes(&cursor.to_bytes()).unwrap();
        let report = resumed(&world, cursor);
        assert_eq!(report.kms_usage(), whole.kms_usage());
        assert_eq!(Report::from_bytes(&report.to_bytes()).unwrap(), report);
    }
}

/// Bytes as atrest 0.4 wrote them: another version, no KMS keys at the end.
fn without_kms_keys(bytes: &[u8], usage: &KmsUsage) -> Vec<u8> {
    let keys: usize = usage.keys().map(|(key_id, _)| 8 + key_id.len() + 4 * 8).sum();
    let mut bytes = bytes[..bytes.len() - 8 - (8 + 8 + keys)].to_vec();
    assert_eq!(std::mem::replace(&mut bytes[8], 2), 3);
    summed(&bytes)
}

fn summed(bytes: &[u8]) -> Vec<u8> {
    [bytes, &sha2::Sha512::digest(bytes)[..8]].concat()
}

#[test]
fn cursors_and_reports_of_earlier_releases_are_read_resumed_and_written_as_they_were_and_count_no_kms_keys() {
    let world = world();
    let (cursors, whole) = cursors(&world);
    let old = without_kms_keys(&whole.to_bytes(), whole.kms_usage().unwrap());
    let read = Report::from_bytes(&old).unwrap();
    assert_eq!((read.kms_usage(), read.counts(), read.usage()), (None, whole.counts(), whole.usage()));
    assert_eq!(read.to_bytes(), old);

    let cursor = &cursors[2];
    let old = without_kms_keys(&cursor.to_bytes(), cursor.report().kms_usage().unwrap());
    let cursor = Cursor::from_bytes(&old).unwrap();
    assert_eq!(cursor.to_bytes(), old);
    let report = resumed(&world, cursor);
    assert_eq!(
        (report.kms_usage(), report.counts().entries),
        (None, whole.counts().entries),
        "half a count is not shown"
    );
    assert_eq!(report.usage().map(|usage| usage.is_finished()), Some(true));

    // What that release wrote indeed.
    let (cursor, report) = (include_bytes!("saved/0.4.0.cursor"), include_bytes!("saved/0.4.0.report"));
    assert_eq!(Cursor::from_bytes(cursor).unwrap().to_bytes(), cursor);
    assert_eq!(Report::from_bytes(report).unwrap().to_bytes(), report);
}

#[test]
fn kms_keys_that_are_not_in_order_are_no_report() {
    let world = world();
    world.upload("under key A for good", SseKms::new(&*world.a));
    let (_, report) = cursors(&world);
    let bytes = report.to_bytes();
    let (a, b) = (world.a.as_bytes(), world.b.as_bytes());
    assert_eq!(a.len(), b.len());
    let body = &bytes[..bytes.len() - 8];
    // The last ids of the report are those of its KMS keys.
    let last = |id: &[u8]| body.windows(id.len()).rposition(|window| window == id).unwrap();
    for (first, second) in [(b, a), (a, a), (b, b)] {
        let mut forged = body.to_vec();
        forged[last(a)..][..a.len()].copy_from_slice(first);
        forged[last(b)..][..b.len()].copy_from_slice(second);
        let refused = Report::from_bytes(&summed(&forged));
        assert!(matches!(refused, Err(Error::Cursor(CursorError::Malformed(_)))), "{refused:?}");
    }
}

#[test]
fn keys_that_somebody_made_up_take_no_more_than_ten_thousand_counts_and_then_nothing_is_unused() {
    let world = world();
    let envelope = world.store.envelope("kms b");
    let id = world.b.as_bytes();
    let at = envelope.windows(id.len()).position(|window| window == id).unwrap();
    let forged = (0..10_005_u32).map(|number| {
        let mut envelope = envelope.clone();
        let made_up = format!("memory-kms:{number:05}");
        envelope[at..at + id.len()].copy_from_slice(made_up.as_bytes());
        Ok::<_, io::Error>(Entry::object(object("kms b"), envelope))
    });
    let totals = Inventory::new(&world.sse).blocking().run(forged, |_| Ok(())).unwrap();
    let usage = totals.kms_usage();
    assert_eq!((usage.keys().count(), usage.unclear()), (10_000, 5));
    assert!(!usage.is_unused("memory-kms:key/none"));
}
