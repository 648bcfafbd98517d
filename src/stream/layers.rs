//! `Layered`: one transform, or two of which the first feeds the second.

use super::message::{HEADER_LEN, SEALED_CHUNK_LEN};
use super::{Transform, split_front};
use crate::error::Result;

/// Chunks that pass from one layer to the other at once: long enough that most pass straight through both layers, short
/// enough for the nearest cache.
const PIPE_CHUNKS: usize = 4;
const PIPE_LEN: usize = HEADER_LEN + PIPE_CHUNKS * SEALED_CHUNK_LEN;

/// One transform, or in DSSE-KMS two: writing, the inner layer feeds the outer; reading, the outer feeds the inner.
#[derive(Debug)]
pub(super) enum Layered<T> {
    One(T),
    Two(Box<Pair<T>>),
}

impl<T: Transform> Layered<T> {
    /// One layer, or two if there is a second.
    pub(super) fn new(first: T, second: Option<T>) -> Self {
        match second {
            None => Self::One(first),
            Some(second) => Self::Two(Box::new(Pair { first, second, pipe: Pipe(Vec::new()) })),
        }
    }

    /// The transform that takes the input.
    pub(super) fn first(&self) -> &T {
        match self {
            Self::One(only) => only,
            Self::Two(pair) => &pair.first,
        }
    }
}

/// Two transforms, and the pipe between them.
#[derive(Debug)]
pub(super) struct Pair<T> {
    first: T,
    second: T,
    pipe: Pipe,
}

/// Holds the inner layer's ciphertext on its way, and never plaintext.
struct Pipe(Vec<u8>);

impl Pipe {
    /// Makes room for `len` bytes.
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.0.len() < len {
            self.0.resize(len.max(PIPE_LEN), 0);
        }
        &mut self.0[..len]
    }
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pipe(..)")
    }
}

impl<T: Transform> Transform for Layered<T> {
    const UNIT: usize = T::UNIT;

    fn taken(&self) -> u64 {
        self.first().taken()
    }

    fn given(&self, taken: u64) -> u64 {
        match self {
            Self::One(only) => only.given(taken),
            Self::Two(pair) => pair.second.given(pair.first.given(taken)),
        }
    }

    fn given_at_end(&self, taken: u64) -> u64 {
        match self {
            Self::One(only) => only.given_at_end(taken),
            Self::Two(pair) => pair.second.given_at_end(pair.first.given_at_end(taken)),
        }
    }

    fn update(&mut self, input: &[u8], mut output: &mut [u8]) -> Result<()> {
        let Pair { first, second, pipe } = match self {
            Self::One(only) => return only.update(input, output),
            Self::Two(pair) => &mut **pair,
        };
        for piece in input.chunks(PIPE_CHUNKS * T::UNIT) {
            let passed = pipe.room(first.update_len(piece.len()));
            first.update(piece, passed)?;
            second.update(passed, split_front(&mut output, second.update_len(passed.len())))?;
        }
        Ok(())
    }

    fn finish(&mut self, mut output: &mut [u8]) -> Result<()> {
        let Pair { first, second, pipe } = match self {
            Self::One(only) => return only.finish(output),
            Self::Two(pair) => &mut **pair,
        };
        let passed = pipe.room(first.finish_len());
        first.finish(passed)?;
        second.update(passed, split_front(&mut output, second.update_len(passed.len())))?;
        second.finish(output)
    }
}
