//! Unsupported elements: the whole document is refused, and the error names the element.

use atrest::s3::{BucketPolicy, PolicyError, PolicyErrorKind as Kind};
use serde_json::{Value, json};

use super::kit::{document, policy, statement};

const W: &str = "s3:x-amz-server-side-encryption";
const TLS: &str = "aws:SecureTransport";

fn refused(document: &str) -> PolicyError {
    BucketPolicy::from_json(document.as_bytes()).expect_err(document)
}

/// The document of a statement about this resource, its name written in JSON.
fn about(resource: &str) -> String {
    let statement =
        format!(r#"{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::{resource}"}}"#);
    format!(r#"{{"Statement":[{statement}]}}"#)
}

#[test]
fn a_policy_whose_wildcards_would_cost_every_request_too_much_is_refused() {
    let between_stars = |count: usize| about(&format!("photos/*{}a*", "?".repeat(count)));
    assert!(BucketPolicy::from_json(between_stars(50).as_bytes()).is_ok());
    for many in [between_stars(70), between_stars(3_000)] {
        assert_eq!(refused(&many).kind(), Kind::TooManyWildcards);
        // An escape is what it stands for.
        let escaped = many.replace('?', r"\u003f");
        if escaped.len() <= BucketPolicy::MAX_LEN {
            assert_eq!(refused(&escaped).kind(), Kind::TooManyWildcards);
        }
        assert!(refused(&many).to_string().contains("256 searches"));
    }
    // What is compared in place costs nothing.
    assert!(
        BucketPolicy::from_json(about(&format!("photos/{}*{}", "?".repeat(500), "?".repeat(500))).as_bytes()).is_ok()
    );

    let resources = |count: usize| {
        let list: Vec<String> = (0..count).map(|number| format!("arn:aws:s3:::b/*{number}*")).collect();
        document(json!({"Resource": list}))
    };
    assert!(BucketPolicy::from_json(resources(BucketPolicy::MAX_SEARCHES).as_bytes()).is_ok());
    assert_eq!(refused(&resources(BucketPolicy::MAX_SEARCHES + 1)).kind(), Kind::TooManyWildcards);
    let actions: Vec<String> = (0..300).map(|number| format!("s3:*{number}*")).collect();
    assert_eq!(refused(&document(json!({"Action": actions}))).kind(), Kind::TooManyWildcards);
    let values: Vec<String> = (0..300).map(|number| format!("*{number}*")).collect();
    let condition = json!({"Condition": {"StringLike": {W: values}}});
    assert_eq!(refused(&document(condition)).kind(), Kind::TooManyWildcards);
    // Each of a request's tags is compared with each pattern.
    let tags = |count: usize| {
        let values: Vec<String> = (0..count).map(|number| format!("{number}*")).collect();
        document(json!({"Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": values}}}))
    };
    assert!(BucketPolicy::from_json(tags(128).as_bytes()).is_ok());
    assert_eq!(refused(&tags(129)).kind(), Kind::TooManyWildcards);
}

#[test]
fn a_policy_of_ten_thousand_tiny_statements_is_refused_before_it_is_read() {
    for tiny in ["{}", r#"{"Effect":"Deny"}"#, "1"] {
        let document = format!(r#"{{"Statement":[{}]}}"#, vec![tiny; 10_000].join(","));
        assert!(matches!(refused(&document).kind(), Kind::TooLong | Kind::WrongType | Kind::Empty), "{tiny}");
    }
}

#[test]
fn what_a_statement_may_not_hold_is_named_with_its_place() {
    let table: &[(Value, Kind, &str)] = &[
        (json!({"NotAction": "s3:GetObject"}), Kind::UnknownElement, "NotAction"),
        (json!({"NotResource": "arn:aws:s3:::b/*"}), Kind::UnknownElement, "NotResource"),
        (json!({"NotPrincipal": {"AWS": "111122223333"}}), Kind::Conflict, "NotPrincipal"),
        (json!({"Principal": null, "NotPrincipal": "*"}), Kind::InvalidPrincipal, "*"),
        (json!({"Principal": null, "NotPrincipal": {"AWS": "*"}}), Kind::InvalidPrincipal, "*"),
        (json!({"Principal": null, "NotPrincipal": {"AWS": "bob"}}), Kind::InvalidPrincipal, "bob"),
        (json!({"Principal": null, "NotPrincipal": {}}), Kind::Empty, "NotPrincipal"),
        (json!({"effect": "Deny"}), Kind::UnknownElement, "effect"),
        (json!({"Comment": null, "": 1}), Kind::UnknownElement, ""),
        (json!({"Effect": null}), Kind::Missing, "Effect"),
        (json!({"Principal": null}), Kind::Missing, "Principal"),
        (json!({"Action": null}), Kind::Missing, "Action"),
        (json!({"Resource": null}), Kind::Missing, "Resource"),
        (json!({"Effect": "deny"}), Kind::UnknownEffect, "deny"),
        (json!({"Effect": ["Deny"]}), Kind::WrongType, "Effect"),
        (json!({"Principal": "alice"}), Kind::InvalidPrincipal, "alice"),
        (json!({"Principal": ["*"]}), Kind::WrongType, "Principal"),
        (json!({"Principal": {}}), Kind::Empty, "Principal"),
        (json!({"Principal": {"AWS": []}}), Kind::Empty, "AWS"),
        (json!({"Principal": {"AWS": 111122223333_u64}}), Kind::WrongType, "AWS"),
        (json!({"Principal": {"Service": "*"}}), Kind::InvalidPrincipal, "*"),
        (json!({"Principal": {"Service": "logging"}}), Kind::InvalidPrincipal, "logging"),
        (json!({"Principal": {"Service": "a..b"}}), Kind::InvalidPrincipal, "a..b"),
        (json!({"Principal": {"Federated": "*"}}), Kind::InvalidPrincipal, "*"),
        (
            json!({"Principal": {"Federated": "arn:aws:iam::111122223333:saml-provider/*"}}),
            Kind::InvalidPrincipal,
            "arn:aws:iam::111122223333:saml-provider/*",
        ),
        (json!({"Principal": {"AWS": "*", "CanonicalUser": "79a59d"}}), Kind::InvalidPrincipal, "79a59d"),
        (json!({"Principal": {"Machine": "m"}}), Kind::UnknownElement, "Machine"),
        (json!({"Principal": {"AWS": ["*", "alice"]}}), Kind::InvalidPrincipal, "alice"),
        (json!({"Principal": {"AWS": "1111222233334"}}), Kind::InvalidPrincipal, "1111222233334"),
        (json!({"Principal": {"AWS": "arn:aws:iam::1:user/*"}}), Kind::InvalidPrincipal, "arn:aws:iam::1:user/*"),
        (json!({"Principal": {"AWS": "arn:aws:iam::1:user/"}}), Kind::InvalidPrincipal, "arn:aws:iam::1:user/"),
        (json!({"Principal": {"AWS": "arn:aws:iam::1:role/"}}), Kind::InvalidPrincipal, "arn:aws:iam::1:role/"),
        (json!({"Principal": {"AWS": "arn:aws:iam::1:group/g"}}), Kind::InvalidPrincipal, "arn:aws:iam::1:group/g"),
        (json!({"Principal": {"AWS": "arn:aws:iam::1:root/"}}), Kind::InvalidPrincipal, "arn:aws:iam::1:root/"),
        (json!({"Principal": {"AWS": "arn:aws:iam:::root"}}), Kind::InvalidPrincipal, "arn:aws:iam:::root"),
        (json!({"Principal": {"AWS": "arn:aws:sts::1:user/u"}}), Kind::InvalidPrincipal, "arn:aws:sts::1:user/u"),
        (json!({"Principal": {"AWS": "arn:aws:s3::1:user/u"}}), Kind::InvalidPrincipal, "arn:aws:s3::1:user/u"),
        (json!({"Principal": {"AWS": "arn:aws-cn:iam::1:root"}}), Kind::InvalidPrincipal, "arn:aws-cn:iam::1:root"),
        (
            json!({"Principal": {"AWS": "arn:aws:iam::1:user/${aws:username}"}}),
            Kind::InvalidPrincipal,
            "arn:aws:iam::1:user/${aws:username}",
        ),
        (json!({"Action": []}), Kind::Empty, "Action"),
        (json!({"Action": {"s3:GetObject": true}}), Kind::WrongType, "Action"),
        (json!({"Action": ["s3:GetObject", 1]}), Kind::WrongType, "Action"),
        (json!({"Action": ["s3:GetObject", ["s3:PutObject"]]}), Kind::WrongType, "Action"),
        (json!({"Action": "ec2:RunInstances"}), Kind::InvalidAction, "ec2:RunInstances"),
        (json!({"Action": ["s3:GetObject", "s3:"]}), Kind::InvalidAction, "s3:"),
        (json!({"Action": "s3*"}), Kind::InvalidAction, "s3*"),
        (json!({"Action": "*:*"}), Kind::InvalidAction, "*:*"),
        (json!({"Action": "s3:Get Object"}), Kind::InvalidAction, "s3:Get Object"),
        (json!({"Action": "s3:${aws:action}"}), Kind::InvalidAction, "s3:${aws:action}"),
        (json!({"Resource": []}), Kind::Empty, "Resource"),
        (json!({"Resource": true}), Kind::WrongType, "Resource"),
        (json!({"Resource": "*"}), Kind::InvalidResource, "*"),
        (json!({"Resource": "b/*"}), Kind::InvalidResource, "b/*"),
        (json!({"Resource": "arn:aws:s3:::"}), Kind::InvalidResource, "arn:aws:s3:::"),
        (json!({"Resource": "arn:aws:s3:::/k"}), Kind::InvalidResource, "arn:aws:s3:::/k"),
        (json!({"Resource": ["arn:aws:s3:::b", "arn:*:s3:::b"]}), Kind::InvalidResource, "arn:*:s3:::b"),
        (
            json!({"Resource": "arn:aws:s3:eu-central-1:1:accesspoint/a"}),
            Kind::InvalidResource,
            "arn:aws:s3:eu-central-1:1:accesspoint/a",
        ),
        (json!({"Resource": "arn:aws:s3:::b/${aws:username}/*"}), Kind::Variable, "arn:aws:s3:::b/${aws:username}/*"),
        (json!({"Condition": {}}), Kind::Empty, "Condition"),
        (json!({"Condition": "Bool"}), Kind::WrongType, "Condition"),
        (json!({"Condition": []}), Kind::WrongType, "Condition"),
        (json!({"Condition": {"Bool": {}}}), Kind::Empty, "Bool"),
        (json!({"Condition": {"Bool": TLS}}), Kind::WrongType, "Bool"),
        (json!({"Condition": {"Bool": {TLS: []}}}), Kind::Empty, TLS),
        (json!({"Condition": {"Bool": {TLS: null}}}), Kind::WrongType, TLS),
        (json!({"Condition": {"Bool": {TLS: {"x": "true"}}}}), Kind::WrongType, TLS),
        (json!({"Condition": {"Bool": {TLS: "yes"}}}), Kind::InvalidValue, "yes"),
        (json!({"Condition": {"Bool": {TLS: 1}}}), Kind::InvalidValue, "1"),
        (json!({"Condition": {"Null": {W: ["true", ""]}}}), Kind::InvalidValue, ""),
        (json!({"Condition": {"StringEquals": {W: {"a": 1}}}}), Kind::WrongType, W),
        (json!({"Condition": {"StringEquals": {W: ["${s3:x}"]}}}), Kind::Variable, "${s3:x}"),
        (
            json!({"Condition": {"Bool": {"aws:MultiFactorAuthPresent": true}}}),
            Kind::UnknownKey,
            "aws:MultiFactorAuthPresent",
        ),
        (json!({"Condition": {"StringEquals": {"aws:PrincipalTag/": "x"}}}), Kind::UnknownKey, "aws:PrincipalTag/"),
        (json!({"Condition": {"StringEquals": {"aws:SourcIp": "::1"}}}), Kind::UnknownKey, "aws:SourcIp"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}), Kind::InvalidValue, "10.0.0.0/33"),
        (json!({"Condition": {"IpAddress": {"aws:SourceIp": "*"}}}), Kind::InvalidValue, "*"),
        (json!({"Condition": {"IpAddress": {W: "10.0.0.0/8"}}}), Kind::OperatorDoesNotFit, "IpAddress"),
        (json!({"Condition": {"NumericLessThan": {"s3:TlsVersion": "1.x"}}}), Kind::InvalidValue, "1.x"),
        (json!({"Condition": {"NumericLessThan": {"s3:TlsVersion": "1e2"}}}), Kind::InvalidValue, "1e2"),
        (json!({"Condition": {"NumericLess": {"s3:TlsVersion": "1"}}}), Kind::UnknownOperator, "NumericLess"),
        (json!({"Condition": {"DateEquals": {"aws:CurrentTime": "today"}}}), Kind::InvalidValue, "today"),
        (
            json!({"Condition": {"DateEquals": {"aws:CurrentTime": "2026-01-01T00:00:00"}}}),
            Kind::InvalidValue,
            "2026-01-01T00:00:00",
        ),
        (json!({"Condition": {"StringEquals": {"aws:TagKeys": "a"}}}), Kind::OperatorDoesNotFit, "StringEquals"),
        (
            json!({"Condition": {"ForAnyValue:Null": {"aws:TagKeys": "true"}}}),
            Kind::UnknownOperator,
            "ForAnyValue:Null",
        ),
        (
            json!({"Condition": {"ForSomeValues:StringEquals": {"aws:TagKeys": "a"}}}),
            Kind::UnknownOperator,
            "ForSomeValues:StringEquals",
        ),
        (
            json!({"Condition": {"StringEquals": {"x-amz-server-side-encryption": "AES256"}}}),
            Kind::UnknownKey,
            "x-amz-server-side-encryption",
        ),
        (
            json!({"Condition": {"StringEqualsIgnoreCase": {W: "AES256"}}}),
            Kind::UnknownOperator,
            "StringEqualsIgnoreCase",
        ),
        (json!({"Condition": {"stringEquals": {W: "AES256"}}}), Kind::UnknownOperator, "stringEquals"),
        (
            json!({"Condition": {"ForAnyValue:StringEquals": {W: "AES256"}}}),
            Kind::OperatorDoesNotFit,
            "ForAnyValue:StringEquals",
        ),
        (
            json!({"Condition": {"StringEqualsIfExistsIfExists": {W: "AES256"}}}),
            Kind::UnknownOperator,
            "StringEqualsIfExistsIfExists",
        ),
        (json!({"Condition": {"NullIfExists": {W: "true"}}}), Kind::UnknownOperator, "NullIfExists"),
        (json!({"Condition": {"NumericEquals": {W: "1"}}}), Kind::OperatorDoesNotFit, "NumericEquals"),
        (json!({"Condition": {"Bool": {W: "true"}}}), Kind::OperatorDoesNotFit, "Bool"),
        (json!({"Condition": {"ArnLike": {W: "arn:aws:kms:::k"}}}), Kind::OperatorDoesNotFit, "ArnLike"),
        (
            json!({"Condition": {"ArnNotLike": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "*"}}}),
            Kind::InvalidValue,
            "*",
        ),
        (
            json!({"Condition": {"ArnEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms::1"}}}),
            Kind::InvalidValue,
            "arn:aws:kms::1",
        ),
        (
            json!({"Condition": {"ArnEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "urn:aws:kms:r:1:k"}}}),
            Kind::InvalidValue,
            "urn:aws:kms:r:1:k",
        ),
    ];
    for (changes, kind, name) in table {
        let error = refused(&document(changes.clone()));
        assert_eq!((error.kind(), error.name()), (*kind, *name), "{changes}");
        assert_eq!((error.statement(), error.sid()), (Some(0), None), "{changes}");

        let mut named = changes.clone();
        named["Sid"] = json!("Named");
        let second = json!({"Statement": [statement(json!({"Sid": "First"})), statement(named)]}).to_string();
        let error = refused(&second);
        assert_eq!((error.kind(), error.name()), (*kind, *name), "{changes}");
        assert_eq!((error.statement(), error.sid()), (Some(1), Some("Named")), "{changes}");
        let shown = error.to_string();
        assert!(shown.starts_with("Statement[1] (\"Named\"): "), "{shown}");
        assert!(shown.contains(&format!("{name:?}")), "{shown}");
    }
    let error = refused(&document(json!({"Sid": 1})));
    assert_eq!((error.kind(), error.name(), error.sid()), (Kind::WrongType, "Sid", None));
}

#[test]
fn what_a_document_may_not_hold_is_named() {
    let one = statement(json!({}));
    let table: &[(Value, Kind, &str)] = &[
        (json!({"Version": "2012-10-18", "Statement": one}), Kind::UnknownVersion, "2012-10-18"),
        (json!({"Version": 2012, "Statement": one}), Kind::WrongType, "Version"),
        (json!({"Id": ["a"], "Statement": one}), Kind::WrongType, "Id"),
        (json!({"Version": "2012-10-17"}), Kind::Missing, "Statement"),
        (json!({"Statement": []}), Kind::Empty, "Statement"),
        (json!({"Statement": "Deny"}), Kind::WrongType, "Statement"),
        (json!({"Statement": one, "statement": one}), Kind::UnknownElement, "statement"),
        (json!({}), Kind::Empty, "policy"),
        (json!([one]), Kind::WrongType, "policy"),
        (json!(null), Kind::WrongType, "policy"),
        (json!(-1.5), Kind::WrongType, "policy"),
        (json!(-1), Kind::WrongType, "policy"),
    ];
    for (document, kind, name) in table {
        let error = refused(&document.to_string());
        assert_eq!((error.kind(), error.name()), (*kind, *name), "{document}");
    }
    let twice = statement(json!({"Sid": "Twice"}));
    let error = refused(&json!({"Statement": [twice, one, twice]}).to_string());
    assert_eq!((error.kind(), error.name()), (Kind::Repeated, "Sid"));
    assert_eq!((error.statement(), error.sid()), (Some(2), Some("Twice")));
}

#[test]
fn what_is_there_twice_is_refused_even_where_both_say_the_same() {
    let whole = r#"{"Version":"2012-10-17","Id":"i","Statement":[{"Sid":"s","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"arn:aws:s3:::b/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
    policy(whole);
    let members = [
        r#""Version":"2012-10-17""#,
        r#""Id":"i""#,
        r#""Sid":"s""#,
        r#""Effect":"Deny""#,
        r#""Principal":{"AWS":"*"}"#,
        r#""AWS":"*""#,
        r#""Action":"s3:*""#,
        r#""Resource":"arn:aws:s3:::b/*""#,
        r#""Condition":{"Bool":{"aws:SecureTransport":"false"}}"#,
        r#""Bool":{"aws:SecureTransport":"false"}"#,
        r#""aws:SecureTransport":"false""#,
    ];
    for member in members {
        let name = member.split('"').nth(1).unwrap();
        let error = refused(&whole.replacen(member, &format!("{member},{member}"), 1));
        assert_eq!((error.kind(), error.name()), (Kind::Repeated, name));
    }
    let statements = &whole[whole.find(r#""Statement""#).unwrap()..whole.len() - 1];
    assert_eq!(refused(&whole.replace(statements, &format!("{statements},{statements}"))).name(), "Statement");
    let case = r#""aws:SecureTransport":"false""#;
    let error = refused(&whole.replace(case, &format!(r#"{case},"AWS:securetransport":"true""#)));
    assert_eq!((error.kind(), error.name()), (Kind::Repeated, "AWS:securetransport"));
    // An escape in a name is the name.
    let error = refused(&whole.replace(r#""Id":"i""#, r#""Id":"i","\u0049d":"i""#));
    assert_eq!((error.kind(), error.name()), (Kind::Repeated, "Id"));
}

#[test]
fn a_document_is_at_most_as_long_as_s3_takes_it() {
    let policy = document(json!({}));
    let padded = |len: usize| format!("{policy}{}", " ".repeat(len - policy.len()));
    assert!(BucketPolicy::from_json(padded(20_480).as_bytes()).is_ok());
    let error = refused(&padded(20_481));
    assert_eq!((error.kind(), error.statement()), (Kind::TooLong, None));
    assert_eq!(error.to_string(), "the policy is longer than 20480 bytes");
}

#[test]
fn a_document_that_nests_more_deeply_than_any_policy_is_refused_wherever_it_does() {
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}"), (r#"[{"Statement":"#, "}]")] {
        let nested = |levels: usize| format!("{}1{}", open.repeat(levels), close.repeat(levels));
        let levels = if open.len() > 6 { 3 } else { 6 };
        assert_ne!(refused(&nested(levels)).kind(), Kind::TooDeep, "{open}");
        assert_eq!(refused(&nested(levels + 1)).kind(), Kind::TooDeep, "{open}");
        // It is seen on the way down: neither the end of the document nor the stack is reached.
        assert_eq!(refused(&open.repeat(20_480 / open.len())).kind(), Kind::TooDeep, "{open}");
    }
    let error = refused(&document(json!({"Condition": {"Bool": {TLS: [["true"]]}}})));
    assert_eq!(error.kind(), Kind::TooDeep);
    assert_eq!(error.to_string(), "the policy has more levels than any policy needs");
}

#[test]
fn what_is_not_json_is_refused_with_the_place() {
    let whole = document(json!({"Condition": {"StringEquals": {W: "é"}}}));
    policy(&whole);
    let table = [
        (String::new(), 1, 0),
        ("{\n\"Version\": 'a'}".to_owned(), 2, 12),
        (format!("{whole}{whole}"), 1, whole.len() + 1),
        (whole[..whole.len() - 1].to_owned(), 1, whole.len() - 1),
        ("{\"Version\":\"2012-10-17\",}".to_owned(), 1, 25),
        (format!("\u{feff}{whole}"), 1, 1),
    ];
    for (document, line, column) in table {
        let error = refused(&document);
        assert_eq!(error.kind(), Kind::NotJson { line, column }, "{document}");
        assert_eq!(error.to_string(), format!("the policy is not JSON, from line {line}, column {column}"));
    }
    for value in [r#""\ud800""#, "1e999", "01", "NaN", "\"\t\""] {
        let error = refused(&format!("{{\"Id\":{value}}}"));
        assert!(matches!(error.kind(), Kind::NotJson { line: 1, .. }), "{value}");
    }
    let not_text = whole.as_bytes().iter().map(|byte| if *byte == 0xC3 { 0xFF } else { *byte }).collect::<Vec<_>>();
    let error = BucketPolicy::from_json(&not_text).unwrap_err();
    assert!(matches!(error.kind(), Kind::NotJson { line: 1, .. }));
}
