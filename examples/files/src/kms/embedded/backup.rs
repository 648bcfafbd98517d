//! The commands `keys backup` and `keys restore`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use atrest::kms::EmbeddedKms;
use atrest::{Envelope, Keyring, RootKey};

use super::{Embedded, kms_file, trail_of};
use crate::cli::Words;
use crate::customer_key::write_new;
use crate::failure::{About, Failure, Outcome, unless_gone};
use crate::objects::{Objects, sync_directory};
use crate::store::{Config, StoreOptions};

/// A backup, and the file with the root key of the backup.
pub(crate) struct Backup {
    file: PathBuf,
    root_key: PathBuf,
}

pub(super) fn parse(words: &mut Words) -> Outcome<Backup> {
    Ok(Backup { file: words.path("FILE")?, root_key: words.path("KEYFILE")? })
}

pub(super) fn back_up(embedded: &Embedded, to: &Backup, out: &mut impl Write) -> Outcome<()> {
    let root_key = RootKey::create_file(&to.root_key).about(to.root_key.display())?;
    let sealed = embedded.admin().backup(&root_key).map_err(Failure::from);
    if let Err(failure) = sealed.and_then(|sealed| write_new(&to.file, &sealed)) {
        let _ = fs::remove_file(&to.root_key); // created for this backup, and of no other use
        return Err(failure);
    }
    let (file, root_key) = (to.file.display(), to.root_key.display());
    writeln!(out, "wrote {file} with all keys, and {root_key} with the new root key that opens it")?;
    writeln!(out, "keep the two files apart: together they give access to every key")?;
    Ok(())
}

/// Restores lost keys. Existing keys are never replaced.
///
/// The keys are restored beside their final place, and moved there after `next_version` is above every lost version.
pub(super) fn restore(from: &Backup, options: &StoreOptions, out: &mut impl Write) -> Outcome<()> {
    let config = Config::read(options)?;
    let keys = options.directory().join("keys");
    let (file, root_key_file) = (kms_file(&keys), keys.join("root.key"));
    if file.try_exists()? {
        return Err(Failure::rule("exists: move it away first, if it is damaged")).about(file.display());
    }
    let root_key = match root_key_file.try_exists()? {
        true => RootKey::open_file(&root_key_file),
        false => RootKey::create_file(&root_key_file),
    };
    let root_key = root_key.about(root_key_file.display())?;
    let backup_key = RootKey::open_file(&from.root_key).about(from.root_key.display())?;
    let backup = fs::read(&from.file).about(from.file.display())?;

    let beside = tempfile::Builder::new().prefix(".restored-").tempdir_in(&keys)?;
    let kms = EmbeddedKms::builder(kms_file(beside.path())).store_id(config.keys_id).audit(trail_of(&keys)?);
    let kms = kms.restore(&backup, &backup_key, &root_key).about(from.file.display())?;
    let passed_over = raise_next_version(&kms.keyring(), options.directory())?;
    drop(kms);
    // The report of an earlier rewrap is about other keys, so it does not prove that a version is unused.
    unless_gone(fs::remove_dir_all(options.directory().join("sweep")))?;
    let restored = tempfile::TempPath::try_from_path(kms_file(beside.path()))?;
    restored.persist_noclobber(&file).map_err(|error| error.error).about(file.display())?;
    sync_directory(&keys)?;

    writeln!(out, "the keys are those of {}: `verify` lists the objects that are lost", from.file.display())?;
    if passed_over > 0 {
        writeln!(out, "envelopes that name an implausible version of the master key: {passed_over}")?;
    }
    Ok(())
}

/// The most new versions that the master key may have since the backup. An attacker who writes the store can make an
/// envelope name any version, and every number up to the highest is used up.
const MOST_SINCE: u32 = 1_000;

/// Keeps new versions of the master key from reusing the number of a version that was created after the backup and
/// lost: objects under the lost version would look damaged. Returns the number of envelopes that name an implausible
/// version.
fn raise_next_version(keyring: &Keyring, store: &Path) -> Outcome<usize> {
    let last = keyring.versions().last().map_or(0, |version| version.number);
    let named = versions_named(&keyring.key_id(), store)?;
    let (believed, passed_over): (Vec<_>, Vec<_>) =
        named.into_iter().partition(|version| *version <= last.saturating_add(MOST_SINCE));
    if let Some(highest) = believed.into_iter().max() {
        keyring.blocking().raise_next_version(highest.saturating_add(1))?;
    }
    Ok(passed_over.len())
}

/// The versions of this keyring that the envelopes of objects and uploads name. Unreadable envelopes are skipped.
fn versions_named(key_id: &str, store: &Path) -> Outcome<Vec<u32>> {
    let objects = Objects::new(store.to_owned());
    let mut envelopes = Vec::new();
    for name in objects.names()? {
        envelopes.extend(objects.record(&name).and_then(|record| record.envelope()).ok());
    }
    for id in objects.upload_ids()? {
        let upload = objects.upload(&id).ok().flatten();
        envelopes.extend(upload.and_then(|upload| Envelope::decode(&upload.envelope).ok()));
    }
    let of_this = envelopes.iter().filter(|envelope| envelope.key_id() == Some(key_id));
    Ok(of_this.filter_map(Envelope::key_version).collect())
}
