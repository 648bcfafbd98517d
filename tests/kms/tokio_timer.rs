//! `TokioTimer`: `Resilient` on the timer of a runtime, whose time is paused wherever time matters.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::kms::{Resilient, Timer, TokioTimer};
use atrest::testing::{KeyProviderSuite, MemoryKms};
use atrest::{
    EncryptionContext, GeneratedKey, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest, Requester,
};
use futures_util::future::join_all;
use pollster::block_on;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::{Instant, advance};

use crate::runtimes;
use crate::scripted::{Scripted, Step};

const SECOND: Duration = Duration::from_secs(1);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Runs a future in a runtime whose time is paused: it goes on to the next sleeper when nothing else is to be done.
fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(work)
}

/// A provider that follows a script on the time of the runtime, and what makes it resilient.
fn world() -> (Arc<Scripted>, Resilient) {
    let timer = Arc::new(TokioTimer::new(Handle::current()));
    let kms = Scripted::on(timer.clone());
    (kms.clone(), Resilient::new(kms).with_timer(timer))
}

async fn generate(kms: &Arc<Resilient>) -> Result<GeneratedKey, KeyProviderError> {
    let request = KeyRequest::new("alias/app", EncryptionContext::new(), Requester::new("alice"));
    kms.clone().generate_key(request).await
}

fn kind<T>(result: Result<T, KeyProviderError>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

/// Returns a result and the time of the runtime that it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let before = Instant::now();
    (work.await, before.elapsed())
}

#[test]
fn a_call_is_tried_again_after_an_error_and_after_the_limit_of_an_attempt() {
    in_paused_time(async {
        let (kms, resilient) = world();
        let resilient = Arc::new(resilient.with_backoff(ms(100), ms(150)));
        kms.next([Step::Fail(Kind::Throttled), Step::Hang, Step::After(3 * SECOND), Step::Answer]);
        let (generated, took) = timed(generate(&resilient)).await;
        assert!(generated.is_ok());
        assert_eq!((kms.calls(), kms.kms.calls().generate), (4, 1), "the late answer is not used");
        let attempts = 2 * 2 * SECOND;
        assert!((attempts..=attempts + ms(100 + 150 + 150 + 10)).contains(&took), "{took:?}");
    });
}

#[test]
fn a_wait_that_the_provider_asks_for_is_kept() {
    in_paused_time(async {
        let (kms, resilient) = world();
        kms.next([Step::RetryAfter(3 * SECOND), Step::Answer]);
        let (generated, took) = timed(generate(&Arc::new(resilient))).await;
        assert!(generated.is_ok() && took >= 3 * SECOND, "{took:?}");
    });
}

#[test]
fn a_provider_that_hangs_is_unavailable_at_the_limit_of_an_attempt_and_of_all() {
    in_paused_time(async {
        for (attempt, attempts, total, expected) in [
            (10 * SECOND, 4, 3 * SECOND, 3 * SECOND),
            (SECOND, 1, 8 * SECOND, SECOND),
            (Duration::MAX, 1, SECOND, SECOND),
        ] {
            let (kms, resilient) = world();
            kms.always(Step::Hang);
            let resilient = resilient.with_attempt_limit(attempt).with_total_limit(total);
            let resilient = resilient.with_attempts(NonZeroU32::new(attempts).unwrap());
            let (failed, took) = timed(generate(&Arc::new(resilient))).await;
            assert_eq!(kind(failed), Some(Kind::Unavailable));
            // The driver rounds up to milliseconds.
            assert!((expected..=expected + ms(1)).contains(&took), "{took:?}");
        }
    });
}

#[test]
fn the_breaker_opens_refuses_and_probes_by_the_time_of_the_runtime() {
    in_paused_time(async {
        let (kms, resilient) = world();
        let resilient = Arc::new(resilient.with_attempts(NonZeroU32::MIN));
        kms.always(Step::Hang);
        for _ in 0..5 {
            assert_eq!(kind(generate(&resilient).await), Some(Kind::Unavailable));
        }
        assert!(resilient.is_open());
        let (refused, took) = timed(join_all((0..1_000).map(|_| generate(&resilient)))).await;
        assert!(refused.into_iter().all(|refused| kind(refused) == Some(Kind::Unavailable)));
        assert_eq!((kms.calls(), took), (5, Duration::ZERO));

        kms.always(Step::After(ms(50)));
        advance(5 * SECOND).await;
        let answers = join_all((0..1_000).map(|_| generate(&resilient))).await;
        assert_eq!((kms.calls(), answers.iter().filter(|answer| answer.is_ok()).count()), (6, 1));
        assert!(!resilient.is_open());
    });
}

#[test]
fn those_who_wait_for_their_turn_do_so_within_their_limit() {
    in_paused_time(async {
        let (kms, resilient) = world();
        kms.always(Step::After(ms(50)));
        let resilient = resilient.with_concurrency(NonZeroUsize::new(4).unwrap()).with_total_limit(SECOND);
        let resilient = Arc::new(resilient);
        let (answers, took) = timed(join_all((0..1_000).map(|_| generate(&resilient)))).await;
        assert!((1..1_000).contains(&answers.iter().filter(|answer| answer.is_ok()).count()));
        assert!(took <= SECOND + ms(1), "{took:?}");
        assert_eq!(kms.most_running(), 4);
        assert!(generate(&resilient).await.is_ok(), "those who left hold no turn");
    });
}

#[test]
fn a_thread_without_a_runtime_has_its_limits_from_the_runtime() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let timer = Arc::new(TokioTimer::new(runtime.handle().clone()));
    let kms = Scripted::on(timer.clone());
    let resilient = Resilient::new(kms.clone()).with_timer(timer).with_attempt_limit(ms(20));
    let resilient = Arc::new(resilient.with_attempts(NonZeroU32::MIN));
    kms.next([Step::Hang, Step::Answer]);
    let results = thread::spawn(move || [0, 1].map(|_| kind(block_on(generate(&resilient))))).join().unwrap();
    assert_eq!(results, [Some(Kind::Unavailable), None]);
}

/// Sleeps on a runtime that is not there any more, or has no time.
fn assert_fails_without_a_panic(timer: &TokioTimer) {
    block_on(timer.sleep(Duration::MAX));
    let before = timer.now();
    assert!(timer.now() >= before);
    let kms = Scripted::on(Arc::new(timer.clone()));
    let resilient = Arc::new(Resilient::new(kms.clone()).with_timer(Arc::new(timer.clone())));
    assert!(block_on(generate(&resilient)).is_ok(), "what is answered at once is within the limit");
    kms.always(Step::Hang);
    assert_eq!(kind(block_on(generate(&resilient))), Some(Kind::Unavailable));
}

#[test]
fn without_its_runtime_each_sleep_is_over_and_a_call_that_hangs_fails() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let timer = TokioTimer::new(runtime.handle().clone());
    let asleep = timer.sleep(Duration::MAX);
    let waiting = thread::spawn(|| block_on(asleep));
    drop(runtime);
    waiting.join().unwrap();
    assert_fails_without_a_panic(&timer);
}

#[test]
fn a_runtime_without_its_time_has_no_sleep() {
    let runtime: Runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    assert_fails_without_a_panic(&TokioTimer::new(runtime.handle().clone()));
}

#[test]
fn a_sleep_begins_when_it_is_asked_for_and_a_dropped_one_leaves_no_task() {
    in_paused_time(async {
        let timer = TokioTimer::new(Handle::current());
        let early = timer.sleep(3 * SECOND);
        advance(2 * SECOND).await;
        let ((), took) = timed(early).await;
        assert!(took <= SECOND + ms(1), "{took:?}");
        for _ in 0..100 {
            drop(timer.sleep(Duration::MAX));
        }
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    });
}

#[test]
fn it_conforms_in_every_runtime_on_the_timer_of_another_one() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let kms = Arc::new(MemoryKms::new());
    let (one, two) = (kms.create_key("one").unwrap(), kms.create_key("two").unwrap());
    let timer = Arc::new(TokioTimer::new(runtime.handle().clone()));
    let resilient = Arc::new(Resilient::new(kms).with_timer(timer));
    let suite = KeyProviderSuite::new(resilient, &*one, "memory-kms:key/none").other_key_id(&two);
    runtimes::conforms_around_memory(suite);
}
