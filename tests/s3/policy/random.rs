//! Random policy documents against a naive evaluator, and random invalid documents.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use atrest::s3::{BucketPolicy, ConditionValues, PolicyRequest, RequestFacts, Verdict};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::kit::{self, Ask};

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
const IP: &str = "aws:SourceIp";
const VERSION: &str = "s3:TlsVersion";
const NOW: &str = "aws:CurrentTime";
const TAG: &str = "aws:PrincipalTag/T";
const TAG_KEYS: &str = "aws:TagKeys";
const ADDRESSES: &[&str] = &["10.0.0.1", "::ffff:10.0.0.1", "10.1.0.0", "192.168.7.9", "::1", "2001:db8::5"];
/// A network: its family and the number of bits that must match.
const NETWORKS: &[&str] =
    &["10.0.0.0/8", "10.0.0.1", "10.0.0.1/32", "0.0.0.0/0", "::/0", "::1", "2001:db8::/33", "::ffff:10.0.0.0/112"];
const NUMBERS: &[&str] = &["0", "1", "1.0", "1.1", "1.2", "1.20", "-1", "1.25", "12"];
const TAGS: &[&str] = &["0", "1.2", "-1", "x", "", "true", "10.0.0.1", "2026-01-01T00:00:00Z"];
/// Days of 1970, as their number.
const DAYS: &[(&str, u64)] = &[
    ("1970-01-01", 0),
    ("1970-01-02", 1),
    ("86400", 1),
    ("1970-01-03T01:00:00+01:00", 2),
    ("1970-02", 31),
    ("1971", 365),
];
const TAG_NAMES: &[&str] = &["a", "b", "ab", "B"];
const SERVICES: &[&str] = &["logging.s3.amazonaws.com", "x.example"];
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
    let boolean = select(vec![json!("true"), json!("False"), json!("TRUE"), json!(true), json!(false)]);
    let order = select(&["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"][..]);
    let typed = move |kind: &'static str| {
        (order.clone(), select(&["", "IfExists"][..])).prop_map(move |(order, end)| format!("{kind}{order}{end}"))
    };
    let ip = (select(&["IpAddress", "NotIpAddress"][..]), if_exists.clone());
    let ip = ip.prop_map(|(name, end)| format!("{name}{end}"));
    let set = (
        select(&["ForAllValues", "ForAnyValue"][..]),
        select(&["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"][..]),
        if_exists.clone(),
    );
    let set = set.prop_map(|(set, name, end)| format!("{set}:{name}{end}"));
    let of = |key: &'static str| select(vec![key.to_owned(), key.to_lowercase(), key.to_uppercase()]);
    prop_oneof![
        (ip, prop_oneof![of(IP), of(TAG)], one_or_more(select(NETWORKS))),
        (typed("Numeric"), prop_oneof![of(VERSION), of(TAG)], one_or_more(select(NUMBERS))),
        (typed("Date"), of(NOW), one_or_more(select(DAYS).prop_map(|(day, _)| day))),
        (set, of(TAG_KEYS), one_or_more(prop_oneof![select(TAG_NAMES), Just("*b"), Just("?")])),
        (text.clone(), prop_oneof![of(W), of(C)], one_or_more(select(MODES))),
        (text.clone(), of(K), one_or_more(prop_oneof![select(KEYS), select(ARNS)])),
        (text, of(TLS), one_or_more(boolean.clone())),
        (arn, of(K), one_or_more(select(ARNS))),
        (if_exists.prop_map(|end| format!("Bool{end}")), of(TLS), one_or_more(boolean.clone())),
        (
            Just("Null".to_owned()),
            prop_oneof![of(W), of(K), of(C), of(TLS), of(IP), of(TAG), of(TAG_KEYS)],
            one_or_more(boolean)
        ),
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
    let services = prop_oneof![2 => Just(None), 1 => select(SERVICES).prop_map(Some)];
    let principals = (one_or_more(select(PRINCIPALS)), services).prop_map(|(aws, service)| match service {
        None => json!({"AWS": aws}),
        Some(service) => json!({"AWS": aws, "Service": service}),
    });
    let exceptions = one_or_more(select(&PRINCIPALS[1..])).prop_map(|aws| json!({"AWS": aws}));
    let resources = one_or_more(select(RESOURCES).prop_map(|name| format!("arn:aws:s3:::{name}")));
    (
        select(&["Allow", "Allow", "Deny"][..]),
        prop_oneof![
            1 => Just(("Principal", json!("*"))),
            2 => principals.prop_map(|list| ("Principal", list)),
            1 => exceptions.prop_map(|list| ("NotPrincipal", list)),
        ],
        one_or_more(select(ACTIONS)),
        resources,
        conditions(),
    )
        .prop_map(|(effect, principal, action, resource, condition)| {
            let mut statement =
                json!({"Effect": effect, principal.0: principal.1, "Action": action, "Resource": resource});
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
    address: Option<&'static str>,
    version: Option<(u8, u8)>,
    day: Option<u64>,
    tag: Option<&'static str>,
    tag_keys: Vec<&'static str>,
    service: Option<&'static str>,
    facts: RequestFacts,
}

impl Request {
    fn values(&self) -> ConditionValues<'_> {
        let values = ConditionValues::new(self.secure).with_server_side_encryption(self.mode);
        values.with_kms_key_id(self.key).with_customer_algorithm(self.customer).with_facts(&self.facts)
    }

    fn with_facts(self) -> Self {
        let mut facts = RequestFacts::new();
        if let Some(address) = self.address {
            facts = facts.with_source_ip(address.parse().unwrap());
        }
        if let Some((major, minor)) = self.version {
            facts = facts.with_tls_version(major, minor);
        }
        if let Some(day) = self.day {
            facts = facts.with_time(SystemTime::UNIX_EPOCH + Duration::from_secs(day * 86_400));
        }
        if let Some(tag) = self.tag {
            facts = facts.with_principal_tag("t", tag);
        }
        if let Some(service) = self.service {
            facts = facts.with_service_principal(service);
        }
        Self { facts: self.tag_keys.iter().fold(facts, |facts, name| facts.with_tag_key(*name)), ..self }
    }

    fn ask(&self) -> Ask<'_> {
        Ask { principal: self.principal, action: self.action, resource: &self.resource, values: self.values() }
    }
}

fn request() -> impl Strategy<Value = Request> {
    let maybe = |values: &'static [&'static str]| prop_oneof![1 => Just(None), 3 => select(values).prop_map(Some)];
    let resource = prop_oneof![Just("b".to_owned()), "[bc]/[abé]{0,4}"];
    let action = select(&["s3:PutObject", "s3:GetObject", "s3:ListBucket", "s3:PUTOBJECT"][..]);
    let version = prop::option::of((0_u8..3, 0_u8..4));
    let day = prop::option::of(prop_oneof![0_u64..4, Just(31), Just(365)]);
    let known = (maybe(ADDRESSES), version, day, maybe(TAGS), vec(select(TAG_NAMES), 0..3), maybe(SERVICES));
    let asked = (maybe(PRINCIPALS), action, resource, maybe(MODES), maybe(KEYS), maybe(MODES), any::<bool>());
    (asked, known).prop_map(|(asked, (address, version, day, tag, tag_keys, service))| {
        let (principal, action, resource, mode, key, customer, secure) = asked;
        let resource = format!("arn:aws:s3:::{resource}");
        let facts = RequestFacts::new();
        #[rustfmt::skip]
        let request = Request {
            principal, action, resource, mode, key, customer, secure, address, version, day, tag, tag_keys, service, facts,
        };
        request.with_facts()
    })
}

// What IAM's guide says, as plainly as it can be written down.

fn naive(document: &Value, request: &Request) -> Verdict {
    let about = |statement: &&Value| {
        let action = request.action.to_lowercase();
        list(&statement["Action"]).iter().any(|pattern| like(&pattern.to_lowercase(), &action))
            && list(&statement["Resource"]).iter().any(|pattern| like(pattern, &request.resource))
            && who(statement, request)
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

fn who(statement: &Value, request: &Request) -> bool {
    let Some(exceptions) = statement.get("NotPrincipal") else {
        return statement["Principal"] == "*"
            || list(&statement["Principal"]["AWS"]).iter().any(|who| is(who, request.principal))
            || request.service.is_some_and(|service| statement["Principal"]["Service"] == service);
    };
    !list(&exceptions["AWS"]).iter().any(|who| {
        let whole_account = !who.contains(':') || who.ends_with(":root");
        let is_root = request.principal.is_some_and(|name| !name.contains(':') || name.ends_with(":root"));
        // Who is excepted from a denial is no one but who is named.
        is(who, request.principal) && (statement["Effect"] == "Allow" || !whole_account || is_root)
    })
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
            let version = request.version.map(|(major, minor)| format!("{major}.{minor}"));
            let day = request.day.map(|day| day.to_string());
            let of_request: Vec<&str> = match key.to_lowercase() {
                key if key == W => request.mode.into_iter().collect(),
                key if key == K => request.key.into_iter().collect(),
                key if key == C => request.customer.into_iter().collect(),
                key if key == IP.to_lowercase() => request.address.into_iter().collect(),
                key if key == VERSION.to_lowercase() => version.as_deref().into_iter().collect(),
                key if key == NOW.to_lowercase() => day.as_deref().into_iter().collect(),
                key if key == TAG.to_lowercase() => request.tag.into_iter().collect(),
                key if key == TAG_KEYS.to_lowercase() => request.tag_keys.clone(),
                _ => vec![&secure],
            };
            let values = list(values);
            let lowered: Vec<String> = values.iter().map(|value| value.to_lowercase()).collect();
            if operator == "Null" {
                return lowered.contains(&of_request.is_empty().to_string());
            }
            let (set, operator) = operator.split_once(':').unwrap_or(("", operator));
            let if_exists = operator.ends_with("IfExists");
            if of_request.is_empty() {
                return match set {
                    "" => if_exists || operator.contains("Not"),
                    "ForAllValues" => true,
                    _ => if_exists,
                };
            }
            let name = operator.trim_end_matches("IfExists").replace("Not", "");
            let meets =
                |value: &&str| values.iter().any(|pattern| compared(&name, pattern, value)) != operator.contains("Not");
            if set == "ForAllValues" { of_request.iter().all(meets) } else { of_request.iter().any(meets) }
        })
    })
}

/// Evaluates an operator without its negation on the request's value and the policy's.
fn compared(operator: &str, pattern: &str, value: &str) -> bool {
    let ordered = |order: &str, value: i64, pattern: i64| match order {
        "Equals" => value == pattern,
        "LessThan" => value < pattern,
        "LessThanEquals" => value <= pattern,
        "GreaterThan" => value > pattern,
        _ => value >= pattern,
    };
    if let Some(order) = operator.strip_prefix("Numeric") {
        return hundredths(value)
            .zip(hundredths(pattern))
            .is_some_and(|(value, pattern)| ordered(order, value, pattern));
    }
    if let Some(order) = operator.strip_prefix("Date") {
        let (_, day) = DAYS.iter().find(|(text, _)| *text == pattern).unwrap();
        return ordered(order, value.parse().unwrap(), *day as i64);
    }
    match operator {
        "StringLike" => like(pattern, value),
        "ArnEquals" | "ArnLike" => {
            let (pattern, value) = (components(pattern), components(value));
            pattern.len() == value.len() && pattern.iter().zip(&value).all(|(pattern, value)| like(pattern, value))
        }
        "Bool" => pattern.eq_ignore_ascii_case(value),
        "IpAddress" => in_network(pattern, value),
        _ => pattern == value,
    }
}

/// The numbers that are used here, in hundredths.
fn hundredths(text: &str) -> Option<i64> {
    if text.is_empty() || text.contains([':', 'T']) || text.matches('.').count() > 1 {
        return None;
    }
    text.parse::<f64>().ok().map(|number| (number * 100.0).round() as i64)
}

/// Compares bit by bit, after an IPv4 address that is mapped into IPv6 was taken out.
fn in_network(network: &str, address: &str) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => format!("4{:032b}", u32::from(address)),
        IpAddr::V6(address) => format!("6{:0128b}", u128::from(address)),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (start, len) = network.split_once('/').unwrap_or((network, "128"));
    let start: IpAddr = start.parse().unwrap();
    let mapped = start.is_ipv6() && start.to_canonical().is_ipv4();
    let len: usize = len.parse().unwrap();
    let len = if mapped && network.contains('/') { len - 96 } else { len };
    let (start, address) = (bits(start), bits(address));
    let len = (1 + len).min(start.len());
    start.len() == address.len() && start[..len] == address[..len]
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
            // An upper-case action is the same action.
            let upper = request.action.to_uppercase();
            prop_assert_eq!(verdict, Ask { action: &upper, ..request.ask() }.of(&policy));
        }
    }

    #[test]
    fn a_random_pattern_matches_what_the_naive_one_matches(pattern in "[ab*?é]{0,9}", text in "[abé*?]{0,12}") {
        let condition = json!({"StringLike": {W: pattern}});
        let values = ConditionValues::new(true).with_server_side_encryption(Some(&text));
        let ask = Ask { values, ..Ask::new("s3:PutObject") };
        prop_assert_eq!(kit::is_about(json!({"Condition": condition}), ask), like(&pattern, &text));
    }

    #[test]
    fn a_pattern_with_question_marks_between_stars_matches_what_the_naive_one_matches(
        parts in vec("[abé?]{0,5}", 1..4),
        text in "[abé🦀]{0,24}",
    ) {
        let pattern = format!("*{}*", parts.join("*"));
        let condition = json!({"StringLike": {W: pattern}});
        let values = ConditionValues::new(true).with_server_side_encryption(Some(&text));
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
