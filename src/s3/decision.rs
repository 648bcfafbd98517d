//! Which encryption a request gets, or which error.

mod answer;
mod checks;
mod request;
mod stored;
mod write;

pub use answer::{Access, Decision, Write};
pub use request::{Bucket, Operation, PolicyCheck, S3Request, Stored, Transport};

use super::error::S3Error;
use super::headers::{Answer, CustomerKeyMd5};
use super::policy::ConditionValues;

/// What to do with a request, as Amazon S3 would: which mode to write in, what to unlock with, which headers to answer with;
/// or the error to answer.
///
/// A pure function: it does no I/O, asks no key provider and looks at nothing but its argument.
///
/// ```
/// use atrest::AnyMode;
/// use atrest::s3::{BucketEncryption, EncryptionHeaders, Operation, S3Request, Transport, Write, decide};
///
/// let headers = EncryptionHeaders::from_form_fields([
///     ("x-amz-server-side-encryption", "aws:kms"),
///     ("x-amz-server-side-encryption-aws-kms-key-id", "alias/app"),
/// ])?;
/// let bucket = BucketEncryption::default();
/// let decision = decide(&S3Request::new(Operation::PutObject, &headers, Transport::Secure, &bucket))?;
/// let Some(Write::Encrypt(AnyMode::SseKms(mode))) = decision.write else { panic!("the request says aws:kms") };
/// assert_eq!(mode.key_id(), "alias/app");
/// # Ok::<(), atrest::s3::S3Error>(())
/// ```
///
/// # The order of checks
///
/// Of several things that are wrong with a request the first is answered. *Recorded* is what somebody has seen the service
/// do, *ours* is a place where nobody found has.
///
/// | | check | its place |
/// |---|---|---|
/// | 1 | a method where the operation takes none | ours: first |
/// | | a method and any header of a customer key | recorded: before any value is looked at |
/// | | of the three headers of a customer key one is absent: algorithm, key, MD5; a copy's own before its source's | recorded; source and MD5 ours |
/// | | KMS key or context without `aws:kms` or `aws:kms:dsse` | ours; after an unknown method this is left to row 6 |
/// | 2 | plain HTTP: a customer key; SSE-KMS and DSSE-KMS, by request or by default | recorded for SSE-KMS: before the policy |
/// | 3 | the bucket policy, and in a copy that of the source's bucket | documented: before any default |
/// | 4 | SSE-C is blocked on the bucket | documented: before the key is looked at |
/// | 5 | what is stored: the source of a copy, then the upload or object | ours: nothing is said of it before the policy was asked |
/// | | – a customer key too many or missing | recorded |
/// | | – SSE-KMS or DSSE-KMS over plain HTTP | ours; recorded: a read is first asked of the policy |
/// | | – the customer key: base64 and length, algorithm, MD5, and whether it is the right one | recorded: on a read a wrong length is a wrong key |
/// | 6 | values: the customer key's base64 and length, algorithm, MD5; the method; KMS key, context, bucket key | recorded in part: length, algorithm, MD5 |
/// | 7 | the bucket's default | documented: last |
///
/// # Errors
///
/// Every [`S3ErrorKind`](super::S3ErrorKind) of headers, of what the service allows and of what is stored.
///
/// # Security
///
/// What is stored in the clear is so because the request asks for nothing and the bucket has no encryption; nothing else
/// leads to [`Write::InTheClear`].
///
/// A request is refused where a policy denies it. Where none does, that allows nothing: whether the requester may do what it
/// asks for, and whether it may use the KMS key that it names, is for the service and its KMS to say.
///
/// # Performance
///
/// A few hundred nanoseconds, and as many again under a policy of five statements; 2.5 µs for each customer key that is
/// checked against what is stored.
///
/// Spec: Amazon S3 API reference, the operations; User Guide, "Protecting data with encryption".
pub fn decide(request: &S3Request<'_>) -> Result<Decision, S3Error> {
    decided(request).map_err(|error| error.in_profile(request.profile))
}

fn decided(request: &S3Request<'_>) -> Result<Decision, S3Error> {
    checks::presence(request)?;
    checks::transport(request)?;
    checks::policy(request)?;
    checks::blocked_types(request)?;
    let source = request.operation.source().map(|source| stored::source(request, source)).transpose()?;
    match request.operation {
        Operation::PutObject
        | Operation::PostObject
        | Operation::CreateMultipartUpload
        | Operation::CopyObject { .. } => {
            Ok(Decision { read: source.map(|(access, _)| access), ..write::decide(request)? })
        }
        Operation::UploadPart { upload } | Operation::UploadPartCopy { upload, .. } => {
            let (access, md5) = stored::upload(request, upload)?;
            let decision =
                Decision { read: source.map(|(access, _)| access), upload: Some(access), ..answering(true, md5) };
            Ok(Decision { replays_context: has_context(upload), ..decision })
        }
        Operation::CompleteMultipartUpload { upload } => {
            let (access, _) = stored::upload(request, upload)?;
            let decision = Decision { upload: Some(access), ..answering(true, None) };
            Ok(Decision { replays_context: has_context(upload), ..decision })
        }
        Operation::GetObject { object }
        | Operation::HeadObject { object }
        | Operation::GetObjectAttributes { object } => {
            let (access, md5) = stored::object(request, object)?;
            let says_how = !matches!(request.operation, Operation::GetObjectAttributes { .. });
            let decision = Decision { read: Some(access), ..answering(says_how, md5) };
            Ok(Decision { replays_context: has_context(object), ..decision })
        }
        Operation::UpdateObjectEncryption { object, target } => {
            let (access, mode) = stored::update(request, object, target)?;
            let decision = Decision { read: Some(access), rewrap: Some(mode), ..answering(false, None) };
            Ok(Decision {
                replays_context: has_context(object),
                bucket_key_enabled: target.bucket_key_enabled,
                keeps_etag_and_last_modified: true,
                ..decision
            })
        }
    }
}

/// The policy condition keys of a request, and their values: what [`decide`] asks a policy, for hosts that have a policy
/// engine of their own. They ask it for each of [`Operation::actions`] before they call `decide`, and answer a denial with
/// [`PolicyDenied`](super::S3ErrorKind::PolicyDenied).
///
/// They are the request's own, no default is in them. A part and a completion cannot carry a method or a KMS key: there they
/// are what the upload was [begun with](S3Request::begun_with), or else how it is stored. `UpdateObjectEncryption` has them in
/// its body. Nobody has recorded what S3 does with either.
///
/// # Security
///
/// The KMS key is as the request names it: an alias is not its key's ARN. A policy that is to keep a key from being used says
/// which ones may be, and in which spelling, or the KMS does.
///
/// `decide` checks first whether the headers are complete and the transport is good enough; a host that asks its engine before
/// answers a denial where S3 answers 400.
pub fn condition_values<'a>(request: &S3Request<'a>) -> ConditionValues<'a> {
    checks::condition_values(request)
}

fn answering(method: bool, customer_key_md5: Option<CustomerKeyMd5>) -> Decision {
    Decision { answer: Answer { method, customer_key_md5, ..Answer::default() }, ..Decision::default() }
}

fn has_context(stored: Stored<'_>) -> bool {
    match stored {
        Stored::InTheClear => false,
        Stored::Encrypted { envelope, .. } => envelope.inner().unwrap_or(envelope).context().is_some(),
    }
}
