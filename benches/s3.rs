//! The cost of an S3 decision.

use std::hint::black_box;
use std::sync::Arc;

use atrest::s3::{
    BucketEncryption, BucketPolicy, Caller, ConditionValues, CopySource, EncryptionHeaders, EncryptionRecord,
    ListedEtag, NewObject, PlaintextMd5, PolicyRequest, PolicySource, ReadKind, Resource, S3Error, S3Request, S3Rules,
    Signature, Stored, StoredEtag, Transport,
};
use atrest::testing::unwrap_data_key;
use atrest::{CustomerKey, Envelope, Keyring, ObjectName, Sse, SseC, SseS3};
use criterion::{Criterion, criterion_group, criterion_main};
use http::HeaderMap;

const KEY: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
const KEY_MD5: &str = "Xsqb0+sHwAbNQ65I395/0w==";
const PRINCIPAL: &str = "arn:aws:iam::111122223333:user/alice";

type Pairs<'a> = &'a [(&'static str, &'static str)];

/// None of the five statements denies the request, so that all are evaluated.
const POLICY: &[u8] = br#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"],
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "s3:PutObject", "Resource": "arn:aws:s3:::photos/*",
     "Condition": {"StringEquals": {"s3:x-amz-server-side-encryption": ["aws:fsx", "aws:backup"]}}},
    {"Effect": "Deny", "Principal": "*", "Action": ["s3:PutObject", "s3:PutObjectAcl"], "Resource": "arn:aws:s3:::photos/secret/*",
     "Condition": {"Null": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "true"}}},
    {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::photos/*",
     "Condition": {"StringLike": {"s3:x-amz-server-side-encryption": ["*dsse", "AES1*"]}}},
    {"Effect": "Allow", "Principal": {"AWS": ["111122223333", "arn:aws:iam::111122223333:user/alice"]},
     "Action": ["s3:Get*", "s3:Put*"], "Resource": "arn:aws:s3:::photos/*"}
]}"#;

/// A client's request, including headers that the decision ignores.
fn request(encryption: Pairs<'_>) -> HeaderMap {
    let others = [
        ("host", "photos.s3.example.com"),
        ("user-agent", "aws-cli/2.17 md/awscrt#0.20.11 ua/2.0 os/linux md/arch#x86_64 lang/python#3.11"),
        ("authorization", "AWS4-HMAC-SHA256 Credential=AKIA/20260401/us-east-1/s3/aws4_request, Signature=0123"),
        ("x-amz-date", "20260401T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("x-amz-sdk-checksum-algorithm", "CRC64NVME"),
        ("content-type", "image/jpeg"),
        ("content-length", "1048576"),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in others.iter().chain(encryption) {
        headers.insert(*name, value.parse().expect("a value"));
    }
    headers
}

fn s3(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("s3");
    let sse = Sse::builder().keyring(Keyring::generate().expect("a keyring")).build().expect("a backend");
    let name = ObjectName::new("photos", "2026/cat.jpg").expect("a name");
    let mode = || SseC::new(CustomerKey::from_slice(&mut [b'a'; 32]).expect("a key"));
    let server = sse.blocking().encrypt(&name, SseS3, b"").expect("an object").envelope;
    let customer = sse.blocking().encrypt(&name, mode(), b"").expect("an object").envelope;
    let upload = sse.blocking().begin_multipart(&name, b"upload", mode()).expect("an upload").envelope().clone();
    let stored = |envelope: &Envelope| Stored::encrypted(EncryptionRecord::of_envelope(envelope), envelope.clone());
    let (server, customer, upload) = (stored(&server), stored(&customer), stored(&upload));

    let kms = [
        ("x-amz-server-side-encryption", "aws:kms"),
        (
            "x-amz-server-side-encryption-aws-kms-key-id",
            "arn:aws:kms:us-east-1:111122223333:key/134f2428-cec1-4b25-a1ae-9048164dba47",
        ),
        ("x-amz-server-side-encryption-context", "eyJ0ZWFtIjoicGhvdG9zIn0="),
        ("x-amz-server-side-encryption-bucket-key-enabled", "true"),
    ];
    let customer_key = [
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", KEY),
        ("x-amz-server-side-encryption-customer-key-md5", KEY_MD5),
    ];
    let both_keys = [
        &customer_key[..],
        &[
            ("x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256"),
            ("x-amz-copy-source-server-side-encryption-customer-key", KEY),
            ("x-amz-copy-source-server-side-encryption-customer-key-md5", KEY_MD5),
        ],
    ]
    .concat();
    type Decide<'a> = &'a dyn Fn(&S3Rules, &S3Request) -> Result<(), S3Error>;
    let put: Decide<'_> = &|rules, request| rules.decide_write(request, NewObject::Put).map(drop);
    let get = |object: Stored| {
        move |rules: &S3Rules, request: &S3Request| rules.decide_read(request, ReadKind::Get, &object).map(drop)
    };
    let (get_server, get_customer) = (get(server), get(customer.clone()));
    let source = |policy| CopySource::new(customer.clone(), Resource::object("photos", "2026/dog.jpg"), policy);
    let bare = source(PolicySource::Unasked);
    let part_copy: Decide<'_> = &|rules, request| rules.decide_part_copy(request, &upload, &bare).map(drop);
    let cases: [(&str, Pairs<'_>, Decide<'_>); 7] = [
        ("put/default", &[], put),
        ("put/sse-s3", &[("x-amz-server-side-encryption", "AES256")], put),
        ("put/sse-kms", &kms, put),
        ("put/sse-c", &customer_key, put),
        ("get/sse-s3", &[], &get_server),
        ("get/sse-c", &customer_key, &get_customer),
        // The most expensive decision: two customer keys are checked against the stored envelope.
        ("upload-part-copy/sse-c", &both_keys, part_copy),
    ];
    let policy = PolicySource::Bucket(Arc::new(BucketPolicy::from_json(POLICY).expect("a policy")));
    let rules = S3Rules::new();
    for (case, pairs, decide) in cases {
        let map = request(pairs);
        let headers = EncryptionHeaders::from_headers(&map).expect("headers");
        let asked = |policy: PolicySource| {
            let caller = Caller::signed(Transport::Secure, Signature::V4, PRINCIPAL);
            let resource = Resource::object("photos", "2026/cat.jpg");
            S3Request::new(headers.clone(), caller, resource, BucketEncryption::default(), policy)
        };
        let (unasked, under_policy) = (asked(PolicySource::Unasked), asked(policy.clone()));
        assert!(decide(&rules, &unasked).is_ok() && decide(&rules, &under_policy).is_ok());
        group.bench_function(format!("headers/{case}"), |bencher| {
            bencher.iter(|| EncryptionHeaders::from_headers(black_box(&map)).expect("headers"));
        });
        group.bench_function(format!("request/{case}"), |bencher| bencher.iter(|| asked(PolicySource::Unasked)));
        group.bench_function(format!("decide/{case}"), |bencher| {
            bencher.iter(|| decide(&rules, black_box(&unasked)));
        });
        group.bench_function(format!("decide-under-policy/{case}"), |bencher| {
            bencher.iter(|| decide(&rules, black_box(&under_policy)));
        });
    }
    group.finish();
}

/// The most expensive documents that are accepted, against the longest object key and KMS key header.
fn policies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("policy");
    let statement = |resources: Vec<String>, condition: serde_json::Value| {
        serde_json::json!({"Statement": {
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources, "Condition": condition}})
    };
    let any = || serde_json::json!({"Bool": {"aws:SecureTransport": [true, false]}});
    let like = |patterns: Vec<String>| {
        let patterns = serde_json::json!({"StringLike": {"s3:x-amz-server-side-encryption-aws-kms-key-id": patterns}});
        statement(vec!["arn:aws:s3:::b/*".into()], patterns)
    };
    let many = |pattern: &str, count: usize| vec![pattern.to_owned(); count];
    let accounts: Vec<String> = (0..1_300).map(|number| format!("{number:012}")).collect();
    let cases = [
        ("resources/two stars", statement(many("arn:aws:s3:::b/*aaaaaaaaab*", 256), any())),
        ("resources/question marks", statement(many(&format!("arn:aws:s3:::b/*?{}b*", "a".repeat(400)), 1), any())),
        (
            "resources/spread question marks",
            statement(many(&format!("arn:aws:s3:::b/*{}b*", "a?".repeat(49)), 1), any()),
        ),
        (
            "resources/anchored question marks",
            statement(many(&format!("arn:aws:s3:::b/*{0}?{1}b*", "a".repeat(220), "a".repeat(210)), 1), any()),
        ),
        ("resources/ends", statement(many(&format!("arn:aws:s3:::b/{}b*", "?".repeat(900)), 20), any())),
        ("values/two stars", like(many("*aaaaaaaaaaab*", 256))),
        ("values/short", like(many("*ab*", 256))),
        ("values/many parts", like(many(&format!("*{}b*", "a*".repeat(500)), 2))),
        ("values/question marks", like(many(&format!("*?{}b*", "a".repeat(400)), 1))),
        (
            "principals",
            serde_json::json!({"Statement": {
            "Effect": "Deny", "Principal": {"AWS": accounts}, "Action": "s3:*", "Resource": "arn:aws:s3:::b/*"}}),
        ),
    ];
    let resource = format!("arn:aws:s3:::b/{}", "a".repeat(1_024));
    let key_id = "a".repeat(2_048);
    let conditions = ConditionValues::new(true).with_kms_key_id(Some(&key_id));
    for (case, document) in cases {
        let policy = BucketPolicy::from_json(document.to_string().as_bytes()).expect(case);
        let request = PolicyRequest {
            principal: Some(PRINCIPAL),
            action: "s3:PutObject",
            resource: &resource,
            conditions: &conditions,
        };
        group.bench_function(case, |bencher| bencher.iter(|| policy.evaluate(black_box(&request))));
    }
    group.finish();
}

/// A listing of a thousand SSE-S3 objects: opening their ETags, compared with only unwrapping their keys.
fn etags(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("etags");
    let sse = Sse::builder().keyring(Keyring::generate().expect("a keyring")).build().expect("a backend");
    let object = |number: usize| {
        let name = ObjectName::new("photos", format!("2026/{number}.jpg")).expect("a name");
        let (envelope, encryptor) = sse.blocking().encryptor(&name, SseS3).expect("an object");
        let md5 = PlaintextMd5::new((number as u128).to_be_bytes());
        let (_, stored) = StoredEtag::of_write(&envelope, &encryptor.values(), Some(md5)).expect("an ETag");
        (name, envelope, stored)
    };
    let objects: Vec<_> = (0..1_000).map(object).collect();
    let listed: Vec<ListedEtag<'_>> = objects
        .iter()
        .map(|(object, envelope, stored)| ListedEtag { object, envelope: Some(envelope), stored })
        .collect();
    group.bench_function("open 1,000", |bencher| {
        bencher.iter(|| {
            let etags = sse.blocking().open_etags(black_box(&listed)).expect("no trail");
            assert!(etags.iter().all(Result::is_ok));
        });
    });
    group.bench_function("unwrap 1,000", |bencher| {
        bencher.iter(|| {
            for (object, envelope, _) in black_box(&objects) {
                unwrap_data_key(&sse, object, envelope).expect("a data key");
            }
        });
    });
    group.finish();
}

criterion_group!(benches, s3, policies, etags);
criterion_main!(benches);
