//! `Layered`: one transform, or two transforms of which the first feeds the second.

use super::message::{HEADER_LEN, SEALED_CHUNK_LEN};
use super::{Transform, split_front};
use crate::error::Result;
use crate::secret::redacted;

/// The number of chunks that the first layer passes on at once, at least: they stay in the nearest cache, and most pass
/// through both layers without a copy.
pub(super) const PIPE_CHUNKS: usize = 4;
/// The initial buffer length between two layers.
const PIPE_LEN: usize = HEADER_LEN + PIPE_CHUNKS * SEALED_CHUNK_LEN;

/// One transform, or two in DSSE-KMS: for writing, the inner layer feeds the outer; for reading, the outer the inner.
#[derive(Debug)]
pub(super) struct Layered<T> {
    pub(super) first: T,
    /// The second transform, and the buffer between the two.
    pub(super) second: Option<Box<(T, Pipe)>>,
}

/// A buffer for the inner layer's ciphertext; it never holds plaintext.
pub(super) struct Pipe(Vec<u8>);

redacted!(Pipe);

impl Pipe {
    /// Returns room for `len` bytes.
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len {
            self.0.resize(len.max(PIPE_LEN), 0);
        }
        &mut self.0[..len]
    }
}

impl<T: Transform> Layered<T> {
    /// Creates one layer, or two if there is a `second`.
    pub(super) fn new(first: T, second: Option<T>) -> Self {
        Self { first, second: second.map(|second| Box::new((second, Pipe(Vec::new())))) }
    }
}

impl<T: Transform> Transform for Layered<T> {
    const CHUNK_LEN: usize = T::CHUNK_LEN;

    fn taken(&self) -> u64 {
        self.first.taken()
    }

    fn given(&self, taken: u64, ended: bool) -> u64 {
        let given = self.first.given(taken, ended);
        self.second.as_ref().map_or(given, |second| second.0.given(given, ended))
    }

    fn chunk_left(&self) -> usize {
        self.first.chunk_left()
    }

    fn batch(&self, len: usize) -> usize {
        self.first.batch(len)
    }

    fn run(&mut self, mut input: &[u8], ended: bool, mut output: &mut [u8]) -> Result<()> {
        loop {
            let Some((second, pipe)) = self.second.as_deref_mut() else { return self.first.run(input, ended, output) };
            let divided = self.first.run_both(second, input, &mut output)?;
            input = &input[divided..];
            let piece_len = self.first.chunk_left() + (PIPE_CHUNKS - 1) * T::CHUNK_LEN;
            let (piece, rest) = input.split_at(piece_len.min(input.len()));
            let ends = ended && rest.is_empty();
            let passed = pipe.room(self.first.output_len(piece.len(), ends));
            self.first.run(piece, ends, passed)?;
            second.run(passed, ends, split_front(&mut output, second.output_len(passed.len(), ends)))?;
            if rest.is_empty() {
                return Ok(());
            }
            input = rest;
        }
    }
}
