//! [`BucketPolicy`], which this crate evaluates, and [`HostPolicy`], which the host's own policy engine evaluates.

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

/// A parsed bucket policy. Parse a policy once, when it is stored, and evaluate it for every request.
///
/// This type supports:
///
/// - `Version`, `Id`, `Sid`, `Effect`, and `Action` and `Resource` with the wildcards `*` and `?`;
/// - `Principal` and `NotPrincipal`: `*`, and lists under `AWS` (account ids and ARNs), `Service`, `Federated` and
///   `CanonicalUser`;
/// - the `Condition` operators `String*`, `Arn*`, `Bool`, `Numeric*`, `Date*` and `IpAddress` with their negations and
///   `IfExists` forms, `Null`, and `ForAllValues:` and `ForAnyValue:` on keys with several values;
/// - the keys of [`ConditionKey`].
///
/// Lists are accepted wherever the grammar allows one, booleans in any case, and booleans and numbers with or without
/// quotation marks. A document with any other element is refused, so no part of a stored document is ignored. A host
/// with its own policy engine stores such a document as a [`HostPolicy`].
///
/// | request's value | condition |
/// |---|---|
/// | absent | met with `IfExists`, `ForAllValues:`, or a negated operator without `ForAnyValue:`; otherwise not met |
/// | not of the operator's type | met with a negated operator; otherwise not met |
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

/// One request to evaluate a policy for.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "every field has to be said: one left out would answer another question")]
pub struct PolicyRequest<'a> {
    /// The requester's ARN (user, role, session or account root) or account id. `None` for an anonymous requester and
    /// for a service, which [`RequestFacts::with_service_principal`] names.
    pub principal: Option<&'a str>,
    /// The action, such as `s3:PutObject`, in any case.
    pub action: &'a str,
    /// The ARN of the object or bucket, such as `arn:aws:s3:::photos/2026/cat.jpg`, with the full, unencoded key.
    pub resource: &'a str,
    /// The condition values of the request: its encryption headers and transport before any default is applied, and the
    /// host's facts.
    pub conditions: &'a ConditionValues<'a>,
}

/// The verdict of a policy about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth answer, and each is to be thought of")]
pub enum Verdict {
    /// A statement allows the request, and no statement denies it.
    Allow,
    /// A statement denies the request: 403 `AccessDenied`. A `Deny` overrides every `Allow`.
    Deny,
    /// No statement applies to the request. The service decides by its other permissions for the requester.
    Neither,
}

impl BucketPolicy {
    /// The maximum length of a policy in S3, in bytes.
    pub const MAX_LEN: usize = 20_480;

    /// The maximum cost of the wildcards of a document, in searches through one value of a request.
    ///
    /// | part of a pattern | searches |
    /// |---|---|
    /// | text before the first and after the last `*`, with or without `?` | 0 |
    /// | all texts between two `*`, as in `photos/*/raw/*` | 1, and 1 for each four such texts |
    /// | each such text with `?`, in addition | 8, 4 for each further `?`, and 1 for each 2 bytes |
    ///
    /// Under `ForAllValues:` and `ForAnyValue:` a pattern costs 2 plus four times that.
    pub const MAX_SEARCHES: usize = 256;

    /// Parses a policy document.
    ///
    /// # Errors
    ///
    /// Returns a [`PolicyError`] with the first unsupported element and its statement. S3 answers such a
    /// `PutBucketPolicy` with 400 `MalformedPolicy`.
    ///
    /// # Security
    ///
    /// It is not checked whether an action or bucket exists: a statement about `s3:PutObjekt` or about another bucket
    /// never applies to a request. A resource must be in the partition `aws`.
    pub fn from_json(document: &[u8]) -> Result<Self, PolicyError> {
        let statements = document::read(&document::json(document)?)?.into_iter().collect::<Result<Vec<_>, _>>()?;
        document::check_cost(&statements)?;
        Ok(Self { statements })
    }

    /// Evaluates the policy for a request. A `Deny` overrides every `Allow`.
    ///
    /// # Performance
    ///
    /// Allocates nothing unless the action is longer than 128 bytes. The time is bounded by the document's length plus
    /// [`MAX_SEARCHES`](Self::MAX_SEARCHES) times the length of the request's longest value. In the bench `s3`
    /// (`policy/..`), the most expensive documents, at all limits and against values of maximum length, take at most
    /// 0.13 ms.
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

    /// Returns the maximum cost of the statement's wildcards, in searches through a value of the request.
    fn searches(&self) -> usize {
        let names = self.actions.iter().chain(&self.resources).map(Glob::searches);
        names.chain(self.conditions.iter().map(Condition::searches)).sum()
    }
}

/// A text in lower case, on the stack if it fits.
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
