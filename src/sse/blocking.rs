//! [`Blocking`]: the calls of an [`Sse`] for callers without a runtime.

use pollster::block_on;

use super::{Encrypted, Expected, Rewrap, Sse, Unlock};
use crate::envelope::Envelope;
use crate::error::Result;
use crate::mode::{Mode, SseKms};
use crate::multipart::{CompletedPart, CompletedUpload, CompletionRecord, OpenedRecord, UnopenedPart, Upload};
use crate::object::ObjectName;
use crate::stream::{Decryptor, Encryptor};

/// An [`Sse`] whose calls wait on the calling thread, with no runtime.
///
/// Do not use it inside an async runtime, where it would block a worker. Each method calls the method of [`Sse`] with
/// the same name and returns its errors.
#[derive(Clone, Debug)]
pub struct Blocking(Sse);

impl Blocking {
    pub(super) fn new(sse: Sse) -> Self {
        Self(sse)
    }

    /// Returns the handle that is called.
    #[cfg(feature = "s3")]
    pub(crate) fn sse(&self) -> &Sse {
        &self.0
    }
}

#[expect(clippy::missing_errors_doc, reason = "the errors are those of the call of Sse with the same name")]
impl Blocking {
    /// Calls [`Sse::encrypt`].
    pub fn encrypt(&self, object: &ObjectName, mode: impl Mode, plaintext: &[u8]) -> Result<Encrypted> {
        block_on(self.0.encrypt(object, mode, plaintext))
    }

    /// Calls [`Sse::encrypt_into`].
    pub fn encrypt_into(
        &self,
        object: &ObjectName,
        mode: impl Mode,
        plaintext: &[u8],
        output: &mut [u8],
    ) -> Result<(Envelope, usize)> {
        block_on(self.0.encrypt_into(object, mode, plaintext, output))
    }

    /// Calls [`Sse::decrypt`].
    pub fn decrypt(&self, object: &ObjectName, encrypted: &Encrypted, unlock: Unlock<'_>) -> Result<Vec<u8>> {
        block_on(self.0.decrypt(object, encrypted, unlock))
    }

    /// Calls [`Sse::decrypt_into`].
    pub fn decrypt_into(
        &self,
        object: &ObjectName,
        encrypted: &Encrypted,
        unlock: Unlock<'_>,
        output: &mut [u8],
    ) -> Result<usize> {
        block_on(self.0.decrypt_into(object, encrypted, unlock, output))
    }

    /// Calls [`Sse::encryptor`].
    pub fn encryptor(&self, object: &ObjectName, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        block_on(self.0.encryptor(object, mode))
    }

    /// Calls [`Sse::encryptor_of_len`].
    pub fn encryptor_of_len(
        &self,
        object: &ObjectName,
        mode: impl Mode,
        plaintext_len: u64,
    ) -> Result<(Envelope, Encryptor)> {
        block_on(self.0.encryptor_of_len(object, mode, plaintext_len))
    }

    /// Calls [`Sse::decryptor`].
    pub fn decryptor(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Decryptor> {
        block_on(self.0.decryptor(object, envelope, unlock))
    }

    /// Calls [`Sse::read_again`].
    pub fn read_again(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<()> {
        block_on(self.0.read_again(object, envelope, unlock))
    }

    /// Calls [`Sse::record_copy`].
    pub fn record_copy(&self, from: &ObjectName, to: &ObjectName) -> Result<()> {
        block_on(self.0.record_copy(from, to))
    }

    /// Calls [`Sse::check_kms`].
    pub fn check_kms(&self, key_id: &str) -> Result<()> {
        block_on(self.0.check_kms(key_id))
    }

    /// Calls [`Sse::warm_bucket_key`].
    pub fn warm_bucket_key(&self, object: &ObjectName, mode: &SseKms) -> Result<()> {
        block_on(self.0.warm_bucket_key(object, mode))
    }

    /// Calls [`Sse::rewrap`].
    pub fn rewrap(&self, request: Rewrap<'_>) -> Result<Envelope> {
        block_on(self.0.rewrap(request))
    }

    /// Calls [`Sse::begin_multipart`].
    pub fn begin_multipart(&self, object: &ObjectName, upload_id: &[u8], mode: impl Mode) -> Result<Upload> {
        block_on(self.0.begin_multipart(object, upload_id, mode))
    }

    /// Calls [`Sse::resume_multipart`].
    pub fn resume_multipart(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        expected: &Expected,
        unlock: Unlock<'_>,
    ) -> Result<Upload> {
        block_on(self.0.resume_multipart(object, upload_id, envelope, expected, unlock))
    }

    /// Calls [`Sse::complete_multipart`].
    pub fn complete_multipart<'p>(
        &self,
        upload: &Upload,
        unlock: Unlock<'_>,
        parts: impl IntoIterator<Item = CompletedPart<'p>>,
    ) -> Result<CompletedUpload> {
        block_on(self.0.complete_multipart(upload, unlock, parts))
    }

    /// Calls [`Sse::complete_multipart_without_key`].
    pub fn complete_multipart_without_key<'p>(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        parts: impl IntoIterator<Item = UnopenedPart<'p>>,
    ) -> Result<CompletionRecord> {
        block_on(self.0.complete_multipart_without_key(object, upload_id, envelope, parts))
    }

    /// Calls [`Sse::open_record`].
    pub fn open_record(&self, object: &ObjectName, record: &CompletionRecord) -> Result<OpenedRecord> {
        block_on(self.0.open_record(object, record))
    }

    /// Calls [`Sse::finish_completion`].
    pub fn finish_completion(
        &self,
        object: &ObjectName,
        record: &CompletionRecord,
        unlock: Unlock<'_>,
    ) -> Result<CompletedUpload> {
        block_on(self.0.finish_completion(object, record, unlock))
    }

    /// Calls [`Sse::rewrap_record`].
    pub fn rewrap_record(&self, object: &ObjectName, record: &CompletionRecord) -> Result<CompletionRecord> {
        block_on(self.0.rewrap_record(object, record))
    }
}
