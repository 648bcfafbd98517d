//! Policy documents that a host's own engine evaluates.

use atrest::s3::{BucketPolicy, HostPolicy, PolicyErrorKind as Kind};
use serde_json::json;

use super::kit::{FIVE, statement};

#[test]
fn a_document_for_the_hosts_engine_is_kept_whole_and_says_what_is_not_understood() {
    let document = json!({"Version": "2012-10-17", "Statement": [
        statement(json!({"Sid": "Fine"})),
        statement(json!({"Sid": "Mfa", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}})),
        statement(json!({"NotAction": "s3:GetObject"})),
    ]})
    .to_string();
    assert_eq!(BucketPolicy::from_json(document.as_bytes()).unwrap_err().kind(), Kind::UnknownKey);
    let policy = HostPolicy::from_json(document.as_bytes()).unwrap();
    assert_eq!(policy.document(), document);
    let named: Vec<_> = policy.not_understood().iter().map(|e| (e.kind(), e.name(), e.statement(), e.sid())).collect();
    let expected = [
        (Kind::UnknownKey, "aws:MultiFactorAuthPresent", Some(1), Some("Mfa")),
        (Kind::UnknownElement, "NotAction", Some(2), None),
    ];
    assert_eq!(named, expected);
}

#[test]
fn a_document_that_is_understood_says_so_and_one_that_is_none_is_refused_all_the_same() {
    assert!(HostPolicy::from_json(FIVE.as_bytes()).unwrap().not_understood().is_empty());
    let outside = HostPolicy::from_json(br#"{"Version": "2030-01-01", "Statement": []}"#).unwrap();
    assert_eq!(outside.not_understood()[0].kind(), Kind::UnknownVersion);
    let costly = json!({"Statement": statement(json!({"Resource": format!("arn:aws:s3:::b/*{}a*", "?".repeat(90))}))});
    let costly = HostPolicy::from_json(costly.to_string().as_bytes()).unwrap();
    assert_eq!(costly.not_understood()[0].kind(), Kind::TooManyWildcards);

    let kind = |document: &[u8]| HostPolicy::from_json(document).unwrap_err().kind();
    assert!(matches!(kind(b"{"), Kind::NotJson { .. }));
    assert_eq!(kind(&vec![b' '; BucketPolicy::MAX_LEN + 1]), Kind::TooLong);
    assert_eq!(kind(&b"[".repeat(100)), Kind::TooDeep);
}
