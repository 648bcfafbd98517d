//! [`Receipt`] and [`PartReceipt`], the sealed and the opened record of a stored part, and [`CompletedPart`].

use std::borrow::Cow;
use std::fmt;

use crate::codec::ByteReader;
use crate::error::{Error, Misuse, PartError, Result};
use crate::geometry::{EachLayer, Layers};
use crate::object::PartNumber;
use crate::stream::message::{HEADER_LEN, MessageHeader, SALT_LEN};
use crate::stream::object_keys::ObjectKeys;
use crate::stream::{SealedValue, ValueSealer};

/// The name under which receipts are sealed.
const NAME: &str = "atrest/receipt";
pub(super) const MAX_LABEL_LEN: usize = 255;
/// How much longer a receipt is than its label, in bytes, except in DSSE-KMS.
pub(super) const RECEIPT_OVERHEAD: usize = 111;

/// The sealed record of one uploaded attempt at a part. It can be stored anywhere.
///
/// A receipt is 111 bytes longer than its label, in DSSE-KMS 208 bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Receipt(SealedValue);

impl Receipt {
    /// Creates a receipt from stored bytes. The bytes are checked when the receipt is opened.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(SealedValue::from_bytes(bytes))
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Converts the receipt into the bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    pub(super) fn seal(
        values: &ValueSealer,
        number: PartNumber,
        plaintext_len: u64,
        headers: &EachLayer<MessageHeader>,
        label: &[u8],
    ) -> Result<Self> {
        if label.len() > MAX_LABEL_LEN {
            return Err(Misuse::LabelTooLong.into());
        }
        let mut value = Vec::with_capacity(12 + 2 * HEADER_LEN + 2 + label.len());
        value.extend_from_slice(&number.get().to_be_bytes());
        value.extend_from_slice(&plaintext_len.to_be_bytes());
        headers.iter().for_each(|header| value.extend_from_slice(header.as_bytes()));
        value.extend_from_slice(&(label.len() as u16).to_be_bytes());
        value.extend_from_slice(label);
        values.seal_reserved(NAME, &value).map(Self)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receipt({} bytes)", self.as_bytes().len())
    }
}

/// An opened receipt.
#[derive(Clone)]
#[non_exhaustive]
pub struct PartReceipt {
    /// The part's number.
    pub number: PartNumber,
    /// The part's plaintext length in bytes.
    pub plaintext_len: u64,
    /// The label that the caller gave the receipt; in S3 the part's ETag.
    pub label: Vec<u8>,
    headers: EachLayer<MessageHeader>,
    keys: ObjectKeys,
}

impl PartReceipt {
    pub(super) fn open(upload: &ObjectKeys, receipt: &Receipt) -> Result<Self> {
        let value = upload.values().open_reserved(NAME, &receipt.0)?;
        let layers = upload.layers();
        Self::parse(upload, layers, &value).ok_or(Error::Inauthentic)
    }

    fn parse(upload: &ObjectKeys, layers: Layers, value: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(value, |_| ());
        let (number, plaintext_len) = (reader.u32().ok()?, reader.u64().ok()?);
        let outer = *reader.array().ok()?;
        let inner = match layers {
            Layers::One => None,
            Layers::Two => Some(*reader.array().ok()?),
        };
        let label = reader.prefixed().ok()?;
        let well_formed =
            reader.is_empty() && label.len() <= MAX_LABEL_LEN && plaintext_len <= layers.max_plaintext_len();
        let headers = EachLayer { outer, inner }.map(MessageHeader::from_bytes);
        well_formed.then_some(Self {
            number: PartNumber::any(number).ok()?,
            plaintext_len,
            label: label.to_vec(),
            headers,
            keys: upload.clone(),
        })
    }

    /// Returns the sealer of small values that belong to the part.
    pub fn values(&self) -> ValueSealer {
        self.keys.values_of(self.headers.innermost().salt())
    }

    /// Returns the length of the stored part in bytes.
    pub fn stored_len(&self) -> u64 {
        // `parse` checked that the plaintext fits into one message.
        self.headers.layers().ciphertext_len(self.plaintext_len).unwrap_or(u64::MAX)
    }

    /// Returns whether the stored part begins with this header.
    pub(super) fn is_of(&self, stored: &MessageHeader) -> bool {
        self.headers.outer == *stored
    }

    pub(super) fn salts(&self) -> EachLayer<[u8; SALT_LEN]> {
        self.headers.map(|header| header.salt())
    }
}

/// Omits the label, because it may be an ETag, and so the MD5 of the plaintext.
impl fmt::Debug for PartReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartReceipt")
            .field("number", &self.number)
            .field("plaintext_len", &self.plaintext_len)
            .finish_non_exhaustive()
    }
}

/// A part of a completion: the part that the client lists, its receipt, and the stored bytes.
#[derive(Clone)]
pub struct CompletedPart<'a> {
    pub(super) number: PartNumber,
    label: Cow<'a, [u8]>,
    receipt: &'a Receipt,
    stored_len: u64,
    stored_header: Option<&'a [u8; HEADER_LEN]>,
}

impl<'a> CompletedPart<'a> {
    /// Creates the part from the number and label in the client's list, the receipt, and the stored bytes. Only the
    /// length and the first 56 bytes of `stored` are used.
    pub fn new(number: PartNumber, label: impl Into<Cow<'a, [u8]>>, receipt: &'a Receipt, stored: &'a [u8]) -> Self {
        let (label, stored_header) = (label.into(), stored.first_chunk());
        Self { number, label, receipt, stored_len: stored.len() as u64, stored_header }
    }

    /// Creates the part without its bytes in memory, from the length of its stored bytes and the first 56 of them.
    ///
    /// # Security
    ///
    /// Read both from the stored part: they prevent another attempt at the part, which no reader could open, from being
    /// taken for this one.
    pub fn stored(
        number: PartNumber,
        label: impl Into<Cow<'a, [u8]>>,
        receipt: &'a Receipt,
        stored_len: u64,
        stored_header: &'a [u8; 56],
    ) -> Self {
        Self { number, label: label.into(), receipt, stored_len, stored_header: Some(stored_header) }
    }

    /// Checks the client's list and the stored bytes against the receipt.
    pub(super) fn check(&self, upload: &ObjectKeys) -> Result<PartReceipt> {
        let receipt = PartReceipt::open(upload, self.receipt)?;
        if receipt.number != self.number || receipt.label != *self.label {
            return Err(PartError::Invalid(self.number.get()).into());
        }
        let is_stored =
            self.stored_len == receipt.stored_len() && self.stored_header == Some(receipt.headers.outer.as_bytes());
        if is_stored { Ok(receipt) } else { Err(Error::Inauthentic) }
    }
}

/// Omits the stored header, because the commitment in it is made from a key, and the label, because it may be an ETag
/// and so the MD5 of the plaintext.
impl fmt::Debug for CompletedPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletedPart")
            .field("number", &self.number)
            .field("receipt", &self.receipt)
            .field("stored_len", &self.stored_len)
            .finish_non_exhaustive()
    }
}
