//! Bucket policies, as far as encryption and transport go.

mod condition;
mod document;
mod error;
mod glob;
mod json;
mod principal;

use condition::Condition;
use glob::{Case, Glob};
use principal::Principals;

pub use condition::ConditionValues;
pub use error::{PolicyError, PolicyErrorKind};

/// A bucket policy that is understood as a whole: read once, when it is stored, and asked at every request.
///
/// Understood are `Version`, `Id`, `Sid`, `Effect`, `Principal` (`*`, and under `AWS` ARNs and account ids), `Action` and
/// `Resource` with the wildcards `*` and `?`, and `Condition` with
///
/// - the operators `StringEquals`, `StringLike`, `ArnEquals`, `ArnLike`, the negated form of each (`StringNotEquals`),
///   `Bool`, the `IfExists` form of all these, and `Null`;
/// - the keys `s3:x-amz-server-side-encryption`, `s3:x-amz-server-side-encryption-aws-kms-key-id`,
///   `s3:x-amz-server-side-encryption-customer-algorithm` and `aws:SecureTransport`.
///
/// A list may stand wherever the grammar allows one. A document that holds anything else is refused, so that no part of one
/// that was stored is ever ignored.
///
/// ```
/// use atrest::s3::{BucketPolicy, ConditionValues, PolicyRequest, Verdict};
///
/// # fn main() -> Result<(), atrest::s3::PolicyError> {
/// let policy = BucketPolicy::from_json(
///     br#"{"Version": "2012-10-17", "Statement": [{
///         "Sid": "OnlyOverTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
///         "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"],
///         "Condition": {"Bool": {"aws:SecureTransport": "false"}}
///     }]}"#,
/// )?;
/// let secure_transport = false;
/// let request = PolicyRequest {
///     principal: Some("arn:aws:iam::111122223333:user/alice"),
///     action: "s3:GetObject",
///     resource: "arn:aws:s3:::photos/2026/cat.jpg",
///     conditions: &ConditionValues::new(secure_transport),
/// };
/// assert_eq!(policy.evaluate(&request), Verdict::Deny);
/// # Ok(()) }
/// ```
///
/// Spec: AWS IAM User Guide, "Grammar of the IAM JSON policy language".
#[derive(Clone, Debug)]
pub struct BucketPolicy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
struct Statement {
    effect: Effect,
    principals: Principals,
    actions: Vec<Glob>,
    resources: Vec<Glob>,
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Allow,
    Deny,
}

/// What a policy is asked about.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "every field has to be said: one left out would answer another question")]
pub struct PolicyRequest<'a> {
    /// Who asks: the ARN of a user, a role, a session or an account's root, or an account id; `None` is anonymous.
    pub principal: Option<&'a str>,
    /// What for, as `s3:PutObject`; upper and lower case are the same.
    pub action: &'a str,
    /// The ARN of the object or bucket, as `arn:aws:s3:::photos/2026/cat.jpg`, its key neither encoded nor shortened.
    pub resource: &'a str,
    /// What the request itself says of its encryption and transport, before any default is applied.
    pub conditions: &'a ConditionValues<'a>,
}

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer, and each is to be thought of")]
pub enum Verdict {
    /// A statement allows it, and none denies it.
    Allow,
    /// A statement denies it, whatever others say: 403 `AccessDenied`.
    Deny,
    /// No statement is about it: what else the service knows of the requester decides.
    Neither,
}

impl BucketPolicy {
    /// The longest policy that S3 stores, in bytes.
    pub const MAX_LEN: usize = 20_480;

    /// The most wildcards `?` of a document: what it costs to ask it stays small.
    pub const MAX_QUESTION_MARKS: usize = 64;

    /// Reads a policy document.
    ///
    /// # Errors
    ///
    /// Names the first thing in it that is not understood, and the statement. S3 answers such a `PutBucketPolicy` with
    /// 400 `MalformedPolicy`.
    ///
    /// # Security
    ///
    /// The names of actions and of buckets are taken as they are: a statement about `s3:PutObjekt`, or about a bucket that is
    /// not this one, is about no request. A resource has to be of the partition `aws`.
    pub fn from_json(document: &[u8]) -> Result<Self, PolicyError> {
        document::read(document).map(|statements| Self { statements })
    }

    /// What the policy says of a request: a statement that denies it wins over any that allow it.
    ///
    /// # Performance
    ///
    /// Allocates nothing. Takes at most as many steps as the policy is long for each character of the request, and only
    /// wildcard patterns made for it take that many.
    ///
    /// Spec: AWS IAM User Guide, "Policy evaluation logic".
    pub fn evaluate(&self, request: &PolicyRequest<'_>) -> Verdict {
        let mut verdict = Verdict::Neither;
        for statement in self.statements.iter().filter(|statement| statement.is_about(request)) {
            match statement.effect {
                Effect::Deny => return Verdict::Deny,
                Effect::Allow => verdict = Verdict::Allow,
            }
        }
        verdict
    }
}

impl Statement {
    fn is_about(&self, request: &PolicyRequest<'_>) -> bool {
        self.actions.iter().any(|action| action.matches(request.action, Case::Ignored))
            && self.resources.iter().any(|resource| resource.matches(request.resource, Case::Exact))
            && self.principals.include(request.principal)
            && self.conditions.iter().all(|condition| condition.holds(request.conditions))
    }
}
