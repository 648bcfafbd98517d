//! Envelopes among the attributes over a store like S3, whose e_tags are those of bodies, and whose own copy that must
//! not replace an object drops attributes.

use atrest::SseKms;
use atrest_object_store::{EncryptedStore, Placement, StoreError};
use object_store::{Attributes, CopyOptions, ObjectStore, ObjectStoreExt, PutOptions};

use crate::kit::{Memory, at, atrest_error, built, get, plaintext, put, store, store_error};
use crate::spy::{Fault, Request};

/// Every answer has the same e_tag, as for one body under another envelope.
fn with_one_e_tag(spy: &Memory) {
    spy.on_request(|_, _| Some(Fault::ETag(Some("\"body\"".to_owned()))));
}

async fn reads(store: &EncryptedStore<Memory>) -> [object_store::Result<bytes::Bytes>; 2] {
    let ranges = store.get_ranges(&at("object"), &[0..5]).await;
    [get(store, "object").await, ranges.map(|ranges| ranges[0].clone())]
}

#[tokio::test]
async fn a_kept_decryptor_reads_no_object_whose_envelope_was_replaced_although_the_e_tag_is_the_same() {
    let (store, spy, keys) = store(Placement::Attributes);
    put(&store, "object", plaintext(100)).await;
    with_one_e_tag(&spy);
    get(&store, "object").await.unwrap();
    assert_eq!(store.kept(), 1);
    // The body stays, and the envelope lies under the KMS key now.
    let kms = SseKms::new(&keys.kms_key);
    let report = store.sweep(None).overwriting().rewrap_to(kms).await.unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().problems), (1, 0));
    assert_eq!(store.kept(), 1);
    keys.events();
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(100));
    assert_eq!(keys.events(), ["GetObject"], "the KMS is asked");
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(100));
    assert_eq!(keys.events(), ["(GetObject)"]);
    store.purge();
    keys.kms.disable(&keys.kms_key);
    for read in reads(&store).await {
        assert!(matches!(atrest_error(&read.unwrap_err()), Some(atrest::Error::KeyProvider(_))));
    }
}

#[tokio::test]
async fn a_kept_decryptor_of_the_keyring_does_not_serve_an_object_that_was_moved_to_a_disabled_kms_key() {
    let (store, spy, keys) = store(Placement::Attributes);
    put(&store, "object", plaintext(100)).await;
    with_one_e_tag(&spy);
    get(&store, "object").await.unwrap();
    store.sweep(None).overwriting().rewrap_to(SseKms::new(&keys.kms_key)).await.unwrap();
    keys.kms.disable(&keys.kms_key);
    assert_eq!(store.kept(), 1);
    for read in reads(&store).await {
        assert!(matches!(atrest_error(&read.unwrap_err()), Some(atrest::Error::KeyProvider(_))));
    }
}

#[tokio::test]
async fn the_envelope_of_another_object_or_none_gives_no_byte_cold_or_warm() {
    let (store, spy, _) = store(Placement::Attributes);
    for name in ["object", "other"] {
        put(&store, name, plaintext(100)).await;
    }
    let other = spy.bare().get(&at("other")).await.unwrap().attributes;
    for warm in [false, true] {
        for attributes in [other.clone(), Attributes::new()] {
            put(&store, "object", plaintext(100)).await;
            let (own, kept) = (get(spy.bare(), "object").await.unwrap(), spy.bare().get(&at("object")).await.unwrap());
            with_one_e_tag(&spy);
            store.purge();
            if warm {
                get(&store, "object").await.unwrap();
            }
            let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
            spy.bare().put_opts(&at("object"), own.clone().into(), options).await.unwrap();
            for read in reads(&store).await {
                let error = read.unwrap_err();
                match attributes.is_empty() {
                    true => assert_eq!(store_error(&error), Some(&StoreError::NotEncrypted)),
                    false => assert!(matches!(atrest_error(&error), Some(atrest::Error::Inauthentic)), "{error:?}"),
                }
            }
            // The own envelope again.
            let options = PutOptions { attributes: kept.attributes, ..PutOptions::default() };
            spy.bare().put_opts(&at("object"), own.into(), options).await.unwrap();
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(100));
            spy.calm();
        }
    }
}

#[tokio::test]
async fn an_unbound_copy_that_must_not_replace_is_written_by_the_client_with_its_envelope() {
    let (store, spy, _) = built(Placement::Attributes, |builder| builder.unbound());
    put(&store, "from", plaintext(100_000)).await;
    spy.requests();
    store.copy_if_not_exists(&at("from"), &at("copy")).await.unwrap();
    store.rename_if_not_exists(&at("from"), &at("renamed")).await.unwrap();
    let requests = spy.requests();
    assert!(!requests.contains(&Request::Copy) && !requests.contains(&Request::Rename), "{requests:?}");
    for name in ["copy", "renamed"] {
        assert_eq!(get(&store, name).await.unwrap(), plaintext(100_000));
    }
    // A copy that may replace keeps attributes in every store.
    store.copy(&at("copy"), &at("again")).await.unwrap();
    assert_eq!(spy.requests().into_iter().filter(|request| *request == Request::Copy).count(), 1);
    assert_eq!(get(&store, "again").await.unwrap(), plaintext(100_000));
}

#[tokio::test]
async fn a_long_copy_that_must_not_replace_is_refused_and_the_source_stays() {
    for unbound in [false, true] {
        let (store, spy, _) = built(Placement::Attributes, |builder| if unbound { builder.unbound() } else { builder });
        put(&store, "from", plaintext((64 << 20) + 1)).await;
        for refused in [
            store.copy_if_not_exists(&at("from"), &at("to")).await.unwrap_err(),
            store.rename_if_not_exists(&at("from"), &at("to")).await.unwrap_err(),
        ] {
            assert!(matches!(refused, object_store::Error::NotSupported { .. }), "{refused}");
            assert_eq!(store_error(&refused), Some(&StoreError::CreatedLen));
        }
        assert!(spy.bare().head(&at("to")).await.is_err());
        store.copy_opts(&at("from"), &at("to"), CopyOptions::new()).await.unwrap();
        assert_eq!(get(&store, "to").await.unwrap(), plaintext((64 << 20) + 1));
    }
}
