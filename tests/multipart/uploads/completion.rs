//! SSE-C uploads completed without their key: success, permissions, and refusals before a record is made.

use std::sync::{Arc, Mutex};

use atrest::audit::{AuditOperation, AuditTrail, MemorySink};
use atrest::error::{CustomerKeyError, KeyProviderErrorKind, Limit, Misuse, PartError, Unexpected};
use atrest::multipart::{
    CompletedUpload, CompletionRecord, EnvelopeOrRecord, KeptAttempt, Receipt, RecordedTotal, UnopenedPart, Upload,
};
use atrest::{CustomerKey, Encrypted, Envelope, Error, Expected, Keyring, ModeId, ObjectName, Sse, SseC, Unlock};

use atrest_kit::parts::{Part, attempt, number};
use atrest_kit::{C, Service, backends, broken_generator, name};

pub(crate) const ID: &[u8] = b"upload-1";

pub(crate) fn service() -> Service {
    Service::with(|builder| builder.completion_records())
}

pub(crate) fn begin(service: &Service, object: &ObjectName) -> Upload {
    service.sse.blocking().begin_multipart(object, ID, service.sse_c()).unwrap()
}

/// What the service stores about a part.
pub(crate) fn kept(part: &Part) -> KeptAttempt {
    let kept = KeptAttempt::new(part.number, &part.label, part.receipt.clone(), &part.stored).unwrap();
    KeptAttempt::from_bytes(&kept.to_bytes()).unwrap()
}

/// The record of these parts, as the client lists them.
pub(crate) fn record(service: &Service, upload: &Upload, parts: &[Part]) -> atrest::Result<CompletionRecord> {
    let kept: Vec<_> = parts.iter().map(kept).collect();
    let unopened = parts.iter().zip(&kept).map(|(p, kept)| UnopenedPart::new(p.number, &p.label, kept, &p.stored));
    service.sse.blocking().complete_multipart_without_key(upload.object(), ID, upload.envelope(), unopened)
}

pub(crate) fn finish(
    service: &Service,
    object: &ObjectName,
    record: &CompletionRecord,
) -> atrest::Result<CompletedUpload> {
    service.sse.blocking().finish_completion(object, record, Unlock::CustomerKey(&service.customer_key))
}

pub(crate) fn body(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.stored.clone()).collect()
}

pub(crate) fn plain(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.plain.clone()).collect()
}

pub(crate) fn read(
    service: &Service,
    object: &ObjectName,
    done: &CompletedUpload,
    body: Vec<u8>,
) -> atrest::Result<Vec<u8>> {
    service.decrypt(object, &Encrypted::new(done.envelope.clone(), body).with_manifest(done.manifest.clone()))
}

#[test]
fn an_upload_is_complete_at_once_answers_head_and_lists_without_a_key_and_is_read_with_it() {
    for backend in backends() {
        let service = Service::with(|builder| builder.backend(backend).completion_records());
        let object = name().with_realm("account-7").unwrap().with_version_id("v1").unwrap();
        let upload = begin(&service, &object);
        let parts = [attempt(&upload, 2, 1, 3 * C + 5), attempt(&upload, 7, 0, 0), attempt(&upload, 10_000, 0, 9)];
        let record = record(&service, &upload, &parts).unwrap();

        // ListParts, of what the service keeps.
        let listed = kept(&parts[0]);
        assert_eq!(listed.plaintext_len(ModeId::SseC), Some(3 * C as u64 + 5));
        assert_eq!((listed.number(), listed.label()), (number(2), &b"etag-2-1"[..]));

        // HEAD and GetObjectAttributes, of the record, on a node that has the keyring and no customer key.
        let EnvelopeOrRecord::Record(stored) = EnvelopeOrRecord::decode(record.as_bytes()).unwrap() else { panic!() };
        let head = service.sse.blocking().open_record(&object, &stored).unwrap();
        assert_eq!(head.plaintext_len(), 3 * C as u64 + 14);
        assert_eq!((head.parts().count(), head.record().parts()), (3, 3));
        let places: Vec<_> = head.parts().map(|part| part.info.plaintext.clone()).collect();
        assert_eq!(
            places,
            [0..3 * C as u64 + 5, 3 * C as u64 + 5..3 * C as u64 + 5, 3 * C as u64 + 5..3 * C as u64 + 14]
        );
        assert_eq!(head.ciphertext_len(), body(&parts).len() as u64);

        // LIST, of the total that is kept beside the record.
        let total = RecordedTotal::from_bytes(&head.total().to_bytes()).unwrap();
        assert_eq!((total, total.plaintext_len()), (head.total(), head.plaintext_len()));
        assert!(total.belongs_to(&stored));

        // GET without the key, with another key, and with the key.
        let sse = service.sse.blocking();
        let refused = sse.finish_completion(&object, &stored, Unlock::Server).unwrap_err();
        assert!(matches!(refused, Error::CustomerKey(CustomerKeyError::Required)), "{refused:?}");
        let other = CustomerKey::generate().unwrap();
        let refused = sse.finish_completion(&object, &stored, Unlock::CustomerKey(&other)).unwrap_err();
        assert!(matches!(refused, Error::CustomerKey(CustomerKeyError::Mismatch)), "{refused:?}");
        let done = finish(&service, &object, &stored).unwrap();
        assert_eq!(done.envelope.plaintext_len(), Some(head.plaintext_len()));
        assert!(read(&service, &object, &done, body(&parts)).unwrap() == plain(&parts));

        // A reader that cannot commit serves from what it made.
        let mut served = bytes::BytesMut::new();
        let mut reader = done.decryptor.sequential();
        reader.push(&body(&parts), &mut served).unwrap();
        reader.finish_into(&mut served).unwrap();
        assert!(served == plain(&parts)[..]);
    }
}

#[test]
fn a_fixed_envelope_length_holds_through_record_and_finish() {
    let service = Service::with(|builder| builder.envelope_len(512).completion_records());
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10)];
    let done = finish(&service, &name(), &record(&service, &upload, &parts).unwrap()).unwrap();
    assert_eq!(done.envelope.encoded_len(), 512);
}

#[test]
fn records_are_refused_by_readers_that_were_not_told_of_them_and_by_those_told_otherwise() {
    let service = service();
    let upload = begin(&service, &name());
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10)]).unwrap();
    let untold = Sse::builder().keyring(service.keyring.clone()).build().unwrap();
    let told_none = service.sse.expecting(Expected::new().without_records());
    for sse in [&untold, &told_none] {
        let opened = sse.blocking().open_record(&name(), &record).unwrap_err();
        assert!(matches!(opened, Error::Unexpected(Unexpected::Record)), "{opened:?}");
        let unlock = Unlock::CustomerKey(&service.customer_key);
        let finished = sse.blocking().finish_completion(&name(), &record, unlock).unwrap_err();
        assert!(matches!(finished, Error::Unexpected(Unexpected::Record)), "{finished:?}");
        let rewrapped = sse.blocking().rewrap_record(&name(), &record).unwrap_err();
        assert!(matches!(rewrapped, Error::Unexpected(Unexpected::Record)), "{rewrapped:?}");
        let made = sse.blocking().complete_multipart_without_key(&name(), ID, upload.envelope(), []).unwrap_err();
        assert!(matches!(made, Error::Unexpected(Unexpected::Record)), "{made:?}");
    }
    let of_s3 = service.sse.expecting(Expected::new().with_modes([ModeId::SseS3]));
    let opened = of_s3.blocking().open_record(&name(), &record).unwrap_err();
    assert!(matches!(opened, Error::Unexpected(Unexpected::Mode)), "{opened:?}");
    let opened = service.sse.blocking().open_record(&ObjectName::unbound(), &record).unwrap_err();
    assert!(matches!(opened, Error::Unexpected(Unexpected::Bound)), "{opened:?}");
    let elsewhere = Sse::builder().keyring(Keyring::generate().unwrap()).completion_records().build().unwrap();
    let opened = elsewhere.blocking().open_record(&name(), &record).unwrap_err();
    assert!(matches!(opened, Error::Unexpected(Unexpected::KeyringId)), "{opened:?}");
}

#[test]
fn only_a_named_sse_c_upload_of_a_service_with_a_keyring_is_completed_without_its_key() {
    let service = service();
    let complete = |sse: &Sse, object: &ObjectName, id: &[u8], envelope: &Envelope| {
        sse.blocking().complete_multipart_without_key(object, id, envelope, []).unwrap_err()
    };
    let misuse = |error: Error| assert!(matches!(error, Error::Misuse(Misuse::CompletionWithoutKey)), "{error:?}");
    let sse = service.sse.blocking();
    for mode in service.modes().into_iter().filter(|mode| mode.id() != ModeId::SseC) {
        let upload = sse.begin_multipart(&name(), ID, mode).unwrap();
        let refused = complete(&service.sse, &name(), ID, upload.envelope());
        assert!(matches!(refused, Error::Unexpected(Unexpected::Mode)), "{refused:?}");
    }
    let unbound = sse.begin_multipart(&ObjectName::unbound(), b"", service.sse_c()).unwrap();
    misuse(complete(&service.sse, &ObjectName::unbound(), b"", unbound.envelope()));
    let without = Sse::builder().completion_records().build().unwrap();
    let upload = begin(&service, &name());
    misuse(complete(&without, &name(), ID, upload.envelope()));

    // What the store's writer can bring about is no misuse.
    let object = sse.encrypt(&name(), service.sse_c(), b"meow").unwrap();
    let refused = complete(&service.sse, &name(), ID, &object.envelope);
    assert!(matches!(refused, Error::Unexpected(Unexpected::State)), "{refused:?}");
    let refused = complete(&service.sse, &name(), ID, unbound.envelope());
    assert!(matches!(refused, Error::Unexpected(Unexpected::Unbound)), "{refused:?}");
    let refused = complete(&service.sse, &name(), b"", upload.envelope());
    assert!(matches!(refused, Error::Misuse(Misuse::UploadId)), "{refused:?}");
}

#[test]
fn an_envelope_that_no_record_holds_and_a_list_that_is_too_long_are_over_the_limit() {
    let service = Service::with(|builder| builder.envelope_len(65_600).completion_records());
    let upload = begin(&service, &name());
    let refused = record(&service, &upload, &[attempt(&upload, 1, 0, 10)]).unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::Envelope)), "{refused:?}");

    let service = self::service();
    let upload = begin(&service, &name());
    let part = attempt(&upload, 1, 0, 10);
    let complete = |parts: u32| {
        let kept: Vec<_> = (1..=parts)
            .map(|n| {
                let number = atrest::PartNumber::any(n).unwrap();
                KeptAttempt::new(number, &part.label, part.receipt.clone(), &part.stored).unwrap()
            })
            .collect();
        let parts = kept.iter().map(|kept| UnopenedPart::new(kept.number(), &part.label, kept, &part.stored));
        service.sse.blocking().complete_multipart_without_key(&name(), ID, upload.envelope(), parts)
    };
    let refused = complete(65_537).unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::Multipart)), "{refused:?}");
    let most = complete(65_536).unwrap();
    assert_eq!(service.sse.blocking().open_record(&name(), &most).unwrap().plaintext_len(), 655_360);
    let refused = complete(0).unwrap_err();
    assert!(matches!(refused, Error::Part(PartError::None)), "{refused:?}");
}

#[test]
fn the_clients_list_is_held_against_what_the_service_keeps_and_that_against_the_store() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10), attempt(&upload, 2, 0, 10), attempt(&upload, 2, 1, 10)];
    let [one, two, again] = parts.each_ref().map(kept);
    let complete = |listed: &[UnopenedPart<'_>]| {
        let parts = listed.iter().copied();
        service.sse.blocking().complete_multipart_without_key(&name(), ID, upload.envelope(), parts).unwrap_err()
    };
    let part = |at: usize, kept, stored| UnopenedPart::new(parts[at].number, &parts[at].label, kept, stored);
    let (first, second) = (part(0, &one, &parts[0].stored), part(1, &two, &parts[1].stored));
    let third = part(2, &again, &parts[2].stored);
    for (what, listed) in [("swapped", [second, first]), ("twice", [first, first]), ("both attempts", [second, third])]
    {
        let refused = complete(&listed);
        assert!(matches!(refused, Error::Part(PartError::Order(_))), "{what}: {refused:?}");
    }
    for (what, wrong) in [
        ("another attempt's label", part(1, &again, &parts[2].stored)),
        ("another part", part(0, &two, &parts[1].stored)),
        ("a label that was never answered", UnopenedPart::new(number(1), b"etag", &one, &parts[0].stored)),
    ] {
        let refused = complete(&[wrong]);
        assert!(matches!(refused, Error::Part(PartError::Invalid(_))), "{what}: {refused:?}");
    }
    let longer = [&parts[0].stored[..], b"x"].concat();
    for (what, stored) in [
        ("another attempt", &parts[1].stored[..]),
        ("cut", &parts[0].stored[..70]),
        ("longer", &longer),
        ("empty", b""),
    ] {
        let refused = complete(&[part(0, &one, stored)]);
        assert!(matches!(refused, Error::Inauthentic), "{what}: {refused:?}");
    }
    // What the service keeps was changed together with the store.
    let impossible = KeptAttempt::new(number(1), b"", Receipt::from_bytes([0; 111]), &[7; 71]).unwrap();
    let refused = complete(&[UnopenedPart::new(number(1), b"", &impossible, &[7; 71])]);
    assert!(matches!(refused, Error::Inauthentic), "no part has 71 bytes: {refused:?}");
    for len in [0, 110, 112] {
        let short = KeptAttempt::new(number(1), b"", Receipt::from_bytes(vec![0; len]), &parts[0].stored).unwrap();
        let refused = complete(&[UnopenedPart::new(number(1), b"", &short, &parts[0].stored)]);
        assert!(matches!(refused, Error::Inauthentic), "a receipt of {len} bytes: {refused:?}");
    }
}

#[test]
fn kept_attempts_and_totals_have_one_encoding_and_refuse_every_cut() {
    let service = service();
    let upload = begin(&service, &name());
    let part = attempt(&upload, 1, 0, 10);
    let bytes = kept(&part).to_bytes();
    for at in 0..bytes.len() - part.receipt.as_bytes().len() {
        assert!(matches!(KeptAttempt::from_bytes(&bytes[..at]), Err(Error::Envelope(_))), "cut at {at}");
        let mut changed = bytes.clone();
        changed[at] ^= 0x80;
        if let Ok(kept) = KeptAttempt::from_bytes(&changed) {
            assert_eq!(kept.to_bytes(), changed);
        }
    }
    let too_long = KeptAttempt::new(number(1), &[7; 256], part.receipt.clone(), &part.stored).unwrap_err();
    assert!(matches!(too_long, Error::Misuse(Misuse::LabelTooLong)));
    let record = record(&service, &upload, &[part]).unwrap();
    let total = service.sse.blocking().open_record(&name(), &record).unwrap().total();
    let bytes = total.to_bytes();
    for at in 0..bytes.len() {
        assert!(RecordedTotal::from_bytes(&bytes[..at]).is_err(), "cut at {at}");
    }
    assert!(RecordedTotal::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    for at in 17..49 {
        let mut changed = bytes;
        changed[at] ^= 1;
        assert!(!RecordedTotal::from_bytes(&changed).unwrap().belongs_to(&record));
    }
}

/// What is stored beside one body, replaced only by compare-and-swap: an envelope or record, and a manifest.
pub(crate) struct Slot(pub(crate) Mutex<(Vec<u8>, Vec<u8>)>);

impl Slot {
    pub(crate) fn of(stored: &[u8]) -> Self {
        Self(Mutex::new((stored.to_vec(), Vec::new())))
    }

    pub(crate) fn read(&self) -> Vec<u8> {
        self.0.lock().unwrap().0.clone()
    }

    pub(crate) fn swap(&self, old: &[u8], new: Vec<u8>, manifest: Vec<u8>) -> bool {
        let mut slot = self.0.lock().unwrap();
        let is_old = slot.0 == old;
        if is_old {
            *slot = (new, manifest);
        }
        is_old
    }
}

#[test]
fn of_two_finishers_at_once_one_is_stored_and_both_serve_the_object() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, C), attempt(&upload, 2, 0, 10)];
    let slot = Slot::of(record(&service, &upload, &parts).unwrap().as_bytes());
    let barrier = std::sync::Barrier::new(2);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let (service, slot, barrier) = (&service, &slot, &barrier);
        let threads = [(); 2].map(|()| {
            scope.spawn(move || {
                let record = CompletionRecord::decode(&slot.read()).unwrap();
                let done = finish(service, &name(), &record).unwrap();
                barrier.wait();
                let won = slot.swap(record.as_bytes(), done.envelope.encode(), done.manifest.clone());
                (won, done)
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|(won, _)| *won).count(), 1);
    for (_, done) in &outcomes {
        assert!(read(&service, &name(), done, body(&parts)).unwrap() == plain(&parts));
    }
    let (envelope, manifest) = slot.0.lock().unwrap().clone();
    let winner = &outcomes.iter().find(|(won, _)| *won).unwrap().1;
    assert!(envelope == winner.envelope.encode() && manifest == winner.manifest);
    let loser = &outcomes.iter().find(|(won, _)| !*won).unwrap().1;
    let mixed = Encrypted::new(winner.envelope.clone(), body(&parts)).with_manifest(loser.manifest.clone());
    assert!(matches!(service.decrypt(&name(), &mixed), Err(Error::Inauthentic)));
}

#[test]
fn a_finisher_that_a_sweep_overtook_commits_nothing_and_finishes_from_the_new_record() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10)];
    let old = record(&service, &upload, &parts).unwrap();
    let slot = Slot::of(old.as_bytes());
    let done = finish(&service, &name(), &old).unwrap();
    service.keyring.blocking().rotate().unwrap();
    let fresh = service.sse.blocking().rewrap_record(&name(), &old).unwrap();
    assert!(slot.swap(old.as_bytes(), fresh.as_bytes().to_vec(), vec![]));
    assert!(!slot.swap(old.as_bytes(), done.envelope.encode(), done.manifest.clone()));
    let stands = CompletionRecord::decode(&slot.read()).unwrap();
    let done = finish(&service, &name(), &stands).unwrap();
    assert!(slot.swap(stands.as_bytes(), done.envelope.encode(), done.manifest.clone()));
    assert!(read(&service, &name(), &done, body(&parts)).unwrap() == plain(&parts));
}

#[test]
fn a_rewrap_changes_version_salt_and_tag_and_nothing_else() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10), attempt(&upload, 3, 0, 10)];
    let old = record(&service, &upload, &parts).unwrap();
    assert!(!service.sse.record_needs_rewrap(&old));
    service.keyring.blocking().rotate().unwrap();
    assert!(service.sse.record_needs_rewrap(&old));
    let new = service.sse.blocking().rewrap_record(&name(), &old).unwrap();
    assert_eq!((old.key_version(), new.key_version()), (1, 2));
    let (old_bytes, new_bytes) = (old.as_bytes(), new.as_bytes());
    assert_eq!(old_bytes.len(), new_bytes.len());
    let before_version = 8 + 1 + 2 + old.key_id().len();
    let (salt, tag) = (before_version + 4..before_version + 36, old_bytes.len() - 32..old_bytes.len());
    assert_eq!(old_bytes[..before_version], new_bytes[..before_version]);
    assert_ne!(old_bytes[salt.clone()], new_bytes[salt.clone()]);
    assert_eq!(old_bytes[salt.end..tag.start], new_bytes[salt.end..tag.start]);
    assert_ne!(old_bytes[tag.clone()], new_bytes[tag.clone()]);
    let sse = service.sse.blocking();
    let totals = [&old, &new].map(|record| sse.open_record(&name(), record).unwrap().total());
    assert!(totals[1].belongs_to(&new) && !totals[0].belongs_to(&new) && !totals[1].belongs_to(&old));
    // Under the same primary again: another salt.
    assert_ne!(sse.rewrap_record(&name(), &new).unwrap().as_bytes(), new_bytes);
}

#[test]
fn a_record_under_a_disabled_or_retired_version_is_the_keyrings_to_answer() {
    let service = service();
    let upload = begin(&service, &name());
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10)]).unwrap();
    service.keyring.blocking().rotate().unwrap();
    service.keyring.blocking().disable(1).unwrap();
    let refused = |kind| {
        let attempts = [
            service.sse.blocking().open_record(&name(), &record).map(drop),
            service.sse.blocking().rewrap_record(&name(), &record).map(drop),
            finish(&service, &name(), &record).map(drop),
        ];
        for attempt in attempts {
            match attempt {
                Err(Error::KeyProvider(error)) => assert_eq!((error.kind(), error.key_version()), (kind, Some(1))),
                other => panic!("{other:?}"),
            }
        }
    };
    refused(KeyProviderErrorKind::Disabled);
    service.keyring.blocking().enable(1).unwrap();
    finish(&service, &name(), &record).unwrap();
    service.keyring.blocking().disable(1).unwrap();
    service.keyring.blocking().retire_losing_what_it_wraps(1).unwrap();
    refused(KeyProviderErrorKind::NotFound);
}

#[test]
fn a_completion_with_the_key_at_hand_writes_no_record() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10)];
    let done = service.complete(&upload, &parts).unwrap();
    assert!(matches!(EnvelopeOrRecord::decode(&done.envelope.encode()).unwrap(), EnvelopeOrRecord::Envelope(_)));
    assert!(read(&service, &name(), &done, body(&parts)).unwrap() == plain(&parts));
}

#[test]
fn a_trail_has_what_was_completed_rewrapped_and_opened_and_nothing_of_a_head() {
    let sink = Arc::new(MemorySink::new());
    let trail = AuditTrail::new(sink.clone());
    let service = Service::with(|builder| builder.completion_records().audit(trail));
    let upload = begin(&service, &name());
    sink.clear();
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10)]).unwrap();
    service.sse.blocking().open_record(&name(), &record).unwrap();
    service.sse.blocking().rewrap_record(&name(), &record).unwrap();
    service.sse.blocking().finish_completion(&name(), &record, Unlock::Server).unwrap_err();
    finish(&service, &name(), &record).unwrap();
    let events: Vec<_> = sink.events().iter().map(|event| (event.operation(), event.error().is_some())).collect();
    let expected = [
        (AuditOperation::CompleteMultipart, false),
        (AuditOperation::RewrapObject, false),
        (AuditOperation::DecryptObject, true),
        (AuditOperation::DecryptObject, false),
    ];
    assert_eq!(events, expected);
    assert!(sink.events().iter().all(|event| event.mode() == Some(ModeId::SseC) && event.object() == Some(&name())));
}

#[test]
fn a_generator_that_fails_makes_no_record_and_finishes_none() {
    let keyring = Keyring::generate().unwrap();
    let key = Arc::new(CustomerKey::generate().unwrap());
    let working = Sse::builder().keyring(keyring.clone()).completion_records().build().unwrap();
    let upload = working.blocking().begin_multipart(&name(), ID, SseC::new(key.clone())).unwrap();
    let part = attempt(&upload, 1, 0, 10);
    let kept = kept(&part);
    let unopened = UnopenedPart::new(part.number, &part.label, &kept, &part.stored);
    let complete =
        |sse: &Sse| sse.blocking().complete_multipart_without_key(&name(), ID, upload.envelope(), [unopened]);
    let record = complete(&working).unwrap();
    let broken = Sse::builder().keyring(keyring).completion_records().generator(broken_generator).build().unwrap();
    assert!(matches!(complete(&broken), Err(Error::Random(_))));
    assert!(matches!(broken.blocking().rewrap_record(&name(), &record), Err(Error::Random(_))));
    let finished = broken.blocking().finish_completion(&name(), &record, Unlock::CustomerKey(&key));
    assert!(matches!(finished, Err(Error::Random(_))));
    broken.blocking().open_record(&name(), &record).unwrap();
}

#[test]
fn nothing_made_from_a_key_and_no_label_is_in_a_debug_text() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10)];
    let record = record(&service, &upload, &parts).unwrap();
    let opened = service.sse.blocking().open_record(&name(), &record).unwrap();
    let kept = kept(&parts[0]);
    let text = format!("{record:?} {opened:?} {:?} {kept:?}", opened.total());
    assert!(!text.contains("etag-1-0"), "{text}");
    let tag = &record.as_bytes()[record.as_bytes().len() - 32..];
    assert!(!text.contains(&format!("{tag:?}")[1..20]), "{text}");
}
