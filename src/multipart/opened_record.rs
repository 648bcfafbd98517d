//! [`OpenedRecord`], a verified completion record, and [`RecordedTotal`], the length that a service keeps beside one.

use std::fmt;

use super::receipt::{PartReceipt, Receipt};
use super::record::{CompletionRecord, TAG_LEN};
use super::{CheckedParts, Upload};
use crate::codec::ByteReader;
use crate::crypto::constant_time_eq;
use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{EnvelopeError, Error, Result};
use crate::geometry::{Layers, Parts};
use crate::object::PartNumber;
use crate::stream::message::MessageHeader;
use crate::stream::parts::{PartInfo, PartRecord};

/// A verified completion record. It answers HEAD, GetObjectAttributes and lists without the customer key.
///
/// Its content is authentic: the service wrote it when the upload was completed. Whether the parts open under the
/// customer key is known only when a request brings that key.
#[derive(Clone)]
pub struct OpenedRecord {
    record: CompletionRecord,
    envelope: Envelope,
    geometry: Parts,
}

impl OpenedRecord {
    /// Checks the content of a record whose tag was verified before.
    ///
    /// # Errors
    ///
    /// - [`EnvelopeError::Malformed`]: the embedded envelope is not that of an SSE-C upload.
    /// - [`Error::Inauthentic`]: the part numbers, the lengths or their total are wrong.
    pub(crate) fn new(record: &CompletionRecord) -> Result<Self> {
        let embedded = || EnvelopeError::Malformed("the envelope in the completion record");
        let envelope = Envelope::decode(record.envelope()).map_err(|_| embedded())?;
        let of_upload = envelope.state() == EnvelopeState::Upload && envelope.is_bound();
        if envelope.mode() != ModeId::SseC || !of_upload {
            return Err(embedded().into());
        }
        let (mut before, mut end, mut ends) = (0, 0_u64, Vec::new());
        for part in record.each_part() {
            if part.number <= before {
                return Err(Error::Inauthentic);
            }
            before = part.number;
            end = end.checked_add(part.plaintext_len).ok_or(Error::Inauthentic)?;
            ends.push(end);
        }
        let geometry = Parts::new(Layers::One, ends).ok_or(Error::Inauthentic)?;
        Ok(Self { record: record.clone(), envelope, geometry })
    }

    /// Returns the record.
    pub fn record(&self) -> &CompletionRecord {
        &self.record
    }

    /// Returns the id of the completed upload. The parts that are stored under it must stay.
    pub fn upload_id(&self) -> &[u8] {
        self.record.upload_id()
    }

    /// Returns the plaintext length of the object in bytes, authenticated.
    pub fn plaintext_len(&self) -> u64 {
        self.geometry.plaintext_len()
    }

    /// Returns the length of the stored body in bytes, authenticated.
    pub fn ciphertext_len(&self) -> u64 {
        self.geometry.ciphertext_len()
    }

    /// Returns every part of the object in order, with its label.
    pub fn parts(&self) -> impl Iterator<Item = RecordedPart<'_>> {
        self.record.each_part().enumerate().filter_map(|(index, part)| {
            let number = PartNumber::any(part.number).ok()?;
            let plaintext = self.geometry.plaintext_range(index)?;
            let ciphertext = self.geometry.ciphertext_range(index)?;
            Some(RecordedPart { info: PartInfo { number, plaintext, ciphertext }, label: part.label })
        })
    }

    /// Returns the plaintext length to keep beside the record, so that a listing need not verify the whole record.
    pub fn total(&self) -> RecordedTotal {
        RecordedTotal { plaintext_len: self.plaintext_len(), tag: *self.record.tag() }
    }

    /// Returns the upload's envelope.
    pub(crate) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Opens every receipt, compares it with the record, and collects the records of the manifest.
    pub(crate) fn list(&self, upload: &Upload) -> Result<CheckedParts> {
        let mut records = Vec::new();
        let mut count = 0;
        for (index, part) in self.record.each_part().enumerate() {
            let receipt = PartReceipt::open(upload.keys(), &Receipt::from_bytes(part.receipt))?;
            let agrees = receipt.number.get() == part.number
                && receipt.plaintext_len == part.plaintext_len
                && receipt.label == part.label
                && receipt.is_of(&MessageHeader::from_bytes(*part.header));
            if !agrees {
                return Err(Error::Inauthentic);
            }
            let plaintext_end = self.geometry.plaintext_range(index).ok_or(Error::Inauthentic)?.end;
            PartRecord { number: part.number, plaintext_end, salts: receipt.salts() }.encode(&mut records);
            count += 1;
        }
        Ok(CheckedParts { records, count, plaintext_len: self.plaintext_len() })
    }
}

impl fmt::Debug for OpenedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenedRecord")
            .field("record", &self.record)
            .field("plaintext_len", &self.plaintext_len())
            .finish_non_exhaustive()
    }
}

/// One part in an [`OpenedRecord`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedPart<'a> {
    /// The part's number, and its place in the object and in the stored body.
    pub info: PartInfo,
    /// The part's label, as the client listed it.
    pub label: &'a [u8],
}

/// The plaintext length of an object that has a completion record, and the tag of that record. A listing reads the
/// total instead of the record. Store both in the same commit.
///
/// # Security
///
/// The bytes are not authenticated. An attacker who writes the store can make a listing show a wrong size until the
/// record is opened. No read depends on them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecordedTotal {
    plaintext_len: u64,
    tag: [u8; TAG_LEN],
}

impl RecordedTotal {
    const MAGIC: [u8; 8] = *b"\x89ARSL\r\n\x1a";
    const VERSION: u8 = 1;

    /// Returns the plaintext length of the object in bytes.
    pub fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    /// Returns whether this total was made from this record. It is false after a rewrap or another completion.
    pub fn belongs_to(&self, record: &CompletionRecord) -> bool {
        constant_time_eq(&self.tag, record.tag())
    }

    /// Encodes the total: `magic(8) || version(1) || u64 plaintext_len || tag(32)`, 49 bytes.
    pub fn to_bytes(&self) -> [u8; 49] {
        let mut bytes = [0; 49];
        bytes[..8].copy_from_slice(&Self::MAGIC);
        bytes[8] = Self::VERSION;
        bytes[9..17].copy_from_slice(&self.plaintext_len.to_be_bytes());
        bytes[17..].copy_from_slice(&self.tag);
        bytes
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    ///
    /// - [`EnvelopeError::Malformed`]: the bytes are not a total.
    /// - [`EnvelopeError::UnsupportedVersion`]: the version is not 1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let malformed = |_| EnvelopeError::Malformed("the bytes of the total of a completion record");
        let mut reader = ByteReader::new(bytes, malformed);
        let [magic @ .., version] = *reader.array::<9>()?;
        if magic != Self::MAGIC {
            return Err(malformed("").into());
        }
        if version != Self::VERSION {
            return Err(EnvelopeError::UnsupportedVersion(version).into());
        }
        let total = Self { plaintext_len: reader.u64()?, tag: *reader.array()? };
        reader.finish()?;
        Ok(total)
    }
}

/// Omits the tag, because it is made from a key.
impl fmt::Debug for RecordedTotal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedTotal").field("plaintext_len", &self.plaintext_len).finish_non_exhaustive()
    }
}
