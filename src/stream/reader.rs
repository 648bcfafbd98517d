//! `MessageReader`: opens one message in order, or only the chunks that hold a range.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, BytesMut};

use super::both_layers::through_both;
use super::message::{CHUNK_LEN, MessageKey, SEALED_CHUNK_LEN, TAG_LEN};
use super::stage::Stage;
use super::{Transform, split_front};
use crate::error::{Error, Result};
use crate::geometry::{Extent, in_memory, in_object};
use crate::secret::wipe;

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

    /// Takes bytes from the front of `stored` and opens them in their own memory: at most `most` chunks as they stand,
    /// each followed by its tag, or a piece of the header or of a chunk that is staged. Returns the plaintext.
    pub(super) fn open_next(&mut self, stored: &mut BytesMut, most: usize) -> Result<BytesMut> {
        let header_left = self.header_left();
        let at_chunk = header_left == 0 && self.stage.filled() == 0;
        let whole = self.extent.whole_chunks(self.extent.chunks_in(self.taken).0);
        let whole = in_memory(whole.min(in_object((stored.len() / SEALED_CHUNK_LEN).min(most))))?;
        if at_chunk && whole > 0 {
            let mut batch = stored.split_to(whole * SEALED_CHUNK_LEN);
            let chunk = self.take(&mut &batch[..])?;
            let opened = self.key.open_chunks_in_place(self.extent.first_chunk + chunk, &mut batch);
            return opened.inspect_err(|_| wipe(&mut batch)).map(|()| batch);
        }
        let len = if header_left > 0 { header_left } else { self.chunk_left() };
        let piece = stored.split_to(len.min(stored.len()));
        let mut piece = &piece[..];
        let chunk = self.take(&mut piece)?;
        if !self.stage.fill(&mut piece, SEALED_CHUNK_LEN) {
            return Ok(BytesMut::new());
        }
        let mut staged = self.stage.take_owned();
        let wanted = open_wanted(&self.key, &self.extent, chunk, &mut staged)?;
        staged.truncate(wanted.end);
        staged.advance(wanted.start);
        Ok(staged)
    }

    /// Counts the input as taken. Compares the part that is the header with the envelope's, byte for byte, since a
    /// different header belongs to another message, and removes it. Returns the chunk in which the rest begins.
    fn take(&mut self, input: &mut &[u8]) -> Result<u64> {
        let (before, after) = (self.taken, self.taken + in_object(input.len()));
        if self.extent.input_len.is_some_and(|len| len < after) {
            return Err(Error::Inauthentic);
        }
        let (header, rest) = input.split_at(self.header_left().min(input.len()));
        let seen = in_memory(before.min(self.extent.header_len()))?;
        if *header != self.key.header().as_bytes()[seen..seen + header.len()] {
            return Err(Error::Inauthentic);
        }
        (*input, self.taken) = (rest, after);
        Ok(self.extent.chunks_in(before).0)
    }

    /// Opens the staged chunk, which may be the last, and writes its wanted bytes.
    fn open_staged(&mut self, chunk: u64, output: &mut &mut [u8]) -> Result<()> {
        let staged = self.stage.take();
        if staged.len() == SEALED_CHUNK_LEN && self.extent.whole_chunks(chunk) > 0 {
            return self.key.open_chunk(self.extent.first_chunk + chunk, staged, split_front(output, CHUNK_LEN));
        }
        let wanted = open_wanted(&self.key, &self.extent, chunk, staged)?;
        split_front(output, wanted.len()).copy_from_slice(&staged[wanted]);
        Ok(())
    }

    /// Opens the last chunk and writes its wanted bytes, once the input has ended with these bytes.
    fn end(&mut self, mut last: &[u8], mut output: &mut [u8]) -> Result<()> {
        // If an outer layer authenticated too few bytes, they were written that way.
        let too_short = if self.inner { Error::Inauthentic } else { Error::Truncated };
        let left = self.extent.input_len.map_or(0, |len| len.saturating_sub(self.taken));
        let Extent { header, to_end, .. } = self.extent;
        if self.header_left() > 0 || (left > 0 && !(header && to_end)) {
            return Err(too_short);
        }
        if !to_end {
            return Ok(());
        }
        let (chunk, _) = self.extent.chunks_in(self.taken);
        if self.stage.filled() == 0 && last.len() == output.len() + TAG_LEN {
            // It is in one piece and wanted whole.
            self.key.open_chunk(self.extent.first_chunk + chunk, last, output)?;
        } else {
            self.stage.fill(&mut last, SEALED_CHUNK_LEN);
            if self.stage.filled() < TAG_LEN {
                return Err(too_short);
            }
            self.open_staged(chunk, &mut output)?;
        }
        // If bytes are left, this is a complete message, but not of the length that the envelope authenticates.
        if left > 0 { Err(Error::Inauthentic) } else { Ok(()) }
    }

    /// Returns the number of chunks at the front of `len` bytes that are wanted whole and belong to the message.
    fn whole(&self, len: usize) -> usize {
        let left = self.extent.input_len.map_or(u64::MAX, |input_len| input_len.saturating_sub(self.taken));
        let chunks =
            self.extent.whole_chunks(self.extent.chunks_in(self.taken).0).min(left / in_object(SEALED_CHUNK_LEN));
        usize::try_from(chunks).unwrap_or(usize::MAX).min(len / SEALED_CHUNK_LEN)
    }

    /// Returns the number of bytes up to the end of the chunks that are wanted whole, without those that are staged.
    fn whole_left(&self) -> usize {
        let chunks = self.whole(usize::MAX);
        chunks.saturating_mul(SEALED_CHUNK_LEN).saturating_sub(self.stage.filled())
    }

    /// Returns the number of bytes of the header that are still to be taken.
    fn header_left(&self) -> usize {
        self.extent.header_len().saturating_sub(self.taken) as usize
    }
}

/// Opens a chunk in place and returns which bytes of it are wanted.
fn open_wanted(key: &MessageKey, extent: &Extent, chunk: u64, sealed: &mut [u8]) -> Result<Range<usize>> {
    let wanted = extent.of_chunk(chunk);
    let len = key.open_in_place(extent.first_chunk + chunk, sealed)?.len();
    let end = in_memory(wanted.end)?.min(len);
    Ok(in_memory(wanted.start)?.min(end)..end)
}

impl Transform for MessageReader {
    const CHUNK_LEN: usize = SEALED_CHUNK_LEN;

    fn taken(&self) -> u64 {
        self.taken
    }

    fn given(&self, taken: u64, ended: bool) -> u64 {
        self.extent.given(taken, ended)
    }

    fn chunk_left(&self) -> usize {
        self.header_left() + SEALED_CHUNK_LEN - self.stage.filled()
    }

    fn batch(&self, len: usize) -> usize {
        self.key.batch(len)
    }

    fn run_both(&mut self, next: &mut Self, input: &[u8], output: &mut &mut [u8]) -> Result<usize> {
        let Some(workers) = self.key.dividing(input.len()) else { return Ok(0) };
        if self.header_left() > 0 || self.stage.filled() > 0 || next.header_left() > 0 {
            return Ok(0);
        }
        let chunks = self.whole(input.len()).min(next.whole_left() / CHUNK_LEN);
        let (taken, passed) = (chunks * SEALED_CHUNK_LEN, chunks * CHUNK_LEN);
        if chunks == 0 || taken < workers.min_len() {
            return Ok(0);
        }
        let output = split_front(output, next.output_len(passed, false));
        let (chunk, next_chunk) = (self.extent.chunks_in(self.taken).0, next.extent.chunks_in(next.taken).0);
        let open =
            |key: &MessageKey, index, sealed: &[u8], plaintext: &mut [u8]| key.open_chunk(index, sealed, plaintext);
        let rest = through_both::<SEALED_CHUNK_LEN, CHUNK_LEN>(
            workers,
            (self.extent.first_chunk + chunk, |index, input: &[u8], output: &mut [u8]| {
                open(&self.key, index, input, output)
            }),
            (next.extent.first_chunk + next_chunk, |index, input: &[u8], output: &mut [u8]| {
                open(&next.key, index, input, output)
            }),
            next.stage.staged(),
            &input[..taken],
            output,
        )?;
        self.taken += in_object(taken);
        next.taken += in_object(passed);
        next.stage.take();
        next.stage.fill(&mut &rest[..], SEALED_CHUNK_LEN);
        Ok(taken)
    }

    fn run(&mut self, mut input: &[u8], ended: bool, mut output: &mut [u8]) -> Result<()> {
        let mut chunk = self.take(&mut input)?;
        if self.stage.filled() > 0 && self.stage.fill(&mut input, SEALED_CHUNK_LEN) {
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
                self.stage.fill(&mut input, SEALED_CHUNK_LEN);
                self.open_staged(chunk, &mut output)?;
                chunk += 1;
            }
        }
        if ended {
            return self.end(input, output);
        }
        self.stage.fill(&mut input, SEALED_CHUNK_LEN);
        Ok(())
    }
}
