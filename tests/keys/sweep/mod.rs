//! `Sweep`: rewraps and reports, races, cursors, pace, uploads, and the encryption of unencrypted objects.

mod cursors;
#[cfg(feature = "testing")]
mod elsewhere;
mod kit;
#[cfg(feature = "testing")]
mod kms_usage;
mod plain;
mod random;
mod records;
mod unread;
mod uploads;

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use atrest::error::{KeyringError, Unexpected};
use atrest::rotation::{Entry, EnvelopeStore, ProblemKind, StoreFuture, Sweep, SweepEvent};
use atrest::{DsseKms, Envelope, Error, Keyring, ObjectName, Sse, SseKms, SseS3, Unlock};
use atrest_kit::{KMS_KEY, Service};
use futures_util::stream;
use kit::{Store, object, word};

#[test]
fn everything_under_an_older_version_is_rewrapped_and_opens_and_the_old_version_is_retired() {
    let service = Service::new();
    let mut store = Store::default();
    for (at, mode) in service.modes().into_iter().cycle().take(20).enumerate() {
        store.put(&service, &format!("{at:02}"), mode);
    }
    service.keyring.blocking().rotate().unwrap();
    store.put(&service, "new", SseS3);
    let before = store.bodies.clone();
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    let counts = report.counts();
    let per_mode = |mode| service.modes().into_iter().cycle().take(20).filter(|m| m.id() == mode).count() as u64;
    assert_eq!(counts.entries, 21);
    assert_eq!(counts.rewrapped, per_mode(atrest::ModeId::SseS3) + per_mode(atrest::ModeId::DsseKms));
    assert_eq!((counts.sse_kms, counts.sse_c), (per_mode(atrest::ModeId::SseKms), per_mode(atrest::ModeId::SseC)));
    assert_eq!((counts.current, counts.unencrypted, counts.gone, counts.problems), (1, 0, 0, 0));
    assert!(report.is_complete() && report.problems().is_empty());
    let versions: Vec<_> = report.versions().map(|(n, v)| (n, v.rewrapped.objects, v.current.objects)).collect();
    assert_eq!(versions, [(1, counts.rewrapped, 0), (2, 0, 1)]);

    service.keyring.blocking().disable(1).unwrap();
    service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap();
    for (key, body) in &before {
        let stored = atrest::Encrypted::new(Envelope::decode(&store.envelope(key)).unwrap(), body.clone());
        assert_eq!(service.decrypt(&object(key), &stored).unwrap(), b"meow");
    }
    let again = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((again.counts().rewrapped, again.counts().current), (0, counts.rewrapped + 1));
}

#[test]
fn a_version_that_still_wraps_something_is_not_retired_on_the_report() {
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    store.put(&service, "b", SseS3);
    service.keyring.blocking().rotate().unwrap();
    store.failing = vec!["b".into()];
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let refused = service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap_err();
    let in_use = KeyringError::VersionInUse { version: 1, objects: 1, uploads: 0 };
    assert!(matches!(refused, Error::Keyring(error) if error == in_use), "{refused}");
    assert_eq!(report.problems()[0].kind(), ProblemKind::Store);
}

#[test]
fn a_sweep_for_everything_has_fresh_keys_from_the_kms_and_leaves_sse_c_alone() {
    let service = Service::new();
    let mut store = Store::default();
    for mode in service.modes() {
        store.put(&service, &mode.id().to_string(), mode);
    }
    let before = store.envelopes.lock().unwrap().clone();
    let report = Sweep::new(&service.sse).all().blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().sse_c), (service.modes().len() as u64 - 1, 1));
    for (key, was) in before {
        let (was, is) = (Envelope::decode(&was).unwrap(), Envelope::decode(&store.envelope(&key)).unwrap());
        assert_eq!(was == is, key == "SSE-C", "{key}");
        assert!(is.inner().is_none_or(|inner| Some(inner) != was.inner()), "both layers of {key}");
        if let Some(unlocked) =
            (key != "SSE-C").then(|| service.sse.blocking().decryptor(&object(&key), &is, Unlock::Server))
        {
            unlocked.unwrap();
        }
    }
}

#[test]
fn what_cannot_be_rewrapped_is_reported_by_name_and_left_as_it_is() {
    let service = Service::new();
    let mut store = Store::default();
    for (key, next) in [("under a retired one", 2), ("under a disabled one", 3), ("fine", 4)] {
        store.put(&service, key, SseS3);
        assert_eq!(service.keyring.blocking().rotate().unwrap(), next);
    }
    let moved = store.envelope("fine");
    store.set("moved", moved);
    store.set("damaged", b"\x89ARST\r\n\x1a and no more".to_vec());
    store.set("no envelope", b"meow".to_vec());
    let other = Service::new();
    store.put(&other, "of another keyring", SseS3);
    store.plain("plain");
    store.put(&service, "kms", SseKms::new(KMS_KEY));
    service.keyring.blocking().disable(1).unwrap();
    service.keyring.blocking().retire_losing_what_it_wraps(1).unwrap();
    service.keyring.blocking().disable(2).unwrap();

    let before = store.envelopes.lock().unwrap().clone();
    let mut told = Vec::new();
    let report = Sweep::new(&service.sse)
        .on_event(|event| {
            if let SweepEvent::Entry { entry, outcome, .. } = event {
                told.push((String::from_utf8(entry.name().key().to_vec()).unwrap(), word(outcome)));
            }
            Ok(())
        })
        .blocking()
        .rewrap(store.listing(), &store)
        .unwrap();
    let problems: Vec<_> = report
        .problems()
        .iter()
        .map(|p| (std::str::from_utf8(p.name().key()).unwrap(), p.kind(), p.version()))
        .collect();
    assert_eq!(
        problems,
        [
            ("damaged", ProblemKind::Damaged, None),
            ("moved", ProblemKind::Inauthentic, Some(3)),
            ("no envelope", ProblemKind::Damaged, None),
            ("of another keyring", ProblemKind::Unexpected, None),
            ("under a disabled one", ProblemKind::VersionDisabled, Some(2)),
            ("under a retired one", ProblemKind::VersionUnknown, Some(1)),
        ]
    );
    assert!(
        report.problems()[4].reason().contains("version 2")
            && report.problems()[4].to_string().contains("disabled one")
    );
    let counts = report.counts();
    assert_eq!(
        (counts.entries, counts.rewrapped, counts.unencrypted, counts.sse_kms, counts.problems),
        (9, 1, 1, 1, 6)
    );
    assert_eq!(told.iter().filter(|(_, word)| *word == "problem").count(), 6);
    assert!(told.contains(&("plain".into(), "plain")));
    assert_eq!(report.usage().unwrap().unclear(), 2, "the versions of damaged envelopes are unknown");
    let rows: Vec<_> = report.versions().map(|(number, row)| (number, row.problems.objects)).collect();
    assert_eq!(rows, [(1, 1), (2, 1), (3, 1), (4, 0)]);
    for (key, was) in before.iter().filter(|(key, _)| *key != "fine") {
        assert_eq!(store.envelope(key), *was, "{key}");
    }
}

#[test]
fn without_the_keyring_its_envelopes_are_problems_and_never_current() {
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    let without = Sse::builder().build().unwrap();
    let report = Sweep::new(&without).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().problems, report.problems()[0].kind()), (1, ProblemKind::Unexpected));
    assert!(report.usage().is_none());
}

#[test]
fn a_swap_that_was_lost_once_is_tried_on_what_is_there_then() {
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    let elsewhere = service.sse.blocking().encrypt(&object("a"), SseS3, b"by another writer").unwrap();
    service.keyring.blocking().rotate().unwrap();
    let current = service.sse.blocking().encrypt(&object("a"), SseS3, b"by a third").unwrap();
    for (written, word, attempts) in [(elsewhere, "rewrapped", 2), (current, "current", 1)] {
        let listed = store.listing();
        let bytes = written.envelope.encode();
        store.interfere(move |attempt| (attempt == 1).then(|| Some(bytes.clone())));
        let report = Sweep::new(&service.sse).blocking().rewrap(listed, &store).unwrap();
        let counts = report.counts();
        assert_eq!((counts.rewrapped, counts.current), if word == "rewrapped" { (1, 0) } else { (0, 1) });
        assert_eq!(store.attempts(), attempts);
        assert_eq!(report.usage().unwrap().versions().collect::<Vec<_>>(), [(1, 0, 0), (2, 1, 0)]);
        store.put_at(&service, "a", 1);
    }
    store.interfere(|_| Some(None));
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().gone, report.counts().problems), (1, 0));
}

#[test]
fn a_swap_that_is_always_lost_ends_after_eight_attempts_and_keeps_every_version_from_being_retired() {
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    let others: Vec<_> = (0..8)
        .map(|_| service.sse.blocking().encrypt(&object("a"), SseS3, b"meow").unwrap().envelope.encode())
        .collect();
    service.keyring.blocking().rotate().unwrap();
    store.interfere(move |attempt| Some(Some(others[attempt - 1].clone())));
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((store.attempts(), report.counts().problems), (8, 1));
    assert_eq!(report.problems()[0].kind(), ProblemKind::Store);
    service.keyring.blocking().disable(1).unwrap();
    let refused = service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap_err();
    assert!(matches!(refused, Error::Keyring(KeyringError::UsageUnclear(1))), "{refused}");
}

#[test]
fn no_more_entries_are_in_flight_than_were_allowed_and_as_many_as_that() {
    let service = Service::new();
    let mut store = Store::default();
    for at in 0..50 {
        store.put(&service, &format!("{at:02}"), SseS3);
    }
    for concurrency in [0, 1, 2, 7, 16, 100] {
        service.keyring.blocking().rotate().unwrap();
        store.slow = true;
        let report =
            Sweep::new(&service.sse).concurrency(concurrency).blocking().rewrap(store.listing(), &store).unwrap();
        assert_eq!(report.counts().rewrapped, 50);
        assert_eq!(store.most_in_flight(), concurrency.clamp(1, 50), "{concurrency}");
    }
}

#[test]
fn events_come_in_the_order_of_the_listing_however_long_each_takes() {
    let service = Service::new();
    let mut store = Store::default();
    for at in 0..30 {
        store.put(&service, &format!("{at:02}"), SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    store.slow = true;
    let mut keys = Vec::new();
    let sweep = Sweep::new(&service.sse).concurrency(9).on_event(|event| {
        if let SweepEvent::Entry { entry, .. } = event {
            keys.push(entry.position().to_vec());
        }
        Ok(())
    });
    sweep.blocking().rewrap(store.listing(), &store).unwrap();
    assert!(keys.is_sorted() && keys.len() == 30);
}

#[test]
fn the_timer_is_asked_for_as_long_as_the_rewraps_may_take() {
    let service = Service::new();
    let mut store = Store::default();
    for at in 0..100 {
        store.put(&service, &format!("{at:03}"), SseS3);
    }
    // A rate, the waits for 100 rewraps, and how long each is: the last ones do not wait.
    let cases = [(1, 99, 1_000_000), (10, 99, 100_000), (100, 99, 10_000), (101, 49, 19_801), (1_000, 9, 10_000)];
    for (per_second, waits, micros) in cases {
        service.keyring.blocking().rotate().unwrap();
        let asked = Mutex::new(Vec::new());
        let timer = |wait: Duration| {
            asked.lock().unwrap().push(wait);
            std::future::ready(())
        };
        Sweep::new(&service.sse).rate_limit(per_second, timer).blocking().rewrap(store.listing(), &store).unwrap();
        let asked = asked.into_inner().unwrap();
        assert_eq!(asked.len(), waits, "{per_second}");
        assert!(asked.iter().all(|wait| wait.as_micros() == micros), "{per_second} {:?}", asked[0]);
    }
    let timer = |_| -> std::future::Ready<()> { panic!("nothing to rewrap, nothing to wait for") };
    let report = Sweep::new(&service.sse).rate_limit(0, timer).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!(report.counts().current, 100);
}

#[test]
fn an_error_of_the_listing_ends_the_sweep_after_a_last_checkpoint() {
    let service = Service::new();
    let mut store = Store::default();
    for at in 0..5 {
        store.put(&service, &format!("{at}"), SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    let mut listing = store.listing();
    listing.insert(3, Err(io::ErrorKind::TimedOut.into()));
    let mut last = None;
    let outcome = Sweep::new(&service.sse)
        .on_event(|event| {
            if let SweepEvent::Checkpoint(cursor) = event {
                last = Some(cursor.clone());
            }
            Ok(())
        })
        .blocking()
        .rewrap(listing, &store);
    assert!(matches!(outcome, Err(Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
    let last = last.unwrap();
    assert_eq!((last.position(), last.report().counts().rewrapped), (Some(&b"2"[..]), 3));
    let primary = |key: &str| Envelope::decode(&store.envelope(key)).unwrap().key_version() == Some(2);
    assert_eq!(["2", "3", "4"].map(primary), [true, false, false], "nothing is begun behind an error");
}

#[test]
fn a_sweep_can_be_spawned_on_a_runtime_with_a_stream_and_a_store_of_its_own() {
    fn spawnable<F: Future<Output = T> + Send, T>(future: F) -> F {
        future
    }
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    service.keyring.blocking().rotate().unwrap();
    let mut seen = 0;
    let sweep = Sweep::new(&service.sse)
        .rate_limit(1_000, |_| std::future::ready(()))
        .on_event(|_| {
            seen += 1;
            Ok(())
        })
        .rewrap(stream::iter(store.listing()), &store);
    assert_eq!(pollster::block_on(spawnable(sweep)).unwrap().counts().rewrapped, 1);
    assert_eq!(seen, 2);
}

#[test]
fn a_keyring_that_others_rotated_is_read_again_before_anything_is_rewrapped() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = atrest::RootKey::generate().unwrap();
    let path = directory.path().join("master.atrest");
    let one = atrest::Keyring::create_blocking(&path, &root_key).unwrap();
    let two = atrest::Keyring::open_blocking(&path, &root_key).unwrap();
    let sse = |keyring: &Keyring| Sse::builder().keyring(keyring.clone()).build().unwrap();
    let stored = sse(&one).blocking().encrypt(&object("a"), SseS3, b"meow").unwrap();
    one.blocking().rotate().unwrap();
    let store = Store::default();
    store.set("a", stored.envelope.encode());
    let report = Sweep::new(&sse(&two)).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().rewrapped, two.primary()), (1, 2));
    one.blocking().disable(1).unwrap();
    one.blocking().retire(1, report.usage().unwrap()).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(Sweep::new(&sse(&two)).blocking().rewrap(store.listing(), &store), Err(Error::Io(_))));
}

#[test]
fn only_the_first_thousand_problems_are_kept_and_all_are_counted() {
    let service = Service::new();
    let store = Store::default();
    for at in 0..1_005 {
        store.set(&format!("{at:04}"), b"meow".to_vec());
    }
    let report = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    assert_eq!((report.counts().problems, report.problems().len()), (1_005, 1_000));
    assert_eq!(report.problems()[999].name().key(), b"0999");
}

#[test]
fn versions_that_somebody_made_up_take_no_more_than_a_thousand_rows() {
    let service = Service::new();
    let stored = service.sse.blocking().encrypt(&object("a"), SseS3, b"meow").unwrap().envelope.encode();
    let at = stored.windows(8).position(|window| window == [0, 2, 0, 4, 0, 0, 0, 1]).unwrap() + 4;
    let listing = (1..=1_010_u32).rev().map(|version| {
        let mut forged = stored.clone();
        forged[at..at + 4].copy_from_slice(&version.to_be_bytes());
        Ok(Entry::object(object("a"), forged))
    });
    let report = Sweep::new(&service.sse).blocking().rewrap(listing, &Store::default()).unwrap();
    assert_eq!((report.versions().count(), report.further_versions().problems.objects), (1_001, 9));
    assert_eq!(report.usage().unwrap().versions().collect::<Vec<_>>(), [(1, 1, 0)], "the keyring's own is counted");
    let kept = atrest::rotation::Report::from_bytes(&report.to_bytes()).unwrap();
    assert_eq!(kept, report);
}

#[test]
fn an_entry_that_is_not_accepted_here_is_told_as_such() {
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    service.keyring.blocking().rotate().unwrap();
    let unbound = ObjectName::unbound();
    let entry = Entry::object(unbound, store.envelope("a"));
    let mut told = None;
    let sweep = Sweep::new(&service.sse).on_event(|event| {
        if let SweepEvent::Entry { outcome: atrest::rotation::EntryOutcome::Problem(error), .. } = event {
            told = Some(error.clone());
        }
        Ok(())
    });
    sweep.blocking().rewrap([Ok(entry)], &store).unwrap();
    assert!(matches!(told, Some(Error::Unexpected(Unexpected::Bound))), "{told:?}");
    if atrest::Backend::available().count() > 1 {
        let keyring_alone = Sse::builder().keyring(service.keyring.clone()).build().unwrap();
        store.put(&service, "dsse", DsseKms::new(KMS_KEY));
        service.keyring.blocking().rotate().unwrap();
        let report = Sweep::new(&keyring_alone).blocking().rewrap(store.listing(), &store).unwrap();
        assert_eq!((report.counts().rewrapped, report.problems()[0].kind()), (1, ProblemKind::Unexpected));
    }
}

#[test]
fn an_event_that_is_answered_with_an_error_ends_the_sweep() {
    let service = Service::new();
    let mut store = Store::default();
    for key in ["1", "2", "3"] {
        store.put(&service, key, SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    let sweep = Sweep::new(&service.sse).concurrency(1).checkpoint_every(2).on_event(|event| match event {
        SweepEvent::Checkpoint(_) => Err(io::ErrorKind::StorageFull.into()),
        _ => Ok(()),
    });
    let outcome = sweep.blocking().rewrap(store.listing(), &store);
    assert!(matches!(outcome, Err(Error::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
}

#[test]
fn a_sweep_gives_up_on_a_store_that_is_down_and_a_resumed_one_does_what_was_left() {
    let service = Service::new();
    let mut store = Store::default();
    let keys: Vec<String> = (10..40).map(|at| at.to_string()).collect();
    for key in &keys {
        store.put(&service, key, SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    let down = Down { store: &store, from: "20", kind: io::ErrorKind::HostUnreachable };
    let mut last = None;
    let sweep = Sweep::new(&service.sse).concurrency(4).checkpoint_every(3).give_up_after(5).on_event(|event| {
        if let SweepEvent::Checkpoint(cursor) = event {
            last = Some(cursor.clone());
        }
        Ok(())
    });
    let outcome = sweep.blocking().rewrap(store.listing(), &down);
    assert!(matches!(outcome, Err(Error::Io(error)) if error.kind() == io::ErrorKind::HostUnreachable));
    let last = last.unwrap();
    assert_eq!((last.position(), last.report().counts().problems), (Some(&b"19"[..]), 0));
    let rest = store.listing().into_iter().filter(|entry| entry.as_ref().unwrap().position() > &b"19"[..]);
    let report = Sweep::new(&service.sse).resume(last).blocking().rewrap(rest, &store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().problems), (30, 0));
}

#[test]
fn entries_that_are_too_long_for_the_store_are_problems_and_never_end_the_sweep() {
    let service = Service::new();
    let mut store = Store::default();
    for key in ["1", "2", "3"] {
        store.put(&service, key, SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    let long = Down { store: &store, from: "2", kind: io::ErrorKind::FileTooLarge };
    let report = Sweep::new(&service.sse).give_up_after(1).blocking().rewrap(store.listing(), &long).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().problems), (1, 2));
    assert!(report.problems().iter().all(|problem| problem.kind() == ProblemKind::Store));
}

/// A store that fails for the entries from a key on.
struct Down<'a> {
    store: &'a Store,
    from: &'static str,
    kind: io::ErrorKind,
}

impl EnvelopeStore for Down<'_> {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        if entry.name().key() >= self.from.as_bytes() {
            return Box::pin(async { Err(self.kind.into()) });
        }
        self.store.replace(entry, old, new)
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        self.store.read(entry)
    }
}

#[test]
fn the_cursor_of_a_sweep_goes_on_with_no_sweep_for_more() {
    let service = Service::new();
    let mut store = Store::default();
    for key in ["1", "2"] {
        store.put(&service, key, SseS3);
    }
    let mut cursors = Vec::new();
    let sweep = Sweep::new(&service.sse).checkpoint_every(1).on_event(|event| {
        if let SweepEvent::Checkpoint(cursor) = event {
            cursors.push(cursor.clone());
        }
        Ok(())
    });
    sweep.blocking().rewrap(store.listing(), &store).unwrap();
    let rest = store.listing().into_iter().skip(1);
    let refused = Sweep::new(&service.sse).all().resume(cursors.remove(0)).blocking().rewrap(rest, &store);
    assert!(matches!(refused, Err(Error::Cursor(atrest::error::CursorError::OtherSweep))));
}
