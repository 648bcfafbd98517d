//! A service that answers late, a connection that dies while others wait, credentials that panic, and a service that
//! is down when the provider starts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use atrest::kms::Resilient;
use atrest::{
    EncryptionContext, Error, GeneratedKey, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind, KeyRequest,
    Keyring, KmsKeys, ObjectName, Requester, Sse, SseKms, SseS3, Unlock,
};
use atrest_aws_kms::AwsKms;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use aws_sdk_kms::Client;
use pollster::block_on;

use crate::http::{Answer, Server};
use crate::kms::{Keys, REGION, client, provider};

fn generate(kms: &Arc<AwsKms>) -> Result<GeneratedKey, KeyProviderError> {
    let request = KeyRequest::new("alias/one", EncryptionContext::new(), Requester::anonymous());
    block_on(kms.clone().generate_key(request))
}

/// A gate that keeps requests until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        drop(self.opened.wait_while(self.is_open.lock().unwrap(), |is_open| !*is_open).unwrap());
    }
}

#[test]
fn an_answer_that_comes_after_its_caller_gave_up_reaches_no_other_caller() {
    let keys = Keys::new();
    let (gate, first, answered) = (Arc::new(Gate::default()), AtomicBool::new(true), Arc::new(AtomicUsize::new(0)));
    let (held, counted) = (gate.clone(), answered.clone());
    let (kms, _server) = provider(
        move |request| {
            if first.swap(false, Ordering::SeqCst) {
                held.pass();
            }
            let answer = keys.answer(request);
            counted.fetch_add(1, Ordering::SeqCst);
            answer
        },
        |builder| builder.time_limit(Duration::from_millis(200)),
    );
    assert_eq!(generate(&kms).unwrap_err().kind(), Kind::Unavailable);
    gate.open();
    while answered.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    // The late answer has been sent: each call has a key of its own, with the wrapped key that belongs to it.
    for _ in 0..3 {
        let generated = generate(&kms).unwrap();
        let context = EncryptionContext::new();
        let request = KeyRequest::new(generated.key_id(), context, Requester::anonymous());
        let unwrapped = block_on(kms.clone().unwrap_key(generated.wrapped().clone(), request)).unwrap();
        assert_eq!(unwrapped.kek().expose_secret(), generated.kek().expose_secret());
    }
}

#[test]
fn connections_that_die_mid_answer_fail_their_own_calls_alone_and_resilience_repeats_those() {
    let keys = Keys::new();
    let requests = AtomicUsize::new(0);
    let (kms, server) = provider(
        move |request| {
            // Every third answer ends in its middle.
            match (keys.answer(request), requests.fetch_add(1, Ordering::SeqCst) % 3) {
                (Answer::Http { body, .. }, 0) => Answer::Dies(body),
                (answer, _) => answer,
            }
        },
        |builder| builder,
    );
    let bare: Vec<_> = (0..12).map(|_| generate(&kms)).collect();
    for (at, outcome) in bare.iter().enumerate() {
        assert_eq!(outcome.as_ref().err().map(KeyProviderError::kind), (at % 3 == 0).then_some(Kind::Unavailable));
    }
    assert_eq!(server.requests(), 12, "nothing below repeats a call by itself");

    let resilient = Arc::new(Resilient::new(kms));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let request = KeyRequest::new("alias/one", EncryptionContext::new(), Requester::anonymous());
                block_on(resilient.clone().generate_key(request)).unwrap();
            });
        }
    });
}

/// Credentials that panic as long as they are told to.
#[derive(Clone, Debug)]
struct Panicking(Arc<AtomicBool>);

impl ProvideCredentials for Panicking {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        assert!(!self.0.load(Ordering::SeqCst), "no credentials");
        future::ProvideCredentials::ready(Ok(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test")))
    }
}

#[test]
fn credentials_that_panic_fail_their_call_and_the_provider_goes_on() {
    let keys = Keys::new();
    let server = Server::start(move |request| keys.answer(request));
    let panics = Arc::new(AtomicBool::new(true));
    let config = client(&server, REGION).config().to_builder().credentials_provider(Panicking(panics.clone()));
    let kms = Arc::new(AwsKms::builder(Client::from_conf(config.build())).without_sdk_retries().build().unwrap());
    for _ in 0..3 {
        let error = generate(&kms).unwrap_err();
        assert_eq!((error.kind(), error.is_transient()), (Kind::Panicked, false), "{error:?}");
    }
    panics.store(false, Ordering::SeqCst);
    generate(&kms).unwrap();
}

#[test]
fn a_service_starts_while_aws_kms_is_down_and_recovers_when_it_comes() {
    let keys = Keys::new();
    let (is_down, served) = (Arc::new(AtomicBool::new(true)), keys.clone());
    let down = is_down.clone();
    let (kms, server) = provider(
        move |request| match down.load(Ordering::SeqCst) {
            true => Answer::Dies(b"{".to_vec()),
            false => served.answer(request),
        },
        |builder| builder,
    );
    // A breaker that stays open for no time: each call is a probe.
    let resilient = Resilient::new(kms).with_breaker(std::num::NonZeroU32::MIN, Duration::ZERO);
    let sse = Sse::builder().keyring(Keyring::generate().unwrap());
    let sse = sse.kms(Arc::new(resilient), KmsKeys::only([&*keys.one])).build().unwrap();
    assert_eq!(server.requests(), 0);
    let (object, sse) = (ObjectName::new("photos", "cat.jpg").unwrap(), sse.blocking());
    let kind = |error: Error| match error {
        Error::KeyProvider(error) => error.kind(),
        error => panic!("{error}"),
    };
    let mode = SseKms::new("alias/one");
    assert_eq!(kind(sse.warm_bucket_key(&object, &mode).unwrap_err()), Kind::Unavailable);
    assert_eq!(kind(sse.encrypt(&object, mode.clone(), b"meow").unwrap_err()), Kind::Unavailable);
    let stored = sse.encrypt(&object, SseS3, b"meow").unwrap();
    assert_eq!(sse.decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");

    is_down.store(false, Ordering::SeqCst);
    sse.warm_bucket_key(&object, &mode).unwrap();
    let calls = server.requests();
    let stored = sse.encrypt(&object, mode.with_bucket_key(true), b"meow").unwrap();
    assert_eq!(server.requests(), calls, "it is warm");
    assert_eq!(sse.decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");
}
