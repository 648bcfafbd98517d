//! [`CompletionRecord`] and its bytes, and [`EnvelopeOrRecord`].
//!
//! ```text
//! magic(8) version LP(key id) key_version(4) salt(32) LP(upload id) LP(envelope) n(4) n x part tag(32)
//! part     number(4) plaintext_len(8) header(56) LP(receipt) LP(label)
//! ```
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::BufMut;

use super::receipt::{MAX_LABEL_LEN, RECEIPT_OVERHEAD};
use crate::codec::{ByteReader, put_prefixed};
use crate::crypto::{Crypto, Prk, constant_time_eq, label};
use crate::envelope::Envelope;
use crate::error::{EnvelopeError, Error, Limit, Result};
use crate::geometry::MAX_PARTS;
use crate::keys::is_key_id;
use crate::object::ObjectName;
use crate::secret::MasterKey;
use crate::stream::message::HEADER_LEN;

const MAGIC: [u8; 8] = *b"\x89ARSC\r\n\x1a";
const VERSION: u8 = 1;
/// Fewer bytes are neither an envelope nor a record.
const MIN_LEN: usize = 16;
pub(crate) const RECORD_SALT_LEN: usize = 32;
pub(super) const TAG_LEN: usize = 32;
/// The length of one part in a record without its label, which is in the record and in the receipt.
const PART_LEN: u64 = 4 + 8 + 56 + 2 + 111 + 2;

type Decoded<T> = std::result::Result<T, EnvelopeError>;

/// The record of an SSE-C upload that was completed without its customer key. The service stores it in place of the
/// object's envelope and manifest until a request brings the key.
///
/// A record contains no secret. Its content is not authenticated before [`Sse::open_record`](crate::Sse::open_record)
/// has verified it; the methods of this type return unverified values. A clone shares the bytes.
///
/// Spec: manual, format, "Completed without the customer key".
#[derive(Clone, PartialEq, Eq)]
pub struct CompletionRecord {
    bytes: Arc<[u8]>,
    key_id: String,
    key_version: u32,
    salt: [u8; RECORD_SALT_LEN],
    /// The bytes that a rewrap keeps: from the upload id's length to the last part.
    rest: Range<usize>,
    upload_id: Range<usize>,
    envelope: Range<usize>,
    parts: Range<usize>,
    count: u32,
    tag: [u8; TAG_LEN],
}

impl CompletionRecord {
    /// Returns the maximum length in bytes of a record with this number of parts. Check it before reading a record into
    /// memory.
    pub const fn max_len(parts: u32) -> u64 {
        133_205_u64.saturating_add((parts as u64).saturating_mul(PART_LEN.saturating_add(510)))
    }

    /// Decodes a whole record without authenticating it.
    ///
    /// # Errors
    ///
    /// Returns [`EnvelopeError`] if the bytes are not a record of this version. The manual gives the order of the
    /// checks.
    ///
    /// # Performance
    ///
    /// Copies the bytes once and allocates nothing else for the parts.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(Self::parse(bytes)?)
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the id of the keyring that authenticates the record.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the version of the keyring that authenticates the record.
    pub fn key_version(&self) -> u32 {
        self.key_version
    }

    /// Returns the number of parts in the record.
    pub fn parts(&self) -> u32 {
        self.count
    }

    /// Returns the total plaintext length in bytes that the record claims, unauthenticated.
    /// [`OpenedRecord::plaintext_len`](super::OpenedRecord::plaintext_len) is authenticated.
    pub fn claimed_plaintext_len(&self) -> u64 {
        self.each_part().fold(0, |total: u64, part| total.saturating_add(part.plaintext_len))
    }

    fn parse(bytes: &[u8]) -> Decoded<Self> {
        if bytes.len() < MIN_LEN || !bytes.starts_with(&MAGIC) {
            return Err(EnvelopeError::NotAnEnvelope);
        }
        let mut reader = ByteReader::new(bytes, EnvelopeError::Malformed);
        let [_magic @ .., version] = *reader.array::<{ MAGIC.len() + 1 }>()?;
        if version != VERSION {
            return Err(EnvelopeError::UnsupportedVersion(version));
        }
        let key_id = std::str::from_utf8(reader.prefixed()?).ok().filter(|id| is_key_id(id));
        let key_id = key_id.ok_or(EnvelopeError::Malformed("the key id of the record"))?.to_owned();
        let key_version = reader.u32()?;
        if key_version == 0 {
            return Err(EnvelopeError::Malformed("the key version of the record"));
        }
        let salt = *reader.array()?;
        let start = reader.position();
        let upload_id = prefixed_range(&mut reader)?;
        if upload_id.is_empty() {
            return Err(EnvelopeError::Malformed("the upload id of the record is empty"));
        }
        let envelope = prefixed_range(&mut reader)?;
        let count = reader.u32()?;
        if count == 0 || usize::try_from(count).map_or(true, |count| count > MAX_PARTS) {
            return Err(EnvelopeError::Malformed("the number of parts of the record"));
        }
        let parts_start = reader.position();
        for _ in 0..count {
            let RecordPart { receipt, label, .. } = RecordPart::read(&mut reader)?;
            if label.len() > MAX_LABEL_LEN || receipt.len() != label.len().saturating_add(RECEIPT_OVERHEAD) {
                return Err(EnvelopeError::Malformed("the length of a label or receipt of the record"));
            }
        }
        let end = reader.position();
        let tag = *reader.array()?;
        reader.finish()?;
        let (rest, parts) = (start..end, parts_start..end);
        Ok(Self { bytes: bytes.into(), key_id, key_version, salt, rest, upload_id, envelope, parts, count, tag })
    }

    /// Seals a record under a master key with a fresh salt.
    ///
    /// # Errors
    ///
    /// Returns an error if no reader would accept the key id, the upload id or the number of parts.
    pub(crate) fn seal(
        crypto: Crypto,
        (key_id, key_version, key): (&str, u32, &MasterKey),
        salt: [u8; RECORD_SALT_LEN],
        object: &ObjectName,
        contents: &RecordContents,
    ) -> Result<Self> {
        let fixed_len = MAGIC.len().saturating_add(1 + 2 + 4 + RECORD_SALT_LEN + TAG_LEN);
        let len = fixed_len.saturating_add(key_id.len()).saturating_add(contents.bytes.len());
        let mut bytes = Vec::with_capacity(len);
        bytes.put_slice(&MAGIC);
        bytes.put_u8(VERSION);
        put_prefixed(&mut bytes, key_id.as_bytes()).map_err(|_| Limit::Envelope)?;
        bytes.put_u32(key_version);
        bytes.put_slice(&salt);
        bytes.put_slice(&contents.bytes);
        let context = object.upload_binding(&contents.upload_id)?;
        let tag = tag_of(crypto, key, &salt, &context, &bytes);
        bytes.put_slice(&tag);
        Self::decode(&bytes)
    }

    /// Verifies that this record was made for this object under this master key.
    pub(crate) fn verify(&self, crypto: Crypto, key: &MasterKey, object: &ObjectName) -> Result<()> {
        let context = object.binding(self.upload_id());
        let before = self.bytes.get(..self.bytes.len().saturating_sub(TAG_LEN)).unwrap_or_default();
        let tag = tag_of(crypto, key, &self.salt, &context, before);
        if constant_time_eq(&tag, &self.tag) { Ok(()) } else { Err(Error::Inauthentic) }
    }

    /// Returns the content that a rewrap keeps.
    pub(crate) fn contents(&self) -> RecordContents {
        RecordContents { upload_id: self.upload_id().to_vec(), bytes: self.slice(&self.rest).to_vec() }
    }

    pub(super) fn upload_id(&self) -> &[u8] {
        self.slice(&self.upload_id)
    }

    pub(super) fn envelope(&self) -> &[u8] {
        self.slice(&self.envelope)
    }

    pub(super) fn tag(&self) -> &[u8; TAG_LEN] {
        &self.tag
    }

    /// Returns every part, in the order of the record.
    pub(super) fn each_part(&self) -> impl Iterator<Item = RecordPart<'_>> {
        let mut reader = ByteReader::new(self.slice(&self.parts), EnvelopeError::Malformed);
        (0..self.count).map_while(move |_| RecordPart::read(&mut reader).ok())
    }

    fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

/// Omits salt and tag, because the tag is made from a key.
impl fmt::Debug for CompletionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionRecord")
            .field("key_id", &self.key_id)
            .field("key_version", &self.key_version)
            .field("upload_id", &String::from_utf8_lossy(self.upload_id()))
            .field("parts", &self.count)
            .finish_non_exhaustive()
    }
}

/// One part as a record lists it.
#[derive(Clone, Copy)]
pub(super) struct RecordPart<'a> {
    pub(super) number: u32,
    pub(super) plaintext_len: u64,
    pub(super) header: &'a [u8; HEADER_LEN],
    pub(super) receipt: &'a [u8],
    pub(super) label: &'a [u8],
}

impl<'a> RecordPart<'a> {
    fn read(reader: &mut ByteReader<'a, EnvelopeError>) -> Decoded<Self> {
        Ok(Self {
            number: reader.u32()?,
            plaintext_len: reader.u64()?,
            header: reader.array()?,
            receipt: reader.prefixed()?,
            label: reader.prefixed()?,
        })
    }

    fn write(&self, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.put_u32(self.number);
        bytes.put_u64(self.plaintext_len);
        bytes.put_slice(self.header);
        put_prefixed(bytes, self.receipt).map_err(|_| Limit::Envelope)?;
        Ok(put_prefixed(bytes, self.label).map_err(|_| Limit::Envelope)?)
    }
}

/// The content of a record, without the key that authenticates it.
pub(crate) struct RecordContents {
    upload_id: Vec<u8>,
    bytes: Vec<u8>,
}

impl RecordContents {
    /// Encodes the content for at least one part.
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Envelope`] if the envelope does not fit.
    pub(super) fn new(upload_id: &[u8], envelope: &Envelope, parts: &[RecordPart<'_>]) -> Result<Self> {
        let envelope = envelope.encode();
        let parts_len = parts.iter().map(|part| part.receipt.len().saturating_add(part.label.len()).saturating_add(72));
        let parts_len = parts_len.fold(0, usize::saturating_add);
        let head_len = upload_id.len().saturating_add(envelope.len()).saturating_add(8);
        let mut bytes = Vec::with_capacity(parts_len.saturating_add(head_len));
        put_prefixed(&mut bytes, upload_id).map_err(|_| Limit::Envelope)?;
        put_prefixed(&mut bytes, &envelope).map_err(|_| Limit::Envelope)?;
        bytes.put_u32(u32::try_from(parts.len()).map_err(|_| Limit::Multipart)?);
        parts.iter().try_for_each(|part| part.write(&mut bytes))?;
        Ok(Self { upload_id: upload_id.to_vec(), bytes })
    }
}

/// The stored header of an object: its envelope, or a completion record in the envelope's place. The first bytes
/// distinguish the two.
///
/// Services that complete SSE-C uploads without their key decode stored bytes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the format has these two, and a caller handles both")]
pub enum EnvelopeOrRecord {
    /// An envelope.
    Envelope(Envelope),
    /// A completion record.
    Record(CompletionRecord),
}

impl EnvelopeOrRecord {
    /// Decodes a whole envelope or record.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Envelope::decode`] and [`CompletionRecord::decode`].
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.starts_with(&MAGIC) {
            CompletionRecord::decode(bytes).map(Self::Record)
        } else {
            Envelope::decode(bytes).map(Self::Envelope)
        }
    }

    /// Returns the keyring version, if the envelope or record is under one.
    pub fn key_version(&self) -> Option<u32> {
        match self {
            Self::Envelope(envelope) => envelope.key_version(),
            Self::Record(record) => Some(record.key_version()),
        }
    }

    /// Returns the id of the keyring or of the KMS key. In DSSE-KMS and for a record it is the keyring's id. It is
    /// `None` for an SSE-C envelope.
    pub fn key_id(&self) -> Option<&str> {
        match self {
            Self::Envelope(envelope) => envelope.key_id(),
            Self::Record(record) => Some(record.key_id()),
        }
    }

    /// Returns the mode; SSE-C for a record.
    pub fn mode(&self) -> crate::envelope::ModeId {
        match self {
            Self::Envelope(envelope) => envelope.mode(),
            Self::Record(_) => crate::envelope::ModeId::SseC,
        }
    }
}

fn tag_of(
    crypto: Crypto,
    key: &MasterKey,
    salt: &[u8; RECORD_SALT_LEN],
    context: &[u8],
    before: &[u8],
) -> [u8; TAG_LEN] {
    let mut tag = [0; TAG_LEN];
    Prk::extract(crypto, salt, key.expose_secret()).expand(label::COMPLETION, &[context, before], &mut tag);
    tag
}

/// Reads `LP(value)` and returns the place of the value.
fn prefixed_range(reader: &mut ByteReader<'_, EnvelopeError>) -> Decoded<Range<usize>> {
    let len = reader.prefixed()?.len();
    Ok(reader.position().saturating_sub(len)..reader.position())
}
