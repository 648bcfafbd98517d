//! The command `demo PATH`: every operation on a file of the user's choice. Each step checks its claim; the first
//! failed check ends the program with an error.

mod checks;
mod original;
mod parts;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use atrest::error::CustomerKeyError;
use atrest::{Error, ModeId, Unlock};
use indicatif::ProgressBar;

use crate::cli::PutMode;
use crate::customer_key::{self, KeyBunch};
use crate::failure::{About, Failure, Outcome};
use crate::open_object::{OpenObject, RangeRead};
use crate::put::{put_mode, put_whole};
use crate::report::{Table, grouped, mode_name};
use crate::rewrap::rewrap_one;
use crate::same_as::SameAs;
use crate::store::{Store, StoreOptions};
use checks::{Fingerprint, with_flipped_bit};
use original::Original;

/// The number of bytes in the file's middle that are read as a range.
const RANGE_LEN: u64 = 1_000;

pub(crate) fn run(path: &Path, mut options: StoreOptions, out: &mut impl Write) -> Outcome<()> {
    let original = Original::new(path)?;
    let temporary = tempfile::tempdir()?;
    let keep = options.directory.is_some();
    let directory = &*options.directory.get_or_insert_with(|| temporary.path().join("store")).clone();
    if fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::rule("the demo needs a new store, but this directory is not empty"))
            .about(directory.display());
    }
    let key_file = temporary.path().join("customer.key");
    customer_key::create(&key_file)?;

    let mut demo = Demo {
        original,
        store: Store::open_or_create(&options)?,
        keys: KeyBunch::read(std::slice::from_ref(&key_file))?,
        fingerprint: Fingerprint::default(),
        rows: Vec::new(),
    };
    writeln!(
        out,
        "The story of {} ({} bytes), in a new store at {}\n",
        path.display(),
        grouped(demo.original.len),
        directory.display()
    )?;
    demo.put_in_every_mode(&key_file, out)?;
    demo.read_back(out)?;
    demo.read_a_range(out)?;
    demo.put_in_parts(out)?;
    demo.bring_another_customer_key(out)?;
    demo.flip_a_bit(out)?;
    demo.rotate_and_rewrap(out)?;
    demo.disable_the_old_version(out)?;
    writeln!(out, "\n{}", demo.table())?;
    if keep {
        let kept_key = directory.join("customer.key");
        fs::rename(&key_file, &kept_key).or_else(|_| fs::copy(&key_file, &kept_key).map(drop))?;
        writeln!(out, "The store is kept, with the customer key in {}", kept_key.display())?;
    }
    writeln!(out, "Everything held.")?;
    Ok(())
}

struct Demo {
    original: Original,
    store: Store,
    keys: KeyBunch,
    fingerprint: Fingerprint,
    rows: Vec<Row>,
}

/// The results for one mode.
struct Row {
    mode: ModeId,
    /// The name of the object, and the first column.
    name: &'static str,
    body_len: u64,
    body_fingerprint: u64,
    envelope_len: usize,
    read_len: u64,
    range: Option<RangeRead>,
    rotation: &'static str,
}

impl Demo {
    fn put_in_every_mode(&mut self, key_file: &Path, out: &mut impl Write) -> Outcome<()> {
        let modes = [
            PutMode::SseS3,
            PutMode::SseKms { key_id: None },
            PutMode::DsseKms { key_id: None },
            PutMode::SseC { key_file: key_file.to_owned() },
        ];
        for mode in modes {
            let mode = put_mode(&self.store, &mode)?;
            let (id, name) = (mode.id(), mode_name(mode.id()));
            let len = put_whole(&self.store, name, mode, self.original.source(), &ProgressBar::hidden())?;
            check(len == self.original.len, "a put took another length than the file has")?;

            let stored = self.store.objects().open(name)?;
            let body_len = stored.body.stored_len()?;
            check(stored.envelope.mode() == id, "an envelope of another mode than was asked for")?;
            check(id.ciphertext_len(len) == Some(body_len), "a body of another length than geometry says")?;
            self.rows.push(Row {
                mode: id,
                name,
                body_len,
                body_fingerprint: self
                    .fingerprint
                    .of(File::open(self.store.objects().body_path(&stored.record.body))?)?,
                envelope_len: stored.record.envelope.len(),
                read_len: 0,
                range: None,
                rotation: "",
            });
        }
        step(out, "put it in each of the four modes", "four bodies, four envelopes")
    }

    fn read_back(&mut self, out: &mut impl Write) -> Outcome<()> {
        for row in &mut self.rows {
            row.read_len = read_and_compare(&self.store, &self.keys, &self.original, row.name)?;
        }
        step(out, "get it back", "identical in all four")
    }

    fn read_a_range(&mut self, out: &mut impl Write) -> Outcome<()> {
        let start = self.original.len / 2;
        let end = self.original.len.min(start + RANGE_LEN);
        for row in &mut self.rows {
            let object = OpenObject::open_with_keys(&self.store, row.name, &self.keys)?;
            match object.decrypt_range(start..end, SameAs::new(self.original.open_at(start)?)) {
                Ok(read) => {
                    check(read.plaintext_len == end - start, "a range of another length than was asked for")?;
                    row.range = Some(read);
                }
                // An empty file has no range to read; the demo prints the refusal.
                Err(failure) => {
                    let empty = matches!(failure.atrest(), Some(Error::RangeNotSatisfiable { plaintext_len: 0, .. }));
                    if !(empty && self.original.len == 0) {
                        return Err(failure);
                    }
                }
            }
        }
        let result = match end - start {
            0 => "refused, as the file is empty".to_owned(),
            len => format!("identical, {} bytes from {}", grouped(len), grouped(start)),
        };
        step(out, "read a range from its middle", &result)
    }

    fn bring_another_customer_key(&self, out: &mut impl Write) -> Outcome<()> {
        let another = atrest::CustomerKey::generate()?;
        for row in self.rows.iter().filter(|row| row.mode == ModeId::SseC) {
            let outcome = OpenObject::open(&self.store, row.name, Unlock::CustomerKey(&another)).map(drop);
            let expected = |error: &Error| matches!(error, Error::CustomerKey(CustomerKeyError::Mismatch));
            check_refused(outcome, expected, "a wrong customer key was not refused")?;
        }
        step(out, "ask for the sse-c object with another key", "refused")
    }

    fn flip_a_bit(&self, out: &mut impl Write) -> Outcome<()> {
        for row in &self.rows {
            let record = self.store.objects().record(row.name)?;
            let body = self.store.objects().body_path(&record.body);
            let outcome = with_flipped_bit(&body, row.body_len / 2, || {
                read_and_compare(&self.store, &self.keys, &self.original, row.name).map(drop)
            })?;
            let expected = |error: &Error| matches!(error, Error::Inauthentic);
            check_refused(outcome, expected, "a changed body was not refused")?;
        }
        step(out, "flip one bit in the middle of each body", "detected in all four (and flipped back)")
    }

    fn rotate_and_rewrap(&mut self, out: &mut impl Write) -> Outcome<()> {
        let old_version = self.store.keyring().primary();
        let new_version = self.store.keyring().blocking().rotate()?;
        check(new_version > old_version, "a rotation that made no new version")?;
        let sse = self.store.sse();
        let mut rewrapped = Vec::new();
        rewrap_one(&self.store, parts::NAME, &self.keys, false)?;
        for row in &mut self.rows {
            let before = self.store.objects().record(row.name)?;
            let fresh = rewrap_one(&self.store, row.name, &self.keys, false)?;
            let after = self.store.objects().open(row.name)?;

            let under_master_key = matches!(row.mode, ModeId::SseS3 | ModeId::DsseKms);
            check(fresh.is_some() == under_master_key, "a rewrap of the wrong envelopes")?;
            check((after.record.envelope != before.envelope) == under_master_key, "the wrong envelopes changed")?;
            check(!sse.needs_rewrap(&after.envelope), "an envelope is still under the old version")?;
            check(after.record.body == before.body, "a rewrap wrote a new body")?;
            let fingerprint = self.fingerprint.of(File::open(self.store.objects().body_path(&after.record.body))?)?;
            check(fingerprint == row.body_fingerprint, "a rewrap changed a body")?;

            row.rotation = match row.mode {
                ModeId::SseS3 => "envelope rewrapped, body untouched",
                ModeId::DsseKms => "outer envelope rewrapped, body untouched",
                ModeId::SseKms => "nothing: the KMS rotates its own",
                _ => "nothing: the customer's key",
            };
            if under_master_key {
                rewrapped.push(row.name);
            }
        }
        step(
            out,
            &format!("rotate the master key, {old_version} to {new_version}, and rewrap"),
            &format!("{} rewrapped, every body the same byte for byte", rewrapped.join(" and ")),
        )
    }

    /// Proves that no object is left under the version: with the version disabled, everything still opens.
    fn disable_the_old_version(&mut self, out: &mut impl Write) -> Outcome<()> {
        let keyring = self.store.keyring();
        for version in keyring.versions() {
            if version.number != keyring.primary() {
                keyring.blocking().disable(version.number)?;
            }
        }
        for name in self.rows.iter().map(|row| row.name).chain([parts::NAME]) {
            read_and_compare(&self.store, &self.keys, &self.original, name)?;
        }
        step(out, "disable the old version and get it all again", "identical in all four")
    }

    fn table(&self) -> Table {
        let heading = ["mode", "plaintext", "body", "envelope", "read back", "range (of body)", "the rotation touched"];
        let mut table = vec![heading.map(str::to_owned).to_vec()];
        for row in &self.rows {
            let range = row.range.map_or_else(
                || "none (empty)".to_owned(),
                |range| format!("{} ({} fetched)", grouped(range.plaintext_len), grouped(range.fetched_len)),
            );
            table.push(vec![
                row.name.to_owned(),
                grouped(self.original.len),
                grouped(row.body_len),
                row.envelope_len.to_string(),
                format!("{} identical", grouped(row.read_len)),
                range,
                row.rotation.to_owned(),
            ]);
        }
        Table(table)
    }
}

/// Reads a whole object and compares it with the file.
fn read_and_compare(store: &Store, keys: &KeyBunch, original: &Original, name: &str) -> Outcome<u64> {
    let object = OpenObject::open_with_keys(store, name, keys)?;
    let len = object.decrypt(SameAs::new(original.open()?))?;
    check(len == original.len, "another length was read than was put")?;
    Ok(len)
}

fn check_refused(outcome: Outcome<()>, expected: impl Fn(&Error) -> bool, claim: &str) -> Outcome<()> {
    match outcome {
        Ok(()) => Err(Failure::rule(claim)),
        Err(failure) if failure.atrest().is_some_and(expected) => Ok(()),
        Err(failure) => Err(failure).about(format!("{claim} as it should be")),
    }
}

fn check(holds: bool, what_it_means_if_not: &str) -> Outcome<()> {
    if holds { Ok(()) } else { Err(Failure::rule(what_it_means_if_not)) }
}

fn step(out: &mut impl Write, what: &str, result: &str) -> Outcome<()> {
    writeln!(out, "  {what:<50} {result}")?;
    Ok(())
}
