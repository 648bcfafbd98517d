//! Condition operators with present and missing values.

use atrest::s3::ConditionValues;
use serde_json::{Value, json};

use super::kit::{Ask, is_about};

const W: &str = "s3:x-amz-server-side-encryption";
const K: &str = "s3:x-amz-server-side-encryption-aws-kms-key-id";
const C: &str = "s3:x-amz-server-side-encryption-customer-algorithm";
const TLS: &str = "aws:SecureTransport";

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234";

/// The request's header or none, and whether the condition holds.
type Requests = &'static [(Option<&'static str>, bool)];

fn holds(condition: Value, values: ConditionValues<'_>) -> bool {
    is_about(json!({"Condition": condition}), Ask { values, ..Ask::new("s3:PutObject") })
}

#[test]
fn every_operator_says_what_iam_says_of_values_that_are_there_and_that_are_not() {
    // The operator and its values.
    let table: &[(&str, Value, Requests)] = &[
        (
            "StringEquals",
            json!("AES256"),
            &[(Some("AES256"), true), (Some("aes256"), false), (Some(""), false), (None, false)],
        ),
        ("StringEquals", json!("*"), &[(Some("AES256"), false), (Some("*"), true), (None, false)]),
        (
            "StringEquals",
            json!(["AES256", "aws:kms"]),
            &[(Some("AES256"), true), (Some("aws:kms"), true), (Some("x"), false), (None, false)],
        ),
        ("StringEqualsIfExists", json!("AES256"), &[(Some("AES256"), true), (Some("aws:kms"), false), (None, true)]),
        (
            "StringNotEquals",
            json!("AES256"),
            &[(Some("AES256"), false), (Some("aws:kms"), true), (Some(""), true), (None, true)],
        ),
        (
            "StringNotEquals",
            json!(["AES256", "aws:kms"]),
            &[(Some("AES256"), false), (Some("aws:kms"), false), (Some("x"), true), (None, true)],
        ),
        ("StringNotEqualsIfExists", json!("AES256"), &[(Some("AES256"), false), (Some("aws:kms"), true), (None, true)]),
        (
            "StringLike",
            json!("aws:kms*"),
            &[(Some("aws:kms"), true), (Some("aws:kms:dsse"), true), (Some("AES256"), false), (None, false)],
        ),
        ("StringLike", json!("*"), &[(Some(""), true), (Some("x"), true), (None, false)]),
        ("StringLike", json!("aws:KMS"), &[(Some("aws:kms"), false)]),
        ("StringLike", json!(["AES???", ""]), &[(Some("AES256"), true), (Some(""), true), (Some("AES25"), false)]),
        ("StringLikeIfExists", json!("aws:*"), &[(Some("aws:kms"), true), (Some("AES256"), false), (None, true)]),
        (
            "StringNotLike",
            json!(["aws:*", "AES256"]),
            &[(Some("aws:kms"), false), (Some("AES256"), false), (Some("x"), true), (None, true)],
        ),
        ("StringNotLikeIfExists", json!("aws:*"), &[(Some("aws:kms"), false), (Some("x"), true), (None, true)]),
        ("Null", json!("true"), &[(Some("AES256"), false), (Some(""), false), (None, true)]),
        ("Null", json!(false), &[(Some("AES256"), true), (Some(""), true), (None, false)]),
        ("Null", json!(["true", "false"]), &[(Some("AES256"), true), (None, true)]),
    ];
    for (operator, values, requests) in table {
        for (header, expected) in *requests {
            for key in [W, K, C] {
                let none = ConditionValues::new(true);
                let request = match key {
                    W => none.with_server_side_encryption(*header),
                    K => none.with_kms_key_id(*header),
                    _ => none.with_customer_algorithm(*header),
                };
                for name in [key.to_owned(), key.to_uppercase()] {
                    let condition = json!({*operator: {name: values}});
                    assert_eq!(holds(condition, request), *expected, "{operator} {key} {values} {header:?}");
                }
            }
        }
    }
}

#[test]
fn arns_are_compared_component_by_component_under_both_names_of_the_operator() {
    let table: &[(Value, Requests)] = &[
        (json!(KEY), &[(Some(KEY), true), (Some("1234"), false), (None, false)]),
        (
            json!("arn:aws:kms:*:111122223333:key/*"),
            &[(Some(KEY), true), (Some("arn:aws:kms:x:111122223333:alias/a"), false)],
        ),
        (json!("arn:aws:kms:*:111122223333:key/????"), &[(Some(KEY), true), (Some("arn:aws:kms:::key/1234"), false)]),
        // The first star is no more than a region.
        (
            json!("arn:aws:kms:*:1:key/*"),
            &[(Some("arn:aws:kms:r:2:key:1:key/k"), false), (Some("arn:aws:kms:r:1:key/a:b"), true)],
        ),
        (
            json!("arn:aws:kms:*:*:*"),
            &[(Some(KEY), true), (Some("arn:aws:kms:a:b"), false), (Some("alias/app"), false)],
        ),
        (
            json!("arn:aws:kms:r:1:key/*:?"),
            &[(Some("arn:aws:kms:r:1:key/a:b"), true), (Some("arn:aws:kms:r:1:key/a"), false)],
        ),
        (json!("arn:*:*:*:*:KEY/*"), &[(Some(KEY), false)]),
        (
            json!(["arn:aws:kms:::a", KEY]),
            &[(Some(KEY), true), (Some("arn:aws:kms:::a"), true), (Some("arn:aws:kms:::b"), false)],
        ),
    ];
    for (arns, requests) in table {
        for (header, expected) in *requests {
            let request = ConditionValues::new(true).with_kms_key_id(*header);
            for kind in ["Equals", "Like"] {
                let is = |operator: String| holds(json!({operator: {K: arns}}), request);
                assert_eq!(is(format!("Arn{kind}")), *expected, "{arns} {header:?}");
                assert_eq!(is(format!("ArnNot{kind}")), !*expected, "{arns} {header:?}");
                assert_eq!(is(format!("Arn{kind}IfExists")), *expected || header.is_none(), "{arns} {header:?}");
                assert_eq!(is(format!("ArnNot{kind}IfExists")), !*expected || header.is_none(), "{arns} {header:?}");
            }
        }
    }
}

#[test]
fn the_transport_is_always_there_and_compared_as_a_boolean_or_as_text() {
    for secure in [true, false] {
        let request = ConditionValues::new(secure);
        for operator in ["Bool", "BoolIfExists", "StringEquals", "StringLike", "StringEqualsIfExists"] {
            for value in [json!("true"), json!(true), json!(["true"])] {
                assert_eq!(holds(json!({operator: {TLS: value}}), request), secure, "{operator}");
            }
            for value in [json!("false"), json!(false), json!([false])] {
                assert_eq!(holds(json!({operator: {TLS: value}}), request), !secure, "{operator}");
            }
            assert!(holds(json!({operator: {TLS: [true, "false"]}}), request));
        }
        assert_eq!(holds(json!({"StringNotEquals": {TLS: "true"}}), request), !secure);
        assert!(holds(json!({"Null": {TLS: "false"}}), request));
        assert!(!holds(json!({"Null": {TLS: "true"}}), request));
    }
}

#[test]
fn several_keys_and_several_operators_all_have_to_hold() {
    let both = json!({"StringEquals": {W: "aws:kms", K: KEY}});
    let two_operators = json!({"StringEquals": {W: "aws:kms"}, "StringLike": {K: "arn:*"}, "Bool": {TLS: "true"}});
    let one_key_twice = json!({"StringLike": {W: "aws:*"}, "StringNotEquals": {W: "aws:kms:dsse"}, "Null": {K: false}});
    for condition in [both, two_operators, one_key_twice] {
        let kms = ConditionValues::new(true).with_server_side_encryption(Some("aws:kms"));
        assert!(holds(condition.clone(), kms.with_kms_key_id(Some(KEY))), "{condition}");
        assert!(!holds(condition.clone(), kms), "{condition}");
        assert!(!holds(condition.clone(), ConditionValues::new(true).with_kms_key_id(Some(KEY))), "{condition}");
        let other = kms.with_server_side_encryption(Some("AES256")).with_kms_key_id(Some(KEY));
        assert!(!holds(condition.clone(), other), "{condition}");
    }
}

#[test]
fn the_usual_idioms_deny_what_they_are_written_against() {
    let plain = ConditionValues::new(true);
    // Encryption has to be asked for.
    let unencrypted = json!({"Null": {W: "true"}});
    assert!(holds(unencrypted.clone(), plain));
    assert!(!holds(unencrypted, plain.with_server_side_encryption(Some("AES256"))));
    // No other key than this, where one is named.
    let other_key = json!({"ArnNotEqualsIfExists": {K: KEY}});
    assert!(!holds(other_key.clone(), plain.with_kms_key_id(Some(KEY))));
    assert!(holds(other_key, plain.with_kms_key_id(Some("arn:aws:kms:eu-central-1:111122223333:key/other"))));
    // No customer keys.
    let customer_keys = json!({"Null": {C: "false"}});
    assert!(holds(customer_keys.clone(), plain.with_customer_algorithm(Some("AES256"))));
    assert!(!holds(customer_keys, plain));
}
