//! The same calls for those who have no runtime.

use pollster::block_on;

use super::{Encrypted, Expected, Sse, Unlock};
use crate::envelope::Envelope;
use crate::error::Result;
use crate::mode::Mode;
use crate::multipart::{CompletedPart, CompletedUpload, CompletionRecord, OpenedRecord, UnopenedPart, Upload};
use crate::object::ObjectName;
use crate::stream::{Decryptor, Encryptor};

/// Every call of an [`Sse`], synchronous: waits on this thread for a key provider's answer.
///
/// Not for use inside an async runtime, where it would hold up a worker.
#[derive(Clone, Debug)]
pub struct Blocking(Sse);

impl Blocking {
    pub(super) fn new(sse: Sse) -> Self {
        Self(sse)
    }

    /// The handle whose calls these are.
    pub(crate) fn sse(&self) -> &Sse {
        &self.0
    }

    /// See [`Sse::encryptor`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encryptor(&self, object: &ObjectName, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        block_on(self.0.encryptor(object, mode))
    }

    /// See [`Sse::encryptor_of_len`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encryptor_of_len(
        &self,
        object: &ObjectName,
        mode: impl Mode,
        plaintext_len: u64,
    ) -> Result<(Envelope, Encryptor)> {
        block_on(self.0.encryptor_of_len(object, mode, plaintext_len))
    }

    /// See [`Sse::encrypt`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encrypt(&self, object: &ObjectName, mode: impl Mode, plaintext: &[u8]) -> Result<Encrypted> {
        block_on(self.0.encrypt(object, mode, plaintext))
    }

    /// See [`Sse::decryptor`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decryptor(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Decryptor> {
        block_on(self.0.decryptor(object, envelope, unlock))
    }

    /// See [`Sse::decrypt`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn decrypt(&self, object: &ObjectName, encrypted: &Encrypted, unlock: Unlock<'_>) -> Result<Vec<u8>> {
        block_on(self.0.decrypt(object, encrypted, unlock))
    }

    /// See [`Sse::begin_multipart`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn begin_multipart(&self, object: &ObjectName, upload_id: &[u8], mode: impl Mode) -> Result<Upload> {
        block_on(self.0.begin_multipart(object, upload_id, mode))
    }

    /// See [`Sse::resume_multipart`].
    ///
    /// # Errors
    ///
    /// As there.
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

    /// See [`Sse::complete_multipart`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn complete_multipart<'p>(
        &self,
        upload: &Upload,
        unlock: Unlock<'_>,
        parts: impl IntoIterator<Item = CompletedPart<'p>>,
    ) -> Result<CompletedUpload> {
        block_on(self.0.complete_multipart(upload, unlock, parts))
    }

    /// See [`Sse::complete_multipart_without_key`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn complete_multipart_without_key<'p>(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        parts: impl IntoIterator<Item = UnopenedPart<'p>>,
    ) -> Result<CompletionRecord> {
        block_on(self.0.complete_multipart_without_key(object, upload_id, envelope, parts))
    }

    /// See [`Sse::open_record`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open_record(&self, object: &ObjectName, record: &CompletionRecord) -> Result<OpenedRecord> {
        block_on(self.0.open_record(object, record))
    }

    /// See [`Sse::finish_completion`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn finish_completion(
        &self,
        object: &ObjectName,
        record: &CompletionRecord,
        unlock: Unlock<'_>,
    ) -> Result<CompletedUpload> {
        block_on(self.0.finish_completion(object, record, unlock))
    }

    /// See [`Sse::rewrap_record`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_record(&self, object: &ObjectName, record: &CompletionRecord) -> Result<CompletionRecord> {
        block_on(self.0.rewrap_record(object, record))
    }

    /// See [`Sse::rewrap_upload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_upload(
        &self,
        object: &ObjectName,
        upload_id: &[u8],
        envelope: &Envelope,
        unlock: Unlock<'_>,
    ) -> Result<Envelope> {
        block_on(self.0.rewrap_upload(object, upload_id, envelope, unlock))
    }

    /// See [`Sse::rewrap`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Envelope> {
        block_on(self.0.rewrap(object, envelope, unlock))
    }

    /// See [`Sse::rewrap_both_layers`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_both_layers(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Envelope> {
        block_on(self.0.rewrap_both_layers(object, envelope, unlock))
    }

    /// See [`Sse::rewrap_as`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_as(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: impl Mode,
    ) -> Result<Envelope> {
        block_on(self.0.rewrap_as(object, envelope, unlock, new_object, mode))
    }

    /// See [`Sse::rewrap_as_revoking_nothing`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn rewrap_as_revoking_nothing(
        &self,
        object: &ObjectName,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        new_object: &ObjectName,
        mode: impl Mode,
    ) -> Result<Envelope> {
        block_on(self.0.rewrap_as_revoking_nothing(object, envelope, unlock, new_object, mode))
    }
}
