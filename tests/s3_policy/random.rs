//! Random documents of the grammar against an evaluator that is naive, and documents that are none.

use atrest::s3::{BucketPolicy, ConditionValues, PolicyRequest, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::kit::{self, Ask};

const W: &str = "s3:x-amz-server-side-encryption";
const K: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
const C: &str = "s3:x-amz-server-side-encryption-customer-algorithm";
const TLS: &str = "aws:SecureTransport";

const PRINCIPALS: &[&str] = &[
    "*",
    "111122223333",
    "arn:aws:iam::111122223333:root",
    "arn:aws:iam::111122223333:user/alice",
    "arn:aws:iam::444455556666:user/alice",
    "arn:aws:iam::111122223333:role/path/r",
    "arn:aws:sts::111122223333:assumed-role/r/s",
];
const ACTIONS: &[&str] =
    &["*", "s3:*", "s3:PutObject", "S3:putobject", "s3:Get*", "s3:?etObject", "s3:*Object", "s3:P*t*"];
const RESOURCES: &[&str] = &["b", "b/*", "b/a", "b/?", "b/*a*b", "*", "b/a?b*", "b*", "b/é*", "c/*"];
const KEYS: &[&str] = &["", "arn:aws:kms:r:1:key/k", "arn:aws:kms:r:2:key/a:1:key/k", "arn:aws:kms:s:1:key/k", "k"];
const ARNS: &[&str] =
    &["arn:aws:kms:r:1:key/k", "arn:aws:kms:*:1:key/*", "arn:*:*:*:*:*", "arn:aws:kms:?:2:*k", "arn:aws:kms:::"];
const MODES: &[&str] = &["", "AES256", "aws:kms", "aws:kms:dsse", "aws:*", "*", "?ES256", "aes256", "*k*s"];

// Documents.

/// One value, or a list of some.
fn one_or_more<T: Into<Value> + Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + Clone + 'static,
) -> impl Strategy<Value = Value> {
    prop_oneof![
        2 => value.clone().prop_map(Into::into),
        1 => vec(value, 1..4).prop_map(|list| list.into_iter().map(Into::into).collect::<Value>()),
    ]
}

fn condition() -> BoxedStrategy<(String, String, Value)> {
    let if_exists = select(&["", "IfExists"][..]);
    let text = (select(&["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"][..]), if_exists.clone());
    let text = text.prop_map(|(name, end)| format!("{name}{end}"));
    let arn = (select(&["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"][..]), if_exists.clone());
    let arn = arn.prop_map(|(name, end)| format!("{name}{end}"));
    let boolean = prop_oneof![select(vec![json!("true"), json!("false"), json!(true), json!(false)])];
    let of = |key: &'static str| select(vec![key.to_owned(), key.to_lowercase(), key.to_uppercase()]);
    prop_oneof![
        (text.clone(), prop_oneof![of(W), of(C)], one_or_more(select(MODES))),
        (text.clone(), of(K), one_or_more(prop_oneof![select(KEYS), select(ARNS)])),
        (text, of(TLS), one_or_more(boolean.clone())),
        (arn, of(K), one_or_more(select(ARNS))),
        (if_exists.prop_map(|end| format!("Bool{end}")), of(TLS), one_or_more(boolean.clone())),
        (Just("Null".to_owned()), prop_oneof![of(W), of(K), of(C), of(TLS)], one_or_more(boolean)),
    ]
    .boxed()
}

fn conditions() -> impl Strategy<Value = Option<Value>> {
    vec(condition(), 0..4).prop_map(|conditions| {
        let mut operators = Map::new();
        for (operator, key, values) in conditions {
            let keys = operators.entry(operator).or_insert_with(|| json!({})).as_object_mut().unwrap();
            if !keys.keys().any(|there| there.eq_ignore_ascii_case(&key)) {
                keys.insert(key, values);
            }
        }
        Some(Value::Object(operators)).filter(|operators| operators != &json!({}))
    })
}

fn statement() -> impl Strategy<Value = Value> {
    let principals = one_or_more(select(PRINCIPALS)).prop_map(|aws| json!({"AWS": aws}));
    let resources = one_or_more(select(RESOURCES).prop_map(|name| format!("arn:aws:s3:::{name}")));
    (
        select(&["Allow", "Allow", "Deny"][..]),
        prop_oneof![1 => Just(json!("*")), 2 => principals],
        one_or_more(select(ACTIONS)),
        resources,
        conditions(),
    )
        .prop_map(|(effect, principal, action, resource, condition)| {
            let mut statement =
                json!({"Effect": effect, "Principal": principal, "Action": action, "Resource": resource});
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        })
}

fn document() -> impl Strategy<Value = Value> {
    let statements = prop_oneof![1 => statement().boxed(), 4 => vec(statement(), 1..5).prop_map(Value::from).boxed()];
    (select(vec![None, Some("2008-10-17"), Some("2012-10-17")]), statements).prop_map(|(version, statements)| {
        let mut document = json!({"Statement": statements});
        if let Some(version) = version {
            document["Version"] = json!(version);
        }
        document
    })
}

// Requests.

#[derive(Clone, Debug)]
struct Request {
    principal: Option<&'static str>,
    action: &'static str,
    resource: String,
    mode: Option<&'static str>,
    key: Option<&'static str>,
    customer: Option<&'static str>,
    secure: bool,
}

impl Request {
    fn values(&self) -> ConditionValues<'_> {
        let values = ConditionValues::new(self.secure).server_side_encryption(self.mode);
        values.kms_key_id(self.key).customer_algorithm(self.customer)
    }

    fn ask(&self) -> Ask<'_> {
        Ask { principal: self.principal, action: self.action, resource: &self.resource, values: self.values() }
    }
}

fn request() -> impl Strategy<Value = Request> {
    let maybe = |values: &'static [&'static str]| prop_oneof![1 => Just(None), 3 => select(values).prop_map(Some)];
    let resource = prop_oneof![Just("b".to_owned()), "[bc]/[abé]{0,4}"];
    let action = select(&["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:PUTOBJECT"][..]);
    (maybe(PRINCIPALS), action, resource, maybe(MODES), maybe(KEYS), maybe(MODES), any::<bool>()).prop_map(
        |(principal, action, resource, mode, key, customer, secure)| {
            let resource = format!("arn:aws:s3:::{resource}");
            Request { principal, action, resource, mode, key, customer, secure }
        },
    )
}

// What IAM's guide says, as plainly as it can be written down.

fn naive(document: &Value, request: &Request) -> Verdict {
    let about = |statement: &&Value| {
        let action = request.action.to_lowercase();
        list(&statement["Action"]).iter().any(|pattern| like(&pattern.to_lowercase(), &action))
            && list(&statement["Resource"]).iter().any(|pattern| like(pattern, &request.resource))
            && (statement["Principal"] == "*"
                || list(&statement["Principal"]["AWS"]).iter().any(|who| is(who, request.principal)))
            && statement.get("Condition").is_none_or(|condition| met(condition, request))
    };
    let statements = match &document["Statement"] {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    let effects: Vec<&Value> = statements.iter().filter(about).map(|statement| &statement["Effect"]).collect();
    match () {
        () if effects.contains(&&json!("Deny")) => Verdict::Deny,
        () if effects.is_empty() => Verdict::Neither,
        () => Verdict::Allow,
    }
}

fn is(listed: &str, requester: Option<&str>) -> bool {
    let account = |of: &str| of.split(':').nth(4).unwrap_or(of).to_owned();
    let Some(requester) = requester else {
        return listed == "*";
    };
    listed == "*"
        || listed == requester
        || ((!listed.contains(':') || listed.ends_with(":root")) && account(listed) == account(requester))
        || (listed.contains(":role/path/r") && requester.contains(":assumed-role/r/"))
}

fn met(condition: &Value, request: &Request) -> bool {
    condition.as_object().unwrap().iter().all(|(operator, keys)| {
        keys.as_object().unwrap().iter().all(|(key, values)| {
            let secure = request.secure.to_string();
            let value = match key.to_lowercase() {
                key if key == W => request.mode,
                key if key == K => request.key,
                key if key == C => request.customer,
                _ => Some(&*secure),
            };
            let values = list(values);
            if operator == "Null" {
                return values.contains(&value.is_none().to_string());
            }
            let Some(value) = value else {
                return operator.ends_with("IfExists") || operator.contains("Not");
            };
            let meets = |pattern: &String| match operator.trim_end_matches("IfExists").replace("Not", "").as_str() {
                "StringLike" => like(pattern, value),
                "ArnEquals" | "ArnLike" => {
                    let (pattern, value) = (components(pattern), components(value));
                    pattern.len() == value.len()
                        && pattern.iter().zip(&value).all(|(pattern, value)| like(pattern, value))
                }
                _ => pattern == value,
            };
            values.iter().any(meets) != operator.contains("Not")
        })
    })
}

fn list(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().flat_map(list).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn components(arn: &str) -> Vec<String> {
    let mut all: Vec<String> = arn.split(':').map(str::to_owned).collect();
    if all.len() > 6 {
        let last = all.split_off(5).join(":");
        all.push(last);
    }
    all
}

fn like(pattern: &str, text: &str) -> bool {
    fn from(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some('*'), _) => from(&pattern[1..], text) || (!text.is_empty() && from(pattern, &text[1..])),
            (Some(wanted), Some(found)) if *wanted == '?' || wanted == found => from(&pattern[1..], &text[1..]),
            _ => false,
        }
    }
    from(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
}

/// How many objects a document has.
fn objects(json: &Value) -> usize {
    match json {
        Value::Array(values) => values.iter().map(objects).sum(),
        Value::Object(members) => 1 + members.values().map(objects).sum::<usize>(),
        _ => 0,
    }
}

/// The object of that number, counted from the outside.
fn object_mut<'a>(json: &'a mut Value, number: &mut usize) -> Option<&'a mut Map<String, Value>> {
    match json {
        Value::Array(values) => values.iter_mut().find_map(|value| object_mut(value, number)),
        Value::Object(members) => {
            let Some(left) = number.checked_sub(1) else {
                return Some(members);
            };
            *number = left;
            members.values_mut().find_map(|value| object_mut(value, number))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_random_document_says_what_the_naive_evaluator_says(document in document(), requests in vec(request(), 8)) {
        let policy = kit::policy(&document.to_string());
        for request in requests {
            let verdict = request.ask().of(&policy);
            prop_assert_eq!(verdict, naive(&document, &request), "{}\n{:?}", document, request);
            // What everyone is told, each is told, unless it is told no.
            let anonymous = Ask { principal: None, ..request.ask() }.of(&policy);
            prop_assert!(anonymous == Verdict::Neither || verdict == anonymous || verdict == Verdict::Deny);
        }
    }

    #[test]
    fn a_random_pattern_matches_what_the_naive_one_matches(pattern in "[ab*?é]{0,9}", text in "[abé*?]{0,12}") {
        let condition = json!({"StringLike": {W: pattern}});
        let values = ConditionValues::new(true).server_side_encryption(Some(&text));
        let ask = Ask { values, ..Ask::new("s3:PutObject") };
        prop_assert_eq!(kit::is_about(json!({"Condition": condition}), ask), like(&pattern, &text));
    }

    #[test]
    fn a_document_with_anything_more_in_it_is_refused(
        document in document(),
        place in any::<prop::sample::Index>(),
        name in "[A-Za-z:]{0,12}",
        value in select(vec![json!("*"), json!([]), json!({}), json!(null), json!("arn:aws:s3:::b")]),
    ) {
        let mut document = document;
        let mut number = place.index(objects(&document));
        let object = object_mut(&mut document, &mut number).unwrap();
        prop_assume!(!["Id", "Sid"].contains(&&*name) && object.insert(name, value).is_none());
        prop_assert!(BucketPolicy::from_json(document.to_string().as_bytes()).is_err(), "{}", document);
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(BucketPolicy::from_json(&bytes).is_err());
    }

    #[test]
    fn no_change_of_a_document_panics(
        document in document(),
        place in any::<prop::sample::Index>(),
        with in prop_oneof![any::<u8>(), select(b"\"{}[],:*?$ \\".to_vec())],
        how in 0..3,
        request in request(),
    ) {
        let mut bytes = document.to_string().into_bytes();
        let at = place.index(bytes.len());
        match how {
            0 => bytes[at] = with,
            1 => bytes.insert(at, with),
            _ => bytes.truncate(at),
        }
        match BucketPolicy::from_json(&bytes) {
            Ok(policy) => {
                let values = request.values();
                let Request { principal, action, ref resource, .. } = request;
                policy.evaluate(&PolicyRequest { principal, action, resource, conditions: &values });
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
