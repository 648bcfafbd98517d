//! Lengths and offsets, compared with counting one by one, and at the limits of `u64`.

use atrest::ModeId;
use atrest::geometry::{
    CHUNK_LEN, HEADER_LEN, Layers, MAX_MULTIPART_PLAINTEXT_LEN, MAX_PARTS, MAX_PLAINTEXT_LEN, MIN_MESSAGE_LEN, Parts,
    SEALED_CHUNK_LEN, TAG_LEN, chunk_of, chunk_start, sealed_chunk_start,
};
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
