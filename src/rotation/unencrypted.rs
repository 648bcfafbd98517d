//! `Entry::encryptor`, which encrypts one unencrypted object.

use super::blocking::BlockingEntry;
use super::entry::Entry;
use crate::envelope::Envelope;
use crate::error::{Misuse, Result};
use crate::mode::Mode;
use crate::sse::Sse;
use crate::stream::Encryptor;

impl Entry {
    /// Returns the envelope and the [`Encryptor`] for an unencrypted object.
    ///
    /// If the entry has a stored length, the plaintext must have exactly that length.
    ///
    /// # Errors
    ///
    /// [`Misuse::AlreadyEncrypted`]: the entry has an envelope; and those of [`Sse::encryptor`].
    pub async fn encryptor(&self, sse: &Sse, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        if self.envelope().is_some() {
            return Err(Misuse::AlreadyEncrypted.into());
        }
        match self.stored_len() {
            Some(len) => sse.encryptor_of_len(self.name(), mode, len).await,
            None => sse.encryptor(self.name(), mode).await,
        }
    }

    /// Returns the same entry with a synchronous `encryptor`, for callers without a runtime.
    pub fn blocking(&self) -> BlockingEntry<'_> {
        BlockingEntry::new(self)
    }
}
