//! How many requests a read makes, and which.

use atrest_object_store::Placement;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use crate::kit::Memory;
use crate::kit::{ENVELOPE, PLACEMENTS, SEALED, at, built, get, get_range, plaintext, put, put_parts, store};
use crate::spy::Request;

/// Returns the ranges of the requests since the last call; `None` is a whole object.
fn ranges(spy: &Memory) -> Vec<Option<GetRange>> {
    let range = |request| match request {
        Request::Get { range, if_match: None } => range,
        other => panic!("{other:?}"),
    };
    spy.requests().into_iter().map(range).collect()
}

fn bounded(start: u64, end: u64) -> Option<GetRange> {
    Some(GetRange::Bounded(start..end))
}

/// The range of the plaintext in the 100th chunk, and the place of that chunk in the body.
const WANTED: std::ops::Range<u64> = 1_638_400..1_638_410;
const PLACE: std::ops::Range<u64> = 56 + 100 * SEALED..56 + 101 * SEALED;

#[tokio::test]
async fn the_first_range_flies_together_with_the_envelope_and_the_second_flies_alone() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        put(&store, "object", plaintext(2 << 20)).await;
        spy.requests();
        let expected = match placement {
            Placement::InFront => {
                vec![bounded(PLACE.start + ENVELOPE, PLACE.end + ENVELOPE), bounded(0, ENVELOPE)]
            }
            Placement::Behind => vec![bounded(PLACE.start, PLACE.end), Some(GetRange::Suffix(ENVELOPE))],
            _ => vec![bounded(PLACE.start, PLACE.end)],
        };
        for expected in [&expected[..], &expected[..1], &expected[..1]] {
            let got = get_range(&store, "object", WANTED).await.unwrap();
            assert_eq!(got, plaintext(2 << 20)[1_638_400..1_638_410]);
            assert_eq!(ranges(&spy), expected, "{placement:?}");
        }
    }
}

#[tokio::test]
async fn a_range_near_the_envelope_comes_with_it_in_one_request() {
    let (store, spy, _) = store(Placement::InFront);
    put(&store, "object", plaintext(2 << 20)).await;
    spy.requests();
    get_range(&store, "object", 20_000..20_001).await.unwrap();
    assert_eq!(ranges(&spy), [bounded(0, ENVELOPE + 56 + 2 * SEALED)]);
}

#[tokio::test]
async fn a_suffix_comes_with_the_envelope_behind_in_one_request() {
    let (store, spy, _) = store(Placement::Behind);
    put(&store, "object", plaintext(2 << 20)).await;
    spy.requests();
    get_range(&store, "object", GetRange::Suffix(8)).await.unwrap();
    assert_eq!(ranges(&spy), [Some(GetRange::Suffix(SEALED + 24 + ENVELOPE))]);
}

#[tokio::test]
async fn a_whole_object_is_one_request_or_two_from_1_mib_on_with_the_envelope_behind() {
    for placement in PLACEMENTS {
        for (len, requests) in [(10, 1), (900_000, 1), (2 << 20, if placement == Placement::Behind { 2 } else { 1 })] {
            let (store, spy, _) = store(placement);
            put(&store, "object", plaintext(len)).await;
            spy.requests();
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(len));
            assert_eq!(spy.requests().len(), requests, "{placement:?} {len}");
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(len));
            assert_eq!(ranges(&spy), [None], "{placement:?} {len}");
        }
    }
}

#[tokio::test]
async fn the_end_of_a_long_object_in_parts_is_read_before_its_length_is_promised() {
    const LONG: usize = (64 << 20) + 1;
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        put_parts(&store, "object", &plaintext(LONG), &[LONG]).await.unwrap();
        for kept in [false, true] {
            spy.requests();
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(LONG));
            // With the envelope behind, the first read gets the end with it.
            assert_eq!(spy.requests().len(), 2, "{placement:?} {kept}");
        }
        spy.requests();
        assert_eq!(get_range(&store, "object", 3..LONG as u64 - 3).await.unwrap(), plaintext(LONG)[3..LONG - 3]);
        assert_eq!(spy.requests().len(), 1, "no more than 64 MiB are promised");
        // The length of an object that was put at once is authenticated.
        put(&store, "object", plaintext(LONG)).await;
        get(&store, "object").await.unwrap();
        spy.requests();
        get(&store, "object").await.unwrap();
        assert_eq!(spy.requests().len(), 1);
    }
}

#[tokio::test]
async fn several_ranges_are_joined_as_the_bare_store_joins_them() {
    let wanted = [0..10, 40_000..40_010, 10_000_000..10_000_001];
    for (placement, cold) in [(Placement::InFront, 2), (Placement::Behind, 3), (Placement::Attributes, 2)] {
        let (store, spy, _) = store(placement);
        put(&store, "object", plaintext(11 << 20)).await;
        spy.requests();
        for requests in [cold, 2] {
            store.get_ranges(&at("object"), &wanted).await.unwrap();
            assert_eq!(spy.requests().len(), requests, "{placement:?}");
        }
    }
}

#[tokio::test]
async fn a_store_without_speculation_asks_for_the_envelope_and_then_for_the_same_object() {
    for (placement, envelope) in
        [(Placement::InFront, bounded(0, ENVELOPE)), (Placement::Behind, Some(GetRange::Suffix(ENVELOPE)))]
    {
        let (store, spy, _) = built(placement, |builder| builder.envelope_first());
        put(&store, "object", plaintext(2 << 20)).await;
        let e_tag = store.head(&at("object")).await.unwrap().e_tag;
        spy.requests();
        get_range(&store, "object", WANTED).await.unwrap();
        let requests = spy.requests();
        assert_eq!(requests[0], Request::Get { range: envelope, if_match: None });
        assert!(matches!(&requests[1], Request::Get { if_match, .. } if *if_match == e_tag), "{requests:?}");
        assert_eq!(requests.len(), 2);
    }
}

#[tokio::test]
async fn the_conditions_of_a_read_go_with_the_request_for_its_bytes() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        put(&store, "object", plaintext(2 << 20)).await;
        let e_tag = store.head(&at("object")).await.unwrap().e_tag.unwrap();
        for (if_match, holds) in [(e_tag.as_str(), true), ("other", false)] {
            spy.requests();
            let options = GetOptions::new().with_range(Some(WANTED)).with_if_match(Some(if_match));
            let got = store.get_opts(&at("object"), options).await;
            assert_eq!(got.is_ok(), holds);
            let with_condition = spy.requests().into_iter().filter(
                |request| matches!(request, Request::Get { if_match: Some(condition), .. } if condition == if_match),
            );
            assert_eq!(with_condition.count(), 1, "{placement:?}");
            if let Err(error) = got {
                assert!(matches!(error, object_store::Error::Precondition { .. }), "{error}");
            }
        }
        let options = GetOptions::new().with_range(Some(WANTED)).with_if_none_match(Some(&e_tag));
        let error = store.get_opts(&at("object"), options).await.unwrap_err();
        assert!(matches!(error, object_store::Error::NotModified { .. }), "{error}");
    }
}

#[tokio::test]
async fn head_and_listings_make_the_requests_of_the_bare_store_and_read_nothing() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        put(&store, "object", plaintext(20_000)).await;
        spy.requests();
        assert_eq!(store.head(&at("object")).await.unwrap().size, 20_000);
        assert_eq!(spy.requests(), [Request::Head]);
    }
}
