//! `Extent` and `PartsExtent`: the chunks to read of a message or of parts, and how much plaintext they give.

use std::ops::Range;

use super::{
    CHUNK_LEN, EachLayer, HEADER_LEN, Layers, Parts, SEALED_CHUNK_LEN, TAG_LEN, chunk_of, opened_len,
    sealed_chunk_start,
};
use crate::byte_range::ByteRange;
use crate::error::{Error, Result};

/// The chunks of one message to read, and which of their plaintext bytes to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The index of the first chunk to read.
    pub(crate) first_chunk: u64,
    /// Whether the message's header comes first.
    pub(crate) header: bool,
    /// The number of plaintext bytes at the beginning of the first chunk that are not returned.
    pub(crate) skip: u64,
    /// The maximum number of plaintext bytes to return.
    pub(crate) take: u64,
    /// The number of stored bytes to read, if known.
    pub(crate) input_len: Option<u64>,
    /// Whether the stored bytes end at the message's end; otherwise they end with a full chunk before it.
    pub(crate) to_end: bool,
}

impl Extent {
    /// Returns the extent of a whole message; `input_len` is its stored length, if known.
    pub(crate) fn whole(input_len: Option<u64>) -> Self {
        Self { first_chunk: 0, header: true, skip: 0, take: u64::MAX, input_len, to_end: true }
    }

    /// Returns the number of stored bytes before the first chunk.
    pub(crate) fn header_len(&self) -> u64 {
        if self.header { HEADER_LEN } else { 0 }
    }

    /// Returns the number of whole chunks in `stored` stored bytes, and the number of bytes of the next chunk.
    pub(crate) fn chunks_in(&self, stored: u64) -> (u64, u64) {
        let chunks = stored.saturating_sub(self.header_len());
        (chunks / SEALED_CHUNK_LEN, chunks % SEALED_CHUNK_LEN)
    }

    /// Returns the number of plaintext bytes for `stored` stored bytes. A full chunk is never the last, so each opens
    /// at once; the last chunk opens if the bytes have `ended`.
    pub(crate) fn given(&self, stored: u64, ended: bool) -> u64 {
        let (chunks, rest) = self.chunks_in(stored);
        let last = if ended && self.to_end { rest.saturating_sub(TAG_LEN) } else { 0 };
        // Offsets are counted from the first chunk that is read.
        chunks.saturating_mul(CHUNK_LEN).saturating_add(last).saturating_sub(self.skip).min(self.take)
    }

    /// Returns the plaintext bytes of one chunk to return; `chunk` is counted from the first that is read.
    pub(crate) fn of_chunk(&self, chunk: u64) -> Range<u64> {
        let start = chunk.saturating_mul(CHUNK_LEN);
        let within = |offset: u64| offset.saturating_sub(start).min(CHUNK_LEN);
        within(self.skip)..within(self.skip.saturating_add(self.take))
    }

    /// Returns the number of consecutive chunks that are returned whole, from `chunk` on.
    pub(crate) fn whole_chunks(&self, chunk: u64) -> u64 {
        let start = chunk.saturating_mul(CHUNK_LEN);
        if start < self.skip { 0 } else { self.skip.saturating_add(self.take).saturating_sub(start) / CHUNK_LEN }
    }

    /// Returns the chunks of a message that hold these plaintext bytes, and their range in the message.
    fn within(bytes: Range<u64>, to_end: bool, message_len: u64, with_header: bool) -> (Self, Range<u64>) {
        let first_chunk = chunk_of(bytes.start);
        let last_chunk = chunk_of(bytes.end.saturating_sub(1).max(bytes.start));
        let start_of = |chunk| sealed_chunk_start(chunk).map_or(message_len, |start| start.min(message_len));
        let end = if to_end { message_len } else { start_of(last_chunk.saturating_add(1)) };
        let header = with_header && first_chunk == 0;
        let stored = if header { 0 } else { start_of(first_chunk) }..end;
        let extent = Self {
            first_chunk,
            header,
            skip: bytes.start % CHUNK_LEN,
            take: bytes.end.saturating_sub(bytes.start),
            input_len: Some(stored.end.saturating_sub(stored.start)),
            to_end: end == message_len,
        };
        (extent, stored)
    }
}

impl EachLayer<Extent> {
    /// Returns the chunks of each layer that hold these plaintext bytes and, if `to_end`, the message's end; and their
    /// range in a body of `stored_len` bytes. If `header`, the outer header is read together with chunk 0.
    ///
    /// # Errors
    ///
    /// Returns an error if no inner message has the length that `stored_len` implies.
    pub(crate) fn within(
        layers: Layers,
        bytes: Range<u64>,
        to_end: bool,
        stored_len: u64,
        header: bool,
    ) -> Result<(Self, Range<u64>)> {
        match layers {
            Layers::One => {
                let (outer, fetch) = Extent::within(bytes, to_end, stored_len, header);
                Ok((Self::one(outer), fetch))
            }
            Layers::Two => {
                let inner_len = opened_len(Layers::One, stored_len)?;
                // The outer chunk with the start of the inner message also holds the inner header, which is compared.
                let (inner, within) = Extent::within(bytes, to_end, inner_len, true);
                let (outer, fetch) = Extent::within(within, to_end, stored_len, header);
                Ok((Self { outer, inner: Some(inner) }, fetch))
            }
        }
    }

    /// Applies [`Extent::given`] to every layer.
    fn given(&self, stored: u64) -> u64 {
        self.iter().fold(stored, |stored, extent| extent.given(stored, false))
    }
}

/// The parts to read, and which of their plaintext bytes to return.
#[derive(Clone, Debug)]
pub(crate) struct PartsExtent {
    /// The indices of the parts.
    pub(crate) parts: Range<usize>,
    /// The plaintext bytes of the object to return.
    pub(crate) bytes: Range<u64>,
    /// Whether the first part is read with its header; all others are, so that the fetched bytes are contiguous.
    pub(crate) header: bool,
    /// Whether the last part is read to its end; all others are.
    pub(crate) to_end: bool,
}

impl PartsExtent {
    /// Returns the extent of the whole object.
    pub(crate) fn whole(parts: &Parts) -> Self {
        Self { parts: 0..parts.len(), bytes: 0..parts.plaintext_len(), header: true, to_end: true }
    }

    /// Returns the parts that hold these plaintext bytes and, if `to_end`, the object's end.
    pub(crate) fn within(parts: &Parts, bytes: Range<u64>, to_end: bool) -> Self {
        let last = parts.len().saturating_sub(1);
        let first = parts.index_of(bytes.start).unwrap_or(last);
        let end = if bytes.is_empty() { None } else { parts.index_of(bytes.end.saturating_sub(1)) };
        Self { parts: first..end.unwrap_or(last).saturating_add(1), bytes, header: false, to_end }
    }

    /// Returns the range of the stored body to fetch for each part.
    pub(crate) fn fetches(&self, parts: &Parts) -> Vec<Range<u64>> {
        let last = self.parts.end.saturating_sub(1);
        let fetch = |index: usize| {
            // PERF: parts between the first and the last are read whole, and need only a look-up.
            if index > self.parts.start && index < last {
                parts.ciphertext_range(index)
            } else {
                Some(self.of_part(parts, index)?.1)
            }
        };
        self.parts.clone().filter_map(fetch).collect()
    }

    /// Returns the chunks to read of one part, and their range in the stored body.
    pub(crate) fn of_part(&self, parts: &Parts, index: usize) -> Option<(EachLayer<Extent>, Range<u64>)> {
        let (plaintext, stored) = (parts.plaintext_range(index)?, parts.ciphertext_range(index)?);
        let within = |offset: u64| offset.clamp(plaintext.start, plaintext.end).saturating_sub(plaintext.start);
        let bytes = within(self.bytes.start)..within(self.bytes.end);
        let to_end = self.to_end || index.saturating_add(1) < self.parts.end;
        let header = self.header || index > self.parts.start;
        let len = stored.end.saturating_sub(stored.start);
        let (extents, fetch) = EachLayer::within(parts.layers(), bytes, to_end, len, header).ok()?;
        Some((extents, stored.start.saturating_add(fetch.start)..stored.start.saturating_add(fetch.end)))
    }

    /// Returns the number of plaintext bytes for `stored` stored bytes; a part's last bytes come with its last stored
    /// byte.
    pub(crate) fn given(&self, parts: &Parts, stored: u64) -> u64 {
        let Some((_, first)) = self.of_part(parts, self.parts.start) else { return 0 };
        let place = first.start.saturating_add(stored);
        let index = parts.index_of_stored(place).unwrap_or(parts.len()).min(self.parts.end);
        // The bytes read of the last part may end before the part does.
        let (index, within) = match self.of_part(parts, index).filter(|_| index < self.parts.end) {
            Some((extents, fetch)) => (index, extents.given(place.saturating_sub(fetch.start))),
            None => (index, 0),
        };
        let (start, _) = parts.starts(index);
        start
            .clamp(self.bytes.start, self.bytes.end.max(self.bytes.start))
            .saturating_sub(self.bytes.start)
            .saturating_add(within)
    }
}

impl Layers {
    /// Returns the stored bytes that hold a range of a body of `ciphertext_len` bytes, which is one message; needs no
    /// key.
    ///
    /// The result covers at least what [`Decryptor::range`](crate::Decryptor::range) fetches, whose plan opens it with
    /// [`decrypt_pieces`](crate::RangePlan::decrypt_pieces). If the range holds no byte of the object, the result is
    /// the end, which proves that. A range from 0 starts after the message's header, at byte 56.
    ///
    /// # Errors
    ///
    /// - [`Error::Truncated`] if no object has a body of this length.
    /// - [`Error::Inauthentic`] if only an outer layer has this length.
    /// - [`Error::LimitExceeded`] if the length exceeds the format's limit.
    pub fn fetch_of_len(self, range: impl Into<ByteRange>, ciphertext_len: u64) -> Result<Range<u64>> {
        let plaintext_len = opened_len(self, ciphertext_len)?;
        let (bytes, depends) = range.into().within(plaintext_len);
        let (bytes, to_end) = if bytes.is_empty() { (plaintext_len..plaintext_len, true) } else { (bytes, depends) };
        Ok(EachLayer::within(self, bytes, to_end, ciphertext_len, false)?.1)
    }
}

impl Parts {
    /// Returns the ranges of the stored body that hold a range of the object, in order, one in each part that is read;
    /// needs no key.
    ///
    /// # Errors
    ///
    /// Returns [`Error::RangeNotSatisfiable`] if the range holds no byte of an object of these parts. As an exception,
    /// the Rust range `0..` of parts that are all empty fetches the last part.
    pub fn fetches(&self, range: impl Into<ByteRange>) -> Result<Vec<Range<u64>>> {
        let plaintext_len = self.plaintext_len();
        let range = range.into();
        let (bytes, _) = range.within(plaintext_len);
        let whole_of_empty = range.is_whole_of_empty(plaintext_len);
        if bytes.is_empty() && !whole_of_empty {
            return Err(Error::RangeNotSatisfiable { plaintext_len });
        }
        Ok(PartsExtent::within(self, bytes, whole_of_empty).fetches(self))
    }
}
