//! Bucket policies in a decision: the evaluator of this crate, and a host's own over the condition values.

use atrest::s3::{
    BucketEncryption, BucketPolicy, ConditionKey, ConditionValues, Operation, PolicyCheck, PolicyRequest, S3Error,
    S3ErrorKind as Kind, S3Request, Stored, Transport, Verdict, condition_values, decide,
};
use serde_json::Value;

use crate::kit::*;

const GUIDE_2008: &str = r#"{"Version":"2008-10-17","Id":"PutObjPolicy","Statement":[{"Sid":"DenyUnEncryptedObjectUploads","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::YourBucket/*","Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}]}"#;
const GUIDE_2012: &str = r#"{"Version":"2012-10-17","Id":"PutObjectPolicy","Statement":[{"Sid":"DenyObjectsThatAreNotSSES3","Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::DOC-EXAMPLE-BUCKET/*","Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}]}"#;
const HTTPS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
const HTTPS_READS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}"#;
const NULL: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}]}"#;
const ONE_KEY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{"StringNotEqualsIfExists":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"alias/app"}}}]}"#;
const NO_CUSTOMER_KEYS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}}}]}"#;
const ONLY_CUSTOMER_KEYS: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*","Condition":{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"true"}}}]}"#;
const NO_UPDATE: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:UpdateObjectEncryption","Resource":"arn:aws:s3:::photos/*"}]}"#;
const NO_VERSION: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObjectVersion*","Resource":"arn:aws:s3:::photos/*"}]}"#;
const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*"}]}"#;

struct Case {
    policy: &'static str,
    operation: Op,
    headers: Pairs<'static>,
    transport: Transport,
    denied: bool,
}

const PUT: Op = |_| Operation::PutObject;
const CREATE: Op = |_| Operation::CreateMultipartUpload;
const COPY: Op = |w| Operation::CopyObject { source: w.object(SSE_S3) };
const PART: Op = |w| Operation::UploadPart { upload: w.upload(SSE_S3) };
const PART_OF_KMS: Op = |w| Operation::UploadPart { upload: w.upload(SSE_KMS) };
const PART_IN_THE_CLEAR: Op = |_| Operation::UploadPart { upload: Stored::InTheClear };
const PART_OF_CUSTOMER: Op = |w| Operation::UploadPart { upload: w.upload(SSE_C) };
const COMPLETE: Op = |w| Operation::CompleteMultipartUpload { upload: w.upload(SSE_S3) };
const GET: Op = |w| Operation::GetObject { object: w.object(SSE_S3) };
const ATTRIBUTES: Op = |w| Operation::GetObjectAttributes { object: w.object(SSE_S3) };

fn cases() -> Vec<Case> {
    let over =
        |transport| move |policy, operation, headers, denied| Case { policy, operation, headers, transport, denied };
    let (tls, plain) = (over(Transport::Secure), over(Transport::Plain));
    let aes: Pairs<'static> = &[(W, "AES256")];
    let kms: Pairs<'static> = &[(W, "aws:kms")];
    let mut cases = Vec::new();
    for guide in [GUIDE_2008, GUIDE_2012] {
        cases.extend([
            tls(guide, PUT, &[][..], true),
            tls(guide, PUT, aes, false),
            tls(guide, PUT, kms, true),
            tls(guide, PUT, &CUSTOMER, true),
            tls(guide, CREATE, &[], true),
            tls(guide, CREATE, aes, false),
            tls(guide, COPY, &[], true),
            tls(guide, COPY, aes, false),
            tls(guide, PART, &[], false),
            tls(guide, PART_OF_KMS, &[], true),
            tls(guide, PART_IN_THE_CLEAR, &[], true),
            tls(guide, COMPLETE, &[], false),
            tls(guide, GET, &[], false),
            plain(guide, PUT, aes, false),
        ]);
    }
    cases.extend([
        plain(HTTPS, PUT, aes, true),
        plain(HTTPS, GET, &[], true),
        plain(HTTPS, ATTRIBUTES, &[], true),
        tls(HTTPS, PUT, aes, false),
        tls(HTTPS, GET, &[], false),
        plain(HTTPS_READS, GET, &[], true),
        plain(HTTPS_READS, ATTRIBUTES, &[], true),
        plain(HTTPS_READS, PUT, aes, false),
        tls(NULL, PUT, &[], true),
        tls(NULL, PUT, aes, false),
        tls(NULL, PUT, kms, false),
        tls(ONE_KEY, PUT, kms, true),
        tls(ONE_KEY, PUT, &[(W, "aws:kms"), (K, "alias/app")], false),
        tls(ONE_KEY, PUT, &[(W, "aws:kms"), (K, "alias/other")], true),
        tls(ONE_KEY, PART_OF_KMS, &[], true),
        tls(NO_CUSTOMER_KEYS, PUT, &CUSTOMER, true),
        tls(NO_CUSTOMER_KEYS, PUT, aes, false),
        tls(NO_CUSTOMER_KEYS, PART_OF_CUSTOMER, &CUSTOMER, true),
        tls(ONLY_CUSTOMER_KEYS, PUT, aes, true),
        tls(ONLY_CUSTOMER_KEYS, PUT, &CUSTOMER, false),
        tls(ONLY_CUSTOMER_KEYS, PART_OF_CUSTOMER, &CUSTOMER, false),
        tls(NO_UPDATE, PUT, &[], false),
        tls(NO_VERSION, GET, &[], false),
        tls(ALLOW, PUT, &[], false),
    ]);
    cases
}

/// The resource that each document is about.
fn resource(document: &str) -> String {
    let document: Value = serde_json::from_str(document).unwrap();
    document["Statement"][0]["Resource"].as_str().unwrap().replace('*', "cat.jpg")
}

/// As this crate evaluates it, in its place in the decision.
fn with_the_evaluator(document: &str, request: &S3Request<'_>) -> Result<(), S3Error> {
    let policy = BucketPolicy::from_json(document.as_bytes()).unwrap();
    decide(&request.policy(PolicyCheck::new(&policy, None, &resource(document)))).map(drop)
}

/// As a host does that has an engine of its own: it asks that, and then decides without a policy.
fn with_an_engine_of_its_own(document: &str, operation: Operation<'_>, request: &S3Request<'_>) -> Result<(), S3Error> {
    let values = condition_values(request);
    if operation.actions(false).iter().any(|action| engine_denies(document, action, &values)) {
        return Err(S3Error::new(Kind::PolicyDenied));
    }
    decide(request).map(drop)
}

/// Knows what the documents above hold, and reads the values by their names.
fn engine_denies(document: &str, action: &str, values: &ConditionValues<'_>) -> bool {
    let values: Vec<(String, &str)> = values.iter().map(|(key, value)| (key.to_string(), value)).collect();
    let value = |name: &str| values.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let document: Value = serde_json::from_str(document).unwrap();
    let statement = &document["Statement"][0];
    let wanted = statement["Action"].as_str().unwrap();
    let about = wanted.strip_suffix('*').map_or(action == wanted, |prefix| action.starts_with(prefix));
    let holds = |(operator, test): (&String, &Value)| {
        let (name, expected) = test.as_object().unwrap().iter().next().unwrap();
        let expected = expected.as_str().unwrap();
        match &**operator {
            "StringNotEquals" => value(name) != Some(expected),
            "StringNotEqualsIfExists" => value(name).is_none_or(|value| value != expected),
            "Bool" => value(name) == Some(expected),
            "Null" => value(name).is_none() == (expected == "true"),
            other => panic!("{other}"),
        }
    };
    let conditions = statement.get("Condition").and_then(Value::as_object);
    statement["Effect"] == "Deny" && about && conditions.into_iter().flatten().all(holds)
}

#[test]
fn both_paths_pass_one_table() {
    let world = World::new();
    let bucket = BucketEncryption::default();
    for (at, case) in cases().iter().enumerate() {
        let headers = headers(case.headers);
        let operation = (case.operation)(&world);
        let request = S3Request::new(operation, &headers, case.transport, &bucket);
        let ours = with_the_evaluator(case.policy, &request);
        let theirs = with_an_engine_of_its_own(case.policy, operation, &request);
        assert_eq!(ours, theirs, "case {at}");
        let expected = case.denied.then_some((403, "AccessDenied"));
        let got = ours.err().map(|error| (error.status().as_u16(), error.code()));
        assert_eq!(got, expected, "case {at}: {:?} under {}", case.headers, case.policy);
    }
}

#[test]
fn a_policy_looks_at_the_request_and_not_at_the_default() {
    let world = World::new();
    let policy = BucketPolicy::from_json(NULL.as_bytes()).unwrap();
    let bucket = kms_default(None);
    let headers = headers(&[]);
    let request = S3Request::new(PUT(&world), &headers, Transport::Secure, &bucket);
    assert!(decide(&request).is_ok());
    let request = request.policy(PolicyCheck::new(&policy, None, "arn:aws:s3:::photos/cat.jpg"));
    assert_eq!(decide(&request).unwrap_err().kind(), Kind::PolicyDenied, "it would be encrypted by default");
}

#[test]
fn the_condition_values_are_the_requests_own() {
    let world = World::new();
    let bucket = kms_default(Some("alias/bucket"));
    let values = |operation: Op, pairs: Pairs<'_>| {
        let headers = headers(pairs);
        let request = S3Request::new(operation(&world), &headers, Transport::Secure, &bucket);
        let values = condition_values(&request).iter().map(|(name, value)| format!("{name}={value}"));
        values.collect::<Vec<_>>()
    };
    let secure = "aws:SecureTransport=true";
    let method = "s3:x-amz-server-side-encryption";
    assert_eq!(values(PUT, &[]), [secure]);
    assert_eq!(values(PUT, &[(W, "")]), [format!("{method}="), secure.to_owned()]);
    let kms: Pairs<'_> = &[(W, "aws:kms"), (K, "alias/app")];
    let named = format!("{method}-aws-kms-key-id=alias/app");
    assert_eq!(values(PUT, kms), [format!("{method}=aws:kms"), named, secure.to_owned()]);
    let algorithm = format!("{method}-customer-algorithm=AES256");
    assert_eq!(values(PUT, &CUSTOMER), [algorithm, secure.to_owned()]);
    let resolved = format!("{method}-aws-kms-key-id={KMS_KEY}");
    assert_eq!(values(PART_OF_KMS, &[]), [format!("{method}=aws:kms"), resolved, secure.to_owned()]);
}

#[test]
fn every_action_that_an_operation_takes_has_to_be_permitted() {
    let world = World::new();
    let bucket = BucketEncryption::default();
    let headers = headers(&[]);
    let target = atrest::s3::ObjectEncryption::new("alias/app");
    let denied = |document: &str, operation, of_version| {
        let policy = BucketPolicy::from_json(document.as_bytes()).unwrap();
        let check =
            PolicyCheck::new(&policy, Some("arn:aws:iam::111122223333:user/alice"), "arn:aws:s3:::photos/cat.jpg");
        let check = if of_version { check.of_version() } else { check };
        let request = S3Request::new(operation, &headers, Transport::Secure, &bucket).policy(check);
        decide(&request).err().map(|error| error.kind()) == Some(Kind::PolicyDenied)
    };
    let update = Operation::UpdateObjectEncryption { object: world.object(SSE_S3), target: &target };
    assert!(denied(NO_UPDATE, update, false));
    // It takes s3:PutObject too, and says its method and its key in its body.
    assert!(!denied(NULL, update, false));
    assert!(!denied(ONE_KEY, update, false));
    let target = atrest::s3::ObjectEncryption::new("alias/other");
    let update = Operation::UpdateObjectEncryption { object: world.object(SSE_S3), target: &target };
    assert!(denied(ONE_KEY, update, false));
    for operation in [GET(&world), ATTRIBUTES(&world), Operation::HeadObject { object: world.object(SSE_S3) }] {
        assert!(denied(NO_VERSION, operation, true));
        assert!(!denied(NO_VERSION, operation, false));
    }
}

#[test]
fn the_source_of_a_copy_is_asked_of_its_own_buckets_policy() {
    let world = World::new();
    let bucket = BucketEncryption::default();
    let headers = headers(&[]);
    let policy = BucketPolicy::from_json(HTTPS_READS.as_bytes()).unwrap();
    let check = PolicyCheck::new(&policy, None, "arn:aws:s3:::photos/cat.jpg");
    for (transport, denied) in [(Transport::Plain, true), (Transport::Secure, false)] {
        let request = S3Request::new(COPY(&world), &headers, transport, &bucket);
        assert!(decide(&request).is_ok() && decide(&request.policy(check)).is_ok(), "it is about reads");
        let kind = decide(&request.source_policy(check)).err().map(|error| error.kind());
        assert_eq!(kind, denied.then_some(Kind::PolicyDenied));
    }
    let asked = PolicyRequest {
        principal: None,
        action: "s3:GetObject",
        resource: "arn:aws:s3:::photos/cat.jpg",
        conditions: &ConditionValues::new(false),
    };
    assert_eq!(policy.evaluate(&asked), Verdict::Deny);
}

#[test]
fn whoever_was_let_begin_an_upload_is_let_finish_it() {
    let world = World::new();
    let bucket = kms_default(Some(KMS_KEY));
    let begun = headers(&[(W, "aws:kms"), (K, "alias/app")]);
    let create = S3Request::new(Operation::CreateMultipartUpload, &begun, Transport::Secure, &bucket);
    let values = condition_values(&create);
    assert!(with_the_evaluator(ONE_KEY, &create).is_ok());
    let none = headers(&[]);
    for operation in [PART_OF_KMS(&world), Operation::CompleteMultipartUpload { upload: world.upload(SSE_KMS) }] {
        let part = S3Request::new(operation, &none, Transport::Secure, &bucket);
        assert_eq!(with_the_evaluator(ONE_KEY, &part).unwrap_err().kind(), Kind::PolicyDenied, "by its resolved key");
        assert!(with_the_evaluator(ONE_KEY, &part.begun_with(values)).is_ok());
    }
    // How it comes is its own.
    let part = S3Request::new(PART_OF_KMS(&world), &none, Transport::Plain, &bucket).begun_with(values);
    assert_eq!(condition_values(&part).value(&ConditionKey::SecureTransport), Some("false"));
    // Nothing that was begun says anything of a PUT.
    let put = S3Request::new(PUT(&world), &none, Transport::Secure, &bucket).begun_with(values);
    assert_eq!(condition_values(&put).value(&ConditionKey::ServerSideEncryption), None);
}

#[test]
fn what_is_no_arn_of_s3_is_denied_by_every_policy() {
    let world = World::new();
    let bucket = BucketEncryption::default();
    let policy = BucketPolicy::from_json(ALLOW.as_bytes()).unwrap();
    let headers = headers(&[]);
    for resource in ["photos/cat.jpg", "/photos/cat.jpg", "", "arn:minio:s3:::photos/cat.jpg"] {
        let request = S3Request::new(PUT(&world), &headers, Transport::Secure, &bucket);
        let refused = decide(&request.policy(PolicyCheck::new(&policy, None, resource)));
        assert_eq!(refused.unwrap_err().kind(), Kind::PolicyDenied, "{resource}");
    }
}
