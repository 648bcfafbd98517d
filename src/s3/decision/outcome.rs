//! The decisions: one type for each kind of operation.

use std::sync::Arc;

use http::HeaderMap;

use crate::envelope::Envelope;
use crate::mode::AnyMode;
use crate::s3::headers::AnswerHeaders;
use crate::s3::record::{EncryptionRecord, UploadRequest};
use crate::sse::Access;

/// How to write a new object, or begin an upload.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle both cases, and no third is possible")]
pub enum Writing {
    /// Unencrypted: the request names no encryption and the bucket has none. Store this record.
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
    /// Returns the mode to encrypt in. A KMS mode that names no key uses the KMS's own key, S3's `aws/s3`. SSE-KMS has
    /// a bucket key if one is requested and the service [applies](super::S3Rules::with_bucket_keys) them.
    pub fn mode(&self) -> AnyMode {
        match self.mode.clone() {
            AnyMode::SseKms(mode) => mode.with_bucket_key(self.bucket_key_asked && self.bucket_keys_applied).into(),
            mode => mode,
        }
    }

    /// Returns whether the request or the bucket asks for a bucket key.
    pub fn bucket_key_asked(&self) -> bool {
        self.bucket_key_asked
    }

    /// Returns the record to store with the object or upload that has this envelope.
    pub fn record(&self, envelope: &Envelope) -> EncryptionRecord {
        let record = EncryptionRecord::of_envelope(envelope).with_bucket_key_asked(self.bucket_key_asked);
        match &self.begun {
            Some(begun) => record.of_upload(begun.clone()),
            None => record,
        }
    }
}

/// How to read a stored object.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle all three cases, and no fourth is possible")]
pub enum Reading {
    /// As it is stored: the object is unencrypted.
    Unencrypted,
    /// With [`Sse::decryptor`](crate::Sse::decryptor).
    Encrypted(Access),
    /// With [`Sse::finish_completion`](crate::Sse::finish_completion): the upload was completed without its customer
    /// key, and no request has finished it yet. Read with the decryptor that this call returns.
    FinishFirst(Access),
}

/// How to write a part: in the same way as its upload.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle both cases, and no third is possible")]
pub enum PartWriting {
    /// Unencrypted.
    Unencrypted,
    /// With [`Sse::resume_multipart`](crate::Sse::resume_multipart).
    Encrypt(Access),
}

/// How to complete an upload.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle all three cases, and no fourth is possible")]
pub enum Completing {
    /// The parts are unencrypted.
    Unencrypted,
    /// With [`Sse::resume_multipart`](crate::Sse::resume_multipart) and
    /// [`Sse::complete_multipart`](crate::Sse::complete_multipart).
    Encrypted(Access),
    /// With [`Sse::complete_multipart_without_key`](crate::Sse::complete_multipart_without_key): the upload is in
    /// SSE-C, and the request has no customer key. The service acknowledges it under a completion record, and the first
    /// request with the key finishes it.
    WithoutKey,
}

/// The decision about PutObject, PostObject and CreateMultipartUpload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct WriteDecision {
    /// How to write the object, or begin the upload.
    pub writing: Writing,
    pub(super) answer: AnswerHeaders,
}

/// The decision about CopyObject.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CopyDecision {
    /// How to read the source.
    pub reading: Reading,
    /// How to write the destination.
    pub writing: Writing,
    pub(super) answer: AnswerHeaders,
}

/// The decision about GetObject, HeadObject and GetObjectAttributes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReadDecision {
    /// How to read the object.
    pub reading: Reading,
    pub(super) answer: Option<AnswerHeaders>,
    pub(super) record: Arc<EncryptionRecord>,
}

/// The decision about UploadPart.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartDecision {
    /// How to write the part.
    pub writing: PartWriting,
    pub(super) answer: AnswerHeaders,
    pub(super) record: Arc<EncryptionRecord>,
}

/// The decision about UploadPartCopy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PartCopyDecision {
    /// How to read the source.
    pub reading: Reading,
    /// How to write the part, and the headers of the answer.
    pub part: PartDecision,
}

/// The decision about CompleteMultipartUpload.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompleteDecision {
    /// How to complete the upload.
    pub completing: Completing,
    pub(super) answer: AnswerHeaders,
    pub(super) record: Arc<EncryptionRecord>,
}

/// The decision about UpdateObjectEncryption. The object keeps its ETag, its checksums and its modification time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UpdateDecision {
    /// How to unlock the object's data key.
    pub access: Access,
    /// The object's new encryption. Call a [`Rewrap`](crate::Rewrap) to its mode, and replace envelope and record in
    /// one step.
    pub encryption: NewEncryption,
}

macro_rules! answers_with_a_new_record {
    ($($decision:ident)*) => {$(
        impl $decision {
            /// Returns the encryption headers of the answer, from the record of the written object. They name the
            /// resolved KMS key, and a bucket key if one is used. Sensitive values are marked.
            pub fn response_headers(&self, record: &EncryptionRecord) -> HeaderMap {
                self.answer.headers(record)
            }
        }
    )*};
}

answers_with_a_new_record! { WriteDecision CopyDecision }

impl ReadDecision {
    /// Returns the encryption headers of the answer; GetObjectAttributes has none. Sensitive values are marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.answer.as_ref().map(|answer| answer.headers(&self.record)).unwrap_or_default()
    }
}

impl PartDecision {
    /// Returns the encryption headers of the answer. Sensitive values are marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.answer.headers(&self.record)
    }
}

impl PartCopyDecision {
    /// Returns the encryption headers of the answer. Sensitive values are marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.part.response_headers()
    }
}

impl CompleteDecision {
    /// Returns the encryption headers of the answer. Sensitive values are marked.
    pub fn response_headers(&self) -> HeaderMap {
        self.answer.headers(&self.record)
    }

    /// Returns the record to store with the object.
    pub fn record(&self) -> EncryptionRecord {
        self.record.completed()
    }
}
