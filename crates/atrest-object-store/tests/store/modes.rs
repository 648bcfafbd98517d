//! Modes, requesters and customer keys, by path, by handle and by call.

use std::sync::Arc;

use atrest::geometry::Container;
use atrest::{Access, CustomerKey, DsseKms, Envelope, Expected, ModeId, Requester, SseC, SseKms, SseS3};
use atrest_object_store::{CallOptions, EncryptedStore, Placement, StoreError};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, Extensions, GetOptions, ObjectStore, ObjectStoreExt, PutOptions};

use crate::kit::{Keys, PLACEMENTS, at, get, get_range, plaintext, put, put_parts, store, store_error};
use crate::spy::Spy;

fn key(byte: u8) -> Arc<CustomerKey> {
    Arc::new(CustomerKey::from_bytes(&mut [byte; 32]).unwrap())
}

fn with_key(byte: u8) -> CallOptions {
    let access = Access::new(Expected::new()).with_customer_key(key(byte));
    CallOptions::new().with_mode(SseC::new(key(byte))).with_access(access)
}

fn extensions(options: CallOptions) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(options);
    extensions
}

#[tokio::test]
async fn every_mode_reads_back_in_every_placement() {
    for placement in PLACEMENTS {
        let keys = Keys::new();
        for mode in [
            CallOptions::new().with_mode(SseS3),
            CallOptions::new().with_mode(SseKms::new(&keys.kms_key)),
            CallOptions::new().with_mode(DsseKms::new(&keys.kms_key)),
            with_key(7),
        ] {
            let ruled = mode.clone();
            let builder = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake");
            let store = builder.placement(placement).rule(move |_| ruled.clone()).build().unwrap();
            for len in [0, 10, 40_000, 2 << 20] {
                let bytes = plaintext(len);
                put(&store, "object", bytes.clone()).await;
                assert_eq!(get(&store, "object").await.unwrap(), bytes);
                assert_eq!(store.head(&at("object")).await.unwrap().size, len as u64);
                if len > 100 {
                    assert_eq!(get_range(&store, "object", 100..len as u64 - 3).await.unwrap(), bytes[100..len - 3]);
                    let ranges = store.get_ranges(&at("object"), &[5..6, 30_000..40_000]).await.unwrap();
                    assert_eq!(ranges[1], bytes[30_000..40_000]);
                }
                put_parts(&store, "parts", &bytes, &[len / 2, len - len / 2]).await.unwrap();
                assert_eq!(get(&store, "parts").await.unwrap(), bytes, "{mode:?} {placement:?}");
                store.copy(&at("parts"), &at("copy")).await.unwrap();
                assert_eq!(get(&store, "copy").await.unwrap(), bytes);
            }
        }
    }
}

#[tokio::test]
async fn the_call_goes_before_the_handle_and_the_handle_before_the_path() {
    let keys = Keys::new();
    let spy = Spy::new(InMemory::new());
    let kms = SseKms::new(&keys.kms_key);
    let ruled = CallOptions::new().with_mode(kms.clone()).with_requester(Requester::new("path"));
    let rule = move |path: &Path| if path.as_ref().starts_with("kms") { ruled.clone() } else { CallOptions::new() };
    let builder = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").placement(Placement::InFront);
    let store = builder.rule(rule).build().unwrap();
    let handle = store.with_options(CallOptions::new().with_requester(Requester::new("handle")));
    let options = || PutOptions {
        extensions: extensions(CallOptions::new().with_requester(Requester::new("call"))),
        ..PutOptions::default()
    };
    for (store, location, options, mode, requester) in [
        (&store, "plain", PutOptions::default(), ModeId::SseS3, "anonymous"),
        (&store, "kms", PutOptions::default(), ModeId::SseKms, "path"),
        (&handle, "kms", PutOptions::default(), ModeId::SseKms, "handle"),
        (&handle, "kms", options(), ModeId::SseKms, "call"),
    ] {
        keys.sink.clear();
        store.put_opts(&at(location), "meow".into(), options).await.unwrap();
        let stored = get(spy.bare(), location).await.unwrap();
        assert_eq!(Envelope::decode_inline(&stored).unwrap().0.mode(), mode);
        let events = keys.sink.events();
        assert_eq!(events.last().unwrap().requester().as_str(), requester);
        let (bucket, key) = (events[0].object().unwrap().bucket().to_vec(), events[0].object().unwrap().key().to_vec());
        assert_eq!((bucket, key), (b"lake".to_vec(), location.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn a_customer_key_comes_by_call_and_without_it_nothing_is_read() {
    let (store, _, _) = store(Placement::InFront);
    let writing = PutOptions { extensions: extensions(with_key(7)), ..PutOptions::default() };
    store.put_opts(&at("object"), plaintext(100).into(), writing).await.unwrap();
    let reading = |byte| GetOptions::new().with_extensions(extensions(with_key(byte)));
    let got = store.get_opts(&at("object"), reading(7)).await.unwrap();
    assert_eq!(got.bytes().await.unwrap(), plaintext(100));
    let error = store.get_opts(&at("object"), reading(8)).await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    let error = get(&store, "object").await.unwrap_err();
    assert!(matches!(error, Error::Unauthenticated { .. }), "{error}");
    assert_eq!(store.head(&at("object")).await.unwrap().size, 100);
    let ranges = store.with_options(with_key(7)).get_ranges(&at("object"), &[5..7]).await.unwrap();
    assert_eq!(ranges, [plaintext(100).slice(5..7)]);
}

#[tokio::test]
async fn a_mode_with_other_layers_than_the_path_is_refused_on_writes_and_reads() {
    let keys = Keys::new();
    let spy = Spy::new(InMemory::new());
    let single = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").build().unwrap();
    let dsse = DsseKms::new(&keys.kms_key);
    let double = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").mode(dsse.clone()).build().unwrap();
    let options = PutOptions { extensions: extensions(CallOptions::new().with_mode(dsse)), ..PutOptions::default() };
    let error = single.put_opts(&at("object"), "meow".into(), options).await.unwrap_err();
    assert_eq!(store_error(&error), Some(&StoreError::Layers));
    put(&double, "object", plaintext(50)).await;
    assert_eq!(store_error(&get(&single, "object").await.unwrap_err()), Some(&StoreError::Layers));
}

#[tokio::test]
async fn a_kms_that_denies_access_is_permission_denied_and_one_that_is_down_is_generic() {
    let keys = Keys::new();
    let mode = SseKms::new(&keys.kms_key);
    let store = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake").mode(mode).build().unwrap();
    put(&store, "object", plaintext(50)).await;
    keys.kms.fail_with(Some(atrest::KeyProviderErrorKind::AccessDenied));
    let error = get(&store, "object").await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    keys.kms.fail_with(Some(atrest::KeyProviderErrorKind::Unavailable));
    let error = get(&store, "object").await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
    // The name of the key is not the name of an object.
    keys.kms.fail_with(Some(atrest::KeyProviderErrorKind::NotFound));
    let error = get(&store, "object").await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
}

#[tokio::test]
async fn a_store_that_lacks_a_fixed_length_is_not_built() {
    let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate().unwrap()).build().unwrap();
    for (placement, builds) in [(Placement::InFront, false), (Placement::Behind, false), (Placement::Attributes, true)]
    {
        let built = EncryptedStore::builder(InMemory::new(), sse.clone(), "lake").placement(placement).build();
        assert_eq!(built.is_ok(), builds, "{placement:?}");
    }
    for (container, accepted) in
        [(Container::inline(1_024), Placement::InFront), (Container::trailer(1_024), Placement::Behind)]
    {
        let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate().unwrap()).container(container);
        let sse = sse.build().unwrap();
        for placement in PLACEMENTS {
            let built = EncryptedStore::builder(InMemory::new(), sse.clone(), "lake").placement(placement).build();
            assert_eq!(built.is_ok(), placement == accepted, "{placement:?}");
        }
        let store = EncryptedStore::builder(InMemory::new(), sse.clone(), "lake").placement(accepted).build().unwrap();
        put(&store, "object", plaintext(50_000)).await;
        assert_eq!(get(&store, "object").await.unwrap(), plaintext(50_000));
        // What the store holds is the container of the format.
        let stored = get(store.inner(), "object").await.unwrap();
        let stored = atrest::Encrypted::from_container(&stored, container).unwrap();
        let name = atrest::ObjectName::new("lake", "object").unwrap();
        let opened = sse.decrypt(&name, &stored, atrest::Unlock::Server).await.unwrap();
        assert_eq!(opened, plaintext(50_000));
    }
    let too_small = EncryptedStore::builder(InMemory::new(), Keys::new().sse(), "lake").equal_parts(100).build();
    assert!(matches!(too_small.unwrap_err(), Error::NotSupported { .. }));
}
