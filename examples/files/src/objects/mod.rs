//! `Objects`: records and bodies on disk, and how a write becomes visible atomically.
//!
//! ```text
//! records/<base32 of the name>.record    small; names the body and holds the envelope
//! bodies/<random>                        what the library wrote, and nothing else: a file,
//!                                        or a directory of parts and their manifest
//! uploads/<random>/                      parts under way (objects/uploads.rs)
//! tmp/<random>                           being written, locked by its writer
//! lock                                   held briefly by a process that changes visible files
//! ```
//!
//! A put writes its body under `tmp/` or `uploads/`, syncs it, moves it to `bodies/`, and then replaces the record.
//! That rename makes the new object visible and the old one unreachable. A rewrap, such as after a rotation, replaces
//! only the record.

mod body;
mod directory;
mod uploads;

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use atrest::Envelope;

pub(crate) use body::Body;
pub(crate) use directory::{file_names, sync_directory};
pub(crate) use uploads::NewUpload;

use crate::failure::{About, Failure, Outcome};
use crate::record::{self, BodyName, Record};
use crate::steps::{Step, reach};

#[derive(Debug)]
pub(crate) struct Objects {
    records: PathBuf,
    bodies: PathBuf,
    uploads: PathBuf,
    tmp: PathBuf,
    lock: PathBuf,
}

/// An opened object: its envelope and body belong to the same write, even if the name is overwritten meanwhile.
#[derive(Debug)]
pub(crate) struct StoredObject {
    pub(crate) record: Record,
    pub(crate) envelope: Envelope,
    pub(crate) body: Body,
}

/// A body that is being written. Dropping it leaves nothing; a killed process leaves a file that the next put removes.
#[derive(Debug)]
pub(crate) struct NewBody {
    name: BodyName,
    path: PathBuf,
    file: File,
}

/// A finished body, and its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared<'a> {
    name: &'a BodyName,
    path: &'a Path,
}

/// Which existing object a commit may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InPlaceOf {
    Anything,
    Nothing,
}

/// The numbers of files that [`Objects::gc`] removed.
#[derive(Debug)]
pub(crate) struct Swept {
    pub(crate) temporary: usize,
    pub(crate) uploads: usize,
    pub(crate) bodies: usize,
}

impl Objects {
    pub(crate) fn new(store: PathBuf) -> Self {
        Self {
            records: store.join("records"),
            bodies: store.join("bodies"),
            uploads: store.join("uploads"),
            tmp: store.join("tmp"),
            lock: store.join("lock"),
        }
    }

    /// Creates the empty directories of a new store.
    pub(crate) fn create(store: &Path) -> Outcome<()> {
        let objects = Self::new(store.to_owned());
        for directory in [&objects.records, &objects.bodies, &objects.uploads, &objects.tmp] {
            fs::create_dir(directory)?;
        }
        File::create(&objects.lock)?;
        Ok(())
    }

    /// Creates a file for a new object's body.
    pub(crate) fn new_body(&self) -> Outcome<NewBody> {
        let _lock = self.lock_exclusive()?;
        self.sweep_temporary()?;
        self.create_temporary()
    }

    /// Commits a finished body and its envelope under this name. Returns false if the name has an object that the
    /// commit may not replace. `envelope` is called under the store's lock, so that no rotation comes between.
    pub(crate) fn commit(
        &self,
        name: &str,
        body: Prepared<'_>,
        place: InPlaceOf,
        envelope: impl FnOnce() -> Outcome<Envelope>,
    ) -> Outcome<bool> {
        let _lock = self.lock_exclusive()?;
        if place == InPlaceOf::Nothing && self.exists(name)? {
            return Ok(false);
        }
        let replaced = self.record(name);
        let record = Record { body: body.name.clone(), envelope: envelope()?.encode() };
        fs::rename(body.path, self.body_path(&record.body))?;
        sync_directory(&self.bodies)?;
        reach(Step::BodyMoved);
        self.write_record(name, &record)?;
        reach(Step::RecordReplaced);

        // The old body is removed only now, and a failure loses nothing: `gc` tries again. `gc` also removes the body
        // of a record that could not be read.
        if let Ok(replaced) = replaced {
            let _ = body::remove(&self.body_path(&replaced.body));
            reach(Step::OldBodyRemoved);
        }
        Ok(true)
    }

    /// Replaces the object's envelope by compare-and-swap. The body stays in place and is not opened.
    pub(crate) fn replace_envelope(&self, name: &str, old: &[u8], new: &[u8]) -> Outcome<bool> {
        let _lock = self.lock_exclusive()?;
        let record = self.record(name)?;
        if record.envelope != old {
            return Ok(false);
        }
        self.write_record(name, &Record { envelope: new.to_vec(), ..record })?;
        reach(Step::EnvelopeReplaced);
        Ok(true)
    }

    pub(crate) fn open(&self, name: &str) -> Outcome<StoredObject> {
        // The lock keeps a put from removing the body between the two opens; an open body stays readable.
        let lock = File::open(&self.lock)?;
        lock.lock_shared()?;
        let record = self.record(name)?;
        let envelope = record.envelope().about(name)?;
        let body = Body::open(self.body_path(&record.body)).about(format!("{name}: its body"))?;
        Ok(StoredObject { record, envelope, body })
    }

    pub(crate) fn record(&self, name: &str) -> Outcome<Record> {
        Record::decode(&self.record_bytes(name)?).about(name)
    }

    /// Reads the stored bytes of a record, damaged or not.
    pub(crate) fn record_bytes(&self, name: &str) -> Outcome<Vec<u8>> {
        match fs::read(self.records.join(record::file_name(name)?)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::rule("no such object")).about(name),
            outcome => outcome.about(name),
        }
    }

    pub(crate) fn exists(&self, name: &str) -> Outcome<bool> {
        Ok(self.records.join(record::file_name(name)?).try_exists()?)
    }

    /// All names, sorted.
    pub(crate) fn names(&self) -> Outcome<Vec<String>> {
        let mut names = Vec::new();
        for file_name in file_names(&self.records)? {
            let name = record::object_name(&file_name)
                .ok_or_else(|| Failure::rule(format!("not a record: records/{file_name}")))?;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    pub(crate) fn body_path(&self, body: &BodyName) -> PathBuf {
        self.bodies.join(body.as_str())
    }

    /// Removes the files that killed writers left: temporary files, uploads, and bodies that no record names.
    pub(crate) fn gc(&self) -> Outcome<Swept> {
        let _lock = self.lock_exclusive()?;
        let (temporary, uploads) = (self.sweep_temporary()?, self.sweep_uploads()?);

        // If one record cannot be read, any body may belong to it, so no body is removed.
        let mut in_use = HashSet::new();
        for name in self.names()? {
            in_use.insert(self.record(&name)?.body);
        }
        let mut bodies = 0;
        for file_name in file_names(&self.bodies)? {
            let orphaned = BodyName::parse(&file_name).is_some_and(|body| !in_use.contains(&body));
            if orphaned && body::remove(&self.bodies.join(file_name))? {
                bodies += 1;
            }
        }
        Ok(Swept { temporary, uploads, bodies })
    }

    /// The commit.
    fn write_record(&self, name: &str, record: &Record) -> Outcome<()> {
        self.replace_file(&self.records.join(record::file_name(name)?), record.encode().as_bytes())
    }

    /// Replaces a file atomically: the new file is complete and synced under another name before the rename. The caller
    /// must hold the store's lock.
    pub(crate) fn replace_file(&self, path: &Path, bytes: &[u8]) -> Outcome<()> {
        let mut new = self.create_temporary()?;
        new.file.write_all(bytes)?;
        new.file.sync_all()?;
        reach(Step::RecordWritten);
        fs::rename(&new.path, path)?;
        path.parent().map_or(Ok(()), sync_directory)
    }

    /// Creates a temporary file. The caller must hold the store's lock: otherwise `gc` could remove the file before it
    /// is locked.
    fn create_temporary(&self) -> Outcome<NewBody> {
        let name = BodyName::random()?;
        let path = self.tmp.join(name.as_str());
        let file = File::create(&path)?;
        let new = NewBody { name, path, file };
        new.file.lock()?;
        reach(Step::TemporaryMade);
        Ok(new)
    }

    /// Removes temporary files whose writers have ended: those without a lock.
    fn sweep_temporary(&self) -> Outcome<usize> {
        let mut swept = 0;
        for file_name in file_names(&self.tmp)? {
            let path = self.tmp.join(file_name);
            let Ok(file) = OpenOptions::new().write(true).open(&path) else {
                continue; // the writer has just removed the file
            };
            if file.try_lock().is_ok() && fs::remove_file(&path).is_ok() {
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// The lock is released when the file is dropped, or when the process ends.
    pub(crate) fn lock_exclusive(&self) -> Outcome<File> {
        let lock = OpenOptions::new().write(true).open(&self.lock).about(self.lock.display())?;
        lock.lock()?;
        Ok(lock)
    }
}

impl NewBody {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Takes the file for the commit, after everything is written and synced.
    pub(crate) fn prepared(&self) -> Outcome<Prepared<'_>> {
        self.file.sync_all()?;
        reach(Step::BodyWritten);
        Ok(Prepared { name: &self.name, path: &self.path })
    }
}

impl Drop for NewBody {
    fn drop(&mut self) {
        // After a commit the file has moved, and this removes nothing.
        let _ = fs::remove_file(&self.path);
    }
}
