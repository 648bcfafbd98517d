//! `MessageWriter`: seals one message in order.

use super::both_layers::through_both;
use super::message::{CHUNK_LEN, HEADER_LEN, MessageKey, SEALED_CHUNK_LEN};
use super::stage::Stage;
use super::{Transform, split_front};
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
}

impl Transform for MessageWriter {
    const CHUNK_LEN: usize = CHUNK_LEN;

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

    fn chunk_left(&self) -> usize {
        CHUNK_LEN - self.stage.filled()
    }

    fn batch(&self, len: usize) -> usize {
        self.key.batch(len)
    }

    fn run_both(&mut self, next: &mut Self, input: &[u8], output: &mut &mut [u8]) -> Result<usize> {
        let Some(workers) = self.key.dividing(input.len()) else { return Ok(0) };
        if self.taken == 0 || self.stage.filled() > 0 || next.taken == 0 || input.len() < CHUNK_LEN {
            return Ok(0);
        }
        let input = &input[..input.len() / CHUNK_LEN * CHUNK_LEN];
        let passed = input.len() / CHUNK_LEN * SEALED_CHUNK_LEN;
        let output = split_front(output, next.output_len(passed, false));
        let seal = |key: &MessageKey, index, plaintext: &[u8], sealed: &mut [u8]| {
            key.seal_chunk(index, plaintext, sealed);
            Ok(())
        };
        let rest = through_both::<CHUNK_LEN, SEALED_CHUNK_LEN>(
            workers,
            (self.taken / geometry::CHUNK_LEN, |index, input: &[u8], output: &mut [u8]| {
                seal(&self.key, index, input, output)
            }),
            (next.taken / geometry::CHUNK_LEN, |index, input: &[u8], output: &mut [u8]| {
                seal(&next.key, index, input, output)
            }),
            next.stage.staged(),
            input,
            output,
        )?;
        self.taken += in_object(input.len());
        next.taken += in_object(passed);
        next.stage.take();
        next.stage.fill(&mut &rest[..], CHUNK_LEN);
        Ok(input.len())
    }

    fn run(&mut self, mut input: &[u8], ended: bool, mut output: &mut [u8]) -> Result<()> {
        if input.is_empty() && !ended {
            return Ok(());
        }
        if self.taken == 0 {
            split_front(&mut output, HEADER_LEN).copy_from_slice(self.key.header().as_bytes());
        }
        let mut index = self.taken / geometry::CHUNK_LEN;
        self.taken += in_object(input.len());
        if self.stage.filled() > 0 && self.stage.fill(&mut input, CHUNK_LEN) {
            self.key.seal_chunk(index, self.stage.take(), split_front(&mut output, SEALED_CHUNK_LEN));
            index += 1;
        }
        // Full chunks are sealed from the input into the output, as one batch.
        let (whole, mut rest) = input.split_at(input.len() / CHUNK_LEN * CHUNK_LEN);
        self.key.seal_chunks(index, whole, split_front(&mut output, whole.len() / CHUNK_LEN * SEALED_CHUNK_LEN))?;
        if ended {
            let last: &[u8] = if self.stage.filled() > 0 { self.stage.take() } else { rest };
            self.key.seal_chunk(self.taken / geometry::CHUNK_LEN, last, output);
        } else {
            self.stage.fill(&mut rest, CHUNK_LEN);
        }
        Ok(())
    }
}
