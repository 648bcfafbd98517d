//! One verb for rotation, renames, copies, and changes of mode or key: the data is never touched.

use super::audited::Deed;
use super::wrapping::NewEnvelope;
use super::{Named, Sse, Unlock};
use crate::audit::AuditOperation;
use crate::envelope::{Envelope, ModeId};
use crate::error::{Misuse, Result};
use crate::mode::{AnyMode, Mode, WritingKeys, any};
use crate::object::ObjectName;
use crate::stream::object_keys::ObjectKeys;

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
    /// A rewrap revokes nothing: whoever could open the old envelope keeps the data key.
    pub async fn rewrap(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Envelope> {
        self.rewrap_layers(Named::object(object), envelope, unlock, false).await
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
        self.rewrap_layers(Named::object(object), envelope, unlock, true).await
    }

    /// [`rewrap`](Self::rewrap) of the envelope of a multipart upload under way, so that it survives the retirement of a key
    /// version. Of DSSE-KMS the outer layer alone. Parts that are being encrypted go on.
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
        self.rewrap_layers(Named::upload(object, upload_id), envelope, unlock, false).await
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
        self.rewrap_into(object, envelope, unlock, new_object, any(mode), false).await
    }

    /// [`rewrap_as`](Self::rewrap_as), and into or out of SSE-C too.
    ///
    /// # Errors
    ///
    /// As [`rewrap_as`](Self::rewrap_as).
    ///
    /// # Security
    ///
    /// Leaving SSE-C, whoever holds the customer key and an old envelope still opens the object; entering it, whoever may
    /// use the service's keys and has an old envelope does. Where that is not acceptable, encrypt again.
    pub async fn rewrap_as_revoking_nothing(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: impl Mode,
    ) -> Result<Envelope> {
        self.rewrap_into(object, envelope, unlock, new_object, any(mode), true).await
    }

    async fn rewrap_into(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: AnyMode,
        across_customer_key: bool,
    ) -> Result<Envelope> {
        let deed = Deed::writing(AuditOperation::RewrapObject, new_object, &mode).out_of(object);
        let rewrapping = self.rewrap_to(object, envelope, unlock, new_object, &mode, across_customer_key);
        self.audited(deed, rewrapping, |envelope| Some(envelope)).await
    }

    async fn rewrap_to(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: &AnyMode,
        across_customer_key: bool,
    ) -> Result<Envelope> {
        // What the store's writer put there is unexpected before it is a mistake of the caller's.
        self.check(Named::object(object), envelope, Some(unlock))?;
        if !across_customer_key && (envelope.mode() == ModeId::SseC) != (mode.id() == ModeId::SseC) {
            return Err(Misuse::RewrapCrossesCustomerKey.into());
        }
        if envelope.mode().layers() != mode.id().layers() {
            return Err(Misuse::RewrapChangesLayers.into());
        }
        // What was expected of the old envelope says nothing of the new one; the builder does.
        let writer = Self { expected: Vec::new(), ..self.clone() };
        writer.check_mode(mode.id())?;
        writer.authorities(new_object).check_name(mode.id())?;
        let unlocked = self.unlock(Named::object(object), envelope, unlock, true).await?;
        let keys = writer.authorities(new_object).writing(mode).await?;
        writer.wrap_anew(envelope, &unlocked, &keys, Named::object(new_object))
    }

    async fn rewrap_layers(
        &self,
        named: Named<'_>,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        both_layers: bool,
    ) -> Result<Envelope> {
        let deed = Deed::reading(AuditOperation::RewrapObject, named.object, envelope);
        let rewrapping = async {
            let unlocked = self.unlock(named, envelope, unlock, both_layers).await?;
            let keys = self.authorities(named.object).rewriting(envelope, unlock.customer_key(), both_layers).await?;
            self.wrap_anew(envelope, &unlocked, &keys, named)
        };
        self.audited(deed, rewrapping, |envelope| Some(envelope)).await
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
