//! Audit events of opening a key store, and caller functions that panic.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use atrest::audit::{AuditEvent, AuditFuture, AuditOperation as Event, AuditSink, AuditTrail, MemorySink};
use atrest::error::{KeyProviderErrorKind as Kind, KeyStoreError, SealedFileError, Unexpected};
use atrest::kms::{EmbeddedKms, Maintained, NewKey};
use atrest::{Error, Requester, RootKey};
use atrest_kit::wall_clock;

use super::kit::{Store, generate, owner, unwrap};

fn opened(sink: &MemorySink) -> AuditEvent {
    let events = sink.events();
    sink.clear();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].operation(), Event::OpenStore);
    events.into_iter().next().unwrap()
}

#[test]
fn opening_a_store_is_on_record_with_its_generation_so_that_an_old_copy_shows() {
    let store = Store::new();
    let old = fs::read(store.path()).unwrap();
    store.admin().create_key(NewKey::new()).unwrap();
    let (id, path) = (store.kms.store_id(), store.path());
    let Store { directory: _directory, root_key, kms } = store;
    drop(kms);
    let sink = Arc::new(MemorySink::new());
    let at = || EmbeddedKms::builder(&path).audit(AuditTrail::new(sink.clone()));
    let told = |generation: &str| vec![("storeId", id.clone()), ("generation", generation.to_owned())];

    drop(at().open(&root_key).unwrap());
    let event = opened(&sink);
    assert_eq!((event.parameters(), event.requester(), event.error().is_none()), (&told("2")[..], &owner(), true));

    fs::write(&path, &old).unwrap();
    drop(at().open(&root_key).unwrap());
    assert_eq!(opened(&sink).parameters(), told("1"));

    at().min_generation(2).open(&root_key).unwrap_err();
    let event = opened(&sink);
    assert_eq!(event.parameters(), told("1"));
    assert!(matches!(event.error(), Some(Error::Unexpected(Unexpected::Generation))));

    at().open(&RootKey::generate().unwrap()).unwrap_err();
    let event = opened(&sink);
    assert_eq!((event.parameters(), event.requester()), (&[][..], &Requester::anonymous()));
    assert!(matches!(event.error(), Some(Error::SealedFile(SealedFileError::WrongRootKey))));
}

/// A sink that fails.
struct Full;

impl AuditSink for Full {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        Box::pin(std::future::ready(Err(std::io::ErrorKind::StorageFull.into())))
    }
}

#[test]
fn a_store_whose_opening_cannot_be_recorded_is_not_opened() {
    let Store { directory, root_key, kms } = Store::new();
    drop(kms);
    let path = directory.path().join("kms.atrest");
    let refused = EmbeddedKms::builder(&path).audit(AuditTrail::new(Arc::new(Full))).open(&root_key);
    assert!(matches!(refused, Err(Error::Audit(_))));
    EmbeddedKms::open(&path, &root_key).unwrap();
}

/// A store whose clock panics while a flag is set.
fn broken_clock() -> (Arc<AtomicBool>, Arc<MemorySink>, Store) {
    let (broken, sink) = (Arc::new(AtomicBool::new(false)), Arc::new(MemorySink::new()));
    let (read, trail) = (broken.clone(), AuditTrail::new(sink.clone()));
    let now = move || {
        assert!(!read.load(Ordering::SeqCst), "on purpose");
        SystemTime::now()
    };
    (broken, sink, Store::built(|builder| builder.audit(trail).clock(wall_clock(now))))
}

#[test]
fn a_clock_that_panics_is_an_error_on_record_and_changes_nothing() {
    let (broken, sink, store) = broken_clock();
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let generation = store.kms.generation();
    sink.clear();
    broken.store(true, Ordering::SeqCst);
    let refused = store.admin().rotate_key("alias/app").unwrap_err();
    assert!(matches!(refused, Error::KeyStore(KeyStoreError::Panicked)));
    assert!(store.kms.maintain().is_err());
    assert_eq!(generate(&store.kms, "", &owner()).unwrap_err().kind(), Kind::Panicked);
    let failed = sink.events();
    assert_eq!(
        failed.iter().map(AuditEvent::operation).collect::<Vec<_>>(),
        [Event::RotateKey, Event::RotateKeyByAge, Event::CreateKey, Event::GenerateKey]
    );
    assert!(failed.iter().all(|event| event.error().is_some()));
    let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
    unwrap(&store.kms, &key.arn, generated.wrapped(), &owner()).unwrap();
    broken.store(false, Ordering::SeqCst);
    assert_eq!(store.kms.generation(), generation);
    store.admin().rotate_key("alias/app").unwrap();
}

/// A sink that panics while a flag is set.
#[derive(Default)]
struct Panics(AtomicBool);

impl AuditSink for Panics {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        assert!(!self.0.load(Ordering::SeqCst), "on purpose");
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn a_sink_that_panics_fails_the_change_and_the_store_goes_on() {
    let sink = Arc::new(Panics::default());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    sink.0.store(true, Ordering::SeqCst);
    assert!(matches!(store.admin().rotate_key("alias/app"), Err(Error::Audit(_))));
    assert_eq!(generate(&store.kms, "alias/app", &owner()).unwrap_err().kind(), Kind::Unavailable);
    sink.0.store(false, Ordering::SeqCst);
    assert_eq!(store.admin().rotate_key("alias/app").unwrap(), 2);
}

#[test]
fn maintenance_survives_a_clock_and_a_function_that_panic_and_says_that_it_lives() {
    let (broken, _, store) = broken_clock();
    let (told, outcomes) = mpsc::channel();
    let (told, calls) = (Mutex::new(told), AtomicU64::new(0));
    broken.store(true, Ordering::SeqCst);
    let maintenance = store
        .kms
        .maintain_every(Duration::from_millis(1), move |outcome| {
            told.lock().unwrap().send(outcome).unwrap();
            assert!(!calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2), "every second time");
        })
        .unwrap();
    let panicked = outcomes.iter().take(4).all(|o| matches!(o, Err(Error::KeyStore(KeyStoreError::Panicked))));
    assert!(panicked && maintenance.is_alive());
    assert!(maintenance.panics() >= 1);
    broken.store(false, Ordering::SeqCst);
    assert!(outcomes.iter().any(|outcome| matches!(outcome, Ok(maintained) if maintained == Maintained::default())));
    assert!(maintenance.is_alive());
}
