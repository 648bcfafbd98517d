//! Attacks on SSE-C uploads completed without their key, by an attacker who writes the store.

use atrest::error::{EnvelopeError, Unexpected};
use atrest::multipart::{CompletionRecord, EnvelopeOrRecord, UnopenedPart};
use atrest::{CustomerKey, Envelope, Error, Expected, ObjectName, Sse, SseC, Unlock};

use super::completion::{ID, Slot, begin, body, finish, kept, plain, read, record, service};
use atrest_kit::parts::{Part, attempt};
use atrest_kit::{C, Service, name};

fn inauthentic<T: std::fmt::Debug>(what: &str, outcome: atrest::Result<T>) {
    assert!(matches!(outcome, Err(Error::Inauthentic)), "{what}: {outcome:?}");
}

fn open(service: &Service, object: &ObjectName, record: &CompletionRecord) -> atrest::Result<u64> {
    service.sse.blocking().open_record(object, record).map(|opened| opened.plaintext_len())
}

#[test]
fn a_record_that_is_cut_at_any_byte_or_has_one_more_is_malformed() {
    let service = service();
    let upload = begin(&service, &name());
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10), attempt(&upload, 2, 0, 0)]).unwrap();
    let bytes = record.as_bytes();
    for at in 0..bytes.len() {
        let cut = EnvelopeOrRecord::decode(&bytes[..at]);
        match cut {
            Err(Error::Envelope(EnvelopeError::NotAnEnvelope)) => assert!(at < 16, "cut at {at}"),
            Err(Error::Envelope(EnvelopeError::Malformed(_))) => assert!(at >= 16, "cut at {at}"),
            other => panic!("cut at {at}: {other:?}"),
        }
    }
    for behind in [vec![0], bytes.to_vec()] {
        let longer = CompletionRecord::decode(&[bytes, &behind].concat());
        assert!(matches!(longer, Err(Error::Envelope(EnvelopeError::Malformed(_)))), "{longer:?}");
    }
}

#[test]
fn a_record_of_which_any_bit_was_changed_opens_and_finishes_nothing() {
    let service = service();
    let upload = begin(&service, &name());
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10), attempt(&upload, 2, 0, 0)]).unwrap();
    let bytes = record.as_bytes();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1 << bit;
            let Ok(changed) = CompletionRecord::decode(&changed) else { continue };
            assert_eq!(changed.as_bytes().len(), bytes.len());
            let refused = open(&service, &name(), &changed).unwrap_err();
            let inauthentic = matches!(refused, Error::Inauthentic);
            // The key id and the version choose the key, before the tag is computed.
            let head = at < 8 + 1 + 2 + record.key_id().len() + 4;
            let chosen = matches!(refused, Error::Unexpected(Unexpected::KeyringId) | Error::KeyProvider(_));
            assert!(inauthentic || (head && chosen), "byte {at}: {refused:?}");
            assert!(finish(&service, &name(), &changed).is_err());
        }
    }
}

#[test]
fn a_record_of_another_object_realm_or_version_opens_nothing_here() {
    let service = service();
    let object = name().with_realm("account-7").unwrap().with_version_id("v1").unwrap();
    let upload = begin(&service, &object);
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10)]).unwrap();
    open(&service, &object, &record).unwrap();
    let named = |realm: &str, bucket: &str, key: &str, version: &str| {
        ObjectName::new(bucket, key).unwrap().with_realm(realm).unwrap().with_version_id(version).unwrap()
    };
    for (what, other) in [
        ("another key", named("account-7", "photos", "2026/dog.jpg", "v1")),
        ("another bucket", named("account-7", "photo", "2026/cat.jpg", "v1")),
        ("another realm", named("account-8", "photos", "2026/cat.jpg", "v1")),
        ("no realm", name().with_version_id("v1").unwrap()),
        ("another version", named("account-7", "photos", "2026/cat.jpg", "v2")),
        ("no version", name().with_realm("account-7").unwrap()),
        ("bytes moved from key to version", named("account-7", "photos", "2026/cat.jp", "gv1")),
    ] {
        inauthentic(what, open(&service, &other, &record));
        inauthentic(what, finish(&service, &other, &record));
        inauthentic(what, service.sse.blocking().rewrap_record(&other, &record));
    }
}

/// The record that an attacker who can write the store makes of an attempt: consistent in all but the receipt.
fn completed_from(service: &Service, envelope: &Envelope, parts: &[Part]) -> CompletionRecord {
    let kept: Vec<_> = parts.iter().map(kept).collect();
    let parts = parts.iter().zip(&kept).map(|(p, kept)| UnopenedPart::new(p.number, &p.label, kept, &p.stored));
    service.sse.blocking().complete_multipart_without_key(&name(), ID, envelope, parts).unwrap()
}

#[test]
fn what_was_mixed_in_before_the_completion_shows_at_the_first_read_with_the_key() {
    let service = service();
    let upload = begin(&service, &name());
    let [one, two, again] = [attempt(&upload, 1, 0, 10), attempt(&upload, 2, 0, 10), attempt(&upload, 2, 1, 10)];
    let other = service.sse.blocking().begin_multipart(&name(), b"upload-2", service.sse_c()).unwrap();
    let of_other = attempt(&other, 1, 0, 10);
    let theirs = SseC::new(CustomerKey::generate().unwrap());
    let theirs = service.sse.blocking().begin_multipart(&name(), ID, theirs).unwrap();

    let mixed = |what: &str, parts: &[Part]| {
        let record = completed_from(&service, upload.envelope(), parts);
        open(&service, &name(), &record).unwrap();
        inauthentic(what, finish(&service, &name(), &record));
    };
    mixed("a part of another upload", &[Part { label: one.label.clone(), ..of_other.clone() }, two.clone()]);
    let swapped = Part { number: two.number, label: two.label.clone(), ..one.clone() };
    mixed("part 1 in the place of part 2", &[one.clone(), swapped]);
    mixed("another attempt under the label that was answered", &[Part { label: two.label.clone(), ..again.clone() }]);
    mixed("the stored part of another attempt", &[Part { stored: again.stored.clone(), ..two.clone() }]);
    mixed("the receipt of another attempt", &[Part { receipt: again.receipt.clone(), ..two.clone() }]);
    let longer = Part { stored: [&two.stored[..], b"x"].concat(), ..two.clone() };
    mixed("a longer stored part", &[longer]);

    // Another upload's envelope, and one under the attacker's own key, in place of this upload's.
    let record = completed_from(&service, other.envelope(), std::slice::from_ref(&one));
    inauthentic("the envelope of another upload", finish(&service, &name(), &record));
    let record = completed_from(&service, theirs.envelope(), &[one]);
    let refused = finish(&service, &name(), &record).unwrap_err();
    assert!(matches!(refused, Error::CustomerKey(_)), "another key's envelope: {refused:?}");
}

#[test]
fn parts_that_are_swapped_dropped_doubled_or_of_another_attempt_behind_the_record_are_not_read() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, C), attempt(&upload, 2, 0, C), attempt(&upload, 3, 0, 5)];
    let again = attempt(&upload, 2, 1, C);
    let record = record(&service, &upload, &parts).unwrap();
    let done = finish(&service, &name(), &record).unwrap();
    assert!(read(&service, &name(), &done, body(&parts)).unwrap() == plain(&parts));
    let [one, two, three] = parts;
    for (what, stored) in [
        ("swapped", vec![two.clone(), one.clone(), three.clone()]),
        ("dropped", vec![one.clone(), three.clone()]),
        ("doubled", vec![one.clone(), two.clone(), two, three.clone()]),
        ("another attempt", vec![one, again, three]),
    ] {
        let outcome = read(&service, &name(), &done, body(&stored));
        assert!(matches!(outcome, Err(Error::Inauthentic | Error::Truncated)), "{what}: {outcome:?}");
    }
}

/// A record that was put back opens for its own name. To notice a replay takes a value that is kept elsewhere.
#[test]
fn an_older_record_opens_for_its_own_name_alone_and_the_total_beside_it_tells_it_from_the_newer() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10), attempt(&upload, 2, 0, 20)];
    let older = record(&service, &upload, &parts[..1]).unwrap();
    let newer = record(&service, &upload, &parts).unwrap();
    let kept = service.sse.blocking().open_record(&name(), &newer).unwrap().total();
    assert_eq!((open(&service, &name(), &older).unwrap(), kept.plaintext_len()), (10, 30));
    assert!(kept.belongs_to(&newer) && !kept.belongs_to(&older));
    let done = finish(&service, &name(), &older).unwrap();
    assert!(read(&service, &name(), &done, body(&parts[..1])).unwrap() == plain(&parts[..1]));
    assert!(read(&service, &name(), &done, body(&parts)).is_err(), "a list that was acknowledged is read whole or not");
}

#[test]
fn a_record_that_is_put_back_after_the_object_was_finished_swaps_nothing_and_is_refused_where_none_is_expected() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10)];
    let record = record(&service, &upload, &parts).unwrap();
    let slot = Slot::of(record.as_bytes());
    let done = finish(&service, &name(), &record).unwrap();
    assert!(slot.swap(record.as_bytes(), done.envelope.encode(), done.manifest.clone()));
    // A slow request that still holds the record.
    let late = finish(&service, &name(), &record).unwrap();
    assert!(!slot.swap(record.as_bytes(), late.envelope.encode(), late.manifest.clone()));
    assert!(read(&service, &name(), &late, body(&parts)).unwrap() == plain(&parts), "and yet it serves");
    // The writer of the store puts it back: the same object, or nothing where the service remembers that it is
    // finished.
    let finished = service.sse.expecting(Expected::new().without_records()).blocking();
    let refused = finished.finish_completion(&name(), &record, Unlock::CustomerKey(&service.customer_key));
    assert!(matches!(refused, Err(Error::Unexpected(Unexpected::Record))), "{refused:?}");
}

#[test]
fn a_failure_leaves_the_record_as_it_is_and_the_right_key_still_finishes_it() {
    let service = service();
    let upload = begin(&service, &name());
    let parts = [attempt(&upload, 1, 0, 10)];
    let record = record(&service, &upload, &parts).unwrap();
    let before = record.as_bytes().to_vec();
    let wrong = CustomerKey::generate().unwrap();
    for _ in 0..3 {
        service.sse.blocking().finish_completion(&name(), &record, Unlock::CustomerKey(&wrong)).unwrap_err();
    }
    assert_eq!(record.as_bytes(), before);
    finish(&service, &name(), &record).unwrap();
}

#[test]
fn an_envelope_is_no_record_and_a_record_is_no_envelope() {
    let service = service();
    let upload = begin(&service, &name());
    let record = record(&service, &upload, &[attempt(&upload, 1, 0, 10)]).unwrap();
    let not_one = |outcome: atrest::Result<()>| {
        assert!(matches!(outcome, Err(Error::Envelope(EnvelopeError::NotAnEnvelope))), "{outcome:?}");
    };
    not_one(Envelope::decode(record.as_bytes()).map(drop));
    not_one(CompletionRecord::decode(&upload.envelope().encode()).map(drop));
    // A resumed upload, a read and a rewrap take envelopes alone; the type says so. Its embedded envelope opens no
    // object.
    let sse: &Sse = &service.sse;
    let unlock = Unlock::CustomerKey(&service.customer_key);
    let refused = sse.blocking().decryptor(&name(), upload.envelope(), unlock);
    assert!(matches!(refused, Err(Error::UploadNotComplete)), "{refused:?}");
}
