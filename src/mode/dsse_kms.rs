//! DSSE-KMS: an inner layer of SSE-KMS inside an outer layer under the service's keyring.

use super::layer::LayerKey;
use super::{SseKms, sse_s3};
use crate::envelope::ModeId;
use crate::error::Result;
use crate::keys::{EncryptionContext, Keyring};

/// DSSE-KMS: encrypted under a KMS key, and then again, by another implementation, under the service's keyring. It needs
/// a KMS and a keyring on the builder, and two available [backends](crate::Backend::available).
///
/// Spec: Amazon S3, "Using dual-layer server-side encryption with AWS KMS keys (DSSE-KMS)"; CNSSP-15.
/// The default names no key, as that of [`SseKms`] does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DsseKms(SseKms);

impl DsseKms {
    /// With the inner layer under this KMS key: an id, ARN or alias, as its provider knows it.
    pub fn new(key_id: impl Into<String>) -> Self {
        Self(SseKms::new(key_id))
    }

    /// With these pairs, to which the KMS binds the key. They are stored in the envelope, in the clear.
    #[must_use]
    pub fn context(self, context: EncryptionContext) -> Self {
        Self(self.0.context(context))
    }

    /// The inner layer's KMS key, as it was named.
    pub fn key_id(&self) -> &str {
        self.0.key_id()
    }

    pub(super) fn inner(&self) -> &SseKms {
        &self.0
    }
}

/// The outer layer's key: the primary of the keyring.
pub(super) async fn outer(keyring: &Keyring) -> Result<LayerKey<'static>> {
    Ok(LayerKey { mode: ModeId::DsseKms, ..sse_s3::writing(keyring).await? })
}
