//! `Layered`: one transform, or two transforms of which the first feeds the second.

use super::message::{HEADER_LEN, SEALED_CHUNK_LEN};
use super::{Transform, split_front, update_and_finish};
use crate::error::Result;
use crate::secret::redacted;

/// The initial buffer length between two layers.
const PIPE_LEN: usize = HEADER_LEN + 4 * SEALED_CHUNK_LEN;

/// One transform, or two in DSSE-KMS: for writing, the inner layer feeds the outer; for reading, the outer the inner.
#[derive(Debug)]
pub(super) struct Layered<T> {
    first: T,
    /// The second transform, and the buffer between the two.
    second: Option<Box<(T, Pipe)>>,
    /// The maximum input length of the first transform for one transfer to the second.
    piece_len: usize,
}

/// A buffer for the inner layer's ciphertext; it never holds plaintext.
struct Pipe(Vec<u8>);

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
    /// Creates one layer, or two if there is a `second`; the first takes at most `piece_len` bytes for each transfer.
    pub(super) fn new(first: T, second: Option<T>, piece_len: usize) -> Self {
        Self { first, second: second.map(|second| Box::new((second, Pipe(Vec::new())))), piece_len }
    }

    /// Returns the transform that takes the input.
    pub(super) fn first(&self) -> &T {
        &self.first
    }
}

impl<T: Transform> Transform for Layered<T> {
    fn taken(&self) -> u64 {
        self.first.taken()
    }

    fn given(&self, taken: u64, ended: bool) -> u64 {
        let given = self.first.given(taken, ended);
        self.second.as_ref().map_or(given, |second| second.0.given(given, ended))
    }

    fn update(&mut self, input: &[u8], mut output: &mut [u8]) -> Result<()> {
        let Some((second, pipe)) = self.second.as_deref_mut() else { return self.first.update(input, output) };
        for piece in input.chunks(self.piece_len) {
            let passed = pipe.room(self.first.update_len(piece.len()));
            self.first.update(piece, passed)?;
            second.update(passed, split_front(&mut output, second.update_len(passed.len())))?;
        }
        Ok(())
    }

    fn end_with(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        if self.second.is_some() { update_and_finish(self, input, output) } else { self.first.end_with(input, output) }
    }

    fn finish(&mut self, mut output: &mut [u8]) -> Result<()> {
        let Some((second, pipe)) = self.second.as_deref_mut() else { return self.first.finish(output) };
        let passed = pipe.room(self.first.finish_len());
        self.first.finish(passed)?;
        second.update(passed, split_front(&mut output, second.update_len(passed.len())))?;
        second.finish(output)
    }
}
