//! Valid vectors open in every way, and are written again byte for byte.

use atrest::{Backend, ByteRange, Decryptor, Encrypted, Envelope, KmsKeys, Sse, Unlock};
use atrest_reference::envelope::field;

use super::cases::{Case, load};
use atrest_kit::{Body, C, OneKey, Playback, Steps, backends, fetch, pass, plain};

/// All objects, in one message or in parts, with their plaintext and every backend that runs them.
pub(crate) fn for_each(mut check: impl FnMut(&Case, &[u8], Backend)) {
    for case in load("accept.json") {
        let expected = plain(case.plaintext_len.expect("a case that opens"));
        for backend in backends() {
            if case.runs_in_this_build() {
                check(&case, &expected, backend);
            }
        }
    }
}

pub(crate) fn decryptor(case: &Case, backend: Backend) -> Decryptor {
    case.decryptor(backend).unwrap_or_else(|error| panic!("{}: {error:?}", case.title))
}

fn body(case: &Case, backend: Backend, expected: &[u8]) -> Body {
    case.body(backend, expected.to_vec()).unwrap_or_else(|error| panic!("{}: {error:?}", case.title))
}

#[test]
fn every_accepted_object_opens_in_every_way_in_odd_pieces() {
    for_each(|case, expected, backend| {
        let body = body(case, backend, expected);
        // One byte at a time takes long over many chunks.
        let one = Some(1).filter(|_| expected.len() <= C + 1);
        for input in one.into_iter().chain([1_000, C, C + 1, 50_000]) {
            body.assert_opens(&Steps::of(input));
        }
    });
}

#[test]
fn every_range_of_an_accepted_object_is_the_slice() {
    for_each(|case, expected, backend| {
        let body = body(case, backend, expected);
        let len = expected.len();
        let mut points = vec![0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1, len / 2, len, len + 1, len + C];
        points.extend(len.checked_sub(1));
        let mut end = 0;
        for (_, part_len) in &case.parts {
            end += part_len;
            points.extend([end.saturating_sub(1), end, end + 1]);
        }
        points.sort_unstable();
        points.dedup();
        let steps = Steps::of(5_000);
        for (i, start) in points.iter().enumerate() {
            for end in &points[i..] {
                body.assert_range(*start as u64..*end as u64, *start..*end, &steps);
            }
            body.assert_range(*start as u64.., *start..len.max(*start), &steps);
        }
        for last in [0, 1, C - 1, C, len, len + 1, usize::MAX] {
            body.assert_range(ByteRange::last(last as u64), len.saturating_sub(last)..len, &steps);
        }
        body.assert_range(0..=u64::MAX, 0..len, &steps);
    });
}

#[test]
fn the_end_of_an_accepted_object_verifies_and_tells_its_length() {
    for_each(|case, expected, backend| {
        let decryptor = decryptor(case, backend);
        let len = case.body.len() as u64;
        let end = decryptor.end_fetch(len).unwrap();
        let verified = decryptor.verify_end(len, &fetch(&case.body, &[end])).unwrap();
        assert_eq!(verified.plaintext_len(), Some(expected.len() as u64), "{}, {backend:?}", case.title);
    });
}

#[test]
fn every_accepted_envelope_encodes_to_its_own_bytes() {
    for case in load("accept.json") {
        let envelope = Envelope::decode(case.envelope()).unwrap_or_else(|error| panic!("{}: {error:?}", case.title));
        assert_eq!(envelope.encode(), case.envelope(), "{}", case.title);
        assert_eq!(Envelope::inline_len(&case.envelope()[..16]).unwrap(), case.envelope().len(), "{}", case.title);
    }
}

/// All objects of one message.
fn for_each_written(mut check: impl FnMut(&Case, &[u8], Backend, &dyn Fn() -> (Sse, Playback))) {
    let mut written = 0;
    for_each(|case, expected, backend| {
        if case.is_multipart() {
            return;
        }
        check(case, expected, backend, &|| {
            let playback = Playback::of(&case.randomness());
            (case.sse(backend, Some(playback.clone()), case.fixed_len()), playback)
        });
        written += 1;
    });
    assert!(written > 0, "no object to write");
}

#[test]
fn every_accepted_object_of_known_length_is_written_again_in_one_shot() {
    for_each_written(|case, expected, backend, sse| {
        // One shot knows the length and says so; the other objects were written without knowing it.
        if Envelope::decode(case.envelope()).unwrap().plaintext_len().is_none() {
            return;
        }
        let (sse, playback) = sse();
        let Encrypted { envelope, ciphertext, .. } =
            sse.blocking().encrypt(&case.object(), case.any_mode(), expected).unwrap();
        assert_eq!(envelope.encode(), case.envelope(), "{}, {backend:?}", case.title);
        assert!(ciphertext == case.body, "{}, {backend:?}", case.title);
        assert!(playback.is_used_up(), "{}, {backend:?}", case.title);
    });
}

#[test]
fn every_accepted_object_is_written_again_streamed_in_odd_pieces() {
    for_each_written(|case, expected, backend, sse| {
        for input in [1, 512, C - 1, C, C + 1, 50_000] {
            let (sse, playback) = sse();
            let sse = sse.blocking();
            let known = Envelope::decode(case.envelope()).unwrap().plaintext_len();
            let (envelope, encryptor) = match known {
                Some(len) => sse.encryptor_of_len(&case.object(), case.any_mode(), len).unwrap(),
                None => sse.encryptor(&case.object(), case.any_mode()).unwrap(),
            };
            assert_eq!(envelope.encode(), case.envelope(), "{}, {backend:?}", case.title);
            let written = pass(encryptor, expected, &Steps::of(input)).into_result().unwrap();
            assert!(written == case.body, "{}, {backend:?}, {input} in", case.title);
            assert!(playback.is_used_up(), "{}, {backend:?}", case.title);
        }
    });
}

#[test]
fn the_kms_is_shown_the_buckets_arn_for_a_bucket_key_and_the_objects_for_its_own() {
    let cases = load("accept.json");
    let bound = cases.iter().filter(|case| case.mode.as_deref() == Some("sse-kms") && !case.is_multipart());
    for (case, name) in bound.filter_map(|case| Some((case, case.name()?))) {
        let text = |component: Vec<u8>| String::from_utf8(component).ok();
        let (Some(bucket), Some(key)) = (text(name.bucket), text(name.key)) else { continue };
        let layer = &case.layers()[0];
        let key_id = String::from_utf8(layer.fields[&field::KEY_ID].clone()).unwrap();
        let kms = OneKey::new(&key_id, &layer.fields[&field::WRAPPED_KEK], case.kek(0));
        let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([key_id.as_str()])).build().unwrap();
        let envelope = Envelope::decode(case.envelope()).unwrap();
        sse.blocking().decryptor(&case.object(), &envelope, Unlock::Server).unwrap();
        let asked = kms.asked.lock().unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].key_id(), key_id);
        let arn = match envelope.has_bucket_key() {
            true => format!("arn:aws:s3:::{bucket}"),
            false => format!("arn:aws:s3:::{bucket}/{key}"),
        };
        let arn = ("aws:s3:arn".to_owned(), arn);
        let mut expected: Vec<_> = case.context().iter().cloned().chain([arn]).collect();
        expected.sort();
        let shown: Vec<_> =
            asked[0].context().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(shown, expected, "{}", case.title);
    }
}
