//! [`EncryptionRecord`], the service's own record of how an object or upload is encrypted.

use std::fmt;

use crate::codec::{ByteReader, put_prefixed};
use crate::envelope::{Envelope, ModeId};
use crate::mode::KmsKeys;
use crate::sse::Expected;

use super::headers::AnswerHeaders;
use super::policy::ConditionValues;

const VERSION: u8 = 1;
const ASKED: u8 = 1;
const DONE: u8 = 1 << 1;
const CHECKSUM: u8 = 1 << 2;
const UPLOAD: u8 = 1 << 3;
const METHOD: u8 = 1 << 4;
const KMS_KEY: u8 = 1 << 5;
const CUSTOMER_ALGORITHM: u8 = 1 << 6;
const KNOWN: u8 = (1 << 7) - 1;

/// The service's own record of how an object or upload is encrypted: the mode, the KMS key, whether a bucket key was
/// requested and whether one is used, and for an upload the condition values of the request that began it.
///
/// It answers HEAD, lists and parts without a key or the envelope, and contains a reader's expectations. A decision
/// [creates](super::NewEncryption::record) the record. The service stores its [bytes](Self::encode) and passes the
/// record to the next decision.
///
/// # Security
///
/// A missing envelope does not prove that an object is unencrypted, and an envelope does not prove the mode that the
/// writer chose: an attacker who writes the store controls both. Keep the record where such an attacker cannot write,
/// or seal it under a root key.
///
/// # The bytes
///
/// Integers are big-endian, and `LP(x) = u16(len x) || x`. Every record has exactly one encoding:
///
/// ```text
/// version(1) = 1 || mode(1) || flags(1)
///   || LP(KMS key, as it was resolved)                       modes 2 and 3
///   || LP(x-amz-server-side-encryption)                      flag 4
///   || LP(x-amz-server-side-encryption-aws-kms-key-id)       flag 5
///   || LP(x-amz-server-side-encryption-customer-algorithm)   flag 6
///
/// mode:  0 unencrypted, 1 SSE-S3, 2 SSE-KMS, 3 DSSE-KMS, 4 SSE-C
/// flags: bit 0       a bucket key was requested
///        bit 1       a bucket key is used (mode 2 only)
///        bit 2       the upload began with a checksum algorithm
///        bit 3       the record is of an upload
///        bits 4 to 6 the request that began the upload had these headers
///        bit 7       zero
/// ```
///
/// Bits 2 and 4 to 6 are set only for uploads. A text has at most 2,048 bytes and no control character. The text of the
/// KMS key is not empty. A record is at most 8,203 bytes long.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionRecord {
    mode: Option<ModeId>,
    kms_key_id: Option<String>,
    bucket_key_asked: bool,
    bucket_key_done: bool,
    upload: Option<Box<UploadRequest>>,
}

/// The request that began an upload.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct UploadRequest {
    pub(super) checksum_algorithm: bool,
    pub(super) method: Option<String>,
    pub(super) kms_key_id: Option<String>,
    pub(super) customer_algorithm: Option<String>,
}

/// The bytes are not a record of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionRecordError {
    /// The version is not 1.
    #[error("the encryption record's version {0} is not known, a newer release may read it")]
    UnsupportedVersion(u8),
    /// The bytes break a rule of the encoding.
    #[error("the encryption record is malformed")]
    Malformed,
}

impl fmt::Debug for UploadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the texts, because a client may have sent a key in the wrong header.
        f.debug_struct("UploadRequest").field("checksum_algorithm", &self.checksum_algorithm).finish_non_exhaustive()
    }
}

impl EncryptionRecord {
    /// The maximum length of an encoding, in bytes.
    pub const MAX_LEN: usize = 3 + 4 * (2 + MAX_TEXT_LEN);

    /// Creates the record of an unencrypted object.
    pub fn unencrypted() -> Self {
        Self { mode: None, kms_key_id: None, bucket_key_asked: false, bucket_key_done: false, upload: None }
    }

    /// Creates the record of an object that was stored before the service kept records, from its envelope.
    ///
    /// # Security
    ///
    /// An attacker who writes the store controls the result. Call it once for each object, when the service begins to
    /// keep records, and store the result.
    pub fn of_envelope(envelope: &Envelope) -> Self {
        Self {
            mode: Some(envelope.mode()),
            kms_key_id: envelope.kms_key_id().map(str::to_owned),
            bucket_key_asked: envelope.has_bucket_key(),
            bucket_key_done: envelope.has_bucket_key(),
            upload: None,
        }
    }

    /// Returns the record after a rewrap of its object or upload, for a sweep. For UpdateObjectEncryption use
    /// [`NewEncryption::record`](super::NewEncryption::record).
    ///
    /// Commit record and envelope in one step: a decision refuses an object whose envelope does not match its record.
    ///
    /// # Security
    ///
    /// Pass the envelope that the rewrap returned, never one that was read from the store.
    #[must_use]
    pub fn after_rewrap(&self, envelope: &Envelope) -> Self {
        let Self { bucket_key_asked, upload, .. } = self.clone();
        Self { bucket_key_asked, upload, ..Self::of_envelope(envelope) }
    }

    /// Sets what was requested; the envelope alone says what was done.
    pub(super) fn with_bucket_key_asked(self, asked: bool) -> Self {
        Self { bucket_key_asked: asked, ..self }
    }

    pub(super) fn of_upload(self, begun: UploadRequest) -> Self {
        Self { upload: Some(Box::new(begun)), ..self }
    }

    /// Returns the record of the completed object, whether or not the request had the customer key.
    #[must_use]
    pub fn completed(&self) -> Self {
        Self { upload: None, ..self.clone() }
    }

    /// Returns the mode; `None` if the object is unencrypted.
    pub fn mode(&self) -> Option<ModeId> {
        self.mode
    }

    /// Returns the resolved id of the KMS key, in SSE-KMS and DSSE-KMS.
    pub fn kms_key_id(&self) -> Option<&str> {
        self.kms_key_id.as_deref()
    }

    /// Returns whether the request or the bucket asked for a bucket key.
    pub fn bucket_key_asked(&self) -> bool {
        self.bucket_key_asked
    }

    /// Returns whether a bucket key is used. Answers report this, not the request.
    pub fn bucket_key_done(&self) -> bool {
        self.bucket_key_done
    }

    /// Returns whether the record belongs to a multipart upload under way.
    pub fn is_of_upload(&self) -> bool {
        self.upload.is_some()
    }

    /// Returns whether the upload was begun with a checksum algorithm. If so, completing an SSE-C upload needs the
    /// customer key.
    pub fn has_checksum_algorithm(&self) -> bool {
        self.upload.as_ref().is_some_and(|begun| begun.checksum_algorithm)
    }

    /// Returns the expectations of a reader: exactly this mode and KMS key; `None` if the object is unencrypted.
    pub fn expected(&self) -> Option<Expected> {
        let expected = Expected::new().with_modes([self.mode?]);
        Some(match &self.kms_key_id {
            Some(key_id) => expected.with_kms_keys(KmsKeys::only([key_id])),
            None => expected,
        })
    }

    /// Returns the encryption headers of an answer to a request without a customer key.
    pub fn response_headers(&self) -> http::HeaderMap {
        AnswerHeaders::default().headers(self)
    }

    /// Returns the condition values of a part or a completion: those of the request that began the upload.
    pub fn condition_values(&self, secure_transport: bool) -> ConditionValues<'_> {
        let values = ConditionValues::new(secure_transport);
        match &self.upload {
            None => values,
            Some(begun) => values
                .with_server_side_encryption(begun.method.as_deref())
                .with_kms_key_id(begun.kms_key_id.as_deref())
                .with_customer_algorithm(begun.customer_algorithm.as_deref()),
        }
    }

    /// Encodes the record.
    pub fn encode(&self) -> Vec<u8> {
        let begun = self.upload.as_deref();
        let flag = |bit: u8, set: bool| if set { bit } else { 0 };
        let has = |text: Option<&Option<String>>| text.is_some_and(Option::is_some);
        let flags = flag(ASKED, self.bucket_key_asked)
            | flag(DONE, self.bucket_key_done)
            | flag(CHECKSUM, self.has_checksum_algorithm())
            | flag(UPLOAD, begun.is_some())
            | flag(METHOD, has(begun.map(|begun| &begun.method)))
            | flag(KMS_KEY, has(begun.map(|begun| &begun.kms_key_id)))
            | flag(CUSTOMER_ALGORITHM, has(begun.map(|begun| &begun.customer_algorithm)));
        let mut bytes = vec![VERSION, self.mode.map_or(0, ModeId::number), flags];
        let of_upload = begun.map(|begun| [&begun.method, &begun.kms_key_id, &begun.customer_algorithm]);
        for text in [&self.kms_key_id].into_iter().chain(of_upload.into_iter().flatten()).flatten() {
            put_prefixed(&mut bytes, text.as_bytes()).expect("a header or an envelope bounds each text");
        }
        bytes
    }

    /// Decodes a whole record.
    ///
    /// # Errors
    ///
    /// Returns [`EncryptionRecordError`] if the bytes are not the output of [`encode`](Self::encode).
    pub fn decode(bytes: &[u8]) -> Result<Self, EncryptionRecordError> {
        let malformed = EncryptionRecordError::Malformed;
        match bytes.first() {
            Some(&VERSION) => {}
            Some(other) => return Err(EncryptionRecordError::UnsupportedVersion(*other)),
            None => return Err(malformed),
        }
        Self::read(bytes).ok_or(malformed)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = ByteReader::new(bytes, |_| ());
        let [_, mode, flags] = *reader.array().ok()?;
        let mode = match mode {
            0 => None,
            number => Some(ModeId::ALL.into_iter().find(|mode| mode.number() == number)?),
        };
        let flag = |bit: u8| flags & bit != 0;
        let of_upload = CHECKSUM | METHOD | KMS_KEY | CUSTOMER_ALGORITHM;
        let out_of_place = (flag(DONE) && mode != Some(ModeId::SseKms))
            || (flag(of_upload) && !flag(UPLOAD))
            || (mode.is_none() && flag(ASKED));
        if flags & !KNOWN != 0 || out_of_place {
            return None;
        }
        let mut text = |there: bool| if there { take(&mut reader).map(Some) } else { Some(None) };
        let kms_key_id = text(matches!(mode, Some(ModeId::SseKms | ModeId::DsseKms)))?;
        if kms_key_id.as_deref() == Some("") {
            return None;
        }
        let method = text(flag(METHOD))?;
        let begun_kms_key_id = text(flag(KMS_KEY))?;
        let customer_algorithm = text(flag(CUSTOMER_ALGORITHM))?;
        let upload = flag(UPLOAD).then(|| {
            let checksum_algorithm = flag(CHECKSUM);
            Box::new(UploadRequest { checksum_algorithm, method, kms_key_id: begun_kms_key_id, customer_algorithm })
        });
        reader.is_empty().then_some(Self {
            mode,
            kms_key_id,
            bucket_key_asked: flag(ASKED),
            bucket_key_done: flag(DONE),
            upload,
        })
    }
}

/// The maximum length of a text, in bytes: that of a KMS key.
const MAX_TEXT_LEN: usize = 2_048;

/// Reads `LP(text)` if the text is legal.
fn take(reader: &mut ByteReader<'_, ()>) -> Option<String> {
    let text = str::from_utf8(reader.prefixed().ok()?).ok()?;
    let legal = text.len() <= MAX_TEXT_LEN && !text.chars().any(char::is_control);
    legal.then(|| text.to_owned())
}

impl fmt::Debug for EncryptionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omits the texts of the request, because a client may have sent a key in the wrong header.
        f.debug_struct("EncryptionRecord")
            .field("mode", &self.mode)
            .field("kms_key_id", &self.kms_key_id)
            .field("bucket_key_asked", &self.bucket_key_asked)
            .field("bucket_key_done", &self.bucket_key_done)
            .field("is_of_upload", &self.is_of_upload())
            .field("has_checksum_algorithm", &self.has_checksum_algorithm())
            .finish()
    }
}
