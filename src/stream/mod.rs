// Floor 2. May use the floors below: crypto and the nouns.
//! Messages and chunks; knows no key but its own, and does no I/O.
//!
//! ```text
//! message   salt(24) | commitment(32) | chunk 0 | chunk 1 | ... | last chunk
//! chunk     AES-256-GCM of 16,384 plaintext bytes, the last of fewer; 16 bytes longer than its plaintext
//! DSSE-KMS  a message whose plaintext is a whole message
//! ```
//!
//! `object_keys` owns an object's data keys, `message` has the keys of one message. `writer` and `reader` pass one
//! message through in order, `layers` puts one in another, `body` reads the parts that `parts` lists, one behind the
//! other. `encryptor`, `decryptor`, `plaintext_reader`, `manifest`, `range` and `value` are what users hold. [`Stream`]
//! is the one place that checks an output's length and wipes it after an error; [`Failure`] remembers the error.

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

/// Passes bytes through: a message, two in one another, or a body.
///
/// How much comes out follows from how much went in, and from nothing else.
pub(crate) trait Transform {
    /// Input bytes taken so far.
    fn taken(&self) -> u64;

    /// Bytes that `update` has given once it has taken so many; if `ended`, `finish` too.
    fn given(&self, taken: u64, ended: bool) -> u64;

    /// Takes all of `input` and fills `output`, whose length is [`update_len`](Self::update_len).
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<()>;

    /// Ends the input and fills `output`, whose length is [`finish_len`](Self::finish_len).
    fn finish(&mut self, output: &mut [u8]) -> Result<()>;

    /// Takes the rest of the input, ends it, and fills `output`: `update` and `finish` in one. A small object is not
    /// staged.
    fn end_with(&mut self, input: &[u8], output: &mut [u8]) -> Result<()> {
        update_and_finish(self, input, output)
    }

    /// Bytes that `update` gives for so many bytes of input.
    fn update_len(&self, input_len: usize) -> usize {
        self.still_given(self.taken().saturating_add(in_object(input_len)), false)
    }

    /// Bytes that `finish` gives.
    fn finish_len(&self) -> usize {
        self.still_given(self.taken(), true)
    }

    /// Bytes that are given from now on until so many are taken.
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

/// The first error of a stream, which every later call gives again.
#[derive(Debug, Default)]
pub(crate) struct Failure(Option<Error>);

impl Failure {
    /// Fails if an earlier call has.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.clone().map_or(Ok(()), Err)
    }

    /// Remembers the error of a call that has failed.
    pub(crate) fn remember<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|error| self.set(error))
    }

    /// Remembers an error, and gives it back.
    pub(crate) fn set(&mut self, error: Error) -> Error {
        self.0 = Some(error.clone());
        error
    }
}

/// A transform with its lengths checked, and its output wiped after an error.
#[derive(Debug)]
pub(crate) struct Stream<T> {
    transform: T,
    /// The most input, and the error of more.
    limit: Option<(u64, Error)>,
    failure: Failure,
}

impl<T: Transform> Stream<T> {
    pub(crate) fn new(transform: T, limit: Option<(u64, Error)>) -> Self {
        Self { transform, limit, failure: Failure::default() }
    }

    /// Fails if an earlier call has.
    pub(crate) fn check(&self) -> Result<()> {
        self.failure.check()
    }

    pub(crate) fn taken(&self) -> u64 {
        self.transform.taken()
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

    /// The error of an input that is too long.
    fn too_long(&self, input: &[u8]) -> Option<Error> {
        let after = self.taken().saturating_add(in_object(input.len()));
        self.limit.as_ref().filter(|(limit, _)| *limit < after).map(|(_, error)| error.clone())
    }

    pub(crate) fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        self.run(self.finish_len(), output, T::finish)
    }

    /// `update` for a caller who holds a `BytesMut`: appends to it.
    pub(crate) fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<usize> {
        // PERF: fresh capacity has to be zeroed before it can be lent as a slice; `update` into reused memory does
        // without, which is why it is the primitive.
        append(output, self.update_len(input.len()), |output| self.update(input, output))
    }

    /// `finish` for a caller who holds a `BytesMut`: appends to it.
    pub(crate) fn finish_into(&mut self, output: &mut BytesMut) -> Result<usize> {
        append(output, self.finish_len(), |output| self.finish(output))
    }

    /// The output of all of the input and its end, in memory of its own.
    pub(crate) fn all(&mut self, input: &[u8]) -> Result<Vec<u8>> {
        let len = self.transform.still_given(self.taken().saturating_add(in_object(input.len())), true);
        // An input of no possible length is refused by the stream itself.
        let mut output = vec![0; if len == usize::MAX { 0 } else { len }];
        let too_long = self.too_long(input);
        self.run(output.len(), &mut output, |transform, output| {
            too_long.map_or_else(|| transform.end_with(input, output), Err)
        })?;
        Ok(output)
    }

    /// The output of all of the input and its end; says how many bytes it is. On failure all of `output` is wiped.
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
        // SECURITY: what was given before a later chunk failed does not stay.
        let outcome = each();
        outcome.inspect_err(|_| wipe(output))
    }

    /// Runs a step that fills the first `len` bytes of `output`, unless an earlier step has failed.
    fn run(
        &mut self,
        len: usize,
        output: &mut [u8],
        step: impl FnOnce(&mut T, &mut [u8]) -> Result<()>,
    ) -> Result<usize> {
        self.failure.check()?;
        // The one error that is not remembered: nothing was taken.
        let output = output.get_mut(..len).ok_or(Misuse::OutputTooSmall)?;
        let outcome = step(&mut self.transform, output).inspect_err(|_| wipe(output));
        self.failure.remember(outcome)?;
        Ok(len)
    }
}

/// Appends `len` bytes that `fill` gives, or none if it fails.
fn append(output: &mut BytesMut, len: usize, fill: impl FnOnce(&mut [u8]) -> Result<usize>) -> Result<usize> {
    let start = output.len();
    output.resize(start.saturating_add(len), 0);
    fill(&mut output[start..]).inspect_err(|_| output.truncate(start))
}

/// Splits `len` bytes off the front of what is left of an output.
fn split_front<'a>(output: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let (front, rest) = std::mem::take(output).split_at_mut(len);
    *output = rest;
    front
}
