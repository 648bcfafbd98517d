//! [`SseKms`], the mode under a key-encryption key that a KMS generates and unwraps.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};

use super::KeySources;
use super::layer::{Kek, LayerKey};
use crate::envelope::{KekScope, KeyRef, ModeId, SUITE};
use crate::error::{KeyProviderError, Limit, Result};
use crate::keys::{
    BucketKey, EncryptionContext, GeneratedKey, KeyFrom, KeyRequest, KmsOperation, Slot, UnwrappedKey, WrappedKey,
};
use crate::object::ObjectName;
use crate::secret::KeyEncryptionKey;

const ARN_PREFIX: &str = "arn:aws:s3:::";

/// SSE-KMS: encrypts under a key of the KMS on the builder. Each object needs one call of the KMS, unless it is written
/// under a [bucket key](Self::with_bucket_key).
///
/// The default value names no key. The KMS then uses its default key, such as `alias/aws/s3` of the embedded KMS.
///
/// Spec: Amazon S3, "Using server-side encryption with AWS KMS keys (SSE-KMS)".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SseKms {
    key_id: String,
    context: Arc<EncryptionContext>,
    bucket_key: bool,
}

impl SseKms {
    /// Encrypts under this KMS key: an id, ARN or alias that the key provider knows.
    pub fn new(key_id: impl Into<String>) -> Self {
        Self { key_id: key_id.into(), ..Self::default() }
    }

    /// Binds the key to these pairs in the KMS. The envelope stores them unencrypted.
    #[must_use]
    pub fn with_context(self, context: EncryptionContext) -> Self {
        Self { context: Arc::new(context), ..self }
    }

    /// Sets whether the object is written under a bucket key: one key of the KMS, kept in memory for a while, that
    /// wraps the data keys of many objects of a bucket. The envelope
    /// [says](crate::Envelope::has_bucket_key) whether it was.
    ///
    /// One call of the KMS serves all writes by one requester into one bucket that name the same KMS key and the same
    /// pairs, and one serves all reads under one wrapped key, within the limits of [`BucketKeys`](crate::BucketKeys).
    /// Concurrent requests share a call in progress. The KMS gets the ARN of the bucket as `aws:s3:arn`, not that of
    /// the object, and its own log shows one call for many objects.
    ///
    /// An unbound object has no bucket and gets a key of its own. DSSE-KMS has no bucket keys.
    ///
    /// ```
    /// # fn main() -> atrest::Result<()> {
    /// # #[cfg(feature = "testing")] {
    /// use std::sync::Arc;
    /// use atrest::testing::MemoryKms;
    /// use atrest::{KmsKeys, ObjectName, Sse, SseKms};
    ///
    /// let kms = Arc::new(MemoryKms::new());
    /// let key_id = kms.create_key("app")?;
    /// let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([&*key_id])).build()?.blocking();
    /// for key in ["cat.jpg", "dog.jpg"] {
    ///     let mode = SseKms::new(&*key_id).with_bucket_key(true);
    ///     let stored = sse.encrypt(&ObjectName::new("photos", key)?, mode, b"meow")?;
    ///     assert!(stored.envelope.has_bucket_key());
    /// }
    /// assert_eq!(kms.calls().generate, 1);
    /// # }
    /// # Ok(()) }
    /// ```
    ///
    /// # Security
    ///
    /// While a key is cached, the KMS is not asked: a policy that changes, or a key that is disabled, takes effect when
    /// the key's age is over. A provider that [tells changes](crate::KeyProvider::epoch), as the embedded KMS does,
    /// makes it take effect at once; [`Sse::purge_bucket_keys`](crate::Sse::purge_bucket_keys) does so too. No key is
    /// shared among requesters, buckets or realms. A key that fails to open an envelope, and has opened none before,
    /// is dropped, unless a second call of the KMS returned the same key.
    ///
    /// Spec: manual, format, "The KEK of each mode"; Amazon S3, "Reducing the cost of SSE-KMS with Amazon S3 Bucket
    /// Keys".
    #[must_use]
    pub fn with_bucket_key(self, bucket_key: bool) -> Self {
        Self { bucket_key, ..self }
    }

    /// Returns the KMS key, as the caller named it.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns whether a bucket key is requested.
    pub fn bucket_key(&self) -> bool {
        self.bucket_key
    }

    pub(super) fn pairs(&self) -> &Arc<EncryptionContext> {
        &self.context
    }
}

impl KeySources<'_> {
    /// Returns which envelopes share the key-encryption key of a write.
    pub(super) fn scope_of(&self, mode: &SseKms) -> KekScope {
        let in_a_bucket = self.target.object.is_bound();
        if mode.bucket_key && in_a_bucket { KekScope::Bucket } else { KekScope::Object }
    }

    /// Returns a fresh key-encryption key, or a bucket key, under the KMS key that `mode` names.
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Context`] if the pairs and the ARN are too long together: not every KMS takes more. Objects
    /// that were written with more can still be read, and rewrapped under their key.
    pub(super) async fn generated_for(&self, mode: &SseKms, scope: KekScope) -> Result<LayerKey<'static>> {
        // PERF: counted, not built; the warm path of a bucket key builds no request.
        let object = self.target.object;
        let key_len = if scope == KekScope::Bucket { 0 } else { "/".len() + object.key().len() };
        let arn_len = object.is_bound().then(|| ARN_PREFIX.len() + object.bucket().len() + key_len);
        if !mode.context.fits_with_arn(arn_len) {
            return Err(Limit::Context.into());
        }
        Box::pin(self.generated(&mode.key_id, false, &mode.context, scope)).await
    }

    /// Returns a fresh key-encryption key, or a bucket key, under the KMS key that an envelope names by its resolved
    /// id.
    pub(super) async fn generated_again(
        &self,
        id: &str,
        context: &Arc<EncryptionContext>,
        scope: KekScope,
    ) -> Result<LayerKey<'static>> {
        Box::pin(self.generated(id, true, context, scope)).await
    }

    /// Asks the KMS to generate a key-encryption key, and checks which KMS key the KMS answered with. A bucket key may
    /// come from the cache.
    ///
    /// # Errors
    ///
    /// Returns the errors of the provider, or an error if the provider answered with another key than the requested
    /// one. No reader, or only the owner of the other key, could open an object under that key.
    async fn generated(
        &self,
        key_id: &str,
        is_resolved: bool,
        context: &Arc<EncryptionContext>,
        scope: KekScope,
    ) -> Result<LayerKey<'static>> {
        let kms = self.kms()?;
        let context = context.clone();
        if scope == KekScope::Bucket {
            let slot = self.slot((key_id, is_resolved), context.clone(), None);
            let ask = || {
                let (kms, kms_keys) = (kms.clone(), self.kms_keys.clone());
                let request = self.request(key_id, &context, scope);
                async move {
                    let generated = kms.generate_key(request.clone()).await?;
                    let asked = kms_keys.asked(request.key_id()).resolved_if(is_resolved);
                    generated.checked(asked).map(BucketKey::generated)
                }
                .boxed()
            };
            let shared = self.bucket_key(KmsOperation::Generate, slot, kms.epoch(key_id), ask).await?;
            let (id, wrapped_kek) = (shared.key_id.clone(), shared.wrapped.clone());
            return Ok(LayerKey { kek: Kek::Bucket(shared), key: KeyRef::Kms { id, wrapped_kek, context, scope } });
        }
        let asked = self.kms_keys.asked(key_id).resolved_if(is_resolved);
        let generated = kms.generate_key(self.request(key_id, &context, scope)).await;
        let generated = generated.and_then(|generated| generated.checked(asked));
        self.answers.add(KmsOperation::Generate, KeyFrom::Call, &generated, GeneratedKey::request_id);
        let generated = generated?;
        let (id, wrapped_kek) = (generated.key_id.into(), generated.wrapped);
        Ok(LayerKey { kek: Kek::Kms(generated.kek), key: KeyRef::Kms { id, wrapped_kek, context, scope } })
    }

    /// Asks the KMS to unwrap a key-encryption key, and checks which KMS key the KMS answered with. A bucket key may
    /// come from the cache.
    pub(super) async fn unwrapped_kek(
        &self,
        id: &Arc<str>,
        wrapped_kek: &WrappedKey,
        context: &Arc<EncryptionContext>,
        scope: KekScope,
    ) -> Result<Kek<'static>> {
        let kms = self.kms()?;
        let ask = || {
            let (kms, kms_keys) = (kms.clone(), self.kms_keys.clone());
            let (request, wrapped) = (self.request(id, context, scope), wrapped_kek.clone());
            async move {
                let unwrapped = kms.unwrap_key(wrapped, request.clone()).await?;
                unwrapped.checked(kms_keys.asked(request.key_id()).resolved_if(true))
            }
        };
        if scope == KekScope::Bucket {
            let slot = self.slot((id, true), context.clone(), Some(wrapped_kek.clone()));
            let (key_id, wrapped) = (id.clone(), wrapped_kek.clone());
            let ask = || ask().map_ok(|unwrapped| BucketKey::unwrapped(key_id, wrapped, unwrapped)).boxed();
            return Ok(Kek::Bucket(self.bucket_key(KmsOperation::Unwrap, slot, kms.epoch(id), ask).await?));
        }
        let unwrapped = ask().await;
        self.answers.add(KmsOperation::Unwrap, KeyFrom::Call, &unwrapped, UnwrappedKey::request_id);
        Ok(Kek::Kms(unwrapped?.kek))
    }

    /// Returns the bucket key of a slot, from the cache or by calling `ask`.
    async fn bucket_key(
        &self,
        operation: KmsOperation,
        slot: Slot,
        epoch: u64,
        ask: impl FnOnce() -> BoxFuture<'static, Result<BucketKey, KeyProviderError>>,
    ) -> Result<Arc<BucketKey>> {
        let (answer, from) = self.bucket_keys.key(slot, epoch, ask).await;
        self.answers.add(operation, from, &answer, |key| key.request_id.as_deref());
        Ok(answer?)
    }

    /// Asks the KMS to generate a key and to unwrap it again, for no object. Returns the resolved id of the KMS key and
    /// both keys.
    pub(crate) async fn round_trip(&self, key_id: &str) -> Result<(String, [KeyEncryptionKey; 2])> {
        let (kms, asked) = (self.kms()?, self.kms_keys.asked(key_id));
        let context = EncryptionContext::new().with("atrest:purpose", "health")?;
        let request = |key_id: &str| KeyRequest::new(key_id, context.clone(), self.requester.clone());
        let generated = kms.clone().generate_key(request(key_id)).await?.checked(asked)?;
        let (resolved, wrapped, kek) = generated.into_parts();
        let unwrapped = kms.unwrap_key(wrapped, request(&resolved)).await?;
        let unwrapped = unwrapped.checked(self.kms_keys.asked(&resolved).resolved_if(true))?;
        Ok((resolved, [kek, unwrapped.kek]))
    }

    /// Returns what a cached bucket key has to have in common with this request.
    fn slot(
        &self,
        (key_id, is_resolved): (&str, bool),
        pairs: Arc<EncryptionContext>,
        wrapped: Option<WrappedKey>,
    ) -> Slot {
        let object = self.target.object;
        Slot {
            requester: self.requester.clone(),
            key_id: key_id.into(),
            is_resolved,
            pairs,
            realm: object.realm().into(),
            bucket: object.bucket().into(),
            mode: ModeId::SseKms.number(),
            suite: SUITE,
            wrapped,
        }
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
