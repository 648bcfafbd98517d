//! Reads what a body is made of: one message, or the messages of parts one behind the other.

use std::ops::Range;
use std::sync::Arc;

use super::each_layer::EachLayer;
use super::geometry::{CHUNK_LEN, Layers, Parts, chunk_of, in_object, opened_len, sealed_chunk_start};
use super::layers::Layered;
use super::message::{DataKeys, MessageKey, MessageKeys};
use super::parts::{PartTable, part_context};
use super::reader::{Extent, MessageReader};
use super::{Pass, Progress, Transform};
use crate::error::{Error, Result};
use crate::secret::wipe;

/// Stored bytes of a body in, plaintext out.
#[derive(Debug)]
pub(crate) enum BodyReader {
    Message(Layered<MessageReader>),
    Parts(Box<PartsReader>),
    /// Of parts whose manifest was not given.
    Unlisted,
}

impl Transform for BodyReader {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        match self {
            Self::Message(message) => message.update(input, output),
            Self::Parts(parts) => parts.update(input, output),
            Self::Unlisted => Err(Error::ManifestRequired),
        }
    }

    fn finish_len(&self, more: usize) -> usize {
        match self {
            Self::Message(message) => message.finish_len(more),
            Self::Parts(parts) => parts.finish_len(more),
            Self::Unlisted => 0,
        }
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        match self {
            Self::Message(message) => message.finish(output),
            Self::Parts(parts) => parts.finish(output),
            Self::Unlisted => Err(Error::ManifestRequired),
        }
    }
}

/// Readers of these extents of one message, and in DSSE-KMS of the one in it.
pub(crate) fn message_readers(keys: &EachLayer<Arc<MessageKey>>, extents: EachLayer<Extent>) -> Layered<MessageReader> {
    let outer = MessageReader::new(keys.outer.clone(), extents.outer, false);
    let inner = keys.inner.as_ref().zip(extents.inner);
    Layered::new(outer, inner.map(|(key, extent)| MessageReader::new(key.clone(), extent, true)))
}

/// Which parts are read, and what of them.
#[derive(Clone, Debug)]
pub(crate) struct PartsExtent {
    /// Their indices.
    pub(crate) parts: Range<usize>,
    /// The plaintext bytes of the object that are given out.
    pub(crate) bytes: Range<u64>,
    /// Whether the first part is read with its header; the others are, so that all that is fetched lies in one piece.
    pub(crate) header: bool,
    /// Whether the last part is read to its end; the others are.
    pub(crate) to_end: bool,
}

impl PartsExtent {
    /// The whole object.
    pub(crate) fn whole(parts: &Parts) -> Self {
        Self { parts: 0..parts.len(), bytes: 0..parts.plaintext_len(), header: true, to_end: true }
    }

    /// Where what is read of each part lies in the stored body.
    pub(crate) fn fetches(&self, parts: &Parts) -> Vec<Range<u64>> {
        let last = self.parts.end.saturating_sub(1);
        let fetch = |index: usize| {
            // PERF: what lies between the first part and the last is read whole, and needs no more than a look-up.
            if index > self.parts.start && index < last {
                parts.ciphertext_range(index)
            } else {
                Some(self.of_part(parts, index)?.1)
            }
        };
        self.parts.clone().filter_map(fetch).collect()
    }

    /// What of one part is read, and where that lies in the stored body.
    pub(crate) fn of_part(&self, parts: &Parts, index: usize) -> Option<(EachLayer<Extent>, Range<u64>)> {
        let (plaintext, stored) = (parts.plaintext_range(index)?, parts.ciphertext_range(index)?);
        let within = |offset: u64| offset.clamp(plaintext.start, plaintext.end).saturating_sub(plaintext.start);
        let bytes = within(self.bytes.start)..within(self.bytes.end);
        let to_end = self.to_end || index.saturating_add(1) < self.parts.end;
        let header = self.header || index > self.parts.start;
        let len = stored.end.saturating_sub(stored.start);
        let (extents, fetch) = extents(parts.layers(), bytes, to_end, len, header).ok()?;
        Some((extents, stored.start.saturating_add(fetch.start)..stored.start.saturating_add(fetch.end)))
    }
}

/// Reads parts in order, each a message of its own.
#[derive(Debug)]
pub(crate) struct PartsReader {
    keys: Arc<DataKeys>,
    table: Arc<PartTable>,
    extent: PartsExtent,
    /// The index of the next part to be opened.
    next: usize,
    current: Option<Current>,
    rest: Rest,
}

/// The part that is being read, and how many of its stored bytes are still to come.
#[derive(Debug)]
struct Current {
    reader: Layered<MessageReader>,
    left: u64,
}

impl PartsReader {
    pub(crate) fn new(keys: Arc<DataKeys>, table: Arc<PartTable>, extent: PartsExtent) -> Self {
        let next = extent.parts.start;
        Self { keys, table, extent, next, current: None, rest: Rest::default() }
    }

    fn open_next(&mut self) -> Result<Current> {
        // The table holds what the extent names: both were made from one manifest.
        let record = self.table.record(self.next).ok_or(Error::Inauthentic)?;
        let (extents, fetch) = self.extent.of_part(self.table.geometry(), self.next).ok_or(Error::Inauthentic)?;
        // The manifest authenticates the salt, and its checked commitment has fixed the data key.
        let keys = MessageKeys::under(&self.keys, &record.salts, &part_context(record.number)).map(Arc::new);
        self.next += 1;
        Ok(Current { reader: message_readers(&keys, extents), left: fetch.end.saturating_sub(fetch.start) })
    }
}

impl Transform for PartsReader {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        let mut pass = Pass::new(input, output);
        while self.rest.drain(&mut pass) && !pass.input.is_empty() {
            let mut current = match self.current.take() {
                Some(current) => current,
                None if self.next < self.extent.parts.end => self.open_next()?,
                None => return Err(Error::Inauthentic),
            };
            let of_part = usize::try_from(current.left).unwrap_or(usize::MAX).min(pass.input.len());
            let progress = current.reader.update(&pass.input[..of_part], pass.output)?;
            pass.take(progress.read);
            pass.room(progress.written);
            current.left -= in_object(progress.read);
            if current.left > 0 {
                self.current = Some(current);
                break;
            }
            // SECURITY: nothing of the next part is read before this one has verified.
            self.rest.finish(&mut current.reader, &mut pass)?;
        }
        Ok(pass.progress)
    }

    fn finish_len(&self, more: usize) -> usize {
        let current = self.current.as_ref().map_or(more, |current| current.reader.finish_len(more));
        self.rest.pending.len() + current
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let mut pass = Pass::new(&[], output);
        self.rest.drain(&mut pass);
        if self.current.is_some() || self.next < self.extent.parts.end {
            return Err(Error::Truncated);
        }
        Ok(pass.progress.written)
    }
}

/// The last bytes of a part where the output had no room for them.
#[derive(Default)]
struct Rest {
    buffer: Vec<u8>,
    pending: Range<usize>,
}

impl Rest {
    /// Verifies a part's end and gives out its last bytes, or keeps them.
    fn finish(&mut self, reader: &mut Layered<MessageReader>, pass: &mut Pass<'_>) -> Result<()> {
        let len = reader.finish_len(0);
        if pass.output.len() >= len {
            let written = reader.finish(pass.output)?;
            pass.room(written);
            return Ok(());
        }
        if self.buffer.len() < len {
            wipe(&mut self.buffer);
            self.buffer = vec![0; len];
        }
        let kept = reader.finish(&mut self.buffer)?;
        self.pending = 0..kept;
        Ok(())
    }

    /// Gives out what it can; true once nothing waits any more.
    fn drain(&mut self, pass: &mut Pass<'_>) -> bool {
        let room = pass.room(self.pending.len());
        room.copy_from_slice(&self.buffer[self.pending.start..self.pending.start + room.len()]);
        self.pending.start += room.len();
        self.pending.is_empty()
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        wipe(&mut self.buffer);
    }
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rest(..)")
    }
}

/// Which chunks of a message of `stored_len` bytes (DSSE-KMS: of each layer) hold these plaintext bytes and, if `to_end`,
/// its end; and where they lie in it. `header`: the message's own comes too where it begins with chunk 0.
pub(crate) fn extents(
    layers: Layers,
    bytes: Range<u64>,
    to_end: bool,
    stored_len: u64,
    header: bool,
) -> Result<(EachLayer<Extent>, Range<u64>)> {
    match layers {
        Layers::One => {
            let (outer, fetch) = extent(bytes, to_end, stored_len, header);
            Ok((EachLayer::one(outer), fetch))
        }
        Layers::Two => {
            let inner_len = opened_len(Layers::One, stored_len)?;
            // The outer chunk that holds the inner message's beginning holds its header too: it is compared.
            let (inner, within) = extent(bytes, to_end, inner_len, true);
            let (outer, fetch) = extent(within, to_end, stored_len, header);
            Ok((EachLayer { outer, inner: Some(inner) }, fetch))
        }
    }
}

fn extent(bytes: Range<u64>, to_end: bool, message_len: u64, with_header: bool) -> (Extent, Range<u64>) {
    let first_chunk = chunk_of(bytes.start);
    let last_chunk = chunk_of(bytes.end.saturating_sub(1).max(bytes.start));
    let start_of = |chunk| sealed_chunk_start(chunk).map_or(message_len, |start| start.min(message_len));
    let end = if to_end { message_len } else { start_of(last_chunk.saturating_add(1)) };
    let header = with_header && first_chunk == 0;
    let stored = if header { 0 } else { start_of(first_chunk) }..end;
    let extent = Extent {
        first_chunk,
        header,
        skip: bytes.start % CHUNK_LEN,
        take: bytes.end.saturating_sub(bytes.start),
        input_len: Some(stored.end.saturating_sub(stored.start)),
        to_end: end == message_len,
    };
    (extent, stored)
}
