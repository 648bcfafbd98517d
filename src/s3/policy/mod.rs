//! [`BucketPolicy`], which this crate evaluates, and [`HostPolicy`], which the host's own engine evaluates.

mod condition;
mod document;
mod error;
mod facts;
mod glob;
mod host;
mod json;
mod key;
mod operator;
mod principal;
mod typed;

use condition::Condition;
use glob::Glob;
use principal::{Identities, Principals};

pub use error::{PolicyError, PolicyErrorKind};
pub use facts::{ConditionValues, RequestFacts};
pub use host::HostPolicy;
pub use key::ConditionKey;

/// A parsed bucket policy. Parse it once, when it is stored, and evaluate it for every request.
///
/// It understands `Version`, `Id`, `Sid`, `Effect`, `Action` and `Resource` with the wildcards `*` and `?`, and
///
/// - `Principal` and `NotPrincipal`: `*`, and lists under `AWS` (account ids and ARNs), `Service`, `Federated` and
///   `CanonicalUser`;
/// - in a `Condition` the operators `String*`, `Arn*`, `Bool`, `Numeric*`, `Date*` and `IpAddress` with their negations
///   and the `IfExists` form of each, `Null`, and `ForAllValues:` and `ForAnyValue:` on keys of several values;
/// - the keys of [`ConditionKey`].
///
/// A list may stand wherever the grammar allows one; booleans are read in any case, booleans and numbers with quotation
/// marks or without. A document that holds anything else is refused, so that no part of a stored document is ever
/// ignored. A host with an engine of its own stores such a document as a [`HostPolicy`].
///
/// | request has no value | request's value is not of the operator's type |
/// |---|---|
/// | the condition is not met; with a negated operator, `IfExists` or `ForAllValues:` it is met | the value meets none of the policy's; a negated operator is met |
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

/// A question to a policy.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "every field has to be said: one left out would answer another question")]
pub struct PolicyRequest<'a> {
    /// The requester's ARN (user, role, session, or an account's root) or account id; `None` where the requester has
    /// none: anonymous, or a service that [`RequestFacts::with_service_principal`] names.
    pub principal: Option<&'a str>,
    /// The action, such as `s3:PutObject`. The case does not matter.
    pub action: &'a str,
    /// The ARN of the object or bucket, as `arn:aws:s3:::photos/2026/cat.jpg`, its key neither encoded nor shortened.
    pub resource: &'a str,
    /// The condition values of the request: its encryption headers and transport, before any default is applied, and
    /// the host's facts.
    pub conditions: &'a ConditionValues<'a>,
}

/// The verdict of a policy about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer, and each is to be thought of")]
pub enum Verdict {
    /// A statement allows the request, and none denies it.
    Allow,
    /// A statement denies the request: 403 `AccessDenied`. A denial outweighs every allowance.
    Deny,
    /// No statement applies to the request. The service decides by what else it knows about the requester.
    Neither,
}

impl BucketPolicy {
    /// The longest policy that S3 stores, in bytes.
    pub const MAX_LEN: usize = 20_480;

    /// The most that the wildcards of a document may cost, in searches through one value of a request.
    ///
    /// A pattern with text between two stars costs one search, such as `photos/*/raw/*`, and one more for each four
    /// such texts. Text with a `?` between two stars costs eight, four more for each further `?`, and one for each 2
    /// bytes. Text before the first star and behind the last costs none, with `?` or without. Under `ForAllValues:` and
    /// `ForAnyValue:` a pattern costs two and four times that.
    pub const MAX_SEARCHES: usize = 256;

    /// Parses a policy document.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] names the first element that is not supported, and its statement. S3 answers such a
    /// `PutBucketPolicy` with 400 `MalformedPolicy`.
    ///
    /// # Security
    ///
    /// The names of actions and of buckets are taken as they are: a statement about `s3:PutObjekt`, or about another
    /// bucket, is about no request. A resource has to be of the partition `aws`.
    pub fn from_json(document: &[u8]) -> Result<Self, PolicyError> {
        let statements = document::read(&document::json(document)?)?.into_iter().collect::<Result<Vec<_>, _>>()?;
        document::check_cost(&statements)?;
        Ok(Self { statements })
    }

    /// Evaluates the policy for a request. A denial outweighs every allowance.
    ///
    /// # Performance
    ///
    /// Allocates nothing, unless an action is longer than 128 bytes. The time is bounded by the document's length plus
    /// [`MAX_SEARCHES`](Self::MAX_SEARCHES) times the length of the request's longest value. The dearest documents that
    /// the bench `s3` makes (`policy/..`), each at all of its limits and against values of the greatest length, take
    /// 0.13 ms at most.
    ///
    /// Spec: AWS IAM User Guide, "Policy evaluation logic".
    pub fn evaluate(&self, request: &PolicyRequest<'_>) -> Verdict {
        let mut room = [0; 128];
        let action = Lowered::of(request.action, &mut room);
        let requester = Identities::of(request);
        let mut verdict = Verdict::Neither;
        for statement in &self.statements {
            if statement.is_about(request, action.as_str(), &requester) {
                match statement.effect {
                    Effect::Deny => return Verdict::Deny,
                    Effect::Allow => verdict = Verdict::Allow,
                }
            }
        }
        verdict
    }
}

impl Statement {
    fn is_about(&self, request: &PolicyRequest<'_>, action: &str, requester: &Identities<'_>) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action))
            && self.resources.iter().any(|resource| resource.matches(request.resource))
            && self.principals.include(requester, self.effect)
            && self.conditions.iter().all(|condition| condition.holds(request.conditions))
    }

    /// What its wildcards cost at most, in searches through a value of the request.
    fn searches(&self) -> usize {
        let names = self.actions.iter().chain(&self.resources).map(Glob::searches);
        names.chain(self.conditions.iter().map(Condition::searches)).sum()
    }
}

/// A text in lower case; on the stack where it has room there.
enum Lowered<'a> {
    Short(&'a str),
    Long(String),
}

impl<'a> Lowered<'a> {
    fn of(text: &str, room: &'a mut [u8]) -> Self {
        let short = room.get_mut(..text.len()).and_then(|room| {
            room.copy_from_slice(text.as_bytes());
            room.make_ascii_lowercase();
            std::str::from_utf8(room).ok()
        });
        short.map_or_else(|| Self::Long(text.to_ascii_lowercase()), Self::Short)
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Short(text) => text,
            Self::Long(text) => text,
        }
    }
}
