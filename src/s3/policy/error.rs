//! [`PolicyError`], the reason why a bucket policy is refused.

use std::fmt;

use super::BucketPolicy;

/// The reason why a bucket policy is refused: the unsupported element and its statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError {
    kind: PolicyErrorKind,
    name: String,
    statement: Option<usize>,
    sid: Option<String>,
}

/// The kind of a [`PolicyError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyErrorKind {
    /// The document is longer than [`BucketPolicy::MAX_LEN`].
    TooLong,
    /// The wildcards of the document cost more than [`BucketPolicy::MAX_SEARCHES`].
    TooManyWildcards,
    /// The document is not JSON. Line and column count from 1, the column in bytes.
    NotJson {
        /// The line where parsing failed.
        line: usize,
        /// The column where parsing failed.
        column: usize,
    },
    /// Objects and lists are nested more deeply than in any policy.
    TooDeep,
    /// An element is not supported, such as `NotAction`.
    UnknownElement,
    /// An element, condition operator or condition key is repeated, or two statements have the same `Sid`.
    Repeated,
    /// A required element is missing.
    Missing,
    /// Two elements exclude each other: `Principal` and `NotPrincipal`.
    Conflict,
    /// An element's value has the wrong type.
    WrongType,
    /// An element's list or object is empty.
    Empty,
    /// The `Version` is neither `2012-10-17` nor `2008-10-17`.
    UnknownVersion,
    /// The `Effect` is neither `Allow` nor `Deny`.
    UnknownEffect,
    /// A principal is not supported.
    ///
    /// `AWS` supports `*` (not under `NotPrincipal`), an account id, and the ARN of an account's root, a user, a role
    /// or a session; `Service` a host name; `Federated` a host name or a provider's ARN; `CanonicalUser` 64 hex digits.
    InvalidPrincipal,
    /// An action is neither `*` nor `s3:` with a name, which may contain wildcards.
    InvalidAction,
    /// A resource is not a bucket's ARN, with or without a key.
    InvalidResource,
    /// A condition operator is not supported.
    UnknownOperator,
    /// A condition key is not supported.
    UnknownKey,
    /// A condition operator does not fit its key: by the type, such as `Bool` on a text key, or because
    /// `ForAllValues:` or `ForAnyValue:` stands on a key of one value or is missing on a key of several values.
    OperatorDoesNotFit,
    /// A condition's value does not have its operator's type: a boolean for `Bool` and `Null`, otherwise an ARN,
    /// number, date or network.
    InvalidValue,
    /// A value contains a policy variable, `${..}`.
    Variable,
}

impl PolicyError {
    pub(super) fn new(kind: PolicyErrorKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), statement: None, sid: None }
    }

    pub(super) fn in_statement(self, index: usize, sid: Option<&str>) -> Self {
        Self { statement: Some(index), sid: sid.map(str::to_owned), ..self }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> PolicyErrorKind {
        self.kind
    }

    /// Returns the element or the text that is not supported. It is empty if the error concerns the whole document.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the index of the statement, from 0, or `None` if the error is outside the statements.
    pub fn statement(&self) -> Option<usize> {
        self.statement
    }

    /// Returns the `Sid` of the statement.
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
