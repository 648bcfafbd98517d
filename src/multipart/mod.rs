// Floor 6. May use floors 0 to 5, and no other module of floor 6.
//! Objects that arrive in parts: from many processes, in any order, some of them several times over.
//!
//! ```
//! # fn main() -> atrest::Result<()> {
//! # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
//! # let sse = sse.blocking();
//! use atrest::multipart::CompletedPart;
//! use atrest::{Expected, ObjectName, PartNumber, SseS3, Unlock};
//!
//! let object = ObjectName::new("photos", "2026/cat.tiff")?;
//! let upload = sse.begin_multipart(&object, b"upload-7", SseS3)?;
//! let envelope = upload.envelope().clone(); // store it with the upload
//! let expected = Expected::exactly(upload.envelope()); // keep it where a writer of the store cannot write
//!
//! // On any node, in any order, any number of times:
//! let upload = sse.resume_multipart(&object, b"upload-7", &envelope, &expected, Unlock::Server)?;
//! let number = PartNumber::new(1)?;
//! let (stored, receipt) = upload.encrypt_part(number, b"meow", b"the ETag that was answered")?;
//!
//! // To complete: what the client lists, and what the store has.
//! let part = CompletedPart::new(number, b"the ETag that was answered", &receipt, &stored);
//! let completed = sse.complete_multipart(&upload, Unlock::Server, [part])?;
//! // Store completed.envelope and completed.manifest with the parts, all in one commit.
//!
//! let decryptor = sse.decryptor(&object, &completed.envelope, Unlock::Server)?.with_manifest(&completed.manifest)?;
//! # let mut plain = bytes::BytesMut::new();
//! # let mut reader = decryptor.sequential();
//! # reader.push(&stored, &mut plain)?;
//! # reader.finish_into(&mut plain)?;
//! # assert_eq!(plain, b"meow"[..]);
//! # Ok(()) }
//! ```
//!
//! Every attempt at a part draws a salt of its own, so uploading a part again never repeats a key and nonce. Attempts
//! are stored apart; the receipts say which of them the object is made of. To abort an upload, drop it, and remove what
//! was stored. Of two completions that race the store takes one, by compare-and-swap on the upload's envelope; where a
//! sweep has rewrapped that meanwhile, resume from the new one and complete again.
//!
//! An SSE-C upload is completed without its customer key too: under a [`CompletionRecord`], which the keyring
//! authenticates, and which the first request that brings the key finishes. The manual's page *howto* shows it.
//!
//! Spec: manual, format, "Multipart"; Amazon S3, "Uploading and copying objects using multipart upload".

mod attempt;
mod opened_record;
mod part_seal;
mod receipt;
mod record;

pub use attempt::{KeptAttempt, UnopenedPart};
pub use opened_record::{OpenedRecord, RecordedPart, RecordedTotal};
pub use part_seal::PartSeal;
pub use receipt::{CompletedPart, PartReceipt, Receipt};
pub use record::{CompletionRecord, EnvelopeOrRecord};

pub(crate) use attempt::contents;
pub(crate) use record::{RECORD_SALT_LEN, RecordContents};

use std::fmt;
use std::sync::Arc;

use crate::envelope::Envelope;
use crate::error::{Limit, PartError, Result};
use crate::geometry::{self, Parts};
use crate::object::{ObjectName, PartNumber};
use crate::stream::object_keys::ObjectKeys;
use crate::stream::parts::{PartRecord, part_context};
use crate::stream::{Decryptor, Encryptor, ValueSealer};

/// What Amazon S3 allows; the library takes more, and its own bounds are in [`geometry`].
///
/// Spec: Amazon S3, "Amazon S3 multipart upload limits".
pub mod s3_limits {
    /// The smallest part but for the last: 5 MiB.
    pub const MIN_PART_LEN: u64 = 5 << 20;
    /// The largest part: 5 GiB.
    pub const MAX_PART_LEN: u64 = 5 << 30;
    /// The most parts of an object, and the highest number of one.
    pub const MAX_PARTS: u32 = crate::object::PartNumber::S3_MAX;
    /// The largest object: 50 TB.
    pub const MAX_OBJECT_LEN: u64 = 50_000_000_000_000;
}

/// A multipart upload under way: encrypts its parts.
///
/// An `Upload` is a cheap handle that many threads can share. A process that has the upload's envelope can
/// [resume](crate::Sse::resume_multipart) the upload elsewhere. Dropping the handle aborts nothing that is stored.
#[derive(Clone)]
pub struct Upload {
    shared: Arc<UploadInfo>,
    keys: ObjectKeys,
}

struct UploadInfo {
    object: ObjectName,
    upload_id: Vec<u8>,
    envelope: Envelope,
}

impl Upload {
    pub(crate) fn new(object: ObjectName, upload_id: Vec<u8>, envelope: Envelope, keys: ObjectKeys) -> Self {
        Self { shared: Arc::new(UploadInfo { object, upload_id, envelope }), keys }
    }

    /// The envelope to store with the upload; it opens no object.
    pub fn envelope(&self) -> &Envelope {
        &self.shared.envelope
    }

    /// The object that is uploaded.
    pub fn object(&self) -> &ObjectName {
        &self.shared.object
    }

    /// The upload's id; empty where the object is unbound.
    pub fn upload_id(&self) -> &[u8] {
        &self.shared.upload_id
    }

    /// Begins an attempt at a part, under a salt of its own: gives its encryptor, and what seals its receipt.
    ///
    /// Dropping the encryptor instead of finishing it leaves bytes that no completion takes.
    ///
    /// # Errors
    ///
    /// [`Error::Random`](crate::Error::Random).
    pub fn part(&self, number: PartNumber) -> Result<(Encryptor, PartSeal)> {
        self.part_of(number, None)
    }

    /// [`part`](Self::part) of so many bytes of plaintext: another length fails.
    ///
    /// # Errors
    ///
    /// As [`part`](Self::part); [`Limit::Message`].
    pub fn part_of_len(&self, number: PartNumber, plaintext_len: u64) -> Result<(Encryptor, PartSeal)> {
        if plaintext_len > self.keys.layers().max_plaintext_len() {
            return Err(Limit::Message.into());
        }
        self.part_of(number, Some(plaintext_len))
    }

    /// Encrypts a part that is in memory: its stored bytes, and its receipt with this label.
    ///
    /// # Errors
    ///
    /// As [`part`](Self::part) and [`PartSeal::receipt`].
    ///
    /// # Performance
    ///
    /// Allocates the stored bytes; for large parts use [`part`](Self::part).
    pub fn encrypt_part(&self, number: PartNumber, plaintext: &[u8], label: &[u8]) -> Result<(Vec<u8>, Receipt)> {
        let (encryptor, seal) = self.part_of_len(number, plaintext.len() as u64)?;
        let (stored, finished) = encryptor.all(plaintext)?;
        Ok((stored, seal.receipt(&finished, label)?))
    }

    /// What a receipt of this upload says: for listing the parts.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`](crate::Error::Inauthentic): it is no receipt of this upload.
    pub fn open_receipt(&self, receipt: &Receipt) -> Result<PartReceipt> {
        PartReceipt::open(&self.keys, receipt)
    }

    /// The sealer of small values that belong to the upload while it is under way.
    ///
    /// They do not open for the object that it becomes: seal them again with [`CompletedUpload::decryptor`].
    pub fn values(&self) -> ValueSealer {
        self.keys.values()
    }

    fn part_of(&self, number: PartNumber, plaintext_len: Option<u64>) -> Result<(Encryptor, PartSeal)> {
        let message = self.keys.message_under(&self.keys.fresh_salts()?, &part_context(number.get()));
        let seal = PartSeal::new(number, message.headers(), self.keys.clone());
        Ok((Encryptor::new(message, &self.keys, plaintext_len), seal))
    }

    /// The records of the manifest of these parts, how many they are, and their total length.
    pub(crate) fn list<'p>(&self, parts: impl IntoIterator<Item = CompletedPart<'p>>) -> Result<CheckedParts> {
        let (mut records, mut ends, mut before) = (Vec::new(), Vec::new(), 0);
        for part in parts {
            let number = part.number.get();
            if number <= before {
                return Err(PartError::Order(number).into());
            }
            if ends.len() == geometry::MAX_PARTS {
                return Err(Limit::Multipart.into());
            }
            let receipt = part.check(&self.keys)?;
            let end = ends.last().copied().unwrap_or(0u64).saturating_add(receipt.plaintext_len);
            PartRecord { number, plaintext_end: end, salts: receipt.salts() }.encode(&mut records);
            ends.push(end);
            before = number;
        }
        let count = u32::try_from(ends.len()).map_err(|_| Limit::Multipart)?;
        if count == 0 {
            return Err(PartError::None.into());
        }
        let geometry = Parts::new(self.keys.layers(), ends).ok_or(Limit::Multipart)?;
        Ok(CheckedParts { records, count, plaintext_len: geometry.plaintext_len() })
    }

    pub(crate) fn keys(&self) -> &ObjectKeys {
        &self.keys
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("object", &self.shared.object)
            .field("upload_id", &String::from_utf8_lossy(&self.shared.upload_id))
            .field("envelope", &self.shared.envelope)
            .finish_non_exhaustive()
    }
}

/// The parts that an object is made of, every one of them checked.
pub(crate) struct CheckedParts {
    pub(crate) records: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) plaintext_len: u64,
}

/// A multipart object, completed: what to store beside its parts.
#[derive(Clone)]
#[non_exhaustive]
pub struct CompletedUpload {
    /// The object's envelope, in place of the upload's.
    pub envelope: Envelope,
    /// The manifest, as precious as the envelope: without it the object cannot be read.
    pub manifest: Vec<u8>,
    /// What decrypts the object, and seals values that belong to it as a whole.
    pub decryptor: Decryptor,
}

/// The manifest by its length alone: it begins with a commitment, which is made from a key.
impl fmt::Debug for CompletedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletedUpload")
            .field("envelope", &self.envelope)
            .field("manifest_len", &self.manifest.len())
            .field("decryptor", &self.decryptor)
            .finish()
    }
}

const fn assert_shareable<T: Send + Sync + Clone + 'static>() {}
const _: () = assert_shareable::<Upload>();
