//! `RequestFacts`: facts of a request, as the condition operators use them.

use std::time::{Duration, SystemTime};

use atrest::s3::{ConditionValues, RequestFacts};
use serde_json::{Value, json};

use super::kit::{ALICE, Ask, is_about};

/// 2026-03-04T05:06:07Z.
const NOW: u64 = 1_772_600_767;

/// Every fact there is.
pub(crate) fn all() -> RequestFacts {
    RequestFacts::new()
        .with_source_ip("::ffff:203.0.113.7".parse().unwrap())
        .with_vpc_source_ip("10.1.2.3".parse().unwrap())
        .with_source_vpc("vpc-1")
        .with_source_vpce("vpce-1")
        .with_principal_org_id("o-1")
        .with_principal_arn("arn:aws:iam::111122223333:role/team/writer")
        .with_principal_account("111122223333")
        .with_principal_type("AssumedRole")
        .with_principal_tag("Team", "photos")
        .with_resource_tag("class", "5")
        .with_resource_account("444455556666")
        .with_request_tag("Project", "x")
        .with_tag_key("Stage")
        .with_user_id("AROA1:one")
        .with_user_name("alice")
        .with_user_agent("aws-cli/2.17")
        .with_referer("https://example.com/a")
        .with_time(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
        .with_called_via(["athena.amazonaws.com", "glue.amazonaws.com"])
        .with_via_aws_service(true)
        .with_source_arn("arn:aws:sns:eu-central-1:111122223333:topic")
        .with_source_account("111122223333")
        .with_tls_version(1, 2)
}

/// All of the above under their names.
pub(crate) const NAMES: &[(&str, &str)] = &[
    ("aws:SourceIp", "203.0.113.7"),
    ("aws:VpcSourceIp", "10.1.2.3"),
    ("aws:SourceVpc", "vpc-1"),
    ("aws:SourceVpce", "vpce-1"),
    ("aws:PrincipalOrgID", "o-1"),
    ("aws:PrincipalArn", "arn:aws:iam::111122223333:role/team/writer"),
    ("aws:PrincipalAccount", "111122223333"),
    ("aws:PrincipalType", "AssumedRole"),
    ("aws:PrincipalTag/team", "photos"),
    ("aws:ResourceTag/class", "5"),
    ("aws:ResourceAccount", "444455556666"),
    ("aws:RequestTag/project", "x"),
    ("aws:TagKeys", "Project"),
    ("aws:TagKeys", "Stage"),
    ("aws:userid", "AROA1:one"),
    ("aws:username", "alice"),
    ("aws:UserAgent", "aws-cli/2.17"),
    ("aws:Referer", "https://example.com/a"),
    ("aws:CurrentTime", "2026-03-04T05:06:07Z"),
    ("aws:EpochTime", "1772600767"),
    ("aws:CalledVia", "athena.amazonaws.com"),
    ("aws:CalledVia", "glue.amazonaws.com"),
    ("aws:CalledViaFirst", "athena.amazonaws.com"),
    ("aws:CalledViaLast", "glue.amazonaws.com"),
    ("aws:ViaAWSService", "true"),
    ("aws:SourceArn", "arn:aws:sns:eu-central-1:111122223333:topic"),
    ("aws:SourceAccount", "111122223333"),
    ("s3:TlsVersion", "1.2"),
];

#[track_caller]
fn holds(facts: &RequestFacts, operator: &str, key: &str, values: &Value) -> bool {
    let values_of = ConditionValues::new(true).with_facts(facts);
    is_about(json!({"Condition": {operator: {key: values}}}), Ask { values: values_of, ..Ask::new("s3:PutObject") })
}

/// Operator, key, values; whether the condition holds with every fact, and with none.
type Row = (&'static str, &'static str, Value, bool, bool);

#[test]
fn every_operator_compares_its_type_and_meets_nothing_that_is_absent() {
    const IP: &str = "aws:SourceIp";
    const TLS: &str = "s3:TlsVersion";
    const NOW: &str = "aws:CurrentTime";
    const EPOCH: &str = "aws:EpochTime";
    const CLASS: &str = "aws:ResourceTag/Class";
    const TEAM: &str = "aws:PrincipalTag/TEAM";
    let table: Vec<Row> = vec![
        ("IpAddress", IP, json!("203.0.113.0/24"), true, false),
        ("IpAddress", IP, json!("203.0.113.7"), true, false),
        ("IpAddress", IP, json!("203.0.113.8"), false, false),
        ("IpAddress", IP, json!(["10.0.0.0/8", "203.0.112.0/20"]), true, false),
        ("IpAddress", IP, json!("0.0.0.0/0"), true, false),
        ("IpAddress", IP, json!("::/0"), false, false),
        ("IpAddress", IP, json!("::ffff:203.0.113.0/120"), true, false),
        ("IpAddress", IP, json!("::ffff:203.0.113.7"), true, false),
        ("IpAddress", IP, json!("2001:db8::/32"), false, false),
        ("IpAddressIfExists", IP, json!("10.0.0.0/8"), false, true),
        ("NotIpAddress", IP, json!("203.0.113.0/24"), false, true),
        ("NotIpAddress", IP, json!(["10.0.0.0/8", "2001:db8::/32"]), true, true),
        ("NotIpAddressIfExists", IP, json!("203.0.113.0/24"), false, true),
        ("StringEquals", IP, json!("203.0.113.7"), true, false),
        ("NumericLessThan", TLS, json!("1.2"), false, false),
        ("NumericLessThan", TLS, json!(1.3), true, false),
        ("NumericLessThan", TLS, json!("1.20"), false, false),
        ("NumericLessThanIfExists", TLS, json!("1.2"), false, true),
        ("NumericLessThanEquals", TLS, json!(1.2), true, false),
        ("NumericGreaterThan", TLS, json!("1.1"), true, false),
        ("NumericGreaterThan", TLS, json!("-1.2"), true, false),
        ("NumericGreaterThanEquals", TLS, json!("+1.2"), true, false),
        ("NumericGreaterThanEquals", TLS, json!("1.21"), false, false),
        ("NumericEquals", TLS, json!(["1", "1.200"]), true, false),
        ("NumericEquals", TLS, json!(1), false, false),
        ("NumericNotEquals", TLS, json!("1.2"), false, true),
        ("NumericNotEquals", TLS, json!("1.3"), true, true),
        // The most digits before and behind the point.
        ("NumericLessThan", TLS, json!("999999999999999999"), true, false),
        ("NumericLessThan", TLS, json!("1.200000000000000001"), true, false),
        ("NumericEquals", CLASS, json!("5.0"), true, false),
        // What is not a number meets no number.
        ("NumericEquals", TEAM, json!("0"), false, false),
        ("NumericLessThan", TEAM, json!("9"), false, false),
        ("NumericGreaterThanEquals", TEAM, json!("0"), false, false),
        ("NumericNotEquals", TEAM, json!("0"), true, true),
        ("IpAddress", TEAM, json!("0.0.0.0/0"), false, false),
        ("DateEquals", TEAM, json!("2026"), false, false),
        ("Bool", TEAM, json!([true, false]), false, false),
        ("NumericGreaterThan", EPOCH, json!(1_772_600_766), true, false),
        ("DateEquals", NOW, json!("2026-03-04T05:06:07Z"), true, false),
        ("DateEquals", NOW, json!("2026-03-04T06:06:07+01:00"), true, false),
        ("DateEquals", NOW, json!("1772600767"), true, false),
        ("DateEquals", EPOCH, json!(1_772_600_767), true, false),
        ("DateNotEquals", NOW, json!("2026-03-04"), true, true),
        ("DateLessThan", NOW, json!("2026-03-05"), true, false),
        ("DateLessThan", NOW, json!("2026-03-04T05:06:07.000Z"), false, false),
        ("DateLessThanEquals", NOW, json!("2026-03-04T05:06:07Z"), true, false),
        ("DateGreaterThan", NOW, json!("2026"), true, false),
        ("DateGreaterThan", NOW, json!("2026-04"), false, false),
        ("DateGreaterThanIfExists", NOW, json!("2027"), false, true),
        ("DateGreaterThanEquals", NOW, json!("2026-03-04T05:06Z"), true, false),
        ("Bool", "aws:ViaAWSService", json!("TRUE"), true, false),
        ("Bool", "aws:ViaAWSService", json!(false), false, false),
        ("BoolIfExists", "aws:ViaAWSService", json!("False"), false, true),
        ("Bool", "aws:SecureTransport", json!("True"), true, true),
        ("BoolIfExists", "aws:SecureTransport", json!("FALSE"), false, false),
        ("Null", "aws:SourceVpce", json!("True"), false, true),
        ("Null", "aws:TagKeys", json!("FALSE"), true, false),
        ("StringEquals", "aws:PrincipalOrgID", json!("o-1"), true, false),
        ("StringNotEquals", "aws:PrincipalOrgID", json!("o-1"), false, true),
        ("StringNotEqualsIfExists", "AWS:principalorgid", json!("o-2"), true, true),
        ("ArnLike", "aws:PrincipalArn", json!("arn:aws:iam::*:role/team/*"), true, false),
        ("ArnNotLike", "aws:SourceArn", json!("arn:aws:sns:*:111122223333:*"), false, true),
        ("StringLike", TEAM, json!("ph*"), true, false),
        ("StringEquals", "aws:RequestTag/project", json!("x"), true, false),
        ("StringEquals", "aws:RequestTag/other", json!("x"), false, false),
        ("StringEquals", "aws:CalledViaLast", json!("glue.amazonaws.com"), true, false),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!(["Project", "Stage", "Other"]), true, true),
        ("ForAllValues:StringEquals", "aws:TagKeys", json!(["Project"]), false, true),
        ("ForAllValues:StringNotEquals", "aws:TagKeys", json!(["Other"]), true, true),
        ("ForAllValues:StringNotEquals", "aws:TagKeys", json!(["Stage"]), false, true),
        ("ForAnyValue:StringEquals", "aws:TagKeys", json!(["Stage", "Other"]), true, false),
        ("ForAnyValue:StringEquals", "aws:TagKeys", json!(["stage"]), false, false),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", json!(["Stage"]), true, false),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", json!(["Stage", "Project"]), false, false),
        ("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", json!("Other"), false, true),
        ("ForAnyValue:StringLike", "aws:CalledVia", json!("athena.*"), true, false),
    ];
    let (all, none) = (all(), RequestFacts::new());
    for (operator, key, values, with_all, with_none) in table {
        assert_eq!(holds(&all, operator, key, &values), with_all, "{operator} {key} {values}, every fact");
        assert_eq!(holds(&none, operator, key, &values), with_none, "{operator} {key} {values}, no fact");
    }
}

#[test]
fn a_deny_with_a_negated_operator_denies_where_the_host_gives_no_value() {
    let absent = RequestFacts::new();
    for (operator, key, value) in [
        ("StringNotEquals", "aws:PrincipalOrgID", "o-1"),
        ("StringNotLike", "aws:SourceVpce", "vpce-*"),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::111122223333:role/*"),
        ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"),
        ("NumericNotEquals", "s3:TlsVersion", "1.3"),
        ("DateNotEquals", "aws:CurrentTime", "2026-01-01"),
    ] {
        assert!(holds(&absent, operator, key, &json!(value)), "{operator}");
        let values = ConditionValues::new(true);
        let without_facts = Ask { values, ..Ask::new("s3:PutObject") };
        assert!(is_about(json!({"Condition": {operator: {key: value}}}), without_facts), "{operator}");
    }
}

#[test]
fn what_cdk_and_the_services_guides_write_is_understood() {
    let tls = json!({"NumericLessThan": {"s3:TlsVersion": 1.2}});
    let old = RequestFacts::new().with_tls_version(1, 1);
    for (facts, denied) in [(&old, true), (&all(), false), (&RequestFacts::new(), false)] {
        let values = ConditionValues::new(true).with_facts(facts);
        assert_eq!(is_about(json!({"Condition": tls}), Ask { values, ..Ask::new("s3:GetObject") }), denied);
    }
    let logs = json!({"Principal": {"Service": "logging.s3.amazonaws.com"}, "Condition": {
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::source"}, "StringEquals": {"aws:SourceAccount": "111122223333"}}});
    let service = RequestFacts::new()
        .with_service_principal("logging.s3.amazonaws.com")
        .with_source_arn("arn:aws:s3:::source")
        .with_source_account("111122223333");
    let values = ConditionValues::new(true).with_facts(&service);
    assert!(is_about(logs.clone(), Ask { principal: None, values, ..Ask::new("s3:PutObject") }));
    let other = service.clone().with_service_principal("delivery.logs.amazonaws.com");
    let values = ConditionValues::new(true).with_facts(&other);
    assert!(!is_about(logs.clone(), Ask { principal: None, values, ..Ask::new("s3:PutObject") }));
    // An ARN that looks like a service is not a service.
    let values = ConditionValues::new(true);
    assert!(!is_about(logs, Ask { principal: Some("logging.s3.amazonaws.com"), values, ..Ask::new("s3:PutObject") }));
}

#[test]
fn a_requester_is_all_that_the_host_says_of_it() {
    let canonical = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be";
    let provider = "arn:aws:iam::111122223333:saml-provider/corp";
    let facts = RequestFacts::new().with_canonical_user(canonical).with_federated_provider(provider);
    let of = |principal: Value, facts: &RequestFacts| {
        let values = ConditionValues::new(true).with_facts(facts);
        is_about(json!({"Principal": principal}), Ask { values, ..Ask::new("s3:GetObject") })
    };
    let other = RequestFacts::new().with_federated_provider("accounts.google.com");
    for (principal, expected, expected_of_other) in [
        (json!({"CanonicalUser": canonical}), true, false),
        (json!({"Federated": provider}), true, false),
        (json!({"Federated": ["accounts.google.com", provider]}), true, true),
        (json!({"Service": "accounts.google.com"}), false, false),
        (json!({"AWS": ALICE, "Service": "logging.s3.amazonaws.com"}), true, true),
    ] {
        assert_eq!(of(principal.clone(), &facts), expected, "{principal}");
        assert_eq!(of(principal.clone(), &other), expected_of_other, "{principal}");
    }
}

#[test]
fn not_principal_leaves_out_whom_it_names_and_an_account_beside_them_leaves_out_no_one_else() {
    const BOB: &str = "arn:aws:iam::111122223333:user/bob";
    const ROOT: &str = "arn:aws:iam::111122223333:root";
    const ROLE: &str = "arn:aws:iam::111122223333:role/team/writer";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/writer/one";
    let denied = |exceptions: Value, principal: Option<&str>| {
        let changes = json!({"Principal": null, "NotPrincipal": {"AWS": exceptions}});
        is_about(changes, Ask { principal, ..Ask::new("s3:GetObject") })
    };
    // As the service's guide has it: the user, and the account it belongs to.
    for exceptions in [json!(ALICE), json!([ALICE, ROOT]), json!([ALICE, "111122223333"])] {
        assert!(!denied(exceptions.clone(), Some(ALICE)));
        assert!(denied(exceptions.clone(), Some(BOB)), "{exceptions}");
        assert!(denied(exceptions.clone(), None), "{exceptions}");
        assert!(denied(exceptions.clone(), Some(SESSION)), "{exceptions}");
    }
    assert!(!denied(json!([ALICE, ROOT]), Some(ROOT)));
    assert!(!denied(json!([ALICE, ROOT]), Some("111122223333")));
    assert!(!denied(json!(ROLE), Some(SESSION)) && !denied(json!(ROLE), Some(ROLE)));

    // Where it allows, everyone in an account that is left out is left out.
    let policy = super::kit::policy(&super::kit::document(json!({
        "Effect": "Allow", "Principal": null, "NotPrincipal": {"AWS": ROOT, "Service": "a.b"}})));
    use atrest::s3::Verdict::{Allow, Neither};
    for (principal, verdict) in [
        (Some(BOB), Neither),
        (Some(SESSION), Neither),
        (None, Allow),
        (Some("arn:aws:iam::444455556666:user/x"), Allow),
    ] {
        assert_eq!(Ask { principal, ..Ask::new("s3:GetObject") }.of(&policy), verdict, "{principal:?}");
    }
}
