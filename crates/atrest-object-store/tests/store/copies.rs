//! Copies and renames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use atrest::audit::{AuditEvent, AuditTrail};
use atrest::{ModeId, ObjectName, Sse, SseKms};
use atrest_object_store::{CallOptions, EncryptedStore, Placement};
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{CopyOptions, Error, ObjectStore, ObjectStoreExt};

use crate::kit::{Failing, Keys, PLACEMENTS, at, atrest_error, built, get, plaintext, put, put_parts, store};
use crate::spy::{Fault, Request, Spy};

const LENS: [usize; 4] = [0, 10, 5 << 20, 20 << 20];

#[tokio::test]
async fn a_copy_is_bound_to_its_own_name_and_the_source_stays() {
    for placement in PLACEMENTS {
        for len in LENS {
            let (store, _, _) = store(placement);
            put_parts(&store, "from", &plaintext(len), &[len]).await.unwrap();
            store.copy(&at("from"), &at("to")).await.unwrap();
            assert_eq!(get(&store, "to").await.unwrap(), plaintext(len));
            assert_eq!(get(&store, "from").await.unwrap(), plaintext(len));
        }
    }
}

#[tokio::test]
async fn a_copy_onto_itself_keeps_the_object() {
    let (store, _, _) = store(Placement::InFront);
    put(&store, "object", plaintext(100_000)).await;
    store.copy(&at("object"), &at("object")).await.unwrap();
    store.rename(&at("object"), &at("object")).await.unwrap();
    assert_eq!(get(&store, "object").await.unwrap(), plaintext(100_000));
}

#[tokio::test]
async fn a_large_copy_is_written_in_parts_of_constant_length() {
    let (store, spy, _) = store(Placement::Behind);
    put(&store, "from", plaintext(20 << 20)).await;
    spy.requests();
    store.copy(&at("from"), &at("to")).await.unwrap();
    let parts: Vec<_> = spy.requests().into_iter().filter(|request| matches!(request, Request::Part { .. })).collect();
    assert_eq!(parts.len(), 3);
}

#[tokio::test]
async fn a_copy_that_must_not_replace_does_not_whatever_its_length() {
    for len in [10, 5 << 20, 65 << 20] {
        let (store, spy, _) = store(Placement::InFront);
        put(&store, "from", plaintext(len)).await;
        put(&store, "taken", "mine").await;
        let error = store.copy_if_not_exists(&at("from"), &at("taken")).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        let error = store.rename_if_not_exists(&at("from"), &at("taken")).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert_eq!(get(&store, "taken").await.unwrap(), "mine");
        store.copy_if_not_exists(&at("from"), &at("to")).await.unwrap();
        assert_eq!(get(&store, "to").await.unwrap(), plaintext(len));
        store.rename_if_not_exists(&at("from"), &at("renamed")).await.unwrap();
        assert_eq!(get(&store, "renamed").await.unwrap(), plaintext(len));
        assert!(get(&store, "from").await.is_err());
        // Nothing is left beside them.
        let mut left: Vec<_> =
            spy.bare().list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
        left.sort_unstable();
        assert_eq!(left, ["renamed", "taken", "to"]);
    }
}

#[tokio::test]
async fn a_copy_that_fails_leaves_no_object_and_a_rename_that_fails_keeps_the_source() {
    for len in [10, 20 << 20] {
        let (store, spy, _) = store(Placement::InFront);
        put(&store, "from", plaintext(len)).await;
        spy.on_request(|_, _| None);
        store.copy(&at("from"), &at("counted")).await.unwrap();
        for index in 0..spy.calm() {
            spy.fault_at(index, Fault::Fails);
            store.rename(&at("from"), &at("to")).await.unwrap_err();
            spy.calm();
            assert!(get(&store, "to").await.is_err());
            assert_eq!(get(&store, "from").await.unwrap(), plaintext(len));
        }
    }
}

#[tokio::test]
async fn a_copy_of_a_changed_object_is_refused() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        put(&store, "from", plaintext(20 << 20)).await;
        spy.on_request(|_, request| matches!(request, Request::Get { .. }).then_some(Fault::Flips(10_000_000)));
        store.copy(&at("from"), &at("to")).await.unwrap_err();
        spy.calm();
        assert!(get(&store, "to").await.is_err());
    }
}

#[tokio::test]
async fn an_unbound_store_lets_the_inner_store_copy_and_rename() {
    let (store, spy, keys) = built(Placement::InFront, |builder| builder.unbound());
    put(&store, "from", plaintext(100_000)).await;
    spy.requests();
    keys.events();
    store.copy(&at("from"), &at("copy")).await.unwrap();
    store.rename(&at("from"), &at("renamed")).await.unwrap();
    assert_eq!(spy.requests(), [Request::Copy, Request::Rename]);
    let names = |event: &AuditEvent| {
        let key = |name: Option<&ObjectName>| name.map(|name| String::from_utf8_lossy(name.key()).into_owned());
        (event.operation().to_string(), key(event.source_object()), key(event.object()), event.key_id().is_some())
    };
    let copied = |from: &str, to: &str| ("CopyObject".to_owned(), Some(from.to_owned()), Some(to.to_owned()), false);
    let events: Vec<_> = keys.sink.events().iter().map(names).collect();
    assert_eq!(events, [copied("from", "copy"), copied("from", "renamed")]);
    assert_eq!(get(&store, "copy").await.unwrap(), plaintext(100_000));
    assert_eq!(get(&store, "renamed").await.unwrap(), plaintext(100_000));
}

#[tokio::test]
async fn an_unbound_copy_that_cannot_be_put_on_record_is_not_made() {
    let sink = Arc::new(Failing(AtomicBool::new(false)));
    let trail = AuditTrail::new(sink.clone());
    let sse = Sse::builder().keyring(Keys::new().keyring).audit(trail).envelope_len(1_024).build().unwrap();
    let spy = Spy::new(InMemory::new());
    let unencrypted = |location: &object_store::path::Path| location.as_ref().starts_with("open");
    let builder = EncryptedStore::builder(spy.clone(), sse, "lake").unbound().unencrypted(unencrypted);
    let store = builder.build().unwrap();
    put(&store, "from", plaintext(100)).await;
    put(&store, "open/from", plaintext(100)).await;
    sink.0.store(true, Ordering::SeqCst);
    spy.requests();
    for refused in [
        store.copy(&at("from"), &at("to")).await.unwrap_err(),
        store.rename(&at("from"), &at("to")).await.unwrap_err(),
        store.rename_if_not_exists(&at("from"), &at("to")).await.unwrap_err(),
    ] {
        assert!(matches!(atrest_error(&refused), Some(atrest::Error::Audit(_))), "{refused}");
    }
    assert_eq!(spy.requests(), []);
    // What is not encrypted is on no record.
    store.copy(&at("open/from"), &at("open/to")).await.unwrap();
}

#[tokio::test]
async fn a_copy_is_written_in_the_mode_that_the_call_names() {
    for unbound in [false, true] {
        let keys = Keys::new();
        let spy = Spy::new(InMemory::new());
        let builder = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").placement(Placement::InFront);
        let store = if unbound { builder.unbound() } else { builder }.build().unwrap();
        put(&store, "from", plaintext(100)).await;
        let mut options = CopyOptions::new();
        options.extensions.insert(CallOptions::new().with_mode(SseKms::new(&keys.kms_key)));
        store.copy_opts(&at("from"), &at("to"), options).await.unwrap();
        let stored = get(spy.bare(), "to").await.unwrap();
        assert_eq!(atrest::Envelope::decode_inline(&stored).unwrap().0.mode(), ModeId::SseKms);
        assert_eq!(get(&store, "to").await.unwrap(), plaintext(100));
    }
}

#[tokio::test]
async fn a_copy_without_permission_to_use_the_key_of_its_mode_is_refused() {
    let keys = Keys::new();
    let store = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake").build().unwrap();
    put(&store, "from", plaintext(100)).await;
    keys.kms.fail_with(Some(atrest::KeyProviderErrorKind::AccessDenied));
    let mut options = CopyOptions::new();
    options.extensions.insert(CallOptions::new().with_mode(SseKms::new(&keys.kms_key)));
    let error = store.copy_opts(&at("from"), &at("to"), options).await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    assert!(get(&store, "to").await.is_err());
}

#[tokio::test]
async fn deleting_deletes() {
    let (store, spy, _) = store(Placement::InFront);
    for name in ["a", "b"] {
        put(&store, name, plaintext(100)).await;
    }
    store.delete(&at("a")).await.unwrap();
    assert!(matches!(get(&store, "a").await.unwrap_err(), Error::NotFound { .. }));
    assert!(spy.bare().head(&at("a")).await.is_err());
    assert_eq!(get(&store, "b").await.unwrap(), plaintext(100));
}

#[tokio::test]
async fn an_unbound_copy_to_a_path_of_another_kms_key_is_written_under_that_key() {
    let keys = Keys::new();
    let other = keys.kms.create_key("other").unwrap();
    let spy = Spy::new(InMemory::new());
    let (lake, secret) = (SseKms::new(&keys.kms_key), SseKms::new(&other));
    let rule = move |path: &object_store::path::Path| {
        let mode = if path.as_ref().starts_with("secret") { &secret } else { &lake };
        CallOptions::new().with_mode(mode.clone())
    };
    let builder = EncryptedStore::builder(spy.clone(), keys.sse(), "lake").placement(Placement::InFront);
    let store = builder.unbound().rule(rule).build().unwrap();
    put(&store, "from", plaintext(100)).await;
    store.copy(&at("from"), &at("secret/to")).await.unwrap();
    let stored = get(spy.bare(), "secret/to").await.unwrap();
    let (envelope, _) = atrest::Envelope::decode_inline(&stored).unwrap();
    assert_eq!(envelope.kms_key_id(), Some(&*other));
    spy.requests();
    store.copy(&at("from"), &at("to")).await.unwrap();
    assert_eq!(spy.requests(), [Request::Copy]);
    assert_eq!(get(&store, "secret/to").await.unwrap(), plaintext(100));
}
