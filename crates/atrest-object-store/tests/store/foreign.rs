//! Objects that are not encrypted, or not by this store.

use atrest::{Keyring, Requester, Sse};
use atrest_object_store::{CallOptions, EncryptedStore, Placement, StoreError};
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyMode, CopyOptions, Error, Extensions, GetOptions, GetRange, GetResultPayload, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode, TagSet,
};

use crate::kit::{
    Keys, Memory, PLACEMENTS, at, atrest_error, built, get, get_range, plaintext, put, put_parts, store, store_error,
};
use crate::spy::{Given, Request};

fn is_marker(location: &Path) -> bool {
    location.filename() == Some("_SUCCESS") || location.prefix_matches(&Path::from("open"))
}

#[tokio::test]
async fn what_the_filter_names_passes_through_whole() {
    for placement in PLACEMENTS {
        let (store, spy, _) = built(placement, |builder| builder.unencrypted(is_marker));
        put(&store, "open/file", plaintext(100)).await;
        put_parts(&store, "open/parts", &plaintext(100), &[50, 50]).await.unwrap();
        put(&store, "lake/_SUCCESS", "").await;
        for location in ["open/file", "open/parts"] {
            assert_eq!(get(spy.bare(), location).await.unwrap(), plaintext(100));
            assert_eq!(get(&store, location).await.unwrap(), plaintext(100));
            assert_eq!(get_range(&store, location, 5..7).await.unwrap(), plaintext(100)[5..7]);
            assert_eq!(store.get_ranges(&at(location), &[5..7]).await.unwrap(), [plaintext(100).slice(5..7)]);
            assert_eq!(store.head(&at(location)).await.unwrap().size, 100);
        }
        store.copy(&at("open/file"), &at("open/copy")).await.unwrap();
        store.rename(&at("open/copy"), &at("open/renamed")).await.unwrap();
        assert_eq!(get(&store, "open/renamed").await.unwrap(), plaintext(100));
        let mut listed: Vec<_> =
            store.list(None).map_ok(|meta| (meta.location.to_string(), meta.size)).try_collect().await.unwrap();
        listed.sort_unstable();
        let expected = [("lake/_SUCCESS", 0), ("open/file", 100), ("open/parts", 100), ("open/renamed", 100)];
        assert_eq!(listed, expected.map(|(name, len)| (name.to_owned(), len)));
        store.delete(&at("open/file")).await.unwrap();
    }
}

#[tokio::test]
async fn no_copy_or_rename_crosses_the_filter() {
    let (store, _, _) = built(Placement::InFront, |builder| builder.unencrypted(is_marker));
    put(&store, "open/file", plaintext(100)).await;
    put(&store, "lake/file", plaintext(100)).await;
    for (from, to) in [("open/file", "lake/copy"), ("lake/file", "open/copy")] {
        for error in
            [store.copy(&at(from), &at(to)).await.unwrap_err(), store.rename(&at(from), &at(to)).await.unwrap_err()]
        {
            assert_eq!(store_error(&error), Some(&StoreError::AcrossTheFilter));
        }
        assert!(store.head(&at(to)).await.is_err());
    }
}

#[tokio::test]
async fn get_head_and_copy_refuse_an_object_that_is_not_encrypted() {
    for placement in PLACEMENTS {
        for len in [0, 5, 1_000, 1_095, 1_096, 20_000, 3 << 20] {
            let (store, spy, _) = store(placement);
            put(spy.bare(), "object", plaintext(len)).await;
            let expected = Some(&StoreError::NotEncrypted);
            for attempt in [
                get(&store, "object").await.map(drop),
                get_range(&store, "object", 0..1).await.map(drop),
                get_range(&store, "object", object_store::GetRange::Suffix(1)).await.map(drop),
                store.get_ranges(&at("object"), &[0..1]).await.map(drop),
                store.copy(&at("object"), &at("copy")).await,
                store.rename(&at("object"), &at("copy")).await,
            ] {
                let error = attempt.unwrap_err();
                // An inner store refuses a range behind its end itself.
                let refused_inside = error.to_string().contains("Invalid range");
                assert!(store_error(&error) == expected || refused_inside, "{placement:?} {len}: {error:?}");
            }
            assert!(get(spy.bare(), "object").await.is_ok());
            assert!(get(spy.bare(), "copy").await.is_err());
        }
    }
    let (store, spy, _) = store(Placement::InFront);
    put(spy.bare(), "object", plaintext(1_095)).await;
    assert_eq!(store_error(&store.head(&at("object")).await.unwrap_err()), Some(&StoreError::NotEncrypted));
    let (store, spy, _) = crate::kit::store(Placement::Attributes);
    put(spy.bare(), "object", plaintext(20_000)).await;
    assert_eq!(store_error(&store.head(&at("object")).await.unwrap_err()), Some(&StoreError::NotEncrypted));
}

#[tokio::test]
async fn the_error_of_another_placement_names_the_places_and_the_setting() {
    for written in PLACEMENTS {
        for read in PLACEMENTS.into_iter().filter(|read| *read != written) {
            let (store, spy, keys) = store(written);
            put(&store, "object", plaintext(50_000)).await;
            let builder = EncryptedStore::builder(spy, keys.sse(), "lake").placement(read);
            let error = get(&builder.build().unwrap(), "object").await.unwrap_err();
            assert_eq!(store_error(&error), Some(&StoreError::NotEncrypted), "{written:?} {read:?}");
            for named in ["in front of the body", "behind it", "attributes", "EncryptedStoreBuilder::placement"] {
                assert!(error.to_string().contains(named), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn an_object_opens_neither_under_another_name_nor_in_another_bucket_or_realm() {
    for placement in PLACEMENTS {
        let keys = Keys::new();
        let spy = crate::spy::Spy::new(object_store::memory::InMemory::new());
        let named = |bucket: &str, realm: &str| {
            let builder = EncryptedStore::builder(spy.clone(), keys.sse(), bucket);
            builder.realm(realm).placement(placement).build().unwrap()
        };
        let store = named("lake", "eu");
        put(&store, "object", plaintext(50)).await;
        spy.bare().copy(&at("object"), &at("moved")).await.unwrap();
        for (store, location) in
            [(named("lake", "eu"), "moved"), (named("pond", "eu"), "object"), (named("lake", ""), "object")]
        {
            let error = get(&store, location).await.unwrap_err();
            assert!(matches!(atrest_error(&error), Some(atrest::Error::Inauthentic)), "{error:?}");
        }
        assert_eq!(get(&named("lake", "eu"), "object").await.unwrap(), plaintext(50));
    }
}

#[tokio::test]
async fn a_prefix_on_the_other_side_of_the_encryption_is_another_name() {
    let (store, spy, keys) = store(Placement::Behind);
    put(&PrefixStore::new(store.clone(), "lake"), "object", plaintext(50)).await;
    // The stored object is the same one; it is bound to `lake/object`.
    assert_eq!(get(&store, "lake/object").await.unwrap(), plaintext(50));
    let within = EncryptedStore::builder(PrefixStore::new(spy, "lake"), keys.sse(), "lake").build().unwrap();
    assert!(matches!(atrest_error(&get(&within, "object").await.unwrap_err()), Some(atrest::Error::Inauthentic)));
    put(&within, "other", plaintext(50)).await;
    assert!(matches!(atrest_error(&get(&store, "lake/other").await.unwrap_err()), Some(atrest::Error::Inauthentic)));
}

#[tokio::test]
async fn an_object_under_another_keyring_is_refused_by_name() {
    let (store, spy, _) = store(Placement::InFront);
    put(&store, "object", plaintext(50)).await;
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).envelope_len(1_024).build().unwrap();
    let builder = EncryptedStore::builder(spy, sse, "lake");
    let other = builder.placement(Placement::InFront).build().unwrap();
    let error = get(&other, "object").await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
}

#[tokio::test]
async fn attributes_pass_through_but_not_that_of_the_envelope() {
    use object_store::{Attribute, Attributes};
    let (store, spy, _) = store(Placement::Attributes);
    let attributes =
        Attributes::from_iter([(Attribute::ContentType, "text/plain"), (Attribute::Metadata("a".into()), "b")]);
    let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
    store.put_opts(&at("object"), "meow".into(), options).await.unwrap();
    assert_eq!(store.get(&at("object")).await.unwrap().attributes, attributes);
    assert_eq!(spy.bare().get(&at("object")).await.unwrap().attributes.len(), 3);
    store.copy(&at("object"), &at("copy")).await.unwrap();
    assert_eq!(store.get(&at("copy")).await.unwrap().attributes, attributes);

    let taken = Attributes::from_iter([(Attribute::Metadata("atrestenvelope".into()), "mine")]);
    let options = PutOptions { attributes: taken.clone(), ..PutOptions::default() };
    let error = store.put_opts(&at("object"), "meow".into(), options).await.unwrap_err();
    assert_eq!(store_error(&error), Some(&StoreError::AttributeTaken("atrestenvelope")));
    assert!(store.put_multipart_opts(&at("object"), taken.into()).await.is_err());
}

/// An extension that only the inner store knows.
#[derive(Clone, Debug, PartialEq)]
struct Trace(u32);

/// That extension, and options of the encrypted store.
fn traced() -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(Trace(7));
    extensions.insert(CallOptions::new().with_requester(Requester::new("alice")));
    extensions
}

fn tagged() -> TagSet {
    let mut tags = TagSet::default();
    tags.push("team", "cats & dogs");
    tags
}

/// Returns the requests since the last call, each of which got the extension and not the options.
fn traced_requests(spy: &Memory) -> Vec<Given> {
    let given = spy.given();
    for Given { request, extensions, .. } in &given {
        assert_eq!(extensions.get::<Trace>(), Some(&Trace(7)), "{request:?}");
        assert!(extensions.get::<CallOptions>().is_none(), "{request:?}");
    }
    given
}

#[tokio::test]
async fn tags_and_extensions_reach_every_request_of_a_call_and_the_options_none() {
    const LEN: usize = 2 << 20;
    for (placement, at_once) in PLACEMENTS.into_iter().flat_map(|placement| [(placement, true), (placement, false)]) {
        for (unbound, location) in [(false, "lake/object"), (true, "lake/object"), (false, "open/object")] {
            let (store, spy, keys) = built(placement, |builder| {
                let builder = builder.without_cache().unencrypted(is_marker);
                let builder = if at_once { builder } else { builder.envelope_first() };
                if unbound { builder.unbound() } else { builder }
            });
            let is_open = location.starts_with("open");
            let (object, copy, renamed) = (at(location), at(&format!("{location}2")), at(&format!("{location}3")));
            let options = PutOptions { extensions: traced(), tags: tagged(), ..PutOptions::default() };
            store.put_opts(&object, plaintext(LEN).into(), options).await.unwrap();
            let given = traced_requests(&spy);
            assert!(matches!(&given[..], [Given { request: Request::Put { .. }, tags, .. }] if *tags == tagged()));
            let requester = keys.sink.events().last().map(|event| event.requester().as_str().to_owned());
            assert_eq!(requester.as_deref(), (!is_open).then_some("alice"), "the options were heard");

            let options = PutMultipartOptions { extensions: traced(), tags: tagged(), ..Default::default() };
            store.put_multipart_opts(&object, options).await.unwrap().abort().await.unwrap();
            let given = traced_requests(&spy);
            assert!(matches!(&given[..], [Given { request: Request::Begin, tags, .. }] if *tags == tagged()));

            // The envelope beside or before the range, and the beginning of an object behind its end.
            let in_object = placement != Placement::Attributes && !is_open;
            let whole_in_two = in_object && placement == Placement::Behind;
            for (range, requests) in [
                (Some(GetRange::Bounded(1_900_000..1_900_001)), if in_object { 2 } else { 1 }),
                (None, if whole_in_two { 2 } else { 1 }),
            ] {
                let options = GetOptions::new().with_range(range.clone()).with_extensions(traced());
                store.get_opts(&object, options).await.unwrap().bytes().await.unwrap();
                assert_eq!(traced_requests(&spy).len(), requests, "{placement:?} {location} {range:?}");
            }
            store.get_opts(&object, GetOptions::new().with_head(true).with_extensions(traced())).await.unwrap();
            assert!(matches!(&traced_requests(&spy)[..], [Given { request: Request::Head, .. }]));

            let options = CopyOptions::new().with_extensions(traced());
            store.copy_opts(&object, &copy, options.clone()).await.unwrap();
            let copied = traced_requests(&spy);
            let options = options.with_mode(CopyMode::Create);
            store.copy_opts(&object, &at(&format!("{location}4")), options).await.unwrap();
            traced_requests(&spy);
            let options = RenameOptions::new().with_extensions(traced());
            store.rename_opts(&copy, &renamed, options.clone()).await.unwrap();
            let moved = traced_requests(&spy);
            let of_inner =
                |given: &[Given]| given.iter().any(|given| matches!(given.request, Request::Copy | Request::Rename));
            let as_it_is = unbound || is_open;
            assert_eq!((of_inner(&copied), of_inner(&moved)), (as_it_is, as_it_is));
            assert_eq!((copied.len() == 1, moved.len() == 1), (as_it_is, as_it_is), "a read and a write");
            let options = options.with_target_mode(RenameTargetMode::Create);
            store.rename_opts(&renamed, &at(&format!("{location}5")), options).await.unwrap();
            traced_requests(&spy);

            // These take no extensions: the options of a handle reach them, and stay on this side too.
            let handle = store.with_options(CallOptions::new().with_requester(Requester::new("alice")));
            handle.get_ranges(&object, &[0..1, 1_900_000..1_900_001]).await.unwrap();
            assert!(spy.given().iter().all(|given| given.extensions.is_empty()));
        }
    }
}

#[tokio::test]
async fn extensions_reach_the_requests_in_the_place_of_a_suffix_and_those_of_a_copy_beside_its_place() {
    let (store, spy, _) = store(Placement::Behind);
    spy.refuse_suffixes();
    put(&store, "object", plaintext(65 << 20)).await;
    spy.given();
    let options = GetOptions::new().with_range(Some(GetRange::Suffix(5))).with_extensions(traced());
    store.get_opts(&at("object"), options).await.unwrap();
    assert!(traced_requests(&spy).iter().any(|given| given.request == Request::Head));
    let options = CopyOptions::new().with_mode(CopyMode::Create).with_extensions(traced());
    store.copy_opts(&at("object"), &at("copy"), options).await.unwrap();
    let requests: Vec<_> = traced_requests(&spy).into_iter().map(|given| given.request).collect();
    assert!(requests.contains(&Request::Begin) && requests.contains(&Request::Copy), "{requests:?}");
}

#[tokio::test]
async fn the_attribute_of_the_envelope_is_taken_in_every_spelling() {
    use object_store::{Attribute, Attributes};
    // Attributes become headers, whose names know no case: a second header of that name would spoil the envelope.
    let (store, spy, _) = store(Placement::Attributes);
    for name in ["AtrestEnvelope", "ATRESTENVELOPE"] {
        let taken = Attributes::from_iter([(Attribute::Metadata(name.into()), "mine")]);
        let options = PutOptions { attributes: taken.clone(), ..PutOptions::default() };
        let error = store.put_opts(&at("object"), "meow".into(), options).await.unwrap_err();
        assert_eq!(store_error(&error), Some(&StoreError::AttributeTaken("atrestenvelope")));
        assert!(store.put_multipart_opts(&at("object"), taken.into()).await.is_err());
    }
    assert_eq!(spy.requests(), []);
}

#[tokio::test]
async fn a_payload_is_never_the_file_of_the_inner_store() {
    let directory = tempfile::tempdir().unwrap();
    let inner = object_store::local::LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    let store = EncryptedStore::builder(inner, Keys::new().sse(), "lake").build().unwrap();
    put(&store, "object", plaintext(50)).await;
    let got = store.get(&at("object")).await.unwrap();
    assert!(matches!(got.payload, GetResultPayload::Stream(_)));
}

#[tokio::test]
async fn the_attribute_of_the_envelope_has_a_name_that_every_store_takes() {
    // Azure takes the names of C# identifiers only, and some proxies drop headers with an underscore.
    let (store, spy, _) = store(Placement::Attributes);
    put(&store, "object", "meow").await;
    let attributes = spy.bare().get(&at("object")).await.unwrap().attributes;
    for (name, _) in &attributes {
        let object_store::Attribute::Metadata(name) = name else { panic!("{name:?}") };
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
    }
    assert_eq!(attributes.len(), 1);
}

#[tokio::test]
async fn an_envelope_without_padding_is_malformed_although_it_has_the_fixed_length() {
    use atrest::{ObjectName, Sse, SseS3};
    let keys = crate::kit::Keys::new();
    let unpadded = Sse::builder().keyring(keys.keyring.clone()).build().unwrap();
    let name = ObjectName::new("lake", "object").unwrap();
    let encrypted = unpadded.encrypt(&name, SseS3, b"meow").await.unwrap();
    let envelope = encrypted.envelope.encode();
    let padded = Sse::builder().keyring(keys.keyring.clone()).envelope_len(envelope.len()).build().unwrap();
    for (placement, stored) in [
        (Placement::InFront, [&*envelope, &*encrypted.ciphertext].concat()),
        (Placement::Behind, [&*encrypted.ciphertext, &*envelope].concat()),
    ] {
        let inner = object_store::memory::InMemory::new();
        put(&inner, "object", stored).await;
        let store = atrest_object_store::EncryptedStore::builder(inner, padded.clone(), "lake");
        let store = store.placement(placement).build().unwrap();
        for attempt in [get(&store, "object").await.map(drop), store.get_ranges(&at("object"), &[0..1]).await.map(drop)]
        {
            let error = attempt.unwrap_err();
            let expected =
                |error| matches!(error, &atrest::Error::Envelope(atrest::error::EnvelopeError::Malformed(_)));
            assert!(crate::kit::atrest_error(&error).is_some_and(expected), "{placement:?} {error:?}");
        }
    }
}
