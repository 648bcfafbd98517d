//! Parts and reads: what is stored says how, and the request brings what that takes.

use atrest::s3::{Access, BucketEncryption, Operation, Stored};
use atrest::{Envelope, ModeId, PartNumber, Unlock};

use crate::kit::*;

/// The operation, and the headers of the answer about what is SSE-S3, SSE-KMS, DSSE-KMS and SSE-C.
#[test]
fn every_operation_on_what_is_stored_answers_with_how_it_is() {
    let world = World::new();
    let server: [Pairs<'_>; 3] =
        [&[(W, "AES256")], &[(W, "aws:kms"), (K, KMS_KEY)], &[(W, "aws:kms:dsse"), (K, KMS_KEY)]];
    let customer: Pairs<'_> = &[(C_ALGORITHM, "AES256"), (C_MD5, KEY_MD5)];
    for (at, mode) in ModeId::ALL.into_iter().enumerate() {
        let (object, upload) = (world.object(at), world.upload(at));
        let source = Stored::InTheClear;
        let (of_object, of_upload) = (&world.objects[at].0, &world.uploads[at].0);
        let says_key = [
            (Operation::GetObject { object }, of_object),
            (Operation::HeadObject { object }, of_object),
            (Operation::UploadPart { upload }, of_upload),
            (Operation::UploadPartCopy { upload, source }, of_upload),
        ];
        let pairs: Pairs<'_> = if mode == ModeId::SseC { &CUSTOMER } else { &[] };
        let bucket = BucketEncryption::default();
        let shown = |operation: Operation<'_>, envelope: &Envelope| {
            let decision = asked_of(operation, pairs, &bucket).unwrap();
            assert_eq!(decision.replays_context, [ModeId::SseKms, ModeId::DsseKms].contains(&mode));
            assert!(decision.write.is_none());
            let answered = decision.response_headers(Some(envelope));
            answered.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect::<Vec<_>>()
        };
        let as_text =
            |pairs: Pairs<'_>| pairs.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>();
        for (operation, envelope) in says_key {
            assert_eq!(
                shown(operation, envelope),
                as_text(server.get(at).copied().unwrap_or(customer)),
                "{operation:?}"
            );
        }
        // Neither the customer key nor anything of it.
        let complete = shown(Operation::CompleteMultipartUpload { upload }, of_upload);
        assert_eq!(complete, as_text(server.get(at).copied().unwrap_or(&[])));
        assert!(shown(Operation::GetObjectAttributes { object }, of_object).is_empty());
    }
}

#[test]
fn what_is_decided_opens_what_is_stored() {
    let world = World::new();
    for (at, mode) in ModeId::ALL.into_iter().enumerate() {
        let pairs: Pairs<'_> = if mode == ModeId::SseC { &CUSTOMER } else { &[] };
        let get = Operation::GetObject { object: world.object(at) };
        let decision = asked_of(get, pairs, &BucketEncryption::default()).unwrap();
        let access = decision.read.as_ref().unwrap();
        let sse = world.sse.expecting(access.expected().unwrap().clone());
        let decryptor = sse.blocking().decryptor(&world.name, &world.objects[at].0, access.unlock()).unwrap();
        assert_eq!(decryptor.plaintext_len(), Some(4));

        let part = Operation::UploadPart { upload: world.upload(at) };
        let decision = asked_of(part, pairs, &BucketEncryption::default()).unwrap();
        let access = decision.upload.as_ref().unwrap();
        let (envelope, _) = &world.uploads[at];
        let upload = world.sse.blocking().resume_multipart(
            &world.name,
            b"upload",
            envelope,
            access.expected().unwrap(),
            access.unlock(),
        );
        let (_, receipt) = upload.unwrap().encrypt_part(PartNumber::new(1).unwrap(), b"meow", b"etag").unwrap();
        assert!(!receipt.as_bytes().is_empty());
    }
}

#[test]
fn a_part_of_an_upload_in_the_clear_is_in_the_clear() {
    let world = World::new();
    let part: Op = |_| Operation::UploadPart { upload: Stored::InTheClear };
    let decision = asked(&world, part, &[]).unwrap();
    assert!(matches!(decision.upload, Some(Access::InTheClear)));
    assert!(decision.write.is_none() && decision.response_headers(None).is_empty());
    assert!(matches!(decision.upload.unwrap().unlock(), Unlock::Server));
}
