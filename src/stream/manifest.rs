//! `ManifestPage` and `ListedPart`: reads a manifest, whole or by pages, and single parts.

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
    /// The same object with its manifest, as it is stored beside the envelope: the result can read the body.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: it is not the manifest that the envelope names, or the object was not uploaded in parts.
    /// [`Error::Truncated`]: it has no bytes.
    ///
    /// # Performance
    ///
    /// Allocates some 60 bytes for each part, in DSSE-KMS 84. To read a few parts of thousands, open a
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
        // The total that the envelope authenticates; a manifest that says otherwise is another one.
        let total = self.plaintext_len().ok_or(Error::Inauthentic)?;
        self.listing(PartTable::new(self.layers(), records, parts, total)?).ok_or(Error::Inauthentic)
    }

    /// Every part of the object in order; empty where it was not uploaded in parts.
    ///
    /// # Errors
    ///
    /// [`Error::ManifestRequired`].
    pub fn parts(&self) -> Result<Vec<PartInfo>> {
        let infos = |table: &PartTable| (0..table.geometry().len()).filter_map(|index| table.info(index)).collect();
        Ok(self.table()?.map_or_else(Vec::new, |table| infos(table)))
    }

    /// Where the part with this number lies: for `GET` with `partNumber`, and for stores that keep parts apart.
    ///
    /// Part 1 of an object that was not uploaded in parts is the whole object, as S3 answers it.
    ///
    /// # Errors
    ///
    /// [`PartError::NotFound`]; [`Error::ManifestRequired`]. [`PartError::EndNotVerified`]: the object was not uploaded
    /// in parts, and its length is not authenticated before [`verify_end`](Self::verify_end).
    pub fn part(&self, number: PartNumber) -> Result<PartInfo> {
        if self.is_whole(number)? {
            let lens = self.plaintext_len().zip(self.ciphertext_len());
            let (plaintext_len, ciphertext_len) = lens.ok_or(PartError::EndNotVerified(number.get()))?;
            return Ok(PartInfo { number, plaintext: 0..plaintext_len, ciphertext: 0..ciphertext_len });
        }
        self.part_and_record(number).map(|(info, _)| info)
    }

    /// Decrypts the part with this number alone, from the stored bytes that [`part`](Self::part) says, and opens the
    /// values that were sealed with it.
    ///
    /// # Errors
    ///
    /// [`PartError::NotFound`]; [`Error::ManifestRequired`].
    pub fn part_decryptor(&self, number: PartNumber) -> Result<Self> {
        if self.is_whole(number)? {
            return Ok(self.clone());
        }
        let (info, record) = self.part_and_record(number)?;
        Ok(self.of_part(&record, info.plaintext.end.saturating_sub(info.plaintext.start)))
    }

    /// Which stored bytes of the manifest to fetch to learn of these parts, counted from 0 in the order of their
    /// numbers: for objects of thousands of parts, of which one or a few are needed.
    ///
    /// What is counted behind the last part is left out.
    ///
    /// # Errors
    ///
    /// [`PartError::Page`]: no part is among them, or the object was not uploaded in parts.
    pub fn manifest_page(&self, parts: Range<u32>) -> Result<ManifestPage> {
        let (count, headers) = self.manifest().ok_or(PartError::Page)?;
        let parts = parts.start..parts.end.min(count);
        if parts.is_empty() {
            return Err(PartError::Page.into());
        }
        // The record before the first says where the first part begins.
        let first = parts.start.saturating_sub(1);
        let record = record_len(self.layers()) as u64;
        let bytes = u64::from(first).saturating_mul(record)..u64::from(parts.end).saturating_mul(record);
        let manifest = self.manifest_of(&headers)?.knowing(Some(u64::from(count).saturating_mul(record)));
        let plan = manifest.range(bytes, manifest_len(self.layers(), count)?)?;
        Ok(ManifestPage { object: self.clone(), plan, first, parts, count })
    }

    /// Whether the part with this number is the whole of an object that was not uploaded in parts.
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

    /// Decrypts the manifest with these headers.
    fn manifest_of(&self, headers: &EachLayer<MessageHeader>) -> Result<Self> {
        let message = self.keys().message_of(headers, label::MANIFEST)?;
        Ok(Self::of_message(message, self.keys(), None))
    }

    fn of_part(&self, record: &PartRecord, plaintext_len: u64) -> Self {
        let message = self.keys().message_under(&record.salts, &part_context(record.number));
        Self::of_message(message, self.keys(), Some(plaintext_len))
    }
}

/// Some of the records of a manifest: what to fetch for them, and how to open it.
#[derive(Clone, Debug)]
pub struct ManifestPage {
    object: Decryptor,
    plan: RangePlan,
    /// The index of the first record that is read, and those of the parts that were asked for.
    first: u32,
    parts: Range<u32>,
    count: u32,
}

/// A part that stands on a page of a manifest.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedPart {
    /// Its number, as it was uploaded.
    pub number: PartNumber,
    /// Where it lies in the object's plaintext, in bytes; empty where the part is.
    pub plaintext: Range<u64>,
    /// What decrypts the part alone, from its own stored bytes.
    pub decryptor: Decryptor,
}

impl ManifestPage {
    /// The stored bytes of the manifest to fetch.
    pub fn fetch(&self) -> Range<u64> {
        self.plan.fetch_span()
    }

    /// The parts, from what was fetched.
    ///
    /// Where they lie in the stored body follows from the lengths of all parts before them; a store that keeps parts
    /// apart needs no more than this.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`] and [`Error::Truncated`]: it is not of the manifest that the envelope names.
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

/// A manifest's records, sealed: what is stored, and what the envelope says of it.
pub(crate) struct SealedManifest {
    pub(crate) stored: Vec<u8>,
    pub(crate) headers: EachLayer<MessageHeader>,
}

/// Seals the records of a manifest under fresh salts.
pub(crate) fn seal_manifest(keys: &ObjectKeys, records: &[u8]) -> Result<SealedManifest> {
    let message = keys.message_under(&keys.fresh_salts()?, label::MANIFEST);
    let (stored, finished) = super::Encryptor::new(message, keys, Some(in_object(records.len()))).all(records)?;
    Ok(SealedManifest { stored, headers: finished.headers })
}
