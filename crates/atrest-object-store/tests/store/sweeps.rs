//! Sweeps over objects that cannot be read, that are long, and that change meanwhile.

use atrest::rotation::{ProblemKind, SweepEvent};
use atrest_object_store::{EncryptedStore, Placement};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
};

use crate::kit::{Keys, Memory, PLACEMENTS, at, built, get, plaintext, put, store};
use crate::spy::{Fault, Request};

const LONG: usize = 20 << 20;

#[tokio::test]
async fn an_object_that_the_store_denies_is_a_problem_with_its_name_and_the_sweep_goes_on() {
    for placement in PLACEMENTS {
        let (store, spy, keys) = store(placement);
        for name in ["a", "denied", "z"] {
            put(&store, name, plaintext(100)).await;
        }
        keys.keyring.rotate().await.unwrap();
        spy.deny(at("denied"));
        let mut seen = Vec::new();
        let sweep = store.sweep(None).on_event(|event| {
            if let SweepEvent::Entry { entry, .. } = event {
                seen.push(String::from_utf8_lossy(entry.position()).into_owned());
            }
            Ok(())
        });
        let report = sweep.rewrap().await.unwrap();
        assert_eq!((report.counts().rewrapped, report.counts().problems), (2, 1), "{placement:?}");
        assert_eq!(seen, ["a", "denied", "z"]);
        let problem = &report.problems()[0];
        assert_eq!((problem.name().key(), problem.kind()), (&b"denied"[..], ProblemKind::Store));
        assert!(problem.reason().contains("permission denied"), "{}", problem.reason());
        // It may be under the old version.
        keys.keyring.disable(1).await.unwrap();
        keys.keyring.retire(1, report.usage().unwrap()).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_sweep_gives_up_after_as_many_denied_objects_as_it_is_told() {
    let (store, spy, keys) = store(Placement::Behind);
    for number in 100..260 {
        put(&store, &format!("denied/{number}"), plaintext(10)).await;
        spy.deny(at(&format!("denied/{number}")));
    }
    put(&store, "object", plaintext(10)).await;
    keys.keyring.rotate().await.unwrap();
    for (most, goes_on) in [(1, false), (100, false), (161, true), (u64::MAX, true)] {
        let report = store.sweep(None).give_up_after(most).rewrap().await;
        assert_eq!(report.is_ok(), goes_on, "{most}");
        let Ok(report) = report else { continue };
        assert_eq!(report.counts().problems, 160);
    }
    assert!(matches!(store.sweep(None).rewrap().await, Err(atrest::Error::Io(_))));
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(10));
}

async fn long(placement: Placement, equal: bool) -> (EncryptedStore<Memory>, Memory, Keys) {
    let (store, spy, keys) = built(placement, |b| if equal { b.equal_parts(6 << 20) } else { b });
    let attributes: Attributes = [(Attribute::ContentType, "text/plain")].into_iter().collect();
    let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
    let mut upload = store.put_multipart_opts(&at("long"), options).await.unwrap();
    upload.put_part(plaintext(LONG).into()).await.unwrap();
    upload.complete().await.unwrap();
    put(&store, "short", plaintext(100)).await;
    keys.keyring.rotate().await.unwrap();
    spy.requests();
    (store, spy, keys)
}

#[tokio::test]
async fn a_long_object_is_written_in_parts_if_that_is_allowed() {
    for placement in PLACEMENTS {
        for equal in [false, true] {
            let (store, spy, keys) = long(placement, equal).await;
            let report = store.sweep(None).max_object_len(8 << 20).rewrap().await.unwrap();
            assert_eq!((report.too_long(), report.counts().problems), (&[at("long")][..], 1));
            spy.requests();
            let report = store.sweep(None).max_object_len(8 << 20).in_parts().rewrap().await.unwrap();
            assert_eq!((report.rewritten(), report.counts().problems), (&[at("long")][..], 0));
            let stored = spy.bare().head(&at("long")).await.unwrap().size;
            assert_eq!(report.rewritten_len(), stored);
            let len = |request| match request {
                Request::Part { len } => Some(len),
                _ => None,
            };
            let parts: Vec<_> = spy.requests().into_iter().filter_map(len).collect();
            let part = if equal { 6 << 20 } else { 8 << 20 };
            let (last, others) = parts.split_last().unwrap();
            assert!(others.iter().all(|len| *len == part) && *last > 0, "{placement:?} {parts:?}");
            keys.keyring.disable(1).await.unwrap();
            keys.keyring.retire(1, report.usage().unwrap()).await.unwrap();
            let got = store.get(&at("long")).await.unwrap();
            assert_eq!(got.attributes.get(&Attribute::ContentType).unwrap().as_ref(), "text/plain");
            assert_eq!(got.bytes().await.unwrap(), plaintext(LONG));
        }
    }
}

#[tokio::test]
async fn a_long_object_that_is_replaced_before_the_last_look_is_not_lost() {
    for placement in PLACEMENTS {
        let (store, spy, _) = long(placement, false).await;
        // The stored bytes and attributes of a newer object of the same length.
        let newer = plaintext(LONG + 1).slice(1..);
        let old = spy.bare().get(&at("long")).await.unwrap();
        let (old_attributes, old_body) = (old.attributes.clone(), old.bytes().await.unwrap());
        put(&store, "long", newer.clone()).await;
        let new = spy.bare().get(&at("long")).await.unwrap();
        let (attributes, body) = (new.attributes.clone(), new.bytes().await.unwrap());
        overwrite(&spy, old_body, old_attributes);
        let (replacing, mut left) = (spy.clone(), Some(()));
        spy.on_request(move |_, request| {
            // With the last part, before the last look.
            if !matches!(request, Request::Part { len } if *len < 8 << 20) || left.take().is_none() {
                return None;
            }
            let (spy, body, attributes) = (replacing.clone(), body.clone(), attributes.clone());
            Some(Fault::First(Box::new(move || overwrite(&spy, body, attributes))))
        });
        let report = store.sweep(None).max_object_len(8 << 20).in_parts().rewrap().await.unwrap();
        spy.calm();
        assert_eq!(report.counts().problems, 0, "{placement:?}: {:?}", report.problems());
        store.purge();
        assert_eq!(get(&store, "long").await.unwrap(), newer, "{placement:?}");
    }
}

/// Overwrites an object within a request of another call.
fn overwrite(spy: &Memory, body: Bytes, attributes: Attributes) {
    let options = PutOptions { attributes, ..PutOptions::default() };
    pollster::block_on(spy.bare().put_opts(&at("long"), body.into(), options)).unwrap();
}

#[tokio::test]
async fn short_or_other_answers_leave_a_long_object_as_it_is() {
    for placement in PLACEMENTS {
        for fault in [|| Fault::Short(1), || Fault::Short(9 << 20), || Fault::Breaks(9 << 20), || Fault::Moved(16)] {
            let (store, spy, _) = long(placement, false).await;
            spy.on_request(move |_, request| match request {
                Request::Get { range, .. } if !matches!(range, Some(range) if is_short(range)) => Some(fault()),
                _ => None,
            });
            let report = store.sweep(None).max_object_len(8 << 20).in_parts().rewrap().await.unwrap();
            spy.calm();
            assert!(report.problems().iter().any(|problem| problem.name().key() == b"long"), "{placement:?}");
            let requests = spy.requests();
            assert!(requests.contains(&Request::Abort) || !requests.contains(&Request::Begin), "{placement:?}");
            assert_eq!(get(&store, "long").await.unwrap(), plaintext(LONG));
        }
    }
}

/// Returns whether a request is one for an envelope.
fn is_short(range: &GetRange) -> bool {
    match range {
        GetRange::Bounded(range) => range.end - range.start <= 1_024,
        GetRange::Suffix(len) => *len <= 1_024,
        GetRange::Offset(_) => false,
    }
}

#[tokio::test]
async fn a_sweep_over_a_stale_listing_or_one_with_objects_twice_loses_nothing() {
    for placement in PLACEMENTS {
        let told: [fn(ObjectMeta) -> Vec<ObjectMeta>; 5] = [
            |meta| vec![meta.clone(), meta],
            |meta| vec![ObjectMeta { size: meta.size + 16_400, ..meta }],
            |meta| vec![ObjectMeta { size: 0, ..meta }],
            |meta| vec![ObjectMeta { size: u64::MAX, ..meta }],
            |meta| vec![ObjectMeta { location: Path::from("gone"), ..meta.clone() }, meta],
        ];
        for (number, told) in told.into_iter().enumerate() {
            let (store, spy, keys) = store(placement);
            for name in ["a", "b"] {
                put(&store, name, plaintext(40_000)).await;
            }
            keys.keyring.rotate().await.unwrap();
            spy.tell(told);
            let report = store.sweep(None).rewrap().await.unwrap();
            let seen = !matches!(number, 2 | 3);
            assert_eq!(report.counts().rewrapped, if seen { 2 } else { 0 }, "{placement:?} {number}");
            assert_eq!(report.usage().is_some(), seen, "{placement:?} {number}");
            assert_eq!(report.counts().problems, 0, "{placement:?} {number} {:?}", report.problems());
            store.purge();
            for name in ["a", "b"] {
                assert_eq!(get(&store, name).await.unwrap(), plaintext(40_000));
            }
        }
    }
}
