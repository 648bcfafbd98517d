//! Encrypts one object that was stored in the clear.

use pollster::block_on;

use super::entry::Entry;
use crate::envelope::Envelope;
use crate::error::{Misuse, Result};
use crate::mode::Mode;
use crate::sse::Sse;
use crate::stream::Encryptor;

impl Entry {
    /// Begins to encrypt an object that is stored in the clear: its envelope, and what encrypts its body.
    ///
    /// Where the entry says how long the body is, that is the plaintext's length, and another one fails.
    ///
    /// # Errors
    ///
    /// [`Misuse::NotPlain`]: the entry has an envelope. As [`Sse::encryptor`].
    pub async fn encryptor(&self, sse: &Sse, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        if self.envelope().is_some() {
            return Err(Misuse::NotPlain.into());
        }
        match self.stored_len() {
            Some(len) => sse.encryptor_of_len(self.name(), mode, len).await,
            None => sse.encryptor(self.name(), mode).await,
        }
    }

    /// [`encryptor`](Self::encryptor) for those who have no runtime.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn encryptor_blocking(&self, sse: &Sse, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        block_on(self.encryptor(sse, mode))
    }
}
