//! Copies: two customer keys, two buckets, and no inherited settings.

use std::sync::Arc;

use atrest::s3::{BucketDefault, BucketEncryption, Reading, S3ErrorKind as Kind, Stored, Transport};
use atrest::{CustomerKey, EncryptionContext, Error, ModeId, ObjectName, Sse, SseC, SseKms};

use super::kit::*;

#[test]
fn a_copy_that_asks_for_nothing_takes_the_default_of_its_destination() {
    let world = World::new();
    for at in [SSE_S3, SSE_KMS, DSSE_KMS] {
        let copy = || Operation::Copy(world.object(at));
        let decision = asked_on(&[], kms_default(Some("alias/app")), copy()).unwrap();
        assert_eq!(written(&decision).id(), ModeId::SseKms);
        let decision = asked_on(&[], BucketEncryption::default(), copy()).unwrap();
        assert_eq!(written(&decision).id(), ModeId::SseS3);
    }
}

#[test]
fn the_pairs_of_the_source_are_not_taken_along() {
    let world = World::new();
    let copy: Op = |w| Operation::Copy(w.object(SSE_KMS));
    let decision = asked(&world, copy, &[(W, "aws:kms"), (K, "alias/app")]).unwrap();
    let encrypted = world.sse.blocking().encrypt(&world.name, written(&decision), b"meow").unwrap();
    assert!(encrypted.envelope.context().is_none());
    let own = context(r#"{"team":"zoo"}"#);
    let decision = asked(&world, copy, &[(W, "aws:kms"), (K, "alias/app"), (X, &own)]).unwrap();
    let zoo = EncryptionContext::new().with("team", "zoo").unwrap();
    let expected = SseKms::new("alias/app").with_context(zoo);
    assert!(matches!(written(&decision), atrest::AnyMode::SseKms(mode) if mode == expected));
}

#[test]
fn source_and_destination_have_a_customer_key_each() {
    let world = World::new();
    let copy: Op = |w| Operation::Copy(w.object(SSE_C));
    let both = [SOURCE[0], SOURCE[1], SOURCE[2], (C_ALGORITHM, "AES256"), (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    let decision = asked(&world, copy, &both).unwrap();
    let Decided::Copy(copied) = &decision else { panic!("a copy") };
    let Reading::Encrypted(access) = &copied.reading else { panic!("the source is encrypted") };
    // The access has the key of the source, and not that of the destination.
    let sse = Sse::builder().build().unwrap().blocking();
    let opens = |key: [u8; 32]| {
        let key = CustomerKey::from_bytes(&mut key.clone()).unwrap();
        let stored = sse.encrypt(&ObjectName::unbound(), SseC::new(Arc::new(key)), b"meow").unwrap();
        sse.decrypt(&ObjectName::unbound(), &stored, access.unlock())
    };
    assert_eq!(opens(KEY_BYTES).unwrap(), b"meow");
    assert!(matches!(opens([b'b'; 32]), Err(Error::CustomerKey(_))));
    assert_eq!(written(&decision).id(), ModeId::SseC);
    let headers = decision.response_headers(&recorded(&world, &decision));
    assert_eq!(headers[C_MD5], OTHER_MD5, "that of the destination");

    let decision = asked(&world, copy, &SOURCE).unwrap();
    assert_eq!(written(&decision).id(), ModeId::SseS3, "the default, and not the source's mode");
    let decision = asked(&world, copy, &[SOURCE[0], SOURCE[1], SOURCE[2], (W, "aws:kms")]).unwrap();
    assert_eq!(written(&decision).id(), ModeId::SseKms, "a method is no conflict with the source's key");
}

#[test]
fn a_source_that_is_unencrypted_is_read_as_it_is_and_encrypted_by_default() {
    let world = World::new();
    let decision = asked(&world, |_| Operation::Copy(Stored::unencrypted()), &[]).unwrap();
    let Decided::Copy(copied) = &decision else { panic!("a copy") };
    assert!(matches!(copied.reading, Reading::Unencrypted));
    assert_eq!(written(&decision).id(), ModeId::SseS3);
}

#[test]
fn half_a_key_of_a_source_is_an_error_also_where_nothing_is_copied() {
    let world = World::new();
    let put: Op = |_| Operation::Put;
    assert_eq!(kind(asked(&world, put, &[SOURCE[0]])), Some(Kind::CustomerKeyMissing));
    assert_eq!(Ask::new(&SOURCE).over(Transport::Plain).kind(Operation::Put), Some(Kind::CustomerKeyInsecure));
    assert_eq!(written(&asked(&world, put, &SOURCE).unwrap()).id(), ModeId::SseS3);
    let copy: Op = |w| Operation::Copy(w.object(SSE_S3));
    assert_eq!(kind(asked(&world, copy, &[SOURCE[0]])), Some(Kind::CustomerKeyMissing));
}

#[test]
fn a_copy_onto_itself_has_to_change_something_unless_the_buckets_default_was_configured() {
    let world = World::new();
    let implicit = || BucketDefault::Implicit(BucketEncryption::default());
    let explicit = || BucketDefault::Explicit(BucketEncryption::default());
    let onto_itself = |pairs: Pairs<'_>, bucket: BucketDefault, changes_else: bool| {
        let ask = Ask::new(pairs).on(bucket);
        let source = ask.source(world.object(SSE_S3)).onto_itself(changes_else);
        ask.rules.decide_copy(&ask.request(), &source).map(drop).map_err(|error| error.kind())
    };
    let illegal = Err(Kind::CopyOntoItself);
    assert_eq!(onto_itself(&[], implicit(), false), illegal);
    assert_eq!(onto_itself(&[], BucketDefault::Absent, false), illegal);
    assert_eq!(onto_itself(&[], implicit(), true), Ok(()));
    assert_eq!(onto_itself(&[], explicit(), false), Ok(()));
    assert_eq!(onto_itself(&[(W, "AES256")], implicit(), false), Ok(()));
    assert_eq!(onto_itself(&CUSTOMER, implicit(), false), Ok(()));
}
