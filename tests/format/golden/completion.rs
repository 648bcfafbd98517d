//! Golden SSE-C upload completed without its key: the service's records of the parts, the completion record, and the
//! finished object.

use std::fs;
use std::path::Path;

use atrest::multipart::{CompletionRecord, KeptAttempt, RecordedTotal, UnopenedPart};
use atrest::{Blocking, Encrypted, Envelope, ModeId, ObjectName, PartNumber, SseC, Unlock};

use super::{customer_key, sse, versions};
use atrest_kit::{backends, plain};

const FILE: &str = "completed-sse-c";
const UPLOAD_ID: &[u8] = b"golden upload \xFF";
/// Number and length of each part.
const PARTS: [(u32, usize); 4] = [(1, 20_000), (2, 0), (7, 16_384), (10_000, 5)];

fn object() -> ObjectName {
    ObjectName::new("photos", "completed é").unwrap().with_realm("account-7").unwrap().with_version_id("v1").unwrap()
}

fn label(number: u32) -> Vec<u8> {
    format!("\"etag-{number}\"").into_bytes()
}

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn plaintext() -> Vec<u8> {
    plain(PARTS.iter().map(|(_, len)| len).sum())
}

/// Writes the files of a new version.
pub(crate) fn write(directory: &Path, sse: &Blocking) {
    let write = |what: &str, bytes: &[u8]| fs::write(directory.join(format!("{FILE}.{what}")), bytes).unwrap();
    let upload = sse.begin_multipart(&object(), UPLOAD_ID, SseC::new(customer_key())).unwrap();
    let (whole, mut at) = (plaintext(), 0);
    let parts: Vec<_> = PARTS
        .into_iter()
        .map(|(of, len)| {
            let (stored, receipt) = upload.encrypt_part(number(of), &whole[at..at + len], &label(of)).unwrap();
            at += len;
            let kept = KeptAttempt::new(number(of), &label(of), receipt, &stored).unwrap();
            write(&format!("part-{of}"), &stored);
            write(&format!("kept-{of}"), &kept.to_bytes());
            (kept, stored)
        })
        .collect();
    let listed = parts.iter().map(|(kept, stored)| UnopenedPart::new(kept.number(), kept.label(), kept, stored));
    let record = sse.complete_multipart_without_key(&object(), UPLOAD_ID, upload.envelope(), listed).unwrap();
    write("record", record.as_bytes());
    write("total", &sse.open_record(&object(), &record).unwrap().total().to_bytes());
    let finished = sse.finish_completion(&object(), &record, Unlock::CustomerKey(&customer_key())).unwrap();
    write("envelope", &finished.envelope.encode());
    write("manifest", &finished.manifest);
}

#[test]
fn every_completion_record_ever_written_opens_and_finishes_and_so_does_what_it_was_finished_to() {
    let mut checked = 0;
    for version in versions() {
        // The first three versions had none.
        let older = ["0.1.0", "0.2.0", "0.3.0"].iter().any(|older| version.ends_with(older));
        assert_eq!(version.join(format!("{FILE}.record")).exists(), !older);
        if !older {
            backends().into_iter().for_each(|backend| check(&version, &sse(&version, backend).blocking()));
            checked += 1;
        }
    }
    assert!(checked > 0, "there are golden files");
}

fn check(version: &Path, sse: &Blocking) {
    let read = |what: &str| fs::read(version.join(format!("{FILE}.{what}"))).unwrap();
    let (key, object) = (customer_key(), object());
    let unlock = Unlock::CustomerKey(&key);
    let record = CompletionRecord::decode(&read("record")).unwrap();
    assert_eq!((record.as_bytes(), record.key_version()), (&read("record")[..], 2), "one encoding");
    let opened = sse.open_record(&object, &record).unwrap();
    assert_eq!((opened.plaintext_len(), opened.upload_id()), (plaintext().len() as u64, UPLOAD_ID));
    let total = RecordedTotal::from_bytes(&read("total")).unwrap();
    assert!(total == opened.total() && total.belongs_to(&record) && total.to_bytes()[..] == read("total"));
    let mut body = Vec::new();
    for ((of, len), part) in PARTS.into_iter().zip(opened.parts()) {
        let (stored, kept) = (read(&format!("part-{of}")), KeptAttempt::from_bytes(&read(&format!("kept-{of}"))));
        let kept = kept.unwrap();
        assert_eq!(kept.to_bytes(), read(&format!("kept-{of}")), "one encoding");
        assert_eq!((kept.plaintext_len(ModeId::SseC), kept.label()), (Some(len as u64), part.label));
        assert_eq!((part.info.number, kept.stored_len()), (number(of), stored.len() as u64));
        body.extend_from_slice(&stored);
    }
    let again = sse.finish_completion(&object, &record, unlock).unwrap();
    let finished = (Envelope::decode(&read("envelope")).unwrap(), read("manifest"));
    for (envelope, manifest) in [finished, (again.envelope, again.manifest)] {
        let stored = Encrypted::new(envelope, body.clone()).with_manifest(manifest);
        assert!(sse.decrypt(&object, &stored, unlock).unwrap() == plaintext());
    }
}
