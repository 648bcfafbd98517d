//! Random stores: the counts of a report always add up.

use std::collections::BTreeMap;

use atrest::SseKms;
use atrest::rotation::{Cursor, Report, Sweep, SweepEvent};
use proptest::prelude::*;

use super::kit::{Store, word};
use atrest_kit::{KMS_KEY, Service};

#[derive(Clone, Copy, Debug)]
enum Kind {
    Version(u32),
    Damaged,
    Plain,
    Kms,
    Failing,
    Gone,
}

/// The expected outcome if version 2 is disabled and 4 is the primary.
fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Version(4) => "current",
        Kind::Version(2) | Kind::Damaged | Kind::Failing => "problem",
        Kind::Version(_) => "rewrapped",
        Kind::Plain => "plain",
        Kind::Kms => "other mode",
        Kind::Gone => "gone",
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        4 => (1_u32..=4).prop_map(Kind::Version),
        1 => Just(Kind::Damaged),
        1 => Just(Kind::Plain),
        1 => Just(Kind::Kms),
        1 => Just(Kind::Failing),
        1 => Just(Kind::Gone),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_and_cursors_add_up_to_the_report_of_any_store(
        kinds in proptest::collection::vec(kind(), 0..40),
        concurrency in 1_usize..20,
        every in 1_u64..10,
        cut in 0_usize..40,
    ) {
        let service = Service::new();
        for _ in 0..3 {
            service.keyring.blocking().rotate().unwrap();
        }
        let mut store = Store::default();
        store.slow = true;
        let mut objects = BTreeMap::new();
        for (at, kind) in kinds.iter().enumerate() {
            let key = format!("{at:02}");
            match kind {
                Kind::Version(version) => store.put_at(&service, &key, *version),
                Kind::Damaged => store.set(&key, vec![1, 2, 3]),
                Kind::Plain => store.plain(&key),
                Kind::Kms => store.put(&service, &key, SseKms::new(KMS_KEY)),
                Kind::Failing => {
                    store.put_at(&service, &key, 1);
                    store.failing.push(key);
                }
                Kind::Gone => store.put_at(&service, &key, 1),
            }
        }
        for kind in &kinds {
            let under = match kind {
                Kind::Version(version @ (2 | 4)) => Some(*version),
                Kind::Version(_) => Some(4),
                Kind::Failing => Some(1),
                _ => None,
            };
            *objects.entry(under).or_insert(0_u64) += 1;
        }
        service.keyring.blocking().disable(2).unwrap();
        let mut listing = store.listing();
        for (at, kind) in kinds.iter().enumerate() {
            if matches!(kind, Kind::Gone) {
                store.envelopes.lock().unwrap().remove(&format!("{at:02}"));
            }
        }

        // In two halves, with the cursor's bytes in between.
        let cut = cut.min(listing.len());
        let rest = listing.split_off(cut);
        let mut told = Vec::new();
        let mut cursors: Vec<Cursor> = Vec::new();
        let mut on_event = |event: SweepEvent<'_>| {
            match event {
                SweepEvent::Entry { outcome, .. } => told.push(word(outcome)),
                SweepEvent::Checkpoint(cursor) => cursors.push(cursor.clone()),
                _ => {}
            }
            Ok(())
        };
        let sweep = || Sweep::new(&service.sse).concurrency(concurrency).checkpoint_every(every);
        sweep().on_event(&mut on_event).blocking().rewrap(listing, &store).unwrap();
        let last = cursors.last().map(|cursor| Cursor::from_bytes(&cursor.to_bytes()).unwrap());
        prop_assert_eq!(last.as_ref().map_or(0, |cursor| cursor.report().counts().entries), cut as u64);
        let second = match last {
            Some(cursor) => sweep().resume(cursor),
            None => sweep(),
        };
        let report = second
            .on_event(|event| {
                if let SweepEvent::Entry { outcome, .. } = event {
                    told.push(word(outcome));
                }
                Ok(())
            })
            .blocking().rewrap(rest, &store)
            .unwrap();

        prop_assert_eq!(&told, &kinds.iter().map(|kind| expected(*kind)).collect::<Vec<_>>());
        let count = |word| told.iter().filter(|told| **told == word).count() as u64;
        let counts = report.counts();
        prop_assert_eq!(counts.entries, kinds.len() as u64);
        prop_assert_eq!(
            [counts.rewrapped, counts.current, counts.unencrypted, counts.sse_kms, counts.gone, counts.problems],
            ["rewrapped", "current", "plain", "other mode", "gone", "problem"].map(count)
        );
        let usage = report.usage().unwrap();
        prop_assert!(usage.is_finished());
        for (version, counted, uploads) in usage.versions() {
            prop_assert_eq!((counted, uploads), (objects.get(&Some(version)).copied().unwrap_or(0), 0));
        }
        prop_assert_eq!(usage.unclear(), kinds.iter().filter(|kind| matches!(kind, Kind::Damaged)).count() as u64);
        prop_assert_eq!(Report::from_bytes(&report.to_bytes()).unwrap(), report);
    }
}
