//! Rewraps: rotation, renames, copies, and changes of mode or key, all from one request. The data is never touched.

use super::audited::PendingEvent;
use super::wrapping::NewEnvelope;
use super::{Named, Sse, Unlock};
use crate::envelope::{Envelope, ModeId};
use crate::error::{Misuse, Result};
use crate::mode::{AnyMode, Mode, WritingKeys, any};
use crate::object::ObjectName;
use crate::stream::object_keys::ObjectKeys;
use crate::trail::AuditOperation;

/// What a rewrap is to do: of which envelope, with which keys, and what it leads to.
pub(crate) struct RewrapRequest<'a> {
    object: &'a ObjectName,
    /// Of an upload under way.
    upload_id: Option<&'a [u8]>,
    unlock: Unlock<'a>,
    target: Target<'a>,
    both_layers: bool,
    across_customer_key: bool,
}

enum Target<'a> {
    /// The same object in the same mode under the same key: a fresh wrap.
    Same,
    /// A name, a mode and its key.
    Of { object: &'a ObjectName, mode: AnyMode },
}

impl<'a> RewrapRequest<'a> {
    /// A fresh wrap of an object's envelope.
    pub(crate) fn object(object: &'a ObjectName, unlock: Unlock<'a>) -> Self {
        let (upload_id, target) = (None, Target::Same);
        Self { object, upload_id, unlock, target, both_layers: false, across_customer_key: false }
    }

    /// A fresh wrap of the envelope of an upload under way, whose name and mode never change.
    pub(crate) fn upload(object: &'a ObjectName, upload_id: &'a [u8], unlock: Unlock<'a>) -> Self {
        Self { upload_id: Some(upload_id), ..Self::object(object, unlock) }
    }

    /// For this name, mode and key instead.
    pub(crate) fn leading_to(self, object: &'a ObjectName, mode: AnyMode) -> Self {
        Self { target: Target::Of { object, mode }, ..self }
    }

    /// Both layers of DSSE-KMS; another key always takes both.
    pub(crate) fn both_layers(self) -> Self {
        Self { both_layers: true, ..self }
    }

    /// The caller accepts that the old key still opens the object where SSE-C is entered or left.
    pub(crate) fn across_customer_key(self) -> Self {
        Self { across_customer_key: true, ..self }
    }

    fn named(&self) -> Named<'a> {
        Named { object: self.object, upload_id: self.upload_id }
    }
}

impl Sse {
    /// Whether the envelope is wrapped under another version of the keyring than its primary.
    ///
    /// Exact for SSE-S3 and the outer layer of DSSE-KMS. False for SSE-KMS, whose KMS rotates by itself, and for SSE-C.
    pub fn needs_rewrap(&self, envelope: &Envelope) -> bool {
        match (&self.shared.keyring, envelope.key_version()) {
            (Some(keyring), Some(version)) => version != keyring.primary() || !keyring.is(envelope.key_id()),
            _ => false,
        }
    }

    /// Wraps the object's data key anew, for the same object in the same mode: under today's primary, under a fresh key
    /// of the same KMS key, or under the same customer key. Of DSSE-KMS only the outer layer.
    ///
    /// Put the new envelope in the old one's place by compare-and-swap on the old one.
    ///
    /// # Errors
    ///
    /// As [`decryptor`](Self::decryptor) and [`encryptor`](Self::encryptor).
    /// [`Limit::EnvelopeLen`](crate::error::Limit::EnvelopeLen): it no longer fits its fixed length.
    ///
    /// # Security
    ///
    /// A rewrap revokes nothing: a reader that could open the old envelope keeps the data key.
    pub async fn rewrap(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Envelope> {
        self.rewrap_by(&RewrapRequest::object(object, unlock), envelope).await
    }

    /// [`rewrap`](Self::rewrap) of both layers of DSSE-KMS; of the other modes, the same.
    ///
    /// # Errors
    ///
    /// As [`rewrap`](Self::rewrap).
    pub async fn rewrap_both_layers(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
    ) -> Result<Envelope> {
        self.rewrap_by(&RewrapRequest::object(object, unlock).both_layers(), envelope).await
    }

    /// [`rewrap`](Self::rewrap) of the envelope of a multipart upload under way, so that it survives the retirement of
    /// a key version. Of DSSE-KMS the outer layer alone. Parts that are being encrypted go on.
    ///
    /// # Errors
    ///
    /// As [`rewrap`](Self::rewrap); [`Unexpected::State`](crate::error::Unexpected::State): it is not an upload's;
    /// [`Misuse::UploadId`].
    pub async fn rewrap_upload(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        unlock: Unlock<'_>,
    ) -> Result<Envelope> {
        self.rewrap_by(&RewrapRequest::upload(object, upload_id, unlock), envelope).await
    }

    /// Wraps the object's data key for another name, mode or key: a rename, a copy within one store, another KMS key,
    /// another customer key.
    ///
    /// What this handle is [`expecting`](Self::expecting) holds for the envelope that is read; the new mode and key are
    /// held against the builder alone.
    ///
    /// # Errors
    ///
    /// As [`rewrap`](Self::rewrap). [`Misuse::RewrapChangesLayers`]: into or out of DSSE-KMS takes new encryption.
    /// [`Misuse::RewrapCrossesCustomerKey`]: into or out of SSE-C leaves the old key able to open the object; say that
    /// this is accepted with [`rewrap_as_revoking_nothing`](Self::rewrap_as_revoking_nothing).
    ///
    /// # Security
    ///
    /// As [`rewrap`](Self::rewrap); after a customer key leaked, encrypt again.
    pub async fn rewrap_as(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: impl Mode,
    ) -> Result<Envelope> {
        self.rewrap_by(&RewrapRequest::object(object, unlock).leading_to(new_object, any(mode)), envelope).await
    }

    /// [`rewrap_as`](Self::rewrap_as), and into or out of SSE-C too.
    ///
    /// # Errors
    ///
    /// As [`rewrap_as`](Self::rewrap_as).
    ///
    /// # Security
    ///
    /// After leaving SSE-C, a holder of the customer key and of an old envelope still opens the object. After entering
    /// it, a holder of an old envelope who may use the service's keys does. Where that is not acceptable, encrypt
    /// again.
    pub async fn rewrap_as_revoking_nothing(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: impl Mode,
    ) -> Result<Envelope> {
        let request = RewrapRequest::object(object, unlock).leading_to(new_object, any(mode)).across_customer_key();
        self.rewrap_by(&request, envelope).await
    }

    /// Wraps an envelope anew as the request says: what every rewrap of the library is.
    pub(crate) async fn rewrap_by(&self, request: &RewrapRequest<'_>, envelope: &Envelope) -> Result<Envelope> {
        let (operation, object) = (AuditOperation::RewrapObject, request.object);
        let pending = match &request.target {
            Target::Same => PendingEvent::reading(operation, object, envelope),
            Target::Of { object: new_object, mode } => {
                PendingEvent::writing(operation, new_object, mode).out_of(object)
            }
        };
        self.audited(pending, self.rewrapped(request, envelope), |envelope| Some(envelope)).await
    }

    //= manual/format.md#rewrap
    async fn rewrapped(&self, request: &RewrapRequest<'_>, envelope: &Envelope) -> Result<Envelope> {
        let (named, unlock) = (request.named(), request.unlock);
        match &request.target {
            Target::Same => {
                let unlocked = self.unlock(named, envelope, unlock, request.both_layers).await?;
                let authorities = self.authorities(request.object);
                let keys = authorities.rewriting(envelope, unlock.customer_key(), request.both_layers).await?;
                self.wrap_anew(envelope, &unlocked, &keys, named)
            }
            Target::Of { object, mode } => {
                // What the store's writer put there is unexpected before it is a mistake of the caller's.
                self.check(named, envelope, Some(unlock))?;
                let crosses = (envelope.mode() == ModeId::SseC) != (mode.id() == ModeId::SseC);
                if crosses && !request.across_customer_key {
                    return Err(Misuse::RewrapCrossesCustomerKey.into());
                }
                if envelope.mode().layers() != mode.id().layers() {
                    return Err(Misuse::RewrapChangesLayers.into());
                }
                // What was expected of the old envelope says nothing of the new one; the builder does.
                let writer = Self { expected: Vec::new(), ..self.clone() };
                writer.check_mode(mode.id())?;
                writer.authorities(object).check_name(mode.id())?;
                let unlocked = self.unlock(named, envelope, unlock, true).await?;
                let keys = writer.authorities(object).writing(mode).await?;
                writer.wrap_anew(envelope, &unlocked, &keys, Named::object(object))
            }
        }
    }

    /// The same content under other keys and a fresh salt each; an inner layer without a new key stays as it is.
    fn wrap_anew(
        &self,
        old: &Envelope,
        unlocked: &ObjectKeys,
        keys: &WritingKeys<'_>,
        named: Named<'_>,
    ) -> Result<Envelope> {
        self.check_written_kms_keys(keys)?;
        let envelope = NewEnvelope {
            object: named.object,
            name: &named.context()?,
            contents: old.each_layer().map(|layer| layer.content),
            plaintext_len: old.plaintext_len,
            wrap_salts: self.wrap_salts(keys)?,
            kept: old.inner(),
            len: self.len_after(old),
        };
        envelope.wrap(keys, unlocked)
    }

    /// The fixed length of an envelope that takes another's place.
    pub(super) fn len_after(&self, old: &Envelope) -> Option<usize> {
        self.shared.envelope_len.or(old.padding.map(|_| old.encoded_len()))
    }
}
