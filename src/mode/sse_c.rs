//! SSE-C: the key comes with the request and is kept nowhere.

use std::sync::Arc;

use super::layer::{Kek, LayerKey};
use crate::envelope::ModeId;
use crate::secret::CustomerKey;

/// SSE-C: under a key that the client brings with each request, and that is stored nowhere.
///
/// Spec: Amazon S3, "Using server-side encryption with customer-provided keys (SSE-C)".
#[derive(Clone, Debug)]
pub struct SseC(Arc<CustomerKey>);

impl SseC {
    /// Under this key; give an `Arc` of it to keep it for another call.
    pub fn new(key: impl Into<Arc<CustomerKey>>) -> Self {
        Self(key.into())
    }

    pub(super) fn key(&self) -> &CustomerKey {
        &self.0
    }
}

/// The customer's key, for as long as it is there.
pub(super) fn writing(key: &CustomerKey) -> LayerKey<'_> {
    LayerKey {
        kek: Kek::Customer(key),
        mode: ModeId::SseC,
        key_id: None,
        key_version: None,
        wrapped_kek: None,
        context: None,
        bucket_key: false,
    }
}
