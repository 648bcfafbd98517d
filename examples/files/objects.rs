//! Records and bodies on disk: how a write becomes visible, all at once or not at all.
//!
//! ```text
//! records/<base32 of the name>.record    small; names the body and holds the envelope
//! bodies/<random>                        what the library wrote, and nothing else
//! tmp/<random>                           being written, locked by its writer
//! lock                                   held, for an instant, by whoever changes what is visible
//! ```
//!
//! A put writes its body under `tmp/`, syncs it, moves it to `bodies/`, and only then replaces the record. That
//! rename is the moment when the new object is there and the old one gone. A new envelope for the same body, as
//! after a rotation, is the last step alone.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use atrest::Envelope;

use crate::failure::{About, Failure, Outcome};
use crate::record::{self, BodyName, Record};

#[derive(Debug)]
pub(crate) struct Objects {
    records: PathBuf,
    bodies: PathBuf,
    tmp: PathBuf,
    lock: PathBuf,
}

/// An object, opened: its envelope and its body belong to the same write, whatever happens to the name meanwhile.
#[derive(Debug)]
pub(crate) struct StoredObject {
    pub(crate) record: Record,
    pub(crate) body: File,
    pub(crate) body_len: u64,
}

/// A body that is being written. Dropped, it leaves nothing; killed, it leaves a file that the next put removes.
#[derive(Debug)]
pub(crate) struct NewBody {
    name: BodyName,
    path: PathBuf,
    file: File,
}

/// What [`Objects::gc`] removed.
#[derive(Debug)]
pub(crate) struct Swept {
    pub(crate) temporary: usize,
    pub(crate) bodies: usize,
}

impl Objects {
    pub(crate) fn new(store: PathBuf) -> Self {
        Self {
            records: store.join("records"),
            bodies: store.join("bodies"),
            tmp: store.join("tmp"),
            lock: store.join("lock"),
        }
    }

    /// The empty directories of a new store.
    pub(crate) fn create(store: &Path) -> Outcome<()> {
        let objects = Self::new(store.to_owned());
        for directory in [&objects.records, &objects.bodies, &objects.tmp] {
            fs::create_dir(directory)?;
        }
        File::create_new(&objects.lock)?;
        Ok(())
    }

    /// A place for a new object's body.
    pub(crate) fn new_body(&self) -> Outcome<NewBody> {
        let _lock = self.lock_exclusive()?;
        self.sweep_temporary()?;
        self.create_temporary()
    }

    /// Makes a finished body and its envelope the object of this name, in place of the one there was.
    pub(crate) fn commit(&self, name: &str, body: NewBody, envelope: Envelope) -> Outcome<()> {
        body.file.sync_all()?;

        let _lock = self.lock_exclusive()?;
        let replaced = self.record(name);
        let record = Record { body: body.name.clone(), envelope };
        fs::rename(&body.path, self.body_path(&record.body))?;
        sync_directory(&self.bodies)?;
        self.write_record(name, &record)?;

        // Only now, and a failure loses nothing: `gc` tries again. A record that could not be read has kept its
        // body from us; that one is left to `gc` too.
        if let Ok(replaced) = replaced {
            let _ = fs::remove_file(self.body_path(&replaced.body));
        }
        Ok(())
    }

    /// Compare-and-swap: gives the object a new envelope if its record is still the one that was read. The body
    /// is not opened.
    pub(crate) fn replace_envelope(&self, name: &str, read: &Record, envelope: Envelope) -> Outcome<bool> {
        let _lock = self.lock_exclusive()?;
        if self.record(name)? != *read {
            return Ok(false);
        }
        self.write_record(name, &Record { body: read.body.clone(), envelope })?;
        Ok(true)
    }

    pub(crate) fn open(&self, name: &str) -> Outcome<StoredObject> {
        // Keeps a put from removing the body between the two opens; once opened, it stays readable.
        let lock = File::open(&self.lock)?;
        lock.lock_shared()?;
        let record = self.record(name)?;
        let body = File::open(self.body_path(&record.body)).about(format!("{name}: its body"))?;
        let body_len = body.metadata()?.len();
        Ok(StoredObject { record, body, body_len })
    }

    pub(crate) fn record(&self, name: &str) -> Outcome<Record> {
        let path = self.records.join(record::file_name(name)?);
        match fs::read(path) {
            Ok(bytes) => Record::decode(&bytes).about(name),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::rule("no such object")).about(name),
            Err(error) => Err(error).about(name),
        }
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

    /// Removes what killed writers left: temporary files, and bodies that no record names.
    pub(crate) fn gc(&self) -> Outcome<Swept> {
        let _lock = self.lock_exclusive()?;
        let temporary = self.sweep_temporary()?;

        // One record that cannot be read, and no body is known to be nobody's: then none is removed.
        let mut in_use = HashSet::new();
        for name in self.names()? {
            in_use.insert(self.record(&name)?.body);
        }
        let mut bodies = 0;
        for file_name in file_names(&self.bodies)? {
            if BodyName::parse(&file_name).is_some_and(|body| !in_use.contains(&body)) {
                fs::remove_file(self.bodies.join(file_name))?;
                bodies += 1;
            }
        }
        Ok(Swept { temporary, bodies })
    }

    /// The commit: complete and synced under another name first, so that the record is the old or the new one at
    /// every instant.
    fn write_record(&self, name: &str, record: &Record) -> Outcome<()> {
        let mut new = self.create_temporary()?;
        new.file.write_all(record.encode().as_bytes())?;
        new.file.sync_all()?;
        fs::rename(&new.path, self.records.join(record::file_name(name)?))?;
        sync_directory(&self.records)
    }

    /// To be called under the store's lock: else the file could be swept before its own lock is taken.
    fn create_temporary(&self) -> Outcome<NewBody> {
        let name = BodyName::random()?;
        let path = self.tmp.join(name.as_str());
        let file = File::create_new(&path)?;
        let new = NewBody { name, path, file };
        new.file.lock()?;
        Ok(new)
    }

    /// Removes the temporary files whose writers are gone: those that nobody holds a lock on.
    fn sweep_temporary(&self) -> Outcome<usize> {
        let mut swept = 0;
        for file_name in file_names(&self.tmp)? {
            let path = self.tmp.join(file_name);
            let Ok(file) = OpenOptions::new().write(true).open(&path) else {
                continue; // its writer has just removed it
            };
            if file.try_lock().is_ok() && fs::remove_file(&path).is_ok() {
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Released when the file is dropped, or its process ends.
    fn lock_exclusive(&self) -> Outcome<File> {
        let lock = OpenOptions::new().write(true).open(&self.lock).about(self.lock.display())?;
        lock.lock()?;
        Ok(lock)
    }
}

impl NewBody {
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

impl Drop for NewBody {
    fn drop(&mut self) {
        // After a commit it has moved, and there is nothing to remove.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the names in a directory durable, as `File::sync_all` does with the bytes in a file.
pub(crate) fn sync_directory(directory: &Path) -> Outcome<()> {
    #[cfg(unix)]
    File::open(directory)?.sync_all().about(directory.display())?;
    #[cfg(not(unix))]
    let _ = directory;
    Ok(())
}

/// The names in a directory, but for hidden ones (file managers leave such).
fn file_names(directory: &Path) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).about(directory.display())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    Ok(names)
}
