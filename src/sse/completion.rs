//! The calls of `Sse` that make, open, rewrap and finish completion records of SSE-C uploads.

use super::audited::PendingEvent;
use super::{Expected, Sse, Unlock};
use crate::crypto::Crypto;
use crate::envelope::{Envelope, ModeId};
use crate::error::{CustomerKeyError, Misuse, Result, Unexpected};
use crate::keys::{Keyring, UNRECORDED};
use crate::mode::Target;
use crate::multipart::{
    CompletedUpload, CompletionRecord, OpenedRecord, RECORD_SALT_LEN, RecordContents, UnopenedPart, Upload, contents,
};
use crate::object::ObjectName;
use crate::trail::AuditOperation;

impl Sse {
    /// Completes an SSE-C upload without its customer key. Returns the record to store in the place of envelope and
    /// manifest.
    ///
    /// The record lists the parts, and the keyring's primary authenticates it. Commit the record together with the
    /// object, and remove the upload's envelope in the same commit, by compare-and-swap. Keep the parts where they are,
    /// and refuse further attempts at a part. The first request that brings the key [finishes](Self::finish_completion)
    /// the completion.
    ///
    /// Pass the parts in strictly ascending order of number, as the client lists them, with or without gaps. The caller
    /// checks S3's rules on the size of parts, with [`KeptAttempt::plaintext_len`](crate::multipart::KeptAttempt).
    ///
    /// # Errors
    ///
    /// - [`Unexpected`]: the envelope is not that of an SSE-C upload that this handle accepts, or the handle accepts no
    ///   [records](crate::SseBuilder::completion_records).
    /// - [`Misuse::CompletionWithoutKey`]: the name is unbound, or the `Sse` has no keyring.
    /// - [`Misuse::UploadId`]: the upload id is missing, too long, or that of an unbound object.
    /// - [`Error::Part`](crate::Error::Part): the client's list does not match the parts that the service keeps.
    /// - [`Error::Inauthentic`](crate::Error::Inauthentic): a stored part or a receipt differs from the service's
    ///   record.
    /// - [`Error::KeyProvider`](crate::Error::KeyProvider): the stored keyring cannot be read again.
    /// - [`Error::LimitExceeded`](crate::Error::LimitExceeded): a limit of the upload or the record is exceeded.
    /// - [`Error::Random`](crate::Error::Random): the random generator failed.
    /// - [`Error::Audit`](crate::Error::Audit): the audit trail could not record the call.
    ///
    /// # Security
    ///
    /// The call opens no receipt: the client gets its answer before anything is decrypted. If an attacker who writes
    /// the store changed the envelope, a receipt or a label before the completion, the first read with the key fails.
    /// The record contains the labels unsealed, so a label must reveal nothing about the plaintext, such as its MD5.
    pub async fn complete_multipart_without_key(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        parts: impl IntoIterator<Item = UnopenedPart<'_>>,
    ) -> Result<CompletionRecord> {
        let pending = PendingEvent::of_record(AuditOperation::CompleteMultipart, object);
        self.audited(pending, &UNRECORDED, self.record_of(object, upload_id, envelope, parts), |_| None).await
    }

    async fn record_of(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        parts: impl IntoIterator<Item = UnopenedPart<'_>>,
    ) -> Result<CompletionRecord> {
        let target = Target::upload(object, upload_id);
        target.binding()?;
        let keyring = self.keyring().filter(|_| object.is_bound()).ok_or(Misuse::CompletionWithoutKey)?;
        self.check(target, envelope, None)?;
        if envelope.mode() != ModeId::SseC {
            return Err(Unexpected::Mode.into());
        }
        if !self.accepts_records(None) {
            return Err(Unexpected::Record.into());
        }
        let contents = contents(upload_id, envelope, parts)?;
        keyring.refresh().await?;
        self.seal_record(keyring, object, &contents).await
    }

    /// Verifies a completion record without the customer key: for HEAD, lists and GetObjectAttributes.
    ///
    /// The call uses no key of the object, decrypts nothing and emits no audit event.
    ///
    /// # Errors
    ///
    /// - [`Unexpected`]: this handle accepts no records, or not this one.
    /// - [`Error::KeyProvider`](crate::Error::KeyProvider): the record's keyring version is unknown or disabled.
    /// - [`Error::Inauthentic`](crate::Error::Inauthentic): the record was changed, or is that of another object.
    /// - [`Error::Envelope`](crate::Error::Envelope): the envelope in the record is not that of an SSE-C upload.
    ///
    /// # Performance
    ///
    /// One HMAC-SHA-512 over the record, which has up to 693 bytes for each part. For a listing, keep the
    /// [total](OpenedRecord::total) beside the record and read that.
    pub async fn open_record(&self, object: &ObjectName, record: &CompletionRecord) -> Result<OpenedRecord> {
        let keyring = self.check_record(object, record, None)?;
        let key = keyring.unwrapping_key(record.key_version()).await?;
        record.verify(self.record_crypto()?, &key, object)?;
        OpenedRecord::new(record)
    }

    /// Finishes a completion with the customer key. Returns the object's envelope, manifest and decryptor.
    ///
    /// Put envelope and manifest in the record's place by compare-and-swap on the record's bytes. If the swap fails,
    /// another request was faster or the object was replaced: serve from the returned decryptor, or read again. A
    /// reader that cannot write the store serves from the decryptor and commits nothing. A failure leaves the record
    /// unchanged.
    ///
    /// # Errors
    ///
    /// - The errors of [`open_record`](Self::open_record) and [`decryptor`](Self::decryptor).
    /// - [`CustomerKeyError::Required`]: there is no customer key.
    /// - [`CustomerKeyError::Mismatch`]: the customer key is another one.
    /// - [`Error::Inauthentic`](crate::Error::Inauthentic): envelope, receipts and record do not belong together,
    ///   because the store was changed before the upload was completed.
    pub async fn finish_completion(
        &self,
        object: &ObjectName,
        record: &CompletionRecord,
        unlock: Unlock<'_>,
    ) -> Result<CompletedUpload> {
        let pending = PendingEvent::of_record(AuditOperation::DecryptObject, object);
        let finishing = self.finished(object, record, unlock);
        self.audited(pending, &UNRECORDED, finishing, |completed| Some(&completed.envelope)).await
    }

    async fn finished(
        &self,
        object: &ObjectName,
        record: &CompletionRecord,
        unlock: Unlock<'_>,
    ) -> Result<CompletedUpload> {
        self.check_record(object, record, unlock.expected())?;
        unlock.customer_key().ok_or(CustomerKeyError::Required)?;
        let opened = self.open_record(object, record).await?;
        let (envelope, upload_id) = (opened.envelope(), opened.upload_id());
        let keys = self.unlock(Target::upload(object, upload_id), envelope, unlock, true, &UNRECORDED).await?;
        let keys = self.object_keys(keys);
        let upload = Upload::new(object.clone(), upload_id.to_vec(), envelope.clone(), keys);
        self.seal_completed(&upload, &opened.list(&upload)?, unlock, &UNRECORDED).await
    }

    /// Authenticates a record again, under the keyring's primary and a fresh salt. Its content does not change.
    ///
    /// Replace the old record by compare-and-swap, and store the [total](OpenedRecord::total) of the new record beside
    /// it.
    ///
    /// # Errors
    ///
    /// - The errors of [`open_record`](Self::open_record).
    /// - [`Error::Random`](crate::Error::Random): the random generator failed.
    /// - [`Error::Audit`](crate::Error::Audit): the audit trail could not record the call.
    pub async fn rewrap_record(&self, object: &ObjectName, record: &CompletionRecord) -> Result<CompletionRecord> {
        let pending = PendingEvent::of_record(AuditOperation::RewrapObject, object);
        let rewrapping = async {
            self.open_record(object, record).await?;
            let keyring = self.keyring().ok_or(Unexpected::KeyringId)?;
            self.seal_record(keyring, object, &record.contents()).await
        };
        self.audited(pending, &UNRECORDED, rewrapping, |_| None).await
    }

    /// Returns whether the record is authenticated under a keyring version other than the primary.
    pub fn record_needs_rewrap(&self, record: &CompletionRecord) -> bool {
        self.keyring().is_some_and(|keyring| record.key_version() != keyring.primary())
    }

    /// Refuses a record that this handle or the reader's expectations do not accept. No key is used.
    pub(crate) fn check_record(
        &self,
        object: &ObjectName,
        record: &CompletionRecord,
        expected: Option<&Expected>,
    ) -> Result<&Keyring> {
        if !self.accepts_records(expected) {
            return Err(Unexpected::Record.into());
        }
        self.check_mode(ModeId::SseC, expected)?;
        if !object.is_bound() {
            return Err(Unexpected::Bound.into());
        }
        let keyring = self.keyring().filter(|keyring| keyring.is(Some(record.key_id())));
        keyring.ok_or(Unexpected::KeyringId.into())
    }

    fn accepts_records(&self, expected: Option<&Expected>) -> bool {
        self.shared.completion_records && self.all_expected(expected).all(Expected::accepts_records)
    }

    async fn seal_record(
        &self,
        keyring: &Keyring,
        object: &ObjectName,
        contents: &RecordContents,
    ) -> Result<CompletionRecord> {
        let (key_id, version, key) = keyring.wrapping_key().await?;
        let salt = self.shared.generator.bytes::<RECORD_SALT_LEN>()?;
        CompletionRecord::seal(self.record_crypto()?, (&key_id, version, &key), salt, object, contents)
    }

    fn record_crypto(&self) -> Result<Crypto> {
        Crypto::single(self.shared.backend)
    }
}
