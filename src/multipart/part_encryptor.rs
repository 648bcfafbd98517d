//! What encrypts one attempt at a part.

use bytes::BytesMut;

use super::receipt::Receipt;
use crate::error::Result;
use crate::object::PartNumber;
use crate::stream::each_layer::EachLayer;
use crate::stream::message::MessageHeader;
use crate::stream::value::Values;
use crate::stream::{Encryptor, Progress, SealedValue};

/// Encrypts one attempt at a part, in order, into the caller's memory: as [`Encryptor`] does an object, but for the
/// receipt in the end.
///
/// Dropping it instead of finishing leaves bytes that no completion takes.
#[derive(Debug)]
pub struct PartEncryptor {
    number: PartNumber,
    encryptor: Encryptor,
    headers: EachLayer<MessageHeader>,
    /// Of the upload.
    receipts: Values,
}

impl PartEncryptor {
    /// The most that [`finish`](Self::finish) ever gives, in bytes: an output of this length always has room.
    pub const MAX_FINISH_LEN: usize = Encryptor::MAX_FINISH_LEN;

    pub(super) fn new(
        number: PartNumber,
        encryptor: Encryptor,
        headers: EachLayer<MessageHeader>,
        receipts: Values,
    ) -> Self {
        Self { number, encryptor, headers, receipts }
    }

    /// The part's number.
    pub fn number(&self) -> PartNumber {
        self.number
    }

    /// See [`Encryptor::update`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.encryptor.update(input, output)
    }

    /// See [`Encryptor::finish_len`].
    pub fn finish_len(&self) -> usize {
        self.encryptor.finish_len()
    }

    /// Gives the rest of the part, says how many bytes it was, and gives the receipt: with a label of at most 255 bytes,
    /// which completion compares with what the client lists (an S3 server's ETag).
    ///
    /// Store the receipt when the part is stored, not before.
    ///
    /// # Errors
    ///
    /// As [`Encryptor::finish`]; [`Misuse::LabelTooLong`](crate::error::Misuse::LabelTooLong);
    /// [`Error::Random`](crate::Error::Random).
    pub fn finish(self, output: &mut [u8], label: &[u8]) -> Result<(usize, Receipt)> {
        let receipt = self.receipt(label)?;
        Ok((self.encryptor.finish(output)?, receipt))
    }

    /// See [`Encryptor::push`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<()> {
        self.encryptor.push(input, output)
    }

    /// [`finish`](Self::finish), appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_into(self, output: &mut BytesMut, label: &[u8]) -> Result<Receipt> {
        let receipt = self.receipt(label)?;
        self.encryptor.finish_into(output)?;
        Ok(receipt)
    }

    /// Seals a small value that belongs to this part, as [`Encryptor::seal_value`]. Opened by
    /// [`PartReceipt::open_value`](super::PartReceipt::open_value) while the upload is under way, and then by
    /// [`Decryptor::part_decryptor`](crate::Decryptor::part_decryptor).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn seal_value(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        self.encryptor.seal_value(name, value)
    }

    /// As [`Encryptor::random_digits`].
    #[cfg(feature = "s3")]
    pub(crate) fn random_digits(&self) -> Result<[u8; 16]> {
        self.encryptor.random_digits()
    }

    /// The whole part at once.
    pub(super) fn all(self, plaintext: &[u8], label: &[u8]) -> Result<(Vec<u8>, Receipt)> {
        let len = plaintext.len() as u64;
        let receipt = Receipt::seal(&self.receipts, self.number, len, &self.headers, label)?;
        Ok((self.encryptor.all(plaintext)?, receipt))
    }

    /// What was taken so far is the part.
    fn receipt(&self, label: &[u8]) -> Result<Receipt> {
        Receipt::seal(&self.receipts, self.number, self.encryptor.plaintext_taken(), &self.headers, label)
    }
}
