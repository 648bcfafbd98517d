//! A key provider that follows a script, in simulated time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use atrest::kms::Timer;
use atrest::testing::MemoryKms;
use atrest::{
    GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest,
    UnwrappedKey, WrappedKey,
};
use atrest_kit::ManualTime;

/// What a provider does with one call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Answer,
    /// Answers after this time.
    After(Duration),
    Hang,
    Fail(Kind),
    /// Fails after 50 ms.
    FailLate(Kind),
    /// Throttles, and says how long callers should wait.
    RetryAfter(Duration),
    Panic,
    /// Answers as another KMS key.
    WrongKey,
    /// Returns another key than the wrapped one, in the right KMS key's name.
    OtherKek,
    NoWrappedKey,
}

pub(crate) struct Scripted {
    pub(crate) kms: Arc<MemoryKms>,
    pub(crate) key_id: String,
    time: ManualTime,
    /// The steps of the next calls, then the step of all others.
    steps: Mutex<(VecDeque<Step>, Step)>,
    /// How long each call takes before its step.
    takes: Mutex<Duration>,
    pub(crate) epoch: AtomicU64,
    calls: AtomicUsize,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl Scripted {
    pub(crate) fn new(time: &ManualTime) -> Arc<Self> {
        let kms = Arc::new(MemoryKms::new());
        let key_id = kms.create_key("app").unwrap();
        kms.create_key("other").unwrap();
        kms.alias("alias/app", &key_id);
        let steps = Mutex::new((VecDeque::new(), Step::Answer));
        let (calls, running, most_running) = <(AtomicUsize, AtomicUsize, AtomicUsize)>::default();
        let (takes, epoch) = <(Mutex<Duration>, AtomicU64)>::default();
        Arc::new(Self { kms, key_id, time: time.clone(), steps, takes, epoch, calls, running, most_running })
    }

    /// Sets the steps of the next calls.
    pub(crate) fn next(&self, steps: impl IntoIterator<Item = Step>) {
        self.steps.lock().unwrap().0 = steps.into_iter().collect();
    }

    /// Sets the step of all calls.
    pub(crate) fn always(&self, step: Step) {
        *self.steps.lock().unwrap() = (VecDeque::new(), step);
    }

    /// Sets how long each call takes, whatever its step.
    pub(crate) fn takes(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    /// The number of calls so far.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// The most calls at the same time so far.
    pub(crate) fn most_running(&self) -> usize {
        self.most_running.load(Ordering::SeqCst)
    }

    /// Does the step of a call. Returns it, and the request id of the call.
    async fn step(self: &Arc<Self>, request: &KeyRequest) -> Result<(Step, String), KeyProviderError> {
        let request_id = format!("call-{}", self.calls.fetch_add(1, Ordering::SeqCst) + 1);
        let failed = |kind| Err(KeyProviderError::new(kind, request.key_id()).with_request_id(&request_id));
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let _running = Running(self.clone());
        let step = {
            let mut steps = self.steps.lock().unwrap();
            let always = steps.1;
            steps.0.pop_front().unwrap_or(always)
        };
        let takes = *self.takes.lock().unwrap();
        if !takes.is_zero() {
            self.time.sleep(takes).await;
        }
        match step {
            Step::After(time) => self.time.sleep(time).await,
            Step::Hang => std::future::pending().await,
            Step::FailLate(kind) => {
                self.time.sleep(Duration::from_millis(50)).await;
                return failed(kind);
            }
            Step::Fail(kind) => return failed(kind),
            Step::RetryAfter(wait) => return failed(Kind::Throttled).map_err(|error| error.with_retry_after(wait)),
            Step::Panic => panic!("the scripted provider panics"),
            Step::Answer | Step::WrongKey | Step::OtherKek | Step::NoWrappedKey => {}
        }
        Ok((step, request_id))
    }
}

struct Running(Arc<Scripted>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl KeyProvider for Scripted {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            let (step, request_id) = self.step(&request).await?;
            let generated = self.kms.clone().generate_key(request).await?;
            let other = || KeyEncryptionKey::generate().unwrap();
            let again = |key_id: &str, wrapped: &[u8]| GeneratedKey::new(key_id, wrapped, generated.kek().duplicate());
            let answer = match step {
                Step::WrongKey => again("memory-kms:key/other", generated.wrapped().as_bytes()),
                Step::OtherKek => GeneratedKey::new(generated.key_id(), generated.wrapped().as_bytes(), other()),
                Step::NoWrappedKey => again(generated.key_id(), b""),
                _ => generated,
            };
            Ok(answer.with_request_id(&request_id))
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            let (step, request_id) = self.step(&request).await?;
            let unwrapped = self.kms.clone().unwrap_key(wrapped, request).await?;
            let answer = match step {
                Step::WrongKey => UnwrappedKey::new("memory-kms:key/other", KeyEncryptionKey::generate().unwrap()),
                Step::OtherKek => UnwrappedKey::new(unwrapped.key_id(), KeyEncryptionKey::generate().unwrap()),
                _ => unwrapped,
            };
            Ok(answer.with_request_id(&request_id))
        })
    }

    fn epoch(&self, _key_id: &str) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }
}
