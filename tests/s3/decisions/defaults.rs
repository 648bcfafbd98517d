//! Request headers against bucket defaults, and the response headers of a write.

use atrest::s3::{BucketDefault, BucketEncryption, DefaultEncryption, S3Rules, Transport, Writing};
use atrest::{AnyMode, ModeId, Unlock};

use super::kit::*;

/// The mode and the KMS key, as it was named.
fn named(mode: &AnyMode) -> (ModeId, &str) {
    let key_id = match mode {
        AnyMode::SseKms(mode) => mode.key_id(),
        AnyMode::DsseKms(mode) => mode.key_id(),
        _ => "",
    };
    (mode.id(), key_id)
}

#[test]
fn the_request_wins_over_the_default_and_inherits_nothing_of_it() {
    let kms = || kms_default(Some("alias/bucket"));
    let dsse = || bucket(DefaultEncryption::DsseKms { key_id: Some("alias/bucket".to_owned()) });
    let cases: &[(Pairs<'_>, BucketEncryption, (ModeId, &str))] = &[
        (&[], BucketEncryption::default(), (ModeId::SseS3, "")),
        (&[], kms(), (ModeId::SseKms, "alias/bucket")),
        (&[], dsse(), (ModeId::DsseKms, "alias/bucket")),
        (&[], kms_default(None), (ModeId::SseKms, "")),
        (&[], bucket(DefaultEncryption::DsseKms { key_id: None }), (ModeId::DsseKms, "")),
        (&[(W, "AES256")], kms(), (ModeId::SseS3, "")),
        (&[(W, "AES256")], dsse(), (ModeId::SseS3, "")),
        (&[(W, "aws:kms")], BucketEncryption::default(), (ModeId::SseKms, "")),
        (&[(W, "aws:kms")], kms(), (ModeId::SseKms, "")),
        (&[(W, "aws:kms"), (K, "alias/app")], kms(), (ModeId::SseKms, "alias/app")),
        (&[(W, "aws:kms:dsse"), (K, "alias/app")], kms(), (ModeId::DsseKms, "alias/app")),
        (&[(W, "aws:kms:dsse")], kms(), (ModeId::DsseKms, "")),
        (&CUSTOMER, kms(), (ModeId::SseC, "")),
        (&CUSTOMER, dsse(), (ModeId::SseC, "")),
    ];
    for (pairs, bucket, expected) in cases {
        for operation in [Operation::Put, Operation::Post, Operation::Create] {
            let decision = asked_on(pairs, bucket.clone(), operation).unwrap();
            assert_eq!(named(&written(&decision)), *expected, "{pairs:?} on {bucket:?}");
        }
    }
}

#[test]
fn a_bucket_without_encryption_stores_unencrypted_what_asks_for_nothing() {
    for transport in [Transport::Secure, Transport::Plain] {
        let decision = Ask::new(&[]).over(transport).on(BucketDefault::Absent).decide(Operation::Put).unwrap();
        let Some(Writing::Unencrypted(record)) = decision.writing() else { panic!("unencrypted") };
        assert!(record.mode().is_none() && decision.response_headers(record).is_empty());
    }
    let decision = asked_on(&[(W, "AES256")], BucketDefault::Absent, Operation::Put).unwrap();
    assert_eq!(written(&decision).id(), ModeId::SseS3);
}

#[test]
fn a_write_can_be_done_as_decided_and_is_answered_with_how_it_was() {
    let world = World::new();
    let context = context(&format!(r#"{{"team":"{CANARY}"}}"#));
    let with_context = [(W, "aws:kms"), (K, "alias/app"), (X, &*context), (B, "true")];
    let in_dsse = [(W, "aws:kms:dsse"), (K, "alias/app"), (X, &*context), (B, "true")];
    let kms = [(W, "aws:kms"), (K, "alias/app")];
    let cases: &[(Pairs<'_>, Pairs<'_>)] = &[
        (&[], &[(W, "AES256")]),
        (&[(W, "AES256"), (B, "true")], &[(W, "AES256")]),
        (&kms, &[(W, "aws:kms"), (K, KMS_KEY)]),
        (&with_context, &[(W, "aws:kms"), (K, KMS_KEY), (B, "true"), (X, &context)]),
        (&in_dsse, &[(W, "aws:kms:dsse"), (K, KMS_KEY), (X, &context)]),
        (&CUSTOMER, &[(C_ALGORITHM, "AES256"), (C_MD5, KEY_MD5)]),
    ];
    for (pairs, expected) in cases {
        let ask = Ask::new(pairs).rules(S3Rules::new().with_bucket_keys(true));
        let decision = ask.decide(Operation::Put).unwrap();
        let encrypted = world.sse.blocking().encrypt(&world.name, written(&decision), b"meow").unwrap();
        let headers = decision.response_headers(&recorded(&world, &decision));
        let shown: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        let mut sorted = [&shown[..], &[]].concat();
        let mut wanted = expected.to_vec();
        sorted.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(sorted, wanted, "{pairs:?}");
        for (name, value) in &headers {
            assert_eq!(value.is_sensitive(), [X, C_MD5].contains(&name.as_str()), "{name}");
        }
        let key = key();
        let unlock = if written(&decision).id() == ModeId::SseC { Unlock::CustomerKey(&key) } else { Unlock::Server };
        assert_eq!(world.sse.blocking().decrypt(&world.name, &encrypted, unlock).unwrap(), b"meow");
    }
}

#[test]
fn the_header_for_a_bucket_key_overrides_the_bucket_and_counts_in_sse_kms_alone() {
    let world = World::new();
    world.kms.alias("", KMS_KEY);
    let enabled = |mut bucket: BucketEncryption| {
        bucket.bucket_key_enabled = true;
        bucket
    };
    let (kms, s3) = (enabled(kms_default(None)), enabled(BucketEncryption::default()));
    let dsse = enabled(bucket(DefaultEncryption::DsseKms { key_id: None }));
    let cases: &[(Pairs<'_>, &BucketEncryption, bool)] = &[
        (&[], &kms, true),
        (&[(B, "false")], &kms, false),
        (&[], &kms_default(None), false),
        (&[(B, "true")], &kms_default(None), true),
        (&[(W, "aws:kms")], &kms, true),
        (&[(W, "aws:kms")], &s3, true),
        (&[(W, "aws:kms"), (B, "false")], &s3, false),
        (&[(W, "AES256"), (B, "true")], &kms, false),
        (&[], &s3, false),
        (&[], &dsse, false),
        (&[(W, "aws:kms:dsse"), (B, "true")], &kms, false),
        (&CUSTOMER, &kms, false),
    ];
    for (pairs, bucket, expected) in cases {
        let answered = |apply| {
            let ask = Ask::new(pairs).on((*bucket).clone()).rules(S3Rules::new().with_bucket_keys(apply));
            let decision = ask.decide(Operation::Put).unwrap();
            let Some(Writing::Encrypt(encryption)) = decision.writing() else { panic!("encrypted") };
            let record = encryption.record(&world.written(encryption));
            assert_eq!(decision.response_headers(&record).contains_key(B), record.bucket_key_done());
            (record.bucket_key_asked(), record.bucket_key_done())
        };
        let (asked, done) = answered(true);
        assert_eq!(done, *expected, "{pairs:?} on {bucket:?}");
        assert!(asked || !done);
        assert_eq!(answered(false), (asked, false), "asked for, kept, and answered nowhere: {pairs:?}");
    }
}
