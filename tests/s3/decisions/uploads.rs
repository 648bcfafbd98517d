//! Decisions about parts, completions and reads, from the stored record and the request.

use atrest::error::Unexpected;
use atrest::multipart::{KeptAttempt, UnopenedPart};
use atrest::s3::{
    Completing, EncryptionRecord, NewObject, ObjectEncryption, PartWriting, Profile, ReadKind, Reading,
    S3ErrorKind as Kind, S3Rules, Stored, Writing,
};
use atrest::{Access, Error, Keyring, KmsKeys, ModeId, PartNumber, Rewrap, Sse, SseC, SseS3, Unlock};

use super::kit::*;

/// The operation, and the headers of the answer about what is SSE-S3, SSE-KMS, DSSE-KMS and SSE-C.
#[test]
fn every_operation_on_what_is_stored_answers_with_how_it_is() {
    let world = World::new();
    let server: [Pairs<'_>; 3] =
        [&[(W, "AES256")], &[(W, "aws:kms"), (K, KMS_KEY)], &[(W, "aws:kms:dsse"), (K, KMS_KEY)]];
    let customer: Pairs<'_> = &[(C_ALGORITHM, "AES256"), (C_MD5, KEY_MD5)];
    for (at, mode) in ModeId::ALL.into_iter().enumerate() {
        let pairs: Pairs<'_> = if mode == ModeId::SseC { &CUSTOMER } else { &[] };
        let shown = |pairs: Pairs<'_>, operation: Operation| {
            let decision = Ask::new(pairs).decide(operation).unwrap();
            assert!(decision.writing().is_none());
            let answered = decision.response_headers(&EncryptionRecord::unencrypted());
            answered.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
        };
        let as_text =
            |pairs: Pairs<'_>| pairs.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
        let expected = as_text(server.get(at).copied().unwrap_or(customer));
        let source = Stored::unencrypted();
        for operation in [
            Operation::Get(world.object(at)),
            Operation::Head(world.object(at)),
            Operation::Part(world.upload(at)),
            Operation::PartCopy { upload: world.upload(at), source },
            Operation::Complete(world.upload(at)),
        ] {
            assert_eq!(shown(pairs, operation.clone()), expected, "{operation:?}");
        }
        // Without the customer key the algorithm alone.
        let without_key = as_text(server.get(at).copied().unwrap_or(&customer[..1]));
        assert_eq!(shown(&[], Operation::Complete(world.upload(at))), without_key);
        assert!(shown(pairs, Operation::Attributes(world.object(at))).is_empty());
    }
}

#[test]
fn what_is_decided_opens_what_is_stored() {
    let world = World::new();
    for (at, mode) in ModeId::ALL.into_iter().enumerate() {
        let pairs: Pairs<'_> = if mode == ModeId::SseC { &CUSTOMER } else { &[] };
        let ask = Ask::new(pairs);
        let read = ask.rules.decide_read(&ask.request(), ReadKind::Get, &world.object(at)).unwrap();
        let Reading::Encrypted(access) = &read.reading else { panic!("it is encrypted") };
        let decryptor = world.sse.blocking().decryptor(&world.name, &world.objects[at], access.unlock()).unwrap();
        assert_eq!(decryptor.plaintext_len(), Some(4));
        // What is decided about one object opens none of another mode.
        let other = &world.objects[(at + 1) % 4];
        assert!(world.sse.blocking().decryptor(&world.name, other, access.unlock()).is_err());

        let part = ask.rules.decide_part(&ask.request(), &world.upload(at)).unwrap();
        let PartWriting::Encrypt(access) = &part.writing else { panic!("it is encrypted") };
        let upload = world.sse.blocking().resume_multipart(
            &world.name,
            b"upload",
            &world.uploads[at],
            access.expected(),
            access.unlock(),
        );
        let (_, receipt) = upload.unwrap().encrypt_part(PartNumber::new(1).unwrap(), b"meow", b"etag").unwrap();
        assert!(!receipt.as_bytes().is_empty());
    }
}

#[test]
fn a_part_of_an_unencrypted_upload_is_unencrypted() {
    let ask = Ask::new(&[]);
    let decision = ask.rules.decide_part(&ask.request(), &Stored::unencrypted()).unwrap();
    assert!(matches!(decision.writing, PartWriting::Unencrypted) && decision.response_headers().is_empty());
    assert_eq!(Ask::new(&[(B, "true")]).kind(Operation::Part(Stored::unencrypted())), Some(Kind::PartEncryption));
}

/// The profile that passes over a method on parts and completions does so only where the upload is encrypted.
#[test]
fn a_method_on_a_part_or_a_completion_of_an_unencrypted_upload_is_refused_in_every_profile() {
    let world = World::new();
    let passing = Ask::new(&[(W, "aws:kms"), (K, "alias/app")]).rules(S3Rules::new().with_profile(Profile::CephTests));
    for operation in [Operation::Part, Operation::Complete] {
        assert_eq!(passing.kind(operation(Stored::unencrypted())), Some(Kind::PartEncryption));
        assert_eq!(passing.kind(operation(world.upload(SSE_KMS))), None);
        let amazon = Ask::new(&[(W, "aws:kms"), (K, "alias/app")]);
        assert_eq!(amazon.kind(operation(Stored::unencrypted())), Some(Kind::MethodNotSupported));
    }
}

/// The decision is passed to the library whole, and its expectations hold for the read.
#[test]
fn what_is_decided_finishes_completes_and_changes_only_what_is_as_recorded() {
    let world = World::new();
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let builder = Sse::builder().keyring(keyring).kms(world.kms.clone(), KmsKeys::all()).completion_records();
    let (sse, name) = (builder.build().unwrap().blocking(), &world.name);
    let upload = sse.begin_multipart(name, b"upload", SseC::new(key())).unwrap();
    let number = PartNumber::new(1).unwrap();
    let (body, receipt) = upload.encrypt_part(number, b"meow", b"etag").unwrap();
    let kept = KeptAttempt::new(number, b"etag", receipt, &body).unwrap();
    let parts = || [UnopenedPart::new(number, b"etag", &kept, &body)];

    let stored = self::stored(upload.envelope());
    let ask = Ask::new(&[]);
    let decision = ask.rules.decide_complete(&ask.request(), &stored).unwrap();
    assert!(matches!(decision.completing, Completing::WithoutKey));
    let record = sse.complete_multipart_without_key(name, b"upload", upload.envelope(), parts()).unwrap();
    // An envelope of another mode in the upload's place.
    let other = sse.begin_multipart(name, b"upload", SseS3).unwrap();
    let refused = sse.complete_multipart_without_key(name, b"upload", other.envelope(), parts());
    assert!(matches!(refused, Err(Error::Unexpected(Unexpected::Mode))));

    let stored = Stored::completed_without_key(decision.record(), upload.envelope().clone());
    let ask = Ask::new(&CUSTOMER);
    let read = ask.rules.decide_read(&ask.request(), ReadKind::Get, &stored).unwrap();
    let Reading::FinishFirst(access) = &read.reading else { panic!("it is to be finished") };
    let finished = sse.finish_completion(name, &record, access.unlock()).unwrap();
    assert_eq!(finished.decryptor.plaintext_len(), Some(4));
    let none = Access::new(access.expected().clone().without_records()).with_customer_key(key());
    assert!(matches!(sse.finish_completion(name, &record, none.unlock()), Err(Error::Unexpected(Unexpected::Record))));

    let object = sse.encrypt(name, SseS3, b"meow").unwrap().envelope;
    let target = ObjectEncryption::new(KMS_KEY);
    let ask = Ask::new(&[]);
    let decision = ask.rules.decide_update(&ask.request(), &self::stored(&object), &target).unwrap();
    let mode = || decision.encryption.mode();
    let changed = sse.rewrap(Rewrap::of(name, &object, decision.access.unlock()).to(name, mode())).unwrap();
    assert_eq!(changed.kms_key_id(), Some(KMS_KEY));
    // What stands there by now is no longer the object that was decided about.
    let refused = sse.rewrap(Rewrap::of(name, &changed, decision.access.unlock()).to(name, mode()));
    assert!(matches!(refused, Err(Error::Unexpected(Unexpected::Mode))));
}

#[test]
fn an_upload_in_sse_c_completes_without_its_key_unless_it_was_begun_with_a_checksum_algorithm() {
    let world = World::new();
    for checksum_algorithm in [false, true] {
        let ask = Ask::new(&CUSTOMER);
        let begun = ask.rules.decide_write(&ask.request(), NewObject::Multipart { checksum_algorithm }).unwrap();
        let Writing::Encrypt(encryption) = &begun.writing else { panic!("it is encrypted") };
        let upload = world.sse.blocking().begin_multipart(&world.name, b"upload", encryption.mode()).unwrap();
        let record = encryption.record(upload.envelope());
        assert_eq!(record.has_checksum_algorithm(), checksum_algorithm);
        let record = EncryptionRecord::decode(&record.encode()).unwrap();
        let stored = Stored::encrypted(record, upload.envelope().clone());
        // Two of three headers are passed over, as none is.
        for pairs in [&[][..], &CUSTOMER[..2], &CUSTOMER[1..], &[(C_ALGORITHM, "nonsense")]] {
            let ask = Ask::new(pairs);
            match ask.rules.decide_complete(&ask.request(), &stored) {
                Err(error) => assert!(checksum_algorithm && error.kind() == Kind::CompletionCustomerKey),
                Ok(decision) => {
                    assert!(!checksum_algorithm);
                    assert!(matches!(decision.completing, Completing::WithoutKey));
                    let answered = decision.response_headers();
                    assert!(answered.len() == 1 && answered[C_ALGORITHM] == "AES256");
                    assert_eq!(decision.record().mode(), Some(ModeId::SseC));
                }
            }
        }
        let decision = ask.rules.decide_complete(&ask.request(), &stored).unwrap();
        let Completing::Encrypted(access) = &decision.completing else { panic!("with its key") };
        assert!(matches!(access.unlock(), Unlock::CustomerKey(_)));
    }
}

#[test]
fn an_object_that_was_completed_without_its_key_is_answered_from_its_record_and_finished_with_the_key() {
    let world = World::new();
    let record = EncryptionRecord::of_envelope(&world.uploads[SSE_C]).completed();
    let stored = Stored::completed_without_key(record, world.uploads[SSE_C].clone());
    let read = |pairs: Pairs<'_>, kind| {
        let ask = Ask::new(pairs);
        ask.rules.decide_read(&ask.request(), kind, &stored)
    };
    assert_eq!(read(&[], ReadKind::Get).unwrap_err().kind(), Kind::CustomerKeyRequired);
    assert_eq!(read(&[], ReadKind::Head).unwrap_err().kind(), Kind::CustomerKeyRequired);
    let wrong: Pairs<'_> = &[CUSTOMER[0], (C_KEY, OTHER), (C_MD5, OTHER_MD5)];
    assert_eq!(read(wrong, ReadKind::Get).unwrap_err().kind(), Kind::CustomerKeyWrong);
    let decision = read(&CUSTOMER, ReadKind::Get).unwrap();
    let Reading::FinishFirst(access) = &decision.reading else { panic!("it is to be finished") };
    assert!(
        world
            .sse
            .blocking()
            .resume_multipart(&world.name, b"upload", &world.uploads[SSE_C], access.expected(), access.unlock())
            .is_ok()
    );
    assert_eq!(decision.response_headers()[C_MD5], KEY_MD5);

    // It is an object: its parts are not written to again, and it is not completed twice.
    for operation in [Operation::Part, Operation::Complete] {
        assert_eq!(Ask::new(&CUSTOMER).kind(operation(stored.clone())), Some(Kind::NoSuchUpload));
    }
    let update = Operation::Update(stored, ObjectEncryption::new(KMS_KEY));
    assert_eq!(Ask::new(&[]).kind(update), Some(Kind::UpdateOfMode), "as every object in SSE-C");
}

#[test]
fn a_head_is_answered_from_the_record_without_the_envelope() {
    let world = World::new();
    for at in [SSE_S3, SSE_KMS, DSSE_KMS] {
        let record = EncryptionRecord::of_envelope(&world.objects[at]);
        let ask = Ask::new(&[]);
        let head = |stored: Stored| ask.rules.decide_read(&ask.request(), ReadKind::Head, &stored).unwrap();
        let (with, without) = (head(world.object(at)), head(Stored::recorded(record.clone())));
        assert_eq!(with.response_headers(), without.response_headers());
        assert_eq!(record.response_headers(), without.response_headers());
    }
    let record = EncryptionRecord::of_envelope(&world.objects[SSE_C]);
    // SECURITY: whether the key is the right one is in the envelope; without it there is no answer.
    assert_eq!(Ask::new(&CUSTOMER).kind(Operation::Head(Stored::recorded(record))), Some(Kind::StoredUnexpected));
}

#[test]
fn what_is_not_there_is_said_to_be_missing_in_its_own_word() {
    let world = World::new();
    let ask = Ask::new(&[]);
    let (object, upload) = (Some(Kind::NoSuchKey), Some(Kind::NoSuchUpload));
    assert_eq!(ask.kind(Operation::Get(Stored::absent())), object);
    assert_eq!(ask.kind(Operation::Head(Stored::absent())), object);
    assert_eq!(ask.kind(Operation::Copy(Stored::absent())), object);
    assert_eq!(ask.kind(Operation::Part(Stored::absent())), upload);
    assert_eq!(ask.kind(Operation::Complete(Stored::absent())), upload);
    let (missing, there) = (Stored::absent(), world.object(SSE_S3));
    assert_eq!(ask.kind(Operation::PartCopy { upload: missing, source: there }), upload);
    // What is wrong with the request as such is said first.
    assert_eq!(Ask::new(&CUSTOMER[..1]).kind(Operation::Get(Stored::absent())), Some(Kind::CustomerKeyMissing));
    let rules = S3Rules::new();
    assert_eq!(rules.status(&Kind::NoSuchUpload.into()).as_u16(), 404);
}
