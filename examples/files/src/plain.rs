//! Unencrypted files of an older program: files below `plain/`, whose paths there are their names.
//!
//! An unencrypted file is never read in the place of an object. A put of the same name removes the file;
//! `encrypt-existing` encrypts the file to an object, and then removes it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use atrest::io::EncryptWriter;
use atrest::rotation::{Entry, EntryOutcome, StoreFuture, Sweep, SweepEvent, UnencryptedStore};
use atrest::{Encryptor, Envelope};

use crate::cli::EncryptExisting;
use crate::customer_key::KeyBunch;
use crate::failure::{About, Failure, Outcome};
use crate::objects::InPlaceOf;
use crate::open_object::OpenObject;
use crate::progress;
use crate::put::put_mode;
use crate::report::{grouped, printable};
use crate::same_as::SameAs;
use crate::steps::{Step, reach};
use crate::store::Store;
use crate::streams;
use crate::sweeps::{Place, entries, name_of};
use crate::tree::{self, Found};

#[derive(Debug)]
pub(crate) struct PlainFiles(PathBuf);

impl PlainFiles {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Lists every file, sorted by name, and every entry that is not a file; empty if the directory does not exist.
    pub(crate) fn list(&self) -> Outcome<Vec<Found>> {
        if self.0.is_dir() { tree::walk(&self.0, None) } else { Ok(Vec::new()) }
    }

    /// The path of the file with this name. Links are not followed, so that a file elsewhere is never read or removed.
    pub(crate) fn find(&self, name: &str) -> Outcome<Option<PathBuf>> {
        let Some(path) = tree::path_below(&self.0, name) else {
            return Ok(None);
        };
        let directories = path.ancestors().skip(1).take_while(|above| *above != self.0);
        let below = directories.map(is_directory).collect::<io::Result<Vec<_>>>()?;
        let is_there = below.into_iter().all(|is_directory| is_directory)
            && metadata(&path)?.is_some_and(|metadata| metadata.is_file());
        Ok(is_there.then_some(path))
    }
}

fn is_directory(path: &Path) -> io::Result<bool> {
    Ok(metadata(path)?.is_some_and(|metadata| metadata.is_dir()))
}

/// The metadata of a link itself, not of its target; `None` if there is no file.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// Whether a file is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    len: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        }
    }

    fn is_still_at(self, path: &Path) -> io::Result<bool> {
        Ok(metadata(path)?.is_some_and(|metadata| Self::of(&metadata) == self))
    }
}

pub(crate) fn encrypt_existing(store: &Store, command: EncryptExisting, out: &mut (impl Write + Send)) -> Outcome<()> {
    let keys = KeyBunch::read(&command.key_files)?;
    let (mut removed, mut encrypted, mut failed) = (0, 0, 0);
    let mut places = Vec::new();
    for found in store.plain().list()? {
        match found {
            Found::Skipped { path, why } => {
                failed += 1;
                writeln!(out, "FAILED     {}: {why}", path.display())?;
            }
            Found::File { name, len, .. } if store.objects().exists(&name).unwrap_or(false) => {
                match remove_if_stored(store, &name, &keys).about(printable(&name)) {
                    Ok(()) => {
                        removed += 1;
                        writeln!(out, "removed    {:>15}  {}", grouped(len), printable(&name))?;
                    }
                    Err(failure) => {
                        failed += 1;
                        writeln!(out, "FAILED     {failure}")?;
                    }
                }
            }
            Found::File { name, len, .. } => places.push(Place::Plain { name, len }),
        }
    }

    let mode = put_mode(store, &command.mode)?;
    let bar = progress::of_objects("encrypt", places.len());
    let report = Sweep::new(store.sse())
        .concurrency(1)
        .on_event(|event| {
            let SweepEvent::Entry { entry, outcome, .. } = event else {
                return Ok(());
            };
            let name = printable(&String::from_utf8_lossy(entry.name().key()));
            let line = match outcome {
                EntryOutcome::Encrypted => {
                    encrypted += 1;
                    format!("encrypted  {:>15}  {name}", grouped(entry.stored_len().unwrap_or(0)))
                }
                EntryOutcome::Problem(error) => format!("FAILED     {name}: {error}"),
                _ => format!("changed    {:>15}  {name}", ""),
            };
            bar.inc(1);
            bar.suspend(|| writeln!(out, "{line}"))
        })
        .blocking()
        .encrypt_unencrypted(mode, entries(store, &places, true), store)?;
    bar.finish_and_clear();
    writeln!(out, "{encrypted} encrypted, {removed} removed that were encrypted already")?;
    // Files that another program wrote meanwhile stay for the next run.
    match failed + report.counts().problems + report.counts().gone {
        0 => Ok(()),
        failed => Err(Failure::rule(format!("{failed} could not be encrypted"))),
    }
}

/// Removes an unencrypted file with the same content as the object: a killed process left it.
///
/// A file with other content stays. A put of this name would have removed it, so another program wrote it later; the
/// user has to choose which of the two to keep.
fn remove_if_stored(store: &Store, name: &str, keys: &KeyBunch) -> Outcome<()> {
    let Some(path) = store.plain().find(name)? else {
        return Ok(());
    };
    let file = File::open(&path)?;
    let identity = Identity::of(&file.metadata()?);
    let object = OpenObject::open_with_keys(store, name, keys)?;
    let mut same = SameAs::new(&file);
    let outcome = object.decrypt(&mut same);
    let differs = same.differs() || matches!(outcome, Ok(len) if len != identity.len);
    if differs {
        return Err(Failure::rule(format!(
            "the unencrypted file differs from the object of its name: `get` that, compare, and remove or put {}",
            path.display()
        )));
    }
    outcome?;
    if !identity.is_still_at(&path)? {
        return Err(Failure::rule("changed while it was read"));
    }
    fs::remove_file(&path)?;
    reach(Step::PlainRemoved);
    Ok(())
}

impl UnencryptedStore for Store {
    fn encrypt<'a>(&'a self, entry: &'a Entry, envelope: Envelope, encryptor: Encryptor) -> StoreFuture<'a, bool> {
        Box::pin(async move { Ok(encrypt_one(self, &name_of(entry)?, envelope, encryptor)?) })
    }
}

fn encrypt_one(store: &Store, name: &str, envelope: Envelope, encryptor: Encryptor) -> Outcome<bool> {
    let Some(path) = store.plain().find(name)? else {
        return Ok(false);
    };
    crate::record::file_name(name)?;
    let file = File::open(&path)?;
    let identity = Identity::of(&file.metadata()?);
    let body = store.objects().new_body()?;
    let mut writer = EncryptWriter::new(encryptor, body.file());
    // Reads one byte more than the known length, so that a file that has grown fails.
    streams::copy((&file).take(identity.len.saturating_add(1)), &mut writer)?;
    writer.finish()?;
    if !identity.is_still_at(&path)? || !store.commit(name, body.prepared()?, InPlaceOf::Nothing, envelope)? {
        return Ok(false);
    }
    reach(Step::PlainEncrypted);
    // Removes only the file that was read; the next run reports a newer one.
    if identity.is_still_at(&path)? {
        fs::remove_file(&path)?;
    }
    reach(Step::PlainRemoved);
    Ok(true)
}
