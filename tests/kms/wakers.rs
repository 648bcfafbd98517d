//! A provider that keeps the waker of the first poll: the calls of `Sse::blocking` give every poll the same waker.

use std::future::poll_fn;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Waker};
use std::thread;

use atrest::{
    AnyMode, Encrypted, GeneratedKey, KeyFuture, KeyProvider, KeyRequest, KmsKeys, ModeId, Rewrap, UnwrappedKey,
    WrappedKey,
};
use atrest_kit::{KMS_KEY, Service, TableKms, name};
use pollster::block_on;

/// Answers from another thread, which wakes the task by the waker of the first poll.
struct KeepsTheFirstWaker(Arc<TableKms>);

impl KeyProvider for KeepsTheFirstWaker {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        from_another_thread(self.0.clone().generate_key(request))
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        from_another_thread(self.0.clone().unwrap_key(wrapped, request))
    }
}

fn from_another_thread<T: Send + 'static>(answer: KeyFuture<T>) -> KeyFuture<T> {
    let (mut answer, mut first) = (Some(answer), None::<Waker>);
    let (send, receive) = mpsc::channel();
    Box::pin(poll_fn(move |context| {
        let first = first.get_or_insert_with(|| context.waker().clone());
        assert!(first.will_wake(context.waker()), "the waker of the first poll does not wake the task of this one");
        if let Some(answer) = answer.take() {
            let (send, first) = (send.clone(), first.clone());
            thread::spawn(move || {
                send.send(block_on(answer)).unwrap();
                first.wake();
            });
            return Poll::Pending;
        }
        receive.try_recv().map_or(Poll::Pending, Poll::Ready)
    }))
}

#[test]
fn a_provider_that_wakes_by_the_waker_of_the_first_poll_serves_blocking_calls() {
    let service =
        Service::with(|builder| builder.kms(Arc::new(KeepsTheFirstWaker(Arc::default())), KmsKeys::only([KMS_KEY])));
    let sse = service.sse.blocking();
    let by_kms = |mode: &AnyMode| matches!(mode.id(), ModeId::SseKms | ModeId::DsseKms);
    for mode in service.modes().into_iter().filter(by_kms) {
        let stored = sse.encrypt(&name(), mode.clone(), b"meow").unwrap();
        let unlock = || service.unlock(mode.id());
        let envelope = sse.rewrap(Rewrap::of(&name(), &stored.envelope, unlock()).both_layers()).unwrap();
        let stored = Encrypted::new(envelope, stored.ciphertext);
        assert_eq!(sse.decrypt(&name(), &stored, unlock()).unwrap(), b"meow", "{mode:?}");
    }
}
