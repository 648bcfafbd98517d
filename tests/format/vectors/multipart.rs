//! Multipart vectors: parts by number, pages of the manifest, receipts, and whole objects written again.

use std::ops::Range;

use atrest::error::PartError;
use atrest::multipart::{CompletedPart, CompletedUpload, Receipt, Upload};
use atrest::{Backend, Decryptor, Envelope, EnvelopeState, Error, Expected, PartNumber, Sse};
use atrest_reference::envelope::{MULTIPART, UPLOAD, field};
use atrest_reference::multipart::{Part, RECEIPT, parse_manifest, upload_name};
use atrest_reference::{message, value, wrap};

use super::accept::{decryptor, for_each};
use super::cases::{Case, unlock};
use atrest_kit::{C, Playback, Steps, read_range, read_range_streamed, read_streamed};

const UPLOAD_ID: &[u8] = b"upload-1";

/// The multipart objects of `accept.json`.
fn for_each_multipart(mut check: impl FnMut(&Case, &[u8], Backend)) {
    let mut checked = 0;
    for_each(|case, expected, backend| {
        if case.is_multipart() {
            check(case, expected, backend);
            checked += 1;
        }
    });
    assert!(checked > 0, "no multipart object");
}

fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

fn label(number: u32) -> Vec<u8> {
    format!("etag-{number}").into_bytes()
}

/// Where each part lies, by the stated lengths alone: number, plaintext, stored bytes.
fn places(case: &Case) -> Vec<(u32, Range<u64>, Range<u64>)> {
    let (mut plain, mut stored) = (0, 0);
    let place = |(number, len): &(u32, usize)| {
        let stored_len = message::stored_len(*len as u64, case.data_keys().len()).unwrap();
        let place = (*number, plain..plain + *len as u64, stored..stored + stored_len);
        (plain, stored) = (place.1.end, place.2.end);
        place
    };
    case.parts.iter().map(place).collect()
}

fn slice(bytes: &[u8], range: &Range<u64>) -> Vec<u8> {
    bytes[range.start as usize..range.end as usize].to_vec()
}

#[test]
fn every_part_opens_alone_by_its_number() {
    for_each_multipart(|case, expected, backend| {
        let object = decryptor(case, backend);
        let places = places(case);
        let parts = object.parts().unwrap();
        assert_eq!(parts.len(), places.len(), "{}", case.title);
        assert_eq!(object.plaintext_len(), Some(expected.len() as u64));
        assert_eq!(object.ciphertext_len(), Some(case.body.len() as u64));
        for (info, (number_of, plain, stored)) in parts.into_iter().zip(places) {
            assert_eq!((info.number.get(), &info.plaintext, &info.ciphertext), (number_of, &plain, &stored));
            assert_eq!(object.part(info.number).unwrap(), info);
            let part = object.part_decryptor(info.number).unwrap();
            check_part(&part, &slice(&case.body, &stored), &slice(expected, &plain));
        }
        for missing in [3, 10_000] {
            let refused = object.part(number(missing));
            assert!(matches!(refused, Err(Error::Part(PartError::NotFound(n))) if n == missing), "{refused:?}");
            assert!(object.part_decryptor(number(missing)).is_err());
        }
    });
}

/// Checks one part by itself.
fn check_part(part: &Decryptor, stored: &[u8], expected: &[u8]) {
    assert_eq!(part.plaintext_len(), Some(expected.len() as u64));
    assert_eq!(read_streamed(part, stored, &Steps::of(1_001)).into_result().unwrap(), expected);
    if !expected.is_empty() {
        assert_eq!(read_range(part, stored, 0..).unwrap(), expected);
        let last = expected.len() as u64 - 1;
        let one = read_range_streamed(part, stored, last..=last, &Steps::of(100)).into_result().unwrap();
        assert_eq!(one, expected[expected.len() - 1..]);
    }
}

#[test]
fn every_page_of_a_manifest_names_its_parts_and_opens_them() {
    for_each_multipart(|case, expected, backend| {
        let key = case.customer_key();
        let envelope = Envelope::decode(case.envelope()).unwrap();
        let unlisted = case.sse(backend, None, None).blocking().decryptor(&case.object(), &envelope, unlock(&key));
        let unlisted = unlisted.unwrap();
        let (places, count) = (places(case), case.parts.len() as u32);
        assert_eq!((envelope.parts(), envelope.manifest_len()), (Some(count), Some(case.manifest().len() as u64)));
        for first in 0..count {
            for end in first + 1..count + 2 {
                let page = unlisted.manifest_page(first..end).unwrap();
                let fetched = slice(case.manifest(), &page.fetch());
                let listed = page.open(&fetched).unwrap();
                let within = &places[first as usize..end.min(count) as usize];
                assert_eq!(listed.len(), within.len(), "{}: {first}..{end}", case.title);
                for (part, (number, plain, stored)) in listed.iter().zip(within) {
                    assert_eq!((part.number.get(), &part.plaintext), (*number, plain));
                    check_part(&part.decryptor, &slice(&case.body, stored), &slice(expected, plain));
                }
                let mut changed = fetched;
                *changed.last_mut().unwrap() ^= 1;
                assert!(matches!(page.open(&changed), Err(Error::Inauthentic)), "{}", case.title);
                assert!(matches!(page.open(&changed[1..]), Err(Error::Truncated)), "{}", case.title);
            }
        }
        for empty in [0..0, count..count + 1, u32::MAX..u32::MAX] {
            assert!(matches!(unlisted.manifest_page(empty), Err(Error::Part(PartError::Page))));
        }
    });
}

/// The records of the manifest, as the oracle reads them.
fn records(case: &Case) -> Vec<Part> {
    let layers = case.layers();
    let fields: Vec<_> = layers.iter().filter_map(atrest_reference::envelope::Envelope::manifest).collect();
    let headers: Vec<_> = fields.iter().map(|(_, _, header)| header.clone()).collect();
    let keys = case.data_keys();
    let records = message::open_layers(&headers, &keys, &message::manifest_context(), case.manifest()).unwrap();
    parse_manifest(&records, keys.len(), fields[0].0, fields[0].1).unwrap()
}

/// The envelope of the upload that the object was completed from, under the same keys; the vectors do not state it.
pub(crate) fn upload_envelope(case: &Case) -> Envelope {
    let name = case.name().map(|name| upload_name(&name, UPLOAD_ID));
    let mut inner_envelope = None;
    for (at, mut layer) in case.layers().into_iter().enumerate().rev() {
        assert_eq!(layer.state, MULTIPART);
        layer.state = UPLOAD;
        layer.fields.remove(&field::MANIFEST);
        layer.fields.remove(&field::PADDING);
        if let Some(inner) = inner_envelope.take() {
            layer.fields.insert(field::INNER_ENVELOPE, inner);
        }
        wrap::wrap(&mut layer, &case.kek(at), name.as_ref(), &case.data_keys()[at]);
        inner_envelope = Some(layer.encode());
    }
    Envelope::decode(&inner_envelope.expect("at least one layer")).unwrap()
}

/// The id under which its upload goes.
fn upload_id(case: &Case) -> &'static [u8] {
    if case.object().is_bound() { UPLOAD_ID } else { b"" }
}

fn resume(case: &Case, sse: &Sse) -> Upload {
    let (key, envelope) = (case.customer_key(), upload_envelope(case));
    assert_eq!(envelope.state(), EnvelopeState::Upload);
    let expected = Expected::exactly(&envelope);
    sse.blocking().resume_multipart(&case.object(), upload_id(case), &envelope, &expected, unlock(&key)).unwrap()
}

#[test]
fn every_receipt_says_what_its_part_stored() {
    for_each_multipart(|case, _, backend| {
        let upload = resume(case, &case.sse(backend, None, None));
        let receipts = case.receipts();
        assert_eq!(receipts.len(), case.parts.len());
        for (receipt, (number, plain, stored)) in receipts.iter().zip(places(case)) {
            let opened = upload.open_receipt(receipt).unwrap();
            assert_eq!((opened.number.get(), opened.plaintext_len), (number, plain.end - plain.start));
            assert_eq!((opened.label, opened.plaintext_len), (label(number), plain.end - plain.start));
            let opened = upload.open_receipt(receipt).unwrap();
            assert_eq!(opened.stored_len(), stored.end - stored.start, "{}", case.title);
        }
    });
}

/// Every random byte behind the beginning of the upload, in the order in which it is drawn: for each part its salts,
/// then its receipt's; then the manifest's salts, then those of the wraps from the inner one out.
fn randomness_of_parts(case: &Case, records: &[Part]) -> Vec<u8> {
    let mut drawn = Vec::new();
    for (record, receipt) in records.iter().zip(case.receipts()) {
        drawn.extend(record.salts.concat());
        drawn.extend(sealed_salts(case, &receipt));
    }
    drawn
}

fn sealed_salts(case: &Case, receipt: &Receipt) -> Vec<u8> {
    let keys = case.data_keys();
    let mut salts = receipt.as_bytes()[1..25].to_vec();
    if keys.len() == 2 {
        let inner = value::open_reserved(&keys[..1], &[0; 24], RECEIPT, receipt.as_bytes()).unwrap();
        salts.extend_from_slice(&inner[1..25]);
    }
    salts
}

fn randomness_of_completion(case: &Case) -> Vec<u8> {
    let layers = case.layers();
    let mut drawn = Vec::new();
    for layer in &layers {
        drawn.extend_from_slice(&layer.manifest().expect("a multipart object").2[..24]);
    }
    for layer in layers.iter().rev() {
        drawn.extend_from_slice(&layer.wrap_salt);
    }
    drawn
}

fn assert_completed(case: &Case, completed: &CompletedUpload, playback: &Playback) {
    assert_eq!(completed.envelope.encode(), case.envelope(), "{}", case.title);
    assert_eq!(completed.manifest, case.manifest(), "{}", case.title);
    assert!(playback.is_used_up(), "{}", case.title);
}

#[test]
fn every_upload_is_completed_again_from_its_stated_receipts() {
    for_each_multipart(|case, expected, backend| {
        let playback = Playback::of(&randomness_of_completion(case));
        let sse = case.sse(backend, Some(playback.clone()), case.fixed_len());
        let (upload, receipts, key) = (resume(case, &sse), case.receipts(), case.customer_key());
        let labels: Vec<_> = case.parts.iter().map(|(number, _)| label(*number)).collect();
        let stored: Vec<_> = places(case).into_iter().map(|(_, _, stored)| slice(&case.body, &stored)).collect();
        let parts = (0..receipts.len())
            .map(|at| CompletedPart::new(number(case.parts[at].0), &labels[at], &receipts[at], &stored[at]));
        let completed = sse.blocking().complete_multipart(&upload, unlock(&key), parts).unwrap();
        assert_completed(case, &completed, &playback);
        let read = read_streamed(&completed.decryptor, &case.body, &Steps::of(5_000)).into_result().unwrap();
        assert!(read == expected, "{}", case.title);
    });
}

/// One part, in pieces of this length.
fn encrypt(upload: &Upload, at: u32, plain: &[u8], input: usize) -> (Vec<u8>, Receipt) {
    let (mut part, seal) = upload.part(number(at)).unwrap();
    let mut stored = Vec::new();
    for piece in plain.chunks(input) {
        let mut output = vec![0; part.update_len(piece.len())];
        assert_eq!(part.update(piece, &mut output).unwrap(), output.len());
        stored.extend_from_slice(&output);
    }
    let mut rest = vec![0; part.finish_len()];
    let finished = part.finish(&mut rest).unwrap();
    assert_eq!((finished.written, finished.plaintext_len), (rest.len(), plain.len() as u64));
    stored.extend_from_slice(&rest);
    (stored, seal.receipt(&finished, &label(at)).unwrap())
}

#[test]
fn every_multipart_object_is_written_again_byte_for_byte() {
    for_each_multipart(|case, expected, backend| {
        for input in [1_000, C - 1, C + 1, 70_000] {
            let records = records(case);
            // The vectors do not state the salt of the upload's own wrap; the data keys are the object's.
            let begin = case.data_keys().into_iter().flat_map(|key| [[9; 32], key].concat());
            let drawn =
                [begin.collect::<Vec<_>>(), randomness_of_parts(case, &records), randomness_of_completion(case)];
            let playback = Playback::of(&drawn.concat());
            let sse = case.sse(backend, Some(playback.clone()), case.fixed_len());
            let key = case.customer_key();
            let upload = sse.blocking().begin_multipart(&case.object(), upload_id(case), case.any_mode()).unwrap();
            let mut made = Vec::new();
            for (number_of, plain, stored) in places(case) {
                let (part, receipt) = encrypt(&upload, number_of, &slice(expected, &plain), input);
                assert!(part == slice(&case.body, &stored), "{}: part {number_of}", case.title);
                made.push((number(number_of), label(number_of), receipt, part));
            }
            assert_eq!(made.iter().map(|made| made.2.clone()).collect::<Vec<_>>(), case.receipts(), "{}", case.title);
            let parts = made.iter().map(|(number, label, receipt, stored)| {
                let header = stored.first_chunk().unwrap();
                CompletedPart::stored(*number, label, receipt, stored.len() as u64, header)
            });
            let completed = sse.blocking().complete_multipart(&upload, unlock(&key), parts).unwrap();
            assert_completed(case, &completed, &playback);
        }
    });
}
