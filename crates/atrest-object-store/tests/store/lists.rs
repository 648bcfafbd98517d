//! Lengths in listings.

use std::sync::{Arc, Mutex};

use atrest::DsseKms;
use atrest_object_store::{CallOptions, Foreign, StoreError};
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::kit::{CHUNK, PLACEMENTS, at, built, plaintext, put, put_parts, store, store_error};
use crate::spy::Request;

#[tokio::test]
async fn listings_tell_plaintext_lengths() {
    let lens = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 500];
    for placement in PLACEMENTS {
        let (store, _, _) = store(placement);
        for len in lens {
            put(&store, &format!("put/{len:06}"), plaintext(len)).await;
            put_parts(&store, &format!("parts/{len:06}"), &plaintext(len), &[len]).await.unwrap();
        }
        for prefix in ["put", "parts"] {
            let expected: Vec<_> = lens.iter().map(|len| (at(&format!("{prefix}/{len:06}")), *len as u64)).collect();
            let pair = |meta: ObjectMeta| (meta.location, meta.size);
            let listed: Vec<_> = store.list(Some(&at(prefix))).map_ok(pair).try_collect().await.unwrap();
            assert_eq!(listed, expected);
            let listed = store.list_with_delimiter(Some(&at(prefix))).await.unwrap().objects;
            assert_eq!(listed.into_iter().map(pair).collect::<Vec<_>>(), expected);
            let after = store.list_with_offset(Some(&at(prefix)), &at(&format!("{prefix}/016383")));
            let listed: Vec<_> = after.map_ok(pair).try_collect().await.unwrap();
            assert_eq!(listed, expected[3..]);
        }
    }
}

#[tokio::test]
async fn what_a_copy_leaves_beside_its_place_is_listed_by_the_rule_and_the_filter_of_that_place() {
    for placement in PLACEMENTS {
        let (store, spy, _) = built(placement, |builder| {
            let rule = |path: &Path| match path.extension() {
                Some("parquet") => CallOptions::new().with_mode(DsseKms::new("memory-kms:key/lake")),
                _ => CallOptions::new(),
            };
            builder.rule(rule).unencrypted(|path| path.extension() != Some("parquet"))
        });
        put(&store, "to.parquet", plaintext(100)).await;
        for beside in ["to.parquet.1-2-3.atrest-copy", "to.parquet.1-2-3.atrest-copy.4-5-6.atrest-copy"] {
            spy.bare().copy(&at("to.parquet"), &at(beside)).await.unwrap();
        }
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(listed.iter().map(|meta| meta.size).collect::<Vec<_>>(), [100; 3], "{placement:?}");
    }
}

#[tokio::test]
async fn a_listing_of_10000_objects_is_one_request_and_reads_nothing() {
    for placement in PLACEMENTS {
        let (store, spy, keys) = store(placement);
        put(&store, "object", plaintext(10)).await;
        for number in 0..10_000 {
            // The same bytes under other names: a listing reads none of them.
            spy.bare().copy(&at("object"), &at(&format!("many/{number}"))).await.unwrap();
        }
        spy.requests();
        keys.events();
        let listed: Vec<_> = store.list(Some(&at("many"))).try_collect().await.unwrap();
        assert_eq!((listed.len(), listed.iter().all(|meta| meta.size == 10)), (10_000, true));
        assert_eq!(spy.requests(), [Request::List]);
        assert_eq!(keys.events(), [""; 0]);
    }
}

#[tokio::test]
async fn an_object_that_no_writer_could_have_written_is_left_out_counted_and_told() {
    for placement in PLACEMENTS {
        let told = Arc::new(Mutex::new(Vec::new()));
        let telling = told.clone();
        let on_skipped = move |meta: &ObjectMeta| telling.lock().unwrap().push((meta.location.to_string(), meta.size));
        let (store, spy, _) = built(placement, |builder| builder.on_skipped(on_skipped));
        put(&store, "lake/object", plaintext(10)).await;
        put(spy.bare(), "lake/_SUCCESS", "").await;
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(store.list_with_delimiter(Some(&at("lake"))).await.unwrap().objects.len(), 1);
        assert_eq!(store.skipped(), 2);
        assert_eq!(*told.lock().unwrap(), [("lake/_SUCCESS".to_owned(), 0), ("lake/_SUCCESS".to_owned(), 0)]);
    }
}

#[tokio::test]
async fn an_object_that_no_writer_could_have_written_is_an_error_item_after_which_the_listing_goes_on() {
    for placement in PLACEMENTS {
        let (store, spy, _) = built(placement, |builder| builder.foreign(Foreign::Report));
        put(&store, "lake/a", plaintext(10)).await;
        put(spy.bare(), "lake/b", "").await;
        put(&store, "lake/c", plaintext(20)).await;
        let listed: Vec<_> = store.list(None).collect().await;
        let sizes: Vec<_> = listed.iter().map(|item| item.as_ref().map(|meta| meta.size).ok()).collect();
        assert_eq!(sizes, [Some(10), None, Some(20)]);
        let error = listed[1].as_ref().unwrap_err();
        assert_eq!(store_error(error), Some(&StoreError::NotEncrypted));
        assert!(store.list_with_delimiter(Some(&at("lake"))).await.is_err());
    }
}
