//! `Writer` and `Reader` of the bytes of cursors and reports. Each value has exactly one encoding; decoding refuses all
//! other bytes.
//!
//! ```text
//! magic(8) version kind body checksum(8)
//! cursor   kind || option(8-byte digest of target and filter) || option(LP(position)) || report
//! report   complete || 11 x u64 || further(48) || u64 n || n x (u32 version || 48) || option(usage) ||
//!          u64 n || n x problem || u64 n || n x skipped || kms, from version 3
//! usage    LP(key id) || u64 generation || u32 primary || u64 unclear || finished ||
//!          u64 n || n x (u32 version || state || u64 objects || u64 uploads)
//! kms      u64 unclear || u64 n || n x (LP(key id) || u64 objects || u64 uploads, in SSE-KMS || the same in DSSE-KMS)
//! problem  LP(realm) || LP(bucket) || LP(key) || LP(version id) || option(LP(upload id)) || kind ||
//!          option(u32 version) || LP(reason)
//! skipped  LP(realm) || LP(bucket) || LP(key) || LP(version id) || option(LP(upload id)) || reason
//! ```
//!
//! Lengths and counts are u64; an option is 0, or 1 and the value. The checksum is the first 8 bytes of a SHA-512
//! digest: it detects accidents, not forgery.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::collections::BTreeMap;

use bytes::BufMut;

use super::cursor::{Cursor, SweepId, SweepKind};
use super::kms_usage::KmsUsage;
use super::report::{
    EntryCounts, MAX_OTHER_VERSIONS, MAX_PROBLEMS, OutcomeCounts, Problem, ProblemKind, Report, Skipped, VersionCounts,
};
use super::target::Skip;
use crate::codec::ByteReader;
use crate::crypto::checksum;
use crate::error::CursorError;
use crate::keys::{KeyUsage, VersionState, VersionUsage};
use crate::object::ObjectName;

const MAGIC: [u8; 8] = *b"\x89ARSW\r\n\x1a";
/// The version of the encoding. Version 1, of releases up to 0.3, had neither targets nor filters; version 2, of 0.4,
/// did not count KMS keys, and still encodes a report without them.
const VERSION: u8 = 3;
const WITHOUT_KMS: u8 = 2;
/// The most versions in a keyring.
const MAX_KEYRING_VERSIONS: usize = 65_535;

pub(super) type Decoded<T> = Result<T, CursorError>;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SavedKind {
    Cursor = 1,
    Report = 2,
}

pub(super) fn encode(kind: SavedKind, report: &Report, body: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer(MAGIC.to_vec());
    writer.u8(if report.kms_usage.is_some() { VERSION } else { WITHOUT_KMS });
    writer.u8(kind as u8);
    body(&mut writer);
    let checksum = checksum(&writer.0);
    writer.0.put_slice(&checksum);
    writer.0
}

pub(super) fn decode<T>(kind: SavedKind, bytes: &[u8], body: fn(&mut Reader<'_>) -> Decoded<T>) -> Decoded<T> {
    let (head, rest) = bytes.split_first_chunk::<10>().ok_or(CursorError::NotACursor)?;
    let [magic @ .., version, found] = *head;
    if magic != MAGIC {
        return Err(CursorError::NotACursor);
    }
    if !matches!(version, WITHOUT_KMS | VERSION) {
        return Err(CursorError::UnsupportedVersion(version));
    }
    if found != kind as u8 {
        return Err(CursorError::NotACursor);
    }
    let (_, sum) = rest.split_last_chunk::<8>().ok_or(CursorError::Malformed("it ends too early"))?;
    let summed = bytes.get(..bytes.len().saturating_sub(sum.len())).unwrap_or_default();
    if checksum(summed) != *sum {
        return Err(CursorError::Malformed("its checksum"));
    }
    let body_bytes = summed.get(head.len()..).unwrap_or_default();
    let mut reader = Reader(ByteReader::new(body_bytes, CursorError::Malformed), version);
    let value = body(&mut reader)?;
    reader.0.finish()?;
    Ok(value)
}

pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn cursor(&mut self, cursor: &Cursor) {
        self.u8(cursor.id.kind as u8);
        self.option(cursor.id.digest, |writer, digest| writer.0.put_slice(&digest));
        self.option(cursor.position.as_deref(), Self::bytes);
        self.report(&cursor.report);
    }

    pub(super) fn report(&mut self, report: &Report) {
        self.u8(report.complete.into());
        let counts = report.counts;
        self.u64(counts.entries);
        outcomes(&counts).into_iter().for_each(|count| self.u64(count));
        self.version_counts(&report.further_versions);
        self.len(report.versions.len());
        for (number, counts) in &report.versions {
            self.u32(*number);
            self.version_counts(counts);
        }
        self.option(report.usage.as_ref(), Self::usage);
        self.len(report.problems.len());
        report.problems.iter().for_each(|problem| self.problem(problem));
        self.len(report.skipped.len());
        for skipped in &report.skipped {
            self.entry(&skipped.name, skipped.upload_id.as_deref());
            self.u8(skip_number(skipped.reason));
        }
        report.kms_usage.iter().for_each(|usage| usage.write(self));
    }

    fn version_counts(&mut self, counts: &VersionCounts) {
        [counts.rewrapped, counts.current, counts.problems].into_iter().for_each(|counts| self.entry_counts(counts));
    }

    pub(super) fn entry_counts(&mut self, counts: EntryCounts) {
        self.u64(counts.objects);
        self.u64(counts.uploads);
    }

    fn usage(&mut self, usage: &KeyUsage) {
        self.bytes(usage.key_id.as_bytes());
        self.u64(usage.generation);
        self.u32(usage.primary);
        self.u64(usage.unclear);
        self.u8(usage.finished.into());
        self.len(usage.versions.len());
        for (number, version) in &usage.versions {
            self.u32(*number);
            self.u8(match version.state {
                VersionState::Staged => 0,
                VersionState::Enabled => 1,
                VersionState::Disabled | VersionState::Gone => 2,
            });
            self.u64(version.objects);
            self.u64(version.uploads);
        }
    }

    fn problem(&mut self, problem: &Problem) {
        self.entry(&problem.name, problem.upload_id.as_deref());
        self.u8(kind_number(problem.kind));
        self.option(problem.version, Self::u32);
        self.bytes(problem.reason.as_bytes());
    }

    fn entry(&mut self, name: &ObjectName, upload_id: Option<&[u8]>) {
        for component in [name.realm(), name.bucket(), name.key(), name.version_id()] {
            self.bytes(component);
        }
        self.option(upload_id, Self::bytes);
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.len(bytes.len());
        self.0.put_slice(bytes);
    }

    pub(super) fn len(&mut self, len: usize) {
        self.u64(u64::try_from(len).unwrap_or(u64::MAX)); // no usize is longer than 64 bits
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.0.put_u64(number);
    }

    fn u32(&mut self, number: u32) {
        self.0.put_u32(number);
    }

    fn u8(&mut self, number: u8) {
        self.0.push(number);
    }
}

/// Reads the bytes of a cursor or a report, and their version.
pub(super) struct Reader<'a>(ByteReader<'a, CursorError>, u8);

pub(super) fn cursor(reader: &mut Reader<'_>) -> Decoded<Cursor> {
    let kind = match reader.0.u8()? {
        1 => SweepKind::Rewrap,
        2 => SweepKind::Encrypt,
        3 => SweepKind::RewrapAll,
        4 => SweepKind::RewrapTo,
        _ => return Err(CursorError::Malformed("what its sweep is for")),
    };
    let id = SweepId { kind, digest: reader.option(|reader| Ok(*reader.0.array()?))? };
    let position = reader.option(Reader::bytes)?.map(<[u8]>::to_vec);
    let report = report(reader)?;
    if report.complete || (report.counts.entries > 0) != position.is_some() {
        return Err(CursorError::Malformed("its position and its report say different things"));
    }
    Ok(Cursor { id, position, report })
}

pub(super) fn report(reader: &mut Reader<'_>) -> Decoded<Report> {
    let complete = reader.bool()?;
    let counts = counts(reader)?;
    let further_versions = version_counts(reader)?;
    let versions = reader.versions(MAX_KEYRING_VERSIONS.saturating_add(MAX_OTHER_VERSIONS), version_counts)?;
    let usage = reader.option(usage)?;
    if usage.as_ref().is_some_and(|usage| usage.finished != complete) {
        return Err(CursorError::Malformed("its usage and its report say different things"));
    }
    let problems = named(reader, counts.problems, problem)?;
    let skipped = named(reader, counts.skipped, skipped)?;
    let kms_usage = if reader.1 == WITHOUT_KMS { None } else { Some(KmsUsage::read(reader, complete)?) };
    Ok(Report { complete, counts, versions, further_versions, problems, skipped, usage, kms_usage })
}

/// Decodes the entries that a report names: the first `MAX_PROBLEMS` of `total` entries.
fn named<T>(reader: &mut Reader<'_>, total: u64, one: fn(&mut Reader<'_>) -> Decoded<T>) -> Decoded<Vec<T>> {
    let len = reader.len(MAX_PROBLEMS)?;
    if u64::try_from(len).unwrap_or(u64::MAX) != total.min(MAX_PROBLEMS as u64) {
        return Err(CursorError::Malformed("the number of entries that it names"));
    }
    (0..len).map(|_| one(reader)).collect()
}

fn counts(reader: &mut Reader<'_>) -> Decoded<OutcomeCounts> {
    let mut next = || reader.u64();
    let counts = OutcomeCounts {
        entries: next()?,
        rewrapped: next()?,
        encrypted: next()?,
        current: next()?,
        not_selected: next()?,
        skipped: next()?,
        unencrypted: next()?,
        sse_kms: next()?,
        sse_c: next()?,
        gone: next()?,
        problems: next()?,
    };
    let sum = outcomes(&counts).into_iter().try_fold(0_u64, u64::checked_add);
    if sum == Some(counts.entries) { Ok(counts) } else { Err(CursorError::Malformed("its counts do not add up")) }
}

/// Returns the counts whose sum is the number of entries.
fn outcomes(counts: &OutcomeCounts) -> [u64; 10] {
    let OutcomeCounts { entries: _, rewrapped, encrypted, current, not_selected, skipped, .. } = *counts;
    let OutcomeCounts { unencrypted, sse_kms, sse_c, gone, problems, .. } = *counts;
    [rewrapped, encrypted, current, not_selected, skipped, unencrypted, sse_kms, sse_c, gone, problems]
}

fn version_counts(reader: &mut Reader<'_>) -> Decoded<VersionCounts> {
    let mut next = || reader.entry_counts();
    Ok(VersionCounts { rewrapped: next()?, current: next()?, problems: next()? })
}

fn usage(reader: &mut Reader<'_>) -> Decoded<KeyUsage> {
    let key_id = reader.text()?;
    let generation = reader.u64()?;
    let primary = reader.u32()?;
    let unclear = reader.u64()?;
    let finished = reader.bool()?;
    let versions = reader.versions(MAX_KEYRING_VERSIONS, |reader| {
        let state = match reader.0.u8()? {
            0 => VersionState::Staged,
            1 => VersionState::Enabled,
            2 => VersionState::Disabled,
            _ => return Err(CursorError::Malformed("the state of a version")),
        };
        Ok(VersionUsage { state, objects: reader.u64()?, uploads: reader.u64()? })
    })?;
    Ok(KeyUsage { key_id, generation, primary, versions, unclear, finished })
}

fn problem(reader: &mut Reader<'_>) -> Decoded<Problem> {
    let (name, upload_id) = entry(reader)?;
    let number = reader.0.u8()?;
    let kind = KINDS.into_iter().find(|kind| kind_number(*kind) == number);
    let kind = kind.ok_or(CursorError::Malformed("the kind of a problem"))?;
    let version = reader.option(Reader::u32)?;
    Ok(Problem { name, upload_id, kind, version, reason: reader.text()? })
}

fn skipped(reader: &mut Reader<'_>) -> Decoded<Skipped> {
    let (name, upload_id) = entry(reader)?;
    let number = reader.0.u8()?;
    let skips = [Skip::NeedsEncryption, Skip::NeedsCustomerKey, Skip::UploadUnderWay];
    let reason = skips.into_iter().find(|skip| skip_number(*skip) == number);
    Ok(Skipped { name, upload_id, reason: reason.ok_or(CursorError::Malformed("why an entry was skipped"))? })
}

fn skip_number(skip: Skip) -> u8 {
    match skip {
        Skip::NeedsEncryption => 1,
        Skip::NeedsCustomerKey => 2,
        Skip::UploadUnderWay => 3,
    }
}

/// Decodes the name of an object, and the upload id if the entry is an upload.
fn entry(reader: &mut Reader<'_>) -> Decoded<(ObjectName, Option<Vec<u8>>)> {
    let [realm, bucket, key, version_id] = [reader.bytes()?, reader.bytes()?, reader.bytes()?, reader.bytes()?];
    let name = if [realm, bucket, key, version_id].iter().all(|component| component.is_empty()) {
        Ok(ObjectName::unbound())
    } else {
        ObjectName::new(bucket, key).and_then(|name| name.with_realm(realm)?.with_version_id(version_id))
    };
    let name = name.map_err(|_| CursorError::Malformed("the name of an entry"))?;
    Ok((name, reader.option(Reader::bytes)?.map(<[u8]>::to_vec)))
}

const KINDS: [ProblemKind; 8] = [
    ProblemKind::Damaged,
    ProblemKind::Inauthentic,
    ProblemKind::VersionDisabled,
    ProblemKind::VersionUnknown,
    ProblemKind::Unexpected,
    ProblemKind::KeyProvider,
    ProblemKind::Store,
    ProblemKind::Other,
];

fn kind_number(kind: ProblemKind) -> u8 {
    match kind {
        ProblemKind::Damaged => 1,
        ProblemKind::Inauthentic => 2,
        ProblemKind::VersionDisabled => 3,
        ProblemKind::VersionUnknown => 4,
        ProblemKind::Unexpected => 5,
        ProblemKind::KeyProvider => 6,
        ProblemKind::Store => 7,
        ProblemKind::Other => 8,
    }
}

impl<'a> Reader<'a> {
    /// Decodes values by version, in strictly ascending order.
    fn versions<T>(&mut self, most: usize, value: fn(&mut Self) -> Decoded<T>) -> Decoded<BTreeMap<u32, T>> {
        let mut versions = BTreeMap::new();
        for _ in 0..self.len(most)? {
            let number = self.u32()?;
            if versions.last_key_value().is_some_and(|(last, _)| *last >= number) {
                return Err(CursorError::Malformed("its versions are not in order"));
            }
            versions.insert(number, value(self)?);
        }
        Ok(versions)
    }

    fn option<T>(&mut self, value: fn(&mut Self) -> Decoded<T>) -> Decoded<Option<T>> {
        if self.bool()? { value(self).map(Some) } else { Ok(None) }
    }

    fn bool(&mut self) -> Decoded<bool> {
        match self.0.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CursorError::Malformed("a flag is neither 0 nor 1")),
        }
    }

    pub(super) fn text(&mut self) -> Decoded<String> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| CursorError::Malformed("a text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn bytes(&mut self) -> Decoded<&'a [u8]> {
        let len = self.len(usize::MAX)?;
        self.0.bytes(len)
    }

    pub(super) fn len(&mut self, most: usize) -> Decoded<usize> {
        let len = usize::try_from(self.u64()?).ok().filter(|len| *len <= most);
        len.ok_or(CursorError::Malformed("a length or a number of things"))
    }

    pub(super) fn u64(&mut self) -> Decoded<u64> {
        self.0.u64()
    }

    pub(super) fn entry_counts(&mut self) -> Decoded<EntryCounts> {
        Ok(EntryCounts { objects: self.u64()?, uploads: self.u64()? })
    }

    fn u32(&mut self) -> Decoded<u32> {
        self.0.u32()
    }
}
