//! `TokioTimer`: `Resilient` on the timer of a runtime.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use atrest::kms::{Resilient, Timer, TokioTimer};
use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
use atrest::{
    EncryptionContext, GeneratedKey, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest, Requester,
};
use atrest_kit::ManualTime;
use futures_util::FutureExt;
use pollster::block_on;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::scripted::{Scripted, Step};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn runtime() -> (Runtime, TokioTimer) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let timer = TokioTimer::new(runtime.handle().clone());
    (runtime, timer)
}

/// A provider that follows a script, behind `Resilient` with one attempt of 20 ms.
fn resilient(timer: &TokioTimer) -> (Arc<Scripted>, Arc<Resilient>) {
    let kms = Scripted::new(&ManualTime::new());
    let resilient = Resilient::new(kms.clone()).with_timer(Arc::new(timer.clone()));
    (kms, Arc::new(resilient.with_attempt_limit(ms(20)).with_attempts(NonZeroU32::MIN)))
}

fn generate(kms: &Arc<Resilient>) -> Result<GeneratedKey, KeyProviderError> {
    let request = KeyRequest::new("alias/app", EncryptionContext::new(), Requester::new("alice"));
    block_on(kms.clone().generate_key(request))
}

fn kind<T>(result: Result<T, KeyProviderError>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn a_sleep_of_a_thread_without_a_runtime_lasts_its_time_from_when_it_is_asked_for() {
    let (_runtime, timer) = runtime();
    let before = timer.now();
    let early = timer.sleep(ms(1));
    block_on(timer.sleep(ms(50)));
    assert!(timer.now() - before >= ms(50));
    assert!(early.now_or_never().is_some(), "it does not begin when it is polled");
}

#[test]
fn a_call_of_a_thread_without_a_runtime_has_its_limit_from_the_runtime() {
    let (_runtime, timer) = runtime();
    let (kms, resilient) = resilient(&timer);
    kms.next([Step::Hang, Step::Answer]);
    assert_eq!([0, 1].map(|_| kind(generate(&resilient))), [Some(Kind::Unavailable), None]);
}

/// Sleeps on a runtime that is not there any more, or has no time.
fn assert_fails_without_a_panic(timer: &TokioTimer) {
    block_on(timer.sleep(Duration::MAX));
    let (kms, resilient) = resilient(timer);
    assert!(generate(&resilient).is_ok(), "what is answered at once is within the limit");
    kms.always(Step::Hang);
    assert_eq!(kind(generate(&resilient)), Some(Kind::Unavailable));
}

#[test]
fn without_its_runtime_each_sleep_is_over_and_a_call_that_hangs_fails() {
    let (runtime, timer) = runtime();
    let asleep = timer.sleep(Duration::MAX);
    let waiting = thread::spawn(|| block_on(asleep));
    drop(runtime);
    waiting.join().unwrap();
    assert_fails_without_a_panic(&timer);
}

#[test]
fn a_runtime_without_its_time_has_no_sleep() {
    let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    assert_fails_without_a_panic(&TokioTimer::new(runtime.handle().clone()));
}

#[test]
fn a_sleep_that_is_dropped_leaves_no_task() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let timer = TokioTimer::new(Handle::current());
        let sleeps: Vec<_> = (0..100).map(|_| timer.sleep(Duration::MAX)).collect();
        tokio::task::yield_now().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 100);
        drop(sleeps);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    });
}

#[test]
fn it_conforms_in_every_runtime_on_the_timer_of_another_one() {
    let (_runtime, timer) = runtime();
    let kms = Arc::new(MemoryKms::new());
    let (one, two) = (kms.create_key("one").unwrap(), kms.create_key("two").unwrap());
    let resilient = Arc::new(Resilient::new(kms).with_timer(Arc::new(timer)));
    let suite = KeyProviderSuite::new(resilient, &*one, "memory-kms:key/none").other_key_id(&two);
    let suite = suite.lacks(Capability::Requesters).lacks(Capability::States);
    suite.lacks(Capability::RequestIds).run();
}
