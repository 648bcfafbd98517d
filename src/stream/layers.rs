//! One layer, or two of which the first feeds the second.

use std::ops::Range;

use super::message::SEALED_CHUNK_LEN;
use super::{Progress, Transform};
use crate::error::Result;

/// One transform, or in DSSE-KMS two: writing, the inner layer feeds the outer; reading, the outer feeds the inner.
#[derive(Debug)]
pub(crate) enum Layered<T> {
    One(T),
    Two(Box<Pair<T>>),
}

impl<T: Transform> Layered<T> {
    /// One layer, or two if there is a second.
    pub(crate) fn new(first: T, second: Option<T>) -> Self {
        match second {
            None => Self::One(first),
            Some(second) => Self::Two(Box::new(Pair { first, second, pipe: Pipe::default() })),
        }
    }
}

impl<T: Transform> Transform for Layered<T> {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        match self {
            Self::One(only) => only.update(input, output),
            Self::Two(pair) => pair.update(input, output),
        }
    }

    fn finish_len(&self, more: usize) -> usize {
        match self {
            Self::One(only) => only.finish_len(more),
            Self::Two(pair) => pair.finish_len(more),
        }
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        match self {
            Self::One(only) => only.finish(output),
            Self::Two(pair) => pair.finish(output),
        }
    }
}

/// Two transforms and the pipe between them, in which only the inner layer's ciphertext ever stands.
#[derive(Debug)]
pub(crate) struct Pair<T> {
    first: T,
    second: T,
    pipe: Pipe,
}

#[derive(Default)]
struct Pipe {
    buffer: Vec<u8>,
    waiting: Range<usize>,
}

impl std::fmt::Debug for Pipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pipe(..)")
    }
}

impl<T: Transform> Transform for Pair<T> {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        let mut progress = Progress::default();
        // Four chunks: long enough that most pass straight through both layers, short enough for the nearest cache.
        self.pipe.buffer.resize(4 * SEALED_CHUNK_LEN, 0);
        loop {
            let waiting = &self.pipe.buffer[self.pipe.waiting.clone()];
            let given = self.second.update(waiting, &mut output[progress.written..])?;
            progress.written += given.written;
            self.pipe.waiting.start += given.read;
            if !self.pipe.waiting.is_empty() {
                return Ok(progress);
            }
            let taken = self.first.update(&input[progress.read..], &mut self.pipe.buffer)?;
            progress.read += taken.read;
            self.pipe.waiting = 0..taken.written;
            if taken == Progress::default() {
                return Ok(progress);
            }
        }
    }

    fn finish_len(&self, more: usize) -> usize {
        self.second.finish_len(self.pipe.waiting.len() + self.first.finish_len(more))
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        let mut written = 0;
        let mut rest = vec![0; self.first.finish_len(0)];
        let rest_len = self.first.finish(&mut rest)?;
        for mut piece in [&self.pipe.buffer[self.pipe.waiting.clone()], &rest[..rest_len]] {
            while !piece.is_empty() {
                let progress = self.second.update(piece, &mut output[written..])?;
                piece = &piece[progress.read..];
                written += progress.written;
            }
        }
        written += self.second.finish(&mut output[written..])?;
        Ok(written)
    }
}
