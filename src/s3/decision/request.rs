//! What is decided about: [`S3Request`] and what it is made of.

use std::sync::Arc;

use super::policy::PolicySource;
use crate::envelope::Envelope;
use crate::s3::bucket_encryption::{BucketEncryption, DefaultEncryption};
use crate::s3::headers::EncryptionHeaders;
use crate::s3::policy::RequestFacts;
use crate::s3::record::EncryptionRecord;

/// A request as far as encryption goes; it owns what it holds.
///
/// A service builds one for each request in a function of its own and gives it to the decision of the operation.
#[derive(Clone, Debug)]
pub struct S3Request {
    pub(super) headers: EncryptionHeaders,
    pub(super) caller: Caller,
    pub(super) resource: Resource,
    pub(super) bucket: BucketDefault,
    pub(super) policy: PolicySource,
}

impl S3Request {
    /// A request with these headers, by this caller, for this object of a bucket with this default, under this
    /// policy. Bucket and policy are those of the destination in a copy.
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

/// Who sent the request, and how it came.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) transport: Transport,
    pub(super) signature: Signature,
    pub(super) principal: Option<String>,
    pub(super) facts: RequestFacts,
}

impl Caller {
    /// A caller that has signed the request, by its ARN.
    pub fn signed(transport: Transport, signature: Signature, principal: impl Into<String>) -> Self {
        Self { transport, signature, principal: Some(principal.into()), facts: RequestFacts::new() }
    }

    /// A caller that has not signed the request.
    pub fn anonymous(transport: Transport) -> Self {
        Self { transport, signature: Signature::None, principal: None, facts: RequestFacts::new() }
    }

    /// The same caller with what the service knows of the request beyond its headers, for the conditions of policies. A
    /// value that is not given is absent.
    #[must_use]
    pub fn with_facts(self, facts: RequestFacts) -> Self {
        Self { facts, ..self }
    }
}

/// How the request came: what `aws:SecureTransport` says.
///
/// A service that takes encrypted requests over plain HTTP, behind a mesh or in tests, says so with
/// [`S3Rules::with_encryption_without_tls`](super::S3Rules::with_encryption_without_tls), and goes on to say the
/// truth here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third, and each is to be thought of")]
pub enum Transport {
    /// Over TLS, perhaps as far as a proxy that the service trusts and that says so.
    Secure,
    /// Readable on its way.
    Plain,
}

/// How the request is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signature {
    /// Not at all.
    None,
    /// AWS Signature Version 2.
    V2,
    /// AWS Signature Version 4, in a header, a query or a form.
    V4,
}

/// What the request is about, for policies: an object's or bucket's ARN.
#[derive(Clone, Debug)]
pub struct Resource {
    pub(super) arn: String,
    pub(super) of_version: bool,
}

impl Resource {
    /// An object of this bucket, by its key as it is, neither encoded nor shortened.
    pub fn object(bucket: &str, key: &str) -> Self {
        Self { arn: format!("arn:aws:s3:::{bucket}/{key}"), of_version: false }
    }

    /// A bucket.
    pub fn bucket(bucket: &str) -> Self {
        Self { arn: format!("arn:aws:s3:::{bucket}"), of_version: false }
    }

    /// The same of an object whose version id the request names: a policy is asked about another action,
    /// `s3:GetObjectVersion`.
    #[must_use]
    pub fn of_version(self) -> Self {
        Self { of_version: true, ..self }
    }

    /// The ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The ARN of the bucket.
    pub(super) fn bucket_arn(&self) -> &str {
        self.arn.split_once('/').map_or(&*self.arn, |(bucket, _)| bucket)
    }
}

/// How a bucket encrypts what asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth, and each is to be thought of")]
pub enum BucketDefault {
    /// As the service does without being told: [`BucketEncryption::new_bucket`].
    Implicit(BucketEncryption),
    /// As a PutBucketEncryption configured it.
    Explicit(BucketEncryption),
    /// Not at all: what asks for nothing is stored unencrypted. S3 has no such bucket since 2023.
    Absent,
}

impl BucketDefault {
    /// The configuration, implicit or explicit.
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

/// The explicit configuration.
impl From<BucketEncryption> for BucketDefault {
    fn from(encryption: BucketEncryption) -> Self {
        Self::Explicit(encryption)
    }
}

/// What is stored under a name: an object, or an upload under way. A cheap handle.
#[derive(Clone, Debug)]
pub struct Stored(pub(super) Option<Present>);

#[derive(Clone, Debug)]
pub(super) struct Present {
    pub(super) record: Arc<EncryptionRecord>,
    pub(super) envelope: Option<Arc<Envelope>>,
    /// The object was completed without its customer key; the envelope is the upload's.
    pub(super) awaits_key: bool,
}

impl Stored {
    /// Nothing: there is no such object or upload. A decision answers 403 or 404, as the policy has it.
    pub fn absent() -> Self {
        Self(None)
    }

    /// An object, or an upload, that is stored unencrypted because the service's record says so: a missing envelope
    /// alone does not.
    pub fn unencrypted() -> Self {
        Self::recorded(EncryptionRecord::unencrypted())
    }

    /// An object or upload with its envelope.
    pub fn encrypted(record: impl Into<Arc<EncryptionRecord>>, envelope: impl Into<Arc<Envelope>>) -> Self {
        Self(Some(Present { record: record.into(), envelope: Some(envelope.into()), awaits_key: false }))
    }

    /// An object or upload whose envelope is not at hand: enough for HEAD, except of an object in SSE-C, and for an
    /// unencrypted one.
    pub fn recorded(record: impl Into<Arc<EncryptionRecord>>) -> Self {
        Self(Some(Present { record: record.into(), envelope: None, awaits_key: false }))
    }

    /// An object in SSE-C whose upload was completed without the customer key and that no request has finished yet,
    /// with the envelope of the upload.
    pub fn completed_without_key(
        record: impl Into<Arc<EncryptionRecord>>,
        upload_envelope: impl Into<Arc<Envelope>>,
    ) -> Self {
        Self(Some(Present { record: record.into(), envelope: Some(upload_envelope.into()), awaits_key: true }))
    }
}

impl Stored {
    /// The record; `None` where nothing is stored.
    pub fn record(&self) -> Option<&EncryptionRecord> {
        self.0.as_ref().map(|present| &*present.record)
    }

    /// The envelope, where it is at hand.
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
    /// What is stored under this name, in a bucket under this policy.
    pub fn new(stored: Stored, resource: Resource, policy: PolicySource) -> Self {
        Self { stored, resource, policy, onto_itself: None }
    }

    /// The same where the destination is the source itself; `changes_else` says whether the request changes metadata,
    /// storage class, tags or a redirect. One that changes nothing is refused, unless its headers name an encryption
    /// or the bucket's default was configured.
    #[must_use]
    pub fn onto_itself(self, changes_else: bool) -> Self {
        Self { onto_itself: Some(changes_else), ..self }
    }
}
