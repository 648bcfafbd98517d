// Floor 0, a noun: any module may use it.
//! [`Layers`], [`Parts`], [`Container`] and [`Fetch`]: lengths and offsets of the format in `u64`, in both directions,
//! and what to fetch for a range; without keys.
//!
//! No function here can panic or wrap.
//!
//! A *message* is a 56-byte header and chunks of 16,384 plaintext bytes; sealing adds 16 bytes to each. The last chunk
//! is always shorter. So lengths map one to one, and the short chunk marks the end.
//!
//! ```
//! use atrest::geometry::Layers;
//! assert_eq!(Layers::One.ciphertext_len(0), Some(72));
//! assert_eq!(Layers::Two.ciphertext_len(16_384), Some(16_560));
//! assert_eq!(Layers::One.plaintext_len(16_472), Some(16_384));
//! assert_eq!(Layers::One.plaintext_len(71), None);
//! ```
//!
//! Spec: manual, format, "Messages"; C2SP chunked-encryption.
#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod container;
mod each_layer;
mod extent;
mod fetch;

pub use container::Container;
pub(crate) use each_layer::EachLayer;
pub(crate) use extent::{Extent, PartsExtent};
pub use fetch::Fetch;

use std::ops::Range;

use crate::error::{Error, Limit, Result};

/// Plaintext bytes of every chunk but the last, which has fewer.
pub const CHUNK_LEN: u64 = 16_384;
/// Bytes that sealing adds to each chunk.
pub const TAG_LEN: u64 = 16;
/// Bytes of a message before its first chunk: salt (24) and commitment (32).
pub const HEADER_LEN: u64 = 56;
/// Bytes of every sealed chunk but the last.
pub const SEALED_CHUNK_LEN: u64 = 16_400;
/// Bytes of the shortest message, whose plaintext is empty.
pub const MIN_MESSAGE_LEN: u64 = 72;
/// The maximum plaintext length of one message, in bytes.
pub const MAX_PLAINTEXT_LEN: u64 = (1 << 52) - 1;
/// The maximum number of parts of a multipart object.
pub const MAX_PARTS: usize = 65_536;
/// The maximum plaintext length of a multipart object, in bytes.
pub const MAX_MULTIPART_PLAINTEXT_LEN: u64 = 1 << 56;

/// How many times an object's bytes are sealed: once, or in DSSE-KMS twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layers {
    /// SSE-S3, SSE-KMS and SSE-C.
    One,
    /// DSSE-KMS: the outer message's plaintext is the whole inner message.
    Two,
}

impl Layers {
    /// Returns the stored length of a plaintext, in bytes; `None` if the plaintext exceeds the format's limit.
    pub const fn ciphertext_len(self, plaintext_len: u64) -> Option<u64> {
        match (self, message_len(plaintext_len)) {
            (Self::One, len) => len,
            (Self::Two, Some(inner)) => message_len(inner),
            (Self::Two, None) => None,
        }
    }

    /// Returns the plaintext length of a stored length, in bytes; `None` if no stored object or part has that length.
    pub const fn plaintext_len(self, ciphertext_len: u64) -> Option<u64> {
        match (self, message_plaintext_len(ciphertext_len)) {
            (Self::One, len) => len,
            (Self::Two, Some(inner)) => message_plaintext_len(inner),
            (Self::Two, None) => None,
        }
    }

    /// Returns the maximum plaintext length of one object or part, in bytes.
    pub const fn max_plaintext_len(self) -> u64 {
        match self {
            Self::One => MAX_PLAINTEXT_LEN,
            // The largest p with ciphertext_len(p) <= 2^52 - 1; a test checks it.
            Self::Two => 4_499_205_871_636_407,
        }
    }
}

/// A list of parts in the order of a manifest; each part is a message (DSSE-KMS: one in another).
///
/// It is created from the plaintext offsets at which the parts end; two equal ends make an empty part.
#[derive(Clone, Debug)]
pub struct Parts {
    layers: Layers,
    /// Where each part ends: in the object's plaintext, and in the stored body.
    ends: Vec<(u64, u64)>,
}

impl Parts {
    /// Creates a list of parts that end at these offsets of the whole object's plaintext.
    ///
    /// Returns `None` if there are no parts or over 65,536, the ends descend, or a length exceeds the format's limit.
    pub fn new(layers: Layers, plaintext_ends: impl IntoIterator<Item = u64>) -> Option<Self> {
        let mut ends = Vec::new();
        let (mut start, mut stored) = (0, 0u64);
        for end in plaintext_ends {
            if ends.len() == MAX_PARTS || end > MAX_MULTIPART_PLAINTEXT_LEN {
                return None;
            }
            // 65,536 parts of less than 2^53 stored bytes each.
            stored = stored.checked_add(layers.ciphertext_len(end.checked_sub(start)?)?)?;
            start = end;
            ends.push((end, stored));
        }
        (!ends.is_empty()).then_some(Self { layers, ends })
    }

    /// Creates a list of parts of these stored lengths, as a service lists them.
    ///
    /// Returns `None` as [`new`](Self::new) does, and if no part has such a length.
    pub fn from_ciphertext_lens(layers: Layers, lens: impl IntoIterator<Item = u64>) -> Option<Self> {
        let (mut ends, mut end) = (Vec::new(), 0u64);
        for len in lens {
            if ends.len() == MAX_PARTS {
                return None;
            }
            end = end.checked_add(layers.plaintext_len(len)?)?;
            ends.push(end);
        }
        Self::new(layers, ends)
    }

    /// Returns the number of parts; at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the number of layers of each part.
    pub fn layers(&self) -> Layers {
        self.layers
    }

    /// Returns the plaintext length of the whole object, in bytes.
    pub fn plaintext_len(&self) -> u64 {
        self.starts(self.ends.len()).0
    }

    /// Returns the stored length of the whole body, in bytes.
    pub fn ciphertext_len(&self) -> u64 {
        self.starts(self.ends.len()).1
    }

    /// Returns the range of the part at this index (from 0) in the object's plaintext.
    pub fn plaintext_range(&self, index: usize) -> Option<Range<u64>> {
        let (end, _) = self.ends.get(index)?;
        Some(self.starts(index).0..*end)
    }

    /// Returns the range of the part at this index (from 0) in the stored body.
    pub fn ciphertext_range(&self, index: usize) -> Option<Range<u64>> {
        let (_, end) = self.ends.get(index)?;
        Some(self.starts(index).1..*end)
    }

    /// Returns the index (from 0) of the part that holds the plaintext byte at this offset.
    pub fn index_of(&self, plaintext_offset: u64) -> Option<usize> {
        let index = self.ends.partition_point(|(end, _)| *end <= plaintext_offset);
        (index < self.ends.len()).then_some(index)
    }

    /// Returns the index (from 0) of the part that holds the stored byte at this offset.
    fn index_of_stored(&self, offset: u64) -> Option<usize> {
        let index = self.ends.partition_point(|(_, end)| *end <= offset);
        (index < self.ends.len()).then_some(index)
    }

    /// Returns where the part at this index begins, or where the last part ends: in the plaintext, and in the stored
    /// body.
    fn starts(&self, index: usize) -> (u64, u64) {
        index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or((0, 0))
    }
}

/// Returns the index of the chunk that holds the plaintext byte at this offset.
pub const fn chunk_of(plaintext_offset: u64) -> u64 {
    plaintext_offset / CHUNK_LEN
}

/// Returns the plaintext offset at which a chunk begins; `None` beyond the longest message.
pub const fn chunk_start(index: u64) -> Option<u64> {
    match index.checked_mul(CHUNK_LEN) {
        Some(start) if start <= MAX_PLAINTEXT_LEN => Some(start),
        _ => None,
    }
}

/// Returns the offset in its message at which a sealed chunk begins; `None` beyond the longest message.
pub const fn sealed_chunk_start(index: u64) -> Option<u64> {
    match chunk_start(index) {
        // Below 2^53, as the plaintext offset is below 2^52.
        Some(_) => Some(index.saturating_mul(SEALED_CHUNK_LEN).saturating_add(HEADER_LEN)),
        None => None,
    }
}

const fn message_len(plaintext_len: u64) -> Option<u64> {
    if plaintext_len > MAX_PLAINTEXT_LEN {
        return None;
    }
    let tags = (plaintext_len / CHUNK_LEN).saturating_add(1).saturating_mul(TAG_LEN);
    Some(plaintext_len.saturating_add(tags).saturating_add(HEADER_LEN))
}

const fn message_plaintext_len(ciphertext_len: u64) -> Option<u64> {
    let Some(chunks) = ciphertext_len.checked_sub(HEADER_LEN) else { return None };
    let (full, rest) = (chunks / SEALED_CHUNK_LEN, chunks % SEALED_CHUNK_LEN);
    let Some(last) = rest.checked_sub(TAG_LEN) else { return None };
    match full.checked_mul(CHUNK_LEN) {
        Some(plaintext) if plaintext <= MAX_PLAINTEXT_LEN => {
            // `last` is under CHUNK_LEN and the bound is one below a multiple of CHUNK_LEN, so the sum is within the
            // bound.
            Some(plaintext.saturating_add(last))
        }
        _ => None,
    }
}

/// Returns the plaintext length of an object's stored length, or the error for a length that no object has.
pub(crate) fn opened_len(layers: Layers, ciphertext_len: u64) -> Result<u64> {
    let longest = layers.ciphertext_len(layers.max_plaintext_len()).unwrap_or(u64::MAX);
    if ciphertext_len > longest {
        return Err(Limit::Message.into());
    }
    let outer = message_plaintext_len(ciphertext_len).ok_or(Error::Truncated)?;
    match layers {
        Layers::One => Ok(outer),
        // The outer message may have this length, but no inner message has the length that follows.
        Layers::Two => message_plaintext_len(outer).ok_or(Error::Inauthentic),
    }
}

/// Converts an offset to a length in memory; the offset is known to be below one chunk or one caller's buffer.
pub(crate) fn in_memory(len: u64) -> Result<usize> {
    usize::try_from(len).map_err(|_| Limit::Message.into())
}

/// Converts a length in memory to a length in an object: no machine has a `usize` wider than 64 bits.
pub(crate) fn in_object(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_dsse_object_is_the_largest_whose_inner_message_fits() {
        let longest = Layers::Two.max_plaintext_len();
        assert!(Layers::Two.ciphertext_len(longest).is_some(), "{:?}", message_len(longest));
        assert_eq!(Layers::Two.ciphertext_len(longest + 1), None);
    }
}
