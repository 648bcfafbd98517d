//! `Stage`: buffers the one incomplete chunk between two calls.

use bytes::BytesMut;

use super::message::SEALED_CHUNK_LEN;
use crate::secret::{redacted, wipe};

/// A buffer for one chunk: allocated on first use; the part of it that was written is wiped on drop.
#[derive(Default)]
pub(super) struct Stage {
    buffer: BytesMut,
    /// Whether the bytes in `buffer` were taken: the next fill overwrites them.
    taken: bool,
    /// The number of bytes of this buffer that were ever written.
    used: usize,
    /// Buffers that were given out with a chunk, to be used again once the caller has dropped the chunk.
    given: Vec<BytesMut>,
}

/// The maximum number of buffers that are kept to be used again.
const MOST_GIVEN: usize = 4;

impl Stage {
    /// Returns the number of staged bytes.
    pub(super) fn filled(&self) -> usize {
        if self.taken { 0 } else { self.buffer.len() }
    }

    /// Returns the staged bytes.
    pub(super) fn staged(&self) -> &[u8] {
        &self.buffer[..self.filled()]
    }

    /// Stages bytes from the front of `input` up to `len` staged bytes; returns whether `len` is reached.
    pub(super) fn fill(&mut self, input: &mut &[u8], len: usize) -> bool {
        let (taken, rest) = input.split_at(input.len().min(len - self.filled()));
        if !taken.is_empty() {
            if std::mem::take(&mut self.taken) {
                self.buffer.clear();
            }
            if self.used == 0 {
                // SECURITY: there is room for every chunk, so the buffer never grows and leaves a copy behind.
                let free = self.given.iter_mut().position(|buffer| buffer.try_reclaim(SEALED_CHUNK_LEN));
                self.buffer = free.map_or_else(BytesMut::new, |free| self.given.swap_remove(free));
                self.buffer.reserve(SEALED_CHUNK_LEN);
            }
            self.buffer.extend_from_slice(taken);
            self.used = self.used.max(self.buffer.len());
            *input = rest;
        }
        self.filled() == len
    }

    /// Takes the staged bytes; the slice is valid until more bytes are staged.
    pub(super) fn take(&mut self) -> &mut [u8] {
        let filled = self.filled();
        self.taken = true;
        &mut self.buffer[..filled]
    }

    /// Takes the staged bytes with their memory.
    pub(super) fn take_owned(&mut self) -> BytesMut {
        let chunk = self.buffer.split();
        if self.given.len() < MOST_GIVEN {
            self.given.push(std::mem::take(&mut self.buffer));
        }
        self.used = 0;
        chunk
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.buffer.resize(self.used, 0);
        wipe(&mut self.buffer);
    }
}

redacted!(Stage);
