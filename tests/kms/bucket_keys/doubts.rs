//! Keys that the KMS returned wrongly leave the cache when they fail; damaged envelopes make no right key leave it.

use std::time::Duration;

use atrest::{Encrypted, Envelope, Error, ObjectName, Sse};
use futures_util::future::join_all;

use super::{World, get, in_bucket, object};
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
    let reads = || world.time.run(join_all((0..10).map(|_| world.sse.decrypt(&name, &stored, atrest::Unlock::Server))));
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
