//! Key providers that treat runtimes wrongly, each in a way that works in one runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::thread;

use atrest::{
    GeneratedKey, KeyFuture, KeyProvider, KeyProviderError, KeyProviderErrorKind, KeyRequest, UnwrappedKey, WrappedKey,
};
use futures_channel::{mpsc, oneshot};
use futures_util::StreamExt;
use tokio::runtime::{Builder, Handle, Runtime};

/// Works in the caller's runtime if there is one, else without: what one writes first.
pub(super) struct CurrentElseOwn(pub(super) Arc<dyn KeyProvider>);

impl CurrentElseOwn {
    fn run<T: Send + 'static>(call: KeyFuture<T>, key_id: String) -> KeyFuture<T> {
        Box::pin(async move {
            match Handle::try_current() {
                Ok(runtime) => runtime.spawn(call).await.unwrap_or_else(|_| Err(unavailable(&key_id))),
                Err(_) => call.await,
            }
        })
    }
}

impl KeyProvider for CurrentElseOwn {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        Self::run(self.0.clone().generate_key(request.clone()), request.key_id().to_owned())
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        Self::run(self.0.clone().unwrap_key(wrapped, request.clone()), request.key_id().to_owned())
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.0.epoch(key_id)
    }
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sends its calls over one connection, whose task is in the runtime that made the first call. It connects again when
/// that task is gone.
pub(super) struct FirstRuntime {
    kms: Arc<dyn KeyProvider>,
    connection: Mutex<Option<mpsc::UnboundedSender<Job>>>,
}

impl FirstRuntime {
    pub(super) fn new(kms: Arc<dyn KeyProvider>) -> Self {
        Self { kms, connection: Mutex::default() }
    }

    fn run<T: Send + 'static>(&self, call: KeyFuture<T>, key_id: String) -> KeyFuture<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::pin(async move {
            let _ = answer.send(call.await);
        });
        let mut connection = self.connection.lock().unwrap();
        if connection.as_ref().is_none_or(mpsc::UnboundedSender::is_closed) {
            *connection = Some(connect());
        }
        connection.as_ref().unwrap().unbounded_send(job).unwrap();
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(unavailable(&key_id))) })
    }
}

fn connect() -> mpsc::UnboundedSender<Job> {
    let (jobs, mut received) = mpsc::unbounded::<Job>();
    let connection = async move {
        while let Some(job) = received.next().await {
            job.await;
        }
    };
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(connection)),
        Err(_) => drop(thread::spawn(|| pollster::block_on(connection))),
    }
    jobs
}

impl KeyProvider for FirstRuntime {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        self.run(self.kms.clone().generate_key(request.clone()), request.key_id().to_owned())
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        self.run(self.kms.clone().unwrap_key(wrapped, request.clone()), request.key_id().to_owned())
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.kms.epoch(key_id)
    }
}

/// Has a runtime as a field, which panics when it is dropped in async code.
pub(super) struct OwnsARuntime {
    kms: Arc<dyn KeyProvider>,
    runtime: Runtime,
}

impl OwnsARuntime {
    pub(super) fn new(kms: Arc<dyn KeyProvider>) -> Self {
        Self { kms, runtime: Builder::new_multi_thread().worker_threads(1).build().unwrap() }
    }

    fn run<T: Send + 'static>(&self, call: KeyFuture<T>, key_id: String) -> KeyFuture<T> {
        let task = self.runtime.spawn(call);
        Box::pin(async move { task.await.unwrap_or_else(|_| Err(unavailable(&key_id))) })
    }
}

impl KeyProvider for OwnsARuntime {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        self.run(self.kms.clone().generate_key(request.clone()), request.key_id().to_owned())
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        self.run(self.kms.clone().unwrap_key(wrapped, request.clone()), request.key_id().to_owned())
    }

    fn epoch(&self, key_id: &str) -> u64 {
        self.kms.epoch(key_id)
    }
}

fn unavailable(key_id: &str) -> KeyProviderError {
    KeyProviderError::new(KeyProviderErrorKind::Unavailable, key_id)
}
