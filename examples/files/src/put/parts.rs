//! A put in parts: several threads encrypt them, each part into a file of its own, and they end in any order.
//!
//! An S3 server does the same from many requests. What its requests share lies in the upload's directory: the envelope,
//! the parts and their receipts.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use atrest::io::EncryptWriter;
use atrest::multipart::s3_limits::MAX_PARTS;
use atrest::multipart::{CompletedPart, PartSeal, Receipt, Upload};
use atrest::{AnyMode, Encryptor, Envelope, PartNumber, Unlock};
use indicatif::ProgressBar;

use super::Parts;
use crate::cli::size_text;
use crate::failure::{About, Failure, Outcome};
use crate::objects::NewUpload;
use crate::record::BodyName;
use crate::source::Source;
use crate::store::Store;
use crate::streams;

/// An upload, and where its parts go.
pub(super) struct NewParts {
    upload: Upload,
    pub(super) files: NewUpload,
}

pub(super) fn begin(store: &Store, name: &str, mode: AnyMode) -> Outcome<NewParts> {
    let (object, id) = (store.object(name)?, BodyName::random()?);
    let upload = store.sse().blocking().begin_multipart(&object, id.as_str().as_bytes(), mode)?;
    let files = store.new_upload(id, name, upload.envelope())?;
    Ok(NewParts { upload, files })
}

/// Stores every part. Returns the plaintext's length.
pub(super) fn store_all(upload: &NewParts, source: Source, parts: Parts, bar: &ProgressBar) -> Outcome<u64> {
    let work = Work {
        upload,
        queue: Mutex::new(Queue::new(source, parts.len)),
        stored_len: AtomicU64::new(0),
        failed: AtomicBool::new(false),
        bar,
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..parts.threads).map(|_| scope.spawn(|| work.until_done())).collect();
        let outcomes = workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(panicked())));
        outcomes.fold(Ok(()), Outcome::and)
    })?;
    Ok(work.stored_len.into_inner())
}

/// Makes an object of all parts that are stored: how many they are, and its envelope.
pub(super) fn complete(store: &Store, upload: &NewParts, unlock: Unlock<'_>) -> Outcome<(usize, Envelope)> {
    // A long upload may have begun before a rotation: what it becomes is under the primary of today.
    store.keyring().blocking().reload()?;
    let stored = upload.files.parts()?;
    let labels: Vec<_> = stored.iter().map(|part| label(part.number)).collect();
    let parts = stored.iter().zip(&labels).map(|(part, label)| {
        CompletedPart::stored(part.number, label.as_bytes(), &part.receipt, part.stored_len, &part.header)
    });
    let completed = store.sse().blocking().complete_multipart(&upload.upload, unlock, parts)?;
    upload.files.add_manifest(&completed.manifest)?;
    Ok((stored.len(), completed.envelope))
}

/// What a client would name a part by at completion: for an S3 server the ETag that it answered.
fn label(number: PartNumber) -> String {
    format!("part {number}")
}

/// What the threads share.
struct Work<'a> {
    upload: &'a NewParts,
    queue: Mutex<Queue>,
    stored_len: AtomicU64,
    failed: AtomicBool,
    bar: &'a ProgressBar,
}

/// The parts that nobody has begun yet.
enum Queue {
    /// Each thread opens the file and reads its own part.
    File { path: PathBuf, start: u64, len: u64, part_len: u64, next: u32 },
    /// Only one thread at a time can read; meanwhile the others write theirs to the disk.
    Stream { stream: BufReader<Box<dyn Read + Send>>, part_len: u64, next: u32 },
}

impl Work<'_> {
    fn until_done(&self) -> Outcome<()> {
        let mut outcome = Ok(true);
        while matches!(outcome, Ok(true)) && !self.failed.load(Ordering::Relaxed) {
            outcome = self.store_next();
        }
        self.failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
        outcome.map(drop)
    }

    /// Stores one part; says whether there was one.
    fn store_next(&self) -> Outcome<bool> {
        let mut queue = self.queue.lock().map_err(|_| panicked())?;
        let (number, file, receipt) = match &mut *queue {
            Queue::File { path, start, len, part_len, next } => {
                // An object without a byte still has a part.
                if *start >= *len && *next > 1 {
                    return Ok(false);
                }
                let number = take_number(next, *part_len)?;
                let (path, offset, plaintext_len) = (path.clone(), *start, (*part_len).min(*len - *start));
                *start += plaintext_len;
                drop(queue);
                let mut source = File::open(&path).about(path.display())?;
                source.seek(SeekFrom::Start(offset))?;
                // A file that has become shorter meanwhile fails here: the part is of so many bytes and no others.
                let part = self.upload.upload.part_of_len(number, plaintext_len)?;
                self.encrypt(part, source.take(plaintext_len))?
            }
            Queue::Stream { stream, part_len, next } => {
                if *next > 1 && stream.fill_buf()?.is_empty() {
                    return Ok(false);
                }
                let number = take_number(next, *part_len)?;
                let part = self.upload.upload.part(number)?;
                let stored = self.encrypt(part, stream.take(*part_len))?;
                drop(queue);
                stored
            }
        };
        self.upload.files.add_part(number, &file, &receipt)?;
        Ok(true)
    }

    fn encrypt(
        &self,
        (encryptor, seal): (Encryptor, PartSeal),
        source: impl Read,
    ) -> Outcome<(PartNumber, File, Receipt)> {
        let number = seal.number();
        let mut writer = EncryptWriter::new(encryptor, self.upload.files.part_file(number)?);
        let len = streams::copy(self.bar.wrap_read(source), &mut writer)?;
        let (file, finished) = writer.finish_part()?;
        let receipt = seal.receipt(&finished, label(number).as_bytes())?;
        self.stored_len.fetch_add(len, Ordering::Relaxed);
        Ok((number, file, receipt))
    }
}

impl Queue {
    fn new(source: Source, part_len: u64) -> Self {
        match source {
            Source::File { path, len } => Self::File { path, start: 0, len, part_len, next: 1 },
            Source::Stream(stream) => {
                Self::Stream { stream: BufReader::with_capacity(256 * 1024, stream), part_len, next: 1 }
            }
        }
    }
}

/// Whether a file is not too long for parts of this length. Of anything else nobody knows.
pub(super) fn check_count(source: &Source, part_len: u64) -> Outcome<()> {
    match source.known_len() {
        Some(len) if len.div_ceil(part_len) > u64::from(MAX_PARTS) => {
            let enough = size_text(len.div_ceil(u64::from(MAX_PARTS)));
            Err(too_many(part_len, &format!("--part-size {enough} is enough")))
        }
        _ => Ok(()),
    }
}

fn take_number(next: &mut u32, part_len: u64) -> Outcome<PartNumber> {
    // Nobody knows how much there is still to come.
    let number = PartNumber::new(*next)
        .map_err(|_| too_many(part_len, &format!("try --part-size {}", size_text(part_len.saturating_mul(10)))))?;
    *next += 1;
    Ok(number)
}

fn too_many(part_len: u64, advice: &str) -> Failure {
    Failure::rule(format!("more than {MAX_PARTS} parts of {}: {advice}", size_text(part_len)))
}

fn panicked() -> Failure {
    Failure::rule("a thread failed")
}
