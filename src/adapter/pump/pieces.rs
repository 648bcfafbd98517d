//! `PiecePump`: takes owned pieces of plaintext or stored bytes and gives owned pieces, without I/O.

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::io::Error as IoFailure;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use super::underneath;
use crate::error::{Error, Result};
use crate::geometry::in_object;
use crate::secret::{redacted, wipe};
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
    /// What `finish` returns.
    type End: std::fmt::Debug;

    fn piece_len(&self, len: usize, few: usize) -> usize;
    fn update_len(&self, input_len: usize) -> usize;
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize>;
    fn finish_len(&self) -> usize;
    fn finish(self, output: &mut [u8]) -> Result<Self::End>;
    /// Returns the number of bytes that are still to be written, if that is known for sure.
    fn remaining_len(&self) -> Option<u64>;

    /// Passes input through that may be written over.
    fn pass_owned(&mut self, input: BytesMut, memory: &mut Memory) -> Result<()> {
        self.pass(&input, memory)
    }

    /// Passes input through into memory of its own.
    fn pass(&mut self, input: &[u8], memory: &mut Memory) -> Result<()> {
        memory.fill(self.update_len(input.len()), |output| self.update(input, output)).map(drop)
    }

    /// Returns how many of `len` input bytes are taken at once: up to the end of a chunk where possible.
    fn taken_at_once(&self, len: usize) -> usize {
        // PERF: input that begins with a chunk is sealed or opened without a copy.
        let mut taken = len.min(self.piece_len(0, Self::CHUNKS));
        // One byte of input completes at most one chunk of each layer, so a single byte always fits.
        while self.update_len(taken) > MAX_PIECE_LEN {
            taken = taken.saturating_sub(Self::CHUNK).max(1);
        }
        taken
    }
}

macro_rules! engine {
    ($($engine:ident: $chunks:literal chunks of $chunk:ident, to $end:ty { $($more:item)* })*) => {$(
        impl Engine for $engine {
            const CHUNK: usize = $chunk;
            const CHUNKS: usize = $chunks;
            type End = $end;

            fn piece_len(&self, len: usize, few: usize) -> usize {
                self.piece_len(len, few)
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
            $($more)*
        }
    )*};
}

engine! {
    Encryptor: 3 chunks of CHUNK_LEN, to Finished {}
    PlaintextReader: 4 chunks of SEALED_CHUNK_LEN, to usize {
        fn pass_owned(&mut self, mut input: BytesMut, memory: &mut Memory) -> Result<()> {
            let (_, pieces) = self.open_owned(&mut input)?;
            memory.opened.extend(pieces);
            Ok(())
        }
    }
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
    input: Input,
    ended: bool,
    finished: Arc<OnceLock<T::End>>,
    memory: Memory,
    failure: Failure,
}

impl<T: Engine> PiecePump<T> {
    pub(crate) fn new(engine: T) -> Self {
        let (input, memory, failure) = (Input::Shared(Bytes::new()), Memory::default(), Failure::default());
        Self { engine: Some(engine), input, ended: false, finished: Arc::default(), memory, failure }
    }

    /// Returns the next step; one step seals or opens at most 64 KiB.
    pub(crate) fn next(&mut self) -> Result<Next> {
        self.failure.check()?;
        let next = self.step();
        self.failure.remember(next)
    }

    /// Takes the next piece of the input; call only where [`Next::Input`] asks for it.
    pub(crate) fn give(&mut self, piece: Bytes) {
        self.input = piece.try_into_mut().map_or_else(Input::Shared, Input::Owned);
    }

    /// Ends the input: the next step finishes.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Stores an error of the input.
    pub(crate) fn fail(&mut self, error: impl Into<Box<dyn StdError + Send + Sync>>) {
        self.failure.set(upstream(error));
    }

    /// Returns the cell that holds what `finish` returned, once the input was finished.
    pub(crate) fn finished(&self) -> Arc<OnceLock<T::End>> {
        self.finished.clone()
    }

    /// Returns whether the input has ended, was finished, and every piece was given.
    #[cfg(feature = "http-body")]
    pub(crate) fn is_finished(&self) -> bool {
        self.engine.is_none() && self.memory.waiting_len() == 0 && self.failure.check().is_ok()
    }

    /// Returns the number of bytes that are still to be given, if that is known for sure; `None` after an error.
    pub(crate) fn remaining_len(&self) -> Option<u64> {
        self.failure.check().ok()?;
        let left = self.engine.as_ref().map_or(Some(0), T::remaining_len)?;
        Some(left.saturating_add(in_object(self.memory.waiting_len())))
    }

    fn step(&mut self) -> Result<Next> {
        loop {
            if let Some(piece) = self.memory.give() {
                return Ok(Next::Piece(piece));
            }
            let Some(engine) = &mut self.engine else { return Ok(Next::End) };
            match &mut self.input {
                Input::Owned(input) if !input.is_empty() => {
                    let taken = input.split_to(engine.taken_at_once(input.len()));
                    engine.pass_owned(taken, &mut self.memory)?;
                }
                Input::Shared(input) if !input.is_empty() => {
                    let taken = input.split_to(engine.taken_at_once(input.len()));
                    engine.pass(&taken, &mut self.memory)?;
                }
                _ => match self.engine.take_if(|_| self.ended) {
                    None => return Ok(Next::Input),
                    Some(engine) => {
                        let end = self.memory.fill(engine.finish_len(), |output| engine.finish(output))?;
                        let _ = self.finished.set(end);
                    }
                },
            }
        }
    }
}

/// What is left of the last piece of the input.
enum Input {
    Shared(Bytes),
    /// A piece whose memory nothing else uses.
    Owned(BytesMut),
}

redacted!(Input);

/// Wraps an error of the stream or body that an adapter reads. An error of this library stays what it is.
fn upstream(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let error = match error.into().downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(error) => error,
    };
    underneath(error.downcast::<IoFailure>().map_or_else(IoFailure::other, |error| *error))
}

/// The pieces that are to be given, and the memory of given ones, which is used again once the consumer has dropped
/// them. There is a filled piece or there are opened ones, never both.
#[derive(Default)]
pub(crate) struct Memory {
    filled: Option<Bytes>,
    /// Pieces that were opened in place; wiped unless they are given.
    opened: VecDeque<BytesMut>,
    buffers: Vec<Bytes>,
}

redacted!(Memory);

impl Memory {
    /// Makes a piece of `len` bytes that `fill` writes. Call only while no piece waits.
    fn fill<U>(&mut self, len: usize, fill: impl FnOnce(&mut [u8]) -> Result<U>) -> Result<U> {
        if len == 0 {
            return fill(&mut []);
        }
        let mut buffer = self.buffer(len);
        let filled = fill(&mut buffer[..len])?;
        let whole = buffer.freeze();
        self.filled = Some(whole.slice(..len));
        self.buffers.push(whole);
        Ok(filled)
    }

    /// Returns the next piece.
    fn give(&mut self) -> Option<Bytes> {
        self.filled.take().or_else(|| self.opened.pop_front().map(BytesMut::freeze))
    }

    /// Returns the length of the pieces that are to be given.
    fn waiting_len(&self) -> usize {
        self.filled.as_ref().map_or(0, Bytes::len) + self.opened.iter().map(BytesMut::len).sum::<usize>()
    }

    /// Returns initialised memory of at least `len` bytes.
    fn buffer(&mut self, len: usize) -> BytesMut {
        // PERF: memory that is used again is initialised already, and in a near cache.
        let free = self.buffers.iter().position(|buffer| buffer.len() >= len && buffer.is_unique());
        let again = free.and_then(|free| self.buffers.remove(free).try_into_mut().ok());
        again.unwrap_or_else(|| {
            if self.buffers.len() == REMEMBERED {
                self.buffers.remove(0);
            }
            BytesMut::zeroed(len)
        })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.opened.iter_mut().for_each(|piece| wipe(piece));
    }
}
