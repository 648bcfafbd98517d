//! Manifests and receipts with invalid contents under the right keys: the oracle writes them, and the library refuses
//! them with the oracle's error.

use atrest::multipart::{Receipt, Upload};
use atrest::{Backend, ByteRange, Decryptor, Envelope, Error, Expected, Result, Unlock};
use atrest_reference::envelope::{DSSE_KMS, SSE_C};
use atrest_reference::multipart::{Receipt as Stated, encode_manifest, seal_receipt};
use atrest_reference::object::Write;
use atrest_reference::upload::{begin, seal_manifest};

use atrest_kit::sample::{Sample, modes, write_of_mode};
use atrest_kit::{backends, class};

const ONE_LAYER: u64 = (1 << 52) - 1;
const MOST: u64 = 1 << 56;

/// The longest part of this mode.
fn longest(mode: u8) -> u64 {
    if mode == DSSE_KMS { 4_499_205_871_636_407 } else { ONE_LAYER }
}

/// Records of parts with these numbers and plaintext ends.
fn records(mode: u8, parts: &[(u32, u64)]) -> Vec<u8> {
    let salts = if mode == DSSE_KMS { 2 } else { 1 };
    let record = |(number, end): &(u32, u64)| {
        let salts = [[*number as u8; 24], [!(*number as u8); 24]][..salts].concat();
        [&number.to_be_bytes()[..], &end.to_be_bytes(), &salts].concat()
    };
    parts.iter().flat_map(record).collect()
}

/// Opens such an object up to the point at which the parts are known.
fn read(write: &Write, backend: Backend, envelope: &[u8], manifest: &[u8]) -> Result<Decryptor> {
    unlisted(write, backend, envelope)?.with_manifest(manifest)
}

fn unlisted(write: &Write, backend: Backend, envelope: &[u8]) -> Result<Decryptor> {
    let sample = Sample::new(write.clone(), Vec::new());
    sample.decryptor(&sample.sse(backend), envelope)
}

fn forged(write: &Write, records: &[u8], count: u32, total: u64) -> (Vec<u8>, Vec<u8>) {
    seal_manifest(write, records, count, total).unwrap()
}

#[test]
fn a_manifest_that_contradicts_itself_or_its_envelope_is_inauthentic_as_the_oracle_says() {
    for mode in modes() {
        let write = write_of_mode(mode, 1);
        let reader = Sample::new(write.clone(), Vec::new()).reader();
        let longest = longest(mode);
        for (what, parts, count, total) in [
            ("number zero", vec![(0, 10)], 1, 10),
            ("number zero behind another", vec![(1, 10), (0, 20)], 2, 20),
            ("numbers descend", vec![(2, 10), (1, 20)], 2, 20),
            ("a number twice", vec![(2, 10), (2, 20)], 2, 20),
            ("ends descend", vec![(1, 20), (2, 10)], 2, 10),
            ("the total is less than the last end", vec![(1, 10), (2, 20)], 2, 19),
            ("the total is more than the last end", vec![(1, 10), (2, 20)], 2, 21),
            ("more records than parts", vec![(1, 10), (2, 20)], 1, 20),
            ("more records than parts, the total of the first", vec![(1, 10), (2, 20)], 1, 10),
            ("fewer records than parts", vec![(1, 10)], 2, 10),
            ("no records", vec![], 1, 0),
            ("a part over the bound of a message", vec![(1, longest + 1)], 1, longest + 1),
            ("a later part over the bound of a message", vec![(1, 5), (2, 6 + longest)], 2, 6 + longest),
            ("an end over the bound of an object", vec![(1, u64::MAX)], 1, 10),
        ] {
            let (envelope, manifest) = forged(&write, &records(mode, &parts), count, total);
            let verdict = reader.decrypt(&envelope, Some(&manifest), &[]).unwrap_err().class();
            assert_eq!(verdict, "Inauthentic", "mode {mode}, {what}");
            for backend in backends() {
                let refused = read(&write, backend, &envelope, &manifest);
                assert!(matches!(refused, Err(Error::Inauthentic)), "mode {mode}, {what}: {refused:?}");
            }
        }
        for cut in [1, 12, 35] {
            let two = records(mode, &[(1, 10), (2, 20)]);
            let (envelope, manifest) = forged(&write, &two[..two.len() - cut], 2, 20);
            assert!(matches!(read(&write, backends()[0], &envelope, &manifest), Err(Error::Inauthentic)));
        }
    }
}

#[test]
fn counts_and_totals_out_of_bounds_are_malformed_before_any_key_is_asked_for() {
    for mode in modes() {
        let write = write_of_mode(mode, 1);
        for (count, total) in [(0, 0), (0, 10), (65_537, 10), (u32::MAX, 10), (1, MOST + 1), (1, u64::MAX)] {
            let (envelope, _) = forged(&write, &[], count, total);
            let refused = Envelope::decode(&envelope).unwrap_err();
            assert_eq!(class(&refused), "Malformed", "{count} parts of {total}");
        }
        for (count, total) in [(1, 0), (65_536, 0), (1, MOST)] {
            let (envelope, _) = forged(&write, &[], count, total);
            let decoded = Envelope::decode(&envelope).unwrap();
            assert_eq!((decoded.parts(), decoded.plaintext_len()), (Some(count), Some(total)));
        }
    }
}

#[test]
fn the_largest_object_and_the_most_parts_are_read() {
    for mode in modes() {
        let write = write_of_mode(mode, 1);
        let longest = longest(mode);
        let full = MOST / longest;
        let mut ends: Vec<_> = (1..=full).map(|at| (at as u32, at * longest)).collect();
        ends.push((u32::MAX, MOST));
        let (envelope, manifest) = forged(&write, &records(mode, &ends), ends.len() as u32, MOST);
        let reader = read(&write, backends()[0], &envelope, &manifest).unwrap();
        assert_eq!(reader.plaintext_len(), Some(MOST));
        let stored = reader.ciphertext_len().unwrap();
        let plan = reader.range(MOST - 1.., stored).unwrap();
        assert!(plan.fetches().len() == 1 && plan.fetch_span().end == stored);
        assert_eq!(plan.plaintext_range(), Some(MOST - 1..MOST));
        assert!(matches!(reader.range(MOST.., stored), Err(Error::RangeNotSatisfiable { plaintext_len: MOST, .. })));

        let empty: Vec<_> = (1..=65_536).map(|number| (number, 0)).collect();
        let (envelope, manifest) = forged(&write, &records(mode, &empty), 65_536, 0);
        let reader = read(&write, backends()[0], &envelope, &manifest).unwrap();
        assert_eq!(reader.parts().unwrap().len(), 65_536);
        let stored = reader.ciphertext_len().unwrap();
        assert_eq!(reader.range(0.., stored).unwrap().plaintext_range(), Some(0..0));
        let of_http = ByteRange::parse("bytes=0-").unwrap().unwrap();
        for refused in [reader.range(of_http, stored), reader.range(1.., stored)] {
            assert!(matches!(refused, Err(Error::RangeNotSatisfiable { plaintext_len: 0, .. })));
        }
    }
}

#[test]
fn a_page_that_contradicts_itself_or_the_envelope_is_inauthentic() {
    for mode in modes() {
        let write = write_of_mode(mode, 1);
        let longest = longest(mode);
        // Each contradiction lies between the second record and its neighbours.
        for (what, parts, total) in [
            ("numbers descend", [(1, 10), (1, 20), (3, 30)], 30),
            ("number zero", [(0, 10), (0, 20), (3, 30)], 30),
            ("ends descend", [(1, 20), (2, 10), (3, 30)], 30),
            ("an end behind the total", [(1, 10), (2, 31), (3, 30)], 30),
            ("a part over the bound of a message", [(1, 10), (2, longest + 11), (3, longest + 12)], longest + 12),
        ] {
            let (envelope, manifest) = forged(&write, &records(mode, &parts), 3, total);
            for backend in backends() {
                let unlisted = unlisted(&write, backend, &envelope).unwrap();
                let page = unlisted.manifest_page(1..2).unwrap();
                let fetch = page.fetch();
                let refused = page.open(&manifest[fetch.start as usize..fetch.end as usize]);
                assert!(matches!(refused, Err(Error::Inauthentic)), "mode {mode}, {what}: {refused:?}");
            }
        }
        for total in [29, 31] {
            let (envelope, manifest) = forged(&write, &records(mode, &[(1, 10), (2, 30)]), 2, total);
            let page = unlisted(&write, backends()[0], &envelope).unwrap().manifest_page(1..9).unwrap();
            let fetch = page.fetch();
            let refused = page.open(&manifest[fetch.start as usize..fetch.end as usize]);
            assert!(matches!(refused, Err(Error::Inauthentic)), "the last end is not the total: {refused:?}");
        }
    }
}

/// An upload that the oracle began.
fn upload(write: &Write, backend: Backend) -> Upload {
    let sample = Sample::new(write.clone(), Vec::new());
    let envelope = Envelope::decode(&begin(write, b"upload-1").unwrap()).unwrap();
    let key = sample.customer_key();
    let unlock = if write.mode == SSE_C { Unlock::CustomerKey(&key) } else { Unlock::Server };
    let (sse, expected) = (sample.sse(backend).blocking(), Expected::exactly(&envelope));
    sse.resume_multipart(&sample.object(), b"upload-1", &envelope, &expected, unlock).unwrap()
}

#[test]
fn a_receipt_that_says_what_none_may_say_is_inauthentic() {
    for mode in modes() {
        let write = write_of_mode(mode, 1);
        let keys = write.data_keys();
        let honest = Stated { number: 1, len: 10, headers: vec![[3; 56]; keys.len()], label: vec![7; 255] };
        let with = |change: fn(&mut Stated)| {
            let mut stated = honest.clone();
            change(&mut stated);
            stated
        };
        let mut too_long = honest.clone();
        too_long.len = longest(mode) + 1;
        let wrong = [
            ("number zero", with(|stated| stated.number = 0)),
            ("a length over the bound", too_long),
            ("the longest length there is", with(|stated| stated.len = u64::MAX)),
            ("a label of 256 bytes", with(|stated| stated.label = vec![7; 256])),
            ("a header too few", with(|stated| stated.headers.truncate(stated.headers.len() - 1))),
            ("a header too many", with(|stated| stated.headers.push([4; 56]))),
        ];
        for backend in backends() {
            let upload = upload(&write, backend);
            let seal = |stated: &Stated| Receipt::from_bytes(seal_receipt(&keys, &[[1; 24], [2; 24]], stated));
            let opened = upload.open_receipt(&seal(&honest)).unwrap();
            assert_eq!((opened.number.get(), opened.plaintext_len, opened.label), (1, 10, vec![7; 255]));
            for (what, stated) in &wrong {
                let refused = upload.open_receipt(&seal(stated));
                assert!(matches!(refused, Err(Error::Inauthentic)), "mode {mode}, {what}: {refused:?}");
            }
        }
    }
}

#[test]
fn the_records_written_here_are_the_oracles() {
    let part = |number: u32, len| atrest_reference::multipart::Part { number, len, salts: vec![[number as u8; 24]] };
    assert_eq!(records(1, &[(1, 10), (4, 10), (5, 30)]), encode_manifest(&[part(1, 10), part(4, 0), part(5, 20)]));
}
