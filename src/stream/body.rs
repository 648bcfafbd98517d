//! `BodyReader`: reads a body, which is one message or the concatenated messages of its parts.

use std::sync::Arc;

use bytes::BytesMut;

use super::in_place::Opened;
use super::layers::Layered;
use super::message::{MessageKey, SEALED_CHUNK_LEN};
use super::object_keys::ObjectKeys;
use super::parts::{PartTable, part_context};
use super::reader::MessageReader;
use super::{Transform, split_front};
use crate::error::{Error, Result};
use crate::geometry::{EachLayer, Extent, PartsExtent, in_object};

/// Takes the stored bytes of a body and returns plaintext.
#[derive(Debug)]
pub(super) enum BodyReader {
    Message(Layered<MessageReader>),
    Parts(Box<PartsReader>),
    /// A body of parts without its manifest.
    Unlisted,
}

impl Transform for BodyReader {
    const CHUNK_LEN: usize = SEALED_CHUNK_LEN;

    fn taken(&self) -> u64 {
        match self {
            Self::Message(message) => message.taken(),
            Self::Parts(parts) => parts.taken,
            Self::Unlisted => 0,
        }
    }

    fn given(&self, taken: u64, ended: bool) -> u64 {
        match self {
            Self::Message(message) => message.given(taken, ended),
            // The last bytes of a part are written when its last stored byte is taken; the end adds none.
            Self::Parts(parts) => parts.extent.given(parts.table.geometry(), taken),
            Self::Unlisted => 0,
        }
    }

    fn chunk_left(&self) -> usize {
        self.message().map_or(SEALED_CHUNK_LEN, Transform::chunk_left)
    }

    fn batch(&self, len: usize) -> usize {
        self.message().map_or(1, |message| message.batch(len))
    }

    fn run(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Result<()> {
        match self {
            Self::Message(message) => message.run(input, ended, output),
            Self::Parts(parts) => parts.run(input, ended, output),
            Self::Unlisted => Err(Error::ManifestRequired),
        }
    }
}

impl BodyReader {
    /// Opens all of the stored bytes in their own memory.
    pub(super) fn open_in_place(&mut self, stored: &mut BytesMut, opened: &mut Opened) -> Result<()> {
        match self {
            Self::Message(message) => message.open_in_place(stored, opened),
            Self::Parts(parts) => parts.open_in_place(stored, opened),
            Self::Unlisted => Err(Error::ManifestRequired),
        }
    }

    /// Returns the reader of the message that is being read.
    fn message(&self) -> Option<&Layered<MessageReader>> {
        match self {
            Self::Message(message) => Some(message),
            Self::Parts(parts) => parts.current.as_ref().map(|part| &part.reader),
            Self::Unlisted => None,
        }
    }
}

/// Creates readers of these chunks of one message, and in DSSE-KMS of the inner message.
pub(super) fn message_readers(keys: &EachLayer<Arc<MessageKey>>, extents: EachLayer<Extent>) -> Layered<MessageReader> {
    let outer = MessageReader::new(keys.outer.clone(), extents.outer, false);
    let inner = keys.inner.as_ref().zip(extents.inner);
    let inner = inner.map(|(key, extent)| MessageReader::new(key.clone(), extent, true));
    Layered::new(outer, inner)
}

/// Reads parts in order; each part is a message.
#[derive(Debug)]
pub(super) struct PartsReader {
    keys: ObjectKeys,
    table: Arc<PartTable>,
    extent: PartsExtent,
    /// The index of the next part to open.
    next: usize,
    current: Option<Part>,
    taken: u64,
}

/// The part that is being read, and the number of its stored bytes that are still to be taken.
#[derive(Debug)]
struct Part {
    reader: Layered<MessageReader>,
    left: u64,
}

impl PartsReader {
    pub(super) fn new(keys: ObjectKeys, table: Arc<PartTable>, extent: PartsExtent) -> Self {
        let next = extent.parts.start;
        Self { keys, table, extent, next, current: None, taken: 0 }
    }

    fn open_next(&mut self) -> Result<Part> {
        if self.next >= self.extent.parts.end {
            return Err(Error::Inauthentic);
        }
        // The table holds every part of the extent: both were made from one manifest.
        let record = self.table.record(self.next).ok_or(Error::Inauthentic)?;
        let (extents, fetch) = self.extent.of_part(self.table.geometry(), self.next).ok_or(Error::Inauthentic)?;
        // The manifest authenticates the salts, and the checked commitment of the manifest fixes the data key.
        let keys = self.keys.message_under(&record.salts, &part_context(record.number)).map(Arc::new);
        self.next += 1;
        Ok(Part { reader: message_readers(&keys, extents), left: fetch.end.saturating_sub(fetch.start) })
    }

    fn run(&mut self, mut input: &[u8], ended: bool, mut output: &mut [u8]) -> Result<()> {
        self.each_part(input.len(), |reader, len, ends| {
            let (piece, rest) = input.split_at(len);
            input = rest;
            reader.run(piece, ends, split_front(&mut output, reader.output_len(len, ends)))
        })?;
        let is_whole = self.current.is_none() && self.next >= self.extent.parts.end;
        if ended && !is_whole { Err(Error::Truncated) } else { Ok(()) }
    }

    fn open_in_place(&mut self, stored: &mut BytesMut, opened: &mut Opened) -> Result<()> {
        self.each_part(stored.len(), |reader, len, ends| {
            reader.open_in_place(&mut stored.split_to(len), opened)?;
            if ends { reader.run(&[], true, opened.room(reader.output_len(0, true))) } else { Ok(()) }
        })
    }

    /// Calls `step` for each part that has some of the next `len` stored bytes, with their number, and whether the part
    /// ends with them.
    fn each_part(
        &mut self,
        mut len: usize,
        mut step: impl FnMut(&mut Layered<MessageReader>, usize, bool) -> Result<()>,
    ) -> Result<()> {
        while len > 0 {
            let mut part = self.current.take().map_or_else(|| self.open_next(), Ok)?;
            let of_part = usize::try_from(part.left).unwrap_or(usize::MAX).min(len);
            part.left -= in_object(of_part);
            // SECURITY: no byte of the next part is read before this part is verified.
            step(&mut part.reader, of_part, part.left == 0)?;
            self.taken += in_object(of_part);
            len -= of_part;
            if part.left > 0 {
                self.current = Some(part);
            }
        }
        Ok(())
    }
}
