//! Every form of range at the boundaries of chunks, against `GetRange::as_range`.

use object_store::{GetOptions, GetRange, ObjectStore};

use crate::kit::{CHUNK, PLACEMENTS, at, built, plaintext, put, put_parts, store};

const LENS: [usize; 9] = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK + 500];

/// Returns ranges of every form whose ends lie at and around the boundaries.
fn ranges(len: usize) -> Vec<GetRange> {
    let len = len as u64;
    let chunk = CHUNK as u64;
    let mut places = vec![0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk, len, len + 1, len + 2 * chunk];
    places.extend(len.checked_sub(1));
    places.sort_unstable();
    places.dedup();
    let mut ranges = Vec::new();
    for start in &places {
        ranges.push(GetRange::Offset(*start));
        ranges.push(GetRange::Suffix(*start));
        ranges.extend(places.iter().map(|end| GetRange::Bounded(*start..*end)));
    }
    ranges.push(GetRange::Offset(u64::MAX));
    ranges.push(GetRange::Suffix(u64::MAX));
    ranges.push(GetRange::Bounded(0..u64::MAX));
    ranges.push(GetRange::Bounded(u64::MAX - 1..u64::MAX));
    ranges
}

pub(crate) async fn agrees(store: &impl ObjectStore, location: &str, bytes: &[u8]) -> usize {
    let mut compared = 0;
    for range in ranges(bytes.len()) {
        let options = GetOptions::new().with_range(Some(range.clone()));
        let got = store.get_opts(&at(location), options).await;
        match range.as_range(bytes.len() as u64) {
            Ok(expected) => {
                let got = got.unwrap_or_else(|error| panic!("{range:?} of {}: {error}", bytes.len()));
                assert_eq!(got.range, expected, "{range:?} of {}", bytes.len());
                assert_eq!(got.meta.size, bytes.len() as u64);
                let within = usize::try_from(expected.start).unwrap()..usize::try_from(expected.end).unwrap();
                assert_eq!(got.bytes().await.unwrap(), bytes[within], "{range:?} of {}", bytes.len());
            }
            Err(_) => assert!(got.is_err(), "{range:?} of {} is {got:?}", bytes.len()),
        }
        compared += 1;
    }
    compared
}

#[tokio::test]
async fn every_form_of_range_agrees_with_as_range() {
    let mut compared = 0;
    for placement in PLACEMENTS {
        let (store, _, _) = store(placement);
        for len in LENS {
            put(&store, "object", plaintext(len)).await;
            compared += agrees(&store, "object", &plaintext(len)).await;
        }
    }
    assert!(compared > 2_500, "{compared}");
}

#[tokio::test]
async fn every_form_of_range_agrees_with_as_range_without_a_cache_or_of_an_unknown_length() {
    for placement in PLACEMENTS {
        let (store, _, _) = built(placement, |builder| builder.without_cache());
        for len in LENS {
            put_parts(&store, "object", &plaintext(len), &[len]).await.unwrap();
            agrees(&store, "object", &plaintext(len)).await;
        }
    }
}

#[tokio::test]
async fn a_store_without_suffixes_is_asked_for_the_length() {
    for placement in PLACEMENTS {
        let (store, spy, _) = built(placement, |builder| builder.without_cache());
        spy.refuse_suffixes();
        put(&store, "object", plaintext(40_000)).await;
        agrees(&store, "object", &plaintext(40_000)).await;
    }
}

#[tokio::test]
async fn several_ranges_are_those_of_the_plaintext() {
    let bytes = plaintext(3 << 20);
    for placement in PLACEMENTS {
        for cached in [true, false] {
            let (store, _, _) = built(placement, |builder| if cached { builder } else { builder.without_cache() });
            put(&store, "object", bytes.clone()).await;
            let len = bytes.len() as u64;
            let ranges = [
                0..1,
                16_383..16_385,
                2_000_000..2_000_001,
                0..40_000,
                len - 1..len,
                len - 1..len + 70_000,
                len - 2..u64::MAX,
                2_000_000..2_000_001,
            ];
            for _ in 0..2 {
                let got = store.get_ranges(&at("object"), &ranges).await.unwrap();
                assert_eq!(got.len(), ranges.len());
                for (range, got) in ranges.iter().zip(got) {
                    let end = range.end.min(len);
                    assert_eq!(got, bytes[range.start as usize..end as usize], "{range:?} {placement:?}");
                }
            }
            for (start, end) in [(len, len + 1), (5, 5), (7, 6), (u64::MAX - 1, u64::MAX)] {
                let refused = start..end;
                assert!(store.get_ranges(&at("object"), &[0..1, refused]).await.is_err());
            }
            assert_eq!(store.get_ranges(&at("object"), &[]).await.unwrap(), Vec::<bytes::Bytes>::new());
        }
    }
}

#[tokio::test]
async fn a_suffix_longer_than_the_object_is_the_whole_object() {
    for placement in PLACEMENTS {
        for len in [0, 5, 300_000] {
            let (store, _, _) = store(placement);
            put(&store, "object", plaintext(len)).await;
            let options = GetOptions::new().with_range(Some(GetRange::Suffix(1 << 40)));
            let got = store.get_opts(&at("object"), options).await.unwrap();
            assert_eq!(got.range, 0..len as u64);
            assert_eq!(got.bytes().await.unwrap(), plaintext(len));
        }
    }
}

#[tokio::test]
async fn large_objects_are_read_whole_in_every_placement() {
    for placement in PLACEMENTS {
        for len in [(1 << 20) - 5_000, 1 << 20, (2 << 20) + 77] {
            let (store, _, _) = built(placement, |builder| builder.without_cache());
            let bytes = plaintext(len);
            put(&store, "object", bytes.clone()).await;
            let got = store.get_opts(&at("object"), GetOptions::new()).await.unwrap();
            assert_eq!((got.range.clone(), got.meta.size), (0..len as u64, len as u64));
            assert_eq!(got.bytes().await.unwrap(), bytes);
            let options = GetOptions::new().with_range(Some(GetRange::Offset(3)));
            assert_eq!(store.get_opts(&at("object"), options).await.unwrap().bytes().await.unwrap(), bytes[3..]);
        }
    }
}
