//! `Resilient`: time limits, retries, the circuit breaker and the limit of concurrent calls, in simulated time.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use atrest::kms::{Resilient, ThreadTimer, Timer};
use atrest::testing::MemoryKms;
use atrest::{
    EncryptionContext, GeneratedKey, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest, Requester,
};
use atrest_kit::ManualTime;
use futures_util::FutureExt;
use futures_util::future::{join_all, join3};
use pollster::block_on;

use crate::scripted::{Scripted, Step};

const SECOND: Duration = Duration::from_secs(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A resilient provider with the default limits.
fn resilient(kms: &Arc<Scripted>, time: &ManualTime) -> Resilient {
    Resilient::new(kms.clone()).with_timer(Arc::new(time.clone()))
}

fn world() -> (ManualTime, Arc<Scripted>, Arc<Resilient>) {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let resilient = Arc::new(resilient(&kms, &time));
    (time, kms, resilient)
}

/// A resilient provider with the default limits over the KMS of the module `testing`.
fn on_memory(time: &ManualTime) -> (Arc<MemoryKms>, Arc<Resilient>) {
    let kms = Arc::new(MemoryKms::new());
    kms.alias("alias/app", &kms.create_key("app").unwrap());
    (kms.clone(), Arc::new(Resilient::new(kms).with_timer(Arc::new(time.clone()))))
}

fn request() -> KeyRequest {
    KeyRequest::new("alias/app", EncryptionContext::new(), Requester::new("alice"))
}

async fn generate(kms: &Arc<Resilient>) -> Result<GeneratedKey, KeyProviderError> {
    kms.clone().generate_key(request()).await
}

fn kind<T>(result: Result<T, KeyProviderError>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

/// Returns a result and the simulated time that it took.
fn timed<T>(time: &ManualTime, work: impl Future<Output = T>) -> (T, Duration) {
    let before = Timer::now(time);
    let result = time.run(work);
    (result, Timer::now(time) - before)
}

#[test]
fn a_call_that_fails_twice_succeeds_at_its_third_attempt() {
    let (time, kms, resilient) = world();
    for fault in [Step::Fail(Kind::Unavailable), Step::Fail(Kind::Throttled), Step::Hang] {
        kms.next([fault, fault, Step::Answer]);
        let before = kms.calls();
        let (generated, _) = timed(&time, generate(&resilient));
        assert!(generated.is_ok(), "{fault:?}");
        assert_eq!(kms.calls() - before, 3);
    }
}

#[test]
fn an_unwrap_is_tried_again_as_a_generate_is() {
    let (time, kms, resilient) = world();
    let generated = time.run(generate(&resilient)).unwrap();
    kms.next([Step::Fail(Kind::Unavailable), Step::Hang, Step::Answer]);
    let request = KeyRequest::new(generated.key_id(), EncryptionContext::new(), Requester::new("alice"));
    let unwrapped = time.run(resilient.clone().unwrap_key(generated.wrapped().clone(), request)).unwrap();
    assert_eq!(unwrapped.kek().expose_secret(), generated.kek().expose_secret());
    assert_eq!(kms.calls(), 4);
}

#[test]
fn an_error_that_is_not_transient_is_returned_at_once_and_unchanged() {
    let (time, kms, resilient) = world();
    let kinds = [
        Kind::NotFound,
        Kind::Disabled,
        Kind::PendingDeletion,
        Kind::InvalidState,
        Kind::InvalidKeyUsage,
        Kind::OtherRegion,
        Kind::AccessDenied,
        Kind::Misconfigured,
        Kind::Rejected,
        Kind::WrongKey,
        Kind::WrongLength,
    ];
    // More than would open the circuit breaker: a provider that refuses is there.
    for expected in kinds {
        kms.always(Step::Fail(expected));
        let before = kms.calls();
        let (failed, took) = timed(&time, generate(&resilient));
        assert_eq!((kind(failed), kms.calls() - before, took), (Some(expected), 1, Duration::ZERO));
        assert!(!resilient.is_open());
    }
}

#[test]
fn a_provider_that_hangs_fails_within_the_limit_with_unavailable() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    kms.always(Step::Hang);
    let limits = [(ms(200), SECOND), (SECOND, SECOND), (10 * SECOND, SECOND), (ms(200), Duration::ZERO)];
    for (attempt, total) in limits {
        let resilient = resilient(&kms, &time).with_attempt_limit(attempt).with_total_limit(total);
        let resilient = resilient.with_breaker(NonZeroU32::MAX, SECOND);
        let (failed, took) = timed(&time, generate(&Arc::new(resilient)));
        let error = failed.unwrap_err();
        assert_eq!((error.kind(), error.key_id()), (Kind::Unavailable, "alias/app"));
        assert!(took <= total, "{took:?} of {total:?}");
    }
}

#[test]
fn an_answer_that_comes_after_the_limit_is_not_used() {
    let (time, kms, resilient) = world();
    kms.next([Step::After(3 * SECOND), Step::After(ms(10))]);
    let (generated, took) = timed(&time, generate(&resilient));
    assert!(generated.is_ok());
    assert_eq!(kms.calls(), 2);
    assert!(took < 3 * SECOND, "the second attempt answered, not the first: {took:?}");
    assert_eq!(kms.kms.calls().generate, 1, "the first attempt was abandoned");
}

#[test]
fn a_wait_that_the_provider_asks_for_is_kept_if_it_fits_and_else_told() {
    let (time, kms, resilient) = world();
    kms.next([Step::RetryAfter(3 * SECOND), Step::Answer]);
    let (generated, took) = timed(&time, generate(&resilient));
    assert!(generated.is_ok() && took >= 3 * SECOND, "{took:?}");
    kms.next([Step::RetryAfter(60 * SECOND), Step::Answer]);
    let (failed, took) = timed(&time, generate(&resilient));
    let error = failed.unwrap_err();
    assert_eq!((error.kind(), error.retry_after(), took), (Kind::Throttled, Some(60 * SECOND), Duration::ZERO));
    assert_eq!(kms.calls(), 3);
}

#[test]
fn waits_are_random_parts_of_a_time_that_doubles_up_to_the_longest() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    kms.always(Step::Fail(Kind::Throttled));
    let resilient = resilient(&kms, &time)
        .with_attempts(NonZeroU32::new(4).unwrap())
        .with_backoff(ms(100), ms(150))
        .with_total_limit(60 * SECOND);
    let resilient = Arc::new(resilient);
    let mut waits: Vec<_> = (0..50).map(|_| timed(&time, generate(&resilient)).1).collect();
    assert_eq!(kms.calls(), 200);
    assert!(waits.iter().all(|wait| *wait <= ms(100 + 150 + 150)));
    waits.sort();
    waits.dedup();
    assert!(waits.len() > 40, "callers that fail together do not return together");
}

#[test]
fn a_dead_provider_is_no_longer_called_and_one_probe_finds_it_alive_again() {
    let (time, kms, resilient) = world();
    kms.always(Step::Fail(Kind::Unavailable));
    let failed = time.run(generate(&resilient));
    assert_eq!(kind(failed), Some(Kind::Unavailable));
    assert!(!resilient.is_open());
    let failed = time.run(generate(&resilient));
    assert_eq!(kind(failed), Some(Kind::Unavailable));
    assert!(resilient.is_open());
    assert_eq!(kms.calls(), 5, "the fifth failure in a row opens the breaker, which ends the call");

    // A thousand callers learn of it at once.
    let (failed, took) = timed(&time, join_all((0..1_000).map(|_| generate(&resilient))));
    assert!(failed.iter().all(|failed| failed.as_ref().is_err_and(|error| error.kind() == Kind::Unavailable)));
    assert!(failed.iter().all(|failed| failed.as_ref().is_err_and(|error| error.retry_after().is_some())));
    assert_eq!((kms.calls(), took), (5, Duration::ZERO));

    // Still dead: one probe.
    time.advance(5 * SECOND);
    time.run(join_all((0..1_000).map(|_| generate(&resilient))));
    assert_eq!(kms.calls(), 6);

    // Alive: one probe while the others are refused, then all pass.
    time.advance(5 * SECOND);
    kms.always(Step::After(ms(50)));
    let answers = time.run(join_all((0..1_000).map(|_| generate(&resilient))));
    assert_eq!((kms.calls(), answers.iter().filter(|answer| answer.is_ok()).count()), (7, 1));
    assert!(!resilient.is_open());
    assert!(time.run(join_all((0..100).map(|_| generate(&resilient)))).iter().all(Result::is_ok));
    assert_eq!(kms.calls(), 107);
}

#[test]
fn a_probe_that_its_caller_abandons_lets_another_call_probe() {
    let (time, kms, resilient) = world();
    kms.always(Step::Fail(Kind::Unavailable));
    while !resilient.is_open() {
        time.run(generate(&resilient)).unwrap_err();
    }
    time.advance(5 * SECOND);
    kms.next([Step::Hang]);
    time.run(async {
        let probe = Box::pin(generate(&resilient));
        let _left = futures_util::future::select(probe, time.sleep(ms(10))).await;
    });
    assert!(resilient.is_open());
    kms.always(Step::Answer);
    assert!(time.run(generate(&resilient)).is_ok());
    assert!(!resilient.is_open());
}

#[test]
fn a_call_that_began_before_the_breaker_opened_does_not_answer_for_the_probe() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let resilient = resilient(&kms, &time).with_attempts(NonZeroU32::MIN);
    let resilient = Arc::new(resilient.with_breaker(NonZeroU32::new(5).unwrap(), ms(100)));
    let failures = [Step::Fail(Kind::Unavailable); 5];
    kms.next([Step::After(SECOND)].into_iter().chain(failures).chain([Step::Hang]));
    let (slow, (), probe) = time.run(join3(
        generate(&resilient),
        async {
            while !resilient.is_open() {
                generate(&resilient).await.unwrap_err();
            }
        },
        async {
            time.sleep(ms(200)).await;
            generate(&resilient).await
        },
    ));
    // The slow call answered while the probe waited, and the probe failed after it.
    assert!(slow.is_ok());
    assert_eq!((kind(probe), kms.calls()), (Some(Kind::Unavailable), 7));
    assert!(resilient.is_open());
}

#[test]
fn no_more_calls_run_at_once_than_allowed_and_the_others_wait_their_turn() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    kms.always(Step::After(ms(50)));
    let resilient = Arc::new(resilient(&kms, &time).with_concurrency(NonZeroUsize::new(4).unwrap()));
    let (answers, took) = timed(&time, join_all((0..100).map(|_| generate(&resilient))));
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((kms.calls(), kms.most_running(), took), (100, 4, 25 * ms(50)));
    // Those for whom there is no turn within the limit are refused at the limit, and leave no trace.
    let (answers, took) = timed(&time, join_all((0..1_000).map(|_| generate(&resilient))));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 4 * 8_000 / 50);
    assert!(took <= 8 * SECOND);
    assert!(time.run(generate(&resilient)).is_ok());
}

#[test]
fn a_caller_whose_time_went_by_in_the_queue_does_not_open_the_breaker() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    kms.always(Step::After(ms(1_500)));
    let resilient = resilient(&kms, &time).with_concurrency(NonZeroUsize::MIN).with_total_limit(2 * SECOND);
    let resilient = Arc::new(resilient.with_breaker(NonZeroU32::MIN, 60 * SECOND));
    let answers = time.run(join_all((0..2).map(|_| generate(&resilient))));
    assert_eq!(answers.into_iter().map(kind).collect::<Vec<_>>(), [None, Some(Kind::Unavailable)]);
    assert!(!resilient.is_open(), "the provider had 0.5 s of its 2 s");
    assert!(time.run(generate(&resilient)).is_ok());

    // With the whole time of an attempt, or without a queue, a call that gets no answer counts.
    kms.always(Step::Hang);
    time.run(generate(&resilient)).unwrap_err();
    assert!(resilient.is_open());
}

#[test]
fn a_caller_whose_time_is_over_makes_no_call() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    kms.always(Step::After(ms(1_500)));
    let resilient = resilient(&kms, &time).with_concurrency(NonZeroUsize::MIN).with_total_limit(3 * SECOND);
    let resilient = Arc::new(resilient);
    let answers = time.run(join_all((0..3).map(|_| generate(&resilient))));
    assert_eq!(answers.into_iter().map(kind).collect::<Vec<_>>(), [None, None, Some(Kind::Unavailable)]);
    assert_eq!(kms.calls(), 2);
}

#[test]
fn a_caller_that_leaves_gives_its_turn_to_the_next() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let resilient = Arc::new(resilient(&kms, &time).with_concurrency(NonZeroUsize::MIN));
    kms.next([Step::Hang, Step::Answer]);
    time.run(async {
        let (mut first, mut second) = (Box::pin(generate(&resilient)), Box::pin(generate(&resilient)));
        let mut third = Box::pin(generate(&resilient));
        for waiting in [&mut first, &mut second, &mut third] {
            assert!(waiting.now_or_never().is_none());
        }
        // The turn finds the second caller gone.
        drop(second);
        drop(first);
        assert!(third.await.is_ok());
    });
}

#[test]
fn a_panic_of_the_provider_is_an_error_and_costs_no_turn() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let resilient = Arc::new(resilient(&kms, &time).with_concurrency(NonZeroUsize::MIN));
    kms.next([Step::Panic; 10]);
    for _ in 0..10 {
        assert_eq!(kind(time.run(generate(&resilient))), Some(Kind::Panicked));
    }
    assert_eq!(kms.calls(), 10, "a panic is not tried again");
    assert!(time.run(generate(&resilient)).is_ok());
}

#[test]
fn the_timer_with_a_thread_wakes_in_order_without_a_runtime() {
    let timer = ThreadTimer::new();
    let order = std::sync::Mutex::new(Vec::new());
    let sleep = |time| {
        let (sleep, order) = (timer.sleep(ms(time)), &order);
        async move {
            sleep.await;
            order.lock().unwrap().push(time);
        }
    };
    // A sleep without end, and one that is dropped, keep nobody from waking.
    let _endless = timer.sleep(Duration::MAX);
    drop(timer.sleep(ms(1)));
    block_on(join_all([sleep(60), sleep(0), sleep(30)]));
    assert_eq!(*order.lock().unwrap(), [0, 30, 60]);
    assert_eq!(format!("{timer:?}"), "ThreadTimer { sleepers: 1, .. }");
}

#[test]
fn no_error_and_no_debug_names_a_secret() {
    let (time, kms, resilient) = world();
    kms.always(Step::Fail(Kind::Unavailable));
    let error = time.run(generate(&resilient)).unwrap_err();
    assert_eq!(error.to_string(), "key \"alias/app\": the provider is unavailable, try again later (request call-4)");
    let shown = format!("{error:?} {resilient:?}");
    assert!(shown.contains("alias/app") && shown.contains("is_open: false"), "{shown}");
}

#[test]
fn a_memory_kms_fails_as_often_as_it_is_told() {
    let time = ManualTime::new();
    let (kms, resilient) = on_memory(&time);
    let calls = |expected| {
        let before = kms.calls().generate;
        let result = kind(time.run(generate(&resilient)));
        assert_eq!(kms.calls().generate - before, expected);
        result
    };
    kms.fail_next(3, Kind::Unavailable);
    assert_eq!(calls(4), None, "the fourth attempt succeeds");
    kms.fail_next(1, Kind::Disabled);
    assert_eq!(calls(1), Some(Kind::Disabled));
    assert_eq!(calls(1), None);
    // Five in a row open the circuit breaker: those of one call, and the first of the next.
    kms.fail_next(u64::MAX, Kind::Unavailable);
    assert_eq!(calls(4), Some(Kind::Unavailable));
    assert!(!resilient.is_open());
    assert_eq!(calls(1), Some(Kind::Unavailable));
    assert!(resilient.is_open());
    assert_eq!(calls(0), Some(Kind::Unavailable));
    kms.fail_next(0, Kind::Unavailable);
    time.advance(5 * SECOND);
    assert_eq!(calls(1), None, "the probe");
    assert!(!resilient.is_open());
}

#[test]
fn a_memory_kms_that_hangs_or_is_slow_costs_no_more_than_the_limits() {
    let time = ManualTime::new();
    let (kms, resilient) = on_memory(&time);
    kms.hang();
    let (failed, took) = timed(&time, generate(&resilient));
    assert_eq!((kind(failed), kms.hanging()), (Some(Kind::Unavailable), 0), "each attempt was dropped");
    assert!(took > 6 * SECOND && took <= 8 * SECOND, "{took:?}");
    let mut waiting = Box::pin(generate(&resilient));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(kms.hanging(), 1);
    kms.go_on();
    assert!(time.run(waiting).is_ok());
    assert!(generate(&resilient).now_or_never().unwrap().is_ok(), "it hangs no more");

    kms.delay(Duration::from_secs(3_600)); // longer than the test, whose time is simulated
    let (failed, took) = timed(&time, generate(&resilient));
    assert_eq!(kind(failed), Some(Kind::Unavailable));
    assert!(took > 6 * SECOND && took <= 8 * SECOND, "{took:?}");
    kms.delay(Duration::ZERO);
    assert!(generate(&resilient).now_or_never().unwrap().is_ok());
}

#[test]
fn a_memory_kms_answers_after_its_delay() {
    let (kms, _) = on_memory(&ManualTime::new());
    let resilient =
        Arc::new(Resilient::new(kms.clone()).with_attempt_limit(600 * SECOND).with_total_limit(600 * SECOND));
    kms.delay(ms(1));
    let mut waiting = Box::pin(generate(&resilient));
    assert!((&mut waiting).now_or_never().is_none(), "not at once");
    assert!(block_on(waiting).is_ok());
    assert_eq!(kms.calls().generate, 1);
}
