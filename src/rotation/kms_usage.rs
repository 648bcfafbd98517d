//! [`KmsUsage`], the counts of what is under each KMS key, and [`KmsKeyUsage`], those of one key.

use std::collections::BTreeMap;

use super::codec::{Decoded, Reader, Writer};
use super::report::EntryCounts;
use crate::envelope::{Envelope, ModeId};
use crate::error::CursorError;
use crate::keys::{is_alias, is_key_id};

/// The most KMS keys with counts of their own. An attacker who writes the store can name any number of keys.
const MAX_KEYS: usize = 10_000;

/// How many objects and multipart uploads are under each KMS key, from a walk over a whole store: what to read before a
/// KMS key is deleted.
///
/// An [inventory](super::Inventory) counts without changing anything; a [sweep](super::Sweep) counts what it leaves
/// behind. The key is the one that the envelope names: with a [bucket key](crate::SseKms::with_bucket_key) too, and in
/// DSSE-KMS, where each object counts once.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # #[cfg(feature = "testing")] {
/// # use atrest::testing::MemoryKms;
/// # use atrest::{KmsKeys, ObjectName, Sse, SseKms};
/// # let kms = std::sync::Arc::new(MemoryKms::new());
/// # let (old, new) = (kms.create_key("old")?, kms.create_key("new")?);
/// # let sse = Sse::builder().kms(kms, KmsKeys::only([&*old, &*new])).build()?;
/// # let name = ObjectName::new("photos", "cat.jpg")?;
/// # let stored = sse.blocking().encrypt(&name, SseKms::new(&*new), b"meow")?;
/// # let listing = [Ok(atrest::rotation::Entry::object(name, stored.envelope.encode()))];
/// use atrest::rotation::Inventory;
///
/// let totals = Inventory::new(&sse).blocking().run(listing, |_| Ok(()))?;
/// let usage = totals.kms_usage();
/// for (key_id, under) in usage.keys() {
///     println!("{key_id}: {} objects, {} in two layers", under.sse_kms.objects, under.dsse_kms.objects);
/// }
/// assert!(usage.is_unused(&old) && !usage.is_unused(&new));
/// # }
/// # Ok(()) }
/// ```
///
/// # Security
///
/// The key ids are those of the envelopes, and not authenticated: an attacker who writes the store can hide an object's
/// key, or make one up. What the listing does not contain is not counted: older versions and copies elsewhere, backups,
/// and a root key that is wrapped under a KMS key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KmsUsage {
    keys: BTreeMap<String, KmsKeyUsage>,
    unclear: u64,
    finished: bool,
}

/// How many objects and multipart uploads are under one KMS key, by mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KmsKeyUsage {
    /// In SSE-KMS, with bucket keys and without.
    pub sse_kms: EntryCounts,
    /// In DSSE-KMS.
    pub dsse_kms: EntryCounts,
}

impl KmsUsage {
    /// Returns the KMS keys in ascending order of their resolved ids, each with its counts: at most 10,000.
    pub fn keys(&self) -> impl Iterator<Item = (&str, KmsKeyUsage)> + '_ {
        self.keys.iter().map(|(key_id, usage)| (&**key_id, *usage))
    }

    /// Returns the number of entries whose KMS key is unknown: damaged or unread envelopes, entries that other writers
    /// replaced at every attempt, and those under further keys after the first 10,000.
    pub fn unclear(&self) -> u64 {
        self.unclear
    }

    /// Returns whether the walk reached the end of its listing.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns whether the walk shows that nothing is under the KMS key of this resolved id: it is finished, no entry
    /// is unclear, and none names the key. The replicas of a multi-Region key count as one.
    ///
    /// False for an alias, and for an id without a colon, such as a label or the last part of an ARN.
    ///
    /// # Security
    ///
    /// Give the resolved id, as envelopes have it. Under another name that a provider takes for the key, such as the
    /// URI of a label, nothing is found, although the key is in use.
    pub fn is_unused(&self, key_id: &str) -> bool {
        let is_resolved = key_id.contains(':') && is_key_id(key_id) && !is_alias(key_id);
        let is_whole = self.finished && self.unclear == 0;
        is_resolved && is_whole && !self.keys.keys().any(|used| last_part(used) == last_part(key_id))
    }

    /// Adds entries whose KMS key is unknown.
    pub fn add_unclear(&mut self, entries: u64) {
        self.unclear = self.unclear.saturating_add(entries);
    }

    /// Counts an entry under this KMS key.
    pub(super) fn add(&mut self, key: &KmsKeyOf, upload: bool) {
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(&key.id) {
            return self.add_unclear(1);
        }
        let usage = match self.keys.get_mut(&key.id) {
            Some(usage) => usage,
            None => self.keys.entry(key.id.clone()).or_default(),
        };
        let counts = if key.mode == ModeId::DsseKms { &mut usage.dsse_kms } else { &mut usage.sse_kms };
        counts.add(upload);
    }

    pub(super) fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.unclear);
        writer.len(self.keys.len());
        for (key_id, usage) in &self.keys {
            writer.bytes(key_id.as_bytes());
            writer.entry_counts(usage.sse_kms);
            writer.entry_counts(usage.dsse_kms);
        }
    }

    /// Decodes the usage of a walk that is `finished` or not.
    pub(super) fn read(reader: &mut Reader<'_>, finished: bool) -> Decoded<Self> {
        let unclear = reader.u64()?;
        let mut keys = BTreeMap::new();
        for _ in 0..reader.len(MAX_KEYS)? {
            let key_id = reader.text()?;
            if keys.last_key_value().is_some_and(|(last, _)| *last >= key_id) {
                return Err(CursorError::Malformed("its KMS keys are not in order"));
            }
            keys.insert(key_id, KmsKeyUsage { sse_kms: reader.entry_counts()?, dsse_kms: reader.entry_counts()? });
        }
        Ok(Self { keys, unclear, finished })
    }
}

/// Returns the part of an ARN that the replicas of a multi-Region key share.
fn last_part(key_id: &str) -> &str {
    key_id.rsplit('/').next().unwrap_or(key_id)
}

/// The KMS key of an entry, and the mode in which it wraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KmsKeyOf {
    id: String,
    mode: ModeId,
}

impl KmsKeyOf {
    /// Returns the KMS key that an envelope names.
    pub(super) fn envelope(envelope: &Envelope) -> Option<Self> {
        envelope.kms_key_id().map(|id| Self { id: id.to_owned(), mode: envelope.mode() })
    }
}
