//! Opens one message in order, or the chunks of it that hold a range.

use std::sync::Arc;

use super::geometry::{in_memory, in_object};
use super::message::{CHUNK_LEN, HEADER_LEN, MessageKey, SEALED_CHUNK_LEN, TAG_LEN};
use super::stage::Stage;
use super::{Pass, Progress, Transform};
use crate::error::{Error, Result};

/// What of a message is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The first chunk that is read; the header comes before chunk 0 if the message is read from its beginning.
    pub(crate) first_chunk: u64,
    /// Whether the message's own header comes first.
    pub(crate) header: bool,
    /// Plaintext bytes of the first chunk that are not given out.
    pub(crate) skip: u64,
    /// Plaintext bytes that are given out at the most.
    pub(crate) take: u64,
    /// Stored bytes to be read, where that is known.
    pub(crate) input_len: Option<u64>,
    /// Whether they end with the message's end, or on a full chunk before it.
    pub(crate) to_end: bool,
}

impl Extent {
    /// The whole message, of so many stored bytes where that is known.
    pub(crate) fn whole(input_len: Option<u64>) -> Self {
        Self { first_chunk: 0, header: true, skip: 0, take: u64::MAX, input_len, to_end: true }
    }
}

/// Stored bytes in, plaintext out; nothing comes out before its chunk has authenticated.
#[derive(Debug)]
pub(crate) struct MessageReader {
    key: Arc<MessageKey>,
    extent: Extent,
    /// Whether this is the message inside another one, which has authenticated it.
    inner: bool,
    /// How much of the header was seen and compared.
    header_seen: usize,
    /// The index of the next chunk.
    index: u64,
    /// Plaintext bytes still to be skipped, still to be given out; stored bytes still to come.
    skip: u64,
    take: u64,
    input_left: Option<u64>,
    stage: Stage,
}

impl MessageReader {
    pub(crate) fn new(key: Arc<MessageKey>, extent: Extent, inner: bool) -> Self {
        Self {
            key,
            extent,
            inner,
            header_seen: if extent.header { 0 } else { HEADER_LEN },
            index: extent.first_chunk,
            skip: extent.skip,
            take: extent.take,
            input_left: extent.input_len,
            stage: Stage::default(),
        }
    }

    /// The header is the envelope's, byte for byte, or this is another message.
    fn compare_header(&mut self, pass: &mut Pass<'_>) -> Result<bool> {
        let expected = &self.key.header().as_bytes()[self.header_seen..];
        let seen = pass.take(expected.len());
        if *seen != expected[..seen.len()] {
            return Err(Error::Inauthentic);
        }
        self.header_seen += seen.len();
        Ok(self.header_seen == HEADER_LEN)
    }

    /// Whether the next chunk is wanted whole.
    fn wants_whole_chunk(&self) -> bool {
        self.skip == 0 && self.take >= in_object(CHUNK_LEN)
    }

    fn open_into(&mut self, sealed: &[u8], room: &mut [u8]) -> Result<()> {
        self.key.open_chunk(self.index, sealed, room)?;
        self.index += 1;
        self.take -= in_object(room.len());
        Ok(())
    }

    /// Opens what is staged where it stands and has what is wanted of it to give out.
    fn open_staged(&mut self) -> Result<()> {
        let opened = in_object(self.key.open_in_place(self.index, self.stage.bytes_and(0))?);
        self.index += 1;
        let start = self.skip.min(opened);
        let end = opened.min(start.saturating_add(self.take));
        self.skip = 0;
        self.take -= end - start;
        self.stage.give(in_memory(start)?..in_memory(end)?);
        Ok(())
    }

    /// The stored bytes end too early; once an outer layer has authenticated them that is no accident.
    fn too_short(&self) -> Error {
        if self.inner { Error::Inauthentic } else { Error::Truncated }
    }
}

impl Transform for MessageReader {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        if self.input_left.is_some_and(|left| left < in_object(input.len())) {
            return Err(Error::Inauthentic);
        }
        let mut pass = Pass::new(input, output);
        while self.stage.drain(&mut pass) {
            if self.header_seen < HEADER_LEN && !self.compare_header(&mut pass)? {
                break;
            }
            let straight = self.wants_whole_chunk() && pass.output.len() >= CHUNK_LEN;
            if straight && self.stage.filled() == 0 && pass.input.len() >= SEALED_CHUNK_LEN {
                // Whole chunks go straight from the input into the output.
                self.open_into(pass.take(SEALED_CHUNK_LEN), pass.room(CHUNK_LEN))?;
            } else if self.stage.filled() == 0 && pass.input.len() >= SEALED_CHUNK_LEN && pass.progress.written > 0 {
                // PERF: the next output has room for the chunk, and a copy of it through the stage costs 2 %.
                break;
            } else if !self.stage.fill(&mut pass, SEALED_CHUNK_LEN, self.index == self.extent.first_chunk) {
                break;
            } else if straight {
                let stage = std::mem::take(&mut self.stage);
                let opened = self.open_into(stage.bytes(), pass.room(CHUNK_LEN));
                self.stage = stage;
                opened?;
                self.stage.clear();
            } else {
                self.open_staged()?;
            }
        }
        self.input_left = self.input_left.map(|left| left.saturating_sub(in_object(pass.progress.read)));
        Ok(pass.progress)
    }

    fn finish_len(&self, more: usize) -> usize {
        self.stage.pending() + self.stage.filled() + more
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let mut pass = Pass::new(&[], output);
        self.stage.drain(&mut pass);
        let left = self.input_left.unwrap_or(0);
        let staged = self.stage.filled();
        if self.header_seen < HEADER_LEN || (left > 0 && !(self.extent.header && self.extent.to_end)) {
            return Err(self.too_short());
        }
        if self.extent.to_end {
            if staged < TAG_LEN {
                return Err(self.too_short());
            }
            self.open_staged()?;
            if left > 0 {
                // A whole message, but not of the length that the envelope authenticates.
                return Err(Error::Inauthentic);
            }
            self.stage.drain(&mut pass);
        }
        Ok(pass.progress.written)
    }
}
