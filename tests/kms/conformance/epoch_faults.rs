//! `Tells`, a key provider that tells changes wrongly.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use atrest::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UnwrappedKey, WrappedKey};
use tokio::runtime::Handle;

use super::faulty::waits_once;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum EpochFault {
    /// A provider around another one that does not pass the epoch on.
    Forgets,
    KnowsAliasesOnly,
    /// Learns of changes by its calls.
    LearnsLate,
    RisesByCalls,
    RisesWhenAsked,
    AsksTheBackend,
    WaitsForCalls,
    BlocksOnItsRuntime,
    Panics,
}

pub(super) struct Tells {
    kms: Arc<dyn KeyProvider>,
    fault: EpochFault,
    learnt: AtomicU64,
    /// The number of calls in progress, and what tells that there are none.
    running: Arc<(Mutex<usize>, Condvar)>,
}

impl Tells {
    pub(super) fn new(kms: Arc<dyn KeyProvider>, fault: EpochFault) -> Self {
        Self { kms, fault, learnt: AtomicU64::new(1), running: Arc::default() }
    }

    async fn called<T>(&self, key_id: &str, call: KeyFuture<T>) -> Result<T, atrest::KeyProviderError> {
        match self.fault {
            EpochFault::RisesByCalls => _ = self.learnt.fetch_add(1, Ordering::SeqCst),
            EpochFault::LearnsLate => self.learnt.store(self.kms.epoch(key_id), Ordering::SeqCst),
            _ => {}
        }
        let _running = Running::new(&self.running);
        waits_once().await;
        call.await
    }
}

struct Running(Arc<(Mutex<usize>, Condvar)>);

impl Running {
    fn new(running: &Arc<(Mutex<usize>, Condvar)>) -> Self {
        *running.0.lock().unwrap() += 1;
        Self(running.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() -= 1;
        self.0.1.notify_all();
    }
}

impl KeyProvider for Tells {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move { self.called(request.key_id(), self.kms.clone().generate_key(request.clone())).await })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(
            async move { self.called(request.key_id(), self.kms.clone().unwrap_key(wrapped, request.clone())).await },
        )
    }

    fn epoch(&self, key_id: &str) -> u64 {
        let known = self.kms.epoch(key_id);
        match self.fault {
            EpochFault::Forgets => 0,
            EpochFault::KnowsAliasesOnly if !key_id.starts_with("alias/") => 0,
            EpochFault::LearnsLate => self.learnt.load(Ordering::SeqCst),
            EpochFault::RisesByCalls => known + self.learnt.load(Ordering::SeqCst),
            EpochFault::RisesWhenAsked => self.learnt.fetch_add(1, Ordering::SeqCst),
            EpochFault::AsksTheBackend => {
                thread::sleep(Duration::from_millis(1));
                known
            }
            EpochFault::WaitsForCalls => {
                let (running, ended) = &*self.running;
                drop(ended.wait_while(running.lock().unwrap(), |running| *running > 0).unwrap());
                known
            }
            EpochFault::BlocksOnItsRuntime => Handle::try_current().map_or(known, |runtime| {
                runtime.block_on(waits_once());
                known
            }),
            EpochFault::Panics => panic!("what the test is about"),
            EpochFault::KnowsAliasesOnly => known,
        }
    }
}
