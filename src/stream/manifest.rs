//! [`ManifestPage`] and [`ListedPart`]: reads a manifest, whole or by pages, and single parts.

use std::ops::Range;

use super::decryptor::Decryptor;
use super::message::MessageHeader;
use super::object_keys::ObjectKeys;
use super::parts::{PartInfo, PartRecord, PartTable, manifest_len, part_context, record_len};
use super::range::RangePlan;
use crate::crypto::label;
use crate::error::{Error, PartError, Result};
use crate::geometry::{EachLayer, in_object};
use crate::object::PartNumber;

impl Decryptor {
    /// Returns a decryptor that can read the body, from the manifest that is stored beside the envelope.
    ///
    /// # Errors
    ///
    /// - [`Error::Inauthentic`] if the envelope names another manifest, or the object was not uploaded in parts.
    /// - [`Error::Truncated`] if the manifest is empty.
    ///
    /// # Performance
    ///
    /// Allocates about 60 bytes for each part, in DSSE-KMS 84. To read a few parts of thousands, open a
    /// [page](Self::manifest_page).
    pub fn with_manifest(&self, manifest: &[u8]) -> Result<Self> {
        let (parts, headers) = self.manifest().ok_or(Error::Inauthentic)?;
        if manifest.is_empty() {
            return Err(Error::Truncated);
        }
        if in_object(manifest.len()) != manifest_len(self.layers(), parts)? {
            return Err(Error::Inauthentic);
        }
        let records = self.manifest_of(&headers)?.sequential().all(manifest)?;
        // The envelope authenticates this total; a manifest with another total is the wrong one.
        let total = self.plaintext_len().ok_or(Error::Inauthentic)?;
        self.listing(PartTable::new(self.layers(), records, parts, total)?).ok_or(Error::Inauthentic)
    }

    /// Returns every part of the object in order; empty if it was not uploaded in parts.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ManifestRequired`] if the object has parts and no manifest was given.
    pub fn parts(&self) -> Result<Vec<PartInfo>> {
        let infos = |table: &PartTable| (0..table.geometry().len()).filter_map(|index| table.info(index)).collect();
        Ok(self.table()?.map_or_else(Vec::new, |table| infos(table)))
    }

    /// Returns the position of the part with this number: for `GET` with `partNumber`, and for stores that keep parts
    /// separately.
    ///
    /// Part 1 of an object that was not uploaded in parts is the whole object, as in S3.
    ///
    /// # Errors
    ///
    /// - [`PartError::NotFound`] if the object has no such part.
    /// - [`Error::ManifestRequired`] if the object has parts and no manifest was given.
    /// - [`PartError::EndNotVerified`] if the object was not uploaded in parts and its length is not authenticated;
    ///   call [`verify_end`](Self::verify_end) first.
    pub fn part(&self, number: PartNumber) -> Result<PartInfo> {
        if self.is_whole(number)? {
            let lens = self.plaintext_len().zip(self.ciphertext_len());
            let (plaintext_len, ciphertext_len) = lens.ok_or(PartError::EndNotVerified(number.get()))?;
            return Ok(PartInfo { number, plaintext: 0..plaintext_len, ciphertext: 0..ciphertext_len });
        }
        self.part_and_record(number).map(|(info, _)| info)
    }

    /// Returns a decryptor of the part with this number, which reads the stored bytes that [`part`](Self::part) returns
    /// and opens the values that were sealed with the part.
    ///
    /// # Errors
    ///
    /// Returns [`PartError::NotFound`] if the object has no such part, and [`Error::ManifestRequired`] if the object
    /// has parts and no manifest was given.
    pub fn part_decryptor(&self, number: PartNumber) -> Result<Self> {
        if self.is_whole(number)? {
            return Ok(self.clone());
        }
        let (info, record) = self.part_and_record(number)?;
        Ok(self.of_part(&record, info.plaintext.end.saturating_sub(info.plaintext.start)))
    }

    /// Plans which stored bytes of the manifest to fetch for these parts, counted from 0 in the order of their numbers:
    /// for reading a few parts of an object that has thousands.
    ///
    /// The range is clipped at the last part.
    ///
    /// # Errors
    ///
    /// Returns [`PartError::Page`] if the range holds no part, or the object was not uploaded in parts.
    pub fn manifest_page(&self, parts: Range<u32>) -> Result<ManifestPage> {
        let (count, headers) = self.manifest().ok_or(PartError::Page)?;
        let parts = parts.start..parts.end.min(count);
        if parts.is_empty() {
            return Err(PartError::Page.into());
        }
        // The record before the first part gives the start of that part.
        let first = parts.start.saturating_sub(1);
        let record = record_len(self.layers()) as u64;
        let bytes = u64::from(first).saturating_mul(record)..u64::from(parts.end).saturating_mul(record);
        let manifest = self.manifest_of(&headers)?.knowing(Some(u64::from(count).saturating_mul(record)));
        let plan = manifest.range(bytes, manifest_len(self.layers(), count)?)?;
        Ok(ManifestPage { object: self.clone(), plan, first, parts, count })
    }

    /// Returns whether the part with this number is the whole of an object that was not uploaded in parts.
    fn is_whole(&self, number: PartNumber) -> Result<bool> {
        Ok(number.get() == 1 && self.table()?.is_none())
    }

    fn part_and_record(&self, number: PartNumber) -> Result<(PartInfo, PartRecord)> {
        let found = self.table()?.and_then(|table| {
            let index = table.index_of_number(number.get())?;
            Some((table.info(index)?, table.record(index)?))
        });
        found.ok_or(PartError::NotFound(number.get()).into())
    }

    /// Returns a decryptor of the manifest with these headers.
    fn manifest_of(&self, headers: &EachLayer<MessageHeader>) -> Result<Self> {
        let message = self.keys().message_of(headers, label::MANIFEST)?;
        Ok(Self::of_message(message, self.keys().clone(), None))
    }

    fn of_part(&self, record: &PartRecord, plaintext_len: u64) -> Self {
        let message = self.keys().message_under(&record.salts, &part_context(record.number));
        Self::of_message(message, self.keys().clone(), Some(plaintext_len))
    }
}

/// A range of a manifest's records: which stored bytes to fetch, and how to open them.
#[derive(Clone, Debug)]
pub struct ManifestPage {
    object: Decryptor,
    plan: RangePlan,
    /// The index of the first record that is read; `parts` holds the indices of the requested parts.
    first: u32,
    parts: Range<u32>,
    count: u32,
}

/// A part that a page of a manifest lists.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedPart {
    /// The part's number, as it was uploaded.
    pub number: PartNumber,
    /// The part's range in the object's plaintext, in bytes; empty if the part is empty.
    pub plaintext: Range<u64>,
    /// The decryptor of the part alone, which reads the part's own stored bytes.
    pub decryptor: Decryptor,
}

impl ManifestPage {
    /// Returns the range of the stored manifest to fetch.
    pub fn fetch(&self) -> Range<u64> {
        self.plan.fetch_span()
    }

    /// Opens the fetched bytes and returns the parts.
    ///
    /// The position of a part in the stored body depends on the lengths of all earlier parts; a store that keeps parts
    /// separately does not need it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] or [`Error::Truncated`] if the bytes are not those of the manifest that the
    /// envelope names.
    pub fn open(&self, fetched: &[u8]) -> Result<Vec<ListedPart>> {
        let layers = self.object.layers();
        let records = self.plan.decrypt(fetched)?;
        let total = self.object.plaintext_len().ok_or(Error::Inauthentic)?;
        let (mut start, mut number) = (0, 0);
        let mut listed = Vec::new();
        for (index, record) in (self.first..).zip(records.chunks(record_len(layers))) {
            let record = PartRecord::decode(layers, record).ok_or(Error::Inauthentic)?;
            let last = index.saturating_add(1) == self.count;
            let len = record.plaintext_end.checked_sub(start).ok_or(Error::Inauthentic)?;
            let ends_well = if last { record.plaintext_end == total } else { record.plaintext_end <= total };
            if record.number <= number || !ends_well {
                return Err(Error::Inauthentic);
            }
            if self.parts.contains(&index) {
                layers.ciphertext_len(len).ok_or(Error::Inauthentic)?;
                listed.push(ListedPart {
                    number: PartNumber::any(record.number).map_err(|_| Error::Inauthentic)?,
                    plaintext: start..record.plaintext_end,
                    decryptor: self.object.of_part(&record, len),
                });
            }
            (start, number) = (record.plaintext_end, record.number);
        }
        Ok(listed)
    }
}

/// The sealed records of a manifest: the bytes to store, and the headers for the envelope.
pub(crate) struct SealedManifest {
    pub(crate) stored: Vec<u8>,
    pub(crate) headers: EachLayer<MessageHeader>,
}

/// Seals the records of a manifest under fresh salts.
pub(crate) fn seal_manifest(keys: &ObjectKeys, records: &[u8]) -> Result<SealedManifest> {
    let message = keys.message_under(&keys.fresh_salts()?, label::MANIFEST);
    let mut encryptor = super::Encryptor::new(message, keys.clone(), Some(in_object(records.len())));
    let (stored, finished) = encryptor.all(records)?;
    Ok(SealedManifest { stored, headers: finished.headers })
}
