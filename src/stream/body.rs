//! `BodyReader`: reads a body, which is one message or the concatenated messages of its parts.

use std::sync::Arc;

use super::layers::Layered;
use super::message::{MessageKey, SEALED_CHUNK_LEN};
use super::object_keys::ObjectKeys;
use super::parts::{PartTable, part_context};
use super::reader::MessageReader;
use super::{Transform, split_front, update_and_finish};
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

impl BodyReader {
    /// Returns the number of stored bytes up to the end of the next chunk; one full chunk if the next part is not open
    /// yet.
    pub(super) fn chunk_left(&self) -> usize {
        match self {
            Self::Message(message) => message.first().chunk_left(),
            Self::Parts(parts) => {
                parts.current.as_ref().map_or(SEALED_CHUNK_LEN, |part| part.reader.first().chunk_left())
            }
            Self::Unlisted => SEALED_CHUNK_LEN,
        }
    }
}

impl Transform for BodyReader {
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
            // The last bytes of a part are written when its last stored byte is taken; `finish` writes none.
            Self::Parts(parts) => parts.extent.given(parts.table.geometry(), taken),
            Self::Unlisted => 0,
        }
    }

    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        match self {
            Self::Message(message) => message.update(input, output),
            Self::Parts(parts) => parts.update(input, output),
            Self::Unlisted => Err(Error::ManifestRequired),
        }
    }

    fn end_with(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        match self {
            Self::Message(message) => message.end_with(input, output),
            Self::Parts(_) | Self::Unlisted => update_and_finish(self, input, output),
        }
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<()> {
        match self {
            Self::Message(message) => message.finish(output),
            Self::Parts(parts) => parts.finish(),
            Self::Unlisted => Err(Error::ManifestRequired),
        }
    }
}

/// Creates readers of these chunks of one message, and in DSSE-KMS of the inner message.
pub(super) fn message_readers(keys: &EachLayer<Arc<MessageKey>>, extents: EachLayer<Extent>) -> Layered<MessageReader> {
    let outer = MessageReader::new(keys.outer.clone(), extents.outer, false);
    let inner = keys.inner.as_ref().zip(extents.inner);
    let inner = inner.map(|(key, extent)| MessageReader::new(key.clone(), extent, true));
    Layered::new(outer, inner, keys.outer.pipe_chunks() * SEALED_CHUNK_LEN)
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

    fn update(&mut self, mut input: &[u8], mut output: &mut [u8]) -> Result<()> {
        while !input.is_empty() {
            let mut part = self.current.take().map_or_else(|| self.open_next(), Ok)?;
            let of_part = usize::try_from(part.left).unwrap_or(usize::MAX).min(input.len());
            let (taken, rest) = input.split_at(of_part);
            let len = part.reader.update_len(taken.len());
            part.reader.update(taken, split_front(&mut output, len))?;
            part.left -= in_object(taken.len());
            self.taken += in_object(taken.len());
            input = rest;
            if part.left == 0 {
                // SECURITY: no byte of the next part is read before this part is verified.
                let len = part.reader.finish_len();
                part.reader.finish(split_front(&mut output, len))?;
            } else {
                self.current = Some(part);
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<()> {
        let whole = self.current.is_none() && self.next >= self.extent.parts.end;
        if whole { Ok(()) } else { Err(Error::Truncated) }
    }
}
