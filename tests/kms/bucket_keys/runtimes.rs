//! Bucket keys without a runtime, in a current-thread runtime and in a multi-thread runtime, behind `Resilient`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use atrest::kms::{Resilient, ThreadTimer, Timer};
use atrest::testing::MemoryKms;
use atrest::{
    GeneratedKey, KeyFuture, KeyProvider, KeyRequest, KmsKeys, ObjectName, Sse, Unlock, UnwrappedKey, WrappedKey,
};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::runtime::Builder;

use super::{mode, object};

/// A KMS that takes a while, on a timer that needs no runtime.
struct Slow {
    kms: Arc<MemoryKms>,
    timer: ThreadTimer,
    calls: AtomicUsize,
}

impl KeyProvider for Slow {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.timer.sleep(Duration::from_millis(20)).await;
            self.kms.clone().generate_key(request).await
        })
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            self.timer.sleep(Duration::from_millis(20)).await;
            self.kms.clone().unwrap_key(wrapped, request).await
        })
    }
}

fn slow() -> (Arc<Slow>, Sse) {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    kms.alias("alias/app", &key_id);
    let slow = Arc::new(Slow { kms, timer: ThreadTimer::new(), calls: AtomicUsize::new(0) });
    let sse = Sse::builder().kms(Arc::new(Resilient::new(slow.clone())), KmsKeys::only([key_id])).build().unwrap();
    (slow, sse)
}

async fn puts_and_gets(sse: &Sse) {
    let names: Vec<ObjectName> = (0..100).map(|number| object(&number.to_string())).collect();
    join_all(names.iter().map(|name| async {
        let stored = sse.encrypt(name, mode(), b"meow").await.unwrap();
        assert_eq!(sse.decrypt(name, &stored, Unlock::Server).await.unwrap(), b"meow");
    }))
    .await;
}

#[test]
fn one_call_serves_all_in_every_runtime() {
    let (slow, sse) = slow();
    pollster::block_on(puts_and_gets(&sse));
    assert_eq!(slow.calls.load(Ordering::SeqCst), 2);
    sse.purge_bucket_keys();
    Builder::new_current_thread().build().unwrap().block_on(puts_and_gets(&sse));
    assert_eq!(slow.calls.load(Ordering::SeqCst), 4);
    sse.purge_bucket_keys();
    let runtime = Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let tasks = (0..4).map(|_| {
            let sse = sse.clone();
            tokio::spawn(async move { puts_and_gets(&sse).await })
        });
        join_all(tasks).await.into_iter().for_each(|task| task.unwrap());
    });
    assert_eq!(slow.calls.load(Ordering::SeqCst), 6);
}

#[test]
fn a_call_that_one_runtime_began_and_left_idle_is_ended_by_another() {
    let (slow, sse) = slow();
    let idle = Builder::new_current_thread().build().unwrap();
    let name = object("cat.jpg");
    // Polled once in a runtime that then does nothing, with the caller still there.
    let mut began = Box::pin(sse.encrypt(&name, mode(), b"meow"));
    idle.block_on(async { assert!((&mut began).now_or_never().is_none()) });
    sse.blocking().encrypt(&name, mode(), b"meow").unwrap();
    drop(began);
    assert_eq!(slow.calls.load(Ordering::SeqCst), 1);
}
