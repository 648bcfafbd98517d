//! `MessageReader`: opens one message in order, or only the chunks that hold a range.

use std::sync::Arc;

use super::message::{CHUNK_LEN, MessageKey, SEALED_CHUNK_LEN, TAG_LEN};
use super::stage::Stage;
use super::{Transform, split_front, update_and_finish};
use crate::error::{Error, Result};
use crate::geometry::{Extent, in_memory, in_object};

/// Takes stored bytes and returns plaintext; a chunk's plaintext is returned only after the chunk is authenticated.
#[derive(Debug)]
pub(super) struct MessageReader {
    key: Arc<MessageKey>,
    extent: Extent,
    /// Whether this is the inner message; the outer message has authenticated its bytes.
    inner: bool,
    /// The number of stored bytes taken.
    taken: u64,
    stage: Stage,
}

impl MessageReader {
    pub(super) fn new(key: Arc<MessageKey>, extent: Extent, inner: bool) -> Self {
        Self { key, extent, inner, taken: 0, stage: Stage::default() }
    }

    /// Returns the number of stored bytes up to the end of the next chunk.
    pub(super) fn chunk_left(&self) -> usize {
        let header = self.extent.header_len().saturating_sub(self.taken) as usize;
        header + SEALED_CHUNK_LEN - self.stage.filled()
    }

    /// Compares the header with the envelope's, byte for byte; a different header belongs to another message.
    fn compare_header(&mut self, input: &mut &[u8]) -> Result<()> {
        let seen = in_memory(self.taken.min(self.extent.header_len()))?;
        let left = in_memory(self.extent.header_len())? - seen;
        let (header, rest) = input.split_at(left.min(input.len()));
        if *header != self.key.header().as_bytes()[seen..seen + header.len()] {
            return Err(Error::Inauthentic);
        }
        self.taken += in_object(header.len());
        *input = rest;
        Ok(())
    }

    /// Opens the staged chunk, which may be the last, and writes its wanted bytes.
    fn open_staged(&mut self, chunk: u64, output: &mut &mut [u8]) -> Result<()> {
        let (index, wanted) = (self.extent.first_chunk + chunk, self.extent.of_chunk(chunk));
        let staged = self.stage.take();
        if staged.len() == SEALED_CHUNK_LEN && self.extent.whole_chunks(chunk) > 0 {
            return self.key.open_chunks(index, staged, split_front(output, CHUNK_LEN));
        }
        let plaintext = self.key.open_in_place(index, staged)?;
        let end = in_memory(wanted.end)?.min(plaintext.len());
        let wanted = &plaintext[in_memory(wanted.start)?.min(end)..end];
        split_front(output, wanted.len()).copy_from_slice(wanted);
        Ok(())
    }

    /// Returns the error for too few stored bytes: if an outer layer authenticated them, they were written that way.
    fn too_short(&self) -> Error {
        if self.inner { Error::Inauthentic } else { Error::Truncated }
    }
}

impl Transform for MessageReader {
    fn taken(&self) -> u64 {
        self.taken
    }

    fn given(&self, taken: u64, ended: bool) -> u64 {
        self.extent.given(taken, ended)
    }

    fn update(&mut self, mut input: &[u8], mut output: &mut [u8]) -> Result<()> {
        let after = self.taken + in_object(input.len());
        if self.extent.input_len.is_some_and(|len| len < after) {
            return Err(Error::Inauthentic);
        }
        self.compare_header(&mut input)?;
        let (mut chunk, _) = self.extent.chunks_in(self.taken);
        self.taken = after;
        if self.stage.filled() > 0 {
            if !self.stage.fill(&mut input, SEALED_CHUNK_LEN, chunk == 0) {
                return Ok(());
            }
            self.open_staged(chunk, &mut output)?;
            chunk += 1;
        }
        while input.len() >= SEALED_CHUNK_LEN {
            let straight = self.extent.whole_chunks(chunk).min(in_object(input.len() / SEALED_CHUNK_LEN));
            if straight > 0 {
                // Chunks that are wanted whole are opened from the input into the output, as one batch.
                let chunks = in_memory(straight)?;
                let (sealed, rest) = input.split_at(chunks * SEALED_CHUNK_LEN);
                let room = split_front(&mut output, chunks * CHUNK_LEN);
                self.key.open_chunks(self.extent.first_chunk + chunk, sealed, room)?;
                (input, chunk) = (rest, chunk + straight);
            } else {
                self.stage.fill(&mut input, SEALED_CHUNK_LEN, false);
                self.open_staged(chunk, &mut output)?;
                chunk += 1;
            }
        }
        self.stage.fill(&mut input, SEALED_CHUNK_LEN, chunk == 0);
        Ok(())
    }

    fn end_with(&mut self, input: &[u8], mut output: &mut [u8]) -> Result<()> {
        let after = self.taken + in_object(input.len());
        let (chunk, last_len) = self.extent.chunks_in(after);
        let (whole, last) = input.split_at(input.len().saturating_sub(in_memory(last_len)?));
        let updated_len = self.update_len(whole.len());
        // Whether the last chunk is in one piece, is wanted whole, and ends an object of the right length.
        let is_straight = self.stage.filled() == 0
            && self.taken + in_object(whole.len()) >= self.extent.header_len()
            && self.extent.to_end
            && self.extent.input_len.is_none_or(|len| len == after)
            && last.len() >= TAG_LEN
            && updated_len + last.len() == output.len() + TAG_LEN;
        if !is_straight {
            return update_and_finish(self, input, output);
        }
        self.update(whole, split_front(&mut output, updated_len))?;
        self.taken = after;
        self.key.open_chunk(self.extent.first_chunk + chunk, last, output)
    }

    fn finish(&mut self, mut output: &mut [u8]) -> Result<()> {
        let left = self.extent.input_len.map_or(0, |len| len.saturating_sub(self.taken));
        let Extent { header, to_end, .. } = self.extent;
        if self.taken < self.extent.header_len() || (left > 0 && !(header && to_end)) {
            return Err(self.too_short());
        }
        if to_end {
            if self.stage.filled() < TAG_LEN {
                return Err(self.too_short());
            }
            let (chunk, _) = self.extent.chunks_in(self.taken);
            self.open_staged(chunk, &mut output)?;
            if left > 0 {
                // A complete message, but not of the length that the envelope authenticates.
                return Err(Error::Inauthentic);
            }
        }
        Ok(())
    }
}
