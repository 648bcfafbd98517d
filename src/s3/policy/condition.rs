//! [`Condition`], one operator on one key, with the policy's values.
//!
//! Spec: AWS IAM User Guide, "IAM JSON policy elements: Condition operators" and "Conditions with multiple context keys
//! or values".

use std::collections::BTreeSet;

use ipnet::IpNet;
use jiff::Timestamp;

use super::error::{PolicyError, PolicyErrorKind};
use super::facts::ConditionValues;
use super::glob::Glob;
use super::key::ConditionKey;
use super::operator::{Comparison, Operator, Order, Set};
use super::typed;

/// One operator on one key, with the policy's values.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    key: ConditionKey,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Absent(Either),
    Value { values: ExpectedValues, negated: bool, if_exists: bool, set: Option<Set> },
}

#[derive(Clone, Debug)]
enum ExpectedValues {
    Texts(BTreeSet<String>),
    Patterns(Vec<Glob>),
    Arns(Vec<[Glob; 6]>),
    Bool(Either),
    Numbers(Order, Vec<i128>),
    Dates(Order, Vec<Timestamp>),
    Networks(Vec<IpNet>),
}

/// The boolean values that the policy lists: true, false or both.
#[derive(Clone, Copy, Debug)]
struct Either {
    yes: bool,
    no: bool,
}

impl Condition {
    pub(super) fn new(operator: Operator, key: ConditionKey, values: &[&str]) -> Result<Self, PolicyError> {
        if let Some(value) = values.iter().find(|value| value.contains("${")) {
            return Err(PolicyError::new(PolicyErrorKind::Variable, *value));
        }
        let Operator { comparison, negated, if_exists, set } = operator;
        let values = match comparison {
            Comparison::Text => ExpectedValues::Texts(values.iter().map(|value| (*value).to_owned()).collect()),
            Comparison::Pattern => ExpectedValues::Patterns(values.iter().map(|value| Glob::new(value)).collect()),
            Comparison::Arn => ExpectedValues::Arns(each(values, arn)?),
            Comparison::Bool => ExpectedValues::Bool(Either::of(values)?),
            Comparison::Null => return Ok(Self { key, test: Test::Absent(Either::of(values)?) }),
            Comparison::Number(order) => ExpectedValues::Numbers(order, each(values, typed::number)?),
            Comparison::Date(order) => ExpectedValues::Dates(order, each(values, typed::date)?),
            Comparison::Ip => ExpectedValues::Networks(each(values, typed::network)?),
        };
        Ok(Self { key, test: Test::Value { values, negated, if_exists, set } })
    }

    pub(super) fn holds(&self, request: &ConditionValues<'_>) -> bool {
        let (values, negated, if_exists, set) = match &self.test {
            Test::Absent(absent) => {
                let is_absent = request.value(&self.key).is_none() && request.values(&self.key).is_empty();
                return absent.lists(is_absent);
            }
            Test::Value { values, negated, if_exists, set } => (values, *negated, *if_exists, *set),
        };
        // The policy's values are alternatives. A negated operator is met if no value matches.
        let meets = |value: &str| values.any_meets(value) != negated;
        match set {
            // An absent value matches no value of the policy, so a negated operator holds.
            None => request.value(&self.key).map_or(if_exists || negated, meets),
            Some(Set::All) => request.values(&self.key).iter().all(|value| meets(value)),
            Some(Set::Any) => match request.values(&self.key) {
                [] => if_exists,
                several => several.iter().any(|value| meets(value)),
            },
        }
    }

    /// Returns the maximum cost of the condition's wildcards, in searches through a value of the request.
    pub(super) fn searches(&self) -> usize {
        let Test::Value { values, set, .. } = &self.test else {
            return 0;
        };
        let patterns: &mut dyn Iterator<Item = &Glob> = match values {
            ExpectedValues::Patterns(patterns) => &mut patterns.iter(),
            ExpectedValues::Arns(arns) => &mut arns.iter().flatten(),
            _ => return 0,
        };
        match set {
            None => patterns.map(Glob::searches).sum(),
            // The operator compares several values, but short ones.
            Some(_) => patterns.map(|pattern| 2 + 4 * pattern.searches()).sum(),
        }
    }
}

impl ExpectedValues {
    fn any_meets(&self, value: &str) -> bool {
        match self {
            Self::Texts(texts) => texts.contains(value),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.matches(value)),
            Self::Arns(arns) => {
                let mut components = value.splitn(6, ':');
                let components = std::array::from_fn(|_| components.next());
                arns.iter().any(|arn| arn_meets(arn, &components))
            }
            // A value that is not a boolean matches neither true nor false.
            Self::Bool(either) => typed::boolean(value).is_some_and(|value| either.lists(value)),
            Self::Numbers(order, numbers) => {
                typed::number(value).is_some_and(|value| numbers.iter().any(|number| order.admits(value.cmp(number))))
            }
            Self::Dates(order, dates) => {
                typed::date(value).is_some_and(|value| dates.iter().any(|date| order.admits(value.cmp(date))))
            }
            Self::Networks(networks) => {
                typed::address(value).is_some_and(|value| networks.iter().any(|network| network.contains(&value)))
            }
        }
    }
}

impl Either {
    fn of(values: &[&str]) -> Result<Self, PolicyError> {
        let values = each(values, typed::boolean)?;
        Ok(Self { yes: values.contains(&true), no: values.contains(&false) })
    }

    fn lists(self, value: bool) -> bool {
        if value { self.yes } else { self.no }
    }
}

fn each<T>(values: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, PolicyError> {
    let read = |value: &&str| read(value).ok_or_else(|| PolicyError::new(PolicyErrorKind::InvalidValue, *value));
    values.iter().map(read).collect()
}

/// Splits an ARN into six components, each a pattern. The last component includes all further colons.
fn arn(text: &str) -> Option<[Glob; 6]> {
    let components: Vec<Glob> = text.splitn(6, ':').map(Glob::new).collect();
    components.try_into().ok().filter(|_| text.starts_with("arn:"))
}

fn arn_meets(arn: &[Glob; 6], components: &[Option<&str>; 6]) -> bool {
    arn.iter().zip(components).all(|(pattern, component)| component.is_some_and(|component| pattern.matches(component)))
}
