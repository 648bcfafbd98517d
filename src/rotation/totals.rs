//! [`InventoryTotals`] of an inventory, by status and key, and [`InventoryTotal`], one of them.

use std::collections::BTreeMap;

use super::inventory::InventoryRow;
use super::kms_usage::KmsUsage;
use super::table::{self, Field, Fields, Status, columns};
use super::work::WrappedUnder;
use crate::keys::KeyUsage;
use crate::sse::Sse;

/// The most keys with a total of their own. An attacker who writes the store can name any number of keys.
const MAX_TOTALS: usize = 10_000;

/// The totals of an [`Inventory`](super::Inventory), by status and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryTotals {
    totals: BTreeMap<TotalKey, InventoryTotal>,
    usage: Option<KeyUsage>,
    kms_usage: KmsUsage,
}

/// Status, key id, key version, inner key id.
type TotalKey = (Status, Option<String>, Option<u32>, Option<String>);

/// The objects and uploads with one status under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InventoryTotal {
    /// How the entries are stored.
    pub status: Status,
    /// The id of the keyring or KMS key; in DSSE-KMS that of the keyring. `None` in the total that collects all keys
    /// after the first 10,000.
    pub key_id: Option<String>,
    /// The keyring version.
    pub key_version: Option<u32>,
    /// The id of the KMS key in DSSE-KMS.
    pub inner_key_id: Option<String>,
    /// Number of objects; each version of an object counts.
    pub objects: u64,
    /// Number of multipart uploads under way.
    pub uploads: u64,
    /// Stored bytes of all bodies with a known stored length.
    pub stored_len: u64,
    /// Plaintext bytes of all bodies with a known plaintext length.
    pub plaintext_len: u64,
    /// Number of objects and uploads with a problem.
    pub problems: u64,
}

impl InventoryTotal {
    /// The header line of a CSV file of totals.
    pub const CSV_HEADER: &'static str = columns!(
        "status",
        "key_id",
        "key_version",
        "inner_key_id",
        "objects",
        "uploads",
        "stored_len",
        "plaintext_len",
        "problems",
    );

    fn new(key: TotalKey) -> Self {
        let (status, key_id, key_version, inner_key_id) = key;
        Self {
            status,
            key_id,
            key_version,
            inner_key_id,
            objects: 0,
            uploads: 0,
            stored_len: 0,
            plaintext_len: 0,
            problems: 0,
        }
    }

    fn add(&mut self, row: &InventoryRow<'_>) {
        let upload = row.entry().upload_id().is_some();
        for (total, more) in [
            (&mut self.objects, u64::from(!upload)),
            (&mut self.uploads, u64::from(upload)),
            (&mut self.stored_len, row.entry().stored_len().unwrap_or(0)),
            (&mut self.plaintext_len, row.plaintext_len().unwrap_or(0)),
            (&mut self.problems, u64::from(row.problem().is_some())),
        ] {
            *total = total.saturating_add(more);
        }
    }

    /// Returns the total as one line of CSV, line end included.
    pub fn to_csv(&self) -> String {
        self.line(table::csv)
    }

    /// Returns the total as one line of JSON, line end included.
    pub fn to_json(&self) -> String {
        self.line(table::json)
    }

    fn line(&self, write: fn(&Fields<'_>) -> String) -> String {
        let status = self.status.to_string();
        write(&[
            ("status", Field::Text(&status)),
            ("key_id", Field::text(self.key_id.as_deref())),
            ("key_version", Field::number(self.key_version.map(u64::from))),
            ("inner_key_id", Field::text(self.inner_key_id.as_deref())),
            ("objects", Field::Number(self.objects)),
            ("uploads", Field::Number(self.uploads)),
            ("stored_len", Field::Number(self.stored_len)),
            ("plaintext_len", Field::Number(self.plaintext_len)),
            ("problems", Field::Number(self.problems)),
        ])
    }
}

impl InventoryTotals {
    pub(super) fn begin(sse: &Sse) -> Self {
        let usage = sse.keyring().map(KeyUsage::begin);
        Self { totals: BTreeMap::new(), usage, kms_usage: KmsUsage::default() }
    }

    pub(super) fn add(&mut self, sse: &Sse, row: &InventoryRow<'_>) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut key: TotalKey = (row.status(), owned(row.key_id()), row.key_version(), owned(row.inner_key_id()));
        if self.totals.len() >= MAX_TOTALS && !self.totals.contains_key(&key) {
            key = (row.status(), None, None, None);
        }
        self.totals.entry(key).or_insert_with_key(|key| InventoryTotal::new(key.clone())).add(row);
        let under = match row.found() {
            Some(found) => WrappedUnder::of(sse, found),
            None if row.status() == Status::Damaged => WrappedUnder::Unclear,
            None => WrappedUnder::NOTHING,
        };
        under.count(row.entry().upload_id().is_some(), self.usage.as_mut(), Some(&mut self.kms_usage));
    }

    pub(super) fn complete(&mut self) {
        if let Some(usage) = &mut self.usage {
            usage.finish();
        }
        self.kms_usage.finish();
    }

    /// Returns all totals, ordered by status and then by key.
    pub fn totals(&self) -> impl Iterator<Item = &InventoryTotal> + '_ {
        self.totals.values()
    }

    /// Returns how many objects are wrapped under each keyring version, for
    /// [`Keyring::retire`](crate::Keyring::retire). `None` if the [`Sse`] has no keyring.
    pub fn usage(&self) -> Option<&KeyUsage> {
        self.usage.as_ref()
    }

    /// Returns how many objects are under each KMS key, to read before one is deleted.
    pub fn kms_usage(&self) -> &KmsUsage {
        &self.kms_usage
    }

    /// Returns all totals as CSV with the header line.
    pub fn to_csv(&self) -> String {
        [InventoryTotal::CSV_HEADER.to_owned()].into_iter().chain(self.totals().map(InventoryTotal::to_csv)).collect()
    }

    /// Returns all totals as JSON, one line each.
    pub fn to_json(&self) -> String {
        self.totals().map(InventoryTotal::to_json).collect()
    }
}
