//! Lengths and offsets, compared with counting one by one, and at the limits of `u64`.

use atrest::geometry::{
    CHUNK_LEN, Container, Fetch, HEADER_LEN, Layers, MAX_MULTIPART_PLAINTEXT_LEN, MAX_PARTS, MAX_PLAINTEXT_LEN,
    MIN_MESSAGE_LEN, Parts, SEALED_CHUNK_LEN, TAG_LEN, chunk_of, chunk_start, sealed_chunk_start,
};
use atrest::{ByteRange, Error, ModeId};
use proptest::prelude::*;

/// The length of a message, counted chunk by chunk.
fn counted(plaintext_len: u64) -> u64 {
    let (mut len, mut left) = (HEADER_LEN, plaintext_len);
    while left >= CHUNK_LEN {
        len += CHUNK_LEN + TAG_LEN;
        left -= CHUNK_LEN;
    }
    len + left + TAG_LEN
}

#[test]
fn every_length_is_what_the_chunks_add_up_to() {
    for plaintext in (0..5 * CHUNK_LEN).step_by(97).chain((0..5).flat_map(|n| n * CHUNK_LEN..n * CHUNK_LEN + 3)) {
        assert_eq!(Layers::One.ciphertext_len(plaintext), Some(counted(plaintext)));
        assert_eq!(Layers::Two.ciphertext_len(plaintext), Some(counted(counted(plaintext))));
    }
    assert_eq!(MIN_MESSAGE_LEN, counted(0));
}

#[test]
fn every_length_that_is_none_is_refused_and_every_other_comes_back() {
    let mut possible = 0;
    for stored in 0..4 * SEALED_CHUNK_LEN {
        match Layers::One.plaintext_len(stored) {
            Some(plaintext) => {
                possible += 1;
                assert_eq!(Layers::One.ciphertext_len(plaintext), Some(stored));
            }
            None => {
                let rest = stored.checked_sub(HEADER_LEN).map(|chunks| chunks % SEALED_CHUNK_LEN);
                assert!(rest.is_none_or(|rest| rest < TAG_LEN), "{stored}");
            }
        }
    }
    assert_eq!(possible, 4 * CHUNK_LEN - HEADER_LEN);
}

#[test]
fn nothing_overflows_at_the_edges() {
    for layers in [Layers::One, Layers::Two] {
        let longest = layers.max_plaintext_len();
        let stored = layers.ciphertext_len(longest).unwrap();
        assert_eq!(layers.plaintext_len(stored), Some(longest));
        for beyond in [longest + 1, 1 << 63, u64::MAX - 1, u64::MAX] {
            assert_eq!(layers.ciphertext_len(beyond), None);
        }
        for beyond in [stored + 1, stored + SEALED_CHUNK_LEN, 1 << 63, u64::MAX - 1, u64::MAX] {
            assert_eq!(layers.plaintext_len(beyond), None, "{beyond}");
        }
    }
    assert_eq!((chunk_start(u64::MAX), sealed_chunk_start(u64::MAX)), (None, None));
    let last = chunk_of(MAX_PLAINTEXT_LEN);
    assert_eq!(chunk_start(last), Some(last * CHUNK_LEN));
    assert_eq!(sealed_chunk_start(last), Some(HEADER_LEN + last * SEALED_CHUNK_LEN));
    assert_eq!(chunk_start(last + 1), None);
    for mode in ModeId::ALL {
        assert_eq!(mode.ciphertext_len(5), mode.layers().ciphertext_len(5));
        assert_eq!(mode.plaintext_len(u64::MAX), None);
    }
}

#[test]
fn lists_that_no_manifest_has_are_refused() {
    for wrong in [&[][..], &[5, 4], &[u64::MAX], &[MAX_PLAINTEXT_LEN + 1], &[10, MAX_PLAINTEXT_LEN + 11]] {
        assert!(Parts::new(Layers::One, wrong.iter().copied()).is_none(), "{wrong:?}");
    }
    assert!(Parts::new(Layers::One, vec![0; MAX_PARTS]).is_some());
    assert!(Parts::new(Layers::One, vec![0; MAX_PARTS + 1]).is_none());
    let step = MAX_PLAINTEXT_LEN - 1;
    let ends: Vec<u64> = (1..).map(|n| n * step).take_while(|end| *end <= MAX_MULTIPART_PLAINTEXT_LEN + step).collect();
    assert!(Parts::new(Layers::One, ends.iter().copied()).is_none(), "a total beyond 2^56");
    let within = Parts::new(Layers::One, ends[..ends.len() - 1].iter().copied()).unwrap();
    assert!(within.plaintext_len() <= MAX_MULTIPART_PLAINTEXT_LEN);
    assert!(within.ciphertext_len() > within.plaintext_len());
}

proptest! {
    #[test]
    fn parts_lie_where_counting_puts_them(lens in prop::collection::vec(0u64..40_000, 1..20), two in any::<bool>()) {
        let layers = if two { Layers::Two } else { Layers::One };
        let ends: Vec<u64> = lens.iter().scan(0, |end, len| { *end += len; Some(*end) }).collect();
        let parts = Parts::new(layers, ends).unwrap();
        prop_assert_eq!((parts.len(), parts.layers()), (lens.len(), layers));
        let (mut plaintext, mut stored) = (0, 0);
        for (index, len) in lens.iter().enumerate() {
            let stored_len = layers.ciphertext_len(*len).unwrap();
            prop_assert_eq!(parts.plaintext_range(index), Some(plaintext..plaintext + len));
            prop_assert_eq!(parts.ciphertext_range(index), Some(stored..stored + stored_len));
            for offset in [plaintext, plaintext + len / 2, (plaintext + len).saturating_sub(1)] {
                if (plaintext..plaintext + len).contains(&offset) {
                    prop_assert_eq!(parts.index_of(offset), Some(index));
                }
            }
            plaintext += len;
            stored += stored_len;
        }
        prop_assert_eq!((parts.plaintext_len(), parts.ciphertext_len()), (plaintext, stored));
        prop_assert_eq!((parts.index_of(plaintext), parts.index_of(u64::MAX)), (None, None));
        prop_assert_eq!(parts.plaintext_range(lens.len()), None);
        prop_assert_eq!((parts.ciphertext_range(lens.len()), parts.ciphertext_range(usize::MAX)), (None, None));
    }
}

/// Both containers, of one layer and of two, with short and impossible envelopes too.
fn containers() -> Vec<Container> {
    let of_len = |len| [Container::inline(len), Container::trailer(len)];
    let one: Vec<_> = [0, 1, 512, 65_663, usize::MAX].into_iter().flat_map(of_len).collect();
    one.iter().flat_map(|one| [*one, one.with_layers(Layers::Two)]).collect()
}

#[test]
fn a_container_adds_its_envelope_to_every_length_and_no_length_overflows() {
    for container in containers() {
        let (layers, envelope_len) = (container.layers(), container.envelope_len());
        assert_ne!(container.is_inline(), container.is_trailer());
        let longest = layers.max_plaintext_len();
        for plaintext in [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, longest, longest + 1, u64::MAX] {
            let body_len = layers.ciphertext_len(plaintext);
            let stored = body_len.and_then(|len| len.checked_add(envelope_len));
            assert_eq!(container.stored_len(plaintext), stored);
            let Some(stored) = stored else { continue };
            assert_eq!(container.plaintext_len(stored), Some(plaintext));
            let (body, envelope) = (container.body(stored).unwrap(), container.envelope(stored).unwrap());
            assert_eq!(Some(body.end - body.start), body_len);
            assert_eq!(envelope.end - envelope.start, envelope_len);
            let apart = if container.is_inline() { [envelope, body] } else { [body, envelope] };
            assert_eq!((apart[0].start, apart[0].end, apart[1].end), (0, apart[1].start, stored));
        }
        let shortest = layers.ciphertext_len(0).unwrap();
        for short in [0, 1, 71, shortest - 1, envelope_len, envelope_len.saturating_add(shortest - 1)] {
            if short.checked_sub(envelope_len).is_none_or(|body| body < shortest) {
                assert!(matches!(container.body(short), Err(Error::Truncated)), "{container:?} {short}");
                assert!(matches!(container.envelope(short), Err(Error::Truncated)));
                assert!(matches!(container.body_piece(short, 0, b"meow"), Err(Error::Truncated)));
                assert!(matches!(container.fetch_of_len(0..1, short), Err(Error::Truncated)));
                assert_eq!(container.plaintext_len(short), None);
            }
        }
    }
}

proptest! {
    /// What a container fetches is what its layers fetch of the body, moved to where the body lies.
    #[test]
    fn a_container_moves_what_is_fetched_to_where_the_body_lies(
        at in 0..containers().len(),
        start in prop_oneof![0..5 * CHUNK_LEN, any::<u64>()],
        len in prop_oneof![0..5 * CHUNK_LEN, any::<u64>()],
        kind in 0..3,
        stored_len in prop_oneof![0..5 * SEALED_CHUNK_LEN, any::<u64>()],
        offset in prop_oneof![0..3 * SEALED_CHUNK_LEN, any::<u64>()],
        fetched in 0..2_000usize,
    ) {
        let container = containers()[at];
        let (layers, envelope_len) = (container.layers(), container.envelope_len());
        let range: ByteRange = match kind {
            0 => (start..start.saturating_add(len)).into(),
            1 => (start..).into(),
            _ => ByteRange::last(len),
        };
        let before = if container.is_inline() { envelope_len } else { 0 };
        let expected = match layers.fetch(range) {
            Fetch::Range(body) => Fetch::Range(body.start.saturating_add(before)..body.end.saturating_add(before)),
            Fetch::From(body) => Fetch::From(body.saturating_add(before)),
            Fetch::Last(last) => Fetch::Last(last.saturating_add(envelope_len - before)),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(container.fetch(range), expected);

        let Ok(body) = container.body(stored_len) else { return Ok(()) };
        if let Ok(fetch) = container.fetch_of_len(range, stored_len) {
            let of_body = layers.fetch_of_len(range, body.end - body.start).unwrap();
            prop_assert!(body.start <= fetch.start && fetch.end <= body.end);
            prop_assert_eq!(&container.stored_range(of_body), &fetch);
        }
        // Byte n of what was fetched is named by where it lies.
        let bytes: Vec<u8> = (0..fetched).map(|at| offset.wrapping_add(at as u64) as u8).collect();
        let (at, piece) = container.body_piece(stored_len, offset, &bytes).unwrap();
        prop_assert!(at <= body.end - body.start && at + piece.len() as u64 <= body.end - body.start);
        prop_assert!(piece.iter().zip(0..).all(|(byte, n): (&u8, u64)| *byte == (body.start + at + n) as u8));
        let kept = (0..fetched as u64).filter(|n| offset.checked_add(*n).is_some_and(|at| body.contains(&at)));
        prop_assert_eq!(piece.len(), kept.count());
    }
}
