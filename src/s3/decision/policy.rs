//! Who is asked whether a request may be done: [`PolicySource`].

use std::fmt;
use std::sync::Arc;

use super::request::{BucketDefault, CopySource, Present, Resource, S3Request, Transport};
use crate::envelope::ModeId;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::{CustomerKeyHeaders, Method};
use crate::s3::operation::S3Operation;
use crate::s3::policy::{BucketPolicy, ConditionKey, ConditionValues, PolicyRequest, Verdict};

/// Who is asked whether a request may be done. It has to be said, so that a policy cannot be forgotten.
#[derive(Clone)]
#[non_exhaustive]
pub enum PolicySource {
    /// Nothing: the bucket has no policy, or the service has asked before.
    Unasked,
    /// The bucket's policy. An allowance is not looked at, only a denial.
    Bucket(Arc<BucketPolicy>),
    /// The service's own engine.
    Engine(Arc<dyn PolicyEngine>),
}

/// A policy engine of the service's own.
///
/// A decision calls it once, synchronously, at the place in the order where S3 asks its policies: after what is wrong
/// with the headers as such, before any value of a customer key is looked at.
pub trait PolicyEngine: Send + Sync {
    /// Answers all questions of one request with one verdict: [`Deny`](Verdict::Deny) where any of them is denied.
    /// With [`Allow`](Verdict::Allow) and [`Neither`](Verdict::Neither) the decision goes on; an engine that refuses
    /// what no policy allows answers `Deny`.
    fn judge(&self, questions: Vec<PolicyQuestion>) -> Verdict;
}

/// One question to a policy engine; it owns what it holds.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyQuestion {
    /// Who asks, as the service named the caller; `None` is anonymous.
    pub principal: Option<String>,
    /// What for, as `s3:PutObject`.
    pub action: String,
    /// The ARN of the object or bucket.
    pub resource: String,
    /// The condition keys that the request has, and their values: what it says of encryption and transport, before
    /// any default is applied, and what the service gave with the caller.
    pub conditions: Vec<(ConditionKey, String)>,
}

impl fmt::Debug for PolicySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unasked => "Unasked",
            Self::Bucket(_) => "Bucket(..)",
            Self::Engine(_) => "Engine(..)",
        })
    }
}

impl fmt::Debug for PolicyQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values are the request's: a key may stand where it does not belong.
        f.debug_struct("PolicyQuestion")
            .field("principal", &self.principal)
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("conditions", &self.conditions.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .finish()
    }
}

/// What the policies are asked about, beside the headers.
pub(super) struct PolicyCheck<'a> {
    pub(super) actions: &'a [&'a str],
    /// The object or upload is not there: whether the caller may learn that is asked too.
    pub(super) absent: bool,
    pub(super) conditions: ConditionValues<'a>,
    pub(super) source: Option<&'a CopySource>,
}

/// One bucket's part of the questions.
struct PolicyScope<'a> {
    policy: &'a PolicySource,
    resource: &'a Resource,
    actions: &'a [&'a str],
    absent: bool,
    conditions: ConditionValues<'a>,
}

/// Refuses what a policy denies.
pub(super) fn check(request: &S3Request, asked: PolicyCheck<'_>) -> Result<(), S3Error> {
    let here = PolicyScope {
        policy: &request.policy,
        resource: &request.resource,
        actions: asked.actions,
        absent: asked.absent,
        conditions: asked.conditions,
    };
    let source = asked.source.map(|source| PolicyScope {
        policy: &source.policy,
        resource: &source.resource,
        actions: S3Operation::GetObject.actions(source.resource.of_version),
        absent: source.stored.0.is_none(),
        // As a read of the source would be asked about, with the key for it.
        conditions: of_headers(request, None, &request.headers.source),
    });
    // SECURITY: what is no ARN of S3 matches no statement, and no Deny.
    let named = |place: &PolicyScope<'_>| {
        matches!(place.policy, PolicySource::Unasked) || place.resource.arn.starts_with("arn:aws:s3:::")
    };
    if !named(&here) || !source.as_ref().is_none_or(named) {
        return Err(Kind::PolicyDenied.into());
    }
    let denies = match (&here, &source) {
        (
            PolicyScope { policy: PolicySource::Engine(one), .. },
            Some(place @ PolicyScope { policy: PolicySource::Engine(other), .. }),
        ) if Arc::ptr_eq(one, other) => {
            let questions = here.questions(request).chain(place.questions(request)).collect();
            one.judge(questions) == Verdict::Deny
        }
        _ => here.denies(request) || source.is_some_and(|place| place.denies(request)),
    };
    if denies { Err(Kind::PolicyDenied.into()) } else { Ok(()) }
}

impl PolicyScope<'_> {
    /// Each action with its resource. Whether the caller may learn that an object is not there is for who may list
    /// the bucket.
    fn asked(&self) -> impl Iterator<Item = (&str, &str)> {
        let list = self.absent.then(|| ("s3:ListBucket", self.resource.bucket_arn()));
        self.actions.iter().map(|action| (*action, &*self.resource.arn)).chain(list)
    }

    fn denies(&self, request: &S3Request) -> bool {
        match self.policy {
            PolicySource::Unasked => false,
            PolicySource::Engine(engine) => engine.judge(self.questions(request).collect()) == Verdict::Deny,
            PolicySource::Bucket(policy) => {
                let principal = request.caller.principal.as_deref();
                let conditions = &self.conditions;
                self.asked().any(|(action, resource)| {
                    policy.evaluate(&PolicyRequest { principal, action, resource, conditions }) == Verdict::Deny
                })
            }
        }
    }

    fn questions(&self, request: &S3Request) -> impl Iterator<Item = PolicyQuestion> {
        let conditions: Vec<_> = self.conditions.iter().map(|(key, value)| (key.clone(), value.to_owned())).collect();
        self.asked().map(move |(action, resource)| PolicyQuestion {
            principal: request.caller.principal.clone(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            conditions: conditions.clone(),
        })
    }
}

/// What the headers say; a method stands for itself, and a customer key for its algorithm.
pub(super) fn of_headers<'a>(
    request: &'a S3Request,
    method: Option<&'a Method>,
    customer: &'a CustomerKeyHeaders,
) -> ConditionValues<'a> {
    ConditionValues::new(request.caller.transport == Transport::Secure)
        .with_facts(&request.caller.facts)
        .with_server_side_encryption(method.map(Method::as_str))
        .with_customer_algorithm(customer.algorithm.as_deref())
}

/// What a write says.
pub(super) fn of_write(request: &S3Request) -> ConditionValues<'_> {
    let headers = &request.headers;
    of_headers(request, headers.method.as_ref(), &headers.customer).with_kms_key_id(headers.kms_key_id.as_deref())
}

/// What the request that began the upload said: a part and a completion cannot carry it.
pub(super) fn of_upload<'a>(request: &'a S3Request, upload: Option<&'a Present>) -> ConditionValues<'a> {
    let secure_transport = request.caller.transport == Transport::Secure;
    match upload {
        Some(upload) if upload.record.is_of_upload() => {
            upload.record.condition_values(secure_transport).with_facts(&request.caller.facts)
        }
        Some(upload) => {
            // A record that was made of an envelope: how the upload is stored is all that is known.
            let method = match upload.record.mode() {
                Some(ModeId::SseS3) => Some("AES256"),
                Some(ModeId::SseKms) => Some("aws:kms"),
                Some(ModeId::DsseKms) => Some("aws:kms:dsse"),
                Some(ModeId::SseC) | None => None,
            };
            of_headers(request, None, &request.headers.customer)
                .with_server_side_encryption(method)
                .with_kms_key_id(upload.record.kms_key_id())
        }
        None => of_headers(request, None, &request.headers.customer),
    }
}

/// Refuses a new object in SSE-C where the bucket takes none.
pub(super) fn check_blocked(request: &S3Request, operation: S3Operation) -> Result<(), S3Error> {
    let blocks = |bucket: &BucketDefault| bucket.encryption().is_some_and(|bucket| bucket.blocks_customer_keys());
    if !(operation.writes() && request.headers.customer.is_present() && blocks(&request.bucket)) {
        return Ok(());
    }
    let error = S3Error::new(Kind::CustomerKeyBlocked);
    Err(match &request.caller.principal {
        Some(principal) => error.with_subject(format!(
            "User: {principal} is not authorized to perform: s3:PutObject on resource: \"{}\" because this bucket",
            request.resource.arn
        )),
        None => error,
    })
}
