//! What shares a bucket key: objects of one bucket, requester, KMS key and context; concurrent calls; and nothing else.

use std::sync::Arc;
use std::time::Duration;

use atrest::kms::Timer;
use atrest::multipart::CompletedPart;
use atrest::{
    DsseKms, Encrypted, Envelope, Error, KeyProviderErrorKind as Kind, KmsKeys, ObjectName, PartNumber, Requester,
    Rewrap, Sse, SseKms, SseS3, Unlock,
};
use futures_util::FutureExt;
use futures_util::future::{join_all, select};

use super::{World, builder, context, get, in_bucket, kind, mode, object, put};
use crate::scripted::Step;

#[test]
fn one_call_serves_all_writes_into_a_bucket_and_one_all_reads() {
    let world = World::new();
    let names: Vec<_> = (0..100).map(|number| object(&number.to_string())).collect();
    let stored: Vec<_> = names.iter().map(|name| world.put(name).unwrap()).collect();
    assert_eq!(world.calls(), (1, 0));
    for (name, stored) in names.iter().zip(&stored) {
        assert!(stored.envelope.has_bucket_key());
        assert_eq!(world.get(name, stored).unwrap(), b"meow");
    }
    // A key that was generated serves no read: the KMS decides about both.
    assert_eq!(world.calls(), (1, 1));
    let stats = world.sse.bucket_key_stats();
    assert_eq!((stats.keys, stats.calls, stats.hits, stats.joined), (2, 2, 198, 0));
}

#[test]
fn the_kms_is_shown_the_arn_of_the_bucket_and_the_callers_pairs() {
    let world = World::new();
    let stored = world.time.run(world.sse.encrypt(&object("cat.jpg"), mode().with_context(context("a")), b"")).unwrap();
    world.get(&object("cat.jpg"), &stored).unwrap();
    for request in world.kms.kms.requests() {
        let pairs: Vec<_> = request.context().iter().collect();
        assert_eq!(pairs, [("aws:s3:arn", "arn:aws:s3:::photos"), ("team", "a")]);
    }
}

#[test]
fn objects_open_without_the_cache_and_elsewhere() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    let decoded = Envelope::decode(&stored.envelope.encode()).unwrap();
    assert!(decoded.has_bucket_key());
    for limits in [atrest::BucketKeys::uncached(), atrest::BucketKeys::new()] {
        let kms = KmsKeys::only([&*world.kms.key_id]);
        let elsewhere = builder(&world.time).bucket_keys(limits).kms(world.kms.clone(), kms).build().unwrap();
        assert_eq!(get(&world.time, &elsewhere, &name, &stored).unwrap(), b"meow");
    }
    assert_eq!(world.calls(), (1, 2));
}

#[test]
fn another_requester_bucket_realm_context_or_name_of_the_kms_key_is_another_call() {
    let world = World::new();
    let name = object("cat.jpg");
    let put = |sse: &Sse, name: &ObjectName, mode: SseKms| {
        let before = world.calls();
        let stored = world.time.run(sse.encrypt(name, mode, b"meow")).unwrap();
        let after_write = world.calls();
        assert_eq!(world.time.run(sse.decrypt(name, &stored, Unlock::Server)).unwrap(), b"meow");
        (after_write.0 - before.0, world.calls().1 - before.1)
    };
    let realm = |realm: &str| name.clone().with_realm(realm).unwrap();
    assert_eq!(put(&world.sse, &name, mode()), (1, 1));
    assert_eq!(put(&world.sse, &name.clone().with_version_id("7").unwrap(), mode()), (0, 0), "a version shares");
    assert_eq!(put(&world.of("alice"), &name, mode()), (1, 1));
    assert_eq!(put(&world.of("bob"), &name, mode()), (1, 1));
    assert_eq!(put(&world.sse, &in_bucket("music"), mode()), (1, 1));
    assert_eq!(put(&world.sse, &realm("one"), mode()), (1, 1));
    assert_eq!(put(&world.sse, &realm("two"), mode()), (1, 1));
    assert_eq!(put(&world.sse, &name, mode().with_context(context("a"))), (1, 1));
    assert_eq!(put(&world.sse, &name, mode().with_context(context("b"))), (1, 1));
    assert_eq!(put(&world.sse, &name, SseKms::new(&*world.kms.key_id).with_bucket_key(true)), (1, 1));
    // Each of them again: no call at all.
    for sse in [&world.sse, &world.of("alice"), &world.of("bob")] {
        assert_eq!(put(sse, &name, mode()), (0, 0));
    }
    assert_eq!(put(&world.sse, &realm("two"), mode()), (0, 0));
}

/// The envelopes of two buckets may name the same wrapped key, if an attacker who writes the store says so.
#[test]
fn a_wrapped_key_of_another_bucket_with_the_same_bytes_is_asked_for_and_refused() {
    let world = World::new();
    let (photos, music) = (in_bucket("photos"), in_bucket("music"));
    let stored = world.put(&photos).unwrap();
    assert_eq!(world.get(&photos, &stored).unwrap(), b"meow");
    let before = world.calls().1;
    assert_eq!(kind(world.get(&music, &stored)), Some(Kind::Rejected), "the KMS sees the other bucket's ARN");
    assert_eq!(kind(world.get(&photos.clone().with_realm("r").unwrap(), &stored)), None);
    let moved = world.get(&photos.with_realm("r").unwrap(), &stored);
    assert!(matches!(moved, Err(Error::Inauthentic)), "the same ARN in another realm: {moved:?}");
    assert_eq!(world.calls().1 - before, 2);
}

#[test]
fn neither_an_unbound_object_nor_dsse_kms_nor_a_plain_write_has_a_bucket_key() {
    let world = World::new();
    let unbound = world.put(&ObjectName::unbound()).unwrap();
    assert!(!unbound.envelope.has_bucket_key());
    world.put(&ObjectName::unbound()).unwrap();
    let name = object("cat.jpg");
    let plain = world.time.run(world.sse.encrypt(&name, SseKms::new("alias/app"), b"")).unwrap();
    assert!(!plain.envelope.has_bucket_key());
    if atrest::Backend::available().count() > 1 {
        let dsse = world.time.run(world.sse.encrypt(&name, DsseKms::new("alias/app"), b"")).unwrap();
        assert!(!dsse.envelope.has_bucket_key());
        world.get(&name, &dsse).unwrap();
        world.get(&name, &dsse).unwrap();
    }
    let (calls, stats) = (world.calls(), world.sse.bucket_key_stats());
    assert!(calls.0 >= 3);
    assert_eq!((stats.calls, stats.keys), (0, 0));
}

#[test]
fn ten_thousand_puts_at_once_into_one_bucket_cause_one_call_and_none_waits_longer_than_it() {
    let world = World::new();
    world.kms.always(Step::After(Duration::from_millis(50)));
    let names: Vec<_> = (0..10_000).map(|number| object(&number.to_string())).collect();
    let started = Timer::now(&world.time);
    let waits = world.time.run(join_all(names.iter().map(|name| async {
        let stored = world.sse.encryptor(name, mode()).await.unwrap();
        assert!(stored.0.has_bucket_key());
        Timer::now(&world.time) - started
    })));
    assert_eq!(world.calls(), (1, 0));
    assert!(waits.iter().all(|wait| *wait == Duration::from_millis(50)));
    assert_eq!(world.sse.bucket_key_stats().joined, 9_999);
}

#[test]
fn many_threads_at_once_share_calls_without_a_runtime() {
    let world = World::new();
    let (sse, barrier) = (world.sse.blocking(), std::sync::Barrier::new(64));
    std::thread::scope(|scope| {
        for number in 0..64 {
            let (sse, barrier) = (&sse, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..16 {
                    let name = object(&format!("{number}-{round}"));
                    let stored = sse.encrypt(&name, mode(), b"meow").unwrap();
                    assert_eq!(sse.decrypt(&name, &stored, Unlock::Server).unwrap(), b"meow");
                }
            });
        }
    });
    assert_eq!(world.calls(), (1, 1));
}

#[test]
fn a_caller_that_is_cancelled_does_not_fail_those_that_follow_it() {
    let world = World::new();
    world.kms.always(Step::After(Duration::from_millis(50)));
    let names: Vec<_> = (0..10).map(|number| object(&number.to_string())).collect();
    world.time.run(async {
        let mut puts: Vec<_> = names.iter().map(|name| Box::pin(world.sse.encrypt(name, mode(), b"meow"))).collect();
        for put in &mut puts {
            assert!(put.now_or_never().is_none());
        }
        // The first began the call.
        drop(puts.remove(0));
        assert!(join_all(puts).await.iter().all(Result::is_ok));
    });
    assert_eq!(world.calls(), (1, 0));
    assert_eq!(world.sse.bucket_key_stats().keys, 1);
}

#[test]
fn a_key_that_comes_after_all_its_callers_have_left_is_not_kept() {
    let world = World::new();
    world.kms.always(Step::After(Duration::from_millis(50)));
    let name = object("cat.jpg");
    world.time.run(async {
        let put = Box::pin(world.sse.encrypt(&name, mode(), b"meow"));
        let (left, limit) = (put, world.time.sleep(Duration::from_millis(20)));
        let _left = select(left, limit).await;
    });
    world.time.advance(Duration::from_secs(1));
    assert_eq!(world.sse.bucket_key_stats().keys, 0);
    world.put(&name).unwrap();
    assert_eq!((world.kms.calls(), world.sse.bucket_key_stats().keys), (2, 1));
}

#[test]
fn an_error_reaches_all_who_wait_and_is_not_kept() {
    let world = World::new();
    let names: Vec<_> = (0..10).map(|number| object(&number.to_string())).collect();
    for expected in [Kind::Unavailable, Kind::AccessDenied, Kind::Throttled] {
        let before = world.kms.calls();
        world.kms.next([Step::FailLate(expected)]);
        let puts = world.time.run(join_all(names.iter().map(|name| world.sse.encrypt(name, mode(), b"meow"))));
        assert!(puts.into_iter().all(|put| kind(put) == Some(expected)));
        assert_eq!(world.kms.calls() - before, 1);
        world.put(&names[0]).unwrap();
        assert_eq!(world.kms.calls() - before, 2, "the error was not kept");
        world.sse.purge_bucket_keys();
    }
}

#[test]
fn a_write_that_another_key_answers_leaves_nothing_in_memory() {
    let world = World::new();
    let name = object("cat.jpg");
    // The KMS key by its resolved id, so that another answering key is noticed.
    let mode = || SseKms::new(&*world.kms.key_id).with_bucket_key(true);
    let put = || world.time.run(world.sse.encrypt(&name, mode(), b"meow"));
    for (step, expected) in
        [(Step::WrongKey, Kind::WrongKey), (Step::NoWrappedKey, Kind::WrongLength), (Step::Panic, Kind::Panicked)]
    {
        world.kms.next([step]);
        assert_eq!(kind(put()), Some(expected));
        assert_eq!(world.sse.bucket_key_stats().keys, 0);
    }
    assert_eq!(world.get(&name, &put().unwrap()).unwrap(), b"meow");
}

#[test]
fn a_read_that_another_key_answers_leaves_nothing_in_memory() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    for (step, expected) in
        [(Step::WrongKey, Kind::WrongKey), (Step::Panic, Kind::Panicked), (Step::Fail(Kind::Disabled), Kind::Disabled)]
    {
        world.kms.next([step]);
        assert_eq!(kind(world.get(&name, &stored)), Some(expected));
        assert_eq!(world.sse.bucket_key_stats().keys, 1);
    }
    assert_eq!(world.get(&name, &stored).unwrap(), b"meow");
}

#[test]
fn an_upload_is_completed_under_the_bucket_key_that_it_began_with() {
    let world = World::new();
    let name = object("cat.jpg");
    let sse = world.sse.blocking();
    let upload = sse.begin_multipart(&name, b"upload", mode()).unwrap();
    assert!(upload.envelope().has_bucket_key());
    let one = PartNumber::new(1).unwrap();
    let (body, receipt) = upload.encrypt_part(one, b"meow", b"etag").unwrap();
    let parts = [CompletedPart::new(one, b"etag", &receipt, &body)];
    let completed = sse.complete_multipart(&upload, Unlock::Server, parts).unwrap();
    assert!(completed.envelope.has_bucket_key());
    let stored = Encrypted::new(completed.envelope, body).with_manifest(completed.manifest);
    assert_eq!(sse.decrypt(&name, &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(world.calls(), (1, 1), "completing and reading unwrap the same key");
}

#[test]
fn a_rewrap_keeps_takes_up_or_leaves_the_bucket_key() {
    let world = World::new();
    let (name, renamed) = (object("cat.jpg"), object("tom.jpg"));
    let sse = world.sse.blocking();
    let stored = sse.encrypt(&name, mode(), b"meow").unwrap();
    let opened = |name: &ObjectName, envelope: &Envelope| {
        let moved = Encrypted::new(envelope.clone(), &*stored.ciphertext);
        assert_eq!(sse.decrypt(name, &moved, Unlock::Server).unwrap(), b"meow");
        envelope.has_bucket_key()
    };
    let again = sse.rewrap(Rewrap::of(&name, &stored.envelope, Unlock::Server)).unwrap();
    assert!(opened(&name, &again));
    let calls = world.calls();
    let again = sse.rewrap(Rewrap::of(&name, &again, Unlock::Server)).unwrap();
    assert!(opened(&name, &again));
    assert_eq!(world.calls(), calls, "a second sweep asks for nothing");
    let moved = sse.rewrap(Rewrap::of(&name, &again, Unlock::Server).to(&renamed, mode())).unwrap();
    assert!(opened(&renamed, &moved));
    let left = sse.rewrap(Rewrap::of(&name, &again, Unlock::Server).to(&name, SseKms::new("alias/app"))).unwrap();
    assert!(!opened(&name, &left));
    let s3 = sse.rewrap(Rewrap::of(&name, &left, Unlock::Server).to(&name, SseS3)).unwrap();
    assert!(!opened(&name, &s3));
    let back = sse.rewrap(Rewrap::of(&name, &s3, Unlock::Server).to(&name, mode())).unwrap();
    assert!(opened(&name, &back));
}

#[test]
fn a_rewrap_under_the_same_key_takes_no_key_that_a_name_was_answered_with() {
    let world = World::new();
    let sse = builder(&world.time).kms(world.kms.clone(), KmsKeys::all()).build().unwrap().blocking();
    let (name, other) = (object("cat.jpg"), object("dog.jpg"));
    let stored = sse.encrypt(&name, mode(), b"meow").unwrap();
    world.kms.next([Step::WrongKey]);
    let named = SseKms::new(&*world.kms.key_id).with_bucket_key(true);
    let elsewhere = sse.encrypt(&other, named, b"woof").unwrap().envelope;
    assert_ne!(elsewhere.key_id(), Some(&*world.kms.key_id), "the KMS answered the name with another key");
    let again = sse.rewrap(Rewrap::of(&name, &stored.envelope, Unlock::Server)).unwrap();
    assert_eq!(again.key_id(), Some(&*world.kms.key_id));
}

#[test]
fn clones_of_a_handle_share_the_keys_and_two_handles_do_not() {
    let world = World::new();
    let clone = world.sse.requested_by(Requester::anonymous());
    put(&world.time, &world.sse, &object("1")).unwrap();
    put(&world.time, &clone, &object("2")).unwrap();
    assert_eq!(world.calls().0, 1);
    let kms = KmsKeys::only([&*world.kms.key_id]);
    let other = builder(&world.time).kms(Arc::clone(&world.kms) as _, kms).build().unwrap();
    put(&world.time, &other, &object("3")).unwrap();
    assert_eq!(world.calls().0, 2);
}
