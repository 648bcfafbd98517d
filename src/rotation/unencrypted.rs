//! `Entry::encryptor`, which encrypts one unencrypted object.

use pollster::block_on;

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

    /// Blocking form of [`encryptor`](Self::encryptor).
    ///
    /// # Errors
    ///
    /// Those of [`encryptor`](Self::encryptor).
    pub fn encryptor_blocking(&self, sse: &Sse, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        block_on(self.encryptor(sse, mode))
    }
}
