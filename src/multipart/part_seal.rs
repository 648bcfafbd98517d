//! `PartSeal`: seals the receipt of one attempt at a part.

use super::receipt::Receipt;
use crate::error::{Misuse, Result};
use crate::geometry::EachLayer;
use crate::object::PartNumber;
use crate::stream::Finished;
use crate::stream::message::MessageHeader;
use crate::stream::object_keys::ObjectKeys;

/// Seals the receipt of one attempt at a part, once its [`Encryptor`](crate::Encryptor) has finished.
#[derive(Debug)]
pub struct PartSeal {
    number: PartNumber,
    headers: EachLayer<MessageHeader>,
    /// The upload's keys.
    keys: ObjectKeys,
}

impl PartSeal {
    pub(super) fn new(number: PartNumber, headers: EachLayer<MessageHeader>, keys: ObjectKeys) -> Self {
        Self { number, headers, keys }
    }

    /// Returns the part's number.
    pub fn number(&self) -> PartNumber {
        self.number
    }

    /// Seals the receipt with a label of at most 255 bytes. A completion compares the label with the one that the
    /// client lists; in S3 it is the part's ETag.
    ///
    /// Store the receipt only after the part is stored.
    ///
    /// # Errors
    ///
    /// - [`Misuse::OtherPart`]: `finished` is the result of another encryptor.
    /// - [`Misuse::LabelTooLong`]: the label is longer than 255 bytes.
    /// - [`Error::Random`](crate::Error::Random): the random generator failed.
    pub fn receipt(&self, finished: &Finished, label: &[u8]) -> Result<Receipt> {
        if finished.headers != self.headers {
            return Err(Misuse::OtherPart.into());
        }
        Receipt::seal(&self.keys.values(), self.number, finished.plaintext_len, &self.headers, label)
    }
}
