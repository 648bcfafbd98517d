// Floor 6. May use floors 0 to 5, and no other module of floor 6.
//! Multipart uploads: [`Upload`], the parts and receipts of an upload, and [`CompletionRecord`].
//!
//! Parts may arrive at many processes, in any order, and more than once.
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
//! let envelope = upload.envelope().clone(); // store the envelope with the upload
//! // Keep this where a writer of the store cannot write.
//! let expected = Expected::exactly(upload.envelope());
//!
//! // On any node, in any order, any number of times:
//! let (id, unlock) = (b"upload-7", Unlock::Server);
//! let upload = sse.resume_multipart(&object, id, &envelope, &expected, unlock)?;
//! let number = PartNumber::new(1)?;
//! let label = b"the ETag that was answered";
//! let (stored, receipt) = upload.encrypt_part(number, b"meow", label)?;
//!
//! // To complete: what the client lists, and what the store has.
//! let part = CompletedPart::new(number, b"the ETag that was answered", &receipt, &stored);
//! let completed = sse.complete_multipart(&upload, Unlock::Server, [part])?;
//! // Store completed.envelope and completed.manifest with the parts, all in one commit.
//!
//! let decryptor = sse.decryptor(&object, &completed.envelope, Unlock::Server)?;
//! let decryptor = decryptor.with_manifest(&completed.manifest)?;
//! # let mut plain = bytes::BytesMut::new();
//! # let mut reader = decryptor.sequential();
//! # reader.push(&stored, &mut plain)?;
//! # reader.finish_into(&mut plain)?;
//! # assert_eq!(plain, b"meow"[..]);
//! # Ok(()) }
//! ```
//!
//! Every attempt at a part draws its own salt, so uploading a part again never repeats a key and nonce. Attempts are
//! stored separately, and the receipts say which attempts belong to the object. To abort an upload, drop it and remove
//! its stored bytes. If two completions race, the store accepts one, by compare-and-swap on the upload's envelope. If a
//! sweep has rewrapped the envelope meanwhile, resume from the new envelope and complete again.
//!
//! An SSE-C upload can be completed without its customer key: the keyring authenticates a [`CompletionRecord`], and the
//! first request that brings the key finishes the completion. The manual's page *howto* shows it.
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

/// The limits of Amazon S3. The library's own limits are wider; they are in [`geometry`].
///
/// Spec: Amazon S3, "Amazon S3 multipart upload limits".
pub mod s3_limits {
    /// The minimum length of every part except the last, in bytes: 5 MiB.
    pub const MIN_PART_LEN: u64 = 5 << 20;
    /// The maximum length of a part, in bytes: 5 GiB.
    pub const MAX_PART_LEN: u64 = 5 << 30;
    /// The maximum number of parts, and the highest part number.
    pub const MAX_PARTS: u32 = crate::object::PartNumber::S3_MAX;
    /// The maximum length of an object, in bytes: 50 TB.
    pub const MAX_OBJECT_LEN: u64 = 50_000_000_000_000;
}

/// A multipart upload under way. It encrypts the parts.
///
/// An `Upload` is a cheap handle that many threads can share. A process that has the upload's envelope can
/// [resume](crate::Sse::resume_multipart) the upload elsewhere. Dropping the handle does not abort the upload.
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

    /// Returns the envelope to store with the upload. It opens no object.
    pub fn envelope(&self) -> &Envelope {
        &self.shared.envelope
    }

    /// Returns the object that is uploaded.
    pub fn object(&self) -> &ObjectName {
        &self.shared.object
    }

    /// Returns the upload's id; empty if the object is unbound.
    pub fn upload_id(&self) -> &[u8] {
        &self.shared.upload_id
    }

    /// Begins an attempt at a part under a fresh salt. Returns the part's encryptor and the [`PartSeal`] of its
    /// receipt.
    ///
    /// If the encryptor is dropped instead of finished, no completion accepts the bytes that it wrote.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`](crate::Error::Random) if the random generator fails.
    pub fn part(&self, number: PartNumber) -> Result<(Encryptor, PartSeal)> {
        self.part_of(number, None)
    }

    /// Begins an attempt at a part whose plaintext length in bytes is known. A plaintext of another length fails.
    ///
    /// # Errors
    ///
    /// - The errors of [`part`](Self::part).
    /// - [`Limit::Message`]: the length is too large for one part.
    pub fn part_of_len(&self, number: PartNumber, plaintext_len: u64) -> Result<(Encryptor, PartSeal)> {
        if plaintext_len > self.keys.layers().max_plaintext_len() {
            return Err(Limit::Message.into());
        }
        self.part_of(number, Some(plaintext_len))
    }

    /// Encrypts a part that is in memory. Returns the bytes to store and the receipt with this label.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`part_of_len`](Self::part_of_len) and [`PartSeal::receipt`].
    ///
    /// # Performance
    ///
    /// Allocates the stored bytes. For large parts use [`part`](Self::part).
    pub fn encrypt_part(&self, number: PartNumber, plaintext: &[u8], label: &[u8]) -> Result<(Vec<u8>, Receipt)> {
        let (mut encryptor, seal) = self.part_of_len(number, plaintext.len() as u64)?;
        let (stored, finished) = encryptor.all(plaintext)?;
        Ok((stored, seal.receipt(&finished, label)?))
    }

    /// Opens a receipt of this upload, for example to list the parts.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`](crate::Error::Inauthentic) if the receipt does not belong to this upload.
    pub fn open_receipt(&self, receipt: &Receipt) -> Result<PartReceipt> {
        PartReceipt::open(&self.keys, receipt)
    }

    /// Returns the sealer of small values that belong to the upload while it is under way.
    ///
    /// The values do not open for the completed object: seal them again with the values of
    /// [`CompletedUpload::decryptor`].
    pub fn values(&self) -> ValueSealer {
        self.keys.values()
    }

    fn part_of(&self, number: PartNumber, plaintext_len: Option<u64>) -> Result<(Encryptor, PartSeal)> {
        let message = self.keys.message_under(&self.keys.fresh_salts()?, &part_context(number.get()));
        let seal = PartSeal::new(number, message.headers(), self.keys.clone());
        Ok((Encryptor::new(message, self.keys.clone(), plaintext_len), seal))
    }

    /// Checks the listed parts against their receipts and collects the records of the manifest.
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

/// The parts of an object, all checked.
pub(crate) struct CheckedParts {
    pub(crate) records: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) plaintext_len: u64,
}

/// The result of a completion, to store beside the parts.
#[derive(Clone)]
#[non_exhaustive]
pub struct CompletedUpload {
    /// The object's envelope. It replaces the upload's envelope.
    pub envelope: Envelope,
    /// The manifest. Without envelope and manifest, the object cannot be read.
    pub manifest: Vec<u8>,
    /// The decryptor of the object. Its values belong to the object as a whole.
    pub decryptor: Decryptor,
}

/// Shows only the length of the manifest, because it begins with a commitment that is made from a key.
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
