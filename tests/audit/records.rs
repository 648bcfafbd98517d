//! The shape of an audit record.

use std::fs;
use std::sync::Arc;

use atrest::audit::JsonLines;
use atrest::error::KeyProviderErrorKind;
use atrest::{Expected, KmsKeys, ObjectName, Requester, Rewrap, Sse, SseKms, SseS3, Unlock};
use serde_json::{Value, json};

use crate::kit::{ALICE, Audited, context};
use atrest_kit::{Faulty, OneKey, Service, name};

const ARN: &str = "arn:aws:kms:eu-central-1:444455556666:key/1234abcd-12ab-34cd-56ef-1234567890ab";

/// A trail in a file, with the last record in it, without the fields that differ in each run.
struct Trail {
    directory: tempfile::TempDir,
    kms: Arc<Faulty<OneKey>>,
    service: Service,
}

impl Trail {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (audited, kms) = (Audited::new(), Faulty::new(OneKey::new(ARN, &[1], [7; 32])));
        let sink = Arc::new(JsonLines::builder(directory.path().join("audit.jsonl")).open().unwrap());
        let service = audited.with_trail(|builder| {
            builder.kms(kms.clone(), KmsKeys::only([ARN])).audit(atrest::audit::AuditTrail::new(sink))
        });
        Self { directory, kms, service }
    }

    fn sse(&self) -> &Sse {
        &self.service.sse
    }

    fn last(&self) -> Value {
        let lines = fs::read_to_string(self.directory.path().join("audit.jsonl")).unwrap();
        let mut record: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        let fields = record.as_object_mut().unwrap();
        let id = fields.remove("eventID").unwrap();
        let id = id.as_str().unwrap();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4' && matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
        let time = fields.remove("eventTime").unwrap();
        let time = time.as_str().unwrap();
        assert!(time.len() == 20 && time.starts_with("20") && time.as_bytes()[10] == b'T' && time.ends_with('Z'));
        record
    }
}

#[test]
fn an_object_that_was_encrypted_under_a_kms_key() {
    let trail = Trail::new();
    let object = name().with_version_id("3/L4kqtJ").unwrap().with_realm("account-7").unwrap();
    let mode = SseKms::new("alias/app").with_context(context());
    trail.sse().blocking().encrypt(&object, mode, b"meow").unwrap();
    let expected = json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser",
            "arn": ALICE,
            "accountId": "111122223333",
            "userName": "alice",
        },
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "awsRegion": "eu-central-1",
        "requestParameters": {
            "bucketName": "photos",
            "key": "2026/cat.jpg",
            "versionId": "3/L4kqtJ",
            "realm": "account-7",
            "keyId": "alias/app",
            "encryptionContext": { "team": "the-team-of-photos" },
        },
        "responseElements": null,
        "additionalEventData": {
            "SSEApplied": "SSE_KMS",
            "keyId": ARN,
            "keyProviderAnswers": [{ "eventName": "GenerateDataKey", "keyFrom": "call", "requestID": "7f3a" }],
        },
        "readOnly": false,
        "resources": [
            { "type": "AWS::S3::Object", "ARN": "arn:aws:s3:::photos/2026/cat.jpg" },
            { "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos" },
            { "accountId": "444455556666", "type": "AWS::KMS::Key", "ARN": ARN },
        ],
        "eventType": "AwsApiCall",
        "managementEvent": false,
        "recipientAccountId": "444455556666",
        "eventCategory": "Data",
    });
    assert_eq!(trail.last(), expected);
}

#[test]
fn an_object_that_was_rewrapped_under_another_name() {
    let trail = Trail::new();
    let stored = trail.sse().blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    let new = ObjectName::new("archive", "cat").unwrap();
    trail.sse().blocking().rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&new, SseS3)).unwrap();
    let record = trail.last();
    assert_eq!(record["eventName"], "UpdateObjectEncryption");
    let names = json!({
        "bucketName": "archive",
        "key": "cat",
        "copySource": { "bucketName": "photos", "key": "2026/cat.jpg" },
    });
    assert_eq!(record["requestParameters"], names);
    let keyring = trail.service.keyring.key_id();
    let applied = json!({ "SSEApplied": "SSE_S3", "keyId": keyring, "keyVersion": 1 });
    assert_eq!(record["additionalEventData"], applied);
    assert_eq!((record.get("awsRegion"), record.get("recipientAccountId")), (None, None));
}

#[test]
fn an_object_under_a_customer_key_read_by_nobody_in_particular_and_refused() {
    let trail = Trail::new();
    let sse = trail.sse().requested_by(Requester::anonymous());
    let stored = sse.blocking().encrypt(&name(), trail.service.sse_c(), b"meow").unwrap();
    sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    let expected = json!({
        "eventVersion": "1.11",
        "userIdentity": { "type": "AWSAccount", "principalId": "", "accountId": "anonymous" },
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "errorCode": "InvalidRequest",
        "errorMessage": "the object is SSE-C, its customer key is required",
        "requestParameters": { "bucketName": "photos", "key": "2026/cat.jpg" },
        "responseElements": null,
        "additionalEventData": { "SSEApplied": "SSE_C" },
        "readOnly": true,
        "resources": [
            { "type": "AWS::S3::Object", "ARN": "arn:aws:s3:::photos/2026/cat.jpg" },
            { "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::photos" },
        ],
        "eventType": "AwsApiCall",
        "managementEvent": false,
        "eventCategory": "Data",
    });
    assert_eq!(trail.last(), expected);
}

#[test]
fn what_a_kms_refuses_has_the_code_that_aws_has_for_it() {
    let trail = Trail::new();
    for (kind, code) in [
        (KeyProviderErrorKind::NotFound, "NotFoundException"),
        (KeyProviderErrorKind::Disabled, "DisabledException"),
        (KeyProviderErrorKind::PendingDeletion, "KMSInvalidStateException"),
        (KeyProviderErrorKind::AccessDenied, "AccessDenied"),
        (KeyProviderErrorKind::Throttled, "ThrottlingException"),
        (KeyProviderErrorKind::Rejected, "InvalidCiphertextException"),
        (KeyProviderErrorKind::Unavailable, "KeyUnavailableException"),
    ] {
        trail.kms.refuse(Some(kind));
        trail.sse().blocking().encrypt(&name(), SseKms::new(ARN), b"meow").unwrap_err();
        let record = trail.last();
        assert_eq!(record["errorCode"], code);
        assert!(record["errorMessage"].as_str().unwrap().contains(&kind.to_string()), "{record}");
        // Where it was, is known from the ARN that was asked for; no key was used.
        assert_eq!(
            (&record["awsRegion"], &record["requestParameters"]["keyId"]),
            (&json!("eu-central-1"), &json!(ARN))
        );
        let answer = json!({ "eventName": "GenerateDataKey", "keyFrom": "call", "requestID": "7f3a" });
        let refused = json!({ "SSEApplied": "SSE_KMS", "keyProviderAnswers": [answer] });
        assert_eq!(record["additionalEventData"], refused);
    }
    let closed = trail.sse().expecting(Expected::new().with_modes([]));
    closed.blocking().encrypt(&name(), SseS3, b"meow").unwrap_err();
    assert_eq!(trail.last()["errorCode"], "AccessDenied");
}

#[test]
fn a_key_from_the_cache_is_marked_and_leads_to_the_call_that_brought_it() {
    let trail = Trail::new();
    let mode = SseKms::new(ARN).with_bucket_key(true);
    let answers = |record: &Value| record["additionalEventData"]["keyProviderAnswers"].clone();
    let answer = |name: &str, from: &str| json!({ "eventName": name, "keyFrom": from, "requestID": "7f3a" });
    for from in ["call", "cache"] {
        let stored = trail.sse().blocking().encrypt(&name(), mode.clone(), b"meow").unwrap();
        assert_eq!(answers(&trail.last()), json!([answer("GenerateDataKey", from)]));
        trail.sse().blocking().decrypt(&name(), &stored, Unlock::Server).unwrap();
        assert_eq!(answers(&trail.last()), json!([answer("Decrypt", from)]));
    }
    let stored = trail.sse().blocking().encrypt(&name(), mode, b"meow").unwrap();
    let name = name();
    let request = Rewrap::of(&name, &stored.envelope, Unlock::Server).to(&name, SseKms::new(ARN));
    trail.sse().blocking().rewrap(request).unwrap();
    assert_eq!(answers(&trail.last()), json!([answer("Decrypt", "cache"), answer("GenerateDataKey", "call")]));
}

#[test]
fn a_requester_is_what_its_name_says() {
    let trail = Trail::new();
    let arn = |kind: &str, arn: &str| json!({ "type": kind, "arn": arn, "accountId": "111122223333" });
    for (requester, identity) in [
        (
            "arn:aws:iam::111122223333:user/staff/bob",
            json!({ "type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/staff/bob", "accountId": "111122223333",
                    "userName": "bob" }),
        ),
        ("arn:aws:iam::111122223333:root", arn("Root", "arn:aws:iam::111122223333:root")),
        ("arn:aws:iam::111122223333:role/app", arn("Role", "arn:aws:iam::111122223333:role/app")),
        (
            "arn:aws:sts::111122223333:assumed-role/app/s",
            arn("AssumedRole", "arn:aws:sts::111122223333:assumed-role/app/s"),
        ),
        (
            "arn:aws:sts::111122223333:federated-user/f",
            arn("FederatedUser", "arn:aws:sts::111122223333:federated-user/f"),
        ),
        ("arn:other:store::111122223333:node/1", arn("Unknown", "arn:other:store::111122223333:node/1")),
        ("arn:too:short", json!({ "type": "Unknown", "userName": "arn:too:short" })),
        ("backup\n\"job\"", json!({ "type": "Unknown", "userName": "backup\n\"job\"" })),
    ] {
        let sse = trail.sse().requested_by(Requester::new(requester));
        sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
        assert_eq!(trail.last()["userIdentity"], identity);
    }
}

#[test]
fn names_that_are_not_text_are_encoded_all_of_them_and_come_back_as_they_were() {
    let trail = Trail::new();
    for (key, version_id) in
        [(&b"caf\xE9/100%.jpg"[..], &b"100%"[..]), (b"100%E9.jpg", b"\xFF\xFE"), (b"100%E9 \xE2\x82\xAC\n.jpg", b"v 1")]
    {
        let object = ObjectName::new("photos 1", key).unwrap().with_version_id(version_id).unwrap();
        trail.sse().blocking().encrypt(&object, SseS3, b"meow").unwrap();
        let record = trail.last();
        let parameters = &record["requestParameters"];
        let text = str::from_utf8(key).is_ok() && str::from_utf8(version_id).is_ok();
        assert_eq!(parameters.get("encoding-type"), (!text).then(|| json!("url")).as_ref());
        let name = |field: &str| {
            let name = parameters[field].as_str().unwrap();
            if text { name.as_bytes().to_vec() } else { percent_decoded(name) }
        };
        assert_eq!(
            (name("bucketName"), name("key"), name("versionId")),
            (b"photos 1".to_vec(), key.into(), version_id.into())
        );
        let (bucket, key) = (parameters["bucketName"].as_str().unwrap(), parameters["key"].as_str().unwrap());
        assert_eq!(record["resources"][0]["ARN"], format!("arn:aws:s3:::{bucket}/{key}"));
    }
}

/// Decodes naively, so that it shares no code with the encoder.
fn percent_decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            bytes.push(u8::from_str_radix(str::from_utf8(&after[..2]).unwrap(), 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}
