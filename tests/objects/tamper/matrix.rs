//! Every byte of a small object changed, and every length of it.

use super::{SEALED, assert_refused, small};
use atrest_kit::sample::{Sample, modes};
use atrest_kit::{C, backends, class, plain, read_range};
use atrest_reference::envelope::{DSSE_KMS, SSE_S3};
use atrest_reference::message;

#[test]
fn every_changed_byte_of_an_envelope_is_refused() {
    for mode in modes() {
        let sample = small(mode);
        for at in 0..sample.envelope.len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut envelope = sample.envelope.clone();
                envelope[at] ^= change;
                assert_refused(&sample, &envelope, &sample.body, &format!("mode {mode}, byte {at} ^ {change:#x}"));
            }
        }
    }
}

#[test]
fn every_changed_byte_of_a_body_is_refused() {
    for mode in modes() {
        for sample in [small(mode), Sample::of_mode(mode, 3, plain(40))] {
            for at in 0..sample.body.len() {
                for change in [0x01, 0x80, 0xFF] {
                    let mut body = sample.body.clone();
                    body[at] ^= change;
                    let what = format!("mode {mode}, body byte {at} ^ {change:#x}");
                    assert_refused(&sample, &sample.envelope, &body, &what);
                }
            }
        }
    }
}

#[test]
fn every_truncation_of_an_envelope_or_a_body_is_refused() {
    for mode in modes() {
        for sample in [small(mode), Sample::of_mode(mode, 3, plain(40))] {
            for len in 0..sample.envelope.len() {
                let what = format!("mode {mode}, envelope cut to {len}");
                assert_refused(&sample, &sample.envelope[..len], &sample.body, &what);
            }
            for len in 0..sample.body.len() {
                let what = format!("mode {mode}, body cut to {len}");
                assert_refused(&sample, &sample.envelope, &sample.body[..len], &what);
            }
        }
    }
}

#[test]
fn bytes_appended_to_an_envelope_or_a_body_are_refused() {
    for mode in modes() {
        for len in [0, 40, C - 17, C - 16, C - 1, C] {
            let sample = Sample::of_mode(mode, 4, plain(len));
            for more in [1, 15, 16, 17, SEALED] {
                let longer = |bytes: &[u8]| [bytes, &vec![0; more]].concat();
                let what = format!("mode {mode}, {len} bytes, {more} appended");
                assert_refused(&sample, &longer(&sample.envelope), &sample.body, &what);
                assert_refused(&sample, &sample.envelope, &longer(&sample.body), &what);
            }
        }
    }
}

#[test]
fn an_empty_object_is_authenticated_bytes_and_no_part_of_them_is_an_object() {
    for mode in modes() {
        let sample = Sample::of_mode(mode, 13, Vec::new());
        assert_eq!(sample.body.len(), if mode == DSSE_KMS { 144 } else { 72 });
        let sse = sample.sse(backends()[0]);
        assert_eq!(sample.decrypt(&sse, &sample.envelope, &sample.body).unwrap(), b"");
        for len in 0..sample.body.len() {
            assert_refused(&sample, &sample.envelope, &sample.body[..len], &format!("mode {mode}, cut to {len}"));
        }
        let decryptor = sample.decryptor(&sse, &sample.envelope).unwrap();
        let mut forged = sample.body.clone();
        *forged.last_mut().unwrap() ^= 1;
        let refused = read_range(&decryptor, &forged, 0..1).unwrap_err();
        assert_eq!(class(&refused), "Inauthentic", "that an object is empty is said once its end has verified");
    }
}

#[test]
fn the_oracle_and_the_library_mean_the_same_by_small() {
    let sample = small(SSE_S3);
    assert_eq!(sample.envelope.len(), 800);
    assert_eq!(message::ciphertext_len(40), Some(sample.body.len() as u64));
    let sse = sample.sse(backends()[0]);
    assert_eq!(sample.decrypt(&sse, &sample.envelope, &sample.body).unwrap(), sample.plaintext);
}
