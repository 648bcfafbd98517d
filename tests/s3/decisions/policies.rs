//! Bucket policies in a decision: the evaluator of this crate, and a host's own engine.

use std::sync::{Arc, Mutex};

use atrest::s3::{
    BucketEncryption, BucketPolicy, ConditionKey, NewObject, ObjectEncryption, PolicyEngine, PolicyQuestion,
    PolicySource, RequestFacts, Resource, S3ErrorKind as Kind, Stored, Transport, Verdict, Writing,
};
use serde_json::Value;

use super::kit::*;

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

const PUT: Op = |_| Operation::Put;
const CREATE: Op = |_| Operation::Create;
const COPY: Op = |w| Operation::Copy(w.object(SSE_S3));
const PART: Op = |w| Operation::Part(w.upload(SSE_S3));
const PART_OF_KMS: Op = |w| Operation::Part(w.upload(SSE_KMS));
const PART_IN_THE_CLEAR: Op = |_| Operation::Part(Stored::unencrypted());
const PART_OF_CUSTOMER: Op = |w| Operation::Part(w.upload(SSE_C));
const COMPLETE: Op = |w| Operation::Complete(w.upload(SSE_S3));
const GET: Op = |w| Operation::Get(w.object(SSE_S3));
const ATTRIBUTES: Op = |w| Operation::Attributes(w.object(SSE_S3));

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

/// The bucket of each document.
fn resource(document: &str) -> Resource {
    let document: Value = serde_json::from_str(document).unwrap();
    let resource = document["Statement"][0]["Resource"].as_str().unwrap();
    let bucket = resource.strip_prefix("arn:aws:s3:::").unwrap().strip_suffix("/*").unwrap();
    Resource::object(bucket, "cat.jpg")
}

fn policy(document: &str) -> PolicySource {
    PolicySource::Bucket(BucketPolicy::from_json(document.as_bytes()).unwrap().into())
}

/// A policy engine of the host for one document. It records each question.
struct Engine {
    document: String,
    asked: Mutex<Vec<Vec<PolicyQuestion>>>,
}

impl Engine {
    fn new(document: &str) -> Arc<Self> {
        Arc::new(Self { document: document.to_owned(), asked: Mutex::default() })
    }
}

impl PolicyEngine for Engine {
    fn judge(&self, questions: Vec<PolicyQuestion>) -> Verdict {
        let denied = questions.iter().any(|question| engine_denies(&self.document, question));
        self.asked.lock().unwrap().push(questions);
        if denied { Verdict::Deny } else { Verdict::Neither }
    }
}

/// Evaluates the documents above, and reads the values by their names.
fn engine_denies(document: &str, question: &PolicyQuestion) -> bool {
    let value = |name: &str| {
        question.conditions.iter().find(|(key, _)| key.to_string() == name).map(|(_, value)| value.as_str())
    };
    let action = question.action.as_str();
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
    for (at, case) in cases().iter().enumerate() {
        let mut ask = Ask::new(case.headers).over(case.transport);
        ask.resource = resource(case.policy);
        let operation = (case.operation)(&world);
        let ours = ask.clone().under(policy(case.policy)).kind(operation.clone());
        let engine = Engine::new(case.policy);
        let theirs = ask.under(PolicySource::Engine(engine.clone())).kind(operation);
        assert_eq!(ours, theirs, "case {at}");
        assert_eq!(ours == Some(Kind::PolicyDenied), case.denied, "case {at}: {:?} {}", case.headers, case.policy);
        assert_eq!(engine.asked.lock().unwrap().len(), 1, "it is called once");
    }
}

#[test]
fn a_policy_looks_at_the_request_and_not_at_the_default() {
    let ask = Ask::new(&[]).on(kms_default(None));
    assert!(ask.decide(Operation::Put).is_ok());
    assert_eq!(ask.under(policy(NULL)).kind(Operation::Put), Some(Kind::PolicyDenied), "encrypted by default");
}

#[test]
fn an_engine_is_given_the_requests_own_values_and_those_of_the_host() {
    let world = World::new();
    let asked = |operation: Op, pairs: Pairs<'_>| {
        let engine = Engine::new(ALLOW);
        let ask = Ask::new(pairs).on(kms_default(Some("alias/bucket"))).under(PolicySource::Engine(engine.clone()));
        assert!(ask.decide(operation(&world)).is_ok());
        let asked = engine.asked.lock().unwrap().concat();
        let shown = |question: &PolicyQuestion| {
            assert_eq!((&*question.resource, question.principal.is_some()), (RESOURCE, true));
            let values = question.conditions.iter().map(|(name, value)| format!("{name}={value}"));
            (question.action.clone(), values.collect::<Vec<_>>())
        };
        asked.iter().map(shown).collect::<Vec<_>>()
    };
    let secure = "aws:SecureTransport=true".to_owned();
    let method = "s3:x-amz-server-side-encryption";
    let put = |values: &[String]| vec![("s3:PutObject".to_owned(), [values, std::slice::from_ref(&secure)].concat())];
    assert_eq!(asked(PUT, &[]), put(&[]));
    let kms: Pairs<'_> = &[(W, "aws:kms"), (K, "alias/app")];
    let named = format!("{method}-aws-kms-key-id=alias/app");
    assert_eq!(asked(PUT, kms), put(&[format!("{method}=aws:kms"), named]));
    assert_eq!(asked(PUT, &CUSTOMER), put(&[format!("{method}-customer-algorithm=AES256")]));
    let resolved = format!("{method}-aws-kms-key-id={KMS_KEY}");
    assert_eq!(asked(PART_OF_KMS, &[]), put(&[format!("{method}=aws:kms"), resolved]));
    let actions: Vec<_> = asked(ATTRIBUTES, &[]).into_iter().map(|(action, _)| action).collect();
    assert_eq!(actions, ["s3:GetObject", "s3:GetObjectAttributes"]);

    let engine = Engine::new(ALLOW);
    let caller = atrest::s3::Caller::anonymous(Transport::Secure)
        .with_facts(RequestFacts::new().with_source_ip([192, 0, 2, 1].into()));
    let policy = PolicySource::Engine(engine.clone());
    let bucket = BucketEncryption::default();
    let request =
        atrest::s3::S3Request::new(headers(&[]), caller, Resource::object("photos", "cat.jpg"), bucket, policy);
    assert!(atrest::s3::S3Rules::new().decide_write(&request, NewObject::Put).is_ok());
    let asked = engine.asked.lock().unwrap().concat();
    assert!(asked[0].principal.is_none());
    assert!(asked[0].conditions.contains(&(ConditionKey::SourceIp, "192.0.2.1".to_owned())));
}

#[test]
fn every_action_that_an_operation_takes_has_to_be_permitted() {
    let world = World::new();
    let denied = |document: &str, operation, of_version: bool| {
        let mut ask = Ask::new(&[]).under(policy(document));
        if of_version {
            ask.resource = ask.resource.of_version();
        }
        ask.kind(operation) == Some(Kind::PolicyDenied)
    };
    let update = |named: &str| Operation::Update(world.object(SSE_S3), ObjectEncryption::new(named));
    assert!(denied(NO_UPDATE, update("alias/app"), false));
    // It takes s3:PutObject too, and says its method and its key in its body.
    assert!(!denied(NULL, update("alias/app"), false));
    assert!(!denied(ONE_KEY, update("alias/app"), false));
    assert!(denied(ONE_KEY, update("alias/other"), false));
    for operation in [GET(&world), ATTRIBUTES(&world), Operation::Head(world.object(SSE_S3))] {
        assert!(denied(NO_VERSION, operation.clone(), true));
        assert!(!denied(NO_VERSION, operation, false));
    }
}

#[test]
fn the_source_of_a_copy_is_asked_about_as_a_read_of_it() {
    let world = World::new();
    for (transport, denied) in [(Transport::Plain, true), (Transport::Secure, false)] {
        let mut ask = Ask::new(&[]).over(transport).under(policy(HTTPS_READS));
        assert!(ask.decide(COPY(&world)).is_ok(), "it is about reads");
        ask.source_policy = policy(HTTPS_READS);
        assert_eq!(ask.kind(COPY(&world)), denied.then_some(Kind::PolicyDenied));
    }
    // One engine for both is asked once, about both.
    let engine = Engine::new(ALLOW);
    let mut ask = Ask::new(&[]).under(PolicySource::Engine(engine.clone()));
    ask.source_policy = PolicySource::Engine(engine.clone());
    assert!(ask.decide(COPY(&world)).is_ok());
    let asked = engine.asked.lock().unwrap();
    let actions: Vec<_> = asked.iter().map(|call| call.iter().map(|q| &*q.action).collect::<Vec<_>>()).collect();
    assert_eq!(actions, [["s3:PutObject", "s3:GetObject"]]);
}

#[test]
fn a_caller_that_was_let_begin_an_upload_is_let_finish_it() {
    let world = World::new();
    let ask = Ask::new(&[(W, "aws:kms"), (K, "alias/app")]).under(policy(ONE_KEY));
    let Ok(Decided::Write(begun)) = ask.decide(Operation::Create) else { panic!("it is let begin") };
    let Writing::Encrypt(encryption) = &begun.writing else { panic!("it is encrypted") };
    let record = encryption.record(&world.uploads[SSE_KMS]);
    let upload = || Stored::encrypted(record.clone(), world.uploads[SSE_KMS].clone());
    let ask = Ask::new(&[]).under(policy(ONE_KEY));
    for (begun, by_its_key) in [
        (Operation::Part(upload()), Operation::Part(world.upload(SSE_KMS))),
        (Operation::Complete(upload()), Operation::Complete(world.upload(SSE_KMS))),
    ] {
        assert!(ask.decide(begun).is_ok());
        assert_eq!(ask.kind(by_its_key), Some(Kind::PolicyDenied), "by its resolved key");
    }
    // How it comes is its own.
    assert_eq!(record.condition_values(false).value(&ConditionKey::SecureTransport), Some("false"));
}

#[test]
fn a_caller_that_may_not_list_does_not_learn_what_is_not_there() {
    let no_list = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::photos"}]}"#;
    let world = World::new();
    let ask = Ask::new(&[]).under(policy(no_list));
    assert_eq!(ask.kind(Operation::Get(Stored::absent())), Some(Kind::PolicyDenied));
    assert!(ask.decide(GET(&world)).is_ok());
    assert_eq!(ask.kind(Operation::Part(Stored::absent())), Some(Kind::NoSuchUpload), "an upload is known by its id");
    assert_eq!(Ask::new(&[]).under(policy(ALLOW)).kind(Operation::Get(Stored::absent())), Some(Kind::NoSuchKey));
    let mut ask = Ask::new(&[]);
    ask.source_policy = policy(no_list);
    assert_eq!(ask.kind(Operation::Copy(Stored::absent())), Some(Kind::PolicyDenied), "of a source too");
}

#[test]
fn an_operation_without_encryption_headers_asks_the_policy_about_its_own_actions() {
    let ask = Ask::new(&[]).under(policy(NO_UPDATE));
    let rules = &ask.rules;
    assert!(rules.decide_other(&ask.request(), &["s3:ListMultipartUploadParts"]).is_ok());
    let denied = rules.decide_other(&ask.request(), &["s3:DeleteObject", "s3:UpdateObjectEncryption"]);
    assert_eq!(denied.unwrap_err().kind(), Kind::PolicyDenied);
    let method = Ask::new(&[(W, "AES256")]).request();
    assert_eq!(rules.decide_other(&method, &[]).unwrap_err().kind(), Kind::MethodNotSupported);
    assert!(rules.decide_other(&Ask::new(&CUSTOMER).request(), &[]).is_ok());
}

#[test]
fn the_transport_is_what_it_is_also_where_encryption_is_allowed_without_tls() {
    let world = World::new();
    let rules = atrest::s3::S3Rules::new().with_encryption_without_tls(true);
    let ask = |pairs: Pairs<'_>| Ask::new(pairs).over(Transport::Plain).rules(rules.clone());
    assert!(ask(&CUSTOMER).decide(Operation::Put).is_ok());
    assert!(ask(&[(W, "aws:kms")]).decide(Operation::Put).is_ok());
    assert!(ask(&[]).decide(Operation::Get(world.object(SSE_KMS))).is_ok());
    assert_eq!(ask(&CUSTOMER).under(policy(HTTPS)).kind(Operation::Put), Some(Kind::PolicyDenied));
}

#[test]
fn a_request_without_signature_version_4_gets_nothing_that_is_under_a_kms_key() {
    use atrest::s3::Signature;
    let world = World::new();
    for signature in [Signature::None, Signature::V2] {
        let ask = |pairs: Pairs<'_>| Ask { signature, ..Ask::new(pairs) };
        for at in [SSE_KMS, DSSE_KMS] {
            let error = ask(&[]).decide(Operation::Get(world.object(at))).unwrap_err();
            assert_eq!((error.kind(), error.argument()), (Kind::KmsUnsigned, Some(("Authorization", None))));
            let told =
                "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.";
            assert_eq!((error.code(), error.message(), status(&error)), ("InvalidArgument", told.to_owned(), 400));
            assert_eq!(ask(&[]).kind(Operation::Head(world.object(at))), Some(Kind::KmsUnsigned));
            assert_eq!(ask(&[]).kind(Operation::Part(world.upload(at))), Some(Kind::KmsUnsigned));
        }
        assert_eq!(ask(&[(W, "aws:kms")]).kind(Operation::Put), Some(Kind::KmsUnsigned));
        assert_eq!(ask(&[]).on(kms_default(None)).kind(Operation::Put), Some(Kind::KmsUnsigned));
        assert!(ask(&CUSTOMER).on(kms_default(None)).decide(Operation::Put).is_ok());
        assert!(ask(&[]).decide(Operation::Get(world.object(SSE_S3))).is_ok());
    }
}
