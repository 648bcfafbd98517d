//! `EncryptionRecord`: its one encoding, and every answer from it.

use atrest::s3::{
    EncryptionRecord, EncryptionRecordError, NewEncryption, NewObject, S3ErrorKind as Kind, S3Rules, Stored, Writing,
};
use atrest::{AnyMode, Envelope, ModeId, Rewrap, SseKms, SseS3, Unlock};
use proptest::prelude::*;

use super::kit::*;

/// Records of objects and uploads, as decisions make them.
fn records(world: &World) -> Vec<EncryptionRecord> {
    let mut records = vec![EncryptionRecord::unencrypted()];
    let rules = [false, true].map(|apply| S3Rules::new().with_bucket_keys(apply));
    let kms: Pairs<'_> = &[(W, "aws:kms"), (K, "alias/app"), (B, "true")];
    let asks: [Pairs<'_>; 5] =
        [&[(W, "AES256")], &[], kms, &[(W, "aws:kms:dsse"), (K, "alias/app"), (B, "true")], &CUSTOMER];
    for (rules, pairs) in rules.iter().flat_map(|rules| asks.iter().map(move |ask| (rules, ask))) {
        let request = Ask::new(pairs).request();
        let mut record = |new, envelope: fn(&World, &NewEncryption) -> Envelope| {
            let decision = rules.decide_write(&request, new).unwrap();
            let Writing::Encrypt(encryption) = decision.writing else { panic!("encrypted") };
            records.push(encryption.record(&envelope(world, &encryption)));
        };
        record(NewObject::Put, World::written);
        record(NewObject::Multipart { checksum_algorithm: false }, World::begun);
        record(NewObject::Multipart { checksum_algorithm: true }, World::begun);
    }
    records
}

#[test]
fn a_record_comes_back_from_its_bytes_and_from_no_others() {
    let world = World::new();
    for record in records(&world) {
        let bytes = record.encode();
        assert!(bytes.len() <= EncryptionRecord::MAX_LEN && EncryptionRecord::MAX_LEN <= 1 << 16);
        assert_eq!(EncryptionRecord::decode(&bytes).as_ref(), Ok(&record));
        for len in 0..bytes.len() {
            assert!(EncryptionRecord::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
        assert!(EncryptionRecord::decode(&[&bytes[..], b"\0"].concat()).is_err());
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                if let Ok(other_record) = EncryptionRecord::decode(&other) {
                    assert_eq!(other_record.encode(), other, "there is one encoding");
                    assert_ne!(other_record, record);
                }
            }
        }
        assert_eq!(record.completed().mode(), record.mode());
        assert!(!record.completed().is_of_upload());
    }
    let newer = EncryptionRecord::decode(&[2, 1, 0]);
    assert_eq!(newer, Err(EncryptionRecordError::UnsupportedVersion(2)));
    assert_eq!(EncryptionRecord::decode(b""), Err(EncryptionRecordError::Malformed));
}

/// The encoding is a promise: the first release with records wrote these bytes.
#[test]
fn the_bytes_of_a_record_are_these() {
    let world = World::new();
    assert_eq!(EncryptionRecord::unencrypted().encode(), [1, 0, 0]);
    let plain = EncryptionRecord::of_envelope(&world.objects[SSE_S3]);
    assert_eq!(plain.encode(), [1, 1, 0]);
    let ask = Ask::new(&[(W, "aws:kms"), (K, "alias/app"), (B, "true")]);
    let rules = S3Rules::new().with_bucket_keys(true);
    let decision = rules.decide_write(&ask.request(), NewObject::Multipart { checksum_algorithm: true }).unwrap();
    let Writing::Encrypt(encryption) = decision.writing else { panic!("encrypted") };
    let expected = [&[1, 2, 0b0011_1111, 0, 18][..], b"memory-kms:key/app", &[0, 7], b"aws:kms", &[0, 9], b"alias/app"];
    assert_eq!(encryption.record(&world.begun(&encryption)).encode(), expected.concat());
}

#[test]
fn what_a_reader_expects_comes_from_the_record() {
    let world = World::new();
    for (at, mode) in ModeId::ALL.into_iter().enumerate() {
        let record = EncryptionRecord::of_envelope(&world.objects[at]);
        assert_eq!((record.mode(), record.kms_key_id().is_some()), (Some(mode), [SSE_KMS, DSSE_KMS].contains(&at)));
        assert_eq!(record.expected(), Some(atrest::Expected::exactly(&world.objects[at])));
        assert_eq!(mode.to_string().parse(), Ok(mode));
    }
    assert_eq!(EncryptionRecord::unencrypted().expected(), None);
    for text in ["", "sse-s3", "SSE-S3 ", "AES256"] {
        assert!(text.parse::<ModeId>().is_err(), "{text:?}");
    }
}

#[test]
fn every_answer_about_an_object_says_the_same_of_its_bucket_key() {
    let world = World::new();
    for apply in [false, true] {
        let rules = S3Rules::new().with_bucket_keys(apply);
        let ask = Ask::new(&[(W, "aws:kms"), (K, "alias/app"), (B, "True")]).rules(rules.clone());
        let decision = ask.decide(Operation::Put).unwrap();
        let Some(Writing::Encrypt(encryption)) = decision.writing() else { panic!("encrypted") };
        let (written, begun) = (world.written(encryption), world.begun(encryption));
        assert_eq!((written.has_bucket_key(), begun.has_bucket_key()), (apply, apply));
        let (record, upload) = (encryption.record(&written), encryption.record(&begun));
        assert_eq!((record.bucket_key_asked(), record.bucket_key_done()), (true, apply));
        assert_eq!(decision.response_headers(&record).contains_key(B), apply);
        let (object, upload) = (Stored::encrypted(record.clone(), written), Stored::encrypted(upload, begun));
        // Also where the switch is turned afterwards: what was done was done.
        for later in [false, true] {
            let ask = Ask::new(&[]).rules(S3Rules::new().with_bucket_keys(later));
            for operation in [
                Operation::Get(object.clone()),
                Operation::Head(object.clone()),
                Operation::Part(upload.clone()),
                Operation::Complete(upload.clone()),
            ] {
                let answered = ask.decide(operation).unwrap().response_headers(&record);
                assert_eq!(answered.get(B).is_some_and(|value| value == "true"), apply);
            }
        }
        assert_eq!(record.response_headers().contains_key(B), apply);
    }
}

/// After a sweep to another key or mode, every read of the object with the old record is refused.
#[test]
fn a_record_follows_its_object_through_a_rewrap() {
    let world = World::new();
    world.kms.create_key("b").unwrap();
    let sse = world.sse.blocking();
    let rules = S3Rules::new().with_bucket_keys(true);
    let ask = Ask::new(&[(W, "aws:kms"), (K, KMS_KEY), (B, "true")]).rules(rules);
    let decision = ask.decide(Operation::Put).unwrap();
    let Some(Writing::Encrypt(encryption)) = decision.writing() else { panic!("encrypted") };
    let written = world.written(encryption);
    let before = encryption.record(&written);
    let rewrapped =
        |mode: AnyMode| sse.rewrap(Rewrap::of(&world.name, &written, Unlock::Server).to(&world.name, mode)).unwrap();
    let b = || SseKms::new("memory-kms:key/b");
    for (mode, key_id, done) in [
        (AnyMode::from(b().with_bucket_key(true)), Some("memory-kms:key/b"), true),
        (b().into(), Some("memory-kms:key/b"), false),
        (SseS3.into(), None, false),
    ] {
        let envelope = rewrapped(mode);
        let read = |record: &EncryptionRecord| {
            Ask::new(&[]).kind(Operation::Get(Stored::encrypted(record.clone(), envelope.clone())))
        };
        let after = before.after_rewrap(&envelope);
        assert_eq!((read(&before), read(&after)), (Some(Kind::StoredUnexpected), None));
        assert_eq!((after.mode(), after.kms_key_id()), (Some(envelope.mode()), key_id));
        assert_eq!((after.bucket_key_asked(), after.bucket_key_done()), (true, done));
        assert_eq!(EncryptionRecord::decode(&after.encode()).unwrap(), after);
    }
    // That of an upload goes on saying how it was begun.
    let headers = Ask::new(&[(W, "AES256")]);
    let begun =
        headers.rules.decide_write(&headers.request(), NewObject::Multipart { checksum_algorithm: true }).unwrap();
    let Writing::Encrypt(encryption) = &begun.writing else { panic!("encrypted") };
    let record = encryption.record(&world.uploads[SSE_S3]);
    let fresh = sse.rewrap(Rewrap::upload(&world.name, b"upload", &world.uploads[SSE_S3], Unlock::Server)).unwrap();
    assert_eq!(record.after_rewrap(&fresh), record);
}

#[test]
fn debug_of_a_record_shows_nothing_that_the_request_sent() {
    let world = World::new();
    // A key where the algorithm belongs.
    let ask = Ask::new(&[(W, "aws:kms"), (K, CANARY)]);
    let decision = ask.decide(Operation::Create).unwrap();
    let Some(Writing::Encrypt(encryption)) = decision.writing() else { panic!("encrypted") };
    let record = encryption.record(&world.uploads[SSE_KMS]);
    assert!(!format!("{record:?}").contains(CANARY));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_are_the_one_encoding(
        head in proptest::collection::vec(0_u8..8, 0..4),
        rest in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let bytes = [head, rest].concat();
        if let Ok(record) = EncryptionRecord::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }
}
