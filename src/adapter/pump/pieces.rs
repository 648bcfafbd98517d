//! `PiecePump`: takes owned pieces of plaintext or stored bytes and gives owned pieces, without I/O.

use std::error::Error as StdError;
use std::io::Error as IoFailure;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::underneath;
use crate::error::{Error, Result};
use crate::secret::redacted;
use crate::stream::message::{CHUNK_LEN, SEALED_CHUNK_LEN};
use crate::stream::{Encryptor, Failure, Finished, PlaintextReader};

/// The maximum length of a given piece: of plaintext that are four chunks, of stored bytes three and a header.
const MAX_PIECE_LEN: usize = 64 * 1024;

/// How many pieces an adapter takes in one poll before it lets other tasks run: the pieces may be empty or single
/// bytes.
pub(crate) const MAX_TURNS: usize = 128;

/// How many given pieces are remembered, so that their memory is used again.
const REMEMBERED: usize = 4;

/// An encryptor or a reader: what a [`PiecePump`] passes pieces through.
pub(crate) trait Engine: Sized {
    /// The length of a chunk of the input.
    const CHUNK: usize;
    /// How many whole chunks fit a given piece.
    const CHUNKS: usize;
    /// What the end states.
    type End: std::fmt::Debug;

    fn chunk_left(&self) -> usize;
    fn update_len(&self, input_len: usize) -> usize;
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize>;
    fn finish_len(&self) -> usize;
    fn finish(self, output: &mut [u8]) -> Result<Self::End>;
    /// Returns the number of bytes that are still to be given, if that is known for sure; `None` after an error.
    fn remaining_len(&self) -> Option<u64>;

    /// Returns how many of `len` input bytes are taken for one piece: up to the end of a chunk where possible.
    fn taken_at_once(&self, len: usize) -> usize {
        // PERF: input that begins with a chunk is sealed or opened without a copy.
        let mut taken = len.min(self.chunk_left() + (Self::CHUNKS - 1) * Self::CHUNK);
        // One byte of input completes at most one chunk of each layer, so a single byte always fits.
        while self.update_len(taken) > MAX_PIECE_LEN {
            taken = taken.saturating_sub(Self::CHUNK).max(1);
        }
        taken
    }
}

macro_rules! engine {
    ($($engine:ident: $chunks:literal chunks of $chunk:ident, to $end:ty;)*) => {$(
        impl Engine for $engine {
            const CHUNK: usize = $chunk;
            const CHUNKS: usize = $chunks;
            type End = $end;

            fn chunk_left(&self) -> usize {
                self.chunk_left()
            }
            fn update_len(&self, input_len: usize) -> usize {
                self.update_len(input_len)
            }
            fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
                self.update(input, output)
            }
            fn finish_len(&self) -> usize {
                self.finish_len()
            }
            fn finish(self, output: &mut [u8]) -> Result<$end> {
                self.finish(output)
            }
            fn remaining_len(&self) -> Option<u64> {
                self.remaining_len()
            }
        }
    )*};
}

engine! {
    Encryptor: 3 chunks of CHUNK_LEN, to Finished;
    PlaintextReader: 4 chunks of SEALED_CHUNK_LEN, to usize;
}

/// The next step of an adapter.
pub(crate) enum Next {
    /// The adapter hands this piece on; it is never empty.
    Piece(Bytes),
    /// The adapter [gives](PiecePump::give) the next piece of its input, or [ends](PiecePump::end) the input.
    Input,
    /// The input has ended and was finished.
    End,
}

/// Passes owned pieces of any length through an encryptor or a reader, into owned pieces of at most 64 KiB.
///
/// The first error, of the input or of the pump's own, is the answer of every later step.
#[derive(Debug)]
pub(crate) struct PiecePump<T: Engine> {
    /// `None` once it is finished.
    engine: Option<T>,
    /// What is left of the last piece of the input.
    input: Input,
    ended: bool,
    finished: Arc<OnceLock<T::End>>,
    buffers: Buffers,
    failure: Failure,
}

impl<T: Engine> PiecePump<T> {
    pub(crate) fn new(engine: T) -> Self {
        let (input, buffers, failure) = (Input::default(), Buffers::default(), Failure::default());
        Self { engine: Some(engine), input, ended: false, finished: Arc::default(), buffers, failure }
    }

    /// Returns the next step; one step seals or opens at most 64 KiB.
    pub(crate) fn next(&mut self) -> Result<Next> {
        self.failure.check()?;
        let next = self.step();
        self.failure.remember(next)
    }

    /// Takes the next piece of the input; call only where [`Next::Input`] asks for it.
    pub(crate) fn give(&mut self, piece: Bytes) {
        self.input.0 = piece;
    }

    /// Ends the input: the next step finishes.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Stores an error of the input.
    pub(crate) fn fail(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        self.failure.set(upstream(error));
    }

    /// Returns the cell that holds what the end states, once the input was finished.
    pub(crate) fn finished(&self) -> Arc<OnceLock<T::End>> {
        self.finished.clone()
    }

    /// Returns whether the input has ended, was finished, and every piece was given.
    pub(crate) fn is_finished(&self) -> bool {
        self.engine.is_none() && self.failure.check().is_ok()
    }

    /// Returns the number of bytes that are still to be given, if that is known for sure; `None` after an error.
    pub(crate) fn remaining_len(&self) -> Option<u64> {
        self.failure.check().ok()?;
        self.engine.as_ref().map_or(Some(0), T::remaining_len)
    }

    fn step(&mut self) -> Result<Next> {
        let Some(engine) = &mut self.engine else { return Ok(Next::End) };
        let Input(input) = &mut self.input;
        while !input.is_empty() {
            let taken = input.split_to(engine.taken_at_once(input.len()));
            let piece = self.buffers.fill(engine.update_len(taken.len()), |output| engine.update(&taken, output))?;
            if !piece.is_empty() {
                return Ok(Next::Piece(piece));
            }
        }
        match self.engine.take_if(|_| self.ended) {
            None => Ok(Next::Input),
            Some(engine) => {
                let (len, finished) = (engine.finish_len(), &self.finished);
                let last =
                    self.buffers.fill(len, |output| engine.finish(output).map(|end| finished.set(end).is_ok()))?;
                Ok(if last.is_empty() { Next::End } else { Next::Piece(last) })
            }
        }
    }
}

/// Bytes of the input, which may be plaintext.
#[derive(Default)]
struct Input(Bytes);

redacted!(Input);

/// Wraps an error of the stream or body that an adapter reads. An error of this library stays what it is.
fn upstream(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let error = match error.into().downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(error) => error,
    };
    underneath(error.downcast::<IoFailure>().map_or_else(IoFailure::other, |error| *error))
}

/// Memory of given pieces, which is used again once the consumer has dropped the piece.
#[derive(Default)]
struct Buffers(Vec<Bytes>);

redacted!(Buffers);

impl Buffers {
    /// Returns a piece of `len` bytes that `fill` has written.
    fn fill<U>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> Result<U>) -> Result<Bytes> {
        if len == 0 {
            return fill(&mut []).map(|_| Bytes::new());
        }
        let mut buffer = self.take(len);
        fill(&mut buffer[..len])?;
        let whole = buffer.freeze();
        let piece = whole.slice(..len);
        self.0.push(whole);
        Ok(piece)
    }

    /// Returns initialised memory of at least `len` bytes.
    fn take(&mut self, len: usize) -> BytesMut {
        // PERF: zeroing 64 KiB costs a fifth of opening it; memory that is used again is initialised already.
        let free = self.0.iter().position(|buffer| buffer.len() >= len && buffer.is_unique());
        let again = free.and_then(|free| self.0.remove(free).try_into_mut().ok());
        again.unwrap_or_else(|| {
            if self.0.len() == REMEMBERED {
                self.0.remove(0);
            }
            BytesMut::zeroed(len)
        })
    }
}
