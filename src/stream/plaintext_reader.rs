//! `PlaintextReader`: decrypts a whole object, a part or a range as its stored bytes come.

use bytes::BytesMut;

use super::Stream;
use super::body::BodyReader;
use crate::error::{Error, Misuse, Result};

/// Decrypts stored bytes in order into the caller's memory: of a whole object ([`Decryptor::sequential`]), or of what a
/// plan fetches ([`RangePlan::reader`]).
///
/// Call [`update`](Self::update) for every piece of the stored bytes, then [`finish`](Self::finish): a truncated object
/// fails there, always. After an error it gives the same error for ever.
///
/// [`Decryptor::sequential`]: crate::Decryptor::sequential
/// [`RangePlan::reader`]: crate::RangePlan::reader
///
/// # Performance
///
/// Whole chunks are opened straight from the input into the output: one pass, no copy. A reader holds at most one chunk
/// (DSSE-KMS: six), allocated when first needed, for each part anew; `update` allocates nothing after that.
#[derive(Debug)]
pub struct PlaintextReader {
    stream: Stream<BodyReader>,
    /// The length of an object that has no byte in the range.
    nothing_of: Option<u64>,
}

impl PlaintextReader {
    /// Reads a whole body.
    pub(super) fn whole(body: BodyReader) -> Self {
        Self { stream: Stream::new(body, None), nothing_of: None }
    }

    /// Reads what a plan fetches, so many bytes; `nothing_of`: no byte of an object of this length is in the range.
    pub(super) fn of_plan(body: BodyReader, planned: u64, nothing_of: Option<u64>) -> Self {
        Self { stream: Stream::new(body, Some((planned, Misuse::FetchedLen.into()))), nothing_of }
    }

    /// How many plaintext bytes [`update`](Self::update) gives for so many stored bytes; exact, and 0 for none.
    pub fn update_len(&self, input_len: usize) -> usize {
        self.stream.update_len(input_len)
    }

    /// Takes all of the stored bytes in `input`, puts plaintext into the front of `output`, and says how many bytes it
    /// is: [`update_len`](Self::update_len).
    ///
    /// # Errors
    ///
    /// [`Misuse::OutputTooSmall`]: `output` is shorter than [`update_len`](Self::update_len); nothing was taken, and
    /// the call may be repeated. Any other error wipes what this call has put into `output` and repeats for ever:
    /// [`Error::Inauthentic`]: a chunk is not the object's. [`Error::ManifestRequired`]: the object was uploaded in
    /// parts, and the decryptor was not given the manifest. [`Misuse::FetchedLen`]: more than the plan fetches.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.stream.update(input, output)
    }

    /// How many bytes [`finish`](Self::finish) gives if the stored bytes end here: under 16,384 (DSSE-KMS: 32,768).
    pub fn finish_len(&self) -> usize {
        self.stream.finish_len()
    }

    /// Gives the rest of the plaintext and says how many bytes it is; only now is it known that nothing is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`] and [`Error::Inauthentic`]: object or range do not end here.
    /// [`Error::RangeNotSatisfiable`] once the end has verified. [`Misuse::OutputTooSmall`]: `output` is shorter than
    /// [`finish_len`](Self::finish_len); the reader is lost.
    pub fn finish(mut self, output: &mut [u8]) -> Result<usize> {
        let written = self.stream.finish(output)?;
        self.in_range(written)
    }

    /// [`update`](Self::update), appending to `output`; says how many bytes.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update), but for `OutputTooSmall`. Nothing is appended then.
    ///
    /// # Performance
    ///
    /// Fresh memory is zeroed before it is used: slower than `update` into a reused buffer.
    pub fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<usize> {
        self.stream.push(input, output)
    }

    /// [`finish`](Self::finish), appending to `output`; says how many bytes.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), but for `OutputTooSmall`.
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<usize> {
        let written = self.stream.finish_into(output)?;
        self.in_range(written)
    }

    /// Stored bytes up to the end of the chunk that comes next: inputs that end there are opened without a copy.
    pub(crate) fn chunk_left(&self) -> usize {
        self.stream.transform.chunk_left()
    }

    /// All the stored bytes at once.
    pub(crate) fn all(mut self, stored: &[u8]) -> Result<Vec<u8>> {
        let plaintext = self.stream.all(stored)?;
        self.in_range(plaintext)
    }

    /// All the stored bytes at once, into the caller's memory; says how many plaintext bytes they are.
    pub(super) fn all_into<'a>(
        mut self,
        stored: impl IntoIterator<Item = &'a [u8]>,
        output: &mut [u8],
    ) -> Result<usize> {
        let written = self.stream.all_into(stored, output)?;
        self.in_range(written)
    }

    /// Once the end has verified, a range that holds no byte is refused.
    fn in_range<T>(&self, plaintext: T) -> Result<T> {
        self.nothing_of.map_or(Ok(plaintext), |plaintext_len| Err(Error::RangeNotSatisfiable { plaintext_len }))
    }
}
