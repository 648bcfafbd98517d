//! Multipart uploads: parts from many processes, and every kind of fault.

mod bodies;
mod bounds;
mod completion;
mod completion_attacks;
mod keys;
mod kms;
mod lists;
mod resuming;
mod values;

use std::sync::atomic::{AtomicUsize, Ordering};

use atrest::error::{Limit, Misuse, PartError};
use atrest::multipart::Receipt;
use atrest::{AnyMode, EnvelopeState, Error, KmsKeys, ModeId, ObjectName, PartNumber, Sse, SseS3};
use atrest_kit::parts::{Part, Stored, attempt, id_of, number, plain_of};
use atrest_kit::{C, Draws, KMS_KEY, Service, backends, name};

use completion::Slot;

/// Every mode on every backend, bound and unbound.
fn everywhere(mut check: impl FnMut(&Service, &AnyMode, &ObjectName)) {
    for backend in backends() {
        let service = Service::on(backend);
        for mode in service.modes() {
            for object in [name(), ObjectName::unbound()] {
                check(&service, &mode, &object);
            }
        }
    }
}

/// The same keys on another machine.
fn elsewhere(service: &Service) -> Service {
    let (keyring, kms) = (service.keyring.clone(), service.kms.clone());
    let builder = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([KMS_KEY]));
    Service { sse: builder.build().unwrap(), keyring, kms, customer_key: service.customer_key.clone() }
}

#[test]
fn an_upload_goes_through_many_hands_in_any_order_and_is_read_in_every_way() {
    everywhere(|service, mode, object| {
        let envelope = service.begin(object, mode).envelope().clone();
        assert_eq!((envelope.state(), envelope.mode()), (EnvelopeState::Upload, mode.id()));
        let mut parts = Vec::new();
        for (part, of) in [(9, 0), (2, C), (1, C + 7), (2, 2 * C), (5, 1)] {
            let upload = elsewhere(service).resume(object, &envelope).unwrap();
            parts.push(attempt(&upload, part, of as u32, of));
        }
        // The later attempt at part 2 is the one that is listed.
        let listed = [&parts[2], &parts[3], &parts[4], &parts[0]].map(Clone::clone);
        let there = elsewhere(service);
        let completed = there.complete(&there.resume(object, &envelope).unwrap(), &listed).unwrap();
        assert_eq!((completed.envelope.state(), completed.envelope.parts()), (EnvelopeState::Multipart, Some(4)));
        assert_eq!(completed.envelope.manifest_len(), Some(completed.manifest.len() as u64));
        let stored = Stored { completed, parts: listed.to_vec() };
        let (body, plain) = (stored.body(), stored.plain());
        assert_eq!(stored.envelope().plaintext_len(), Some(plain.len() as u64));
        for service in [service, &there] {
            assert!(service.decrypt(object, &stored.with_body(body.clone())).unwrap() == plain);
        }
        let inline = atrest::Encrypted::from_inline(&stored.with_body(body.clone()).to_inline().unwrap()).unwrap();
        assert!(service.decrypt(object, &inline).unwrap() == plain, "in one piece");
        let reader = service.reader(object, stored.envelope(), &stored.completed.manifest).unwrap();
        for decryptor in [reader, stored.completed.decryptor.clone()] {
            assert!(
                atrest_kit::read_streamed(&decryptor, &body, &atrest_kit::Steps::of(777)).into_result().unwrap()
                    == plain
            );
            assert!(atrest_kit::read_range(&decryptor, &body, 100..2 * C as u64).unwrap() == plain[100..2 * C]);
            let part = decryptor.part_decryptor(number(2)).unwrap();
            let alone = atrest_kit::read_streamed(&part, &listed[1].stored, &atrest_kit::Steps::of(C)).into_result();
            assert!(alone.unwrap() == listed[1].plain);
        }
    });
}

#[test]
fn a_receipt_says_what_was_uploaded_and_is_as_long_as_stated() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let part = attempt(&upload, 10_000, 0, C + 1);
        let overhead = if mode.id() == ModeId::DsseKms { 208 } else { 111 };
        assert_eq!(part.receipt.as_bytes().len(), overhead + part.label.len());
        let opened = upload.open_receipt(&Receipt::from_bytes(part.receipt.clone().into_bytes())).unwrap();
        assert_eq!((opened.number.get(), opened.plaintext_len, &opened.label), (10_000, C as u64 + 1, &part.label));
        assert_eq!(opened.stored_len(), part.stored.len() as u64);
    });
}

#[test]
fn a_part_is_the_same_however_it_is_fed() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let plain = plain_of(1, 0, 3 * C + 500);
        let mut fed = Vec::new();
        for step in [1_000, C - 1, C, C + 1, 100_000] {
            let (mut part, seal) = upload.part(number(fed.len() as u32 + 1)).unwrap();
            let mut stored = bytes::BytesMut::new();
            for piece in plain.chunks(step) {
                part.push(piece, &mut stored).unwrap();
                part.push(&[], &mut stored).unwrap();
            }
            let number = seal.number();
            let receipt = seal.receipt(&part.finish_into(&mut stored).unwrap(), b"").unwrap();
            fed.push(Part { number, label: vec![], receipt, stored: stored.to_vec(), plain: plain.clone() });
        }
        let stored = Stored { completed: service.complete(&upload, &fed).unwrap(), parts: fed };
        assert!(service.decrypt(object, &stored.with_body(stored.body())).unwrap() == stored.plain());
    });
}

#[test]
fn the_bounds_of_part_numbers_labels_and_lengths_are_named() {
    for wrong in [0, 10_001, u32::MAX] {
        assert!(matches!(PartNumber::new(wrong), Err(Error::Part(PartError::Number(n))) if n == wrong));
    }
    assert!(matches!(PartNumber::any(0), Err(Error::Part(PartError::Number(0)))));
    assert_eq!([1, 10_000].map(|number| PartNumber::new(number).unwrap().get()), [1, 10_000]);
    assert_eq!(PartNumber::any(u32::MAX).unwrap().get(), u32::MAX);
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let most = mode.id().layers().max_plaintext_len();
        upload.part_of_len(number(1), most).unwrap();
        let refused = upload.part_of_len(number(1), most + 1);
        assert!(matches!(refused, Err(Error::LimitExceeded(Limit::Message))), "{refused:?}");
        upload.encrypt_part(number(1), b"meow", &[7; 255]).unwrap();
        let refused = upload.encrypt_part(number(1), b"meow", &[7; 256]);
        assert!(matches!(refused, Err(Error::Misuse(Misuse::LabelTooLong))), "{refused:?}");
        let mut output = vec![0; 1_000];
        let [(one, seal), (other, _)] = [1, 1].map(|at| upload.part(number(at)).unwrap());
        let [one, other] = [one, other].map(|part| part.finish(&mut output).unwrap());
        let refused = seal.receipt(&one, &[7; 256]);
        assert!(matches!(refused, Err(Error::Misuse(Misuse::LabelTooLong))), "{refused:?}");
        let refused = seal.receipt(&other, b"");
        assert!(matches!(refused, Err(Error::Misuse(Misuse::OtherPart))), "of another attempt: {refused:?}");
        for fed in [&b"meo"[..], b"meow!"] {
            let (mut part, _) = upload.part_of_len(number(1), 4).unwrap();
            let fed = part.update(fed, &mut output);
            assert!(fed.is_ok() || part.update(b"", &mut output).is_err(), "it goes on failing");
            let end = part.finish(&mut output).map(drop);
            assert!(matches!(end, Err(Error::Misuse(Misuse::PlaintextLen))), "{end:?}");
        }
        let (part, _) = upload.part(number(1)).unwrap();
        let short = part.finish_len() - 1;
        let end = part.finish(&mut output[..short]);
        assert!(matches!(end, Err(Error::Misuse(Misuse::OutputTooSmall))), "{end:?}");
    }
}

#[test]
fn of_two_completions_that_race_one_is_stored_and_the_others_manifest_does_not_open() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let old = upload.envelope().encode();
        let slot = Slot::of(&old);
        let parts = [attempt(&upload, 1, 0, C), attempt(&upload, 2, 0, 10), attempt(&upload, 2, 1, 10)];
        let lists = [[parts[0].clone(), parts[1].clone()], [parts[0].clone(), parts[2].clone()]];
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads = lists.each_ref().map(|list| {
                let (slot, old, upload) = (&slot, &old, &upload);
                scope.spawn(move || {
                    let completed = service.complete(upload, list).unwrap();
                    let won = slot.swap(old, completed.envelope.encode(), completed.manifest.clone());
                    (won, completed, list.to_vec())
                })
            });
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|(won, ..)| *won).count(), 1);
        let (loser, winner) = (outcomes.iter().find(|o| !o.0).unwrap(), outcomes.iter().find(|o| o.0).unwrap());
        let (envelope, manifest) = slot.0.lock().unwrap().clone();
        let envelope = atrest::Envelope::decode(&envelope).unwrap();
        let stored = Stored { completed: winner.1.clone(), parts: winner.2.clone() };
        let reader = service.reader(object, &envelope, &manifest).unwrap();
        let read = atrest_kit::read_streamed(&reader, &stored.body(), &atrest_kit::Steps::of(1_000)).into_result();
        assert!(read.unwrap() == stored.plain());
        let mixed = service.reader(object, &envelope, &loser.1.manifest);
        assert!(matches!(mixed, Err(Error::Inauthentic)), "{mixed:?}");
    });
}

#[test]
fn a_generator_that_fails_fails_every_step() {
    // Begin; the part's salt; the receipt's; the manifest's; the wrap's.
    for draws in 0..=5 {
        let left = AtomicUsize::new(draws);
        let few = move || {
            let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            Draws(move |bytes: &mut [u8]| left.map(|left| bytes.fill(left as u8)).map_err(|_| std::fmt::Error))
        };
        let service = Service::with(|builder| builder.generator(few));
        let sse = service.sse.blocking();
        let made = sse.begin_multipart(&name(), id_of(&name()), SseS3).and_then(|upload| {
            let (stored, receipt) = upload.encrypt_part(number(1), b"meow", b"")?;
            service.complete(&upload, &[Part { number: number(1), label: vec![], receipt, stored, plain: vec![] }])
        });
        match made {
            Err(Error::Random(_)) => assert!(draws < 5, "{draws}"),
            made => assert!(made.is_ok() && draws == 5, "{draws}: {made:?}"),
        }
    }
}

#[test]
fn a_fixed_envelope_length_is_that_of_the_upload_and_the_object_or_is_refused_at_the_beginning() {
    for object in [name(), ObjectName::unbound()] {
        let service = Service::with(|builder| builder.envelope_len(1_024));
        for mode in service.modes() {
            let stored = service.put(&object, &mode, &[(1, 10), (2, 20)]);
            assert_eq!(service.begin(&object, &mode).envelope().encoded_len(), 1_024);
            assert_eq!(stored.envelope().encoded_len(), 1_024);
            assert!(service.decrypt(&object, &stored.with_body(stored.body())).unwrap() == stored.plain());
        }
        // What the object's envelope takes, and not a byte less; without a length, it is not padded.
        let service = Service::new();
        let least = service.put(&object, &SseS3.into(), &[(1, 10)]).envelope().encoded_len() + 4;
        for (len, fits) in [(least, true), (least - 1, false), (200, false)] {
            let keyring = service.keyring.clone();
            let fixed = Sse::builder().keyring(keyring).envelope_len(len).build().unwrap().blocking();
            let begun = fixed.begin_multipart(&object, id_of(&object), SseS3);
            match begun {
                Ok(_) => assert!(fits, "{len}"),
                Err(Error::LimitExceeded(Limit::EnvelopeLen(named))) => assert!(!fits && named == len, "{len}"),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
}
