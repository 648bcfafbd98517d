//! Uploads, copies, attributes and tags over moto.

use std::time::Duration;

use atrest_object_store::{EncryptedStore, EncryptedStoreBuilder, Placement};
use futures_util::TryStreamExt;
use http::Method;
use object_store::aws::AmazonS3;
use object_store::{
    Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, TagSet,
    UpdateVersion,
};

use super::bucket::{Bucket, all_of};
use crate::kit::{Keys, PLACEMENTS, at, get, plaintext, put, put_parts};

const MIN_PART: usize = 5 << 20;

/// A store in a bucket of its own; `None` without moto.
async fn built(
    placement: Placement,
    configure: impl FnOnce(EncryptedStoreBuilder<AmazonS3>) -> EncryptedStoreBuilder<AmazonS3>,
) -> Option<(EncryptedStore<AmazonS3>, Bucket)> {
    let bucket = Bucket::new().await?;
    let builder = EncryptedStore::builder(bucket.s3(), Keys::new().sse(), "lake").placement(placement);
    Some((configure(builder).build().unwrap(), bucket))
}

async fn names(store: &impl ObjectStore) -> Vec<String> {
    store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap()
}

#[tokio::test]
async fn s3_takes_every_upload_whose_parts_it_would_take_bare_and_refuses_the_others() {
    let Some(bucket) = Bucket::new().await else { return };
    let small_in_the_middle = [MIN_PART, 100_000, MIN_PART];
    let bytes = plaintext(2 * MIN_PART + 100_000);
    let refused = put_parts(&bucket.s3(), "bare", &bytes, &small_in_the_middle).await.unwrap_err();
    assert!(refused.to_string().contains("EntityTooSmall"), "{refused}");
    for placement in PLACEMENTS {
        let Some((store, _bucket)) = built(placement, |b| b).await else { return };
        for lens in [&[][..], &[0], &[1], &[MIN_PART], &[MIN_PART, 1], &[MIN_PART, MIN_PART + 1, 2_111_561]] {
            let bytes = plaintext(lens.iter().sum());
            put_parts(&store, "object", &bytes, lens).await.unwrap();
            assert_eq!(get(&store, "object").await.unwrap(), bytes, "{placement:?} {lens:?}");
        }
        let refused = put_parts(&store, "refused", &bytes, &small_in_the_middle).await.unwrap_err();
        assert!(refused.to_string().contains("EntityTooSmall"), "{placement:?} {refused}");
        assert_eq!(names(store.inner()).await, ["object"]);
    }
}

#[tokio::test]
async fn equal_parts_are_equal_in_the_bucket() {
    for placement in PLACEMENTS {
        let Some((store, bucket)) = built(placement, |b| b.equal_parts(6 << 20)).await else { return };
        let lens = [MIN_PART, 9 << 20, 7 << 20, 3];
        let bytes = plaintext(lens.iter().sum());
        let (mut upload, mut rest) = (store.put_multipart(&at("object")).await.unwrap(), bytes.clone());
        for len in lens {
            upload.put_part(rest.split_to(len).into()).await.unwrap();
        }
        assert_eq!(bucket.parts().await, vec!["6291456"; 3], "{placement:?}");
        upload.complete().await.unwrap();
        assert_eq!(get(&store, "object").await.unwrap(), bytes);
        assert!(bucket.uploads().await.is_empty());
    }
}

#[tokio::test]
async fn an_upload_that_is_aborted_leaves_nothing_in_the_bucket() {
    for placement in PLACEMENTS {
        let Some((store, bucket)) = built(placement, |b| b).await else { return };
        let mut upload = store.put_multipart(&at("object")).await.unwrap();
        for _ in 0..2 {
            upload.put_part(plaintext(MIN_PART).into()).await.unwrap();
        }
        assert_eq!(bucket.uploads().await.len(), 1);
        upload.abort().await.unwrap();
        assert!(bucket.uploads().await.is_empty());
        assert!(matches!(get(&store, "object").await, Err(Error::NotFound { .. })));
    }
}

#[tokio::test]
async fn conditional_puts_hold_over_moto() {
    for placement in PLACEMENTS {
        let Some((store, _bucket)) = built(placement, |b| b).await else { return };
        let putting = async |mode: PutMode, bytes: &'static str| {
            store.put_opts(&at("object"), bytes.into(), PutOptions { mode, ..PutOptions::default() }).await
        };
        let first = putting(PutMode::Create, "one").await.unwrap();
        assert!(matches!(putting(PutMode::Create, "two").await, Err(Error::AlreadyExists { .. })));
        let update = |put: &object_store::PutResult| {
            PutMode::Update(UpdateVersion { e_tag: put.e_tag.clone(), version: put.version.clone() })
        };
        let second = putting(update(&first), "two").await.unwrap();
        // The same plaintext is other bytes each time, so an e_tag never comes again.
        assert!(matches!(putting(update(&first), "three").await, Err(Error::Precondition { .. })));
        putting(update(&second), "one").await.unwrap();
        assert_eq!(get(&store, "object").await.unwrap(), "one");
    }
}

#[tokio::test]
async fn copies_and_renames_open_under_their_new_name_in_every_placement() {
    for placement in PLACEMENTS {
        for unbound in [false, true] {
            let configured = built(placement, |b| if unbound { b.unbound() } else { b });
            let Some((store, bucket)) = configured.await else { return };
            for len in [10, 20 << 20] {
                put_parts(&store, "from", &plaintext(len), &[len]).await.unwrap();
                store.copy(&at("from"), &at("copy")).await.unwrap();
                store.copy_if_not_exists(&at("from"), &at(&format!("created/{len}"))).await.unwrap();
                store.rename(&at("from"), &at("renamed")).await.unwrap();
                for name in ["copy", "renamed", &format!("created/{len}")] {
                    assert_eq!(get(&store, name).await.unwrap(), plaintext(len), "{placement:?} {unbound} {name}");
                }
                let taken = store.copy_if_not_exists(&at("copy"), &at("renamed")).await.unwrap_err();
                assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");
                assert!(matches!(get(&store, "from").await, Err(Error::NotFound { .. })));
            }
            assert!(bucket.uploads().await.is_empty());
        }
    }
}

#[tokio::test]
async fn s3s_own_copy_that_must_not_replace_drops_attributes_and_so_is_not_used_where_the_envelope_lies_there() {
    let Some((store, bucket)) = built(Placement::Attributes, |b| b.unbound()).await else { return };
    put(&store, "from", plaintext(100)).await;
    bucket.s3().copy_if_not_exists(&at("from"), &at("bare")).await.unwrap();
    assert!(get(&store, "bare").await.is_err(), "the bare copy has lost its envelope");
    store.copy_if_not_exists(&at("from"), &at("copy")).await.unwrap();
    assert_eq!(get(&store, "copy").await.unwrap(), plaintext(100));
}

#[tokio::test]
async fn a_long_copy_that_must_not_replace_needs_a_way_of_the_bucket_and_leaves_nothing_beside_its_place() {
    let bytes = plaintext(65 << 20);
    let Some((store, bucket)) = built(Placement::Behind, |b| b).await else { return };
    put(&store, "from", bytes.clone()).await;
    store.copy_if_not_exists(&at("from"), &at("to")).await.unwrap();
    assert_eq!(get(&store, "to").await.unwrap(), bytes);
    let taken = store.copy_if_not_exists(&at("from"), &at("to")).await.unwrap_err();
    assert!(matches!(taken, Error::AlreadyExists { .. }), "{taken}");
    assert_eq!(names(store.inner()).await, ["from", "to"]);
    // A bucket that was told no way.
    let told_nothing = bucket.builder().build().unwrap();
    let bare = told_nothing.copy_if_not_exists(&at("from"), &at("bare")).await.unwrap_err();
    assert!(matches!(bare, Error::NotSupported { .. }), "{bare}");
    let store = EncryptedStore::builder(told_nothing, Keys::new().sse(), "lake").build().unwrap();
    put(&store, "own", bytes.clone()).await;
    let refused = store.copy_if_not_exists(&at("own"), &at("other")).await.unwrap_err();
    assert!(matches!(refused, Error::NotSupported { .. }), "{refused}");
    assert_eq!(names(store.inner()).await, ["from", "own", "to"]);
    assert!(bucket.uploads().await.is_empty());
}

#[tokio::test]
async fn a_copy_that_is_dropped_aborts_its_upload_and_deletes_what_it_wrote() {
    let Some((store, bucket)) = built(Placement::Behind, |b| b).await else { return };
    put(&store, "from", plaintext(65 << 20)).await;
    for creates in [false, true] {
        let (from, to) = (at("from"), at("to"));
        let copying = async {
            match creates {
                true => store.copy_if_not_exists(&from, &to).await,
                false => store.copy(&from, &to).await,
            }
        };
        let begun = async {
            while bucket.parts().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            biased;
            () = begun => {}
            done = copying => panic!("it was done before it was looked at: {done:?}"),
        }
        // What was begun is undone by a task.
        for _ in 0..2_000 {
            if bucket.uploads().await.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(bucket.uploads().await.is_empty(), "{creates}");
        assert_eq!(names(store.inner()).await, ["from"]);
    }
}

#[tokio::test]
async fn attributes_and_tags_go_to_the_bucket_and_a_copy_keeps_the_attributes() {
    for placement in PLACEMENTS {
        let Some((store, bucket)) = built(placement, |b| b).await else { return };
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, "text/plain"),
            (Attribute::CacheControl, "max-age=604800"),
            (Attribute::Metadata("owner".into()), "alice"),
        ]);
        let mut tags = TagSet::default();
        tags.push("class", "secret");
        let options = PutOptions { attributes: attributes.clone(), tags: tags.clone(), ..PutOptions::default() };
        store.put_opts(&at("put"), "meow".into(), options).await.unwrap();
        let options = PutMultipartOptions { attributes: attributes.clone(), tags, ..PutMultipartOptions::default() };
        let mut upload = store.put_multipart_opts(&at("parts"), options).await.unwrap();
        upload.put_part("meow".into()).await.unwrap();
        upload.complete().await.unwrap();
        for name in ["put", "parts"] {
            let xml = bucket.ask(Method::GET, &format!("{name}?tagging"), "").await;
            assert_eq!((all_of(&xml, "Key"), all_of(&xml, "Value")), (vec!["class".into()], vec!["secret".into()]));
            store.copy(&at(name), &at("copy")).await.unwrap();
            for name in [name, "copy"] {
                let got = store.get(&at(name)).await.unwrap();
                assert_eq!(got.attributes, attributes, "{placement:?} {name}");
                assert_eq!(got.bytes().await.unwrap(), "meow");
            }
        }
    }
}
