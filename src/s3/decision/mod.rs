//! [`S3Rules`] and the decision of each kind of operation: the encryption that a request gets, or its error.

mod bucket;
mod customer;
mod outcome;
mod policy;
mod request;
mod stored;
mod write;

pub use outcome::{
    CompleteDecision, Completing, CopyDecision, NewEncryption, PartCopyDecision, PartDecision, PartWriting,
    ReadDecision, Reading, UpdateDecision, WriteDecision, Writing,
};
pub use policy::{PolicyEngine, PolicyQuestion, PolicySource};
pub use request::{BucketDefault, Caller, CopySource, Resource, S3Request, Signature, Stored, Transport};

use http::StatusCode;

use super::bucket_encryption::{DefaultEncryption, ObjectEncryption};
use super::error::{Profile, S3Error, S3ErrorKind as Kind};
use super::headers::{DecodedKey, Method, names::SERVER_SIDE_ENCRYPTION};
use super::operation::S3Operation;
use super::policy::ConditionValues;
use policy::PolicyCheck;

/// The rules of a service that speaks S3. They decide which encryption or which error a request gets. A service creates
/// one `S3Rules` and uses it for every request.
///
/// The decisions are pure functions of their arguments and, if the service has one, its policy engine. They do no I/O
/// and call no key provider.
///
/// ```
/// use atrest::AnyMode;
/// use atrest::s3::{
///     BucketEncryption, Caller, EncryptionHeaders, NewObject, PolicySource, Resource, S3Request,
///     S3Rules, Signature,
///     Transport, Writing,
/// };
///
/// let rules = S3Rules::new();
/// let headers = EncryptionHeaders::from_form_fields([
///     ("x-amz-server-side-encryption", "aws:kms"),
///     ("x-amz-server-side-encryption-aws-kms-key-id", "alias/app"),
/// ])?;
/// let alice = "arn:aws:iam::111122223333:user/alice";
/// let caller = Caller::signed(Transport::Secure, Signature::V4, alice);
/// let resource = Resource::object("photos", "cat.jpg");
/// let (bucket, policy) = (BucketEncryption::default(), PolicySource::Unasked);
/// let request = S3Request::new(headers, caller, resource, bucket, policy);
/// match rules.decide_write(&request, NewObject::Put)?.writing {
///     Writing::Encrypt(encryption) => assert!(matches!(encryption.mode(), AnyMode::SseKms(_))),
///     Writing::Unencrypted(_) => unreachable!("the request says aws:kms"),
/// }
/// # Ok::<(), atrest::s3::S3Error>(())
/// ```
///
/// # The order of checks
///
/// If several checks fail, the answer is the error of the first. *Recorded* means that Amazon S3 was observed to do so,
/// *documented* that its documentation says so, *ours* that no record is known. Amazon S3 checks the syntax of
/// `Content-MD5`, the storage class and the part number before all of these (recorded), and your service must do the
/// same.
///
/// | | check | its place |
/// |---|---|---|
/// | 1 | a method, if the operation takes none | recorded |
/// | | a method and any header of a customer key | recorded: before any value is checked |
/// | 2 | the customer key of a copy's source: algorithm or key absent; plain HTTP | recorded: before the next row |
/// | | the same: not ASCII or decodes to nothing; wrong MD5; wrong algorithm | recorded: before row 3 |
/// | 3 | the request's own customer key: algorithm, key or MD5 absent; plain HTTP | recorded |
/// | | KMS key or context without a method | ours |
/// | | SSE-KMS or DSSE-KMS, by request or by default: plain HTTP | recorded: before the policy |
/// | | the same: a signature that is not Version 4 | ours |
/// | 4 | the policies of the bucket and of the source's bucket | documented: before any default; otherwise ours |
/// | 5 | SSE-C is blocked on the bucket | recorded: before the key is checked |
/// | 6 | the request's own customer key: not ASCII or decodes to nothing; wrong MD5; wrong algorithm | recorded |
/// | 7 | the stored object or upload, the source of a copy first: absent | ours |
/// | | the same: a customer key not expected, missing or another one | recorded |
/// | | the same, in SSE-KMS or DSSE-KMS: plain HTTP or no Signature Version 4 | ours |
/// | 8 | a bucket key that is not a boolean | ours |
/// | 9 | the length of the customer key of a new object or upload | recorded: after the source is checked |
/// | | the method; the KMS key and the context | ours |
/// | 10 | the bucket's default | documented: last |
/// | 11 | a copy of an object onto itself that changes nothing | ours |
///
/// A completion ignores a customer key with a missing header (recorded), so rows 2, 3 and 6 do not apply.
///
/// # Errors
///
/// Decisions return every [`S3ErrorKind`](super::S3ErrorKind) about headers, the service's rules and stored objects.
///
/// # Security
///
/// [`Writing::Unencrypted`] is returned only if the request names no encryption and the bucket has none.
///
/// A request that a policy denies is refused. A request that is not denied is not thereby allowed: the service and its
/// KMS decide whether the requester may make the request and use the KMS key that it names.
///
/// # Performance
///
/// A decision takes a few hundred nanoseconds, twice that with a policy of five statements, and 2.5 µs more for each
/// customer key that is compared with a stored object.
///
/// Spec: Amazon S3 API reference, the operations; User Guide, "Protecting data with encryption".
#[derive(Clone, Debug, Default)]
pub struct S3Rules {
    profile: Profile,
    bucket_keys: bool,
    encryption_without_tls: bool,
}

/// The kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewObject {
    /// PutObject.
    Put,
    /// PostObject, whose form fields are the headers.
    Post,
    /// CreateMultipartUpload.
    Multipart {
        /// Whether the request names a checksum algorithm. Completing an SSE-C upload then needs the customer key.
        checksum_algorithm: bool,
    },
}

/// The kind of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadKind {
    /// GetObject.
    Get,
    /// HeadObject.
    Head,
    /// GetObjectAttributes.
    Attributes,
}

impl S3Rules {
    /// Creates the rules of Amazon S3: its profile, no bucket keys, no encryption over plain HTTP.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the same rules with the answers of this profile.
    #[must_use]
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Returns the same rules for a service that applies bucket keys: a requested one is in the
    /// [mode](NewEncryption::mode) of the decision.
    ///
    /// Without this setting, a requested bucket key is kept in the record, but not used and not answered.
    #[must_use]
    pub fn with_bucket_keys(self, apply: bool) -> Self {
        Self { bucket_keys: apply, ..self }
    }

    /// Returns the same rules for a service that accepts customer keys, SSE-KMS and DSSE-KMS over plain HTTP: behind a
    /// mesh that encrypts, or in tests. Policies still see the real transport.
    #[must_use]
    pub fn with_encryption_without_tls(self, allow: bool) -> Self {
        Self { encryption_without_tls: allow, ..self }
    }

    /// Returns the HTTP status of an error.
    pub fn status(&self, error: &S3Error) -> StatusCode {
        error.status_in(self.profile)
    }

    /// Decides about PutObject, PostObject and CreateMultipartUpload.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_write(&self, request: &S3Request, new: NewObject) -> Result<WriteDecision, S3Error> {
        let (operation, checksum_algorithm) = match new {
            NewObject::Put => (S3Operation::PutObject, None),
            NewObject::Post => (S3Operation::PostObject, None),
            NewObject::Multipart { checksum_algorithm } => {
                (S3Operation::CreateMultipartUpload, Some(checksum_algorithm))
            }
        };
        let (_, group) = self.check(request, operation, Subject::default())?;
        let (writing, answer) = write::decide(self, request, group, checksum_algorithm)?;
        Ok(WriteDecision { writing, answer })
    }

    /// Decides about CopyObject.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_copy(&self, request: &S3Request, source: &CopySource) -> Result<CopyDecision, S3Error> {
        let subject = Subject { source: Some(source), ..Subject::default() };
        let (source_group, group) = self.check(request, S3Operation::CopyObject, subject)?;
        let read = stored::read(self, request, &source.stored, source_group, Kind::CustomerKeyOther)?;
        let (writing, answer) = write::decide(self, request, group, None)?;
        let names_encryption = request.headers.method.is_some() || group.is_some();
        let was_configured = matches!(request.bucket, BucketDefault::Explicit(_));
        if source.onto_itself == Some(false) && !names_encryption && !was_configured {
            return Err(Kind::CopyOntoItself.into());
        }
        Ok(CopyDecision { reading: read.reading, writing, answer })
    }

    /// Decides about GetObject, HeadObject and GetObjectAttributes.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_read(&self, request: &S3Request, kind: ReadKind, object: &Stored) -> Result<ReadDecision, S3Error> {
        let operation = match kind {
            ReadKind::Get => S3Operation::GetObject,
            ReadKind::Head => S3Operation::HeadObject,
            ReadKind::Attributes => S3Operation::GetObjectAttributes,
        };
        let (_, group) = self.check(request, operation, Subject { stored: Some(object), ..Subject::default() })?;
        let read = stored::read(self, request, object, group, Kind::CustomerKeyWrong)?;
        let answer = (kind != ReadKind::Attributes).then_some(read.answer);
        Ok(ReadDecision { reading: read.reading, answer, record: read.record })
    }

    /// Decides about UploadPart.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_part(&self, request: &S3Request, upload: &Stored) -> Result<PartDecision, S3Error> {
        let subject = Subject { stored: Some(upload), ..Subject::default() };
        let (_, group) = self.check(request, S3Operation::UploadPart, subject)?;
        let (writing, answer, record) = stored::part(self, request, upload, group)?;
        Ok(PartDecision { writing, answer, record })
    }

    /// Decides about UploadPartCopy.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_part_copy(
        &self,
        request: &S3Request,
        upload: &Stored,
        source: &CopySource,
    ) -> Result<PartCopyDecision, S3Error> {
        let subject = Subject { stored: Some(upload), source: Some(source), ..Subject::default() };
        let (source_group, group) = self.check(request, S3Operation::UploadPartCopy, subject)?;
        let read = stored::read(self, request, &source.stored, source_group, Kind::CustomerKeyOther)?;
        let (writing, answer, record) = stored::part(self, request, upload, group)?;
        Ok(PartCopyDecision { reading: read.reading, part: PartDecision { writing, answer, record } })
    }

    /// Decides about CompleteMultipartUpload.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_complete(&self, request: &S3Request, upload: &Stored) -> Result<CompleteDecision, S3Error> {
        let subject = Subject { stored: Some(upload), ..Subject::default() };
        let (_, group) = self.check(request, S3Operation::CompleteMultipartUpload, subject)?;
        let (completing, answer, record) = stored::complete(self, request, upload, group)?;
        Ok(CompleteDecision { completing, answer, record })
    }

    /// Decides about UpdateObjectEncryption. `object` needs its envelope.
    ///
    /// # Errors
    ///
    /// See [`S3Rules`].
    pub fn decide_update(
        &self,
        request: &S3Request,
        object: &Stored,
        target: &ObjectEncryption,
    ) -> Result<UpdateDecision, S3Error> {
        let subject = Subject { stored: Some(object), target: Some(target), ..Subject::default() };
        self.check(request, S3Operation::UpdateObjectEncryption, subject)?;
        let (access, mode) = stored::update(self, request, object, target)?;
        let encryption = NewEncryption {
            mode,
            bucket_key_asked: target.bucket_key_enabled,
            bucket_keys_applied: self.bucket_keys,
            begun: None,
        };
        Ok(UpdateDecision { access, encryption })
    }

    /// Decides about an operation that takes no encryption headers, such as a list or a deletion. Asks the policy about
    /// these actions, refuses a method and ignores customer keys.
    ///
    /// # Errors
    ///
    /// Returns [`MethodNotSupported`](Kind::MethodNotSupported) if the request has a method, and
    /// [`PolicyDenied`](Kind::PolicyDenied) if the policy denies the request.
    pub fn decide_other(&self, request: &S3Request, actions: &[&str]) -> Result<(), S3Error> {
        self.check_method(request, S3Operation::Other)?;
        let conditions = policy::of_headers(request, None, &request.headers.customer);
        policy::check(request, PolicyCheck { actions, absent: false, conditions, source: None })
    }

    /// Makes checks 1 to 6 of the table. Returns the customer keys of the source and of the request.
    fn check<'a>(
        &self,
        request: &'a S3Request,
        operation: S3Operation,
        subject: Subject<'_>,
    ) -> Result<(Option<&'a DecodedKey>, Option<&'a DecodedKey>), S3Error> {
        let headers = &request.headers;
        let transport = request.caller.transport;
        self.check_method(request, operation)?;

        customer::check_presence(&headers.source, false, transport, self.encryption_without_tls)?;
        let source_group = customer::check_values(&headers.source)?;

        let group = match operation {
            S3Operation::CompleteMultipartUpload => stored::group_of_completion(&headers.customer),
            _ => Some(&headers.customer),
        };
        if let Some(group) = group {
            customer::check_presence(group, operation.requires_md5(), transport, self.encryption_without_tls)?;
        }
        let of_kms = headers.kms_key_id.is_some() || headers.context.is_some();
        if of_kms && !matches!(&headers.method, Some(Method::Kms | Method::DsseKms | Method::Unknown(_))) {
            return Err(write::kms_without_method());
        }
        if becomes_kms(request, operation) {
            stored::check_kms_caller(self, request)?;
        }

        // Only callers that may list learn that an object does not exist. An upload is known by its id.
        let absent = !operation.is_of_upload() && subject.stored.is_some_and(|stored| stored.0.is_none());
        let actions = operation.actions(request.resource.of_version);
        let conditions = subject.conditions(request, operation);
        policy::check(request, PolicyCheck { actions, absent, conditions, source: subject.source })?;
        policy::check_blocked(request, operation)?;

        let group = group.map(customer::check_values).transpose()?.flatten();
        Ok((source_group, group))
    }

    fn check_method(&self, request: &S3Request, operation: S3Operation) -> Result<(), S3Error> {
        let Some(method) = &request.headers.method else { return Ok(()) };
        let refused = |kind| Err(S3Error::new(kind).with_request_value(SERVER_SIDE_ENCRYPTION, method.as_str()));
        let passed_over = self.profile == Profile::CephTests && operation.is_of_upload();
        if !operation.takes_method() && !passed_over {
            return refused(Kind::MethodNotSupported);
        }
        if request.headers.customer.is_present() { refused(Kind::CustomerKeyConflict) } else { Ok(()) }
    }
}

/// The stored object, copy source and target of an operation.
#[derive(Clone, Copy, Default)]
struct Subject<'a> {
    stored: Option<&'a Stored>,
    source: Option<&'a CopySource>,
    target: Option<&'a ObjectEncryption>,
}

impl<'a> Subject<'a> {
    /// Returns the condition values for a policy: from the request's headers, the upload's first request or the body.
    fn conditions(&self, request: &'a S3Request, operation: S3Operation) -> ConditionValues<'a> {
        if let Some(target) = self.target {
            return policy::of_headers(request, Some(&Method::Kms), &request.headers.customer)
                .with_kms_key_id(Some(&target.kms_key_arn));
        }
        match self.stored {
            Some(stored) if operation.is_of_upload() => policy::of_upload(request, stored.0.as_ref()),
            _ => policy::of_write(request),
        }
    }
}

/// Returns whether the request, or else the bucket's default, encrypts the object under a KMS key.
fn becomes_kms(request: &S3Request, operation: S3Operation) -> bool {
    if operation == S3Operation::UpdateObjectEncryption {
        return true;
    }
    if !operation.takes_method() || request.headers.customer.is_present() {
        return false;
    }
    match &request.headers.method {
        Some(method) => method.is_kms(),
        None => matches!(
            request.bucket.default(),
            Some(DefaultEncryption::SseKms { .. } | DefaultEncryption::DsseKms { .. })
        ),
    }
}
