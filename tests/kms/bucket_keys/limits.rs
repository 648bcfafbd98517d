//! The limits of the cache: age, uses, keys in all and of one requester; and what is left of it afterwards.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::kms::{Resilient, Timer};
use atrest::{BucketKeys, KeyProviderErrorKind as Kind, KmsKeys, Sse};
use atrest_kit::ManualTime;
use futures_util::future::{join_all, select};

use super::{MINUTE, World, builder, get, in_bucket, kind, mode, object, put};
use crate::scripted::{Scripted, Step};

#[test]
fn a_key_serves_until_its_age_is_over() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    world.get(&name, &stored).unwrap();
    world.time.advance(5 * MINUTE - Duration::from_nanos(1));
    world.put(&name).unwrap();
    world.get(&name, &stored).unwrap();
    assert_eq!(world.calls(), (1, 1), "uses do not make it younger");
    world.time.advance(Duration::from_nanos(1));
    assert_eq!(world.sse.bucket_key_stats().keys, 0);
    world.put(&name).unwrap();
    world.get(&name, &stored).unwrap();
    assert_eq!(world.calls(), (2, 2));
}

#[test]
fn the_age_counts_from_the_beginning_of_the_call() {
    let world = World::new();
    world.kms.next([Step::After(MINUTE)]);
    world.put(&object("1")).unwrap();
    world.time.advance(4 * MINUTE);
    world.put(&object("2")).unwrap();
    assert_eq!(world.calls().0, 2);
}

#[test]
fn a_clock_that_jumps_makes_no_key_serve_longer() {
    let world = World::new();
    world.put(&object("1")).unwrap();
    // Back by an hour: the monotonic clock counts.
    world.time.wall_back(60 * MINUTE);
    world.put(&object("2")).unwrap();
    assert_eq!(world.calls().0, 1);
    world.time.advance(5 * MINUTE);
    world.put(&object("3")).unwrap();
    assert_eq!(world.calls().0, 2);
    // Forward by an hour, as after a sleep of the machine: the wall clock counts.
    world.time.wall_forward(60 * MINUTE);
    world.put(&object("4")).unwrap();
    assert_eq!(world.calls().0, 3);
}

#[test]
fn two_nodes_whose_clocks_are_an_hour_apart_read_each_others_objects_and_keep_keys_for_their_age() {
    let world = World::new();
    let ahead = ManualTime::new();
    ahead.wall_forward(60 * MINUTE);
    let node = builder(&ahead).kms(world.kms.clone(), KmsKeys::only([&*world.kms.key_id])).build().unwrap();
    let (mine, yours) = (object("mine"), object("yours"));
    let (stored_here, stored_there) = (world.put(&mine).unwrap(), put(&ahead, &node, &yours).unwrap());
    let use_both = || {
        world.put(&mine).unwrap();
        put(&ahead, &node, &yours).unwrap();
        assert_eq!(world.get(&yours, &stored_there).unwrap(), b"meow");
        assert_eq!(get(&ahead, &node, &mine, &stored_here).unwrap(), b"meow");
        world.calls()
    };
    assert_eq!(use_both(), (2, 2));
    for (time, calls) in [(5 * MINUTE - Duration::from_nanos(1), (2, 2)), (Duration::from_nanos(1), (4, 4))] {
        world.time.advance(time);
        ahead.advance(time);
        assert_eq!(use_both(), calls);
    }
}

#[test]
fn a_key_serves_no_more_objects_than_allowed_one_after_another_or_at_once() {
    let world = World::with(BucketKeys::new().with_max_uses(50));
    world.kms.always(Step::After(Duration::from_millis(50)));
    for number in 0..116 {
        world.put(&object(&number.to_string())).unwrap();
    }
    assert_eq!(world.calls().0, 3);
    world.sse.purge_bucket_keys();
    let names: Vec<_> = (0..116).map(|number| object(&number.to_string())).collect();
    let started = Timer::now(&world.time);
    let puts = world.time.run(join_all(names.iter().map(|name| world.sse.encrypt(name, mode(), b"meow"))));
    let mut wrapped: Vec<_> = puts.iter().map(|put| put.as_ref().unwrap().envelope.encode()).collect();
    wrapped.dedup();
    assert_eq!((world.calls().0, wrapped.len()), (6, 116));
    assert_eq!(Timer::now(&world.time) - started, Duration::from_millis(50), "the calls run at the same time");
}

#[test]
fn a_requester_with_too_many_buckets_loses_their_own_least_used_keys_alone() {
    let world = World::with(BucketKeys::new().with_max_keys_per_requester(4));
    let (alice, bob) = (world.of("alice"), world.of("bob"));
    let put = |sse: &Sse, bucket: usize| {
        let before = world.calls().0;
        put(&world.time, sse, &in_bucket(&format!("bucket-{bucket}"))).unwrap();
        world.calls().0 - before
    };
    assert_eq!(put(&bob, 0), 1);
    assert_eq!((0..4).map(|bucket| put(&alice, bucket)).sum::<u64>(), 4);
    assert_eq!(put(&alice, 0), 0, "used again: bucket 1 is the least used");
    assert_eq!(put(&alice, 4), 1);
    assert_eq!([0, 2, 3, 4].map(|bucket| put(&alice, bucket)), [0; 4]);
    assert_eq!(put(&alice, 1), 1);
    assert_eq!(world.sse.bucket_key_stats().keys, 5);
    for bucket in 0..1_000 {
        put(&alice, bucket);
    }
    assert_eq!(put(&bob, 0), 0, "another requester's keys are not touched");
    assert_eq!(world.sse.bucket_key_stats().keys, 5);
}

#[test]
fn a_full_cache_takes_from_the_requester_who_has_most() {
    let world = World::with(BucketKeys::new().with_max_keys(10).with_max_keys_per_requester(8));
    let put = |requester: &str, bucket: usize| {
        let before = world.calls().0;
        put(&world.time, &world.of(requester), &in_bucket(&format!("bucket-{bucket}"))).unwrap();
        world.calls().0 - before
    };
    assert_eq!((0..8).map(|bucket| put("greedy", bucket)).sum::<u64>(), 8);
    assert_eq!((put("alice", 0), put("bob", 0)), (1, 1));
    for requester in ["carol", "dave", "eve"] {
        assert_eq!(put(requester, 0), 1);
        assert_eq!(world.sse.bucket_key_stats().keys, 10);
    }
    for requester in ["alice", "bob", "carol", "dave", "eve"] {
        assert_eq!(put(requester, 0), 0, "{requester} keeps the only key");
    }
    // A requester with few keys gets one more, and gives up none of their own.
    assert_eq!((put("alice", 1), put("alice", 0), put("alice", 1)), (1, 0, 0));
    assert_eq!((put("greedy", 7), put("greedy", 0)), (0, 1));
}

#[test]
fn a_limit_of_nothing_keeps_and_shares_nothing() {
    let none = [
        BucketKeys::uncached(),
        BucketKeys::new().with_max_age(Duration::ZERO),
        BucketKeys::new().with_max_uses(0),
        BucketKeys::new().with_max_keys_per_requester(0),
    ];
    for limits in none {
        let world = World::with(limits);
        world.kms.always(Step::After(Duration::from_millis(1)));
        let names = [object("1"), object("2")];
        let puts = world.time.run(join_all(names.iter().map(|name| world.sse.encrypt(name, mode(), b"meow"))));
        for (name, put) in names.iter().zip(puts) {
            let stored = put.unwrap();
            assert!(stored.envelope.has_bucket_key(), "the object says how it was written");
            assert_eq!(world.get(name, &stored).unwrap(), b"meow");
        }
        assert_eq!((world.calls(), world.sse.bucket_key_stats().keys), ((2, 2), 0));
    }
}

#[test]
fn a_purge_drops_all_keys_and_what_a_call_in_progress_brings() {
    let world = World::new();
    let name = object("cat.jpg");
    let stored = world.put(&name).unwrap();
    world.get(&name, &stored).unwrap();
    world.sse.purge_bucket_keys();
    assert_eq!(world.sse.bucket_key_stats().keys, 0);
    world.kms.always(Step::After(Duration::from_millis(50)));
    let (put, ()) = world.time.run(futures_util::future::join(world.sse.encrypt(&name, mode(), b"meow"), async {
        world.time.sleep(Duration::from_millis(10)).await;
        world.sse.purge_bucket_keys();
    }));
    put.unwrap();
    assert_eq!((world.calls().0, world.sse.bucket_key_stats().keys), (2, 0), "it comes from before the purge");
    let (put, ()) = world.time.run(futures_util::future::join(world.sse.encrypt(&name, mode(), b"meow"), async {
        world.time.sleep(Duration::from_millis(10)).await;
        world.sse.purge_bucket_keys();
        // Who comes now does not join the call from before.
        world.sse.encrypt(&name, mode(), b"meow").await.unwrap();
    }));
    put.unwrap();
    assert_eq!((world.calls().0, world.sse.bucket_key_stats().keys), (4, 1));
}

#[test]
fn an_idle_process_keeps_no_key_whose_age_is_over() {
    let kms = Scripted::new(&ManualTime::new());
    // The clock of this machine.
    let limits = BucketKeys::new().with_max_age(Duration::from_millis(20));
    let sse = Sse::builder().bucket_keys(limits).kms(kms.clone(), KmsKeys::only([&*kms.key_id])).build().unwrap();
    for round in 0..3 {
        let stored = sse.blocking().encrypt(&object("cat.jpg"), mode(), b"meow").unwrap();
        assert!(stored.envelope.has_bucket_key(), "{round}");
        while sse.bucket_key_stats().keys > 0 {
            thread::yield_now();
        }
    }
}

#[test]
fn a_call_that_hangs_holds_only_those_who_came_with_it() {
    let world = World::new();
    world.kms.next([Step::Hang]);
    let name = object("cat.jpg");
    world.time.run(async {
        let hanging = Box::pin(world.sse.encrypt(&name, mode(), b"meow"));
        let (_, hanging) = match select(hanging, world.time.sleep(11_000 * Duration::from_millis(1))).await {
            futures_util::future::Either::Right(((), hanging)) => ((), hanging),
            futures_util::future::Either::Left(_) => panic!("it hangs"),
        };
        world.sse.encrypt(&name, mode(), b"meow").await.unwrap();
        drop(hanging);
    });
    world.put(&name).unwrap();
    assert_eq!(world.kms.calls(), 2);
}

#[test]
fn a_call_older_than_the_longest_age_serves_nobody_who_comes_later() {
    let second = Duration::from_secs(1);
    let world = World::with(BucketKeys::new().with_max_age(second));
    world.kms.next([Step::After(5 * second)]);
    let name = object("cat.jpg");
    let (slow, ()) = world.time.run(futures_util::future::join(world.sse.encrypt(&name, mode(), b"meow"), async {
        world.time.sleep(second).await;
        world.sse.encrypt(&name, mode(), b"meow").await.unwrap();
    }));
    slow.unwrap();
    assert_eq!(world.calls().0, 2);
}

#[test]
fn with_the_provider_dead_cached_keys_serve_their_age_and_all_else_fails_within_the_limit() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let failures = NonZeroU32::new(5).unwrap();
    let resilient = Resilient::new(kms.clone()).with_timer(Arc::new(time.clone()));
    let resilient = Arc::new(resilient.with_breaker(failures, Duration::from_secs(5)));
    let sse = builder(&time).kms(resilient.clone(), KmsKeys::only([&*kms.key_id])).build().unwrap();
    let (cached, other) = (in_bucket("photos"), in_bucket("music"));
    let stored = put(&time, &sse, &cached).unwrap();
    get(&time, &sse, &cached, &stored).unwrap();

    kms.always(Step::Hang);
    for _ in 0..20 {
        let started = Timer::now(&time);
        assert_eq!(kind(put(&time, &sse, &other)), Some(Kind::Unavailable));
        assert!(Timer::now(&time) - started <= Duration::from_secs(8));
        put(&time, &sse, &cached).unwrap();
        assert_eq!(get(&time, &sse, &cached, &stored).unwrap(), b"meow");
    }
    time.advance(5 * MINUTE);
    assert_eq!(kind(put(&time, &sse, &cached)), Some(Kind::Unavailable));
    assert_eq!(kind(get(&time, &sse, &cached, &stored)), Some(Kind::Unavailable));

    // Alive again: of a hundred buckets one probes.
    time.advance(MINUTE);
    kms.always(Step::After(Duration::from_millis(50)));
    assert!(resilient.is_open());
    let before = kms.calls();
    let names: Vec<_> = (0..100).map(|number| in_bucket(&format!("bucket-{number}"))).collect();
    let puts = time.run(join_all(names.iter().map(|name| sse.encrypt(name, mode(), b"meow"))));
    assert_eq!((kms.calls() - before, puts.iter().filter(|put| put.is_ok()).count()), (1, 1));
    assert!(names.iter().all(|name| put(&time, &sse, name).is_ok()));
}
