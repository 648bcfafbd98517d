//! What is decided: one type for each kind of operation.

use std::sync::Arc;

use http::HeaderMap;

use crate::envelope::Envelope;
use crate::mode::AnyMode;
use crate::s3::headers::AnswerHeaders;
use crate::s3::record::{EncryptionRecord, UploadRequest};
use crate::sse::Access;

/// How a new object is written, or an upload begun.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third, and each is to be thought of")]
pub enum Writing {
    /// Unencrypted: the request asked for nothing, and the bucket has no encryption. The record says so.
    Unencrypted(EncryptionRecord),
    /// Encrypted.
    Encrypt(NewEncryption),
}

/// The encryption of a new object.
#[derive(Clone, Debug)]
pub struct NewEncryption {
    pub(super) mode: AnyMode,
    pub(super) bucket_key_asked: bool,
    pub(super) bucket_keys_applied: bool,
    pub(super) begun: Option<UploadRequest>,
}

impl NewEncryption {
    /// The mode to encrypt in. Where it names no KMS key, the KMS has one: S3's `aws/s3`.
    pub fn mode(&self) -> AnyMode {
        self.mode.clone()
    }

    /// Whether a bucket key is asked for, by the request or by the bucket.
    pub fn bucket_key_asked(&self) -> bool {
        self.bucket_key_asked
    }

    /// The record to store with the object or upload that was given this envelope.
    pub fn record(&self, envelope: &Envelope) -> EncryptionRecord {
        let record =
            EncryptionRecord::of_envelope(envelope).bucket_key(self.bucket_key_asked, self.bucket_keys_applied);
        match &self.begun {
            Some(begun) => record.of_upload(begun.clone()),
            None => record,
        }
    }
}

/// How a stored object is read.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth, and each is to be thought of")]
pub enum Reading {
    /// As it is stored: it is unencrypted.
    Unencrypted,
    /// With [`Sse::decryptor`](crate::Sse::decryptor).
    Encrypted(Access),
    /// With [`Sse::finish_completion`](crate::Sse::finish_completion): the upload was completed without its customer key, and no request has
    /// finished it yet. The reader is the one that finishing gives.
    FinishFirst(Access),
}

/// How a part is written: as its upload is.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third, and each is to be thought of")]
pub enum PartWriting {
    /// Unencrypted.
    Unencrypted,
    /// With [`Sse::resume_multipart`](crate::Sse::resume_multipart).
    Encrypt(Access),
}

/// How an upload is completed.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth, and each is to be thought of")]
pub enum Completing {
    /// Its parts are unencrypted.
    Unencrypted,
    /// With [`Sse::resume_multipart`](crate::Sse::resume_multipart) and [`Sse::complete_multipart`](crate::Sse::complete_multipart).
    Encrypted(Access),
    /// With [`Sse::complete_multipart_without_key`](crate::Sse::complete_multipart_without_key): the upload is in SSE-C, and the request
    /// brings no customer key. It is acknowledged under a completion record, and finished by the first request that
    /// brings the key.
    WithoutKey,
}

/// What PutObject, PostObject and CreateMultipartUpload do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteDecision {
    /// How the object is written, or the upload begun.
    pub writing: Writing,
    pub(super) answer: AnswerHeaders,
}

/// What CopyObject does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyDecision {
    /// How the source is read.
    pub reading: Reading,
    /// How the destination is written.
    pub writing: Writing,
    pub(super) answer: AnswerHeaders,
}

/// What GetObject, HeadObject and GetObjectAttributes do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadDecision {
    /// How the object is read.
    pub reading: Reading,
    pub(super) answer: Option<AnswerHeaders>,
    pub(super) record: Arc<EncryptionRecord>,
}

/// What UploadPart does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartDecision {
    /// How the part is written.
    pub writing: PartWriting,
    pub(super) answer: AnswerHeaders,
    pub(super) record: Arc<EncryptionRecord>,
}

/// What UploadPartCopy does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartCopyDecision {
    /// How the source is read.
    pub reading: Reading,
    /// How the part is written, and the headers of the answer.
    pub part: PartDecision,
}

/// What CompleteMultipartUpload does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompleteDecision {
    /// How the upload is completed.
    pub completing: Completing,
    pub(super) answer: AnswerHeaders,
    pub(super) record: Arc<EncryptionRecord>,
}

/// What UpdateObjectEncryption does. The object keeps its ETag, its checksums and the time of its last modification.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpdateDecision {
    /// How the object's data key is unlocked.
    pub access: Access,
    /// What the object becomes, with a [`Rewrap`](crate::Rewrap) to its mode. Envelope and record are
    /// replaced in one step.
    pub encryption: NewEncryption,
}

macro_rules! answers_with_a_new_record {
    ($($decision:ident)*) => {$(
        impl $decision {
            /// The encryption headers of the answer, the sensitive ones marked, from the record of what was written:
            /// the KMS key is answered as it was resolved, and a bucket key where one is used.
            pub fn response_headers(&self, record: &EncryptionRecord) -> HeaderMap {
                self.answer.headers(record)
            }
        }
    )*};
}

answers_with_a_new_record! { WriteDecision CopyDecision }

impl ReadDecision {
    /// The encryption headers of the answer, the sensitive ones marked; GetObjectAttributes has none.
    pub fn response_headers(&self) -> HeaderMap {
        self.answer.as_ref().map(|answer| answer.headers(&self.record)).unwrap_or_default()
    }
}

impl PartDecision {
    /// The encryption headers of the answer, the sensitive ones marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.answer.headers(&self.record)
    }
}

impl PartCopyDecision {
    /// The encryption headers of the answer, the sensitive ones marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.part.response_headers()
    }
}

impl CompleteDecision {
    /// The encryption headers of the answer, the sensitive ones marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.answer.headers(&self.record)
    }

    /// The record to store with the object.
    pub fn record(&self) -> EncryptionRecord {
        self.record.completed()
    }
}
