//! [`Rewrap`], the request for a new envelope around the same data key.

use super::audited::PendingEvent;
use super::wrapping::NewEnvelope;
use super::{Sse, Unlock};
use crate::envelope::{Envelope, ModeId};
use crate::error::{Misuse, Result};
use crate::geometry::EachLayer;
use crate::keys::KeyAnswers;
use crate::mode::{AnyMode, LayerKey, Mode, Target, any};
use crate::object::ObjectName;
use crate::stream::object_keys::LayerSecret;
use crate::trail::AuditOperation;

/// A request for a new envelope around the same data key: for a rotation, a rename, a copy within one store, or a
/// change of mode or key. The stored body stays as it is.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::{Keyring, ObjectName, Rewrap, Sse, SseS3, Unlock};
///
/// let sse = Sse::builder().keyring(Keyring::generate()?).build()?.blocking();
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let renamed = ObjectName::new("photos", "tom.jpg")?;
/// let stored = sse.encrypt(&object, SseS3, b"meow")?;
///
/// let fresh = sse.rewrap(Rewrap::of(&object, &stored.envelope, Unlock::Server))?;
/// let moved = sse.rewrap(Rewrap::of(&object, &fresh, Unlock::Server).to(&renamed, SseS3))?;
/// # Ok(()) }
/// ```
///
/// # Security
///
/// A rewrap revokes nothing: a reader that could open the old envelope may have kept the data key. After a key leak,
/// encrypt the object again.
///
/// Spec: manual, format, "Rewrap".
#[derive(Debug)]
#[must_use = "a request does nothing until Sse::rewrap gets it"]
pub struct Rewrap<'a> {
    source: Target<'a>,
    envelope: &'a Envelope,
    unlock: Unlock<'a>,
    target: Option<(&'a ObjectName, AnyMode)>,
    both_layers: bool,
    across_customer_key: bool,
}

impl<'a> Rewrap<'a> {
    /// Requests a fresh wrap for the same object in the same mode: under the keyring's primary, under a fresh key of
    /// the same KMS key, or under the same customer key. In DSSE-KMS only the outer layer is wrapped again.
    pub fn of(object: &'a ObjectName, envelope: &'a Envelope, unlock: Unlock<'a>) -> Self {
        let source = Target::object(object);
        Self { source, envelope, unlock, target: None, both_layers: false, across_customer_key: false }
    }

    /// Requests a fresh wrap for a multipart upload under way, so that it survives the retirement of a key version. In
    /// DSSE-KMS only the outer layer is wrapped again. Parts can be encrypted meanwhile.
    pub fn upload(object: &'a ObjectName, upload_id: &'a [u8], envelope: &'a Envelope, unlock: Unlock<'a>) -> Self {
        Self { source: Target::upload(object, upload_id), ..Self::of(object, envelope, unlock) }
    }

    /// Wraps the data key for this name, mode and key instead.
    ///
    /// The expectations of the handle and of the `Unlock` apply to the old envelope only. For the new mode and key only
    /// the builder's settings apply.
    pub fn to(self, object: &'a ObjectName, mode: impl Mode) -> Self {
        Self { target: Some((object, any(mode))), ..self }
    }

    /// Wraps both layers of DSSE-KMS again. A rewrap [to](Self::to) another name or key always wraps both.
    pub fn both_layers(self) -> Self {
        Self { both_layers: true, ..self }
    }

    /// Allows a change into or out of SSE-C, after which the old key can still open the object.
    ///
    /// # Security
    ///
    /// After a change out of SSE-C, a holder of the customer key and of an old envelope still opens the object. After a
    /// change into SSE-C, a holder of an old envelope who may use the service's keys still opens it. If that is not
    /// acceptable, encrypt the object again.
    pub fn across_customer_key(self) -> Self {
        Self { across_customer_key: true, ..self }
    }
}

impl Sse {
    /// Returns a new envelope around the object's data key.
    ///
    /// Replace the old envelope by compare-and-swap.
    ///
    /// # Errors
    ///
    /// - The errors of [`decryptor`](Self::decryptor) for the old envelope, and of [`encryptor`](Self::encryptor) for
    ///   the new one.
    /// - [`Limit::EnvelopeLen`](crate::error::Limit::EnvelopeLen): the new envelope does not fit the fixed length.
    /// - [`Misuse::RewrapChangesLayers`]: the rewrap is into or out of DSSE-KMS. Encrypt the object again.
    /// - [`Misuse::RewrapCrossesCustomerKey`]: the rewrap is into or out of SSE-C without
    ///   [`Rewrap::across_customer_key`].
    /// - [`Unexpected::State`](crate::error::Unexpected::State): the request is for an upload, and the envelope is not
    ///   an upload's.
    /// - [`Misuse::UploadId`]: the upload id is missing, too long, or that of an unbound object.
    /// - [`Misuse::RewrapOfUpload`]: the request is for an upload and has a new name, mode or key.
    pub async fn rewrap(&self, request: Rewrap<'_>) -> Result<Envelope> {
        let (operation, source) = (AuditOperation::RewrapObject, request.source.object);
        let pending = match &request.target {
            None => PendingEvent::reading(operation, source, request.envelope),
            Some((object, mode)) => PendingEvent::writing(operation, object, mode).out_of(source),
        };
        let answers = self.answers();
        self.audited(pending, &answers, self.rewrapped(&request, &answers), |envelope| Some(envelope)).await
    }

    /// Returns whether the envelope is wrapped under a keyring version other than the primary.
    ///
    /// The result is exact for SSE-S3 and the outer layer of DSSE-KMS. It is false for SSE-KMS, whose KMS rotates its
    /// own keys, and for SSE-C.
    pub fn needs_rewrap(&self, envelope: &Envelope) -> bool {
        match (&self.shared.keyring, envelope.key_version()) {
            (Some(keyring), Some(version)) => version != keyring.primary() || !keyring.is(envelope.key_id()),
            _ => false,
        }
    }

    async fn rewrapped(&self, request: &Rewrap<'_>, answers: &KeyAnswers) -> Result<Envelope> {
        let Rewrap { source, envelope, unlock, both_layers, .. } = *request;
        let Some((object, mode)) = &request.target else {
            let unlocked = self.unlock(source, envelope, unlock, both_layers, answers).await?;
            let layers = envelope.layers(both_layers);
            let keys = self.key_sources(source, answers).rewriting(layers, unlock.customer_key()).await?;
            return self.wrap_anew(envelope, &unlocked, &keys, source);
        };
        // Checks the stored envelope before the request: an attacker's change is not reported as the caller's misuse.
        self.check(source, envelope, Some(unlock))?;
        if source.upload_id.is_some() {
            return Err(Misuse::RewrapOfUpload.into());
        }
        let crosses = (envelope.mode() == ModeId::SseC) != (mode.id() == ModeId::SseC);
        if crosses && !request.across_customer_key {
            return Err(Misuse::RewrapCrossesCustomerKey.into());
        }
        if envelope.mode().layers() != mode.id().layers() {
            return Err(Misuse::RewrapChangesLayers.into());
        }
        // The expectations apply to the old envelope; only the builder's settings apply to the new one.
        let writer = Self { expected: Vec::new(), ..self.clone() };
        writer.check_mode(mode.id(), None)?;
        let sources = writer.key_sources(Target::object(object), answers);
        sources.check_name(mode.id())?;
        let unlocked = self.unlock(source, envelope, unlock, true, answers).await?;
        let keys = sources.writing(mode).await?;
        writer.wrap_anew(envelope, &unlocked, &keys, Target::object(object))
    }

    /// Wraps the same content under other keys, each with a fresh salt. An inner layer without a new key stays as it
    /// is.
    fn wrap_anew(
        &self,
        old: &Envelope,
        unlocked: &EachLayer<LayerSecret>,
        keys: &EachLayer<LayerKey<'_>>,
        target: Target<'_>,
    ) -> Result<Envelope> {
        self.check_written_kms_keys(keys)?;
        let envelope = NewEnvelope {
            target,
            contents: old.each_layer().map(|layer| layer.header().content),
            wrap_salts: self.wrap_salts(keys)?,
            kept: old.inner(),
            fixed_len: self.len_after(old),
        };
        envelope.wrap(keys, unlocked)
    }

    /// Returns the fixed length of an envelope that replaces another.
    pub(super) fn len_after(&self, old: &Envelope) -> Option<usize> {
        self.shared.envelope_len.or(old.header().fixed_len)
    }
}
