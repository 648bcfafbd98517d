//! [`PolicySource`], [`PolicyEngine`] and [`PolicyQuestion`]: the policies of a request and the questions to them.

use std::fmt;
use std::sync::Arc;

use super::request::{BucketDefault, CopySource, Present, Resource, S3Request, Transport};
use crate::envelope::ModeId;
use crate::s3::error::{S3Error, S3ErrorKind as Kind};
use crate::s3::headers::{CustomerKeyHeaders, Method};
use crate::s3::operation::S3Operation;
use crate::s3::policy::{BucketPolicy, ConditionKey, ConditionValues, PolicyRequest, Verdict};

/// The policy that decides whether a request is allowed. It is a required argument, so that a policy cannot be
/// forgotten.
#[derive(Clone)]
#[non_exhaustive]
pub enum PolicySource {
    /// No policy: the bucket has none, or the service has already asked it.
    Unasked,
    /// The bucket's policy. Only a denial counts; an allowance has no effect.
    Bucket(Arc<BucketPolicy>),
    /// The policy engine of the service.
    Engine(Arc<dyn PolicyEngine>),
}

/// A policy engine of the service.
///
/// A decision calls it once, synchronously, where S3 asks its policies: after the checks of the headers as such, before
/// any value of the request's own customer key is checked.
pub trait PolicyEngine: Send + Sync {
    /// Answers all questions of one request with one verdict: [`Deny`](Verdict::Deny) if any of them is denied. After
    /// [`Allow`](Verdict::Allow) or [`Neither`](Verdict::Neither) the decision continues. An engine that refuses what
    /// no policy allows answers `Deny`.
    fn judge(&self, questions: Vec<PolicyQuestion>) -> Verdict;
}

/// One question to a policy engine. The value owns its contents.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyQuestion {
    /// The caller as the service named it; `None` if anonymous.
    pub principal: Option<String>,
    /// The action, such as `s3:PutObject`.
    pub action: String,
    /// The ARN of the object or bucket.
    pub resource: String,
    /// The condition keys of the request with their values: its encryption headers and transport, before any default is
    /// applied, and the facts that the service set on the caller.
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
        // Omits the values, because a client may have sent a key in the wrong header.
        f.debug_struct("PolicyQuestion")
            .field("principal", &self.principal)
            .field("action", &self.action)
            .field("resource", &self.resource)
            .field("conditions", &self.conditions.iter().map(|(key, _)| key).collect::<Vec<_>>())
            .finish()
    }
}

/// The input of the policy check, except the headers.
pub(super) struct PolicyCheck<'a> {
    pub(super) actions: &'a [&'a str],
    /// The object or upload does not exist. The policy is also asked whether the caller may learn that.
    pub(super) absent: bool,
    pub(super) conditions: ConditionValues<'a>,
    pub(super) source: Option<&'a CopySource>,
}

/// The questions about one bucket.
struct PolicyScope<'a> {
    policy: &'a PolicySource,
    resource: &'a Resource,
    actions: &'a [&'a str],
    absent: bool,
    conditions: ConditionValues<'a>,
}

/// Refuses a request that a policy denies.
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
        // The same conditions as for a read of the source, with its customer key.
        conditions: of_headers(request, None, &request.headers.source),
    });
    // SECURITY: a resource that is not an ARN of S3 would match no statement, not even a Deny.
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
    /// Returns each action with its resource. A caller that may list the bucket may learn that an object does not
    /// exist.
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

/// Returns the condition values of the headers: the method as it is, and the algorithm of a customer key.
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

/// Returns the condition values of a write.
pub(super) fn of_write(request: &S3Request) -> ConditionValues<'_> {
    let headers = &request.headers;
    of_headers(request, headers.method.as_ref(), &headers.customer).with_kms_key_id(headers.kms_key_id.as_deref())
}

/// Returns the condition values of the request that began the upload. A part and a completion cannot carry them.
pub(super) fn of_upload<'a>(request: &'a S3Request, upload: Option<&'a Present>) -> ConditionValues<'a> {
    let secure_transport = request.caller.transport == Transport::Secure;
    match upload {
        Some(upload) if upload.record.is_of_upload() => {
            upload.record.condition_values(secure_transport).with_facts(&request.caller.facts)
        }
        Some(upload) => {
            // The record was made from an envelope, so only the upload's mode and key are known.
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

/// Refuses a new SSE-C object if the bucket blocks SSE-C.
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
