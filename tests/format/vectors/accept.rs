//! Valid vectors open in every way, and are written again byte for byte.

use std::ops::Range;

use atrest::{Backend, ByteRange, Decryptor, Encrypted, Envelope, Error, KmsKeys, Sse, Unlock};
use atrest_reference::envelope::field;
use bytes::BytesMut;

use super::cases::{Case, load};
use atrest_kit::kit::{
    C, OneKey, Playback, Steps, backends, fetch, pass, plaintext, read_range, read_range_streamed, read_streamed,
};

/// All objects, in one message or in parts, with their plaintext and every backend that runs them.
pub(crate) fn for_each(mut check: impl FnMut(&Case, &[u8], Backend)) {
    let cases = load("accept.json");
    let multipart = cases.iter().filter(|case| case.is_multipart()).count();
    assert_eq!((multipart, cases.len()), (8, 65));
    for case in &cases {
        let expected = plaintext(case.plaintext_len.expect("a case that opens"));
        for backend in backends() {
            if case.runs_in_this_build() {
                check(case, &expected, backend);
            }
        }
    }
}

pub(crate) fn decryptor(case: &Case, backend: Backend) -> Decryptor {
    case.decryptor(backend).unwrap_or_else(|error| panic!("{}: {error:?}", case.title))
}

#[test]
fn every_accepted_object_opens_in_one_shot() {
    for_each(|case, expected, backend| {
        let opened = case.decrypt(backend).unwrap_or_else(|error| panic!("{}: {error:?}", case.title));
        assert_eq!(opened, expected, "{}, {backend:?}", case.title);
    });
}

#[test]
fn every_accepted_object_opens_streamed_in_odd_pieces() {
    for_each(|case, expected, backend| {
        let decryptor = decryptor(case, backend);
        for input in [1, 512, C - 1, C, C + 1, 16_400, 50_000] {
            let read = read_streamed(&decryptor, &case.body, &Steps::of(input));
            let place = format!("{}, {backend:?}, {input} in", case.title);
            assert!(read.end.is_ok(), "{place}: {:?}", read.end);
            assert!(read.released == expected, "{place}");
        }
    });
}

#[test]
fn every_accepted_object_opens_pushed_into_a_buffer() {
    for_each(|case, expected, backend| {
        let mut reader = decryptor(case, backend).sequential();
        let mut opened = BytesMut::new();
        for piece in case.body.chunks(1_000) {
            reader.push(piece, &mut opened).unwrap();
            reader.push(&[], &mut opened).unwrap();
        }
        reader.finish_into(&mut opened).unwrap();
        assert!(opened == expected, "{}, {backend:?}", case.title);
    });
}

#[test]
fn every_range_of_an_accepted_object_is_the_slice() {
    for_each(|case, expected, backend| {
        let decryptor = decryptor(case, backend);
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
        for (i, start) in points.iter().enumerate() {
            for end in &points[i..] {
                check_range(case, &decryptor, *start as u64..*end as u64, expected, *start..*end);
            }
            check_range(case, &decryptor, *start as u64.., expected, *start..len.max(*start));
        }
        for last in [0, 1, C - 1, C, len, len + 1, usize::MAX] {
            check_range(case, &decryptor, ByteRange::last(last as u64), expected, len.saturating_sub(last)..len);
        }
        check_range(case, &decryptor, 0..=u64::MAX, expected, 0..len);
    });
}

/// The range, in one piece and streamed, against what of the slice there is.
fn check_range(case: &Case, from: &Decryptor, range: impl Into<ByteRange>, plain: &[u8], slice: Range<usize>) {
    let range = range.into();
    let clipped = slice.start..slice.end.min(plain.len());
    let place = format!("{}: {slice:?} of {}", case.title, plain.len());
    let streamed = read_range_streamed(from, &case.body, range, &Steps::of(5_000)).into_result();
    for read in [read_range(from, &case.body, range), streamed] {
        match read {
            // The whole of an empty object is empty.
            Ok(read) => {
                assert!((!clipped.is_empty() || plain.is_empty()) && read == plain[clipped.clone()], "{place}");
            }
            Err(Error::RangeNotSatisfiable { plaintext_len, .. }) => {
                assert!(clipped.is_empty() && plaintext_len == plain.len() as u64, "{place}");
            }
            Err(error) => panic!("{place}: {error:?}"),
        }
    }
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

/// All objects of one message that the facade can write: everything but bucket keys.
fn for_each_written(mut check: impl FnMut(&Case, &[u8], Backend, &dyn Fn() -> (Sse, Playback))) {
    let mut written = 0;
    for_each(|case, expected, backend| {
        if case.title == "sse-kms bucket key" || case.is_multipart() {
            return;
        }
        let fixed = case.title.ends_with("envelope of 1,024 bytes").then_some(1_024);
        check(case, expected, backend, &|| {
            let playback = Playback::of(&case.randomness());
            (case.sse(backend, Some(playback.clone()), fixed), playback)
        });
        written += 1;
    });
    let dsse = if Backend::available().count() > 1 { 0 } else { 14 };
    assert_eq!(written, (56 - dsse) * backends().len());
}

#[test]
fn every_accepted_object_of_known_length_is_written_again_in_one_shot() {
    let mut written = 0;
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
        written += 1;
    });
    assert!(written >= 3, "{written} objects");
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
    for (title, arn) in
        [("sse-kms bucket key", "arn:aws:s3:::photos"), ("sse-kms 1 bytes", "arn:aws:s3:::photos/2026/cat \u{e9} //..")]
    {
        let case = cases.iter().find(|case| case.title == title).expect("the case");
        let layer = &case.layers()[0];
        let key_id = String::from_utf8(layer.fields[&field::KEY_ID].clone()).unwrap();
        let kms = OneKey::new(&key_id, &layer.fields[&field::WRAPPED_KEK], case.kek(0));
        let sse = Sse::builder().kms(kms.clone(), KmsKeys::only([key_id.as_str()])).build().unwrap();
        let envelope = Envelope::decode(case.envelope()).unwrap();
        assert_eq!(envelope.has_bucket_key(), title == "sse-kms bucket key");
        sse.blocking().decryptor(&case.object(), &envelope, Unlock::Server).unwrap();
        let asked = kms.asked.lock().unwrap();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].key_id(), key_id);
        let shown: Vec<_> = asked[0].context().iter().collect();
        assert_eq!(shown, [("a", ""), ("aws:s3:arn", arn), ("team", "photos")]);
    }
}
