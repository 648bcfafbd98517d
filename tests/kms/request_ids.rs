//! Request ids of a KMS's backend: they pass every provider around it, with keys as with errors.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use atrest::audit::{AuditTrail, MemorySink};
use atrest::kms::{Authorized, KmsCall, KmsObserver, Observed, Resilient, Router, Threads};
use atrest::{
    EncryptionContext, GeneratedKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind,
    KeyRequest, KmsKeys, ObjectName, Requester, Sse, SseKms, Unlock, UnwrappedKey, WrappedKey,
};
use atrest_kit::ManualTime;
use pollster::block_on;

use crate::scripted::{Scripted, Step};

fn request(key_id: &str) -> KeyRequest {
    KeyRequest::new(key_id, EncryptionContext::new(), Requester::new("alice"))
}

/// A provider whose calls another provider makes on threads of its own.
struct OnThreads(Arc<Scripted>, Threads);

impl KeyProvider for OnThreads {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let kms = self.0.clone();
        self.1.call(request, move |_, request| block_on(kms.generate_key(request.clone())))
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let kms = self.0.clone();
        self.1.call(request, move |_, request| block_on(kms.unwrap_key(wrapped, request.clone())))
    }
}

/// The request ids that an observer was told.
#[derive(Default)]
struct Told(Mutex<Vec<Option<String>>>);

impl KmsObserver for Told {
    fn ended(&self, call: &KmsCall<'_>) {
        self.0.lock().unwrap().push(call.request_id.map(str::to_owned));
    }
}

fn kms() -> Arc<Scripted> {
    Scripted::new(&ManualTime::new())
}

fn threads(kms: &Arc<Scripted>) -> Arc<dyn KeyProvider> {
    Arc::new(OnThreads(kms.clone(), Threads::new("test", NonZeroUsize::MIN, 10, || ())))
}

fn routed(inner: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
    Arc::new(Router::new().with_default(inner.clone()).with_route("memory-kms", inner).unwrap())
}

fn authorized(inner: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
    Arc::new(Authorized::new(inner, |_| true))
}

fn observed(inner: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
    Arc::new(Observed::new(inner, Arc::new(Told::default())))
}

fn resilient(inner: Arc<dyn KeyProvider>) -> Arc<dyn KeyProvider> {
    Arc::new(Resilient::new(inner))
}

#[test]
fn the_id_of_a_key_and_of_an_error_passes_each_provider_and_all_of_them_together() {
    type Around = fn(&Arc<Scripted>) -> Arc<dyn KeyProvider>;
    let each: [(&str, Around); 6] = [
        ("Threads", threads),
        ("Router", |kms| routed(kms.clone())),
        ("Authorized", |kms| authorized(kms.clone())),
        ("Observed", |kms| observed(kms.clone())),
        ("Resilient", |kms| resilient(kms.clone())),
        ("all", |kms| authorized(routed(observed(resilient(threads(kms)))))),
    ];
    for (name, around) in each {
        let kms = kms();
        let provider = around(&kms);
        let generated = block_on(provider.clone().generate_key(request("alias/app"))).unwrap();
        assert_eq!(generated.request_id(), Some("call-1"), "{name}");
        let wrapped = generated.wrapped().clone();
        let unwrapped = block_on(provider.clone().unwrap_key(wrapped, request(generated.key_id()))).unwrap();
        assert_eq!(unwrapped.request_id(), Some("call-2"), "{name}");
        kms.next([Step::Fail(Kind::Disabled)]);
        let error = block_on(provider.generate_key(request("alias/app"))).unwrap_err();
        assert_eq!((error.kind(), error.request_id()), (Kind::Disabled, Some("call-3")), "{name}");
    }
}

#[test]
fn the_id_is_that_of_the_attempt_that_succeeded_or_of_the_last_one() {
    let time = ManualTime::new();
    let kms = Scripted::new(&time);
    let provider = Arc::new(Resilient::new(kms.clone()).with_timer(Arc::new(time.clone())));
    kms.next([Step::Fail(Kind::Unavailable), Step::Fail(Kind::Throttled)]);
    let generated = time.run(provider.clone().generate_key(request("alias/app"))).unwrap();
    assert_eq!(generated.request_id(), Some("call-3"));
    kms.always(Step::Fail(Kind::Throttled));
    let error = time.run(provider.generate_key(request("alias/app"))).unwrap_err();
    assert_eq!(error.request_id(), Some("call-7"), "of four attempts");
}

#[test]
fn a_refusal_after_the_backend_answered_has_the_id_of_the_answer() {
    let kms = kms();
    let refusing = Arc::new(Authorized::new(kms.clone(), |_| false));
    let error = block_on(refusing.clone().generate_key(request("alias/app"))).unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (Kind::AccessDenied, Some("call-1")));
    let error = block_on(refusing.unwrap_key(WrappedKey::new(*b"x"), request(&kms.key_id))).unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (Kind::AccessDenied, None), "the backend was not asked");
    // A default provider without a route for its resolved ids.
    let lost = Arc::new(Router::new().with_default(kms.clone()));
    let error = block_on(lost.generate_key(request("alias/app"))).unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (Kind::Misconfigured, Some("call-2")));
}

#[test]
fn an_observer_is_told_the_id_of_each_call() {
    let (kms, told) = (kms(), Arc::new(Told::default()));
    let observed = Arc::new(Observed::new(kms.clone(), told.clone()));
    kms.next([Step::Answer, Step::Fail(Kind::Throttled), Step::Panic, Step::Answer]);
    let ask = || block_on(observed.clone().generate_key(request("alias/app")));
    let (first, _, _) = (ask().unwrap(), ask().unwrap_err(), ask().unwrap_err());
    block_on(observed.clone().unwrap_key(first.wrapped().clone(), request(&kms.key_id))).unwrap();
    let expected = [Some("call-1"), Some("call-2"), None, Some("call-4")];
    assert_eq!(*told.0.lock().unwrap(), expected.map(|id| id.map(str::to_owned)));
}

#[test]
fn an_id_is_cut_and_cleaned_before_it_reaches_a_log() {
    let kek = || atrest::KeyEncryptionKey::generate().unwrap();
    let wild = format!("a\n\u{1b}[31m b\u{e9}{}", "x".repeat(200));
    let generated = GeneratedKey::new("key/1", *b"wrapped", kek()).with_request_id(&wild);
    let unwrapped = UnwrappedKey::new("key/1", kek()).with_request_id(&wild);
    let error = KeyProviderError::new(Kind::Unavailable, "key/1").with_request_id(&wild);
    let kept = error.request_id().unwrap();
    assert!(kept.starts_with("a[31mbx") && kept.len() == 128, "{kept}");
    assert_eq!((generated.request_id(), unwrapped.request_id()), (Some(kept), Some(kept)));
    assert_eq!(GeneratedKey::new("key/1", *b"wrapped", kek()).with_request_id(" \n").request_id(), None);
}

#[test]
fn an_event_of_an_object_has_the_id_that_the_backend_gave_behind_all_providers() {
    let (kms, sink) = (kms(), Arc::new(MemorySink::new()));
    let provider = authorized(routed(observed(resilient(threads(&kms)))));
    let builder = Sse::builder().kms(provider, KmsKeys::only([&*kms.key_id])).audit(AuditTrail::new(sink.clone()));
    let sse = builder.build().unwrap().blocking();
    let name = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse.encrypt(&name, SseKms::new("alias/app"), b"meow").unwrap();
    sse.decrypt(&name, &stored, Unlock::Server).unwrap();
    let ids: Vec<_> = sink.events().iter().map(|event| event.key_provider_answers().to_vec()).collect();
    let ids: Vec<_> = ids.iter().flatten().map(|answer| answer.request_id()).collect();
    assert_eq!(ids, [Some("call-1"), Some("call-2")]);
}
