//! An audit sink that does not answer: which calls wait for it and which do not.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;

use atrest::audit::{AuditEvent, AuditFuture, AuditOperation as Event, AuditSink, AuditTrail};
use atrest::kms::{DEFAULT_ALIAS, NewKey};
use atrest::{KeyProvider, KeyRequest, ObjectName, Sse, SseS3, Unlock};
use atrest_kit::yields;
use futures_channel::oneshot;
use futures_util::future::{Either, join_all, select};
use pollster::block_on;

use super::kit::{Store, context, owner};

/// A sink that answers once the test lets it.
#[derive(Default)]
struct Held {
    holds: AtomicBool,
    waiting: Mutex<Vec<oneshot::Sender<()>>>,
    events: Mutex<Vec<AuditEvent>>,
}

impl Held {
    fn holding(&self) -> &Self {
        self.holds.store(true, Ordering::SeqCst);
        self
    }

    fn release(&self) {
        self.holds.store(false, Ordering::SeqCst);
        for waiting in self.waiting.lock().unwrap().drain(..) {
            let _ = waiting.send(()); // its caller may be gone
        }
    }

    fn operations(&self) -> Vec<Event> {
        self.events.lock().unwrap().iter().map(AuditEvent::operation).collect()
    }

    fn await_event(&self, operation: Event) {
        while !self.operations().contains(&operation) {
            thread::yield_now();
        }
    }
}

impl AuditSink for Held {
    fn record(&self, event: AuditEvent) -> AuditFuture {
        let (told, waiting) = oneshot::channel();
        let mut held = self.waiting.lock().unwrap();
        self.events.lock().unwrap().push(event);
        if self.holds.load(Ordering::SeqCst) {
            held.push(told);
        } else {
            told.send(()).unwrap();
        }
        Box::pin(async move { waiting.await.map_err(std::io::Error::other) })
    }
}

fn store() -> (Arc<Held>, Store) {
    let sink = Arc::new(Held::default());
    let trail = AuditTrail::new(sink.clone());
    (sink, Store::built(|builder| builder.audit(trail)))
}

fn request(key: &str) -> KeyRequest {
    KeyRequest::new(key, context(), owner())
}

#[test]
fn a_change_that_waits_for_its_trail_is_not_seen_and_holds_up_no_reader() {
    let (sink, store) = store();
    let sse = Sse::builder().keyring(store.kms.keyring()).build().unwrap();
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    sink.holding();
    thread::scope(|scope| {
        let generation = store.kms.generation();
        let making = scope.spawn(|| store.admin().create_key(NewKey::new().alias("alias/app")).unwrap());
        sink.await_event(Event::CreateKey);
        let second = scope.spawn(|| store.admin().create_key(NewKey::new()).unwrap());
        // An Sse without a trail on the keyring of the same store.
        for _ in 0..10 {
            let stored = sse.blocking().encrypt(&object, SseS3, b"meow").unwrap();
            assert_eq!(sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");
        }
        assert_eq!(store.kms.generation(), generation);
        assert!(format!("{:?}", store.kms).contains("keys: 0"));
        sink.release();
        making.join().unwrap();
        second.join().unwrap();
        assert_eq!(store.kms.generation(), generation + 2);
    });
}

#[test]
fn a_use_of_a_key_that_waits_for_its_trail_stalls_no_other_task() {
    let (sink, store) = store();
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    sink.holding();
    let generating = Arc::new(store.kms.clone()).generate_key(request("alias/app"));
    let Either::Right(((), generating)) = block_on(select(generating, Box::pin(yields(1_000)))) else {
        panic!("it is not on record yet")
    };
    sink.release();
    block_on(generating).unwrap();
}

#[test]
fn the_default_key_is_made_on_a_thread_once_for_all_who_ask_and_also_where_they_go_away() {
    let (sink, store) = store();
    sink.holding();
    let kms = Arc::new(store.kms.clone());
    let generating = join_all((0..50).map(|_| kms.clone().generate_key(request(""))));
    let Either::Right(((), mut generating)) = block_on(select(generating, Box::pin(yields(1_000)))) else {
        panic!("the default key is not on record yet")
    };
    sink.await_event(Event::CreateKey);
    assert!(Pin::new(&mut generating).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(generating);
    sink.release();
    // Once more, with callers that stay: the key is there, or is made.
    let generated = block_on(join_all((0..50).map(|_| kms.clone().generate_key(request("")))));
    let key = store.admin().describe_key(DEFAULT_ALIAS).unwrap().arn;
    assert!(generated.iter().all(|generated| generated.as_ref().unwrap().key_id() == key));
    let operations = sink.operations();
    assert_eq!(operations.iter().filter(|operation| **operation == Event::CreateKey).count(), 1);
}

#[test]
fn a_use_of_a_key_that_is_dropped_is_on_record() {
    let (sink, store) = store();
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    sink.holding();
    let mut generating = Arc::new(store.kms.clone()).generate_key(request("alias/app"));
    assert!(generating.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(generating);
    assert_eq!(sink.operations().last(), Some(&Event::GenerateKey));
}
