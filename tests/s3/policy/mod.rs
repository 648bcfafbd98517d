//! Bucket policies: denied and allowed requests, and refused documents.

mod conditions;
mod facts;
mod host;
mod kit;
mod random;
mod refused;
mod statements;

use atrest::s3::{ConditionKey, ConditionValues, Verdict};
use kit::{ALICE, Ask, policy};

/// As the service's guide prints them.
const GUIDE_2008: &str = r#"{"Version":"2008-10-17","Id":"PutObjPolicy","Statement":[{"Sid":"DenyUnEncryptedObjectUploads","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::YourBucket/*","Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}]}"#;
const GUIDE_2012: &str = r#"{"Version":"2012-10-17","Id":"PutObjectPolicy","Statement":[{"Sid":"DenyObjectsThatAreNotSSES3","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::DOC-EXAMPLE-BUCKET/*","Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}]}"#;

#[test]
fn both_documents_of_the_services_guide_deny_every_put_that_does_not_ask_for_aes256() {
    for (document, bucket) in [(GUIDE_2008, "YourBucket"), (GUIDE_2012, "DOC-EXAMPLE-BUCKET")] {
        let policy = policy(document);
        let object = format!("arn:aws:s3:::{bucket}/a/key");
        let headers = [
            (None, Verdict::Deny),
            (Some("AES256"), Verdict::Neither),
            (Some("aes256"), Verdict::Deny),
            (Some("aws:kms"), Verdict::Deny),
            (Some("aws:kms:dsse"), Verdict::Deny),
            (Some(""), Verdict::Deny),
        ];
        for (header, verdict) in headers {
            for secure in [true, false] {
                let values = ConditionValues::new(secure).with_server_side_encryption(header);
                for principal in [None, Some(ALICE)] {
                    let ask = Ask { principal, resource: &object, values, ..Ask::new("s3:PutObject") };
                    assert_eq!(ask.of(&policy), verdict, "{header:?} {principal:?} {secure}");
                    for other in ["s3:GetObject", "s3:PutObjectTagging", "s3:PutObjec"] {
                        assert_eq!(Ask { action: other, ..ask }.of(&policy), Verdict::Neither, "{other}");
                    }
                    for other in [format!("arn:aws:s3:::{bucket}"), format!("arn:aws:s3:::{bucket}2/a/key")] {
                        assert_eq!(Ask { resource: &other, ..ask }.of(&policy), Verdict::Neither, "{other}");
                    }
                }
            }
        }
        // A request for SSE-C does not name AES256 in this header.
        let values = ConditionValues::new(true).with_customer_algorithm(Some("AES256"));
        let ask = Ask { resource: &object, values, ..Ask::new("s3:PutObject") };
        assert_eq!(ask.of(&policy), Verdict::Deny);
    }
}

#[test]
fn the_https_policy_denies_what_comes_in_the_clear_and_nothing_else() {
    let https = |action| {
        policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"{action}",
                "Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"],"Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
        ))
    };
    for action in ["s3:GetObject", "s3:PutObject", "s3:ListBucket"] {
        for resource in ["arn:aws:s3:::b", "arn:aws:s3:::b/k"] {
            let clear = Ask { resource, values: ConditionValues::new(false), ..Ask::new(action) };
            let tls = Ask { values: ConditionValues::new(true), ..clear };
            assert_eq!(clear.of(&https("s3:*")), Verdict::Deny);
            assert_eq!(tls.of(&https("s3:*")), Verdict::Neither);
            let only_get = if action == "s3:GetObject" { Verdict::Deny } else { Verdict::Neither };
            assert_eq!(clear.of(&https("s3:GetObject")), only_get);
            assert_eq!(tls.of(&https("s3:GetObject")), Verdict::Neither);
        }
    }
}

#[test]
fn an_evaluation_allocates_nothing() {
    let policy = policy(kit::FIVE);
    let key = "arn:aws:kms:eu-central-1:111122223333:key/1";
    let values = ConditionValues::new(true).with_server_side_encryption(Some("aws:kms")).with_kms_key_id(Some(key));
    let ask = Ask { values, ..Ask::new("s3:PutObject") };
    let counted = allocation_counter::measure(|| assert_eq!(ask.of(&policy), Verdict::Allow));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn condition_values_are_given_out_by_key_as_the_request_has_them() {
    let keys = [
        ConditionKey::ServerSideEncryption,
        ConditionKey::KmsKeyId,
        ConditionKey::CustomerAlgorithm,
        ConditionKey::SecureTransport,
    ];
    let names = [
        "s3:x-amz-server-side-encryption",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        "s3:x-amz-server-side-encryption-customer-algorithm",
        "aws:SecureTransport",
    ];
    let none = ConditionValues::new(false);
    assert_eq!(none.iter().collect::<Vec<_>>(), [(&ConditionKey::SecureTransport, "false")]);
    let all = ConditionValues::new(true)
        .with_server_side_encryption(Some("aws:kms"))
        .with_kms_key_id(Some(""))
        .with_customer_algorithm(Some("AES256"));
    let values = ["aws:kms", "", "AES256", "true"];
    assert_eq!(all.iter().collect::<Vec<_>>(), keys.iter().zip(values).collect::<Vec<_>>());
    for ((key, name), value) in keys.iter().zip(names).zip(values) {
        assert_eq!(key.to_string(), name);
        assert_eq!(ConditionKey::from_name(&name.to_uppercase()), Some(key.clone()));
        assert_eq!(all.value(key), Some(value));
        assert_eq!(none.value(key), (*key == ConditionKey::SecureTransport).then_some("false"));
    }
    // A name that is no key's is not taken for a value that is absent.
    for typo in ["aws:SourcIp", "aws:PrincipalTag/", "x-amz-server-side-encryption", ""] {
        assert_eq!(ConditionKey::from_name(typo), None);
    }
}

#[test]
fn every_fact_of_a_host_is_given_out_under_the_name_that_policies_have_for_it() {
    let facts = facts::all();
    let values = ConditionValues::new(true).with_facts(&facts);
    let given: Vec<(String, &str)> = values.iter().map(|(key, value)| (key.to_string(), value)).collect();
    for (name, value) in facts::NAMES {
        assert!(given.contains(&((*name).to_owned(), value)), "{name} {value}: {given:?}");
    }
    assert_eq!(given.len(), facts::NAMES.len() + 1, "and aws:SecureTransport");
}
