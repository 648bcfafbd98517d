//! The conditions of a statement, and what a request gives them to compare.
//!
//! Spec: AWS IAM User Guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys or
//! values".

use super::error::{PolicyError, PolicyErrorKind};
use super::glob::{Case, Glob};

/// What a request says of its encryption and transport, under the names that policies have for it.
///
/// These are the request's own headers: a default that is applied later is not among them.
#[derive(Clone, Copy, Debug)]
pub struct ConditionValues<'a> {
    server_side_encryption: Option<&'a str>,
    kms_key_id: Option<&'a str>,
    customer_algorithm: Option<&'a str>,
    secure_transport: bool,
}

impl<'a> ConditionValues<'a> {
    /// Of a request without headers of encryption, over TLS (`aws:SecureTransport`) or not.
    pub fn new(secure_transport: bool) -> Self {
        Self { server_side_encryption: None, kms_key_id: None, customer_algorithm: None, secure_transport }
    }

    /// The same of a request that came over TLS, or did not.
    #[must_use]
    pub fn secure_transport(self, secure_transport: bool) -> Self {
        Self { secure_transport, ..self }
    }

    /// With `s3:x-amz-server-side-encryption`; `None` where the header is absent, which is not an empty one.
    #[must_use]
    pub fn server_side_encryption(self, value: Option<&'a str>) -> Self {
        Self { server_side_encryption: value, ..self }
    }

    /// With `s3:x-amz-server-side-encryption-aws-kms-key-id`; `None` where the header is absent.
    #[must_use]
    pub fn kms_key_id(self, value: Option<&'a str>) -> Self {
        Self { kms_key_id: value, ..self }
    }

    /// With `s3:x-amz-server-side-encryption-customer-algorithm`; `None` where the header is absent.
    #[must_use]
    pub fn customer_algorithm(self, value: Option<&'a str>) -> Self {
        Self { customer_algorithm: value, ..self }
    }

    /// The value of a condition key, in any case of its name; `None` where the request has none.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        Key::from_name(name).and_then(|key| self.of(key))
    }

    /// The condition keys that the request has, and their values, for a policy engine of one's own.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'a str)> + use<'a> {
        let values = *self;
        Key::ALL.into_iter().filter_map(move |key| values.of(key).map(|value| (key.name(), value)))
    }

    fn of(&self, key: Key) -> Option<&'a str> {
        match key {
            Key::ServerSideEncryption => self.server_side_encryption,
            Key::KmsKeyId => self.kms_key_id,
            Key::CustomerAlgorithm => self.customer_algorithm,
            Key::SecureTransport => Some(if self.secure_transport { "true" } else { "false" }),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    ServerSideEncryption,
    KmsKeyId,
    CustomerAlgorithm,
    SecureTransport,
}

impl Key {
    const ALL: [Self; 4] = [Self::ServerSideEncryption, Self::KmsKeyId, Self::CustomerAlgorithm, Self::SecureTransport];

    fn name(self) -> &'static str {
        match self {
            Self::ServerSideEncryption => "s3:x-amz-server-side-encryption",
            Self::KmsKeyId => "s3:x-amz-server-side-encryption-aws-kms-key-id",
            Self::CustomerAlgorithm => "s3:x-amz-server-side-encryption-customer-algorithm",
            Self::SecureTransport => "aws:SecureTransport",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name().eq_ignore_ascii_case(name))
    }
}

/// A condition operator: what it compares, and what it makes of that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
}

#[derive(Clone, Copy, Debug)]
enum Comparison {
    Text,
    Pattern,
    Arn,
    Bool,
    Null,
}

impl Operator {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (base, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |base| (base, true));
        let (comparison, negated) = match base {
            "StringEquals" => (Comparison::Text, false),
            "StringNotEquals" => (Comparison::Text, true),
            "StringLike" => (Comparison::Pattern, false),
            "StringNotLike" => (Comparison::Pattern, true),
            // These two are one, wildcards included.
            "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
            "Bool" => (Comparison::Bool, false),
            "Null" if !if_exists => (Comparison::Null, false),
            _ => return None,
        };
        Some(Self { comparison, negated, if_exists })
    }

    /// Whether a value of the key is ever of the type that the operator compares.
    pub(super) fn fits(self, key: Key) -> bool {
        match self.comparison {
            Comparison::Text | Comparison::Pattern | Comparison::Null => true,
            Comparison::Arn => key == Key::KmsKeyId,
            Comparison::Bool => key == Key::SecureTransport,
        }
    }
}

/// One operator on one key, with the policy's values.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    key: Key,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Absent(Either),
    Value { values: Values, negated: bool, if_exists: bool },
}

#[derive(Clone, Debug)]
enum Values {
    Texts(Vec<String>),
    Patterns(Vec<Glob>),
    Arns(Vec<[Glob; 6]>),
    Bool(Either),
}

/// Which of the two values of a boolean are listed.
#[derive(Clone, Copy, Debug)]
struct Either {
    yes: bool,
    no: bool,
}

impl Condition {
    pub(super) fn new(operator: Operator, key: Key, values: &[&str]) -> Result<Self, PolicyError> {
        if let Some(value) = values.iter().find(|value| value.contains("${")) {
            return Err(PolicyError::new(PolicyErrorKind::Variable, *value));
        }
        let Operator { comparison, negated, if_exists } = operator;
        let values = match comparison {
            Comparison::Text => Values::Texts(values.iter().map(|value| (*value).to_owned()).collect()),
            Comparison::Pattern => Values::Patterns(values.iter().map(|value| Glob::new(value)).collect()),
            Comparison::Arn => Values::Arns(values.iter().map(|value| arn(value)).collect::<Result<_, _>>()?),
            Comparison::Bool => Values::Bool(Either::of(values)?),
            Comparison::Null => return Ok(Self { key, test: Test::Absent(Either::of(values)?) }),
        };
        Ok(Self { key, test: Test::Value { values, negated, if_exists } })
    }

    pub(super) fn holds(&self, request: &ConditionValues<'_>) -> bool {
        match (&self.test, request.of(self.key)) {
            (Test::Absent(absent), value) => absent.lists(value.is_none()),
            // What is absent is nothing that was asked for, so a negated operator holds.
            (Test::Value { negated, if_exists, .. }, None) => *if_exists || *negated,
            // Several values are alternatives; a negated operator wants none of them.
            (Test::Value { values, negated, .. }, Some(value)) => values.any_meets(value) != *negated,
        }
    }
}

impl Values {
    fn any_meets(&self, value: &str) -> bool {
        match self {
            Self::Texts(texts) => texts.iter().any(|text| text == value),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.matches(value, Case::Exact)),
            Self::Arns(arns) => arns.iter().any(|arn| arn_meets(arn, value)),
            Self::Bool(either) => either.lists(value == "true"),
        }
    }
}

impl Either {
    fn of(values: &[&str]) -> Result<Self, PolicyError> {
        if let Some(value) = values.iter().find(|value| !matches!(**value, "true" | "false")) {
            return Err(PolicyError::new(PolicyErrorKind::InvalidValue, *value));
        }
        Ok(Self { yes: values.contains(&"true"), no: values.contains(&"false") })
    }

    fn lists(self, value: bool) -> bool {
        if value { self.yes } else { self.no }
    }
}

/// The components of an ARN, each a pattern of its own; the last holds all further colons.
fn arn(text: &str) -> Result<[Glob; 6], PolicyError> {
    let components: Vec<Glob> = text.splitn(6, ':').map(Glob::new).collect();
    let arn = components.try_into().ok().filter(|_| text.starts_with("arn:"));
    arn.ok_or_else(|| PolicyError::new(PolicyErrorKind::InvalidValue, text))
}

fn arn_meets(arn: &[Glob; 6], value: &str) -> bool {
    let mut components = value.splitn(6, ':');
    arn.iter().all(|pattern| components.next().is_some_and(|component| pattern.matches(component, Case::Exact)))
}
