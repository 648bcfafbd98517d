//! Errors of other libraries, which may hold a key: an SDK's error may contain the body of an unparsable answer.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use atrest::error::{IoError, KeyProviderError, KeyProviderErrorKind};
use atrest::rotation::{Entry, EnvelopeStore, Inventory, StoreFuture, Sweep};
use atrest::{
    Error, GeneratedKey, KeyFuture, KeyProvider, KeyRequest, Keyring, KmsKeys, Requester, Rewrap, RootKey, Sse,
    SseBuilder, SseKms, SseS3, Unlock, UnwrappedKey, WrappedKey,
};

use atrest_kit::{Draws, KMS_KEY, Service, TableKms, name};

const CANARY: &str = "c2VjcmV0LWtleS1pbi10aGUtYm9keQ";

/// An error that shows the canary in every form of output.
struct Canary(Option<Box<Canary>>);

impl Canary {
    fn new() -> Self {
        Self(Some(Box::new(Self(None))))
    }
}

impl fmt::Debug for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CANARY)
    }
}

impl fmt::Display for Canary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CANARY)
    }
}

impl StdError for Canary {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.as_deref().map(|deeper| deeper as _)
    }
}

/// Answers every request with an error that holds the canary.
struct Telling;

fn telling(request: &KeyRequest) -> KeyProviderError {
    KeyProviderError::new(KeyProviderErrorKind::Unavailable, request.key_id()).with_source(Canary::new())
}

impl KeyProvider for Telling {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move { Err(telling(&request)) })
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move { Err(telling(&request)) })
    }
}

fn hides(shown: impl fmt::Debug + fmt::Display) {
    for shown in [format!("{shown:?}"), format!("{shown:#?}"), format!("{shown}"), format!("{shown:#}")] {
        assert!(!shown.contains(CANARY), "{shown}");
    }
}

/// Neither the error nor anything in its chain shows the canary, also as `io::Error` and behind a `Box`.
fn hides_all(error: &Error) {
    let as_io = io::Error::from(error.clone());
    let boxed: Box<dyn StdError> = error.clone().into();
    for first in [error as &(dyn StdError + 'static), &as_io, &*boxed] {
        let mut chain = Some(first);
        while let Some(error) = chain {
            hides(error);
            assert!(error.downcast_ref::<Canary>().is_none());
            chain = error.source();
        }
    }
    #[cfg(feature = "s3")]
    {
        let answer = atrest::s3::S3Error::of_write(error);
        hides(&answer);
        assert!(!answer.to_xml(atrest::s3::S3Operation::PutObject, "request", "host").contains(CANARY));
    }
}

/// A builder with this keyring and the provider [`Telling`].
fn telling_sse(keyring: &Keyring) -> SseBuilder {
    Sse::builder().keyring(keyring.clone()).kms(Arc::new(Telling), KmsKeys::only([KMS_KEY]))
}

#[test]
fn a_providers_own_error_is_shown_by_no_error_of_ours_and_is_there_for_a_caller_who_asks() {
    let service = Service::new();
    let stored = service.sse.blocking().encrypt(&name(), SseKms::new(KMS_KEY), b"meow").unwrap();
    let sse = telling_sse(&service.keyring).build().unwrap().blocking();
    let mode = || SseKms::new(KMS_KEY);
    let directory = tempfile::tempdir().unwrap();
    let (path, by) = (directory.path().join("root.wrapped"), Requester::anonymous());
    RootKey::create_wrapped_blocking(&path, Arc::new(TableKms::default()), KMS_KEY, &by).unwrap();
    let errors = [
        sse.encrypt(&name(), mode(), b"meow").unwrap_err(),
        sse.encryptor(&name(), mode()).unwrap_err(),
        sse.decrypt(&name(), &stored, Unlock::Server).unwrap_err(),
        sse.decryptor(&name(), &stored.envelope, Unlock::Server).unwrap_err(),
        sse.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap_err(),
        sse.begin_multipart(&name(), b"upload", mode()).unwrap_err(),
        RootKey::create_wrapped_blocking(directory.path().join("another"), Arc::new(Telling), KMS_KEY, &by)
            .unwrap_err(),
        RootKey::open_wrapped_blocking(&path, Arc::new(Telling), KMS_KEY, &by).unwrap_err(),
    ];
    for error in &errors {
        hides_all(error);
        let Error::KeyProvider(refused) = error else { panic!("{error:?}") };
        assert!(refused.source().is_none() && refused.cause().unwrap().downcast_ref::<Canary>().is_some());
        assert!(format!("{error:?}").contains("Canary"), "its type is shown: {error:?}");
    }
    // Behind an error of ours it is no better seen.
    let inner = errors[0].clone();
    let outer = KeyProviderError::new(KeyProviderErrorKind::Rejected, "key/1").with_source(inner);
    assert!(outer.source().is_some_and(|source| source.is::<Error>()), "the chain goes on with errors of ours");
    hides_all(&outer.into());
}

#[test]
fn a_random_generators_own_error_is_shown_nowhere() {
    let broken = || Draws(|_: &mut [u8]| Err(Canary::new()));
    let service = Service::with(|builder| builder.generator(broken));
    let error = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap_err();
    hides_all(&error);
    let Error::Random(cause) = &error else { panic!("{error:?}") };
    assert!(cause.error().downcast_ref::<Canary>().is_some());
}

/// A store, a listing and a stream that fail with errors of their own.
struct Failing;

fn failing() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Canary::new())
}

impl EnvelopeStore for Failing {
    fn replace<'a>(&'a self, _: &'a Entry, _: &'a [u8], _: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async { Err(failing()) })
    }

    fn read<'a>(&'a self, _: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async { Err(failing()) })
    }
}

impl io::Seek for Failing {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        Ok(if matches!(to, io::SeekFrom::End(_)) { 76 } else { 0 }) // the length of a body of four bytes
    }
}

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(failing())
    }
}

fn is_there(error: &IoError) -> bool {
    let inner = error.cause().get_ref();
    error.kind() == io::ErrorKind::TimedOut && inner.is_some_and(|inner| inner.downcast_ref::<Canary>().is_some())
}

#[test]
fn the_error_of_a_store_or_a_stream_is_shown_nowhere() {
    let service = Service::new();
    let stored = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    service.keyring.blocking().rotate().unwrap();
    let entry = || Ok(Entry::object(name(), stored.envelope.encode()));
    let mut told = Vec::new();
    let sweep = Sweep::new(&service.sse).on_event(|event| {
        told.push(format!("{event:?} {event:#?}"));
        Ok(())
    });
    let report = sweep.blocking().rewrap([entry()], &Failing).unwrap();
    assert!(told.iter().chain([&format!("{report:?} {report:#?}")]).all(|shown| !shown.contains(CANARY)), "{told:?}");

    let listing = Inventory::new(&service.sse).blocking().run([Err(failing())], |_| Ok(())).unwrap_err();
    let row = Inventory::new(&service.sse).blocking().run([entry()], |_| Err(failing())).unwrap_err();
    let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
    let read = atrest::io::DecryptReader::new(decryptor, Failing).read(&mut [0; 8]).unwrap_err();
    let read = read.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned().unwrap();
    for error in [listing, row, read] {
        hides_all(&error);
        assert!(matches!(&error, Error::Io(error) if is_there(error)), "{error:?}");
    }
}

/// Records every field of an event, the error's text included.
#[cfg(all(feature = "audit-json", feature = "tracing"))]
#[test]
fn no_line_of_an_audit_trail_shows_what_a_providers_own_error_holds() {
    use std::sync::Mutex;

    use atrest::audit::{AuditTrail, Fsync, JsonLines, TracingSink};
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<String>>);

    impl Visit for Seen {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            *self.0.lock().unwrap() += &format!("{}={value:?} {value:#?} ", field.name());
        }
    }

    impl Subscriber for Seen {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let service = Service::new();
    let refused = |trail: AuditTrail| {
        let sse = telling_sse(&service.keyring).audit(trail).build().unwrap();
        let error = sse.blocking().encrypt(&name(), SseKms::new(KMS_KEY), b"meow").unwrap_err();
        assert!(matches!(error, Error::KeyProvider(_)), "{error:?}");
        tracing::error!(?error, %error, source = &error as &(dyn StdError + 'static));
    };
    let seen = Seen::default();
    tracing::subscriber::with_default(seen.clone(), || {
        refused(AuditTrail::new(Arc::new(TracingSink::new())));
        refused(AuditTrail::new(Arc::new(JsonLines::builder(&path).fsync(Fsync::EveryEvent).open().unwrap())));
    });
    let (seen, lines) = (seen.0.lock().unwrap().clone(), std::fs::read_to_string(&path).unwrap());
    assert!(seen.contains("unavailable") && lines.contains("KeyUnavailableException"), "{seen} {lines}");
    assert!(!seen.contains(CANARY) && !lines.contains(CANARY), "{seen} {lines}");
}
