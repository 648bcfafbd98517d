//! A keyring that lives in a bucket of moto, and sweeps over one.

use std::sync::Arc;

use atrest::{Keyring, KmsKeys, Sse, SseKms, SseS3};
use atrest_object_store::{Placement, StoreKeyring};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions};

use super::bucket::{Bucket, lake};
use crate::kit::{Keys, PLACEMENTS, at, get, plaintext, put};
use crate::spy::Request;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_lives_in_a_bucket_and_is_changed_by_one_process_at_a_time() {
    let Some(bucket) = Bucket::new().await else { return };
    let (keys, s3) = (Keys::new(), Arc::new(bucket.s3()));
    let other = keys.kms.create_key("other").unwrap();
    let accepted = KmsKeys::only([&keys.kms_key, &other]);
    let place = || StoreKeyring::new(s3.clone(), Path::from("keys"), keys.kms.clone(), accepted.clone());
    let one = place().create(&keys.kms_key).await.unwrap();
    let two = place().open().await.unwrap();
    let (first, second) = tokio::join!(one.rotate(), two.rotate());
    let mut versions = [first.unwrap(), second.unwrap()];
    versions.sort_unstable();
    assert_eq!(versions, [2, 3], "each made a version of its own");

    let written = async |keyring: &Keyring| {
        let sse = Sse::builder().keyring(keyring.clone()).build().unwrap();
        sse.encrypt(&atrest::ObjectName::new("lake", "object").unwrap(), SseS3, b"meow").await.unwrap()
    };
    let stored = written(&place().open().await.unwrap()).await;
    assert_eq!(place().rewrap_root_key(&other).await.unwrap(), other);
    keys.kms.disable(&keys.kms_key);
    let opened = place().open().await.unwrap();
    let sse = Sse::builder().keyring(opened.clone()).build().unwrap();
    let name = atrest::ObjectName::new("lake", "object").unwrap();
    assert_eq!(sse.decrypt(&name, &stored, atrest::Unlock::Server).await.unwrap(), b"meow");
    assert!(place().create(&other).await.is_err(), "nothing is replaced");
    assert!(place().min_generation(opened.generation() + 1).open().await.is_err());
    let left: Vec<_> = s3.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    assert_eq!(left, ["keys/keyring.atrest", "keys/root-key.atrest"], "no probe is left");
}

#[tokio::test]
async fn a_sweep_rewraps_a_bucket_and_the_old_version_can_be_retired() {
    const LONG: usize = 12 << 20;
    for placement in PLACEMENTS {
        let Some((store, _, keys, bucket)) = lake(placement).await else { return };
        for number in 0..4 {
            put(&store, &format!("put/{number}"), plaintext(number * 30_000)).await;
        }
        let attributes: Attributes = [(Attribute::ContentType, "text/plain")].into_iter().collect();
        let options = PutMultipartOptions { attributes: attributes.clone(), ..PutMultipartOptions::default() };
        let mut upload = store.put_multipart_opts(&at("long"), options).await.unwrap();
        upload.put_part(plaintext(LONG).into()).await.unwrap();
        upload.complete().await.unwrap();
        keys.keyring.rotate().await.unwrap();

        let report = store.sweep(None).max_object_len(8 << 20).rewrap().await.unwrap();
        assert_eq!((report.counts().rewrapped, report.too_long()), (4, &[at("long")][..]), "{placement:?}");
        let report = store.sweep(None).max_object_len(8 << 20).in_parts().rewrap().await.unwrap();
        assert_eq!((report.rewritten(), report.counts().problems), (&[at("long")][..], 0), "{placement:?}");
        assert!(bucket.uploads().await.is_empty());
        keys.keyring.disable(1).await.unwrap();
        keys.keyring.retire(1, report.usage().unwrap()).await.unwrap();
        for number in 0..4 {
            assert_eq!(get(&store, &format!("put/{number}")).await.unwrap(), plaintext(number * 30_000));
        }
        let long = store.get(&at("long")).await.unwrap();
        assert_eq!(long.attributes, attributes);
        assert_eq!(long.bytes().await.unwrap(), plaintext(LONG));
    }
}

#[tokio::test]
async fn a_sweep_replaces_no_object_that_another_writer_has_replaced_over_moto() {
    for placement in PLACEMENTS {
        let Some((store, spy, keys, bucket)) = lake(placement).await else { return };
        put(&store, "object", plaintext(100)).await;
        keys.keyring.rotate().await.unwrap();
        let mut newer = Some(bucket.put_meanwhile(placement, &keys, "object", plaintext(200)));
        spy.on_request(move |_, request| if let Request::Put { .. } = request { newer.take() } else { None });
        let report = store.sweep(None).rewrap().await.unwrap();
        spy.calm();
        assert_eq!((report.counts().rewrapped, report.counts().problems), (0, 0), "{placement:?}");
        assert_eq!(get(&store, "object").await.unwrap(), plaintext(200), "{placement:?}");
    }
}

#[tokio::test]
async fn an_e_tag_of_s3_is_one_of_the_body_and_a_kept_decryptor_still_reads_no_replaced_envelope() {
    let Some((store, spy, keys, _bucket)) = lake(Placement::Attributes).await else { return };
    let old = store.put(&at("object"), plaintext(100).into()).await.unwrap();
    get(&store, "object").await.unwrap();
    let stored = spy.bare().get(&at("object")).await.unwrap().attributes;
    store.sweep(None).rewrap_to(SseKms::new(&keys.kms_key)).await.unwrap();
    assert_eq!(store.head(&at("object")).await.unwrap().e_tag, old.e_tag, "the e_tag covers no attribute");
    assert_eq!(store.kept(), 1);
    keys.events();
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(100));
    assert_eq!(keys.events(), ["GetObject"]);
    keys.kms.disable(&keys.kms_key);
    store.purge();
    assert!(get(&store, "object").await.is_err());
    // The old envelope opens the same body: a rewrap revokes nothing.
    let body = get(spy.bare(), "object").await.unwrap();
    let options = PutOptions { attributes: stored, ..PutOptions::default() };
    spy.bare().put_opts(&at("object"), body.into(), options).await.unwrap();
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(100));
}
