//! Which key is asked for: the default key, other regions, multi-Region keys; and whole objects.

use std::sync::{Arc, Mutex};

use atrest::audit::{AuditTrail, KeyFrom, MemorySink};
use atrest::kms::{Authorized, Resilient};
use atrest::{
    EncryptionContext, Error, KeyProvider, KeyProviderErrorKind as Kind, KeyRequest, KmsKeys, ObjectName, Requester,
    Sse, SseKms, Unlock,
};
use atrest_aws_kms::AwsKms;
use pollster::block_on;
use serde_json::{Value, json};

use crate::http::{Answer, Request, Server};
use crate::kms::{ACCOUNT, Keys, REGION, client, provider};

fn request(key_id: &str) -> KeyRequest {
    KeyRequest::new(key_id, EncryptionContext::new(), Requester::anonymous())
}

fn object() -> ObjectName {
    ObjectName::new("photos", "cat.jpg").unwrap()
}

#[test]
fn objects_are_written_and_read_under_a_key_of_aws_kms() {
    let keys = Keys::new();
    let served = keys.clone();
    let (kms, server) = provider(move |request| served.answer(request), |builder| builder);
    let sse = Sse::builder().kms(kms, KmsKeys::only([&*keys.one])).build().unwrap();
    let stored = sse.blocking().encrypt(&object(), SseKms::new("alias/one"), b"meow").unwrap();
    assert_eq!(stored.envelope.kms_key_id(), Some(&*keys.one));
    assert_eq!(sse.blocking().decrypt(&object(), &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(server.requests(), 2);
    let other = ObjectName::new("photos", "dog.jpg").unwrap();
    sse.blocking().decrypt(&other, &stored, Unlock::Server).unwrap_err();
}

#[test]
fn one_call_serves_a_bucket_with_bucket_keys_and_the_policy_of_the_key_sees_the_bucket() {
    let keys = Keys::new();
    let (served, contexts) = (keys.clone(), Arc::new(Mutex::new(Vec::new())));
    let noted = contexts.clone();
    let (kms, server) = provider(
        move |request| {
            noted.lock().unwrap().push(request.body["EncryptionContext"].clone());
            served.answer(request)
        },
        |builder| builder,
    );
    let sse = Sse::builder().kms(Arc::new(Resilient::new(kms)), KmsKeys::only([&*keys.one])).build().unwrap();
    let mode = SseKms::new("alias/one").with_bucket_key(true);
    for number in 0..20 {
        let object = ObjectName::new("photos", number.to_string()).unwrap();
        let stored = sse.blocking().encrypt(&object, mode.clone(), b"meow").unwrap();
        assert_eq!(sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");
    }
    assert_eq!(server.requests(), 2, "one to write, one to read");
    let bucket = json!({ "aws:s3:arn": "arn:aws:s3:::photos" });
    assert_eq!(*contexts.lock().unwrap(), [bucket.clone(), bucket]);
}

#[test]
fn the_event_of_an_object_has_the_id_that_cloudtrail_has_of_its_call() {
    let keys = Keys::new();
    let served = keys.clone();
    let (kms, _server) = provider(move |request| served.answer(request), |builder| builder);
    let sink = Arc::new(MemorySink::new());
    let kms = Arc::new(Authorized::new(Arc::new(Resilient::new(kms)), |_| true));
    let builder = Sse::builder().kms(kms, KmsKeys::only([&*keys.one])).audit(AuditTrail::new(sink.clone()));
    let sse = builder.build().unwrap().blocking();
    let mode = SseKms::new("alias/one").with_bucket_key(true);
    for _ in 0..2 {
        let stored = sse.encrypt(&object(), mode.clone(), b"meow").unwrap();
        sse.decrypt(&object(), &stored, Unlock::Server).unwrap();
    }
    keys.admin().disable_key(&keys.one).unwrap();
    sse.encrypt(&object(), SseKms::new("alias/one"), b"meow").unwrap_err();
    let events = sink.events();
    let answers = events.iter().flat_map(|event| event.key_provider_answers());
    let answers: Vec<_> = answers.map(|answer| (answer.key_from(), answer.request_id().unwrap())).collect();
    // The server counts its requests.
    let expected = [
        (KeyFrom::Call, "request-0"),
        (KeyFrom::Call, "request-1"),
        (KeyFrom::Cache, "request-0"),
        (KeyFrom::Cache, "request-1"),
        (KeyFrom::Call, "request-2"),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_read_names_the_key_so_that_a_wrapped_key_of_another_one_is_refused() {
    let keys = Keys::new();
    let served = keys.clone();
    let (kms, _server) = provider(move |request| served.answer(request), |builder| builder);
    let generated = block_on(kms.clone().generate_key(request(&keys.two))).unwrap();
    let error = block_on(kms.unwrap_key(generated.wrapped().clone(), request(&keys.one))).unwrap_err();
    assert_eq!(error.kind(), Kind::Rejected);
}

#[test]
fn a_request_without_a_key_id_takes_the_default_key_or_is_unknown_without_a_call() {
    let keys = Keys::new();
    let served = keys.clone();
    let (with, _server) = provider(move |request| served.answer(request), |builder| builder.default_key("alias/one"));
    assert_eq!(block_on(with.generate_key(request(""))).unwrap().key_id(), keys.one);
    let (without, server) = provider(|_| Answer::Never, |builder| builder);
    let error = block_on(without.generate_key(request(""))).unwrap_err();
    assert_eq!((error.kind(), error.key_id(), server.requests()), (Kind::NotFound, "", 0));
}

#[test]
fn a_key_that_the_service_may_not_use_is_denied() {
    let keys = Keys::new();
    let (kms, _server) = provider(move |request| keys.answer(request), |builder| builder);
    assert_eq!(block_on(kms.generate_key(request("alias/forbidden"))).unwrap_err().kind(), Kind::AccessDenied);
}

#[test]
fn a_key_that_is_pending_deletion_says_so() {
    let keys = Keys::new();
    let served = keys.clone();
    let (kms, _server) = provider(move |request| served.answer(request), |builder| builder);
    keys.admin().schedule_deletion(&keys.one, std::time::Duration::from_secs(7 * 86_400)).unwrap();
    assert_eq!(block_on(kms.generate_key(request("alias/one"))).unwrap_err().kind(), Kind::PendingDeletion);
}

#[test]
fn the_arn_of_another_region_is_refused_without_a_call() {
    let (kms, server) = provider(|_| Answer::Never, |builder| builder);
    for resource in
        ["key/1234abcd-12ab-34cd-56ef-1234567890ab", "key/mrk-1234abcd12ab34cd56ef1234567890ab", "alias/one"]
    {
        let key_id = format!("arn:aws:kms:us-east-1:{ACCOUNT}:{resource}");
        let error = block_on(kms.clone().generate_key(request(&key_id))).unwrap_err();
        assert_eq!((error.kind(), error.key_id()), (Kind::OtherRegion, &*key_id));
    }
    assert_eq!(server.requests(), 0);
}

/// A region of a multi-Region key: the keys of the embedded KMS under the ARNs of replicas.
fn replica(keys: &Arc<Keys>, region: &'static str) -> Server {
    let keys = keys.clone();
    Server::start(move |request| {
        let here = format!("arn:aws:kms:{region}:{ACCOUNT}:key/mrk-");
        let id = |arn: &str| arn.rsplit_once('/').unwrap().1.to_owned();
        let local = |arn: &str| format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{}", arn.trim_start_matches(&*here));
        let mut asked = Request { target: request.target.clone(), body: request.body.clone() };
        let named = asked.body["KeyId"].as_str().unwrap().to_owned();
        if named.starts_with("arn:") && !named.starts_with(&here) {
            return Answer::error(400, "NotFoundException", "Invalid arn");
        }
        if named.starts_with(&here) {
            asked.body["KeyId"] = json!(local(&named));
        }
        match keys.answer(&asked) {
            Answer::Http { status: 200, body, .. } => {
                let mut json: Value = serde_json::from_slice(&body).unwrap();
                json["KeyId"] = json!(format!("{here}{}", id(json["KeyId"].as_str().unwrap())));
                Answer::json(200, &json)
            }
            answer => answer,
        }
    })
}

#[test]
fn an_object_of_one_region_is_read_in_another_under_the_replica_of_its_key_if_both_sides_say_so() {
    let keys = Keys::new();
    let (us, eu) = (replica(&keys, "us-east-1"), replica(&keys, "eu-west-1"));
    let arn = |region| format!("arn:aws:kms:{region}:{ACCOUNT}:key/mrk-{}", keys.one.rsplit_once('/').unwrap().1);
    let provider = |server: &Server, region, multi_region: bool| {
        let builder = AwsKms::builder(client(server, region)).without_sdk_retries();
        let builder = if multi_region { builder.multi_region_keys() } else { builder };
        Arc::new(builder.build().unwrap())
    };
    let listed = KmsKeys::only([arn("us-east-1")]);
    let sse = Sse::builder().kms(provider(&us, "us-east-1", true), listed.clone()).build().unwrap();
    let stored = sse.blocking().encrypt(&object(), SseKms::new(arn("us-east-1")), b"meow").unwrap();

    let both = Sse::builder().kms(provider(&eu, "eu-west-1", true), listed.clone().with_replicas()).build().unwrap();
    assert_eq!(both.blocking().decrypt(&object(), &stored, Unlock::Server).unwrap(), b"meow");
    // A write by the other region's ARN is under the replica of this region.
    let here = both.blocking().encrypt(&object(), SseKms::new(arn("us-east-1")), b"meow").unwrap();
    assert_eq!(here.envelope.kms_key_id(), Some(&*arn("eu-west-1")));

    let refused = [
        (provider(&eu, "eu-west-1", true), listed.clone(), Kind::WrongKey),
        (provider(&eu, "eu-west-1", false), listed.with_replicas(), Kind::OtherRegion),
    ];
    for (provider, keys, kind) in refused {
        let sse = Sse::builder().kms(provider, keys).build().unwrap();
        match sse.blocking().decrypt(&object(), &stored, Unlock::Server).unwrap_err() {
            Error::KeyProvider(error) => assert_eq!(error.kind(), kind),
            error => panic!("{error}"),
        }
    }
}
