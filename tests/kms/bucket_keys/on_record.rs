//! The audit events of operations under bucket keys: whether the KMS was called, and the request id of the call.

use std::sync::Arc;
use std::time::Duration;

use atrest::audit::{AuditTrail, KeyFrom, MemorySink};
use atrest::kms::KmsOperation::{self, Generate, Unwrap};
use atrest::{BucketKeys, KeyProviderErrorKind as Kind, KmsKeys, Rewrap, Sse, SseKms, Unlock};
use atrest_kit::ManualTime;
use futures_util::FutureExt;
use futures_util::future::join_all;

use super::{MINUTE, builder, get, mode, object, put};
use crate::scripted::{Scripted, Step};

struct Recorded {
    time: ManualTime,
    kms: Arc<Scripted>,
    sse: Sse,
    sink: Arc<MemorySink>,
}

impl Recorded {
    fn new(limits: BucketKeys) -> Self {
        let (time, sink) = (ManualTime::new(), Arc::new(MemorySink::new()));
        let kms = Scripted::new(&time);
        let sse = builder(&time).bucket_keys(limits).kms(kms.clone(), KmsKeys::only([&*kms.key_id]));
        let sse = sse.audit(AuditTrail::new(sink.clone())).build().unwrap();
        Self { time, kms, sse, sink }
    }

    /// The answers on record since the last time, with the numbers of the calls.
    fn answers(&self) -> Vec<(KmsOperation, KeyFrom, usize)> {
        let events = self.sink.events();
        self.sink.clear();
        let answers = events.iter().flat_map(|event| event.key_provider_answers());
        let number = |id: &str| id.strip_prefix("call-").unwrap().parse().unwrap();
        answers.map(|answer| (answer.operation(), answer.key_from(), number(answer.request_id().unwrap()))).collect()
    }
}

#[test]
fn a_call_is_told_from_a_key_in_memory_whose_id_leads_to_the_call_that_brought_it() {
    let world = Recorded::new(BucketKeys::new());
    let name = object("cat.jpg");
    let stored = put(&world.time, &world.sse, &name).unwrap();
    assert_eq!(world.answers(), [(Generate, KeyFrom::Call, 1)]);
    put(&world.time, &world.sse, &name).unwrap();
    assert_eq!(world.answers(), [(Generate, KeyFrom::Cache, 1)]);
    for from in [KeyFrom::Call, KeyFrom::Cache, KeyFrom::Cache] {
        get(&world.time, &world.sse, &name, &stored).unwrap();
        assert_eq!(world.answers(), [(Unwrap, from, 2)]);
    }
    world.time.advance(5 * MINUTE);
    get(&world.time, &world.sse, &name, &stored).unwrap();
    assert_eq!(world.answers(), [(Unwrap, KeyFrom::Call, 3)]);
    let rewrap = Rewrap::of(&name, &stored.envelope, Unlock::Server).to(&name, SseKms::new("alias/app"));
    world.time.run(world.sse.rewrap(rewrap)).unwrap();
    assert_eq!(world.answers(), [(Unwrap, KeyFrom::Cache, 3), (Generate, KeyFrom::Call, 4)]);
}

#[test]
fn a_key_that_was_fetched_in_advance_leads_to_its_call() {
    let world = Recorded::new(BucketKeys::new());
    world.time.run(world.sse.warm_bucket_key(&object("cat.jpg"), &mode())).unwrap();
    assert!(world.answers().is_empty());
    put(&world.time, &world.sse, &object("cat.jpg")).unwrap();
    assert_eq!(world.answers(), [(Generate, KeyFrom::Cache, 1)]);
}

#[test]
fn of_operations_that_share_a_call_one_made_it_and_its_error_is_that_of_all() {
    let world = Recorded::new(BucketKeys::new());
    let name = object("cat.jpg");
    world.kms.takes(Duration::from_millis(50));
    for (number, step) in [(1, Step::Answer), (2, Step::Fail(Kind::Throttled))] {
        world.sse.purge_bucket_keys();
        world.kms.next([step]);
        let puts = world.time.run(join_all((0..5).map(|_| world.sse.encrypt(&name, mode(), b"meow"))));
        assert!(puts.iter().all(|put| put.is_ok() == (step == Step::Answer)));
        let mut expected = vec![(Generate, KeyFrom::JoinedCall, number); 5];
        expected[0].1 = KeyFrom::Call;
        let mut answers = world.answers();
        answers.sort_by_key(|(_, from, _)| *from == KeyFrom::JoinedCall);
        assert_eq!(answers, expected);
    }
}

#[test]
fn a_call_whose_caller_left_is_on_record_with_those_who_joined_it() {
    let world = Recorded::new(BucketKeys::new());
    let name = object("cat.jpg");
    world.kms.takes(Duration::from_millis(50));
    world.time.run(async {
        let mut leaves = Box::pin(world.sse.encrypt(&name, mode(), b"meow"));
        assert!((&mut leaves).now_or_never().is_none());
        let mut stays = Box::pin(world.sse.encrypt(&name, mode(), b"meow"));
        assert!((&mut stays).now_or_never().is_none());
        drop(leaves);
        stays.await.unwrap();
    });
    assert_eq!(world.answers(), [(Generate, KeyFrom::JoinedCall, 1)]);
}

#[test]
fn without_a_cache_each_operation_makes_its_call() {
    let world = Recorded::new(BucketKeys::uncached());
    for number in 1..4 {
        put(&world.time, &world.sse, &object("cat.jpg")).unwrap();
        assert_eq!(world.answers(), [(Generate, KeyFrom::Call, number)]);
    }
}
