//! Reads and listings over moto.

use atrest_object_store::Placement;
use chrono::TimeDelta;
use futures_util::TryStreamExt;
use object_store::{Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};

use super::bucket::lake;
use crate::kit::{CHUNK, PLACEMENTS, at, get, get_range, plaintext, put, put_parts};
use crate::ranges::agrees;
use crate::spy::Request;

#[tokio::test]
async fn every_form_of_range_agrees_with_as_range_over_moto() {
    for placement in PLACEMENTS {
        let Some((store, ..)) = lake(placement).await else { return };
        for len in [0, CHUNK + 1] {
            put(&store, "object", plaintext(len)).await;
            agrees(&store, "object", &plaintext(len)).await;
        }
    }
}

#[tokio::test]
async fn long_objects_and_several_ranges_are_read_over_moto_in_the_requests_of_every_other_store() {
    let bytes = plaintext((3 << 20) + 7);
    for (placement, whole, several) in
        [(Placement::InFront, 1, 2), (Placement::Behind, 2, 3), (Placement::Attributes, 1, 2)]
    {
        let Some((store, spy, ..)) = lake(placement).await else { return };
        put(&store, "object", bytes.clone()).await;
        spy.requests();
        assert_eq!(get(&store, "object").await.unwrap(), bytes);
        assert_eq!(spy.requests().len(), whole, "{placement:?}");
        assert_eq!(get_range(&store, "object", 2_000_000..2_000_009).await.unwrap(), bytes[2_000_000..2_000_009]);
        assert_eq!(spy.requests().len(), 1);
        store.purge();
        let ranges = store.get_ranges(&at("object"), &[0..5, 3_000_000..3_000_007]).await.unwrap();
        assert_eq!(ranges, [bytes.slice(0..5), bytes.slice(3_000_000..3_000_007)]);
        assert_eq!(spy.requests().len(), several, "{placement:?}");
        let suffix = object_store::GetRange::Suffix(9);
        assert_eq!(get_range(&store, "object", suffix).await.unwrap(), bytes[bytes.len() - 9..]);
    }
}

#[tokio::test]
async fn the_conditions_of_a_read_hold_over_moto() {
    for placement in PLACEMENTS {
        let Some((store, ..)) = lake(placement).await else { return };
        let bytes = plaintext(2 << 20);
        put(&store, "object", bytes.clone()).await;
        let meta = store.head(&at("object")).await.unwrap();
        let (e_tag, then) = (meta.e_tag.unwrap(), meta.last_modified);
        let (before, after) = (then - TimeDelta::hours(1), then + TimeDelta::hours(1));
        let range = 1_500_000..1_500_009_u64;
        let reading = async |options: GetOptions| {
            store.purge();
            let got = store.get_opts(&at("object"), options.with_range(Some(range.clone()))).await?;
            assert_eq!(got.bytes().await?, bytes[1_500_000..1_500_009]);
            Ok::<_, Error>(())
        };
        reading(GetOptions::new().with_if_match(Some(&e_tag))).await.unwrap();
        reading(GetOptions::new().with_if_none_match(Some("other"))).await.unwrap();
        reading(GetOptions::new().with_if_modified_since(Some(before))).await.unwrap();
        reading(GetOptions::new().with_if_unmodified_since(Some(after))).await.unwrap();
        for refused in [
            reading(GetOptions::new().with_if_match(Some("other"))).await,
            reading(GetOptions::new().with_if_unmodified_since(Some(before))).await,
        ] {
            assert!(matches!(refused, Err(Error::Precondition { .. })), "{placement:?} {refused:?}");
        }
        for unchanged in [
            reading(GetOptions::new().with_if_none_match(Some(&e_tag))).await,
            reading(GetOptions::new().with_if_modified_since(Some(after))).await,
        ] {
            assert!(matches!(unchanged, Err(Error::NotModified { .. })), "{placement:?} {unchanged:?}");
        }
    }
}

#[tokio::test]
async fn an_object_that_is_overwritten_between_two_requests_is_read_in_one_of_its_versions_over_moto() {
    for placement in [Placement::InFront, Placement::Behind] {
        let Some((store, spy, keys, bucket)) = lake(placement).await else { return };
        let (old, new) = (plaintext(2 << 20), plaintext((2 << 20) + 1).slice(1..));
        for index in 0..2 {
            put(&store, "object", old.clone()).await;
            store.purge();
            spy.fault_at(index, bucket.put_meanwhile(placement, &keys, "object", new.clone()));
            let got = get_range(&store, "object", 1_500_000..1_500_009).await.unwrap();
            spy.calm();
            assert!(got == old[1_500_000..1_500_009] || got == new[1_500_000..1_500_009], "{placement:?} {index}");
        }
    }
}

#[tokio::test]
async fn an_older_version_is_read_over_moto() {
    for placement in PLACEMENTS {
        let Some((store, _, _, bucket)) = lake(placement).await else { return };
        bucket.keep_versions().await;
        let old = store.put(&at("object"), plaintext(100_000).into()).await.unwrap();
        put(&store, "object", plaintext(50)).await;
        for _ in 0..2 {
            let options = GetOptions::new().with_version(old.version.clone());
            let got = store.get_opts(&at("object"), options).await.unwrap();
            assert_eq!(got.bytes().await.unwrap(), plaintext(100_000), "{placement:?}");
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(50));
        }
    }
}

#[tokio::test]
async fn listings_tell_plaintext_lengths_over_moto_and_the_bare_store_tells_stored_ones() {
    let lens = [0, 1, CHUNK, 3 * CHUNK + 500];
    for placement in PLACEMENTS {
        let Some((store, spy, ..)) = lake(placement).await else { return };
        for len in lens {
            put(&store, &format!("put/{len:06}"), plaintext(len)).await;
            put_parts(&store, &format!("parts/{len:06}"), &plaintext(len), &[len]).await.unwrap();
        }
        for prefix in ["put", "parts"] {
            let expected: Vec<_> = lens.iter().map(|len| (at(&format!("{prefix}/{len:06}")), *len as u64)).collect();
            let pair = |meta: ObjectMeta| (meta.location, meta.size);
            spy.requests();
            let listed: Vec<_> = store.list(Some(&at(prefix))).map_ok(pair).try_collect().await.unwrap();
            assert_eq!(listed, expected, "{placement:?}");
            let after = store.list_with_offset(Some(&at(prefix)), &expected[1].0);
            assert_eq!(after.map_ok(pair).try_collect::<Vec<_>>().await.unwrap(), expected[2..]);
            let within = store.list_with_delimiter(Some(&at(prefix))).await.unwrap();
            assert_eq!(within.objects.into_iter().map(pair).collect::<Vec<_>>(), expected);
            assert_eq!(spy.requests(), [Request::List, Request::List, Request::List]);
            let bare: Vec<_> = spy.bare().list(Some(&at(prefix))).map_ok(pair).try_collect().await.unwrap();
            assert!(bare.iter().zip(&expected).all(|(bare, expected)| bare.0 == expected.0 && bare.1 > expected.1));
        }
        assert_eq!(store.head(&at("parts/000001")).await.unwrap().size, 1);
    }
}
