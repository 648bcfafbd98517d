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
//! process one message in order, `layers` nests one message in another, and `body` reads the parts that `parts` lists
//! in order. `encryptor`, `decryptor`, `plaintext_reader`, `manifest`, `range` and `value` hold the public types. Only
//! [`Stream`] checks the length of an output and wipes the output after an error; [`Failure`] stores the error.

mod body;
mod decryptor;
mod encryptor;
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
    /// Returns the number of input bytes taken so far.
    fn taken(&self) -> u64;

    /// Returns the total output of `update` for the first `taken` input bytes; if `ended`, including that of `finish`.
    fn given(&self, taken: u64, ended: bool) -> u64;

    /// Takes all of `input` and fills `output`, whose length is [`update_len`](Self::update_len).
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<()>;

    /// Ends the input and fills `output`, whose length is [`finish_len`](Self::finish_len).
    fn finish(&mut self, output: &mut [u8]) -> Result<()>;

    /// Takes the rest of the input, ends it, and fills `output`: `update` and `finish` in one call, without staging a
    /// small object.
    fn end_with(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        update_and_finish(self, input, output)
    }

    /// Returns the number of bytes that `update` writes for `input_len` bytes of input.
    fn update_len(&self, input_len: usize) -> usize {
        self.still_given(self.taken().saturating_add(in_object(input_len)), false)
    }

    /// Returns the number of bytes that `finish` writes.
    fn finish_len(&self) -> usize {
        self.still_given(self.taken(), true)
    }

    /// Returns the number of output bytes from now until `taken` input bytes are taken.
    fn still_given(&self, taken: u64, ended: bool) -> usize {
        let given = self.given(taken, ended).saturating_sub(self.given(self.taken(), false));
        usize::try_from(given).unwrap_or(usize::MAX)
    }
}

fn update_and_finish<T: Transform + ?Sized>(transform: &mut T, input: &[u8], mut output: &mut [u8]) -> Result<()> {
    let updated = split_front(&mut output, transform.update_len(input.len()));
    transform.update(input, updated)?;
    transform.finish(output)
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

    /// Returns the stored error if an earlier call failed.
    pub(crate) fn check(&self) -> Result<()> {
        self.failure.check()
    }

    pub(crate) fn taken(&self) -> u64 {
        self.transform.taken()
    }

    /// Returns the number of output bytes written so far.
    pub(crate) fn given(&self) -> u64 {
        self.transform.given(self.taken(), false)
    }

    pub(crate) fn update_len(&self, input_len: usize) -> usize {
        self.transform.update_len(input_len)
    }

    pub(crate) fn finish_len(&self) -> usize {
        self.transform.finish_len()
    }

    pub(crate) fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        let too_long = self.too_long(input);
        self.run(self.update_len(input.len()), output, |transform, output| {
            too_long.map_or_else(|| transform.update(input, output), Err)
        })
    }

    /// Returns the error for an input that exceeds the limit.
    fn too_long(&self, input: &[u8]) -> Option<Error> {
        let after = self.taken().saturating_add(in_object(input.len()));
        self.limit.as_ref().filter(|(limit, _)| *limit < after).map(|(_, error)| error.clone())
    }

    pub(crate) fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.run(self.finish_len(), output, T::finish)
    }

    /// Appends the output of `update` to a `BytesMut`.
    pub(crate) fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<usize> {
        // PERF: new capacity must be zeroed before it is a slice. `update` into reused memory avoids this, so `update`
        // is the primitive.
        append(output, self.update_len(input.len()), |output| self.update(input, output))
    }

    /// Appends the output of `finish` to a `BytesMut`.
    pub(crate) fn finish_into(&mut self, output: &mut BytesMut) -> Result<usize> {
        append(output, self.finish_len(), |output| self.finish(output))
    }

    /// Takes all of the input, ends it, and returns the output in a new `Vec`.
    pub(crate) fn all(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let len = self.transform.still_given(self.taken().saturating_add(in_object(input.len())), true);
        // The stream itself refuses an input of impossible length.
        let mut output = vec![0; if len == usize::MAX { 0 } else { len }];
        let too_long = self.too_long(input);
        self.run(output.len(), &mut output, |transform, output| {
            too_long.map_or_else(|| transform.end_with(input, output), Err)
        })?;
        Ok(output)
    }

    /// Takes all of the input, ends it, and returns the number of bytes written. On failure all of `output` is wiped.
    pub(crate) fn all_into<'a>(
        &mut self,
        input: impl IntoIterator<Item = &'a [u8]>,
        output: &mut [u8],
    ) -> Result<usize> {
        let each = || {
            let mut written = 0;
            for piece in input {
                written += self.update(piece, &mut output[written..])?;
            }
            written += self.finish(&mut output[written..])?;
            Ok(written)
        };
        // SECURITY: output of earlier chunks is wiped if a later chunk fails.
        let outcome = each();
        outcome.inspect_err(|_| wipe(output))
    }

    /// Runs a step that fills the first `len` bytes of `output`, unless an earlier step failed.
    fn run(
        &mut self,
        len: usize,
        output: &mut [u8],
        step: impl FnOnce(&mut T, &mut [u8]) -> Result<()>,
    ) -> Result<usize> {
        self.failure.check()?;
        // This error alone is not stored: no input was taken.
        let output = output.get_mut(..len).ok_or(Misuse::OutputTooSmall)?;
        let outcome = step(&mut self.transform, output).inspect_err(|_| wipe(output));
        self.failure.remember(outcome)?;
        Ok(len)
    }
}

/// Appends the `len` bytes that `fill` writes, or nothing if `fill` fails.
fn append(output: &mut BytesMut, len: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<usize> {
    let start = output.len();
    output.resize(start.saturating_add(len), 0);
    fill(&mut output[start..]).inspect_err(|_| output.truncate(start))
}

/// Splits `len` bytes off the front of the remaining output.
fn split_front<'a>(output: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let (front, rest) = std::mem::take(output).split_at_mut(len);
    *output = rest;
    front
}
