//! Properties of every combination of headers, default, policy and stored envelope.

use atrest::s3::{
    BucketDefault, BucketEncryption, BucketPolicy, Completing, DefaultEncryption, EncryptionHeaders, ObjectEncryption,
    PartWriting, PolicySource, Profile, S3Error, S3ErrorKind as Kind, S3Operation, S3Rules, Stored, Transport, Writing,
};
use atrest::{AnyMode, ModeId};
use proptest::prelude::*;

use super::kit::*;

/// The values of a request that no answer may show.
const SECRETS: [&str; 6] = [KEY, KEY_MD5, OTHER, OTHER_MD5, SHORT, CANARY];

fn buckets() -> Vec<BucketDefault> {
    vec![
        BucketDefault::Absent,
        BucketDefault::Implicit(BucketEncryption::default()),
        kms_default(Some("alias/bucket")).into(),
        bucket(DefaultEncryption::DsseKms { key_id: None }).into(),
        blocking().into(),
    ]
}

fn stored_ones(world: &World, pick: fn(&World, usize) -> Stored) -> Vec<Stored> {
    let encrypted = (0..4).map(|at| pick(world, at));
    encrypted.chain([Stored::unencrypted(), Stored::absent()]).collect()
}

fn operations(world: &World) -> Vec<Operation> {
    let mut operations = vec![Operation::Put, Operation::Post, Operation::Create];
    for object in stored_ones(world, World::object) {
        operations.extend([
            Operation::Copy(object.clone()),
            Operation::PartCopy { upload: world.upload(SSE_KMS), source: object.clone() },
            Operation::PartCopy { upload: Stored::unencrypted(), source: object.clone() },
            Operation::Get(object.clone()),
            Operation::Head(object.clone()),
            Operation::Attributes(object.clone()),
            Operation::Update(object, ObjectEncryption::new("alias/app")),
        ]);
    }
    for upload in stored_ones(world, World::upload) {
        operations.extend([Operation::Part(upload.clone()), Operation::Complete(upload)]);
    }
    operations
}

fn is_unencrypted(stored: &Stored) -> bool {
    stored.record().is_some_and(|record| record.mode().is_none())
}

/// Checks that hold for every answer.
fn check(pairs: Pairs<'_>, operation: &Operation, bucket: &BucketDefault, outcome: Result<Decided, S3Error>) {
    let what = || format!("{pairs:?} {operation:?} {bucket:?}");
    let asks = pairs.iter().any(|(name, _)| !name.starts_with("x-amz-copy-source-"));
    let given = |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
    let decision = match outcome {
        Ok(decision) => decision,
        Err(error) => {
            assert!(S3Rules::new().status(&error).is_client_error(), "{} {error:?}", what());
            let shown = format!("{error} {error:?} {}", error.to_xml(S3Operation::PutObject, "1", "h"));
            for secret in SECRETS {
                assert!(!shown.contains(secret), "{shown}");
            }
            return;
        }
    };
    match decision.writing() {
        None => {}
        Some(Writing::Unencrypted(record)) => {
            assert!(!asks && *bucket == BucketDefault::Absent, "unencrypted: {}", what());
            assert!(record.mode().is_none());
        }
        Some(Writing::Encrypt(encryption)) => {
            let mode = encryption.mode();
            let expected = match (given(W), given(C_KEY)) {
                (None, Some(_)) => Some(ModeId::SseC),
                (Some("AES256"), None) => Some(ModeId::SseS3),
                (Some("aws:kms"), None) => Some(ModeId::SseKms),
                (Some("aws:kms:dsse"), None) => Some(ModeId::DsseKms),
                (None, None) => None,
                _ => panic!("decided on a contradiction: {}", what()),
            };
            assert!(expected.is_none_or(|expected| expected == mode.id()), "{}", what());
            let key_id = match &mode {
                AnyMode::SseKms(mode) => mode.key_id(),
                AnyMode::DsseKms(mode) => mode.key_id(),
                _ => "",
            };
            if expected.is_some() {
                assert_eq!(key_id, given(K).unwrap_or_default(), "{}", what());
            }
        }
    }
    let part = match &decision {
        Decided::Part(part) => Some(&part.writing),
        Decided::PartCopy(copy) => Some(&copy.part.writing),
        _ => None,
    };
    match (part, operation) {
        (Some(PartWriting::Unencrypted), Operation::Part(upload) | Operation::PartCopy { upload, .. }) => {
            assert!(is_unencrypted(upload) && !asks, "{}", what());
        }
        (Some(PartWriting::Encrypt(_)), Operation::Part(upload) | Operation::PartCopy { upload, .. }) => {
            assert!(!is_unencrypted(upload), "{}", what());
        }
        _ => assert!(part.is_none()),
    }
    if let (Decided::Complete(complete), Operation::Complete(upload)) = (&decision, operation) {
        let unencrypted = matches!(complete.completing, Completing::Unencrypted);
        assert_eq!(unencrypted, is_unencrypted(upload), "{}", what());
    }
    let writes = matches!(operation, Operation::Put | Operation::Post | Operation::Create | Operation::Copy(_));
    assert_eq!(decision.writing().is_some(), writes, "{}", what());
    let shown = format!("{decision:?}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn nothing_is_stored_unencrypted_unless_nothing_asked_for_more_and_nothing_secret_is_shown() {
    let world = World::new();
    let (operations, buckets) = (operations(&world), buckets());
    let context = context(&format!(r#"{{"team":"{CANARY}"}}"#));
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::photos/*","Condition":{"Null":{"s3:x-amz-server-side-encryption":"true"}}}]}"#;
    let policy = PolicySource::Bucket(BucketPolicy::from_json(policy.as_bytes()).unwrap().into());
    let ceph = S3Rules::new().with_profile(Profile::CephTests);

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
                let ask = Ask::new(&pairs);
                for bucket in &buckets {
                    let ask = ask.clone().on(bucket.clone());
                    for transport in [Transport::Secure, Transport::Plain] {
                        let ask = ask.clone().over(transport);
                        let other = ask.clone().under(policy.clone()).rules(ceph.clone());
                        for operation in &operations {
                            check(&pairs, operation, bucket, ask.decide(operation.clone()));
                            check(&pairs, operation, bucket, other.decide(operation.clone()));
                            decisions += 2;
                        }
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
    let mut unencrypted = 0;
    for bucket in buckets() {
        for included in 0_u32..1 << 7 {
            let all =
                [(W, "aws:kms"), (K, "alias/app"), (X, "e30="), (B, "true"), CUSTOMER[0], CUSTOMER[1], CUSTOMER[2]];
            let pairs: Vec<_> = (0..7).filter(|bit| included & (1 << bit) != 0).map(|bit| all[bit]).collect();
            for operation in [Operation::Put, Operation::Copy(world.object(SSE_S3))] {
                let outcome = Ask::new(&pairs).on(bucket.clone()).decide(operation.clone());
                if let Ok(Some(Writing::Unencrypted(_))) = outcome.as_ref().map(Decided::writing) {
                    unencrypted += 1;
                    assert_eq!((included, &bucket), (0, &BucketDefault::Absent));
                }
                check(&pairs, &operation, &bucket, outcome);
            }
        }
    }
    assert_eq!(unencrypted, 2, "nothing asked, in a bucket without encryption: once put and once copied");
}

fn any_value() -> impl Strategy<Value = String> {
    let usual =
        ["AES256", "aws:kms", "aws:kms:dsse", "true", "false", "alias/app", KEY, KEY_MD5, OTHER, SHORT, "e30=", ""];
    prop_oneof![proptest::sample::select(usual.to_vec()).prop_map(str::to_owned), "\\PC{0,60}", "[A-Za-z0-9+/=]{0,64}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever the headers hold: no panic, and nothing unencrypted.
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
            let operations = operations(world);
            let bucket = buckets().swap_remove(bucket);
            let transport = if plain { Transport::Plain } else { Transport::Secure };
            let ask = Ask::of(headers.clone()).over(transport).on(bucket.clone());
            let outcome = ask.decide(at.get(&operations).clone());
            if let Ok(Some(Writing::Unencrypted(_))) = outcome.as_ref().map(Decided::writing) {
                assert!(headers.is_empty() || pairs.iter().all(|(name, _)| name.starts_with("x-amz-copy")));
                assert_eq!(bucket, BucketDefault::Absent);
            }
        });
    }

    /// The bytes of a field are checked before they are read as text.
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
        let is_key = [C_KEY, C_MD5, S_KEY, S_MD5].contains(&NAMES[name]);
        prop_assert!(is_text || is_key || parsed.is_err());
    }
}
