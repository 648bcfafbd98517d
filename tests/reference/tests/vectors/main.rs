//! The oracle against test vectors of an implementation in another language: every case.

mod cases;
mod derivations;
mod trailer;

use atrest_reference::envelope::{Envelope, field};
use atrest_reference::multipart::{Receipt, open_receipt, parse_manifest, seal_receipt};
use atrest_reference::object::{Layer, Write, encrypt};
use atrest_reference::upload::{Completed, complete};
use atrest_reference::{Error, message, parse};

use crate::cases::{Case, load};

#[test]
fn every_accepted_object_opens() {
    let cases = load("accept.json");
    assert_eq!(cases.len(), 65);
    for case in &cases {
        let opened = case.decrypt().unwrap_or_else(|error| panic!("{}: {error:?}", case.name));
        assert_eq!(opened, case.plaintext(), "{}", case.name);
    }
}

#[test]
fn every_rejected_object_is_refused_with_its_class() {
    let cases = load("reject.json");
    assert_eq!(cases.len(), 180);
    for case in &cases {
        let refused = case.decrypt().expect_err(&case.name).class();
        assert!(case.expects(&refused), "{}: {refused}", case.name);
    }
}

#[test]
fn every_accepted_envelope_encodes_to_its_own_bytes() {
    for case in load("accept.json") {
        let decoded = parse::decode(&case.envelope).expect(&case.name);
        assert_eq!(decoded.encode(), case.envelope, "{}", case.name);
    }
}

#[test]
fn every_accepted_object_is_unwrapped_to_its_data_keys() {
    for case in load("accept.json") {
        let envelope = parse::decode(&case.envelope).expect(&case.name);
        assert_eq!(case.reader().unwrap(&envelope), Ok(case.data_keys.clone()), "{}", case.name);
    }
}

#[test]
fn every_accepted_object_is_written_again_byte_for_byte() {
    let mut written = 0;
    for case in load("accept.json").iter().filter(|case| case.manifest.is_none()) {
        let again = encrypt(&write_of(case), &case.plaintext()).expect(&case.name);
        assert_eq!(again.0, case.envelope, "{}", case.name);
        assert_eq!(again.1, case.body, "{}", case.name);
        written += 1;
    }
    assert_eq!(written, 57);
}

/// How the case was written, its random bytes taken from what it stored.
fn write_of(case: &Case) -> Write {
    let envelope = parse::decode(&case.envelope).expect(&case.name);
    let layers = envelope.layers();
    let layer = |i: usize| layer_of(case, &layers[i], i);
    Write {
        mode: envelope.mode,
        name: case.object.clone(),
        outer: layer(0),
        inner: (layers.len() == 2).then(|| layer(1)),
        len_known: envelope.plaintext_len().is_some(),
        envelope_len: envelope.fields.contains_key(&field::PADDING).then_some(case.envelope.len()),
    }
}

fn layer_of(case: &Case, envelope: &Envelope, i: usize) -> Layer {
    let text = |kind| envelope.fields.get(kind).map(|id| String::from_utf8_lossy(id).into_owned());
    let wrapped_kek = envelope.fields.get(&field::WRAPPED_KEK).cloned();
    Layer {
        kek: case.keks[i],
        key_id: text(&field::KEY_ID),
        key_version: envelope.key_version(),
        // The caller's pairs go where the key of a KMS is.
        pairs: if wrapped_kek.is_some() { case.pairs.clone() } else { Vec::new() },
        wrapped_kek,
        bucket_key: envelope.flags & 2 != 0,
        wrap_salt: envelope.wrap_salt,
        data_key: case.data_keys[i],
        message_salt: match envelope.manifest() {
            Some((_, _, header)) => header[..24].try_into().expect("24 bytes"),
            None => envelope.fields[&field::MESSAGE_HEADER][..24].try_into().expect("24 bytes"),
        },
    }
}

#[test]
fn every_multipart_object_is_written_again_byte_for_byte() {
    let mut written = 0;
    for case in load("accept.json").iter().filter(|case| case.manifest.is_some()) {
        let envelope = parse::decode(&case.envelope).expect(&case.name);
        let layers = envelope.layers();
        let fields: Vec<_> = layers.iter().filter_map(Envelope::manifest).collect();
        let headers: Vec<_> = fields.iter().map(|field| field.2.clone()).collect();
        let manifest = case.manifest.as_ref().expect("a multipart object");
        let records = message::open_layers(&headers, &case.data_keys, &message::manifest_context(), manifest);
        let records = parse_manifest(&records.expect(&case.name), layers.len(), fields[0].0, fields[0].1);
        let mut plaintext = &case.plaintext()[..];
        let parts = records.expect(&case.name).into_iter().map(|part| {
            let (of_part, rest) = plaintext.split_at(part.len as usize);
            plaintext = rest;
            (part.number, of_part.to_vec(), part.salts)
        });
        let again = complete(&write_of(case), &parts.collect::<Vec<_>>()).expect(&case.name);
        let stored = Completed { envelope: case.envelope.clone(), manifest: manifest.clone(), body: case.body.clone() };
        assert_eq!(again, stored, "{}", case.name);
        written += 1;
    }
    assert_eq!(written, 8);
}

#[test]
fn every_receipt_opens_to_what_its_part_stored_and_seals_again() {
    let mut opened = 0;
    for case in load("accept.json").iter().filter(|case| case.manifest.is_some()) {
        let layers = case.data_keys.len();
        let mut offset = 0;
        for ((number, len), sealed) in case.parts.iter().zip(&case.receipts) {
            let receipt = open_receipt(&case.data_keys, sealed).expect(&case.name);
            let stored = message::stored_len(*len, layers).expect("a part") as usize;
            let part = &case.body[offset..offset + stored];
            assert_eq!((receipt.number, receipt.len), (*number, *len), "{}", case.name);
            assert_eq!(receipt.headers.len(), layers, "{}", case.name);
            assert_eq!(receipt.headers[0], part[..56], "{}", case.name);
            assert_eq!(receipt.label, format!("etag-{number}").into_bytes(), "{}", case.name);
            reseal(case, &receipt, sealed);
            offset += stored;
            opened += 1;
        }
        assert_eq!(offset, case.body.len(), "{}", case.name);
    }
    assert!(opened >= 16, "{opened} receipts");
}

fn reseal(case: &Case, receipt: &Receipt, sealed: &[u8]) {
    // The inner layer's salt is known after the outer layer has been opened.
    let outer: [u8; 24] = sealed[1..25].try_into().expect("24 bytes");
    let name = atrest_reference::multipart::RECEIPT;
    let outer_key = &case.data_keys[..1];
    let value = atrest_reference::value::open_reserved(outer_key, &[0; 24], name, sealed);
    let inner: [u8; 24] = value.expect(&case.name)[1..25].try_into().expect("24 bytes");
    let again = seal_receipt(&case.data_keys, &[outer, inner], receipt);
    assert_eq!(again, *sealed, "{}", case.name);
}

#[test]
fn an_envelope_of_an_upload_opens_no_object() {
    let case = load("reject.json")
        .into_iter()
        .find(|case| case.name == "an upload under way read with its id")
        .expect("the case");
    let envelope = parse::decode(&case.envelope).expect("a good envelope");
    assert_eq!(case.reader().unwrap(&envelope), Ok(case.data_keys.clone()));
    assert_eq!(case.reader().accept(&case.envelope), Err(Error::UploadNotComplete));
}
