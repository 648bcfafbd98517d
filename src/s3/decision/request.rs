//! What is decided about.

use crate::envelope::Envelope;
use crate::s3::bucket_encryption::{BucketEncryption, DefaultEncryption, ObjectEncryption};
use crate::s3::error::Profile;
use crate::s3::headers::EncryptionHeaders;
use crate::s3::policy::{BucketPolicy, ConditionValues};
use crate::sse::Expected;

/// A request, as far as encryption goes.
#[derive(Clone, Copy, Debug)]
pub struct S3Request<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) headers: &'a EncryptionHeaders,
    pub(super) transport: Transport,
    pub(super) bucket: Bucket<'a>,
    pub(super) begun_with: Option<ConditionValues<'a>>,
    pub(super) policy: Option<PolicyCheck<'a>>,
    pub(super) source_policy: Option<PolicyCheck<'a>>,
    pub(super) profile: Profile,
}

/// What a bucket does with what asks for nothing: that of the destination in a copy.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "there is no third, and each is to be thought of")]
pub enum Bucket<'a> {
    /// It encrypts by default, as every bucket of S3 does: where nothing was configured, [`BucketEncryption::default`].
    Encrypts(&'a BucketEncryption),
    /// It has no encryption: what asks for none is stored in the clear.
    StoresInTheClear,
}

impl<'a> Bucket<'a> {
    pub(super) fn encryption(self) -> Option<&'a BucketEncryption> {
        match self {
            Self::Encrypts(encryption) => Some(encryption),
            Self::StoresInTheClear => None,
        }
    }

    pub(super) fn default(self) -> Option<&'a DefaultEncryption> {
        self.encryption().map(|encryption| &encryption.default)
    }
}

impl<'a> From<&'a BucketEncryption> for Bucket<'a> {
    fn from(encryption: &'a BucketEncryption) -> Self {
        Self::Encrypts(encryption)
    }
}

/// How the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third, and each is to be thought of")]
pub enum Transport {
    /// Over TLS, perhaps as far as a proxy that the service trusts and that says so.
    Secure,
    /// Readable on its way.
    Plain,
}

/// An operation of S3, with what is stored that it is about.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// `PUT /key`.
    PutObject,
    /// `POST /` of a form; its fields are the headers.
    PostObject,
    /// `PUT /key` with `x-amz-copy-source`. The policy of the bucket that is copied from is another
    /// [`source_policy`](S3Request::source_policy): without it nobody asks it.
    CopyObject {
        /// The object that is copied.
        source: Stored<'a>,
    },
    /// `POST /key?uploads`.
    CreateMultipartUpload,
    /// `PUT /key?partNumber&uploadId`.
    UploadPart {
        /// The upload under way.
        upload: Stored<'a>,
    },
    /// `PUT /key?partNumber&uploadId` with `x-amz-copy-source`.
    UploadPartCopy {
        /// The upload under way.
        upload: Stored<'a>,
        /// The object that is copied from.
        source: Stored<'a>,
    },
    /// `POST /key?uploadId`.
    ///
    /// An upload in SSE-C is completed with its customer key here; in S3 only if it was created with a checksum algorithm.
    CompleteMultipartUpload {
        /// The upload under way.
        upload: Stored<'a>,
    },
    /// `GET /key`.
    GetObject {
        /// The object.
        object: Stored<'a>,
    },
    /// `HEAD /key`.
    HeadObject {
        /// The object.
        object: Stored<'a>,
    },
    /// `GET /key?attributes`.
    GetObjectAttributes {
        /// The object.
        object: Stored<'a>,
    },
    /// `PUT /key?encryption`.
    UpdateObjectEncryption {
        /// The object.
        object: Stored<'a>,
        /// The body of the request.
        target: &'a ObjectEncryption,
    },
}

/// How an object is stored, or an upload under way.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Stored<'a> {
    /// Without an envelope, and the service's own record says that it is so: a missing envelope alone does not.
    InTheClear,
    /// With an envelope.
    Encrypted {
        /// The envelope.
        envelope: &'a Envelope,
        /// What the service's own record, out of reach of whoever writes the store, says of its mode and KMS key:
        /// [`Expected::exactly`] of the envelope as it was when it was written. [`Expected::new`] where there is no such
        /// record; an upload has one.
        expected: &'a Expected,
    },
}

/// A bucket policy to be asked, by whom and about what.
#[derive(Clone, Copy, Debug)]
pub struct PolicyCheck<'a> {
    pub(super) policy: &'a BucketPolicy,
    pub(super) principal: Option<&'a str>,
    pub(super) resource: &'a str,
    pub(super) of_version: bool,
}

impl<'a> PolicyCheck<'a> {
    /// This policy, about the object of this ARN, asked for by this principal, an ARN too (`None` is anonymous).
    ///
    /// # Security
    ///
    /// The key stands in the ARN as it is, neither encoded nor shortened: `arn:aws:s3:::photos/2026/a cat.jpg`. What does not
    /// begin so is denied; a principal of another spelling is only seen by statements about everyone.
    pub fn new(policy: &'a BucketPolicy, principal: Option<&'a str>, resource: &'a str) -> Self {
        Self { policy, principal, resource, of_version: false }
    }

    /// The same of an object whose version id the request names: another action is asked for, `s3:GetObjectVersion`.
    #[must_use]
    pub fn of_version(self) -> Self {
        Self { of_version: true, ..self }
    }
}

impl<'a> S3Request<'a> {
    /// An operation on a bucket with this default encryption, that of the destination in a copy: a `&BucketEncryption`, or a
    /// [`Bucket`].
    pub fn new(
        operation: Operation<'a>,
        headers: &'a EncryptionHeaders,
        transport: Transport,
        bucket: impl Into<Bucket<'a>>,
    ) -> Self {
        let profile = Profile::default();
        let bucket = bucket.into();
        Self { operation, headers, transport, bucket, begun_with: None, policy: None, source_policy: None, profile }
    }

    /// The same under the policy of the bucket, that of the destination in a copy.
    #[must_use]
    pub fn policy(self, policy: PolicyCheck<'a>) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// The same under the policy of the bucket that is copied from.
    #[must_use]
    pub fn source_policy(self, policy: PolicyCheck<'a>) -> Self {
        Self { source_policy: Some(policy), ..self }
    }

    /// The same of a part or a completion, with what [`condition_values`](super::condition_values) gave for the request that
    /// began the upload, kept by the service: a policy judges them as it judged that one. Without it they are judged by how
    /// the upload is stored: by its mode, and by its KMS key as it was resolved.
    #[must_use]
    pub fn begun_with(self, values: ConditionValues<'a>) -> Self {
        Self { begun_with: Some(values), ..self }
    }

    /// The same as a service of this profile sees it.
    #[must_use]
    pub fn profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }
}

impl<'a> Operation<'a> {
    /// The actions that a bucket policy is asked for, of the object or of one `of_version`; every one of them has to be
    /// permitted. Of a copy these are the destination's, and the source's bucket is asked for those of
    /// [`GetObject`](Self::GetObject).
    pub fn actions(&self, of_version: bool) -> &'static [&'static str] {
        match (self, of_version) {
            (Self::GetObject { .. } | Self::HeadObject { .. }, false) => &["s3:GetObject"],
            (Self::GetObject { .. } | Self::HeadObject { .. }, true) => &["s3:GetObjectVersion"],
            (Self::GetObjectAttributes { .. }, false) => &["s3:GetObject", "s3:GetObjectAttributes"],
            (Self::GetObjectAttributes { .. }, true) => &["s3:GetObjectVersion", "s3:GetObjectVersionAttributes"],
            (Self::UpdateObjectEncryption { .. }, _) => &["s3:PutObject", "s3:UpdateObjectEncryption"],
            _ => &["s3:PutObject"],
        }
    }

    pub(super) fn source(&self) -> Option<Stored<'a>> {
        match self {
            Self::CopyObject { source } | Self::UploadPartCopy { source, .. } => Some(*source),
            _ => None,
        }
    }

    pub(super) fn upload(&self) -> Option<Stored<'a>> {
        match self {
            Self::UploadPart { upload }
            | Self::UploadPartCopy { upload, .. }
            | Self::CompleteMultipartUpload { upload } => Some(*upload),
            _ => None,
        }
    }

    /// Whether the request says how to encrypt.
    pub(super) fn takes_method(&self) -> bool {
        matches!(self, Self::PutObject | Self::PostObject | Self::CopyObject { .. } | Self::CreateMultipartUpload)
    }

    /// Whether it writes data.
    pub(super) fn writes(&self) -> bool {
        self.takes_method() || self.upload().is_some()
    }
}
