//! Recorded answers about bucket keys, through a service that applies them and keeps what it stores: each answer about
//! an object says what its envelope says, and the KMS was asked accordingly.

use std::collections::BTreeSet;

use atrest::kms::KmsOperation;
use http::HeaderMap;

use super::answer::answer;
use super::case::Case;
use super::compare::differences;
use super::service::{Object, Service};
use super::world::World;
use super::{OWN, cases};

const ENABLED: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const CONTEXT: &str = "x-amz-server-side-encryption-context";

/// Names and values of headers.
type Headers = BTreeSet<(String, String)>;

/// The recorded requests that store something under a key of the service, and what they were answered. Nothing else
/// decides the answer: no policy, and no source under a customer key.
fn recorded_writes(world: &World) -> Vec<(Case, Headers)> {
    let writes = ["PutObject", "PostObject", "CopyObject", "CreateMultipartUpload"];
    let is_write = |case: &Case| {
        let is_amazon = case.profile.is_none() && case.policy.is_none();
        let is_usual = case.kms.is_none() && case.transport.is_none();
        let needs_no_key = case.source_object.as_ref().is_none_or(|source| source.key.is_none());
        let is_done = case.expect.status.is_some_and(|status| (200..300).contains(&status));
        is_amazon && is_usual && needs_no_key && is_done && writes.contains(&&*case.op)
    };
    let recorded = cases(OWN).into_iter().filter(is_write).filter_map(|case| {
        let headers = case.expect.headers.clone()?;
        let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), world.fill(&value)));
        Some((case, headers.collect::<Headers>()))
    });
    let by_service = |headers: &Headers| headers.iter().any(|(name, _)| name == "x-amz-server-side-encryption");
    recorded.filter(|(_, headers)| by_service(headers)).collect()
}

fn shown(headers: &HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn says_bucket_key(headers: &Headers) -> bool {
    headers.iter().any(|(name, value)| name == ENABLED && value == "true")
}

#[test]
fn every_operation_on_what_was_written_as_recorded_answers_as_the_recorded_write() {
    let world = World::new(true);
    let (mut with, mut without) = (0, 0);
    for (case, recorded) in recorded_writes(&world) {
        let number = &case.case;
        let service = Service::new(&world, world.bucket(case.bucket.as_ref()).unwrap());
        let source = Service::new(&world, world.bucket(None).unwrap()).put("source.jpg", &[]).1;
        let (put, object) = service.put("cat.jpg", &case.headers);
        let (copied, copy) = service.copy(&source, "copy.jpg", &case.headers);
        let (uploaded, upload) = service.upload("upload.jpg", &case.headers, &object);
        for (operation, headers) in [("PutObject", put), ("CopyObject", copied)].into_iter().chain(uploaded) {
            let (mut answered, mut expected) = (shown(&headers), recorded.clone());
            if operation != case.op {
                // Whether the pairs of the context are answered depends on the operation.
                answered.retain(|(name, _)| name != CONTEXT);
                expected.retain(|(name, _)| name != CONTEXT);
            }
            assert_eq!(answered, expected, "{operation} for case {number}");
        }
        let has_bucket_key = says_bucket_key(&recorded);
        for object in [&object, &copy, &upload] {
            assert_eq!(object.encrypted.envelope.has_bucket_key(), has_bucket_key, "case {number}");
            for headers in [service.get(object), service.head(object)] {
                let mut expected = recorded.clone();
                expected.retain(|(name, _)| name != CONTEXT);
                assert_eq!(shown(&headers), expected, "a read after case {number}");
            }
        }
        // A copy follows its own request and bucket, never its source.
        let plain = Service::new(&world, world.bucket(None).unwrap());
        let (copied, copy) = plain.copy(&object, "plain.jpg", &[]);
        assert!(!says_bucket_key(&shown(&copied)) && !copy.encrypted.envelope.has_bucket_key(), "case {number}");
        *(if has_bucket_key { &mut with } else { &mut without }) += 1;
    }
    assert!(with >= 5 && without >= 5, "{with} with and {without} without");
}

#[test]
fn the_kms_sees_one_request_for_the_bucket_where_a_bucket_key_is_answered_and_else_one_for_each_object() {
    for applies in [true, false] {
        let world = World::new(applies);
        let mut names_of_keys = BTreeSet::new();
        world.take_calls();
        let mut objects: Vec<(String, Object)> = Vec::new();
        for (case, recorded) in recorded_writes(&World::new(true)) {
            if !says_bucket_key(&recorded) {
                continue;
            }
            let bucket = world.bucket(case.bucket.as_ref()).unwrap();
            let service = Service::new(&world, bucket);
            let of_bucket = case.bucket.as_ref().and_then(|bucket| bucket.key_id.clone());
            let asked = case.headers.iter().find(|(name, _)| name.ends_with("aws-kms-key-id"));
            names_of_keys.insert(asked.map(|(_, key_id)| key_id.clone()).or(of_bucket));
            for number in 0..3 {
                let key = format!("{}-{number}", case.case);
                let (answered, object) = service.put(&key, &case.headers);
                assert_eq!(says_bucket_key(&shown(&answered)), applies);
                service.get(&object);
                objects.push((format!("arn:aws:s3:::photos/{key}"), object));
            }
        }
        let calls = world.take_calls();
        let of = |operation: KmsOperation| {
            let calls = calls.iter().filter(move |(called, _)| *called == operation);
            calls.map(|(_, arn)| arn.clone()).collect::<Vec<_>>()
        };
        for operation in [KmsOperation::Generate, KmsOperation::Unwrap] {
            let expected: Vec<_> = match applies {
                true => vec!["arn:aws:s3:::photos".to_owned(); names_of_keys.len()],
                false => objects.iter().map(|(arn, _)| arn.clone()).collect(),
            };
            assert_eq!(of(operation), expected, "{operation:?}");
        }
        assert!(objects.len() >= 12 && names_of_keys.len() >= 2);
    }
}

#[test]
fn a_kms_key_that_is_not_usable_is_refused_while_its_bucket_key_is_in_memory() {
    let world = World::new(true);
    let uses_app = |case: &Case| {
        let reads = case.op == "GetObject" && case.object.as_ref().is_some_and(|object| object.bucket_key);
        let recorded = case.expect.headers.iter().flatten();
        let mut of_app = recorded.filter(|(_, value)| *value == "{arn:app}");
        (reads || case.op == "PutObject") && case.profile.is_none() && of_app.next().is_some()
    };
    let mut refused = 0;
    for mut case in cases(OWN).into_iter().filter(uses_app) {
        let told = |case: &Case| answer(&world, case).unwrap();
        assert_eq!(differences(&world, &case, &told(&case)), [""; 0], "case {}", case.case);
        for (state, code) in [("disabled", "KMS.DisabledException"), ("pending", "KMS.KMSInvalidStateException")] {
            case.kms = Some(state.to_owned());
            let refusal = told(&case).error.expect("it is refused");
            assert_eq!((refusal.status, refusal.error.code()), (400, code), "case {}", case.case);
            refused += 1;
        }
        case.kms = None;
        assert_eq!(differences(&world, &case, &told(&case)), [""; 0], "case {} again", case.case);
    }
    assert!(refused >= 10, "{refused}");
}
