//! [`PlaintextReader`]: decrypts the stored bytes of an object, a part or a range as they arrive.

use bytes::BytesMut;

use super::Stream;
use super::body::BodyReader;
use crate::error::{Error, Misuse, Result};

/// Decrypts stored bytes in order into the caller's memory: those of a whole object ([`Decryptor::sequential`]), or
/// those that a plan fetches ([`RangePlan::reader`]).
///
/// Call [`update`](Self::update) for every piece of the stored bytes, then [`finish`](Self::finish), which always
/// fails for a truncated object. After an error every later call returns the same error.
///
/// [`Decryptor::sequential`]: crate::Decryptor::sequential
/// [`RangePlan::reader`]: crate::RangePlan::reader
///
/// # Performance
///
/// Whole chunks are opened from the input into the output: one pass, no copy. A reader holds at most one chunk
/// (DSSE-KMS: six), allocated on first use, again for each part; after that `update` allocates nothing.
#[derive(Debug)]
pub struct PlaintextReader {
    stream: Stream<BodyReader>,
    /// The plaintext length of the object, part or range, if it is authenticated.
    plaintext_len: Option<u64>,
    /// The length of an object that has no byte in the range.
    nothing_of: Option<u64>,
}

impl PlaintextReader {
    /// Creates a reader of a whole body, of the plaintext length that is authenticated, if any.
    pub(super) fn whole(body: BodyReader, plaintext_len: Option<u64>) -> Self {
        Self { stream: Stream::new(body, None), plaintext_len, nothing_of: None }
    }

    /// Creates a reader of the `planned` bytes of a plan, which open to a plaintext of the length that is
    /// authenticated, if any. `nothing_of` is the length of an object without a byte in the range.
    pub(super) fn of_plan(body: BodyReader, planned: u64, plaintext_len: Option<u64>, nothing_of: Option<u64>) -> Self {
        Self { stream: Stream::new(body, Some((planned, Misuse::FetchedLen.into()))), plaintext_len, nothing_of }
    }

    /// Returns the number of plaintext bytes that are still to be written, if the length of the object, part or range
    /// is authenticated: the `Content-Length` of an answer, before the first byte.
    pub fn remaining_len(&self) -> Option<u64> {
        Some(self.plaintext_len?.saturating_sub(self.stream.given()))
    }

    /// Returns the exact number of plaintext bytes that [`update`](Self::update) writes for `input_len` stored bytes;
    /// 0 for no input.
    pub fn update_len(&self, input_len: usize) -> usize {
        self.stream.update_len(input_len)
    }

    /// Takes all of the stored bytes in `input`, writes plaintext to the front of `output`, and returns the number of
    /// bytes written: [`update_len`](Self::update_len).
    ///
    /// # Errors
    ///
    /// After [`Misuse::OutputTooSmall`] the call may be repeated; any other error wipes what this call wrote and is
    /// returned by every later call.
    ///
    /// - [`Misuse::OutputTooSmall`] if `output` is shorter than [`update_len`](Self::update_len); nothing was taken.
    /// - [`Error::Inauthentic`] if a chunk does not belong to the object.
    /// - [`Error::ManifestRequired`] if the object was uploaded in parts and the decryptor has no manifest.
    /// - [`Misuse::FetchedLen`] if the input exceeds the plan.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.stream.update(input, output)
    }

    /// Returns the number of bytes that [`finish`](Self::finish) writes if the stored bytes end here: under 16,384
    /// (DSSE-KMS: 32,768).
    pub fn finish_len(&self) -> usize {
        self.stream.finish_len()
    }

    /// Writes the rest of the plaintext and returns the number of bytes written; only success proves that nothing is
    /// missing.
    ///
    /// # Errors
    ///
    /// - [`Error::Truncated`] or [`Error::Inauthentic`] if the object or range does not end here.
    /// - [`Error::RangeNotSatisfiable`] if the range holds no byte of the object, once the end is verified.
    /// - [`Misuse::OutputTooSmall`] if `output` is shorter than [`finish_len`](Self::finish_len); the reader is lost.
    pub fn finish(mut self, output: &mut [u8]) -> Result<usize> {
        let written = self.stream.finish(output)?;
        self.in_range(written)
    }

    /// Appends the output of [`update`](Self::update) to `output`; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`update`](Self::update) except `OutputTooSmall`; then nothing is appended.
    ///
    /// # Performance
    ///
    /// New memory is zeroed before use: slower than `update` into a reused buffer.
    pub fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<usize> {
        self.stream.push(input, output)
    }

    /// Appends the output of [`finish`](Self::finish) to `output`; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`finish`](Self::finish) except `OutputTooSmall`.
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<usize> {
        let written = self.stream.finish_into(output)?;
        self.in_range(written)
    }

    /// Returns the number of stored bytes up to the end of the next chunk; inputs that end there are opened without a
    /// copy.
    pub(crate) fn chunk_left(&self) -> usize {
        self.stream.transform.chunk_left()
    }

    /// Decrypts all stored bytes at once.
    pub(crate) fn all(mut self, stored: &[u8]) -> Result<Vec<u8>> {
        let plaintext = self.stream.all(stored)?;
        self.in_range(plaintext)
    }

    /// Decrypts all stored bytes into the caller's memory; returns the number of plaintext bytes.
    pub(super) fn all_into<'a>(
        mut self,
        stored: impl IntoIterator<Item = &'a [u8]>,
        output: &mut [u8],
    ) -> Result<usize> {
        let written = self.stream.all_into(stored, output)?;
        self.in_range(written)
    }

    /// Refuses a range that holds no byte of the object; called after the end is verified.
    fn in_range<T>(&self, plaintext: T) -> Result<T> {
        self.nothing_of.map_or(Ok(plaintext), |plaintext_len| Err(Error::RangeNotSatisfiable { plaintext_len }))
    }
}
