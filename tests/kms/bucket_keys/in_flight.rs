//! Faults while a call of the KMS is under way: changes, purges, clocks that jump, late, wrong and panicking answers,
//! callers that leave; and two nodes whose clocks disagree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use atrest::kms::{Authorized, Timer};
use atrest::{BucketKeys, KeyProviderErrorKind as Kind, KmsKeys, SseKms, Unlock};
use atrest_kit::ManualTime;
use futures_util::FutureExt;
use futures_util::future::{join, join_all};

use super::{MINUTE, World, builder, get, in_bucket, kind, mode, object, put};
use crate::scripted::Step;

const LATE: Duration = Duration::from_millis(50);

impl World {
    /// Writes, and does something while the call of the KMS is under way.
    fn put_while(&self, then: impl FnOnce()) {
        let name = object("cat.jpg");
        let (put, ()) = self.time.run(join(self.sse.encrypt(&name, mode(), b"meow"), async {
            self.time.sleep(LATE / 2).await;
            then();
        }));
        put.unwrap();
    }
}

fn slow() -> World {
    let world = World::new();
    world.kms.takes(LATE);
    world
}

#[test]
fn a_change_of_the_kms_during_a_call_lets_its_key_serve_no_later_request() {
    let world = slow();
    world.put_while(|| world.kms.epoch.store(1, Ordering::SeqCst));
    world.put(&object("cat.jpg")).unwrap();
    assert_eq!(world.calls().0, 2);
    let stored = world.put(&object("cat.jpg")).unwrap();
    assert_eq!(world.calls().0, 2, "the key from after the change stays");
    let (read, ()) = world.time.run(join(world.sse.decrypt(&object("cat.jpg"), &stored, Unlock::Server), async {
        world.time.sleep(LATE / 2).await;
        world.kms.epoch.fetch_add(1, Ordering::SeqCst);
        // A request from after the change does not join the call from before it.
        world.sse.decrypt(&object("cat.jpg"), &stored, Unlock::Server).await.unwrap();
    }));
    read.unwrap();
    assert_eq!(world.calls().1, 2);
    world.get(&object("cat.jpg"), &stored).unwrap();
    assert_eq!(world.calls().1, 2, "the older call did not take the place of the newer key");
}

#[test]
fn a_purge_during_a_read_leaves_nothing_of_it() {
    let world = slow();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    let (read, ()) = world.time.run(join(world.sse.decrypt(&name, &stored, Unlock::Server), async {
        world.time.sleep(LATE / 2).await;
        world.sse.purge_bucket_keys();
    }));
    read.unwrap();
    assert_eq!(world.sse.bucket_key_stats().keys, 0);
    world.get(&name, &stored).unwrap();
    assert_eq!(world.calls().1, 2);
}

#[test]
fn a_clock_that_jumps_forward_during_a_call_lets_its_key_serve_no_later_request() {
    let world = slow();
    world.put_while(|| world.time.wall_forward(60 * MINUTE));
    assert_eq!(world.sse.bucket_key_stats().keys, 0);
    world.put_while(|| {
        world.time.wall_forward(60 * MINUTE);
        // A request from after the jump does not join the call from before it.
        let name = object("dog.jpg");
        let mut later = Box::pin(world.sse.encrypt(&name, mode(), b"woof"));
        assert!((&mut later).now_or_never().is_none());
    });
    assert_eq!(world.calls().0, 2, "the call that its caller left was not answered");
    assert_eq!(world.kms.calls(), 3);
}

#[test]
fn a_clock_that_jumps_back_during_a_call_lets_its_key_serve_its_age_and_no_longer() {
    let world = slow();
    world.put_while(|| world.time.wall_back(60 * MINUTE));
    world.put(&object("cat.jpg")).unwrap();
    assert_eq!(world.calls().0, 1);
    world.time.advance(5 * MINUTE - LATE);
    world.put(&object("cat.jpg")).unwrap();
    assert_eq!(world.calls().0, 2);
}

#[test]
fn a_clock_that_was_an_hour_ahead_and_is_set_right_makes_no_key_serve_longer() {
    let world = World::new();
    world.time.wall_forward(60 * MINUTE);
    world.put(&object("cat.jpg")).unwrap();
    world.time.wall_back(60 * MINUTE);
    world.time.advance(5 * MINUTE - Duration::from_nanos(1));
    world.put(&object("cat.jpg")).unwrap();
    assert_eq!(world.calls().0, 1);
    world.time.advance(Duration::from_nanos(1));
    world.put(&object("cat.jpg")).unwrap();
    assert_eq!(world.calls().0, 2);
}

#[test]
fn two_nodes_an_hour_apart_read_each_others_objects_and_each_keeps_keys_for_its_own_five_minutes() {
    let here = World::new();
    let time = ManualTime::new();
    time.wall_back(60 * MINUTE);
    let kms = here.kms.clone();
    let there = builder(&time).kms(kms.clone(), KmsKeys::only([&*kms.key_id])).build().unwrap();
    let name = object("cat.jpg");
    let (ours, theirs) = (here.put(&name).unwrap(), put(&time, &there, &name).unwrap());
    for stored in [&ours, &theirs] {
        assert_eq!(here.get(&name, stored).unwrap(), b"meow");
        assert_eq!(get(&time, &there, &name, stored).unwrap(), b"meow");
    }
    let calls = here.calls();
    assert_eq!(calls, (2, 4));
    // Revoked in a KMS that tells no change: each node serves what it has until its own time is over.
    kms.kms.disable(&kms.key_id);
    here.time.advance(5 * MINUTE);
    time.advance(4 * MINUTE);
    assert_eq!(kind(here.get(&name, &ours)), Some(Kind::Disabled));
    assert_eq!(get(&time, &there, &name, &ours).unwrap(), b"meow");
    time.advance(MINUTE);
    assert_eq!(kind(get(&time, &there, &name, &ours)), Some(Kind::Disabled));
    assert_eq!(kind(put(&time, &there, &name)), Some(Kind::Disabled));
}

#[test]
fn an_answer_that_comes_late_does_not_take_the_place_of_a_newer_key() {
    let world = World::new();
    world.kms.next([Step::After(MINUTE)]);
    let name = object("cat.jpg");
    // The call is too old for a request that comes half a minute later, which makes its own.
    let (slow, newer) = world.time.run(join(world.sse.encrypt(&name, mode(), b"meow"), async {
        world.time.sleep(MINUTE / 2).await;
        world.sse.encrypt(&name, mode(), b"meow").await
    }));
    assert!(slow.is_ok() && newer.is_ok());
    assert_eq!((world.calls().0, world.sse.bucket_key_stats().keys), (2, 1));
    // Five minutes after the late call began the newer key still serves.
    world.time.advance(4 * MINUTE);
    world.put(&name).unwrap();
    assert_eq!(world.calls().0, 2);
}

#[test]
fn a_key_that_comes_after_its_age_takes_no_place() {
    let world = World::with(BucketKeys::new().with_max_keys(1));
    world.kms.next([Step::After(6 * MINUTE)]);
    let (late, kept) = (in_bucket("photos"), in_bucket("music"));
    let (slow, ()) = world.time.run(join(world.sse.encrypt(&late, mode(), b"meow"), async {
        world.time.sleep(5 * MINUTE).await;
        world.sse.encrypt(&kept, mode(), b"la").await.unwrap();
    }));
    slow.unwrap();
    world.put(&kept).unwrap();
    assert_eq!(world.calls().0, 2, "the other bucket's key is still there");
}

#[test]
fn a_wrong_or_panicking_answer_fails_all_who_share_it_and_leaves_nothing() {
    let world = slow();
    let name = object("cat.jpg");
    // By its resolved id, so that another answering key is noticed.
    let mode = || SseKms::new(&*world.kms.key_id).with_bucket_key(true);
    let faults = [
        (Step::WrongKey, Kind::WrongKey),
        (Step::NoWrappedKey, Kind::WrongLength),
        (Step::Panic, Kind::Panicked),
        (Step::Fail(Kind::AccessDenied), Kind::AccessDenied),
    ];
    for (step, expected) in faults {
        let before = world.kms.calls();
        world.kms.next([step]);
        let puts = world.time.run(join_all((0..10).map(|_| world.sse.encrypt(&name, mode(), b"meow"))));
        assert!(puts.into_iter().all(|put| kind(put) == Some(expected)), "{step:?}");
        assert_eq!((world.kms.calls() - before, world.sse.bucket_key_stats().keys), (1, 0), "{step:?}");
    }
    let stored = world.time.run(world.sse.encrypt(&name, mode(), b"meow")).unwrap();
    for (step, expected) in faults.into_iter().filter(|(step, _)| *step != Step::NoWrappedKey) {
        let before = world.kms.calls();
        world.kms.next([step]);
        let reads = (0..10).map(|_| world.sse.decrypt(&name, &stored, Unlock::Server));
        assert!(world.time.run(join_all(reads)).into_iter().all(|read| kind(read) == Some(expected)), "{step:?}");
        assert_eq!((world.kms.calls() - before, world.sse.bucket_key_stats().keys), (1, 1), "{step:?}");
    }
    assert_eq!(world.get(&name, &stored).unwrap(), b"meow");
}

#[test]
fn followers_of_a_caller_that_left_get_the_error_or_the_panic_of_its_call() {
    let world = slow();
    let name = object("cat.jpg");
    for (step, expected) in [(Step::Fail(Kind::Throttled), Kind::Throttled), (Step::Panic, Kind::Panicked)] {
        let before = world.kms.calls();
        world.kms.next([step]);
        world.time.run(async {
            let mut puts: Vec<_> = (0..10).map(|_| Box::pin(world.sse.encrypt(&name, mode(), b"meow"))).collect();
            for put in &mut puts {
                assert!(put.now_or_never().is_none());
            }
            drop(puts.remove(0));
            assert!(join_all(puts).await.into_iter().all(|put| kind(put) == Some(expected)), "{step:?}");
        });
        assert_eq!(world.kms.calls() - before, 1);
    }
    world.put(&name).unwrap();
}

#[test]
fn a_requester_who_asks_for_a_thousand_buckets_at_once_takes_no_key_from_another() {
    let world = slow();
    let (greedy, alice) = (world.of("greedy"), world.of("alice"));
    put(&world.time, &alice, &object("cat.jpg")).unwrap();
    let names: Vec<_> = (0..1_000).map(|number| in_bucket(&format!("bucket-{number}"))).collect();
    let puts = world.time.run(join_all(names.iter().map(|name| greedy.encrypt(name, mode(), b"meow"))));
    assert!(puts.iter().all(Result::is_ok));
    let before = world.calls().0;
    assert_eq!(before, 1_001);
    put(&world.time, &alice, &object("cat.jpg")).unwrap();
    assert_eq!((world.calls().0, world.sse.bucket_key_stats().keys), (before, 65));
}

#[test]
fn a_revoked_permission_of_a_kms_that_tells_no_change_takes_effect_at_the_end_of_the_age_or_by_a_purge() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    world.get(&name, &stored).unwrap();
    world.kms.always(Step::Fail(Kind::AccessDenied));
    world.time.advance(4 * MINUTE);
    assert_eq!((kind(world.put(&name)), kind(world.get(&name, &stored))), (None, None));
    world.time.advance(MINUTE);
    let denied = Some(Kind::AccessDenied);
    assert_eq!((kind(world.put(&name)), kind(world.get(&name, &stored))), (denied, denied));
    world.kms.always(Step::Answer);
    world.get(&name, &stored).unwrap();
    world.kms.always(Step::Fail(Kind::AccessDenied));
    world.get(&name, &stored).unwrap();
    world.sse.purge_bucket_keys();
    assert_eq!(kind(world.get(&name, &stored)), denied);
}

#[test]
fn a_permission_that_is_withdrawn_during_a_read_lets_it_serve_no_later_one() {
    let world = slow();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    let is_allowed = Arc::new(AtomicBool::new(true));
    let allowed = is_allowed.clone();
    let authorized = Arc::new(Authorized::new(world.kms.clone(), move |_| allowed.load(Ordering::SeqCst)));
    let keys = KmsKeys::only([&*world.kms.key_id]);
    let sse = builder(&world.time).kms(authorized.clone(), keys).build().unwrap();
    let (read, ()) = world.time.run(join(sse.decrypt(&name, &stored, Unlock::Server), async {
        world.time.sleep(LATE / 2).await;
        is_allowed.store(false, Ordering::SeqCst);
        authorized.changed();
    }));
    assert_eq!(read.unwrap(), b"meow", "it was allowed when it began");
    assert_eq!(kind(get(&world.time, &sse, &name, &stored)), Some(Kind::AccessDenied));
}

#[test]
fn nothing_of_a_request_outlives_it_where_the_kms_hangs() {
    let world = World::new();
    world.kms.always(Step::Hang);
    let names: Vec<_> = (0..100).map(|number| in_bucket(&format!("bucket-{number}"))).collect();
    let mut hanging: Vec<_> = names.iter().map(|name| Box::pin(world.sse.encrypt(name, mode(), b"meow"))).collect();
    assert!(hanging.iter_mut().all(|put| put.now_or_never().is_none()));
    drop(hanging);
    let kms = Arc::downgrade(&world.kms);
    let World { sse, kms: ours, .. } = world;
    drop((sse, ours));
    assert_eq!(kms.strong_count(), 0, "no call and no cache holds the provider");
}
