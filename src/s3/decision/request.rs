//! [`S3Request`], the input of every decision, and its parts: [`Caller`], [`Resource`], [`BucketDefault`], [`Stored`],
//! [`CopySource`].

use std::sync::Arc;

use super::policy::PolicySource;
use crate::envelope::Envelope;
use crate::s3::bucket_encryption::{BucketEncryption, DefaultEncryption};
use crate::s3::headers::EncryptionHeaders;
use crate::s3::policy::RequestFacts;
use crate::s3::record::EncryptionRecord;

/// The parts of a request that concern encryption. The value owns its contents.
///
/// A service builds one for each request and passes it to the decision of the operation.
#[derive(Clone, Debug)]
pub struct S3Request {
    pub(super) headers: EncryptionHeaders,
    pub(super) caller: Caller,
    pub(super) resource: Resource,
    pub(super) bucket: BucketDefault,
    pub(super) policy: PolicySource,
}

impl S3Request {
    /// Creates a request with these headers, by this caller, for this object, under the bucket's default and policy. In
    /// a copy, bucket and policy are those of the destination.
    pub fn new(
        headers: EncryptionHeaders,
        caller: Caller,
        resource: Resource,
        bucket: impl Into<BucketDefault>,
        policy: PolicySource,
    ) -> Self {
        Self { headers, caller, resource, bucket: bucket.into(), policy }
    }
}

/// The sender of a request, its signature and its transport.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) transport: Transport,
    pub(super) signature: Signature,
    pub(super) principal: Option<String>,
    pub(super) facts: RequestFacts,
}

impl Caller {
    /// Creates a caller that has signed the request. `principal` is the caller's ARN.
    pub fn signed(transport: Transport, signature: Signature, principal: impl Into<String>) -> Self {
        Self { transport, signature, principal: Some(principal.into()), facts: RequestFacts::new() }
    }

    /// Creates a caller that has not signed the request.
    pub fn anonymous(transport: Transport) -> Self {
        Self { transport, signature: Signature::None, principal: None, facts: RequestFacts::new() }
    }

    /// Returns the same caller with facts about the request beyond its headers, for the conditions of policies. A fact
    /// that is not set is absent.
    #[must_use]
    pub fn with_facts(self, facts: RequestFacts) -> Self {
        Self { facts, ..self }
    }
}

/// The transport of a request: the value of `aws:SecureTransport`.
///
/// A service that accepts encrypted requests over plain HTTP, behind a mesh or in tests, sets
/// [`S3Rules::with_encryption_without_tls`](super::S3Rules::with_encryption_without_tls) and still reports the real
/// transport here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle both cases, and no third is possible")]
pub enum Transport {
    /// Over TLS, to the service or to a proxy that the service trusts.
    Secure,
    /// Over plain HTTP.
    Plain,
}

/// The signature of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signature {
    /// The request is not signed.
    None,
    /// AWS Signature Version 2.
    V2,
    /// AWS Signature Version 4, in a header, a query or a form.
    V4,
}

/// The resource of a request, for policies: the ARN of an object or a bucket.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(super) arn: String,
    pub(super) of_version: bool,
}

impl Resource {
    /// Creates the resource of an object. The key is neither encoded nor shortened.
    pub fn object(bucket: &str, key: &str) -> Self {
        Self { arn: format!("arn:aws:s3:::{bucket}/{key}"), of_version: false }
    }

    /// Creates the resource of a bucket.
    pub fn bucket(bucket: &str) -> Self {
        Self { arn: format!("arn:aws:s3:::{bucket}"), of_version: false }
    }

    /// Returns the same resource for a request that names a version id. A policy is then asked about another action,
    /// such as `s3:GetObjectVersion`.
    #[must_use]
    pub fn of_version(self) -> Self {
        Self { of_version: true, ..self }
    }

    /// Returns the ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the ARN of the bucket.
    pub(super) fn bucket_arn(&self) -> &str {
        self.arn.split_once('/').map_or(&*self.arn, |(bucket, _)| bucket)
    }
}

/// How a bucket encrypts objects whose request names no encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers must handle all three cases, and no fourth is possible")]
pub enum BucketDefault {
    /// By the service's own default: [`BucketEncryption::new_bucket`].
    Implicit(BucketEncryption),
    /// By the configuration of a PutBucketEncryption.
    Explicit(BucketEncryption),
    /// Not at all: such objects are stored unencrypted. S3 has had no such bucket since 2023.
    Absent,
}

impl BucketDefault {
    /// Returns the implicit or explicit configuration.
    pub fn encryption(&self) -> Option<&BucketEncryption> {
        match self {
            Self::Implicit(encryption) | Self::Explicit(encryption) => Some(encryption),
            Self::Absent => None,
        }
    }

    pub(super) fn default(&self) -> Option<&DefaultEncryption> {
        self.encryption().map(|encryption| &encryption.default)
    }
}

/// Creates an explicit configuration.
impl From<BucketEncryption> for BucketDefault {
    fn from(encryption: BucketEncryption) -> Self {
        Self::Explicit(encryption)
    }
}

/// The stored object or upload that a request refers to. Clones are cheap.
#[derive(Clone, Debug)]
pub struct Stored(pub(super) Option<Present>);

#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) record: Arc<EncryptionRecord>,
    pub(super) envelope: Option<Arc<Envelope>>,
    /// The object was completed without its customer key. The envelope is that of the upload.
    pub(super) awaits_key: bool,
}

impl Stored {
    /// Describes an object or upload that does not exist. A decision answers 403 or 404, depending on the policy.
    pub fn absent() -> Self {
        Self(None)
    }

    /// Describes an object or upload that is unencrypted by the service's record. A missing envelope alone does not
    /// mean unencrypted.
    pub fn unencrypted() -> Self {
        Self::recorded(EncryptionRecord::unencrypted())
    }

    /// Describes an object or upload with its envelope.
    pub fn encrypted(record: impl Into<Arc<EncryptionRecord>>, envelope: impl Into<Arc<Envelope>>) -> Self {
        Self(Some(Present { record: record.into(), envelope: Some(envelope.into()), awaits_key: false }))
    }

    /// Describes an object or upload whose envelope is not loaded. This is enough for an unencrypted object, and for
    /// HEAD of any object that is not SSE-C.
    pub fn recorded(record: impl Into<Arc<EncryptionRecord>>) -> Self {
        Self(Some(Present { record: record.into(), envelope: None, awaits_key: false }))
    }

    /// Describes an SSE-C object whose upload was completed without the customer key and whose completion is not
    /// finished, with the envelope of the upload.
    pub fn completed_without_key(
        record: impl Into<Arc<EncryptionRecord>>,
        upload_envelope: impl Into<Arc<Envelope>>,
    ) -> Self {
        Self(Some(Present { record: record.into(), envelope: Some(upload_envelope.into()), awaits_key: true }))
    }
}

impl Stored {
    /// Returns the record; `None` if nothing is stored.
    pub fn record(&self) -> Option<&EncryptionRecord> {
        self.0.as_ref().map(|present| &*present.record)
    }

    /// Returns the envelope, if it is loaded.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.0.as_ref()?.envelope.as_deref()
    }
}

/// The source of a copy.
#[derive(Clone, Debug)]
pub struct CopySource {
    pub(super) stored: Stored,
    pub(super) resource: Resource,
    pub(super) policy: PolicySource,
    pub(super) onto_itself: Option<bool>,
}

impl CopySource {
    /// Creates the source of a copy: the stored object, its resource, and the policy of its bucket.
    pub fn new(stored: Stored, resource: Resource, policy: PolicySource) -> Self {
        Self { stored, resource, policy, onto_itself: None }
    }

    /// Returns the same source for a copy onto itself. `changes_else` says whether the request changes metadata,
    /// storage class, tags or a redirect. A copy that changes nothing is refused, unless its headers name an encryption
    /// or the bucket's default was configured.
    #[must_use]
    pub fn onto_itself(self, changes_else: bool) -> Self {
        Self { onto_itself: Some(changes_else), ..self }
    }
}
