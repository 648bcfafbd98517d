//! SSE-KMS: a key-encryption key that a KMS generates and unwraps.

use super::Authorities;
use super::layer::{Kek, LayerKey};
use crate::envelope::{Envelope, ModeId};
use crate::error::{Error, Result};
use crate::keys::{EncryptionContext, KeyRequest, RequestedKey, WrappedKey};
use crate::object::ObjectName;

const ARN_PREFIX: &str = "arn:aws:s3:::";

/// SSE-KMS: under a key of the KMS on the builder, which is asked once for each object.
///
/// The default names no key: it is for the KMS to have a default one, as the embedded KMS has `alias/aws/s3`.
///
/// Spec: Amazon S3, "Using server-side encryption with AWS KMS keys (SSE-KMS)".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SseKms {
    key_id: String,
    context: EncryptionContext,
}

impl SseKms {
    /// Under this KMS key: an id, ARN or alias, as its provider knows it.
    pub fn new(key_id: impl Into<String>) -> Self {
        Self { key_id: key_id.into(), context: EncryptionContext::new() }
    }

    /// With these pairs, to which the KMS binds the key. They are stored in the envelope, in the clear.
    #[must_use]
    pub fn context(self, context: EncryptionContext) -> Self {
        Self { context, ..self }
    }

    /// The KMS key, as it was named.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The caller's pairs.
    pub(super) fn pairs(&self) -> &EncryptionContext {
        &self.context
    }

    /// A fresh key-encryption key under this KMS key.
    pub(super) async fn writing(&self, authorities: &Authorities<'_>, bucket_key: bool) -> Result<LayerKey<'static>> {
        self.generated(authorities, bucket_key, authorities.kms_keys.asked(&self.key_id)).await
    }

    /// # Errors
    ///
    /// The provider's; or it answered with a key that may not answer what was asked: an object under that key would be
    /// one that no reader opens, or one that another key's owner opens.
    async fn generated(
        &self,
        authorities: &Authorities<'_>,
        bucket_key: bool,
        asked: RequestedKey<'_>,
    ) -> Result<LayerKey<'static>> {
        let request = request(authorities, &self.key_id, &self.context, bucket_key);
        let generated = authorities.kms()?.generate_key(request).await?.checked(asked)?;
        Ok(LayerKey {
            mode: ModeId::SseKms,
            key_version: None,
            wrapped_kek: Some(generated.wrapped.as_bytes().to_vec()),
            context: Some(self.context.clone()).filter(|context| !context.is_empty()),
            bucket_key,
            key_id: Some(generated.key_id),
            kek: Kek::Kms(generated.kek),
        })
    }
}

/// A fresh key-encryption key for an envelope that stays what it is; the envelope names its key by the resolved id.
pub(super) async fn rewriting(authorities: &Authorities<'_>, envelope: &Envelope) -> Result<LayerKey<'static>> {
    let key_id = envelope.key_id().ok_or(Error::Inauthentic)?;
    let mode = SseKms::new(key_id).context(envelope.context().cloned().unwrap_or_default());
    let asked = authorities.kms_keys.asked(key_id).resolved_if(true);
    mode.generated(authorities, envelope.has_bucket_key(), asked).await
}

/// The key-encryption key that an upload's envelope is wrapped under, to wrap the completed object under as well: the
/// KMS is asked to unwrap, never to generate. Key id, wrapped key, pairs and the bucket-key flag stay.
pub(super) async fn keeping(authorities: &Authorities<'_>, envelope: &Envelope) -> Result<LayerKey<'static>> {
    Ok(LayerKey {
        kek: reading(authorities, envelope).await?,
        mode: ModeId::SseKms,
        key_id: envelope.key_id.clone(),
        key_version: None,
        wrapped_kek: envelope.wrapped_kek.clone(),
        context: envelope.context.clone(),
        bucket_key: envelope.has_bucket_key(),
    })
}

/// Asks the KMS to unwrap the key-encryption key of an envelope, and checks which of its keys answered.
pub(super) async fn reading(authorities: &Authorities<'_>, envelope: &Envelope) -> Result<Kek<'static>> {
    // The codec has seen both fields; nothing else makes an envelope of this mode.
    let (key_id, wrapped) =
        envelope.key_id.as_deref().zip(envelope.wrapped_kek.as_deref()).ok_or(Error::Inauthentic)?;
    let none = EncryptionContext::new();
    let request = request(authorities, key_id, envelope.context().unwrap_or(&none), envelope.has_bucket_key());
    let unwrapped = authorities.kms()?.unwrap_key(WrappedKey::new(wrapped), request).await?;
    let asked = authorities.kms_keys.asked(key_id).resolved_if(true);
    Ok(Kek::Kms(unwrapped.checked(asked)?))
}

/// Whether the object's ARN says which object it is: bucket and key are text, the bucket ends where it ends, and all of
/// it is no longer than a pair's value is counted.
pub(super) fn has_arn(object: &ObjectName) -> bool {
    let text = |bytes| std::str::from_utf8(bytes).is_ok();
    let (bucket, key) = (object.bucket(), object.key());
    let len = ARN_PREFIX.len() + bucket.len() + 1 + key.len();
    !object.is_bound() || (text(bucket) && text(key) && !bucket.contains(&b'/') && len <= usize::from(u16::MAX))
}

fn request(authorities: &Authorities<'_>, key_id: &str, pairs: &EncryptionContext, bucket_key: bool) -> KeyRequest {
    let object = authorities.object;
    let bucket = String::from_utf8_lossy(object.bucket());
    let arn = object.is_bound().then(|| {
        if bucket_key {
            format!("{ARN_PREFIX}{bucket}")
        } else {
            format!("{ARN_PREFIX}{bucket}/{}", String::from_utf8_lossy(object.key()))
        }
    });
    KeyRequest::new(key_id, pairs.shown_for(arn), authorities.requester.clone())
}
