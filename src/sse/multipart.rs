//! The calls of `Sse` that begin, resume and complete a multipart upload.

use super::audited::PendingEvent;
use super::object::UPLOAD_DRAW;
use super::wrapping::NewEnvelope;
use super::{Expected, Sse, Unlock};
use crate::envelope::{Content, Envelope, ModeId};
use crate::error::Result;
use crate::keys::KeyAnswers;
use crate::mode::{AnyMode, Mode, Target, any};
use crate::multipart::{CheckedParts, CompletedPart, CompletedUpload, Upload};
use crate::object::ObjectName;
use crate::secret::Wiped;
use crate::stream::Decryptor;
use crate::stream::manifest::seal_manifest;
use crate::stream::message::MessageHeader;
use crate::trail::AuditOperation;

impl Sse {
    /// Begins a multipart upload. Store its [envelope](Upload::envelope) with the upload.
    ///
    /// The store chooses the upload id and never uses it again for the same object. The id of an unbound object is
    /// empty.
    ///
    /// # Errors
    ///
    /// - The errors of [`encryptor`](Self::encryptor).
    /// - [`Misuse::UploadId`](crate::error::Misuse::UploadId): the id is missing, too long, or that of an unbound
    ///   object.
    /// - [`Limit::EnvelopeLen`](crate::error::Limit::EnvelopeLen): the object's envelope would not fit the fixed
    ///   length.
    /// - [`Misuse::PartsInContainer`](crate::error::Misuse::PartsInContainer): this handle has a container.
    pub async fn begin_multipart(&self, object: &ObjectName, upload_id: &[u8], mode: impl Mode) -> Result<Upload> {
        let mode = any(mode);
        let pending = PendingEvent::writing(AuditOperation::BeginMultipart, object, &mode);
        let answers = self.answers();
        let beginning = self.begin_upload(object, upload_id, &mode, &answers);
        self.audited(pending, &answers, beginning, |upload| Some(upload.envelope())).await
    }

    async fn begin_upload(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        mode: &AnyMode,
        answers: &KeyAnswers,
    ) -> Result<Upload> {
        let target = Target::upload(object, upload_id);
        target.binding()?;
        self.check_parts()?;
        let cryptos = self.check_written(mode)?;
        let keys = self.key_sources(target, answers).writing(mode).await?;
        self.check_written_kms_keys(&keys)?;

        let mut drawn = Wiped::<{ 2 * UPLOAD_DRAW }>::zeros();
        let drawn = self.draw(&mut drawn[..], cryptos, UPLOAD_DRAW)?;
        let new = |content: Content| NewEnvelope {
            target,
            contents: cryptos.map(|_| content),
            wrap_salts: drawn.wrap_salts,
            kept: None,
            fixed_len: self.shared.envelope_len,
        };
        if self.shared.envelope_len.is_some() {
            // An envelope that will not fit at completion fails here, before a part is uploaded.
            new(Content::LONGEST).wrap(&keys, drawn.keys.each_layer())?;
        }
        let envelope = new(Content::Upload).wrap(&keys, drawn.keys.each_layer())?;
        Ok(Upload::new(object.clone(), upload_id.to_vec(), envelope, drawn.keys))
    }

    /// Resumes an upload from its stored envelope, on any machine.
    ///
    /// `expected` names the mode that this upload was begun with and, if the mode has one, the KMS key. Take both from
    /// a source that an attacker who writes the store cannot change, such as an upload id that the service signs.
    ///
    /// # Errors
    ///
    /// - The errors of [`decryptor`](Self::decryptor).
    /// - [`Error::Unexpected`](crate::Error::Unexpected): `expected` does not allow exactly the mode and KMS key of the
    ///   envelope, or the envelope is not that of an upload under way.
    /// - [`Misuse::UploadId`](crate::error::Misuse::UploadId): the id is missing, too long, or that of an unbound
    ///   object.
    ///
    /// # Security
    ///
    /// Without such a source, an attacker who writes the store can make the service encrypt the next parts under a KMS
    /// key of the attacker.
    pub async fn resume_multipart(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        expected: &Expected,
        unlock: Unlock<'_>,
    ) -> Result<Upload> {
        let pending = PendingEvent::reading(AuditOperation::ResumeMultipart, object, envelope);
        let answers = self.answers();
        let resuming = self.resume_upload((object, upload_id), envelope, expected, unlock, &answers);
        self.audited(pending, &answers, resuming, |_| None).await
    }

    async fn resume_upload(
        &self,
        (object, upload_id): (&ObjectName, &[u8]),
        envelope: &Envelope,
        expected: &Expected,
        unlock: Unlock<'_>,
        answers: &KeyAnswers,
    ) -> Result<Upload> {
        let target = Target::upload(object, upload_id);
        target.binding()?;
        expected.says_which(envelope.mode())?;
        let keys = self.expecting(expected.clone()).unlock(target, envelope, unlock, true, answers).await?;
        Ok(Upload::new(object.clone(), upload_id.to_vec(), envelope.clone(), self.object_keys(keys)))
    }

    /// Completes an upload. Returns the object's envelope and its manifest.
    ///
    /// Commit both together with the parts, and remove the upload's envelope in the same commit, by compare-and-swap:
    /// of two completions that race, one is stored. If the swap fails because a sweep has rewrapped the upload
    /// meanwhile, resume from the new envelope and complete again; the receipts stay valid.
    ///
    /// Pass the parts in strictly ascending order of number, as the client lists them, with or without gaps. To
    /// complete an SSE-C upload without its key, use
    /// [`complete_multipart_without_key`](Self::complete_multipart_without_key).
    ///
    /// The object's envelope is under the keyring's current primary; a stored keyring that has changed is read again
    /// first. A KMS unwraps the upload's key once for each layer and generates none: the wrapped key of the upload
    /// serves the object.
    ///
    /// # Errors
    ///
    /// - [`Error::Part`](crate::Error::Part): the list does not match the parts that were uploaded.
    /// - [`Error::Inauthentic`](crate::Error::Inauthentic): a receipt does not belong to this upload, or a stored part
    ///   does not match its receipt.
    /// - [`Limit::Multipart`](crate::error::Limit::Multipart): too many parts, or too many bytes.
    /// - The errors of [`encryptor`](Self::encryptor) and [`decryptor`](Self::decryptor).
    pub async fn complete_multipart(
        &self,
        upload: &Upload,
        unlock: Unlock<'_>,
        parts: impl IntoIterator<Item = CompletedPart<'_>>,
    ) -> Result<CompletedUpload> {
        let pending = PendingEvent::reading(AuditOperation::CompleteMultipart, upload.object(), upload.envelope());
        let answers = self.answers();
        let completing = self.complete_upload(upload, unlock, parts, &answers);
        self.audited(pending, &answers, completing, |completed| Some(&completed.envelope)).await
    }

    async fn complete_upload(
        &self,
        upload: &Upload,
        unlock: Unlock<'_>,
        parts: impl IntoIterator<Item = CompletedPart<'_>>,
        answers: &KeyAnswers,
    ) -> Result<CompletedUpload> {
        let (old, object) = (upload.envelope(), upload.object());
        self.check(Target::upload(object, upload.upload_id()), old, Some(unlock))?;
        if let (ModeId::SseC, Unlock::CustomerKey(key)) = (old.mode(), unlock) {
            old.verify_customer_key(key)?;
        }
        let list = upload.list(parts)?;
        self.refresh_keyring(old.mode()).await?;
        self.seal_completed(upload, &list, unlock, answers).await
    }

    /// Seals the envelope and the manifest of an object that consists of these parts.
    ///
    /// A KMS unwraps and generates nothing: the key-encryption key of the upload serves the object.
    pub(super) async fn seal_completed(
        &self,
        upload: &Upload,
        list: &CheckedParts,
        unlock: Unlock<'_>,
        answers: &KeyAnswers,
    ) -> Result<CompletedUpload> {
        let (old, object) = (upload.envelope(), upload.object());
        let sources = self.key_sources(Target::upload(object, upload.upload_id()), answers);
        let keys = sources.completing(old, upload.keys(), unlock.customer_key()).await?;

        let manifest = seal_manifest(upload.keys(), &list.records)?;
        let content = |manifest: MessageHeader| Content::Multipart {
            parts: list.count,
            plaintext_len: list.plaintext_len,
            manifest,
        };
        let envelope = NewEnvelope {
            target: Target::object(object),
            contents: manifest.headers.map(content),
            wrap_salts: self.wrap_salts(&keys)?,
            kept: None,
            fixed_len: self.len_after(old),
        };
        let envelope = envelope.wrap(&keys, upload.keys().each_layer())?;
        let decryptor = Decryptor::of_parts(list.count, manifest.headers, upload.keys().clone(), list.plaintext_len);
        // The manifest is opened before it is returned.
        let decryptor = decryptor.with_manifest(&manifest.stored)?;
        Ok(CompletedUpload { envelope, manifest: manifest.stored, decryptor })
    }
}
