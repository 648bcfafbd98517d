//! [`Fetch`]: the stored bytes to fetch if the body's length is unknown.

use std::ops::Range;

use super::{CHUNK_LEN, HEADER_LEN, Layers, TAG_LEN, chunk_of, sealed_chunk_start};
use crate::byte_range::{ByteRange, Shape};

/// The stored bytes to request from a store, in one of the three forms that stores accept.
///
/// [`Layers::fetch`] returns it. A store clips the range at the body's end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fetch {
    /// The bytes at these offsets of the body.
    Range(Range<u64>),
    /// The bytes from this offset to the body's end.
    From(u64),
    /// The last N bytes of the body, or the whole body if it is shorter.
    Last(u64),
}

impl Layers {
    /// Returns the stored bytes that hold a range of a body of unknown length, which is one message; needs no key.
    ///
    /// The store's answer gives the length; [`Decryptor::range`](crate::Decryptor::range) then plans exactly, and
    /// [`RangePlan::decrypt_pieces`](crate::RangePlan::decrypt_pieces) opens the wider answer. A range that holds no
    /// byte fetches the end, which proves that.
    ///
    /// ```
    /// use atrest::ByteRange;
    /// use atrest::geometry::{Fetch, Layers};
    /// assert_eq!(Layers::One.fetch(20_000..20_001), Fetch::Range(16_456..32_856));
    /// assert_eq!(Layers::One.fetch(ByteRange::last(8)), Fetch::Last(16_424));
    /// ```
    pub fn fetch(self, range: impl Into<ByteRange>) -> Fetch {
        let range = range.into();
        match self {
            Self::One => in_message(range, false),
            Self::Two => match in_message(range, true) {
                Fetch::Range(inner) => in_message(inner.into(), false),
                Fetch::From(inner) => in_message((inner..).into(), false),
                Fetch::Last(inner) => in_message(ByteRange::last(inner), false),
            },
        }
    }
}

/// Returns the bytes of a message that hold a range of its plaintext; an inner message includes its header.
fn in_message(range: ByteRange, inner: bool) -> Fetch {
    let start_of = |chunk| match sealed_chunk_start(chunk) {
        Some(HEADER_LEN) if inner => 0,
        start => start.unwrap_or(u64::MAX),
    };
    match range.shape() {
        // The range starts behind the end of every message.
        Shape::Between(start, _) | Shape::From(start) if sealed_chunk_start(chunk_of(start)).is_none() => {
            in_message(ByteRange::last(0), inner)
        }
        Shape::Between(start, end) if start < end => {
            let behind = chunk_of(end.saturating_sub(1)).saturating_add(1);
            Fetch::Range(start_of(chunk_of(start))..start_of(behind))
        }
        Shape::Between(..) => in_message(ByteRange::last(0), inner),
        Shape::From(start) => Fetch::From(start_of(chunk_of(start))),
        Shape::Last(len) => {
            // The first chunk may have up to one chunk before the range, and the range has two more tags than `len`
            // alone.
            let tags = (len / CHUNK_LEN).saturating_add(2).saturating_mul(TAG_LEN);
            let header = if inner { HEADER_LEN } else { 0 };
            Fetch::Last(len.saturating_add(CHUNK_LEN).saturating_add(tags).saturating_add(header))
        }
    }
}
