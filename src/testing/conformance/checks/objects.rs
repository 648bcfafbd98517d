//! Objects with bucket keys, through an [`Sse`] over the provider.

use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use futures_util::future::join_all;

use super::access::{Change, DISABLED, REVOKED};
use super::{ARN, Check, Checker, expect_refusal, is_about_bytes, is_denied, pairs};
use crate::error::{Error, KeyProviderError, Result};
use crate::keys::{BucketKeys, KeyProvider, UNKNOWN_EPOCH};
use crate::kms::{KmsCounters, Observed};
use crate::mode::{KmsKeys, SseKms};
use crate::object::{ObjectName, Requester};
use crate::sse::{Encrypted, Sse, Unlock};
use crate::testing::conformance::checker::{handed_over, poll_once};
use crate::testing::conformance::supervised::run_in;
use crate::testing::conformance::{AT_ONCE, Capability, NewRuntime};

pub(super) const CHECKS: &[Check] = &[
    Check::task("with bucket keys, one call serves a bucket", |checker| Box::pin(shares_calls(checker))),
    Check::runtimes("with bucket keys, objects open without the cache and elsewhere", opens_elsewhere),
    Check::task("with bucket keys, an object opens in its bucket only", |checker| Box::pin(binds_the_bucket(checker))),
    Check::task("with bucket keys, a forbidden requester gets nothing", |checker| Box::pin(authorises(checker)))
        .if_given(|suite| suite.forbidden.is_some()),
    Check::task("with bucket keys, a disabled key is refused", |checker| Box::pin(obeys(checker, &DISABLED)))
        .if_given(|suite| suite.states.is_some()),
    Check::task("with bucket keys, a revoked permission is gone", |checker| Box::pin(obeys(checker, &REVOKED)))
        .if_given(|suite| suite.permissions.is_some()),
    Check::task("with bucket keys, a caller that leaves fails no other", |checker| Box::pin(survives_leaving(checker))),
    Check::runtimes("with bucket keys, threads share a call", threads_share_a_call),
    Check::runtimes("with bucket keys, a call of an idle runtime is ended by another", another_runtime_ends_a_call),
];

const CONTENT: &[u8] = b"meow";

/// An [`Sse`] over the provider of a suite, and the number of its calls.
#[derive(Clone)]
struct Service {
    checker: Checker,
    sse: Sse,
    counters: Arc<KmsCounters>,
    /// The resolved id of the suite's key.
    key_id: String,
}

impl Service {
    async fn new(checker: &Checker) -> Option<Self> {
        let generated = checker.generates(&pairs(&[ARN]), "a context").await?;
        Self::over(checker, generated.key_id(), BucketKeys::new())
    }

    fn over(checker: &Checker, key_id: &str, limits: BucketKeys) -> Option<Self> {
        let counters = Arc::new(KmsCounters::new());
        let provider: Arc<dyn KeyProvider> = Arc::new(Observed::new(checker.provider(), counters.clone()));
        let sse = Sse::builder().kms(provider, KmsKeys::only([key_id])).bucket_keys(limits).build();
        let sse = done(checker, sse, "an `Sse` is built")?.requested_by(checker.suite.requester.clone());
        Some(Self { checker: checker.clone(), sse, counters, key_id: key_id.to_owned() })
    }

    fn of(&self, requester: &Requester) -> Self {
        Self { sse: self.sse.requested_by(requester.clone()), ..self.clone() }
    }

    async fn tries_to_write(&self, key: &str, what: &str) -> Result<Encrypted> {
        self.checker.begins(format!("Sse::encrypt ({what})"));
        let mode = SseKms::new(&*self.checker.suite.key_id).with_bucket_key(true);
        self.sse.encrypt(&named(key), mode, CONTENT).await
    }

    async fn tries_to_read(&self, object: &ObjectName, stored: &Encrypted, what: &str) -> Result<Vec<u8>> {
        self.checker.begins(format!("Sse::decrypt ({what})"));
        self.sse.decrypt(object, stored, Unlock::Server).await
    }

    /// Writes an object. If that fails, it notes it and returns `None`.
    async fn writes(&self, key: &str, what: &str) -> Option<Encrypted> {
        let stored = self.tries_to_write(key, what).await;
        done(&self.checker, stored, &format!("an object is written {what}"))
    }

    async fn opens(&self, key: &str, stored: &Encrypted, what: &str) {
        let opened = self.tries_to_read(&named(key), stored, what).await;
        let opened = done(&self.checker, opened, &format!("an object is read {what}"));
        self.checker.expect(opened.is_none_or(|opened| opened == CONTENT), || format!("another object is read {what}"));
    }

    async fn writes_and_opens(&self, key: &str, what: &str) {
        if let Some(stored) = self.writes(key, what).await {
            self.opens(key, &stored, what).await;
        }
    }

    /// Expects that the objects so far cost one call to write and one to read.
    fn expect_one_call_each(&self) {
        let tells_epochs = self.checker.epoch(&self.key_id, "a key") != UNKNOWN_EPOCH;
        let counts = self.counters.keys();
        let generated: u64 = counts.values().map(|count| count.generated).sum();
        let unwrapped: u64 = counts.values().map(|count| count.unwrapped).sum();
        for (calls, what) in [(generated, "generate_key"), (unwrapped, "unwrap_key")] {
            self.checker
                .expect(calls <= 1 || !tells_epochs, || format!("one bucket costs more than one call of {what}"));
        }
    }

    fn expect_refused(&self, error: Option<Error>, what: &str, is_right: impl Fn(&KeyProviderError) -> bool) {
        match error {
            None => self.checker.expect(false, || format!("{what} succeeds")),
            Some(Error::KeyProvider(error)) => _ = expect_refusal(&self.checker, Some(error), what, is_right),
            Some(error) => self.checker.expect(false, || format!("{what} fails otherwise: {error}")),
        }
    }
}

fn named(key: &str) -> ObjectName {
    ObjectName::new("photos", key).expect("a bucket and a key")
}

fn done<T>(checker: &Checker, answer: Result<T>, what: &str) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(Error::KeyProvider(error)) => checker.expect_ok(Err(error), what),
        Err(error) => {
            checker.expect(false, || format!("not so: {what}: {error}"));
            None
        }
    }
}

async fn shares_calls(checker: Checker) {
    let Some(service) = Service::new(&checker).await else { return };
    let keys: Vec<_> = (0..AT_ONCE).map(|number| number.to_string()).collect();
    let written = join_all(keys.iter().map(|key| service.writes(key, "beside others"))).await;
    let stored: Vec<_> = keys.iter().zip(written).filter_map(|(key, stored)| Some((key, stored?))).collect();
    for (_, stored) in &stored {
        checker.expect(stored.envelope.has_bucket_key(), || "an object has no bucket key".to_owned());
    }
    join_all(stored.iter().map(|(key, stored)| service.opens(key, stored, "beside others"))).await;
    service.writes_and_opens("later", "with a key in memory").await;
    service.expect_one_call_each();
}

fn opens_elsewhere(checker: &Checker, new_runtime: &NewRuntime) {
    // Its last handle is dropped outside of the runtime.
    let other = checker.with_new_provider();
    let (own, elsewhere) = (checker.clone(), other.clone());
    run_in(&new_runtime(), checker, async move {
        let Some(service) = Service::new(&own).await else { return };
        let Some(stored) = service.writes("cat.jpg", "with a bucket key").await else { return };
        let uncached = Service::over(&own, &service.key_id, BucketKeys::uncached());
        let elsewhere = elsewhere.and_then(|other| Service::over(&other, &service.key_id, BucketKeys::new()));
        for (other, what) in [(uncached, "without the cache"), (elsewhere, "by another instance of the provider")] {
            let Some(other) = other else { continue };
            other.opens("cat.jpg", &stored, what).await;
            if let Some(stored) = other.writes("cat.jpg", what).await {
                service.opens("cat.jpg", &stored, &format!("that was written {what}")).await;
            }
        }
        service.opens("cat.jpg", &stored, "with a bucket key").await;
        service.sse.purge_bucket_keys();
        service.opens("cat.jpg", &stored, "after a purge").await;
    });
}

async fn binds_the_bucket(checker: Checker) {
    let Some(service) = Service::new(&checker).await else { return };
    let Some(stored) = service.writes("cat.jpg", "with a bucket key").await else { return };
    service.opens("cat.jpg", &stored, "with a bucket key").await;
    let moved = ObjectName::new("music", "cat.jpg").expect("a bucket and a key");
    let read = service.tries_to_read(&moved, &stored, "in another bucket").await;
    service.expect_refused(read.err(), "reading in another bucket", is_about_bytes);
}

async fn authorises(checker: Checker) {
    let Some(forbidden) = &checker.suite.forbidden else { return };
    let Some(service) = Service::new(&checker).await else { return };
    let Some(stored) = service.writes("cat.jpg", "with a bucket key").await else { return };
    service.opens("cat.jpg", &stored, "with a bucket key").await;
    let other = service.of(forbidden);
    let what = "a forbidden requester";
    other.expect_refused(other.tries_to_write("cat.jpg", what).await.err(), &format!("writing for {what}"), is_denied);
    let read = other.tries_to_read(&named("cat.jpg"), &stored, what).await;
    other.expect_refused(read.err(), &format!("reading for {what}"), is_denied);
    service.writes_and_opens("dog.jpg", "with a key in memory").await;
}

async fn obeys(checker: Checker, change: &'static Change) {
    let Some(service) = Service::new(&checker).await else { return };
    let Some(stored) = service.writes("cat.jpg", "with a bucket key").await else { return };
    service.opens("cat.jpg", &stored, "with a bucket key").await;
    change.make(&checker, &service.key_id);
    if !checker.suite.has(Capability::Epochs) {
        service.sse.purge_bucket_keys();
    }
    let (during, is_right) = (change.during, |error: &KeyProviderError| change.is_reason_of(error));
    let written = service.tries_to_write("cat.jpg", during).await;
    service.expect_refused(written.err(), &format!("writing under {during}"), is_right);
    let read = service.tries_to_read(&named("cat.jpg"), &stored, during).await;
    service.expect_refused(read.err(), &format!("reading under {during}"), is_right);
    change.undo(&checker, &service.key_id);
    let again = format!("under {during} that is no longer");
    service.opens("cat.jpg", &stored, &again).await;
    service.writes_and_opens("dog.jpg", &again).await;
}

async fn survives_leaving(checker: Checker) {
    let Some(service) = Service::new(&checker).await else { return };
    let what = "beside a caller that leaves";
    for _ in 0..3 {
        let mut first = Box::pin(service.tries_to_write("cat.jpg", what));
        let _ = poll_once(&mut first);
        let second = Box::pin(service.writes("dog.jpg", what));
        let Some(stored) = handed_over(second, || drop(first)).await else { return };
        service.opens("dog.jpg", &stored, what).await;
        service.sse.purge_bucket_keys();
    }
}

fn threads_share_a_call(checker: &Checker, new_runtime: &NewRuntime) {
    let (runtime, own) = (new_runtime(), checker.clone());
    let service = run_in(&runtime, checker, async move { Service::new(&own).await });
    let Some(service) = service.flatten() else { return };
    thread::scope(|scope| {
        for number in 0..AT_ONCE {
            let (runtime, own) = (&runtime, service.clone());
            let task = async move { own.writes_and_opens(&number.to_string(), "by threads at once").await };
            scope.spawn(move || run_in(runtime, checker, task));
        }
    });
    service.expect_one_call_each();
}

type Writing = Pin<Box<dyn Future<Output = Option<Encrypted>> + Send>>;

fn another_runtime_ends_a_call(checker: &Checker, new_runtime: &NewRuntime) {
    let (idle, own) = (new_runtime(), checker.clone());
    let begun = run_in(&idle, checker, async move {
        let service = Service::new(&own).await?;
        let (own, what) = (service.clone(), "by a runtime that was idle");
        let mut writing: Writing = Box::pin(async move { own.writes("cat.jpg", what).await });
        let is_begun = poll_once(&mut writing).is_pending();
        Some((service, writing, is_begun))
    });
    let Some((service, writing, is_begun)) = begun.flatten() else { return };
    let (other, own) = (new_runtime(), service.clone());
    run_in(&other, checker, async move { own.writes_and_opens("dog.jpg", "beside an idle runtime").await });
    if is_begun {
        run_in(&other, checker, writing);
    }
    service.expect_one_call_each();
}
