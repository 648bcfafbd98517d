//! [`PolicyError`], the reason why a bucket policy is refused.

use std::fmt;

use super::BucketPolicy;

/// What in a bucket policy is not understood, and in which statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    kind: PolicyErrorKind,
    name: String,
    statement: Option<usize>,
    sid: Option<String>,
}

/// Why a bucket policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// The document is longer than [`BucketPolicy::MAX_LEN`].
    TooLong,
    /// The wildcards of the document cost more than [`BucketPolicy::MAX_SEARCHES`].
    TooManyWildcards,
    /// The document is not JSON; the place is counted from 1, the column in bytes.
    NotJson {
        /// The line at which it ceases to be.
        line: usize,
        /// The column in that line.
        column: usize,
    },
    /// Objects and lists stand in each other more deeply than in any policy.
    TooDeep,
    /// An element that is not understood, such as `NotAction`.
    UnknownElement,
    /// An element or a condition key is there twice, or two statements have one `Sid`.
    Repeated,
    /// An element that has to be there is not.
    Missing,
    /// An element that may not stand beside another: `NotPrincipal` beside `Principal`.
    Conflict,
    /// An element's value is not of its type.
    WrongType,
    /// An element's list or object holds nothing.
    Empty,
    /// A `Version` other than `2012-10-17` and `2008-10-17`.
    UnknownVersion,
    /// An `Effect` other than `Allow` and `Deny`.
    UnknownEffect,
    /// A principal that is not understood: under `AWS` other than `*`, an account id and the ARN of an account's root,
    /// a user, a role or a session; under `Service` and `Federated` other than a host name, or a provider's ARN; under
    /// `CanonicalUser` other than 64 hex digits; and `*` under `NotPrincipal`.
    InvalidPrincipal,
    /// An action other than `*` and `s3:` with a name that may hold wildcards.
    InvalidAction,
    /// A resource that is not a bucket's ARN, with or without a key.
    InvalidResource,
    /// A condition operator that is not understood.
    UnknownOperator,
    /// A condition key that is not understood.
    UnknownKey,
    /// A condition operator that is never met by a value of its key, such as `Bool` where there is text; one with
    /// `ForAllValues:` or `ForAnyValue:` on a key of one value, and one without on a key of several.
    OperatorDoesNotFit,
    /// A condition's value that its operator never meets: not a boolean for `Bool` and `Null`, not an ARN, a number, a
    /// date or a network for the operators of these.
    InvalidValue,
    /// A policy variable, `${..}`.
    Variable,
}

impl PolicyError {
    pub(super) fn new(kind: PolicyErrorKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), statement: None, sid: None }
    }

    pub(super) fn in_statement(self, index: usize, sid: Option<&str>) -> Self {
        Self { statement: Some(index), sid: sid.map(str::to_owned), ..self }
    }

    /// Why the policy is refused.
    pub fn kind(&self) -> PolicyErrorKind {
        self.kind
    }

    /// What it is refused for: the element, or the text that is not understood; empty where it is the document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// In which statement, counted from 0; `None` where it is outside of them.
    pub fn statement(&self) -> Option<usize> {
        self.statement
    }

    /// The `Sid` of that statement.
    pub fn sid(&self) -> Option<&str> {
        self.sid.as_deref()
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.statement, &self.sid) {
            (Some(index), Some(sid)) => write!(formatter, "Statement[{index}] ({sid:?}): ")?,
            (Some(index), None) => write!(formatter, "Statement[{index}]: ")?,
            (None, _) => {}
        }
        let name = &self.name;
        match self.kind {
            PolicyErrorKind::TooLong => write!(formatter, "the policy is longer than {} bytes", BucketPolicy::MAX_LEN),
            PolicyErrorKind::TooManyWildcards => {
                write!(formatter, "the wildcards of the policy cost more than {} searches", BucketPolicy::MAX_SEARCHES)
            }
            PolicyErrorKind::NotJson { line, column } => {
                write!(formatter, "the policy is not JSON, from line {line}, column {column}")
            }
            PolicyErrorKind::TooDeep => write!(formatter, "the policy has more levels than any policy needs"),
            PolicyErrorKind::UnknownElement => write!(formatter, "the element {name:?} is not supported"),
            PolicyErrorKind::Repeated => write!(formatter, "{name:?} is there twice"),
            PolicyErrorKind::Missing => write!(formatter, "there is no {name:?}"),
            PolicyErrorKind::Conflict => write!(formatter, "the element {name:?} may not stand beside its opposite"),
            PolicyErrorKind::WrongType => write!(formatter, "the value of {name:?} is not of its type"),
            PolicyErrorKind::Empty => write!(formatter, "{name:?} is empty"),
            PolicyErrorKind::UnknownVersion => write!(formatter, "the version {name:?} is not supported"),
            PolicyErrorKind::UnknownEffect => write!(formatter, "the effect {name:?} is neither Allow nor Deny"),
            PolicyErrorKind::InvalidPrincipal => write!(formatter, "the principal {name:?} is not supported"),
            PolicyErrorKind::InvalidAction => write!(formatter, "the action {name:?} is not one of S3's"),
            PolicyErrorKind::InvalidResource => write!(formatter, "the resource {name:?} is not a bucket's ARN"),
            PolicyErrorKind::UnknownOperator => write!(formatter, "the condition operator {name:?} is not supported"),
            PolicyErrorKind::UnknownKey => write!(formatter, "the condition key {name:?} is not supported"),
            PolicyErrorKind::OperatorDoesNotFit => {
                write!(formatter, "the condition operator {name:?} does not fit the type of its key")
            }
            PolicyErrorKind::InvalidValue => {
                write!(formatter, "the value {name:?} does not fit its condition operator")
            }
            PolicyErrorKind::Variable => write!(formatter, "policy variables are not supported: {name:?}"),
        }
    }
}

impl std::error::Error for PolicyError {}
