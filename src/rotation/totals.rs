//! What an inventory adds up to.

use std::collections::BTreeMap;

use super::inventory::Row;
use super::table::{self, Field, Fields, Status, columns};
use super::work::Under;
use crate::keys::KeyUsage;
use crate::sse::Sse;

/// The most keys that have a total of their own: whoever writes the store can name any.
const MAX_TOTALS: usize = 10_000;

/// What an [`Inventory`](super::Inventory) adds up to, by status and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    totals: BTreeMap<Of, Total>,
    usage: Option<KeyUsage>,
}

/// Status, key id, key version, inner key id.
type Of = (Status, Option<String>, Option<u32>, Option<String>);

/// What is stored one way, under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Total {
    /// How it is stored.
    pub status: Status,
    /// The keyring's id or the KMS key's; of DSSE-KMS the keyring's. None for all keys together that have no total of
    /// their own, after the first 10,000.
    pub key_id: Option<String>,
    /// The version of the keyring.
    pub key_version: Option<u32>,
    /// The KMS key's id of DSSE-KMS.
    pub inner_key_id: Option<String>,
    /// Objects, each version of one by itself.
    pub objects: u64,
    /// Multipart uploads under way.
    pub uploads: u64,
    /// Stored bytes of all bodies whose length was given.
    pub stored_len: u64,
    /// Plaintext bytes of all bodies whose plaintext length is known.
    pub plaintext_len: u64,
    /// How many of the objects and uploads have a problem.
    pub problems: u64,
}

impl Total {
    /// The first line of a CSV file of totals.
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

    fn new(of: Of) -> Self {
        let (status, key_id, key_version, inner_key_id) = of;
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

    fn add(&mut self, row: &Row<'_>) {
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

    /// The total as a line of CSV with its end.
    pub fn to_csv(&self) -> String {
        self.line(table::csv)
    }

    /// The total as a line of JSON with its end.
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

impl Totals {
    pub(super) fn begin(sse: &Sse) -> Self {
        Self { totals: BTreeMap::new(), usage: sse.keyring().map(KeyUsage::begin) }
    }

    pub(super) fn add(&mut self, sse: &Sse, row: &Row<'_>) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut of: Of = (row.status(), owned(row.key_id()), row.key_version(), owned(row.inner_key_id()));
        if self.totals.len() >= MAX_TOTALS && !self.totals.contains_key(&of) {
            of = (row.status(), None, None, None);
        }
        self.totals.entry(of).or_insert_with_key(|of| Total::new(of.clone())).add(row);
        if let Some(usage) = &mut self.usage {
            let upload = row.entry().upload_id().is_some();
            match row.found().map(|found| Under::of(sse, found)) {
                Some(Under::Version(version)) => usage.add(version, u64::from(!upload), u64::from(upload)),
                None if row.status() == Status::Damaged => usage.add_unclear(1),
                _ => {}
            }
        }
    }

    pub(super) fn complete(&mut self) {
        if let Some(usage) = &mut self.usage {
            usage.finish();
        }
    }

    /// Every total, by status and then by key.
    pub fn totals(&self) -> impl Iterator<Item = &Total> + '_ {
        self.totals.values()
    }

    /// What is wrapped under which version of the keyring: what [`Keyring::retire`](crate::Keyring::retire) asks for. None
    /// where the service has no keyring.
    pub fn usage(&self) -> Option<&KeyUsage> {
        self.usage.as_ref()
    }

    /// All totals as CSV, the header first.
    pub fn to_csv(&self) -> String {
        [Total::CSV_HEADER.to_owned()].into_iter().chain(self.totals().map(Total::to_csv)).collect()
    }

    /// All totals as lines of JSON.
    pub fn to_json(&self) -> String {
        self.totals().map(Total::to_json).collect()
    }
}
