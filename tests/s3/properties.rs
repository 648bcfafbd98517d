//! What no combination of headers, default, policy and stored envelope leads to.

use atrest::s3::{
    Access, BucketEncryption, BucketPolicy, Decision, DefaultEncryption, EncryptionHeaders, ObjectEncryption,
    Operation, PolicyCheck, Profile, S3Error, S3ErrorKind as Kind, S3Request, Stored, Transport, Write, decide,
};
use atrest::{AnyMode, ModeId};
use proptest::prelude::*;

use crate::kit::*;

const RESOURCE: &str = "arn:aws:s3:::photos/cat.jpg";

/// Everything that stands in a request and belongs in no answer.
const SECRETS: [&str; 6] = [KEY, KEY_MD5, OTHER, OTHER_MD5, SHORT, CANARY];

fn buckets() -> Vec<Option<BucketEncryption>> {
    vec![
        None,
        Some(BucketEncryption::default()),
        Some(kms_default(Some("alias/bucket"))),
        Some(bucket(DefaultEncryption::DsseKms { key_id: None })),
        Some(blocking()),
    ]
}

fn stored_ones(world: &World, pick: fn(&World, usize) -> Stored<'_>) -> Vec<Stored<'_>> {
    let encrypted = (0..4).map(|at| pick(world, at));
    encrypted.chain([Stored::InTheClear]).collect()
}

fn operations<'a>(world: &'a World, target: &'a ObjectEncryption) -> Vec<Operation<'a>> {
    let mut operations = vec![Operation::PutObject, Operation::PostObject, Operation::CreateMultipartUpload];
    for object in stored_ones(world, World::object) {
        operations.extend([
            Operation::CopyObject { source: object },
            Operation::UploadPartCopy { upload: world.upload(SSE_KMS), source: object },
            Operation::UploadPartCopy { upload: Stored::InTheClear, source: object },
            Operation::GetObject { object },
            Operation::HeadObject { object },
            Operation::GetObjectAttributes { object },
            Operation::UpdateObjectEncryption { object, target },
        ]);
    }
    for upload in stored_ones(world, World::upload) {
        operations.extend([Operation::UploadPart { upload }, Operation::CompleteMultipartUpload { upload }]);
    }
    operations
}

fn is_in_the_clear(stored: Stored<'_>) -> bool {
    matches!(stored, Stored::InTheClear)
}

/// What holds of every answer.
fn check(
    pairs: Pairs<'_>,
    operation: Operation<'_>,
    bucket: Option<&BucketEncryption>,
    outcome: Result<Decision, S3Error>,
) {
    let what = || format!("{pairs:?} {operation:?} {bucket:?}");
    let asks = pairs.iter().any(|(name, _)| !name.starts_with("x-amz-copy-source-"));
    let given = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let decision = match outcome {
        Ok(decision) => decision,
        Err(error) => {
            assert!(error.status().is_client_error(), "{} {error:?}", what());
            let shown = format!("{error} {error:?} {}", error.to_xml(RESOURCE, "1"));
            for secret in SECRETS {
                assert!(!shown.contains(secret), "{shown}");
            }
            return;
        }
    };
    match &decision.write {
        None => {}
        Some(Write::InTheClear) => assert!(!asks && bucket.is_none(), "in the clear: {}", what()),
        Some(Write::Encrypt(mode)) => {
            let expected = match (given(W), given(C_KEY)) {
                (None, Some(_)) => Some(ModeId::SseC),
                (Some("AES256"), None) => Some(ModeId::SseS3),
                (Some("aws:kms"), None) => Some(ModeId::SseKms),
                (Some("aws:kms:dsse"), None) => Some(ModeId::DsseKms),
                (None, None) => None,
                _ => panic!("decided on a contradiction: {}", what()),
            };
            assert!(expected.is_none_or(|expected| expected == mode.id()), "{}", what());
            let key_id = match mode {
                AnyMode::SseKms(mode) => mode.key_id(),
                AnyMode::DsseKms(mode) => mode.key_id(),
                _ => "",
            };
            if expected.is_some() {
                assert_eq!(key_id, given(K).unwrap_or_default(), "{}", what());
            }
        }
    }
    let upload = match operation {
        Operation::UploadPart { upload }
        | Operation::UploadPartCopy { upload, .. }
        | Operation::CompleteMultipartUpload { upload } => Some(upload),
        _ => None,
    };
    match (&decision.upload, upload) {
        (None, None) => {}
        (Some(Access::InTheClear), Some(upload)) => assert!(is_in_the_clear(upload) && !asks, "{}", what()),
        (Some(Access::Encrypted { .. }), Some(upload)) => assert!(!is_in_the_clear(upload), "{}", what()),
        other => panic!("{other:?} {}", what()),
    }
    let writes = matches!(
        operation,
        Operation::PutObject | Operation::PostObject | Operation::CreateMultipartUpload | Operation::CopyObject { .. }
    );
    assert_eq!(decision.write.is_some(), writes, "{}", what());
    let shown = format!("{decision:?}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn nothing_is_stored_in_the_clear_unless_nothing_asked_for_more_and_nothing_secret_is_shown() {
    let world = World::new();
    let target = ObjectEncryption::new("alias/app");
    let operations = operations(&world, &target);
    let (buckets, context) = (buckets(), context(&format!(r#"{{"team":"{CANARY}"}}"#)));
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}]}"#;
    let policy = policy.replace(r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::photos/*""#);
    let policy = BucketPolicy::from_json(policy.as_bytes()).unwrap();
    let check_of = PolicyCheck::new(&policy, None, RESOURCE);

    let methods: [Pairs<'_>; 5] = [&[], &[(W, "AES256")], &[(W, "aws:kms")], &[(W, "aws:kms:dsse")], &[(W, "")]];
    let keys: [Pairs<'_>; 2] = [&[], &[(K, "alias/app")]];
    let contexts: [Pairs<'_>; 3] = [&[], &[(X, &context)], &[(X, CANARY)]];
    let bucket_keys: [Pairs<'_>; 3] = [&[], &[(B, "true")], &[(B, "0")]];
    let wrong = [(C_ALGORITHM, "AES256"), (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    let short = [(C_ALGORITHM, "AES256"), (C_KEY, SHORT), (C_MD5, SHORT_MD5)];
    let customers: [Pairs<'_>; 6] = [&[], &CUSTOMER, &CUSTOMER[..2], &CUSTOMER[1..], &wrong, &short];
    let sources: [Pairs<'_>; 3] = [&[], &SOURCE, &SOURCE[..1]];
    let mut decisions = 0_u32;
    for (method, key) in methods.iter().flat_map(|m| keys.iter().map(move |k| (m, k))) {
        for (context, bucket_key) in contexts.iter().flat_map(|x| bucket_keys.iter().map(move |b| (x, b))) {
            for (customer, source) in customers.iter().flat_map(|c| sources.iter().map(move |s| (c, s))) {
                let pairs = [*method, key, context, bucket_key, customer, source].concat();
                let headers = headers(&pairs);
                for (operation, bucket) in operations.iter().flat_map(|o| buckets.iter().map(move |b| (o, b.as_ref())))
                {
                    for transport in [Transport::Secure, Transport::Plain] {
                        let request = S3Request::new(*operation, &headers, transport, of(bucket));
                        check(&pairs, *operation, bucket, decide(&request));
                        let other = request.policy(check_of).profile(Profile::CephTests);
                        check(&pairs, *operation, bucket, decide(&other));
                        decisions += 2;
                    }
                }
            }
        }
    }
    assert!(decisions > 1_000_000, "{decisions}");
}

#[test]
fn every_write_in_every_bucket_is_decided_for_every_combination_of_headers() {
    let world = World::new();
    let mut in_the_clear = 0;
    for bucket in buckets() {
        for included in 0_u32..1 << 7 {
            let all =
                [(W, "aws:kms"), (K, "alias/app"), (X, "e30="), (B, "true"), CUSTOMER[0], CUSTOMER[1], CUSTOMER[2]];
            let pairs: Vec<_> = (0..7).filter(|bit| included & (1 << bit) != 0).map(|bit| all[bit]).collect();
            for operation in [Operation::PutObject, Operation::CopyObject { source: world.object(SSE_S3) }] {
                let headers = headers(&pairs);
                let outcome = decide(&S3Request::new(operation, &headers, Transport::Secure, of(bucket.as_ref())));
                if let Ok(Decision { write: Some(Write::InTheClear), .. }) = &outcome {
                    in_the_clear += 1;
                    assert_eq!((included, bucket.is_none()), (0, true));
                }
                check(&pairs, operation, bucket.as_ref(), outcome);
            }
        }
    }
    assert_eq!(in_the_clear, 2, "nothing asked, in a bucket without encryption: once put and once copied");
}

fn any_value() -> impl Strategy<Value = String> {
    let usual =
        ["AES256", "aws:kms", "aws:kms:dsse", "true", "false", "alias/app", KEY, KEY_MD5, OTHER, SHORT, "e30=", ""];
    prop_oneof![proptest::sample::select(usual.to_vec()).prop_map(str::to_owned), "\\PC{0,60}", "[A-Za-z0-9+/=]{0,64}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever the headers hold: no panic, and nothing in the clear.
    #[test]
    fn any_text_in_any_header_is_decided_about(
        fields in proptest::collection::vec((0_usize..10, any_value()), 0..8),
        at in any::<prop::sample::Index>(),
        bucket in 0_usize..5,
        plain in any::<bool>(),
    ) {
        thread_local!(static WORLD: World = World::new());
        const NAMES: [&str; 10] = [W, K, X, B, C_ALGORITHM, C_KEY, C_MD5, S_ALGORITHM, S_KEY, S_MD5];
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (NAMES[*name], &**value)).collect();
        let headers = match EncryptionHeaders::from_form_fields(pairs.iter().copied()) {
            Ok(headers) => headers,
            Err(error) => {
                let kinds = [Kind::HeaderRepeated, Kind::HeaderTooLong, Kind::HeaderNotText];
                prop_assert!(kinds.contains(&error.kind()));
                return Ok(());
            }
        };
        WORLD.with(|world| {
            let target = ObjectEncryption::new("alias/app");
            let operations = operations(world, &target);
            let operation = *at.get(&operations);
            let buckets = buckets();
            let transport = if plain { Transport::Plain } else { Transport::Secure };
            let outcome = decide(&S3Request::new(operation, &headers, transport, of(buckets[bucket].as_ref())));
            if let Ok(Decision { write: Some(Write::InTheClear), .. }) = &outcome {
                assert!(headers.is_empty() || pairs.iter().all(|(name, _)| name.starts_with("x-amz-copy")));
                assert!(buckets[bucket].is_none());
            }
        });
    }

    /// The bytes of a field are looked at before they are text.
    #[test]
    fn any_bytes_in_any_field_are_refused_or_taken(
        fields in proptest::collection::vec((any::<String>(), proptest::collection::vec(any::<u8>(), 0..80)), 0..6),
        name in 0_usize..10,
        value in proptest::collection::vec(any::<u8>(), 0..3_000),
    ) {
        const NAMES: [&str; 10] = [W, K, X, B, C_ALGORITHM, C_KEY, C_MD5, S_ALGORITHM, S_KEY, S_MD5];
        let ours = (NAMES[name].to_owned(), value.clone());
        let parsed = EncryptionHeaders::from_form_fields(fields.into_iter().chain([ours]));
        let is_text = value.iter().all(|byte| (b' '..=b'~').contains(byte));
        prop_assert!(is_text || parsed.is_err());
    }
}
