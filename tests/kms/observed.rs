//! What an operator asks for: counts and times of calls, a check of a KMS key, and bucket keys in advance.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atrest::error::Unexpected;
use atrest::kms::{KmsCall, KmsCounters, KmsObserver, KmsOperation, KmsOutcome, Observed};
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{
    Clock, EncryptionContext, Error, GeneratedKey, KeyFuture, KeyProvider, KeyProviderError,
    KeyProviderErrorKind as Kind, KeyRequest, KmsKeys, ObjectName, Requester, Sse, SseKms, UnwrappedKey, WrappedKey,
};
use atrest_kit::ManualTime;
use futures_util::FutureExt;

use crate::scripted::{Scripted, Step};

fn request(key_id: &str) -> KeyRequest {
    KeyRequest::new(key_id, EncryptionContext::new(), Requester::new("alice"))
}

#[test]
fn calls_are_counted_by_resolved_id_with_outcome_and_time() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let counters = Arc::new(KmsCounters::new());
    let observed = Arc::new(Observed::new(kms.clone(), counters.clone()).with_clock(Arc::new(time.clone())));
    let ms = Duration::from_millis;
    kms.next([Step::After(ms(50)), Step::After(ms(20)), Step::Fail(Kind::Throttled), Step::Hang, Step::Panic]);
    let generated = time.run(observed.clone().generate_key(request("alias/app"))).unwrap();
    let wrapped = generated.wrapped().clone();
    time.run(observed.clone().unwrap_key(wrapped, request(&kms.key_id))).unwrap();
    time.run(observed.clone().generate_key(request(&kms.key_id))).unwrap_err();
    let mut abandoned = observed.clone().generate_key(request(&kms.key_id));
    assert!((&mut abandoned).now_or_never().is_none());
    time.advance(ms(5));
    drop(abandoned);
    let panicked = time.run(observed.clone().generate_key(request("alias/none"))).unwrap_err();
    assert_eq!(panicked.kind(), Kind::Panicked);

    let counts = counters.key(&kms.key_id);
    assert_eq!((counts.generated, counts.unwrapped, counts.failed, counts.abandoned), (1, 1, 1, 1));
    assert_eq!((counts.total_time, counts.longest), (ms(75), ms(50)));
    assert_eq!(counts.last_error, Some(Kind::Throttled));
    assert_eq!(counts.last_used, Some(Clock::wall(&time) - ms(5)), "not when its caller left");
    let none = counters.key("alias/none");
    assert_eq!((none.failed, none.last_error, none.last_used), (1, Some(Kind::Panicked), None));
    assert_eq!(counters.keys().len(), 2);
}

#[test]
fn a_call_that_its_caller_never_polls_is_not_made_and_every_call_that_is_made_is_reported() {
    /// Does its work when it is called, before its future is polled, as a pool of threads does.
    struct Eager(ManualTime, AtomicU64);

    impl KeyProvider for Eager {
        fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
            self.0.advance(Duration::from_millis(50));
            self.1.fetch_add(1, Ordering::SeqCst);
            Box::pin(ready(Err(KeyProviderError::new(Kind::NotFound, request.key_id()))))
        }

        fn unwrap_key(self: Arc<Self>, _: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
            Box::pin(ready(Err(KeyProviderError::new(Kind::NotFound, request.key_id()))))
        }
    }

    let time = ManualTime::new();
    let eager = Arc::new(Eager(time.clone(), AtomicU64::new(0)));
    let counters = Arc::new(KmsCounters::new());
    let observed = Arc::new(Observed::new(eager.clone(), counters.clone()).with_clock(Arc::new(time.clone())));
    drop(observed.clone().generate_key(request("key")));
    time.run(observed.generate_key(request("key"))).unwrap_err();
    let counts = counters.key("key");
    assert_eq!(eager.1.load(Ordering::SeqCst), counts.failed + counts.abandoned);
    assert_eq!(counts.total_time, Duration::from_millis(50), "the time counts from the call");
}

#[test]
fn names_of_keys_that_clients_make_up_fill_no_memory() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let counters = Arc::new(KmsCounters::new());
    let observed = Arc::new(Observed::new(kms.clone(), counters.clone()));
    for number in 0..3_000 {
        time.run(observed.clone().generate_key(request(&format!("alias/{number}")))).unwrap_err();
    }
    assert!(counters.keys().len() <= 1_025);
    time.run(observed.generate_key(request("alias/app"))).unwrap();
    assert_eq!(counters.key(&kms.key_id).generated, 1, "they hide no key that exists");
    assert_eq!(counters.keys().values().map(|counts| counts.failed).sum::<u64>(), 3_000);
}

#[test]
fn an_observer_that_panics_fails_no_call_and_sees_each_of_them() {
    #[derive(Default)]
    struct Panics(Mutex<Vec<(KmsOperation, bool)>>);

    impl KmsObserver for Panics {
        fn ended(&self, call: &KmsCall<'_>) {
            self.0.lock().unwrap().push((call.operation, matches!(call.outcome, KmsOutcome::Key(_))));
            panic!("the observer panics");
        }
    }

    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let observer = Arc::new(Panics::default());
    let observed = Arc::new(Observed::new(kms, observer.clone()));
    assert!(time.run(observed.clone().generate_key(request("alias/app"))).is_ok());
    let seen = catch_unwind(AssertUnwindSafe(|| observer.0.lock().unwrap_or_else(|lock| lock.into_inner()).clone()));
    assert_eq!(seen.unwrap(), [(KmsOperation::Generate, true)]);
}

#[test]
fn an_observed_provider_conforms_in_every_runtime() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let observed = Arc::new(Observed::new(kms, Arc::new(KmsCounters::new())));
    let suite = KeyProviderSuite::new(observed, "alias/app", "memory-kms:key/none");
    let suite = suite.other_key_id("memory-kms:key/other").lacks(Capability::Requesters);
    suite.lacks(Capability::States).run();
}

fn service(kms: &Arc<Scripted>) -> Sse {
    Sse::builder().kms(kms.clone(), KmsKeys::only([&*kms.key_id])).build().unwrap()
}

#[test]
fn a_check_of_a_kms_key_is_a_real_round_trip_that_notices_every_fault() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    // A service starts while its KMS is down.
    kms.always(Step::Fail(Kind::Unavailable));
    let sse = service(&kms);
    let checked = || match time.run(sse.check_kms("alias/app")) {
        Ok(()) => None,
        Err(Error::KeyProvider(error)) => Some(error.kind()),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(checked(), Some(Kind::Unavailable));
    kms.always(Step::Answer);
    assert_eq!((checked(), kms.kms.calls().generate, kms.kms.calls().unwrap), (None, 1, 1));
    assert_eq!(kms.kms.requests()[0].context().iter().collect::<Vec<_>>(), [("atrest:purpose", "health")]);
    for (steps, expected) in [
        ([Step::Answer, Step::Fail(Kind::AccessDenied)], Kind::AccessDenied),
        ([Step::Answer, Step::WrongKey], Kind::WrongKey),
        ([Step::NoWrappedKey, Step::Answer], Kind::WrongLength),
        ([Step::Panic, Step::Answer], Kind::Panicked),
        ([Step::Answer, Step::OtherKek], Kind::WrongKey),
    ] {
        kms.next(steps);
        assert_eq!(checked(), Some(expected), "{steps:?}");
    }
    kms.next([]);
    let unaccepted = time.run(sse.check_kms("memory-kms:key/other"));
    assert!(matches!(unaccepted, Err(Error::Unexpected(Unexpected::KmsKey))), "{unaccepted:?}");
    let without = Sse::builder().build().unwrap().blocking().check_kms("alias/app");
    assert!(matches!(without, Err(Error::Unexpected(Unexpected::Mode))), "{without:?}");
}

#[test]
fn a_bucket_key_in_advance_saves_the_first_write_its_call() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let sse = service(&kms).blocking();
    let name = ObjectName::new("photos", "cat.jpg").unwrap();
    sse.warm_bucket_key(&ObjectName::new("photos", "any").unwrap(), &SseKms::new("alias/app")).unwrap();
    sse.warm_bucket_key(&ObjectName::unbound(), &SseKms::new("alias/app")).unwrap();
    kms.always(Step::Hang);
    let stored = sse.encrypt(&name, SseKms::new("alias/app").with_bucket_key(true), b"meow").unwrap();
    assert!(stored.envelope.has_bucket_key());
    assert_eq!(kms.calls(), 1);
}
