//! `NewUpload`: uploads under way, whose parts are not an object yet.
//!
//! ```text
//! uploads/<id>/lock        held by the writer for as long as it lives
//!              upload      the object's name and the upload's envelope; a rewrap replaces it
//!              receipts    a line for each part that is stored
//!              body/       the parts, in the end the manifest; the commit moves it to bodies/<id>
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use atrest::multipart::Receipt;
use atrest::{Envelope, PartNumber};
use data_encoding::BASE64;

use super::body::{MANIFEST, part_name, parts_len};
use super::{Objects, Prepared, file_names, sync_directory};
use crate::failure::{About, Failure, Outcome, unless_gone};
use crate::record::{BodyName, UploadRecord};
use crate::steps::{Step, reach};

/// An upload of this process. Dropping it before its commit leaves nothing; a killed process leaves a directory for
/// `gc`.
#[derive(Debug)]
pub(crate) struct NewUpload {
    id: BodyName,
    directory: PathBuf,
    body: PathBuf,
    receipts: Mutex<File>,
    _lock: File,
}

/// A stored part, as completion needs it.
#[derive(Debug)]
pub(crate) struct StoredPart {
    pub(crate) number: PartNumber,
    pub(crate) receipt: Receipt,
    pub(crate) stored_len: u64,
    /// The first bytes of the stored part.
    pub(crate) header: [u8; 56],
}

impl Objects {
    /// Begins an upload under a random id. `envelope` is called under the store's lock.
    pub(crate) fn new_upload(
        &self,
        id: BodyName,
        name: &str,
        envelope: impl FnOnce() -> Outcome<Envelope>,
    ) -> Outcome<NewUpload> {
        let _lock = self.lock_exclusive()?;
        fs::create_dir_all(&self.uploads)?;
        self.sweep_uploads()?;

        let directory = self.uploads.join(id.as_str());
        fs::create_dir(&directory)?;
        reach(Step::UploadMade);
        let lock = File::create(directory.join("lock"))?;
        lock.lock()?;
        let body = directory.join("body");
        fs::create_dir(&body)?;
        let receipts = Mutex::new(File::create(directory.join("receipts"))?);
        let upload = NewUpload { id, directory, body, receipts, _lock: lock };
        let record = UploadRecord { name: name.to_owned(), envelope: envelope()?.encode() };
        self.replace_file(&upload.directory.join("upload"), record.encode().as_bytes())?;
        sync_directory(&self.uploads)?;
        reach(Step::UploadBegun);
        Ok(upload)
    }

    /// The ids of all uploads, sorted.
    pub(crate) fn upload_ids(&self) -> Outcome<Vec<BodyName>> {
        if !self.uploads.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = file_names(&self.uploads)?;
        names.sort();
        Ok(names.iter().filter_map(|name| BodyName::parse(name)).collect())
    }

    /// Reads an upload's record; `None` if the upload has ended, or was killed before it had a record.
    pub(crate) fn upload(&self, id: &BodyName) -> Outcome<Option<UploadRecord>> {
        let bytes = self.upload_bytes(id)?;
        bytes.map(|bytes| UploadRecord::decode(&bytes)).transpose().about(format!("upload {}", id.as_str()))
    }

    /// Reads the stored bytes of an upload's record, damaged or not.
    pub(crate) fn upload_bytes(&self, id: &BodyName) -> Outcome<Option<Vec<u8>>> {
        unless_gone(fs::read(self.uploads.join(id.as_str()).join("upload"))).about(format!("upload {}", id.as_str()))
    }

    /// The stored bytes of all parts of an upload.
    pub(crate) fn upload_len(&self, id: &BodyName) -> Outcome<u64> {
        parts_len(&self.uploads.join(id.as_str()).join("body"))
    }

    /// Replaces an upload's envelope by compare-and-swap. The upload's writer continues undisturbed.
    pub(crate) fn replace_upload_envelope(&self, id: &BodyName, old: &[u8], new: &[u8]) -> Outcome<bool> {
        let _lock = self.lock_exclusive()?;
        match self.upload(id)? {
            Some(upload) if upload.envelope == old => {
                let record = UploadRecord { envelope: new.to_vec(), ..upload };
                let file = self.uploads.join(id.as_str()).join("upload");
                let replaced = self.replace_file(&file, record.encode().as_bytes());
                // The upload's writer may end meanwhile. `gc` removes the files that the writer did not remove.
                if unless_gone(replaced)?.is_none() {
                    return Ok(false);
                }
                reach(Step::EnvelopeReplaced);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Removes uploads whose writers have ended. The caller must hold the store's lock. A writer removes its own upload
    /// without that lock, so files may disappear at any point.
    pub(super) fn sweep_uploads(&self) -> Outcome<usize> {
        let mut swept = 0;
        for id in self.upload_ids()? {
            let directory = self.uploads.join(id.as_str());
            let lock = unless_gone(OpenOptions::new().write(true).open(directory.join("lock")))?;
            if lock.is_some_and(|lock| lock.try_lock().is_err()) {
                continue;
            }
            let removed = unless_gone(fs::remove_dir_all(&directory)).about(directory.display())?;
            swept += usize::from(removed.is_some());
        }
        Ok(swept)
    }
}

impl NewUpload {
    /// Creates a file for a part's stored bytes.
    pub(crate) fn part_file(&self, number: PartNumber) -> Outcome<File> {
        Ok(File::create(self.body.join(part_name(number)))?)
    }

    /// Records the receipt of a part. From then on the part counts.
    pub(crate) fn add_part(&self, number: PartNumber, stored: &File, receipt: &Receipt) -> Outcome<()> {
        stored.sync_all()?;
        reach(Step::PartWritten);
        let line = format!("{number} {}\n", BASE64.encode(receipt.as_bytes()));
        let mut receipts = self.receipts.lock().map_err(|_| Failure::rule("another thread failed"))?;
        // Not synced: an upload does not survive a crash, but its parts must survive the commit.
        receipts.write_all(line.as_bytes())?;
        reach(Step::PartStored);
        Ok(())
    }

    /// Reads every stored part in order of number, as any other process would find them.
    pub(crate) fn parts(&self) -> Outcome<Vec<StoredPart>> {
        let lines = fs::read_to_string(self.directory.join("receipts"))?;
        let mut parts = lines.lines().map(|line| self.part(line)).collect::<Outcome<Vec<_>>>()?;
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    fn part(&self, line: &str) -> Outcome<StoredPart> {
        let fields = line.split_once(' ').and_then(|(number, receipt)| {
            Some((number.parse().ok()?, Receipt::from_bytes(BASE64.decode(receipt.as_bytes()).ok()?)))
        });
        let (number, receipt) = fields.ok_or_else(|| Failure::rule("a damaged line of receipts"))?;
        let number = PartNumber::new(number)?;
        let mut stored = File::open(self.body.join(part_name(number)))?;
        let mut header = [0; 56];
        stored.read_exact(&mut header)?;
        Ok(StoredPart { number, receipt, stored_len: stored.metadata()?.len(), header })
    }

    /// Stores the manifest beside the parts. After that, everything that the commit needs is complete and synced.
    pub(crate) fn add_manifest(&self, manifest: &[u8]) -> Outcome<()> {
        let mut file = File::create(self.body.join(MANIFEST))?;
        file.write_all(manifest)?;
        file.sync_all()?;
        sync_directory(&self.body)?;
        reach(Step::ManifestWritten);
        Ok(())
    }

    /// The directory of the body, which the commit moves as a whole.
    pub(crate) fn prepared(&self) -> Prepared<'_> {
        Prepared { name: &self.id, path: &self.body }
    }
}

impl Drop for NewUpload {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
