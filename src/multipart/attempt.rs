//! [`KeptAttempt`], the record of one attempt at a part, and [`UnopenedPart`], a part of a completion without the key.

use std::fmt;

use super::receipt::{MAX_LABEL_LEN, RECEIPT_OVERHEAD, Receipt};
use super::record::{RecordContents, RecordPart};
use crate::codec::ByteReader;
use crate::envelope::{Envelope, ModeId};
use crate::error::{EnvelopeError, Error, Limit, Misuse, PartError, Result};
use crate::geometry::{Layers, MAX_MULTIPART_PLAINTEXT_LEN, MAX_PARTS};
use crate::object::PartNumber;
use crate::stream::message::HEADER_LEN;

const MAGIC: [u8; 8] = *b"\x89ARSA\r\n\x1a";
const VERSION: u8 = 1;

/// The record of one attempt at a part: number, stored length, the first 56 stored bytes, label and receipt.
///
/// A service stores its [bytes](Self::to_bytes) beside the stored part. With them it answers ListParts and completes an
/// SSE-C upload, both without a key.
///
/// # Security
///
/// The label is stored unsealed, so it must reveal nothing about the plaintext. Use a random ETag, not an MD5 of the
/// plaintext.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAttempt {
    number: PartNumber,
    stored_len: u64,
    stored_header: [u8; HEADER_LEN],
    label: Vec<u8>,
    receipt: Receipt,
}

impl KeptAttempt {
    /// Creates the record of a part that was stored as these bytes. The label is that of the receipt.
    ///
    /// # Errors
    ///
    /// - [`Error::Truncated`]: the stored bytes are shorter than any part.
    /// - [`Misuse::LabelTooLong`]: the label is longer than 255 bytes.
    pub fn new(number: PartNumber, label: &[u8], receipt: Receipt, stored: &[u8]) -> Result<Self> {
        let header = stored.first_chunk().ok_or(Error::Truncated)?;
        Self::stored(number, label, receipt, stored.len() as u64, header)
    }

    /// Creates the record of a part that is not in memory, from the length of its stored bytes and the first 56 of
    /// them.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::LabelTooLong`] if the label is longer than 255 bytes.
    pub fn stored(
        number: PartNumber,
        label: &[u8],
        receipt: Receipt,
        stored_len: u64,
        stored_header: &[u8; 56],
    ) -> Result<Self> {
        if label.len() > MAX_LABEL_LEN {
            return Err(Misuse::LabelTooLong.into());
        }
        Ok(Self { number, stored_len, stored_header: *stored_header, label: label.to_vec(), receipt })
    }

    /// Returns the part's number.
    pub fn number(&self) -> PartNumber {
        self.number
    }

    /// Returns the length of the stored part in bytes.
    pub fn stored_len(&self) -> u64 {
        self.stored_len
    }

    /// Returns the plaintext length of the part in bytes, for an upload in this mode: the size that ListParts answers.
    /// `None` if no part has such a stored length.
    pub fn plaintext_len(&self, mode: ModeId) -> Option<u64> {
        mode.plaintext_len(self.stored_len)
    }

    /// Returns the label of the receipt; in S3 the part's ETag.
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    /// Returns the sealed receipt.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// Encodes the record.
    ///
    /// Layout: `magic(8) || version(1) || u32 number || u64 stored_len || header(56) || u16 label length || label ||
    /// receipt`, integers big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [&MAGIC[..], &[VERSION]].concat();
        bytes.extend_from_slice(&self.number.get().to_be_bytes());
        bytes.extend_from_slice(&self.stored_len.to_be_bytes());
        bytes.extend_from_slice(&self.stored_header);
        bytes.extend_from_slice(&(self.label.len() as u16).to_be_bytes()); // at most 255: `stored` checked it
        bytes.extend_from_slice(&self.label);
        bytes.extend_from_slice(self.receipt.as_bytes());
        bytes
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// - [`EnvelopeError::Malformed`]: the bytes are not a record of an attempt.
    /// - [`EnvelopeError::UnsupportedVersion`]: the version is not 1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let malformed = |_| EnvelopeError::Malformed("the bytes of a kept attempt at a part");
        let mut reader = ByteReader::new(bytes, malformed);
        let [magic @ .., version] = *reader.array::<9>()?;
        if magic != MAGIC {
            return Err(malformed("").into());
        }
        if version != VERSION {
            return Err(EnvelopeError::UnsupportedVersion(version).into());
        }
        let (number, stored_len, stored_header) = (reader.u32()?, reader.u64()?, reader.array()?);
        let (label, receipt) = (reader.prefixed()?, Receipt::from_bytes(reader.rest()));
        let number = PartNumber::any(number).map_err(|_| malformed(""))?;
        Ok(Self::stored(number, label, receipt, stored_len, stored_header).map_err(|_| malformed(""))?)
    }
}

/// Omits the stored header, because the commitment in it is made from a key.
impl fmt::Debug for KeptAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptAttempt")
            .field("number", &self.number)
            .field("stored_len", &self.stored_len)
            .field("label_len", &self.label.len())
            .finish_non_exhaustive()
    }
}

/// A part of an SSE-C upload that is completed without its key: the part that the client lists, the record that the
/// service keeps, and the stored bytes.
#[derive(Clone, Copy)]
pub struct UnopenedPart<'a> {
    number: PartNumber,
    label: &'a [u8],
    kept: &'a KeptAttempt,
    stored_len: u64,
    stored_header: Option<&'a [u8; HEADER_LEN]>,
}

impl<'a> UnopenedPart<'a> {
    /// Creates the part from the number and label in the client's list, the record that the service keeps under that
    /// label, and the stored bytes. Only the length and the first 56 bytes of `stored` are used.
    pub fn new(number: PartNumber, label: &'a [u8], kept: &'a KeptAttempt, stored: &'a [u8]) -> Self {
        Self { number, label, kept, stored_len: stored.len() as u64, stored_header: stored.first_chunk() }
    }

    /// Creates the part without its bytes in memory, from the length of its stored bytes and the first 56 of them.
    ///
    /// # Security
    ///
    /// Read both from the stored part, not from the service's record: they prevent another attempt at the part from
    /// being taken for this one.
    pub fn stored(
        number: PartNumber,
        label: &'a [u8],
        kept: &'a KeptAttempt,
        stored_len: u64,
        stored_header: &'a [u8; 56],
    ) -> Self {
        Self { number, label, kept, stored_len, stored_header: Some(stored_header) }
    }

    /// Checks the client's list and the stored bytes against the service's record.
    fn check(&self) -> Result<RecordPart<'a>> {
        let (number, kept) = (self.number.get(), self.kept);
        if kept.number != self.number || kept.label != self.label {
            return Err(PartError::Invalid(number).into());
        }
        let is_stored = self.stored_len == kept.stored_len && self.stored_header == Some(&kept.stored_header);
        let is_sealed = kept.receipt.as_bytes().len() == RECEIPT_OVERHEAD + kept.label.len();
        let plaintext_len = kept.plaintext_len(ModeId::SseC).filter(|_| is_stored && is_sealed);
        Ok(RecordPart {
            number,
            plaintext_len: plaintext_len.ok_or(Error::Inauthentic)?,
            header: &kept.stored_header,
            receipt: kept.receipt.as_bytes(),
            label: &kept.label,
        })
    }
}

impl fmt::Debug for UnopenedPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnopenedPart")
            .field("number", &self.number)
            .field("kept", &self.kept)
            .field("stored_len", &self.stored_len)
            .finish_non_exhaustive()
    }
}

/// Checks all parts and collects the content of their completion record.
pub(crate) fn contents<'p>(
    upload_id: &[u8],
    envelope: &Envelope,
    parts: impl IntoIterator<Item = UnopenedPart<'p>>,
) -> Result<RecordContents> {
    let (mut listed, mut before, mut total) = (Vec::new(), 0, 0_u64);
    for part in parts {
        let number = part.number.get();
        if number <= before {
            return Err(PartError::Order(number).into());
        }
        if listed.len() == MAX_PARTS {
            return Err(Limit::Multipart.into());
        }
        let part = part.check()?;
        total = total.saturating_add(part.plaintext_len);
        if part.plaintext_len > Layers::One.max_plaintext_len() || total > MAX_MULTIPART_PLAINTEXT_LEN {
            return Err(Limit::Multipart.into());
        }
        listed.push(part);
        before = number;
    }
    if listed.is_empty() {
        return Err(PartError::None.into());
    }
    RecordContents::new(upload_id, envelope, &listed)
}
