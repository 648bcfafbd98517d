//! [`PartInfo`] and `PartTable`: the parts of a multipart object, as its manifest lists them.

use std::ops::Range;

use super::message::SALT_LEN;
use crate::crypto::label;
use crate::error::{Error, Limit, Result};
use crate::geometry::{EachLayer, Layers, Parts};
use crate::object::PartNumber;

/// Length of a record before its salts: part number and plaintext end.
const PLACE_LEN: usize = 12;

/// The position of one part of a multipart object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PartInfo {
    /// The part's number, as it was uploaded.
    pub number: PartNumber,
    /// The part's range in the object's plaintext, in bytes; empty if the part is empty.
    pub plaintext: Range<u64>,
    /// The part's range in the stored body, in bytes.
    pub ciphertext: Range<u64>,
}

/// One part, as a manifest records it.
#[derive(Clone)]
pub(crate) struct PartRecord {
    pub(crate) number: u32,
    pub(crate) plaintext_end: u64,
    pub(crate) salts: EachLayer<[u8; SALT_LEN]>,
}

/// Returns the length of one record of a manifest.
pub(crate) const fn record_len(layers: Layers) -> usize {
    match layers {
        Layers::One => PLACE_LEN + SALT_LEN,
        Layers::Two => PLACE_LEN + 2 * SALT_LEN,
    }
}

impl PartRecord {
    pub(crate) fn encode(&self, records: &mut Vec<u8>) {
        records.extend_from_slice(&self.number.to_be_bytes());
        records.extend_from_slice(&self.plaintext_end.to_be_bytes());
        self.salts.iter().for_each(|salt| records.extend_from_slice(salt));
    }

    /// Decodes a record; returns `None` if `record` is too short.
    pub(crate) fn decode(layers: Layers, record: &[u8]) -> Option<Self> {
        let (number, rest) = record.split_first_chunk()?;
        let (plaintext_end, rest) = rest.split_first_chunk()?;
        let (outer, rest) = rest.split_first_chunk()?;
        let inner = match layers {
            Layers::One => None,
            Layers::Two => Some(*rest.first_chunk()?),
        };
        Some(Self {
            number: u32::from_be_bytes(*number),
            plaintext_end: u64::from_be_bytes(*plaintext_end),
            salts: EachLayer { outer: *outer, inner },
        })
    }
}

/// Returns the context of a part's message.
pub(crate) fn part_context(number: u32) -> Vec<u8> {
    [label::PART, &number.to_be_bytes()].concat()
}

/// All parts of an object: their positions, and the records that open their messages.
pub(crate) struct PartTable {
    geometry: Parts,
    numbers: Vec<u32>,
    /// The encoded records, kept for their salts.
    records: Vec<u8>,
}

impl PartTable {
    /// Creates a table from a manifest's records and the part count and length in the envelope.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the records contradict the envelope or each other.
    pub(crate) fn new(layers: Layers, records: Vec<u8>, count: u32, plaintext_len: u64) -> Result<Self> {
        let decoded = || records.chunks(record_len(layers)).map(|record| PartRecord::decode(layers, record));
        let mut numbers = Vec::with_capacity(records.len() / record_len(layers));
        for record in decoded() {
            let number = record.ok_or(Error::Inauthentic)?.number;
            if number <= numbers.last().copied().unwrap_or(0) {
                return Err(Error::Inauthentic);
            }
            numbers.push(number);
        }
        let ends = decoded().flatten().map(|record| record.plaintext_end);
        let geometry = Parts::new(layers, ends).ok_or(Error::Inauthentic)?;
        let agrees = u32::try_from(numbers.len()) == Ok(count) && geometry.plaintext_len() == plaintext_len;
        if agrees { Ok(Self { geometry, numbers, records }) } else { Err(Error::Inauthentic) }
    }

    pub(crate) fn geometry(&self) -> &Parts {
        &self.geometry
    }

    /// Returns the index of the part with this number.
    pub(crate) fn index_of_number(&self, number: u32) -> Option<usize> {
        self.numbers.binary_search(&number).ok()
    }

    pub(crate) fn info(&self, index: usize) -> Option<PartInfo> {
        Some(PartInfo {
            number: PartNumber::any(*self.numbers.get(index)?).ok()?,
            plaintext: self.geometry.plaintext_range(index)?,
            ciphertext: self.geometry.ciphertext_range(index)?,
        })
    }

    pub(crate) fn record(&self, index: usize) -> Option<PartRecord> {
        let layers = self.geometry.layers();
        let start = index.checked_mul(record_len(layers))?;
        PartRecord::decode(layers, self.records.get(start..)?)
    }
}

impl std::fmt::Debug for PartTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PartTable({} parts)", self.numbers.len())
    }
}

/// Returns the number of stored bytes of a manifest of `parts` parts.
pub(crate) fn manifest_len(layers: Layers, parts: u32) -> Result<u64> {
    let records = u64::from(parts).checked_mul(record_len(layers) as u64).ok_or(Limit::Multipart)?;
    layers.ciphertext_len(records).ok_or(Limit::Multipart.into())
}
