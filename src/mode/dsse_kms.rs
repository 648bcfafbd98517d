//! [`DsseKms`], the mode with an inner layer under a KMS key and an outer layer under the service's keyring.

use super::SseKms;
use crate::keys::EncryptionContext;

/// DSSE-KMS: encrypts under a KMS key, and then again under the service's keyring with another implementation. It needs
/// a KMS and a keyring on the builder, and two available [backends](crate::Backend::available).
///
/// The default value names no KMS key, like the default of [`SseKms`].
///
/// Spec: Amazon S3, "Using dual-layer server-side encryption with AWS KMS keys (DSSE-KMS)"; CNSSP-15.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DsseKms(SseKms);

impl DsseKms {
    /// Encrypts the inner layer under this KMS key: an id, ARN or alias that the key provider knows.
    pub fn new(key_id: impl Into<String>) -> Self {
        Self(SseKms::new(key_id))
    }

    /// Binds the key to these pairs in the KMS. The envelope stores them unencrypted.
    #[must_use]
    pub fn with_context(self, context: EncryptionContext) -> Self {
        Self(self.0.with_context(context))
    }

    /// Returns the KMS key of the inner layer, as the caller named it.
    pub fn key_id(&self) -> &str {
        self.0.key_id()
    }

    pub(super) fn inner(&self) -> &SseKms {
        &self.0
    }
}
