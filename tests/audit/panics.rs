//! Key providers and audit sinks that panic.

use std::sync::Arc;

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, AuditTrail, MemorySink};
use atrest::error::KeyProviderErrorKind;
use atrest::{
    Error, GeneratedKey, KeyFuture, KeyProvider, KeyRequest, KmsKeys, Sse, SseKms, SseS3, UnwrappedKey, WrappedKey,
};

use crate::kit::Audited;
use atrest_kit::name;

/// A provider that panics when it is called, or when it is polled.
struct Broken {
    when_called: bool,
}

impl Broken {
    fn answer<T: Send + 'static>(&self) -> KeyFuture<T> {
        assert!(!self.when_called, "on purpose");
        Box::pin(async { panic!("on purpose") })
    }
}

impl KeyProvider for Broken {
    fn generate_key(self: Arc<Self>, _: KeyRequest) -> KeyFuture<GeneratedKey> {
        self.answer()
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, _: KeyRequest) -> KeyFuture<UnwrappedKey> {
        self.answer()
    }
}

#[test]
fn an_operation_whose_key_provider_panics_fails_and_is_on_record() {
    let audited = Audited::new();
    let service = audited.silent();
    let stored = service.sse.blocking().encrypt(&name(), SseKms::new("alias/app"), b"meow").unwrap();
    for when_called in [true, false] {
        let sink = Arc::new(MemorySink::new());
        let builder = Sse::builder().kms(Arc::new(Broken { when_called }), KmsKeys::all());
        let sse = builder.audit(AuditTrail::new(sink.clone())).build().unwrap();
        let refused = [
            sse.blocking().encrypt(&name(), SseKms::new("alias/app"), b"meow").unwrap_err(),
            sse.blocking().decrypt(&name(), &stored, atrest::Unlock::Server).unwrap_err(),
        ];
        let events = sink.events();
        assert_eq!(events.len(), 2);
        for error in refused.iter().chain(events.iter().filter_map(AuditEvent::error)) {
            let Error::KeyProvider(error) = error else { panic!("{error:?}") };
            assert_eq!(error.kind(), KeyProviderErrorKind::Panicked);
        }
        assert!(events.iter().all(|event| event.error().is_some()));
    }
}

/// A sink that panics when it is called, when it is polled, or when it is asked for room.
struct BrokenSink(u8);

impl AuditSink for BrokenSink {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        assert!(self.0 != 0, "on purpose");
        let polled = self.0 == 1;
        Box::pin(async move { if polled { panic!("on purpose") } else { Ok(()) } })
    }

    fn ready(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'static>> {
        assert!(self.0 != 2, "on purpose");
        Box::pin(std::future::ready(()))
    }
}

#[test]
fn a_sink_that_panics_is_one_that_fails() {
    let audited = Audited::new();
    for when in [0, 1] {
        let service = audited.recording_into(Arc::new(BrokenSink(when)));
        let refused = service.sse.blocking().encrypt(&name(), SseS3, b"meow");
        assert!(matches!(refused, Err(Error::Audit(_))), "{refused:?}");
        let trail = AuditTrail::new(Arc::new(BrokenSink(when))).best_effort();
        let service = audited.with_trail(|builder| builder.audit(trail));
        service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    }
    let service = audited.recording_into(Arc::new(BrokenSink(2)));
    service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
}
