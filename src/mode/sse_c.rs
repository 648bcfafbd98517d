//! [`SseC`], the mode under a key that the client sends with each request.

use std::sync::Arc;

use super::layer::{Kek, LayerKey};
use crate::envelope::KeyRef;
use crate::secret::CustomerKey;

/// SSE-C: encrypts under a key that the client sends with each request. The key is not stored.
///
/// Spec: Amazon S3, "Using server-side encryption with customer-provided keys (SSE-C)".
#[derive(Clone, Debug)]
pub struct SseC(Arc<CustomerKey>);

impl SseC {
    /// Encrypts under this key. Give an `Arc` to keep the key for another call.
    pub fn new(key: impl Into<Arc<CustomerKey>>) -> Self {
        Self(key.into())
    }

    pub(super) fn key(&self) -> &CustomerKey {
        &self.0
    }
}

pub(super) fn layer_key(key: &CustomerKey) -> LayerKey<'_> {
    LayerKey { kek: Kek::Customer(key), key: KeyRef::Customer }
}
