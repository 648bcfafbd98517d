//! [`PanicCatching`]: converts panics of a key provider into errors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;

use super::provider::{GeneratedKey, KeyFuture, KeyProvider, KeyRequest, UNKNOWN_EPOCH, UnwrappedKey, WrappedKey};
use crate::error::{KeyProviderError, KeyProviderErrorKind};

/// A key provider whose panics become errors of kind `Panicked`, so that the operation fails and is recorded.
pub(crate) struct PanicCatching(pub(crate) Arc<dyn KeyProvider>);

impl KeyProvider for PanicCatching {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let key_id = request.key_id().to_owned();
        caught(key_id, || self.0.clone().generate_key(request))
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let key_id = request.key_id().to_owned();
        caught(key_id, || self.0.clone().unwrap_key(wrapped, request))
    }

    fn epoch(&self, key_id: &str) -> u64 {
        catch_unwind(AssertUnwindSafe(|| self.0.epoch(key_id))).unwrap_or(UNKNOWN_EPOCH)
    }
}

/// Catches a panic of the call and of its future.
fn caught<T: Send + 'static>(key_id: String, call: impl FnOnce() -> KeyFuture<T>) -> KeyFuture<T> {
    let panicked = move |_: Box<dyn Any + Send>| Err(KeyProviderError::new(KeyProviderErrorKind::Panicked, &key_id));
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => Box::pin(async move { AssertUnwindSafe(answer).catch_unwind().await.unwrap_or_else(panicked) }),
        Err(panic) => Box::pin(std::future::ready(panicked(panic))),
    }
}
