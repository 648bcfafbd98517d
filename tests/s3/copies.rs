//! Copies: two keys, two buckets, and nothing that goes along.

use atrest::s3::{Access, BucketEncryption, Operation, S3ErrorKind as Kind, Stored};
use atrest::{EncryptionContext, ModeId, SseKms, Unlock};

use crate::kit::*;

#[test]
fn a_copy_that_asks_for_nothing_takes_the_default_of_its_destination() {
    let world = World::new();
    for at in [SSE_S3, SSE_KMS, DSSE_KMS] {
        let copy = Operation::CopyObject { source: world.object(at) };
        let decision = asked_of(copy, &[], &kms_default(Some("alias/app"))).unwrap();
        assert_eq!(written(&decision).id(), ModeId::SseKms);
        let decision = asked_of(copy, &[], &BucketEncryption::default()).unwrap();
        assert_eq!(written(&decision).id(), ModeId::SseS3);
        assert!(!decision.replays_context, "the destination has none");
    }
}

#[test]
fn the_pairs_of_the_source_are_not_taken_along() {
    let world = World::new();
    let copy: Op = |w| Operation::CopyObject { source: w.object(SSE_KMS) };
    let decision = asked(&world, copy, &[(W, "aws:kms"), (K, "alias/app")]).unwrap();
    let encrypted = world.sse.blocking().encrypt(&world.name, written(&decision).clone(), b"meow").unwrap();
    assert!(encrypted.envelope.context().is_none());
    let own = context(r#"{"team":"zoo"}"#);
    let decision = asked(&world, copy, &[(W, "aws:kms"), (K, "alias/app"), (X, &own)]).unwrap();
    let zoo = EncryptionContext::new().with("team", "zoo").unwrap();
    let expected = SseKms::new("alias/app").context(zoo);
    assert!(matches!(written(&decision), atrest::AnyMode::SseKms(mode) if *mode == expected));
}

#[test]
fn source_and_destination_have_a_customer_key_each() {
    let world = World::new();
    let copy: Op = |w| Operation::CopyObject { source: w.object(SSE_C) };
    let both = [SOURCE[0], SOURCE[1], SOURCE[2], (C_ALGORITHM, "AES256"), (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    let decision = asked(&world, copy, &both).unwrap();
    let Some(read) = &decision.read else { panic!("a copy reads") };
    let Unlock::CustomerKey(source) = read.unlock() else { panic!("the source is SSE-C") };
    assert_eq!(source.expose_secret(), &KEY_BYTES);
    assert_eq!(written(&decision).id(), ModeId::SseC);
    let encrypted = world.sse.blocking().encrypt(&world.name, written(&decision).clone(), b"meow").unwrap();
    let headers = decision.response_headers(Some(&encrypted.envelope));
    assert_eq!(headers[C_MD5], OTHER_MD5, "that of the destination");

    let decision = asked(&world, copy, &SOURCE).unwrap();
    assert_eq!(written(&decision).id(), ModeId::SseS3, "the default, and not the source's mode");
    let decision = asked(&world, copy, &[SOURCE[0], SOURCE[1], SOURCE[2], (W, "aws:kms")]).unwrap();
    assert_eq!(written(&decision).id(), ModeId::SseKms, "a method is no conflict with the source's key");
}

#[test]
fn a_source_in_the_clear_is_read_as_it_is_and_encrypted_by_default() {
    let world = World::new();
    let copy: Op = |_| Operation::CopyObject { source: Stored::InTheClear };
    let decision = asked(&world, copy, &[]).unwrap();
    assert!(matches!(decision.read, Some(Access::InTheClear)));
    assert!(decision.read.as_ref().unwrap().expected().is_none());
    assert_eq!(written(&decision).id(), ModeId::SseS3);
}

#[test]
fn half_a_key_of_a_source_is_an_error_also_where_nothing_is_copied() {
    let world = World::new();
    let put: Op = |_| Operation::PutObject;
    assert_eq!(kind(asked(&world, put, &[SOURCE[0]])), Some(Kind::CustomerKeyMissing));
    let plain = answer(&world, put, atrest::s3::Transport::Plain, &SOURCE, Some(&BucketEncryption::default()));
    assert_eq!(kind(plain), Some(Kind::CustomerKeyInsecure));
    assert_eq!(written(&asked(&world, put, &SOURCE).unwrap()).id(), ModeId::SseS3);
    let copy: Op = |w| Operation::CopyObject { source: w.object(SSE_S3) };
    assert_eq!(kind(asked(&world, copy, &[SOURCE[0]])), Some(Kind::CustomerKeyMissing));
}
