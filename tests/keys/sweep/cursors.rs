//! `Cursor` and `Report`: resuming, and their bytes.

use std::io;

use atrest::error::{CursorError, Misuse, Unexpected};
use atrest::rotation::{Cursor, Report, Sweep, SweepEvent};
use atrest::{Error, SseKms, SseS3};
use sha2::Digest;

use super::kit::{Store, object};
use atrest_kit::{KMS_KEY, Service};

/// A store with every kind of entry, under a keyring that was rotated.
pub(crate) fn mixed(service: &Service) -> Store {
    let mut store = Store::default();
    for at in 0..12 {
        store.put(service, &format!("{at:02}"), SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    store.put(service, "kms", SseKms::new(KMS_KEY));
    store.put(service, "current", SseS3);
    store.set("05 damaged", b"meow".to_vec());
    let moved = store.envelope("01");
    store.set("08 moved", moved);
    store.plain("07 plain");
    store
}

fn copy(store: &Store) -> Store {
    let copy = Store::default();
    copy.envelopes.lock().unwrap().clone_from(&store.envelopes.lock().unwrap());
    copy
}

/// Sweeps over the listing until it fails, and returns the last cursor.
fn interrupted(service: &Service, store: &Store, after: usize) -> Option<Cursor> {
    let mut listing = store.listing();
    listing.insert(after, Err(io::ErrorKind::ConnectionReset.into()));
    let mut last = None;
    let sweep = Sweep::new(&service.sse).concurrency(5).checkpoint_every(1).on_event(|event| {
        if let SweepEvent::Checkpoint(cursor) = event {
            last = Some(cursor.clone());
        }
        Ok(())
    });
    assert!(sweep.blocking().rewrap(listing, store).is_err());
    last
}

#[test]
fn a_sweep_that_is_resumed_from_any_cursor_gives_the_report_of_one_that_was_not_interrupted() {
    let service = Service::new();
    let store = mixed(&service);
    let whole = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &copy(&store)).unwrap();
    assert_eq!((whole.counts().rewrapped, whole.counts().problems), (12, 2));
    for after in 0..=store.listing().len() {
        let store = copy(&store);
        let cursor = interrupted(&service, &store, after);
        assert_eq!(cursor.is_some(), after > 0);
        let sweep = Sweep::new(&service.sse);
        let (sweep, listing) = match cursor {
            Some(cursor) => {
                let cursor = Cursor::from_bytes(&cursor.to_bytes()).unwrap();
                assert_eq!(cursor.report().counts().entries, after as u64);
                assert!(!cursor.report().is_complete() && !cursor.report().usage().unwrap().is_finished());
                let listing = store.listing_after(cursor.position());
                (sweep.resume(cursor), listing)
            }
            None => (sweep, store.listing()),
        };
        let report = sweep.blocking().rewrap(listing, &store).unwrap();
        assert_eq!(report, whole, "interrupted after {after}");
    }
}

#[test]
fn a_cursor_from_before_a_crash_passes_over_nothing() {
    let service = Service::new();
    let store = mixed(&service);
    let mut cursors = Vec::new();
    let sweep = Sweep::new(&service.sse).checkpoint_every(4).on_event(|event| {
        if let SweepEvent::Checkpoint(cursor) = event {
            cursors.push(cursor.clone());
        }
        Ok(())
    });
    let whole = sweep.blocking().rewrap(store.listing(), &store).unwrap();
    let positions: Vec<_> = cursors.iter().map(|cursor| cursor.report().counts().entries).collect();
    assert_eq!(positions, [4, 8, 12, 16, 17]);
    // The store is further than the cursor: what was done behind it is met again, and is current.
    for cursor in cursors {
        let listing = store.listing_after(cursor.position());
        let report = Sweep::new(&service.sse).resume(cursor).blocking().rewrap(listing, &store).unwrap();
        let (resumed, whole) = (report.counts(), whole.counts());
        assert_eq!(resumed.rewrapped + resumed.current, whole.rewrapped + whole.current);
        assert_eq!((resumed.entries, resumed.problems), (whole.entries, whole.problems));
    }
}

#[test]
fn a_resumed_walk_retires_what_both_halves_found_unused() {
    let service = Service::new();
    let mut store = Store::default();
    for at in 0..10 {
        store.put(&service, &format!("{at}"), SseS3);
    }
    service.keyring.blocking().rotate().unwrap();
    let cursor = interrupted(&service, &store, 4).unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let unfinished = cursor.report().usage().unwrap();
    assert!(service.keyring.blocking().retire(1, unfinished).unwrap_err().to_string().contains("resume it"));
    service.keyring.blocking().enable(1).unwrap();
    let listing = store.listing_after(cursor.position());
    let report = Sweep::new(&service.sse).resume(cursor).blocking().rewrap(listing, &store).unwrap();
    let report = Report::from_bytes(&report.to_bytes()).unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let refused = service.keyring.blocking().retire(1, report.usage().unwrap()).unwrap_err();
    assert!(refused.to_string().contains("walk again"), "disabled, enabled, disabled: too much to tell: {refused}");
    let again = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &store).unwrap();
    service.keyring.blocking().retire(1, again.usage().unwrap()).unwrap();
}

#[test]
fn a_cursor_goes_on_with_nothing_but_its_own_sweep() {
    let service = Service::new();
    let store = mixed(&service);
    let cursor = interrupted(&service, &store, 3).unwrap();
    let other = Service::new();
    let refused = Sweep::new(&other.sse).resume(cursor.clone()).blocking().rewrap(store.listing(), &store).unwrap_err();
    assert!(matches!(refused, Error::Unexpected(Unexpected::KeyringId)));
    let without = atrest::Sse::builder().build().unwrap();
    let refused = Sweep::new(&without).resume(cursor.clone()).blocking().rewrap(store.listing(), &store).unwrap_err();
    assert!(matches!(refused, Error::Unexpected(Unexpected::KeyringId)));
    let sweep = Sweep::new(&service.sse).resume(cursor.clone());
    let refused =
        sweep.blocking().encrypt_unencrypted(SseS3, store.listing(), &super::plain::Bodies::default()).unwrap_err();
    assert!(matches!(refused, Error::Cursor(CursorError::OtherSweep)));
    let bytes = cursor.to_bytes();
    assert!(matches!(Report::from_bytes(&bytes), Err(Error::Cursor(CursorError::NotACursor))));
    assert!(matches!(Cursor::from_bytes(b"meow"), Err(Error::Cursor(CursorError::NotACursor))));
    let mut newer = bytes;
    newer[8] = 4;
    assert!(matches!(Cursor::from_bytes(&newer), Err(Error::Cursor(CursorError::UnsupportedVersion(4)))));
}

#[test]
fn positions_that_do_not_tell_two_entries_apart_are_refused_where_they_could_pass_one_over() {
    let service = Service::new();
    let mut store = Store::default();
    store.put(&service, "a", SseS3);
    service.keyring.blocking().rotate().unwrap();
    let versions = || {
        ["1", "2"].map(|version| {
            let name = object("a").with_version_id(version).unwrap();
            Ok(atrest::rotation::Entry::object(name, store.envelope("a")))
        })
    };
    let refused = Sweep::new(&service.sse).on_event(|_| Ok(())).blocking().rewrap(versions(), &store).unwrap_err();
    assert!(matches!(refused, Error::Misuse(Misuse::SamePosition)));
    assert_eq!(Sweep::new(&service.sse).blocking().rewrap(versions(), &store).unwrap().counts().entries, 2);
    let cursor = interrupted(&service, &store, 1).unwrap();
    // Listed from the cursor's position, and not after it.
    let refused = Sweep::new(&service.sse).resume(cursor).blocking().rewrap(store.listing(), &store).unwrap_err();
    assert!(matches!(refused, Error::Misuse(Misuse::SamePosition)));
}

#[test]
fn damage_to_any_byte_of_a_cursor_or_a_report_is_found() {
    let service = Service::new();
    let store = mixed(&service);
    let whole = Sweep::new(&service.sse).blocking().rewrap(store.listing(), &copy(&store)).unwrap();
    let cursor = interrupted(&service, &store, 14).unwrap();
    assert_eq!(Cursor::from_bytes(&cursor.to_bytes()).unwrap(), cursor);
    assert_eq!(Report::from_bytes(&whole.to_bytes()).unwrap(), whole);
    for bytes in [cursor.to_bytes(), whole.to_bytes()] {
        let refused = |bytes: &[u8]| {
            let outcomes = [Cursor::from_bytes(bytes).map(drop), Report::from_bytes(bytes).map(drop)];
            outcomes.into_iter().all(|outcome| matches!(outcome, Err(Error::Cursor(_))))
        };
        for at in 0..bytes.len() {
            for change in [1, 0x80, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at] ^= change;
                assert!(refused(&damaged), "byte {at}");
            }
            assert!(refused(&bytes[..at]), "cut at {at}");
        }
        assert!(refused(&[&bytes[..], &[0]].concat()));
    }
}

/// The checksum finds damage. The parser behind it must withstand bytes that an attacker made.
#[test]
fn bytes_with_a_right_checksum_are_still_read_with_care_and_have_one_encoding() {
    let service = Service::new();
    let store = mixed(&service);
    let cursor = interrupted(&service, &store, 14).unwrap();
    let bytes = cursor.to_bytes();
    let body = &bytes[..bytes.len() - 8];
    let summed = |body: &[u8]| {
        let sum = sha2::Sha512::digest(body);
        [body, &sum[..8]].concat()
    };
    assert_eq!(summed(body), bytes);
    for at in 10..body.len() {
        for change in [1, 2, 0x80, 0xFF] {
            let mut forged = body.to_vec();
            forged[at] ^= change;
            let forged = summed(&forged);
            match Cursor::from_bytes(&forged) {
                Ok(cursor) => assert_eq!(cursor.to_bytes(), forged, "byte {at}"),
                Err(error) => assert!(matches!(error, Error::Cursor(CursorError::Malformed(_))), "{error:?}"),
            }
        }
        assert!(Cursor::from_bytes(&summed(&body[..at])).is_err());
        let longer = [&body[..at], &[0], &body[at..]].concat();
        if let Ok(cursor) = Cursor::from_bytes(&summed(&longer)) {
            assert_eq!(cursor.to_bytes(), summed(&longer), "a byte more at {at}");
        }
    }
    // Counts that do not add up.
    let counts = body.len() - body.windows(8).rev().position(|w| w == 14_u64.to_be_bytes()).unwrap() - 8;
    let mut forged = body.to_vec();
    forged[counts + 7] ^= 1;
    assert!(Cursor::from_bytes(&summed(&forged)).is_err());
}
