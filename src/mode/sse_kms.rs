//! [`SseKms`], the mode under a key-encryption key that a KMS generates and unwraps.

use std::sync::Arc;

use super::KeySources;
use super::layer::{Kek, LayerKey};
use crate::envelope::{KekScope, KeyRef};
use crate::error::{Limit, Result};
use crate::keys::{EncryptionContext, KeyRequest, RequestedKey, WrappedKey};
use crate::object::ObjectName;

const ARN_PREFIX: &str = "arn:aws:s3:::";

/// SSE-KMS: encrypts under a key of the KMS on the builder. Each object needs one call of the KMS.
///
/// The default value names no key. The KMS then uses its default key, such as `alias/aws/s3` of the embedded KMS.
///
/// Spec: Amazon S3, "Using server-side encryption with AWS KMS keys (SSE-KMS)".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SseKms {
    key_id: String,
    context: Arc<EncryptionContext>,
}

impl SseKms {
    /// Encrypts under this KMS key: an id, ARN or alias that the key provider knows.
    pub fn new(key_id: impl Into<String>) -> Self {
        Self { key_id: key_id.into(), context: Arc::default() }
    }

    /// Binds the key to these pairs in the KMS. The envelope stores them unencrypted.
    #[must_use]
    pub fn with_context(self, context: EncryptionContext) -> Self {
        Self { context: Arc::new(context), ..self }
    }

    /// Returns the KMS key, as the caller named it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    pub(super) fn pairs(&self) -> &Arc<EncryptionContext> {
        &self.context
    }
}

impl KeySources<'_> {
    /// Returns a fresh key-encryption key under the KMS key that `mode` names.
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Context`] if the pairs and the object's ARN are too long together: not every KMS takes more.
    /// Objects that were written with more can still be read, and rewrapped under their key.
    pub(super) async fn generated_for(&self, mode: &SseKms, scope: KekScope) -> Result<LayerKey<'static>> {
        let request = self.request(&mode.key_id, &mode.context, scope);
        if !request.context().fits() {
            return Err(Limit::Context.into());
        }
        self.generated(self.kms_keys.asked(&mode.key_id), request, &mode.context, scope).await
    }

    /// Returns a fresh key-encryption key under the KMS key that an envelope names, by its resolved id.
    pub(super) async fn generated_again(
        &self,
        id: &str,
        context: &Arc<EncryptionContext>,
        scope: KekScope,
    ) -> Result<LayerKey<'static>> {
        let asked = self.kms_keys.asked(id).resolved_if(true);
        self.generated(asked, self.request(id, context, scope), context, scope).await
    }

    /// Asks the KMS to generate a key-encryption key, and checks which KMS key the KMS answered with.
    ///
    /// # Errors
    ///
    /// Returns the errors of the provider, or an error if the provider answered with another key than the requested
    /// one. No reader, or only the owner of the other key, could open an object under that key.
    async fn generated(
        &self,
        asked: RequestedKey<'_>,
        request: KeyRequest,
        context: &Arc<EncryptionContext>,
        scope: KekScope,
    ) -> Result<LayerKey<'static>> {
        let generated = self.kms()?.generate_key(request).await?.checked(asked)?;
        let (id, wrapped_kek) = (generated.key_id.into(), generated.wrapped);
        let key = KeyRef::Kms { id, wrapped_kek, context: context.clone(), scope };
        Ok(LayerKey { kek: Kek::Kms(generated.kek), key })
    }

    /// Asks the KMS to unwrap a key-encryption key, and checks which KMS key the KMS answered with.
    pub(super) async fn unwrapped_kek(
        &self,
        id: &str,
        wrapped_kek: &WrappedKey,
        context: &EncryptionContext,
        scope: KekScope,
    ) -> Result<Kek<'static>> {
        let request = self.request(id, context, scope);
        let unwrapped = self.kms()?.unwrap_key(wrapped_kek.clone(), request).await?;
        Ok(Kek::Kms(unwrapped.checked(self.kms_keys.asked(id).resolved_if(true))?))
    }

    fn request(&self, key_id: &str, pairs: &EncryptionContext, scope: KekScope) -> KeyRequest {
        let object = self.target.object;
        let bucket = String::from_utf8_lossy(object.bucket());
        let arn = object.is_bound().then(|| match scope {
            KekScope::Bucket => format!("{ARN_PREFIX}{bucket}"),
            KekScope::Object | KekScope::InnerLayer => {
                format!("{ARN_PREFIX}{bucket}/{}", String::from_utf8_lossy(object.key()))
            }
        });
        KeyRequest::new(key_id, pairs.shown_for(arn), self.requester.clone())
    }
}

/// Returns whether the object's ARN names this object and no other: bucket and key are UTF-8, the bucket has no `/`,
/// and the whole ARN is no longer than an encryption context can count.
pub(super) fn has_arn(object: &ObjectName) -> bool {
    let is_text = |bytes| std::str::from_utf8(bytes).is_ok();
    let (bucket, key) = (object.bucket(), object.key());
    let len = ARN_PREFIX.len() + bucket.len() + 1 + key.len();
    !object.is_bound() || (is_text(bucket) && is_text(key) && !bucket.contains(&b'/') && len <= usize::from(u16::MAX))
}
