//! Seals one message in order.

use super::message::{CHUNK_LEN, HEADER_LEN, MessageKey, SEALED_CHUNK_LEN, TAG_LEN};
use super::stage::Stage;
use super::{Pass, Progress, Transform};
use crate::error::Result;

/// Plaintext in, one message out.
#[derive(Debug)]
pub(crate) struct MessageWriter {
    key: MessageKey,
    /// The index of the next chunk; it makes the nonce, so it only ever rises.
    index: u64,
    /// How much of the header was given out.
    header_given: usize,
    stage: Stage,
}

impl MessageWriter {
    pub(crate) fn new(key: MessageKey) -> Self {
        Self { key, index: 0, header_given: 0, stage: Stage::default() }
    }

    /// Gives out what was sealed before anything new is; true once nothing of it is left.
    fn drain(&mut self, pass: &mut Pass<'_>) -> bool {
        if self.header_given < HEADER_LEN {
            let header = &self.key.header().as_bytes()[self.header_given..];
            let room = pass.room(header.len());
            room.copy_from_slice(&header[..room.len()]);
            self.header_given += room.len();
        }
        self.header_given == HEADER_LEN && self.stage.drain(pass)
    }

    fn next_index(&mut self) -> u64 {
        let index = self.index;
        self.index += 1;
        index
    }
}

impl Transform for MessageWriter {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        let mut pass = Pass::new(input, output);
        while self.drain(&mut pass) {
            let room_for_chunk = pass.output.len() >= SEALED_CHUNK_LEN;
            if self.stage.filled() == 0 && pass.input.len() >= CHUNK_LEN && room_for_chunk {
                // Whole chunks go straight from the input into the output.
                let index = self.next_index();
                self.key.seal(index, pass.take(CHUNK_LEN), pass.room(SEALED_CHUNK_LEN));
            } else if self.stage.filled() == 0 && pass.input.len() >= CHUNK_LEN && pass.progress.written > 0 {
                // PERF: the next output has room for the chunk, and a copy of it through the stage costs 2 %.
                break;
            } else if !self.stage.fill(&mut pass, CHUNK_LEN, self.index == 0) {
                break;
            } else if room_for_chunk {
                let index = self.next_index();
                self.key.seal(index, self.stage.bytes(), pass.room(SEALED_CHUNK_LEN));
                self.stage.clear();
            } else {
                let index = self.next_index();
                self.key.seal_in_place(index, self.stage.bytes_and(TAG_LEN));
                self.stage.give(0..SEALED_CHUNK_LEN);
            }
        }
        Ok(pass.progress)
    }

    fn finish_len(&self, more: usize) -> usize {
        let plaintext = self.stage.filled() + more;
        let tags = (plaintext / CHUNK_LEN + 1) * TAG_LEN;
        (HEADER_LEN - self.header_given) + self.stage.pending() + plaintext + tags
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let mut pass = Pass::new(&[], output);
        self.drain(&mut pass);
        let index = self.next_index();
        let last = self.stage.bytes();
        self.key.seal(index, last, pass.room(last.len() + TAG_LEN));
        self.stage.clear();
        Ok(pass.progress.written)
    }
}
