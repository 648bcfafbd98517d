//! `MessageWriter`: seals one message in order.

use super::message::{CHUNK_LEN, HEADER_LEN, MessageKey, SEALED_CHUNK_LEN, TAG_LEN};
use super::stage::Stage;
use super::{Transform, split_front, update_and_finish};
use crate::error::Result;
use crate::geometry::{self, Layers, in_object};

/// Takes plaintext and writes one message.
#[derive(Debug)]
pub(super) struct MessageWriter {
    key: MessageKey,
    /// The number of plaintext bytes taken. It never decreases: it gives the index of the next chunk, and so its nonce.
    taken: u64,
    stage: Stage,
}

impl MessageWriter {
    pub(super) fn new(key: MessageKey) -> Self {
        Self { key, taken: 0, stage: Stage::default() }
    }

    fn give_header(&self, output: &mut &mut [u8]) {
        split_front(output, HEADER_LEN).copy_from_slice(self.key.header().as_bytes());
    }
}

impl Transform for MessageWriter {
    fn taken(&self) -> u64 {
        self.taken
    }

    fn given(&self, taken: u64, ended: bool) -> u64 {
        let chunks = (taken / geometry::CHUNK_LEN).saturating_mul(geometry::SEALED_CHUNK_LEN);
        match (ended, taken) {
            (true, _) => Layers::One.ciphertext_len(taken).unwrap_or(u64::MAX),
            (false, 0) => 0,
            (false, _) => chunks.saturating_add(geometry::HEADER_LEN),
        }
    }

    fn update(&mut self, mut input: &[u8], mut output: &mut [u8]) -> Result<()> {
        if input.is_empty() {
            return Ok(());
        }
        if self.taken == 0 {
            self.give_header(&mut output);
        }
        let mut index = self.taken / geometry::CHUNK_LEN;
        self.taken += in_object(input.len());
        if self.stage.filled() > 0 {
            if !self.stage.fill(&mut input, CHUNK_LEN, index == 0) {
                return Ok(());
            }
            self.key.seal_chunk(index, self.stage.take(), split_front(&mut output, SEALED_CHUNK_LEN));
            index += 1;
        }
        // Full chunks are sealed from the input into the output, as one batch.
        let (whole, mut rest) = input.split_at(input.len() / CHUNK_LEN * CHUNK_LEN);
        self.key.seal_chunks(index, whole, output)?;
        self.stage.fill(&mut rest, CHUNK_LEN, self.taken < geometry::CHUNK_LEN);
        Ok(())
    }

    fn end_with(&mut self, input: &[u8], mut output: &mut [u8]) -> Result<()> {
        if self.stage.filled() > 0 {
            return update_and_finish(self, input, output);
        }
        let (whole, last) = input.split_at(input.len() / CHUNK_LEN * CHUNK_LEN);
        let updated = split_front(&mut output, self.update_len(whole.len()));
        self.update(whole, updated)?;
        if self.taken == 0 {
            self.give_header(&mut output);
        }
        self.taken += in_object(last.len());
        self.key.seal_chunk(self.taken / geometry::CHUNK_LEN, last, output);
        Ok(())
    }

    fn finish(&mut self, mut output: &mut [u8]) -> Result<()> {
        if self.taken == 0 {
            self.give_header(&mut output);
        }
        let last = self.stage.take();
        self.key.seal_chunk(self.taken / geometry::CHUNK_LEN, last, &mut output[..last.len() + TAG_LEN]);
        Ok(())
    }
}
