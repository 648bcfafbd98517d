//! Keys that the KMS returned wrongly leave the cache when they fail; damaged envelopes make no right key leave it.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use atrest::multipart::CompletedPart;
use atrest::{
    Encrypted, Envelope, Error, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, KmsKeys,
    ObjectName, PartNumber, Sse, Unlock, UnwrappedKey, WrappedKey,
};
use atrest_kit::ManualTime;
use futures_util::future::join_all;

use super::{World, builder, get, in_bucket, mode, object, put};
use crate::scripted::Step;

/// The object with an envelope whose verifier no key matches.
fn damaged(stored: &Encrypted) -> Encrypted {
    let mut envelope = stored.envelope.encode();
    envelope[50] ^= 1; // at 48 the verifier begins
    Encrypted::new(Envelope::decode(&envelope).unwrap(), &*stored.ciphertext)
}

impl World {
    fn does_not_open(&self, name: &ObjectName, stored: &Encrypted) {
        self.does_not_open_with(&self.sse, name, stored);
    }

    fn does_not_open_with(&self, sse: &Sse, name: &ObjectName, stored: &Encrypted) {
        let opened = get(&self.time, sse, name, stored);
        assert!(matches!(opened, Err(Error::Inauthentic)), "{opened:?}");
    }
}

#[test]
fn a_key_that_was_unwrapped_wrongly_once_fails_one_read_alone() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    world.kms.next([Step::OtherKek]);
    world.does_not_open(&name, &stored);
    assert_eq!(world.get(&name, &stored).unwrap(), b"meow");
    assert_eq!(world.calls().1, 2);
    world.get(&name, &stored).unwrap();
    assert_eq!(world.calls().1, 2, "the right key stays");
}

#[test]
fn reads_that_shared_a_wrong_answer_fail_together_and_the_next_ones_succeed() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    world.kms.takes(Duration::from_millis(50));
    world.kms.next([Step::OtherKek]);
    let reads = || world.time.run(join_all((0..10).map(|_| world.sse.decrypt(&name, &stored, Unlock::Server))));
    assert!(reads().iter().all(|read| matches!(read, Err(Error::Inauthentic))));
    assert!(reads().iter().all(Result::is_ok));
    assert_eq!(world.calls().1, 2);
}

#[test]
fn damaged_envelopes_cost_no_call_once_the_key_has_opened_one() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    world.get(&name, &stored).unwrap();
    let (calls, keys) = (world.calls(), world.sse.bucket_key_stats().keys);
    for _ in 0..100 {
        world.does_not_open(&name, &damaged(&stored));
    }
    // A right envelope under a wrong name is as good as a damaged one.
    world.does_not_open(&object("dog.jpg"), &stored);
    assert_eq!((world.calls(), world.sse.bucket_key_stats().keys), (calls, keys));
    world.get(&name, &stored).unwrap();
    assert_eq!(world.calls(), calls);
}

#[test]
fn damaged_envelopes_cost_no_call_where_a_write_has_the_same_key() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    for _ in 0..100 {
        world.does_not_open(&name, &damaged(&stored));
    }
    world.put(&name).unwrap();
    assert_eq!(world.calls(), (1, 1), "two calls brought the same key, so that it is right");
    world.get(&name, &stored).unwrap();
    assert_eq!(world.calls(), (1, 1));
}

/// An attacker who writes the store costs the KMS a call for each read of a damaged envelope, as without a cache, and
/// takes no key from others.
#[test]
fn a_reader_of_damaged_envelopes_takes_no_key_from_others() {
    let world = World::new();
    let (cat, song) = (in_bucket("photos"), in_bucket("music"));
    let (stored, other) = (world.put(&cat).unwrap(), world.put(&song).unwrap());
    let (alice, mallory) = (world.of("alice"), world.of("mallory"));
    // The keys of the writes are gone, so that nothing confirms those of the reads.
    world.sse.purge_bucket_keys();
    for (name, stored) in [(&cat, &stored), (&song, &other)] {
        get(&world.time, &alice, name, stored).unwrap();
    }
    let before = world.calls().1;
    for number in 1..=20 {
        world.does_not_open_with(&mallory, &cat, &damaged(&stored));
        assert_eq!(world.calls().1 - before, 1, "{number}: alice's key confirms mallory's");
    }
    world.sse.purge_bucket_keys();
    get(&world.time, &alice, &song, &other).unwrap();
    let before = world.calls().1;
    for number in 1..=20 {
        world.does_not_open_with(&mallory, &cat, &damaged(&stored));
        assert_eq!(world.calls().1 - before, number, "nothing confirms it");
    }
    get(&world.time, &alice, &song, &other).unwrap();
    assert_eq!(world.calls().1 - before, 20);
}

#[test]
fn a_key_that_was_generated_wrongly_writes_nothing_more_once_a_read_has_failed() {
    let world = World::new();
    let name = object("cat.jpg");
    world.kms.next([Step::OtherKek]);
    let lost = world.put(&name).unwrap();
    world.does_not_open(&name, &lost);
    let stored = world.put(&name).unwrap();
    assert_eq!(world.calls().0, 2, "another key is generated");
    assert_eq!(world.get(&name, &stored).unwrap(), b"meow");
}

#[test]
fn a_write_key_that_contradicts_a_wrong_read_is_replaced_and_a_proven_key_of_another_reader_is_not() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    let (alice, bob) = (world.of("alice"), world.of("bob"));
    get(&world.time, &alice, &name, &stored).unwrap();
    world.kms.next([Step::OtherKek]);
    world.does_not_open_with(&bob, &name, &stored);
    let before = world.calls();
    get(&world.time, &alice, &name, &stored).unwrap();
    assert_eq!(world.calls(), before);
    let again = world.put(&name).unwrap();
    assert_eq!(world.calls(), (before.0 + 1, before.1));
    assert_eq!(world.get(&name, &again).unwrap(), b"meow");
}

#[test]
fn a_completion_that_got_a_wrong_key_fails_once_and_leaves_nothing_of_it() {
    let world = World::new();
    let sse = world.sse.blocking();
    let upload = sse.begin_multipart(&object("cat.jpg"), b"upload", mode()).unwrap();
    let one = PartNumber::new(1).unwrap();
    let (body, receipt) = upload.encrypt_part(one, b"meow", b"etag").unwrap();
    let parts = || [CompletedPart::new(one, b"etag", &receipt, &body)];
    world.kms.next([Step::OtherKek]);
    let completed = sse.complete_multipart(&upload, Unlock::Server, parts());
    assert!(matches!(completed, Err(Error::Inauthentic)));
    sse.complete_multipart(&upload, Unlock::Server, parts()).unwrap();
    assert_eq!(world.calls().1, 2);
}

/// A KMS that derives keys from the context, and so unwraps a wrapped key to another key in another context.
struct Derived;

fn derived(request: &KeyRequest) -> KeyEncryptionKey {
    let arn = request.context().get("aws:s3:arn").unwrap();
    KeyEncryptionKey::from_bytes(&mut [u8::try_from(arn.len()).unwrap(); 32]).unwrap()
}

impl KeyProvider for Derived {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(ready(Ok(GeneratedKey::new("derived:key/1", *b"one", derived(&request)))))
    }

    fn unwrap_key(self: Arc<Self>, _wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(ready(Ok(UnwrappedKey::new(request.key_id(), derived(&request)))))
    }
}

#[test]
fn an_envelope_that_was_moved_to_another_bucket_contradicts_no_key_of_its_own() {
    let time = ManualTime::new();
    let sse = builder(&time).kms(Arc::new(Derived), KmsKeys::all()).build().unwrap();
    let (photos, pictures) = (in_bucket("photos"), in_bucket("pictures"));
    let stored = put(&time, &sse, &photos).unwrap();
    let moved = get(&time, &sse, &pictures, &stored);
    assert!(matches!(moved, Err(Error::Inauthentic)), "{moved:?}");
    put(&time, &sse, &photos).unwrap();
    assert_eq!(sse.bucket_key_stats().calls, 2, "the key for writes to the first bucket is still there");
}
