//! The library against the oracle in `tests/reference`, on random objects: both write the same bytes, and each reads
//! what the other wrote.

use std::collections::BTreeMap;

use atrest::{ByteRange, Encrypted, Envelope, Error, KmsKeys, ObjectName, Sse, SseKms, SseS3, Unlock};
use atrest_reference::envelope::{DSSE_KMS, SSE_C, SSE_KMS, SSE_S3};
use atrest_reference::name::Name;
use atrest_reference::object::{Layer, Write};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;

use atrest_kit::sample::{Sample, modes};
use atrest_kit::{
    C, OneKey, Steps, backends, class, keyring, pass, plain, read_range, read_range_streamed, read_streamed,
};

/// Around every boundary, a few bytes to either side.
fn lengths() -> impl Strategy<Value = usize> {
    let boundary = select(vec![0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1, 3 * C + 500]);
    prop_oneof![3 => boundary.clone(), 1 => (boundary, 0..40_usize).prop_map(|(len, more)| len + more), 1 => 0..50_000_usize]
}

fn steps() -> impl Strategy<Value = Steps> {
    let step = || {
        let odd = select(vec![1, 7, 512, C - 1, C, C + 1, 16_399, 16_400, 16_401, 20_000, 50_000]);
        prop_oneof![odd, 1..40_000_usize]
    };
    // Nothing at all is pushed in between, too, but something follows.
    let input = (vec(prop_oneof![4 => step(), 1 => Just(0)], 0..4), step());
    let input = input.prop_map(|(mut steps, last)| {
        steps.push(last);
        steps
    });
    input.prop_map(Steps)
}

/// Up to 40 bytes, in which bytes that other implementations mishandle are frequent.
fn odd_bytes(least: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![2 => any::<u8>(), 1 => select(b"/\0.\xFF \n%".to_vec())];
    vec(byte, least..40)
}

fn text(least: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), least..20).prop_map(String::from_iter)
}

fn key_id() -> impl Strategy<Value = String> {
    vec(any::<char>().prop_map(|c| if c.is_control() { '-' } else { c }), 1..40).prop_map(String::from_iter)
}

/// A name that fits an ARN if the mode shows one to a KMS.
fn name(mode: u8) -> impl Strategy<Value = Option<Name>> {
    let component = move || match mode {
        SSE_KMS | DSSE_KMS => text(1).prop_map(String::into_bytes).boxed(),
        _ => odd_bytes(1).boxed(),
    };
    let bucket = component().prop_map(move |mut bucket| {
        if mode == SSE_KMS || mode == DSSE_KMS {
            bucket.iter_mut().filter(|byte| **byte == b'/').for_each(|byte| *byte = b'-');
        }
        bucket
    });
    let bound = (odd_bytes(0), bucket, component(), odd_bytes(0));
    let bound = bound.prop_map(|(realm, bucket, key, version_id)| Name {
        realm,
        bucket,
        key,
        version_id,
        upload_id: Vec::new(),
    });
    prop_oneof![4 => bound.prop_map(Some), 1 => Just(None)]
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    let map: proptest::collection::BTreeMapStrategy<_, _> = btree_map(text(1), text(0), 0..6);
    let unsorted = |pairs: BTreeMap<String, String>| {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.reverse();
        pairs
    };
    map.prop_map(unsorted)
}

fn layer(mode: u8) -> impl Strategy<Value = Layer> {
    let random = (any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 32]>(), any::<[u8; 24]>());
    let kms = (vec(any::<u8>(), 1..200), pairs());
    (random, key_id(), 1..u32::MAX - 1, kms).prop_map(move |(random, key_id, version, (wrapped, pairs))| Layer {
        kek: random.0,
        key_id: (mode != SSE_C).then_some(key_id),
        key_version: (mode == SSE_S3 || mode == DSSE_KMS).then_some(version),
        wrapped_kek: (mode == SSE_KMS).then_some(wrapped),
        pairs: if mode == SSE_KMS { pairs } else { Vec::new() },
        bucket_key: false,
        wrap_salt: random.1,
        data_key: random.2,
        message_salt: random.3,
    })
}

fn write() -> impl Strategy<Value = Write> {
    select(modes()).prop_flat_map(|mode| {
        let fixed = prop_oneof![2 => Just(None), 1 => (150..3_000_usize).prop_map(Some)];
        let inner = layer(SSE_KMS).prop_map(move |layer| (mode == DSSE_KMS).then_some(layer));
        (name(mode), layer(mode), inner, any::<[bool; 2]>(), fixed).prop_map(
            move |(name, outer, inner, [len_known, bucket_key], envelope_len)| Write {
                mode,
                outer: Layer { bucket_key: bucket_key && mode == SSE_KMS && name.is_some(), ..outer },
                name,
                inner,
                len_known,
                envelope_len,
            },
        )
    })
}

/// Objects whose envelopes fit their fixed length; another test covers those that do not.
fn sample() -> impl Strategy<Value = Sample> {
    (write(), lengths()).prop_map(|(mut write, len)| {
        let longest = Write { len_known: true, ..write.clone() };
        if atrest_reference::object::encrypt(&longest, &[]).is_err() {
            write.envelope_len = Some(4_000);
        }
        Sample::new(write, plain(len))
    })
}

/// Writes the object by the library, as a stream.
fn written(sample: &Sample, backend: atrest::Backend, steps: &Steps) -> (Vec<u8>, Vec<u8>) {
    let (sse, playback) = sample.writer(backend);
    let (object, mode, len) = (sample.object(), sample.mode(), sample.plaintext.len() as u64);
    let sse = sse.blocking();
    let (envelope, encryptor) = match sample.write.len_known {
        true => sse.encryptor_of_len(&object, mode, len).unwrap(),
        false => sse.encryptor(&object, mode).unwrap(),
    };
    let body = pass(encryptor, &sample.plaintext, steps).into_result().unwrap();
    assert!(playback.is_used_up(), "randomness was drawn that the format has no place for, or not drawn");
    (envelope.encode(), body)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn both_backends_write_what_the_oracle_writes(sample in sample(), steps in steps()) {
        for backend in backends() {
            let (envelope, body) = written(&sample, backend, &steps);
            prop_assert_eq!(&envelope, &sample.envelope, "{:?}", backend);
            prop_assert!(body == sample.body, "{:?}", backend);
        }
    }

    #[test]
    fn what_the_library_writes_with_its_own_randomness_the_oracle_opens(sample in sample()) {
        for backend in backends() {
            let stored = sample.sse(backend).blocking().encrypt(&sample.object(), sample.mode(), &sample.plaintext);
            let Encrypted { envelope, ciphertext, .. } = stored.unwrap();
            let opened = sample.reader().decrypt(&envelope.encode(), None, &ciphertext);
            prop_assert!(opened == Ok(sample.plaintext.clone()), "{:?}: {:?}", backend, opened.err());
            prop_assert!(ciphertext != sample.body);
        }
    }

    #[test]
    fn what_the_oracle_writes_the_library_opens(sample in sample(), steps in steps()) {
        for backend in backends() {
            let sse = sample.sse(backend);
            let opened = sample.decrypt(&sse, &sample.envelope, &sample.body).unwrap();
            prop_assert!(opened == sample.plaintext, "{:?}", backend);
            let decryptor = sample.decryptor(&sse, &sample.envelope).unwrap();
            let known = sample.write.len_known.then_some(sample.plaintext.len() as u64);
            prop_assert_eq!(decryptor.plaintext_len(), known);
            let read = read_streamed(&decryptor, &sample.body, &steps).into_result().unwrap();
            prop_assert!(read == sample.plaintext, "{:?}", backend);
        }
    }

    #[test]
    fn a_range_is_the_slice_of_the_plaintext(
        sample in sample(),
        steps in steps(),
        (start, end) in (lengths(), lengths()),
        shape in 0..4,
    ) {
        let len = sample.plaintext.len();
        let (start, end) = (start.min(end), start.max(end));
        let (range, slice): (ByteRange, _) = match shape {
            0 => ((start as u64..end as u64).into(), start..end),
            1 => ((start as u64..=end as u64).into(), start..end + 1),
            2 => ((start as u64..).into(), start..len.max(start)),
            _ => (ByteRange::last(end as u64), len.saturating_sub(end)..len),
        };
        let expected = sample.plaintext.get(slice.start..slice.end.min(len)).unwrap_or_default();
        for backend in backends() {
            let sse = sample.sse(backend);
            let decryptor = sample.decryptor(&sse, &sample.envelope).unwrap();
            let streamed = read_range_streamed(&decryptor, &sample.body, range, &steps).into_result();
            for read in [read_range(&decryptor, &sample.body, range), streamed] {
                match read {
                    // The whole of an empty object is empty.
                    Ok(read) => {
                        prop_assert!((!expected.is_empty() || len == 0) && read == expected, "{:?} of {}", slice, len);
                    }
                    Err(Error::RangeNotSatisfiable { plaintext_len, .. }) => {
                        prop_assert_eq!(plaintext_len, len as u64);
                        prop_assert!(expected.is_empty(), "{:?} of {}", slice, len);
                    }
                    Err(error) => prop_assert!(false, "{:?} of {}: {:?}", slice, len, error),
                }
            }
        }
    }

    #[test]
    fn an_envelope_fits_its_fixed_length_exactly_when_the_oracle_says_so(mut write in write(), fixed in 0..1_200_usize) {
        write.envelope_len = None;
        let unpadded = atrest_reference::object::encrypt(&write, b"meow").unwrap().0.len();
        let sample = Sample::new(write.clone(), b"meow".to_vec());
        for fixed in [fixed, unpadded, unpadded + 3, unpadded + 4, unpadded + 5] {
            write.envelope_len = Some(fixed);
            let expected = atrest_reference::object::encrypt(&write, b"meow").map(|(envelope, _)| envelope);
            let fitted = Sample { write: write.clone(), ..sample.clone() };
            let (sse, _) = fitted.writer(backends()[0]);
            let made = match write.len_known {
                true => sse.blocking().encryptor_of_len(&sample.object(), sample.mode(), 4),
                false => sse.blocking().encryptor(&sample.object(), sample.mode()),
            };
            let made = made.map(|(envelope, _)| envelope.encode()).map_err(|error| class(&error));
            prop_assert_eq!(made, expected.map_err(|error| error.class()), "{} for {}", fixed, unpadded);
        }
    }

    #[test]
    fn any_bytes_are_an_envelope_to_both_or_refused_by_both_with_one_class(
        sample in sample(),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = sample.envelope.clone();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        let library = Envelope::decode(&bytes).map(|envelope| envelope.encode()).map_err(|error| class(&error));
        let oracle = atrest_reference::parse::decode(&bytes).map(|envelope| envelope.encode());
        prop_assert_eq!(library, oracle.map_err(|error| error.class()));
    }
}

#[test]
fn a_kms_is_shown_the_callers_pairs_and_the_arn_of_a_bound_name() {
    for (object, arn) in [
        (ObjectName::new("photos", "a/b \u{e9}").unwrap(), Some("arn:aws:s3:::photos/a/b \u{e9}")),
        (ObjectName::unbound(), None),
    ] {
        let kms = OneKey::new("key", b"wrapped", [1; 32]);
        let sse = Sse::builder().kms(kms.clone(), KmsKeys::only(["key"])).build().unwrap();
        let context = atrest::EncryptionContext::new().with("team", "photos").unwrap();
        let stored = sse.blocking().encrypt(&object, SseKms::new("key").with_context(context), b"meow").unwrap();
        sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap();
        let asked = kms.asked.lock().unwrap();
        assert_eq!(asked.len(), 2, "once to write, once to read");
        for request in asked.iter() {
            assert_eq!(request.context().get("team"), Some("photos"));
            assert_eq!(request.context().get("aws:s3:arn"), arn);
            assert_eq!(request.context().len(), if arn.is_some() { 2 } else { 1 });
        }
    }
}

#[test]
fn the_order_in_which_pairs_are_given_changes_no_byte() {
    let mut stored = Vec::new();
    for reversed in [false, true] {
        let mut sample = Sample::of_mode(SSE_KMS, 1, plain(10));
        if reversed {
            sample.write.outer.pairs.reverse();
        }
        stored.push(written(&sample, backends()[0], &Steps::of(100)));
    }
    assert_eq!(stored[0], stored[1]);
}

#[test]
fn writing_the_same_object_again_repeats_no_salt_no_key_and_no_ciphertext() {
    let sse = Sse::builder().keyring(keyring("key", 1, [1; 32]).unwrap()).build().unwrap();
    let object = ObjectName::new("photos", "a").unwrap();
    let stored: Vec<_> = (0..20).map(|_| sse.blocking().encrypt(&object, SseS3, b"the same").unwrap()).collect();
    let reader = atrest_reference::object::Reader {
        name: Some(Name { bucket: b"photos".to_vec(), key: b"a".to_vec(), ..Name::default() }),
        keks: vec![[1; 32]],
        keys: None,
    };
    for (i, one) in stored.iter().enumerate() {
        let envelope = one.envelope.encode();
        let data_key = reader.unwrap(&reader.accept(&envelope).unwrap());
        for other in &stored[i + 1..] {
            let other_envelope = other.envelope.encode();
            assert_ne!(envelope[16..48], other_envelope[16..48], "wrap salts");
            assert_ne!(one.ciphertext[..24], other.ciphertext[..24], "message salts");
            assert_ne!(one.ciphertext[56..], other.ciphertext[56..], "ciphertexts");
            assert_ne!(data_key, reader.unwrap(&reader.accept(&other_envelope).unwrap()), "data keys");
        }
    }
}
