//! From a policy document to its statements: what is not understood is refused, and nothing is skipped.

use std::collections::BTreeSet;

use super::condition::{Condition, Key, Operator};
use super::error::{PolicyError, PolicyErrorKind};
use super::glob::Glob;
use super::json::Json;
use super::principal::Principals;
use super::{BucketPolicy, Effect, Statement};

const BUCKET_ARN: &str = "arn:aws:s3:::";

pub(super) fn read(document: &[u8]) -> Result<Vec<Statement>, PolicyError> {
    // A part of a pattern with one of these is searched for place by place, at every request.
    if document.iter().filter(|byte| **byte == b'?').count() > BucketPolicy::MAX_QUESTION_MARKS {
        return Err(PolicyError::new(PolicyErrorKind::TooManyWildcards, ""));
    }
    if document.len() > BucketPolicy::MAX_LEN {
        return Err(PolicyError::new(PolicyErrorKind::TooLong, ""));
    }
    let document = Json::parse(document)?;
    let [version, id, statements] = members("policy", &document, ["Version", "Id", "Statement"])?;
    // Without one it is the older, and between the two only variables differ, which neither may hold here.
    if let Some(version) = version.map(|version| text("Version", version)).transpose()?
        && !matches!(version, "2012-10-17" | "2008-10-17")
    {
        return Err(PolicyError::new(PolicyErrorKind::UnknownVersion, version));
    }
    id.map(|id| text("Id", id)).transpose()?;

    let statements = one_or_more("Statement", required("Statement", statements)?)?;
    let mut sids = BTreeSet::new();
    let read = statements.iter().enumerate().map(|(index, json)| {
        let sid = sid(json);
        let statement = statement(json).map_err(|error| error.in_statement(index, sid))?;
        // A Sid may be empty, and then names nothing.
        match sid.filter(|sid| !sid.is_empty()).is_none_or(|sid| sids.insert(sid)) {
            true => Ok(statement),
            false => Err(PolicyError::new(PolicyErrorKind::Repeated, "Sid").in_statement(index, sid)),
        }
    });
    read.collect()
}

fn statement(json: &Json) -> Result<Statement, PolicyError> {
    let elements = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"];
    let [sid, effect, principal, action, resource, condition] = members("Statement", json, elements)?;
    sid.map(|sid| text("Sid", sid)).transpose()?;
    let effect = match text("Effect", required("Effect", effect)?)? {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        other => return Err(PolicyError::new(PolicyErrorKind::UnknownEffect, other)),
    };
    let principals = principals(required("Principal", principal)?)?;
    let actions = texts("Action", required("Action", action)?)?.into_iter().map(self::action);
    let resources = texts("Resource", required("Resource", resource)?)?.into_iter().map(self::resource);
    Ok(Statement {
        effect,
        principals,
        actions: actions.collect::<Result<_, _>>()?,
        resources: resources.collect::<Result<_, _>>()?,
        conditions: condition.map(conditions).transpose()?.unwrap_or_default(),
    })
}

fn principals(json: &Json) -> Result<Principals, PolicyError> {
    match json {
        Json::Text(text) if text == "*" => Ok(Principals::Everyone),
        Json::Text(text) => Err(PolicyError::new(PolicyErrorKind::InvalidPrincipal, text)),
        _ => {
            let [aws] = members("Principal", json, ["AWS"])?;
            Principals::from_texts(&texts("AWS", required("AWS", aws)?)?)
        }
    }
}

fn action(text: &str) -> Result<Glob, PolicyError> {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'?'));
    let of_s3 = text
        .split_once(':')
        .is_some_and(|(service, name)| service.eq_ignore_ascii_case("s3") && !name.is_empty() && is_name(name));
    if text != "*" && !of_s3 {
        return Err(PolicyError::new(PolicyErrorKind::InvalidAction, text));
    }
    Ok(Glob::new(text))
}

fn resource(text: &str) -> Result<Glob, PolicyError> {
    let bucket = text.strip_prefix(BUCKET_ARN).filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    match bucket {
        None => Err(PolicyError::new(PolicyErrorKind::InvalidResource, text)),
        Some(rest) if rest.contains("${") => Err(PolicyError::new(PolicyErrorKind::Variable, text)),
        Some(_) => Ok(Glob::new(text)),
    }
}

/// Every key of every operator: all have to hold.
fn conditions(json: &Json) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    let mut operators = BTreeSet::new();
    for (name, keys) in object("Condition", json)? {
        let unknown = || PolicyError::new(PolicyErrorKind::UnknownOperator, name);
        let operator = Operator::from_name(name).ok_or_else(unknown)?;
        if !operators.insert(name) {
            return Err(PolicyError::new(PolicyErrorKind::Repeated, name));
        }
        let mut seen = Vec::new();
        for (key_name, values) in object(name, keys)? {
            let unknown = || PolicyError::new(PolicyErrorKind::UnknownKey, key_name);
            let key = Key::from_name(key_name).ok_or_else(unknown)?;
            if seen.contains(&key) {
                return Err(PolicyError::new(PolicyErrorKind::Repeated, key_name));
            }
            seen.push(key);
            if !operator.fits(key) {
                return Err(PolicyError::new(PolicyErrorKind::OperatorDoesNotFit, name));
            }
            let values = one_or_more(key_name, values)?.iter().map(|value| match value {
                // Booleans may stand without quotation marks.
                Json::Bool(true) => Ok("true"),
                Json::Bool(false) => Ok("false"),
                other => text(key_name, other),
            });
            conditions.push(Condition::new(operator, key, &values.collect::<Result<Vec<_>, _>>()?)?);
        }
    }
    Ok(conditions)
}

// What every element has in common.

/// The `Sid` to name a statement by, before it is known to be one.
fn sid(statement: &Json) -> Option<&str> {
    let Json::Object(members) = statement else {
        return None;
    };
    members.iter().find_map(|(name, value)| match value {
        Json::Text(sid) if name == "Sid" => Some(&**sid),
        _ => None,
    })
}

/// The members of an object, in the order of the names; one of another name is refused, and one that is there twice.
fn members<'a, const N: usize>(
    element: &str,
    json: &'a Json,
    names: [&str; N],
) -> Result<[Option<&'a Json>; N], PolicyError> {
    let mut found = [None; N];
    for (name, value) in object(element, json)? {
        let place = names.iter().zip(&mut found).find_map(|(known, place)| (known == name).then_some(place));
        let place = place.ok_or_else(|| PolicyError::new(PolicyErrorKind::UnknownElement, name))?;
        if place.replace(value).is_some() {
            return Err(PolicyError::new(PolicyErrorKind::Repeated, name));
        }
    }
    Ok(found)
}

fn required<'a>(element: &str, json: Option<&'a Json>) -> Result<&'a Json, PolicyError> {
    json.ok_or_else(|| PolicyError::new(PolicyErrorKind::Missing, element))
}

fn object<'a>(element: &str, json: &'a Json) -> Result<&'a [(String, Json)], PolicyError> {
    match json {
        Json::Object(members) if members.is_empty() => Err(PolicyError::new(PolicyErrorKind::Empty, element)),
        Json::Object(members) => Ok(members),
        _ => Err(PolicyError::new(PolicyErrorKind::WrongType, element)),
    }
}

fn text<'a>(element: &str, json: &'a Json) -> Result<&'a str, PolicyError> {
    match json {
        Json::Text(text) => Ok(text),
        _ => Err(PolicyError::new(PolicyErrorKind::WrongType, element)),
    }
}

fn texts<'a>(element: &str, json: &'a Json) -> Result<Vec<&'a str>, PolicyError> {
    one_or_more(element, json)?.iter().map(|json| text(element, json)).collect()
}

/// Where a list may stand, one value may too.
fn one_or_more<'a>(element: &str, json: &'a Json) -> Result<&'a [Json], PolicyError> {
    match json {
        Json::List(list) if list.is_empty() => Err(PolicyError::new(PolicyErrorKind::Empty, element)),
        Json::List(list) => Ok(list),
        one => Ok(std::slice::from_ref(one)),
    }
}
