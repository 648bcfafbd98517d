// Floor 2. May use the floors below: crypto and the nouns.
//! [`Encryptor`], [`Decryptor`] and the types that seal and open messages and chunks, without I/O.
//!
//! ```text
//! message   salt(24) | commitment(32) | chunk 0 | chunk 1 | ... | last chunk
//! chunk     AES-256-GCM of 16,384 plaintext bytes (the last chunk: fewer); 16 bytes longer than its plaintext
//! DSSE-KMS  a message whose plaintext is a whole message
//! ```
//!
//! `object_keys` owns the data keys of an object; `message` holds the keys of one message. `writer` and `reader`
//! process one message in order, `layers` nests one message in another, `body` reads the parts that `parts` lists in
//! order, and `in_place` leaves plaintext in the memory of the stored bytes. `encryptor`, `decryptor`,
//! `plaintext_reader`, `manifest`, `range` and `value` hold the public types. Only [`Stream`] checks the length of an
//! output and wipes the output after an error; [`Failure`] stores the error.

mod body;
mod both_layers;
mod decryptor;
mod encryptor;
mod in_place;
mod layers;
pub(crate) mod manifest;
pub(crate) mod message;
pub(crate) mod object_keys;
pub(crate) mod parts;
mod plaintext_reader;
mod range;
mod reader;
mod stage;
pub(crate) mod value;
mod writer;

pub use decryptor::Decryptor;
pub use encryptor::{Encryptor, Finished};
pub use manifest::{ListedPart, ManifestPage};
pub use parts::PartInfo;
pub use plaintext_reader::PlaintextReader;
pub use range::RangePlan;
pub use value::{SealedValue, ValueSealer};

use bytes::BytesMut;

use crate::error::{Error, Misuse, Result};
use crate::geometry::in_object;
use crate::secret::wipe;

/// A transform of bytes: one message, two nested messages, or a body.
///
/// The output length depends only on the input length.
pub(crate) trait Transform {
    /// The input length of a full chunk.
    const CHUNK_LEN: usize;

    /// Returns the number of input bytes taken so far.
    fn taken(&self) -> u64;

    /// Returns the total output for the first `taken` input bytes; if `ended`, including what the end adds.
    fn given(&self, taken: u64, ended: bool) -> u64;

    /// Returns the number of input bytes up to the end of the next chunk.
    fn chunk_left(&self) -> usize;

    /// Returns the number of chunks to take at once if `len` bytes are at hand: more than one if workers divide them.
    fn batch(&self, len: usize) -> usize;

    /// Passes whole chunks at the front of `input` through this layer and the one that it feeds, divided among workers.
    /// Fills the front of `output`, and returns the number of input bytes taken: 0 if nothing is divided.
    fn run_both(&mut self, next: &mut Self, input: &[u8], output: &mut &mut [u8]) -> Result<usize>
    where
        Self: Sized,
    {
        let _ = (next, input, output);
        Ok(0)
    }

    /// Takes all of `input`, ends it if `ended`, and fills `output`, whose length is [`output_len`](Self::output_len).
    fn run(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Result<()>;

    /// Returns the number of bytes that `run` writes for the next `input_len` bytes.
    fn output_len(&self, input_len: usize, ended: bool) -> usize {
        let taken = self.taken().saturating_add(in_object(input_len));
        let given = self.given(taken, ended).saturating_sub(self.given(self.taken(), false));
        usize::try_from(given).unwrap_or(usize::MAX)
    }

    /// Returns the length of an input that ends with a chunk: a batch of `len` bytes at hand, or a `few` chunks.
    fn piece_len(&self, len: usize, few: usize) -> usize {
        self.chunk_left() + (self.batch(len).max(few) - 1) * Self::CHUNK_LEN
    }
}

/// The first error of a stream; every later call returns it again.
#[derive(Debug, Default)]
pub(crate) struct Failure(Option<Error>);

impl Failure {
    /// Returns the stored error if an earlier call failed.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.clone().map_or(Ok(()), Err)
    }

    /// Stores the error of a failed call.
    pub(crate) fn remember<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| self.set(error))
    }

    /// Stores an error and returns it.
    pub(crate) fn set(&mut self, error: Error) -> Error {
        self.0 = Some(error.clone());
        error
    }
}

/// A transform that checks output lengths and wipes the output after an error.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    transform: T,
    /// The maximum input length, and the error for a longer input.
    limit: Option<(u64, Error)>,
    failure: Failure,
}

impl<T: Transform> Stream<T> {
    pub(crate) fn new(transform: T, limit: Option<(u64, Error)>) -> Self {
        Self { transform, limit, failure: Failure::default() }
    }

    /// Takes all of `input`, ends it if `ended`, and fills the front of `output`; returns the number of bytes written.
    pub(crate) fn run(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Result<usize> {
        self.failure.check()?;
        // This error alone is not stored: no input was taken.
        let output = output.get_mut(..self.transform.output_len(input.len(), ended)).ok_or(Misuse::OutputTooSmall)?;
        self.counting(|stream| stream.fill(input, ended, output))
    }

    /// Runs as [`run`](Self::run) does, into an output of the exact length.
    fn fill(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Result<usize> {
        let ran = self.check_limit(input.len()).and_then(|()| self.transform.run(input, ended, output));
        ran.inspect_err(|_| wipe(output))?;
        Ok(output.len())
    }

    /// Runs a step that takes input, and stores its error.
    ///
    /// SECURITY: if the caller's workers panic out of the step, some input counts as taken and its output is lost. The
    /// stream is then over, even for a caller that catches the panic.
    fn counting<R>(&mut self, step: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        self.failure.set(Misuse::WorkersPanicked.into());
        let outcome = step(self);
        self.failure = Failure(outcome.as_ref().err().cloned());
        outcome
    }

    /// Returns the number of output bytes written so far.
    pub(crate) fn given(&self) -> u64 {
        self.transform.given(self.transform.taken(), false)
    }

    /// Runs over all of `input` as [`run`](Self::run) does, and appends the output; on failure nothing is appended.
    ///
    /// PERF: new capacity is zeroed before it is a slice. One chunk at a time it is zeroed in the nearest cache.
    pub(crate) fn append(&mut self, mut input: &[u8], ended: bool, output: &mut BytesMut) -> Result<usize> {
        let start = output.len();
        self.failure.check()?;
        output.reserve(self.transform.output_len(input.len(), ended));
        self.counting(|stream| {
            loop {
                let (piece, rest) = input.split_at(stream.transform.piece_len(input.len(), 1).min(input.len()));
                let (at, ends) = (output.len(), ended && rest.is_empty());
                output.resize(at + stream.transform.output_len(piece.len(), ends), 0);
                if let Err(error) = stream.fill(piece, ends, &mut output[at..]) {
                    wipe(&mut output[start..]);
                    output.truncate(start);
                    return Err(error);
                }
                if rest.is_empty() {
                    return Ok(output.len() - start);
                }
                input = rest;
            }
        })
    }

    /// Takes all of the input, ends it, and returns the output in a new `Vec`.
    pub(crate) fn all(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        self.failure.check().and_then(|()| self.check_limit(input.len()))?;
        let mut output = vec![0; self.transform.output_len(input.len(), true)];
        self.counting(|stream| stream.fill(input, true, &mut output))?;
        Ok(output)
    }

    /// Takes all pieces of the input, ends it, and returns the number of bytes written. On failure all of `output` is
    /// wiped, that of earlier pieces too.
    pub(crate) fn all_into<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        output: &mut [u8],
    ) -> Result<usize> {
        let (mut pieces, mut written) = (pieces.into_iter().peekable(), 0);
        loop {
            let piece = pieces.next().unwrap_or_default();
            let ended = pieces.peek().is_none();
            written += self.run(piece, ended, &mut output[written..]).inspect_err(|_| wipe(output))?;
            if ended {
                return Ok(written);
            }
        }
    }

    /// Refuses an input that exceeds the limit.
    fn check_limit(&self, input_len: usize) -> Result<()> {
        let after = self.transform.taken().saturating_add(in_object(input_len));
        match &self.limit {
            Some((limit, error)) if *limit < after => Err(error.clone()),
            _ => Ok(()),
        }
    }
}

/// Defines the calls that [`Encryptor`] and [`PlaintextReader`] have in common, on their field `stream`. Each `$error`
/// is an error of `update` that only one of them returns.
macro_rules! stream_calls {
    ($input:literal, $finish_len:literal, $($error:literal)*) => {
        #[doc = "Returns the exact number of bytes that [`update`](Self::update) writes for `input_len`"]
        #[doc = concat!($input, " bytes; 0 for no input.")]
        pub fn update_len(&self, input_len: usize) -> usize {
            self.stream.transform.output_len(input_len, false)
        }

        #[doc = concat!("Takes all of the ", $input, " bytes in `input`, writes to the front of `output`, and")]
        /// returns the number of bytes written: [`update_len`](Self::update_len).
        ///
        /// # Errors
        ///
        /// After [`Misuse::OutputTooSmall`] the call may be repeated; any other error wipes what this call wrote, and
        /// every later call returns it again.
        ///
        /// - [`Misuse::OutputTooSmall`] if `output` is shorter than [`update_len`](Self::update_len); nothing was
        ///   taken.
        $(#[doc = $error])*
        pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
            self.stream.run(input, false, output)
        }

        /// Appends the output of [`update`](Self::update) to `output`; returns the number of bytes.
        ///
        /// # Errors
        ///
        /// Returns the errors of [`update`](Self::update) except `OutputTooSmall`; then nothing is appended.
        ///
        /// # Performance
        ///
        /// New memory is zeroed before use, one chunk at a time: slower than `update` into a reused buffer.
        pub fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<usize> {
            self.stream.append(input, false, output)
        }

        #[doc = "Returns the number of bytes that [`finish`](Self::finish) writes if the input ends here:"]
        #[doc = $finish_len]
        pub fn finish_len(&self) -> usize {
            self.stream.transform.output_len(0, true)
        }

        /// Returns the number of bytes that one step of an adapter takes if `len` are at hand: a batch for workers, or
        /// a `few` chunks. They end with a chunk, so that none is copied.
        pub(crate) fn piece_len(&self, len: usize, few: usize) -> usize {
            self.stream.transform.piece_len(len, few)
        }
    };
}

use stream_calls;

/// Splits `len` bytes off the front of the remaining output.
fn split_front<'a>(output: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let (front, rest) = std::mem::take(output).split_at_mut(len);
    *output = rest;
    front
}
