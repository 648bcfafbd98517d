//! [`Operator`], the operator of a condition.
//!
//! Spec: AWS IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued context
//! keys".

use std::cmp::Ordering;

use super::key::{ConditionKey, KeyType};

/// A condition operator: its comparison, and its treatment of the result, absent values and several values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operator {
    pub(super) comparison: Comparison,
    pub(super) negated: bool,
    pub(super) if_exists: bool,
    pub(super) set: Option<Set>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Text,
    Pattern,
    Arn,
    Bool,
    Null,
    Number(Order),
    Date(Order),
    Ip,
}

/// The required order of the request's value relative to the policy's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Whether all or any values of a key with several values must meet the condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    All,
    Any,
}

impl Operator {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let (set, base) = match name.split_once(':') {
            None => (None, name),
            Some(("ForAllValues", base)) => (Some(Set::All), base),
            Some(("ForAnyValue", base)) => (Some(Set::Any), base),
            Some(_) => return None,
        };
        let (base, if_exists) = base.strip_suffix("IfExists").map_or((base, false), |base| (base, true));
        let (comparison, negated) = match base {
            "StringEquals" => (Comparison::Text, false),
            "StringNotEquals" => (Comparison::Text, true),
            "StringLike" => (Comparison::Pattern, false),
            "StringNotLike" => (Comparison::Pattern, true),
            // Both are the same operator, with wildcards.
            "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
            "Bool" => (Comparison::Bool, false),
            "Null" if !if_exists && set.is_none() => (Comparison::Null, false),
            "IpAddress" => (Comparison::Ip, false),
            "NotIpAddress" => (Comparison::Ip, true),
            _ => match base.strip_prefix("Numeric") {
                Some(order) => Order::from_name(order).map(|(order, negated)| (Comparison::Number(order), negated))?,
                None => {
                    let order = Order::from_name(base.strip_prefix("Date")?)?;
                    (Comparison::Date(order.0), order.1)
                }
            },
        };
        Some(Self { comparison, negated, if_exists, set })
    }

    /// Returns whether the operator fits the key, by the type of its values and by their number (one or several).
    pub(super) fn fits(self, key: &ConditionKey) -> bool {
        let of_type = match (self.comparison, key.key_type()) {
            (Comparison::Text | Comparison::Pattern | Comparison::Null, _) | (_, KeyType::Tag) => true,
            (Comparison::Arn, kind) => kind == KeyType::Arn,
            (Comparison::Bool, kind) => kind == KeyType::Bool,
            (Comparison::Number(_), kind) => matches!(kind, KeyType::Number | KeyType::Epoch),
            (Comparison::Date(_), kind) => matches!(kind, KeyType::Date | KeyType::Epoch),
            (Comparison::Ip, kind) => kind == KeyType::Ip,
        };
        of_type && (self.comparison == Comparison::Null || self.set.is_some() == key.has_several_values())
    }
}

impl Order {
    /// Parses the end of an operator's name into the order and whether the operator is negated.
    fn from_name(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "Equals" => (Self::Equal, false),
            "NotEquals" => (Self::Equal, true),
            "LessThan" => (Self::Less, false),
            "LessThanEquals" => (Self::LessOrEqual, false),
            "GreaterThan" => (Self::Greater, false),
            "GreaterThanEquals" => (Self::GreaterOrEqual, false),
            _ => return None,
        })
    }

    pub(super) fn admits(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}
