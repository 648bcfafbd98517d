//! Parses a policy document into statements. Unknown elements are errors, and no element is skipped.

use std::collections::BTreeSet;

use super::condition::Condition;
use super::error::{PolicyError, PolicyErrorKind};
use super::glob::Glob;
use super::json::Json;
use super::key::ConditionKey;
use super::operator::Operator;
use super::principal::{Principal, PrincipalKind, Principals};
use super::{BucketPolicy, Effect, Statement};

const BUCKET_ARN: &str = "arn:aws:s3:::";

/// Parses the JSON of a document. Refuses a document that is longer than S3's limit.
pub(super) fn json(document: &[u8]) -> Result<Json, PolicyError> {
    if document.len() > BucketPolicy::MAX_LEN {
        return Err(PolicyError::new(PolicyErrorKind::TooLong, ""));
    }
    Json::parse(document)
}

/// Reads the statements of a document. Each statement that is not supported has its own error.
///
/// # Errors
///
/// Returns the first error outside the statements.
pub(super) fn read(document: &Json) -> Result<Vec<Result<Statement, PolicyError>>, PolicyError> {
    let [version, id, statements] = members("policy", document, ["Version", "Id", "Statement"])?;
    // A document without a version has the older one. The two versions differ only in variables, which are refused.
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
        // A Sid may be empty, and an empty Sid may repeat.
        match sid.filter(|sid| !sid.is_empty()).is_none_or(|sid| sids.insert(sid)) {
            true => Ok(statement),
            false => Err(PolicyError::new(PolicyErrorKind::Repeated, "Sid").in_statement(index, sid)),
        }
    });
    Ok(read.collect())
}

/// Refuses statements whose wildcards cost more than [`BucketPolicy::MAX_SEARCHES`].
pub(super) fn check_cost(statements: &[Statement]) -> Result<(), PolicyError> {
    if statements.iter().map(Statement::searches).sum::<usize>() <= BucketPolicy::MAX_SEARCHES {
        Ok(())
    } else {
        Err(PolicyError::new(PolicyErrorKind::TooManyWildcards, ""))
    }
}

fn statement(json: &Json) -> Result<Statement, PolicyError> {
    let elements = ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "Resource", "Condition"];
    let [sid, effect, principal, not_principal, action, resource, condition] = members("Statement", json, elements)?;
    sid.map(|sid| text("Sid", sid)).transpose()?;
    let effect = match text("Effect", required("Effect", effect)?)? {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        other => return Err(PolicyError::new(PolicyErrorKind::UnknownEffect, other)),
    };
    let principals = match (principal, not_principal) {
        (Some(_), Some(_)) => return Err(PolicyError::new(PolicyErrorKind::Conflict, "NotPrincipal")),
        (None, Some(exceptions)) => all_but(exceptions)?,
        (principal, None) => principals(required("Principal", principal)?)?,
    };
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
    if is_everyone(json) {
        return Ok(Principals::Everyone);
    }
    let (list, everyone) = principal_list("Principal", json)?;
    Ok(if everyone { Principals::Everyone } else { Principals::These(list) })
}

/// Reads a `NotPrincipal`. Refuses `*`, because such a statement would apply to no request.
fn all_but(json: &Json) -> Result<Principals, PolicyError> {
    let everyone = || PolicyError::new(PolicyErrorKind::InvalidPrincipal, "*");
    if is_everyone(json) {
        return Err(everyone());
    }
    match principal_list("NotPrincipal", json)? {
        (_, true) => Err(everyone()),
        (list, false) => Ok(Principals::AllBut(list)),
    }
}

fn is_everyone(json: &Json) -> bool {
    matches!(json, Json::Text(text) if text == "*")
}

/// Reads the listed principals, and whether `AWS` has a `*`, which means everyone.
fn principal_list(element: &str, json: &Json) -> Result<(Vec<Principal>, bool), PolicyError> {
    const KINDS: [(&str, PrincipalKind); 4] = [
        ("AWS", PrincipalKind::Aws),
        ("Service", PrincipalKind::Service),
        ("Federated", PrincipalKind::Federated),
        ("CanonicalUser", PrincipalKind::CanonicalUser),
    ];
    if let Json::Text(text) = json {
        return Err(PolicyError::new(PolicyErrorKind::InvalidPrincipal, text));
    }
    let found = members(element, json, KINDS.map(|(name, _)| name))?;
    let (mut list, mut everyone) = (Vec::new(), false);
    for ((name, kind), json) in KINDS.into_iter().zip(found) {
        for text in json.map(|json| texts(name, json)).transpose()?.unwrap_or_default() {
            if kind == PrincipalKind::Aws && text == "*" {
                everyone = true;
            } else {
                list.push(Principal::new(kind, text)?);
            }
        }
    }
    Ok((list, everyone))
}

fn action(text: &str) -> Result<Glob, PolicyError> {
    let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'*' | b'?'));
    let of_s3 = text
        .split_once(':')
        .is_some_and(|(service, name)| service.eq_ignore_ascii_case("s3") && !name.is_empty() && is_name(name));
    if text != "*" && !of_s3 {
        return Err(PolicyError::new(PolicyErrorKind::InvalidAction, text));
    }
    // Actions are compared in lower case.
    Ok(Glob::new(&text.to_ascii_lowercase()))
}

fn resource(text: &str) -> Result<Glob, PolicyError> {
    let bucket = text.strip_prefix(BUCKET_ARN).filter(|rest| !rest.is_empty() && !rest.starts_with('/'));
    match bucket {
        None => Err(PolicyError::new(PolicyErrorKind::InvalidResource, text)),
        Some(rest) if rest.contains("${") => Err(PolicyError::new(PolicyErrorKind::Variable, text)),
        Some(_) => Ok(Glob::new(text)),
    }
}

/// Reads the conditions: one for each key of each operator. All must hold.
fn conditions(json: &Json) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    let mut operators = BTreeSet::new();
    for (name, keys) in object("Condition", json)? {
        let unknown = || PolicyError::new(PolicyErrorKind::UnknownOperator, name);
        let operator = Operator::from_name(name).ok_or_else(unknown)?;
        if !operators.insert(name) {
            return Err(PolicyError::new(PolicyErrorKind::Repeated, name));
        }
        let mut seen = BTreeSet::new();
        for (key_name, values) in object(name, keys)? {
            let unknown = || PolicyError::new(PolicyErrorKind::UnknownKey, key_name);
            let key = ConditionKey::from_name(key_name).ok_or_else(unknown)?;
            if !seen.insert(key.clone()) {
                return Err(PolicyError::new(PolicyErrorKind::Repeated, key_name));
            }
            if !operator.fits(&key) {
                return Err(PolicyError::new(PolicyErrorKind::OperatorDoesNotFit, name));
            }
            let values = one_or_more(key_name, values)?.iter().map(|value| match value {
                // Booleans and numbers need no quotation marks.
                Json::Bool(true) => Ok("true"),
                Json::Bool(false) => Ok("false"),
                Json::Number(number) => Ok(number.as_str()),
                other => text(key_name, other),
            });
            conditions.push(Condition::new(operator, key, &values.collect::<Result<Vec<_>, _>>()?)?);
        }
    }
    Ok(conditions)
}

// The functions below serve every element.

/// Returns the `Sid` for the statement's errors, before the statement is parsed.
fn sid(statement: &Json) -> Option<&str> {
    let Json::Object(members) = statement else {
        return None;
    };
    members.iter().find_map(|(name, value)| match value {
        Json::Text(sid) if name == "Sid" => Some(&**sid),
        _ => None,
    })
}

/// Returns the members of an object, in the order of the names. Refuses other members and repeated members.
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

/// Returns the values of a list, or the single value that replaces a list.
fn one_or_more<'a>(element: &str, json: &'a Json) -> Result<&'a [Json], PolicyError> {
    match json {
        Json::List(list) if list.is_empty() => Err(PolicyError::new(PolicyErrorKind::Empty, element)),
        Json::List(list) => Ok(list),
        one => Ok(std::slice::from_ref(one)),
    }
}
