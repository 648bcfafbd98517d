//! The calls of [`Sse`] for the operator of its KMS: a check by a real round trip, and a bucket key in advance.

use subtle::ConstantTimeEq;

use super::Sse;
use crate::error::{KeyProviderError, KeyProviderErrorKind as Kind, Result, Unexpected};
use crate::keys::UNRECORDED;
use crate::mode::{AnyMode, SseKms, Target};
use crate::object::ObjectName;

impl Sse {
    /// Checks a KMS key by a real round trip, as this handle's requester: the KMS generates a key and unwraps it, and
    /// both are compared. The encryption context of the two calls is the pair `atrest:purpose` = `health`.
    ///
    /// No cache is used. [`build`](crate::SseBuilder::build) calls no KMS, so that a service starts while its KMS is
    /// down.
    ///
    /// # Errors
    ///
    /// - [`Error::KeyProvider`](crate::Error::KeyProvider): the provider failed, or unwrapped another key (kind
    ///   `WrongKey`).
    /// - [`Unexpected::KmsKey`]: the handle does not accept the resolved KMS key.
    /// - [`Unexpected::Mode`]: the builder has no KMS.
    pub async fn check_kms(&self, key_id: &str) -> Result<()> {
        let unbound = ObjectName::unbound();
        let (resolved, same) = self.key_sources(Target::object(&unbound), &UNRECORDED).round_trip(key_id).await?;
        if !self.shared.kms_keys.accept(&resolved) {
            return Err(Unexpected::KmsKey.into());
        }
        let is_same: bool = same[0].expose_secret().ct_eq(same[1].expose_secret()).into();
        if is_same { Ok(()) } else { Err(KeyProviderError::new(Kind::WrongKey, key_id).into()) }
    }

    /// Gets the [bucket key](SseKms::with_bucket_key) for later writes into the object's bucket, so that the first of
    /// them needs no call of the KMS. Nothing is done for an unbound object.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`encryptor`](Self::encryptor).
    pub async fn warm_bucket_key(&self, object: &ObjectName, mode: &SseKms) -> Result<()> {
        if !object.is_bound() {
            return Ok(());
        }
        let mode = AnyMode::from(mode.clone().with_bucket_key(true));
        self.check_written(&mode)?;
        let keys = self.key_sources(Target::object(object), &UNRECORDED).writing(&mode).await?;
        self.check_written_kms_keys(&keys)
    }
}
