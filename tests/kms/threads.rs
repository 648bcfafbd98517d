//! `kms::Threads`: calls that block, on threads of the provider's own.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use atrest::kms::Threads;
use atrest::testing::{Capability, KeyProviderSuite, MemoryKms};
use atrest::{
    EncryptionContext, GeneratedKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind as Kind,
    KeyRequest, Requester, UnwrappedKey, WrappedKey,
};
use futures_util::future::join_all;
use pollster::block_on;

fn request() -> KeyRequest {
    KeyRequest::new("key/1", EncryptionContext::new(), Requester::anonymous())
}

fn threads(max: usize, queue_len: usize) -> Threads {
    Threads::new("test", NonZeroUsize::new(max).unwrap(), queue_len, || ())
}

/// A provider as an author writes it: each call blocks one of its threads.
struct Blocks {
    kms: Arc<MemoryKms>,
    threads: Threads,
}

impl KeyProvider for Blocks {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let kms = self.kms.clone();
        self.threads.call(request, |(), request| block_on(kms.generate_key(request.clone())))
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let kms = self.kms.clone();
        self.threads.call(request, |(), request| block_on(kms.unwrap_key(wrapped, request.clone())))
    }
}

#[test]
fn a_provider_that_blocks_on_threads_of_its_own_conforms() {
    let kms = Arc::new(MemoryKms::new());
    let (one, two) = (kms.create_key("one").unwrap(), kms.create_key("two").unwrap());
    let (off, on) = (kms.clone(), kms.clone());
    let made = {
        let kms = kms.clone();
        move || -> Arc<dyn KeyProvider> { Arc::new(Blocks { kms: kms.clone(), threads: threads(3, 100) }) }
    };
    let suite = KeyProviderSuite::new(made(), one, "memory-kms:key/none").other_key_id(two).made_by(made);
    let suite = suite.disabled_by(move |key_id| off.disable(key_id), move |key_id| on.enable(key_id));
    suite.lacks(Capability::Requesters).lacks(Capability::Epochs).lacks(Capability::RequestIds).run();
}

#[test]
fn each_thread_has_a_state_of_its_own_that_need_not_be_send() {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let new_state = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Rc::new(Cell::new(0))
    };
    let threads = Threads::new("test", NonZeroUsize::new(2).unwrap(), 100, new_state);
    let calls = (0..50).map(|_| {
        threads.call(request(), |state: &mut Rc<Cell<u32>>, _| {
            state.set(state.get() + 1);
            Ok(state.get())
        })
    });
    let highest = block_on(join_all(calls)).into_iter().map(Result::unwrap).max().unwrap();
    assert!(highest >= 25, "two states count fifty calls");
    assert!((1..=2).contains(&made.load(Ordering::SeqCst)));
}

#[test]
fn a_call_that_panics_is_an_error_and_its_thread_gets_a_new_state() {
    let threads = Threads::new("test", NonZeroUsize::MIN, 10, || 0);
    let count = |state: &mut i32, _: &KeyRequest| {
        *state += 1;
        Ok(*state)
    };
    assert_eq!(block_on(threads.call(request(), count)).unwrap(), 1);
    assert_eq!(block_on(threads.call(request(), count)).unwrap(), 2);
    let panics = |_: &mut i32, _: &KeyRequest| -> Result<(), KeyProviderError> { panic!("what the test is about") };
    let error = block_on(threads.call(request(), panics)).unwrap_err();
    assert_eq!((error.kind(), error.key_id()), (Kind::Panicked, "key/1"));
    assert_eq!(block_on(threads.call(request(), count)).unwrap(), 1);
}

#[test]
fn calls_beyond_the_queue_are_throttled_and_abandoned_calls_leave_it() {
    let threads = threads(1, 2);
    let (go, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let running = threads.call(request(), move |(), _| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok("first")
    });
    has_begun.recv().unwrap();
    let made = Arc::new(Mutex::new(Vec::new()));
    let call = |name: &'static str| {
        let made = made.clone();
        threads.call(request(), move |(), _| {
            made.lock().unwrap().push(name);
            Ok(name)
        })
    };
    let (second, third) = (call("second"), call("third"));
    let error = block_on(call("too many")).unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (Kind::Throttled, true));
    drop(second);
    let fourth = call("fourth");
    go.send(()).unwrap();
    assert_eq!(block_on(running).unwrap(), "first");
    assert_eq!((block_on(third).unwrap(), block_on(fourth).unwrap()), ("third", "fourth"));
    assert_eq!(*made.lock().unwrap(), ["third", "fourth"]);
}

#[test]
fn dropping_the_pool_waits_for_nothing_and_ends_its_threads() {
    let alive = Arc::new(());
    let held = alive.clone();
    let threads = Threads::new("test", NonZeroUsize::MIN, 10, move || held.clone());
    let (go, wait) = mpsc::channel::<()>();
    let running = threads.call(request(), move |_, _| {
        wait.recv().unwrap();
        Ok(1)
    });
    let queued = threads.call(request(), |_, _| Ok(2));
    drop(threads);
    go.send(()).unwrap();
    assert_eq!((block_on(running).unwrap(), block_on(queued).unwrap()), (1, 2), "callers that wait get their answers");
    while Arc::strong_count(&alive) > 1 {
        std::thread::yield_now();
    }
}

#[test]
fn an_abandoned_call_may_hold_the_last_handle_of_its_pool() {
    let (held, gone) = mpsc::channel::<()>();
    let threads = Arc::new(Threads::new("test", NonZeroUsize::MIN, 10, move || held.clone()));
    let (go, wait) = mpsc::channel::<()>();
    let running = threads.call(request(), move |_, _| {
        wait.recv().unwrap();
        Ok(1)
    });
    let own = threads.clone();
    drop(threads.call(request(), move |_, _| Ok(Arc::strong_count(&own))));
    drop(threads);
    go.send(()).unwrap();
    assert_eq!(block_on(running).unwrap(), 1);
    let ended = gone.recv_timeout(Duration::from_secs(60));
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected), "the thread drops the pool and ends");
}

#[test]
fn an_abandoned_call_that_panics_when_dropped_costs_no_thread() {
    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "what the test is about");
        }
    }

    let threads = threads(1, 2);
    let (go, wait) = mpsc::channel::<()>();
    let (begun, has_begun) = mpsc::channel();
    let running = threads.call(request(), move |(), _| {
        begun.send(()).unwrap();
        wait.recv().unwrap();
        Ok(1)
    });
    has_begun.recv().unwrap();
    let abandon = || {
        let own = PanicsWhenDropped;
        let call = threads.call(request(), move |(), _| {
            let _own = own;
            Ok(())
        });
        drop(call);
    };
    // The third is refused a place unless the first two leave the queue.
    (0..3).for_each(|_| abandon());
    let (answer, answered) = mpsc::channel();
    let last = threads.call(request(), move |(), _| {
        answer.send(()).unwrap();
        Ok(2)
    });
    go.send(()).unwrap();
    assert_eq!(block_on(running).unwrap(), 1);
    answered.recv_timeout(Duration::from_secs(60)).expect("the thread still makes calls");
    assert_eq!(block_on(last).unwrap(), 2);
}
