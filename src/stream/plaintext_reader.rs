//! [`PlaintextReader`]: decrypts the stored bytes of an object, a part or a range as they arrive.

use bytes::{Bytes, BytesMut};

use super::body::BodyReader;
use super::in_place::Opened;
use super::{Stream, Transform, stream_calls};
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
/// (DSSE-KMS: six), allocated on first use, again for each part; after that `update` allocates nothing. For owned input
/// that is handed on, [`open_in_place`](Self::open_in_place) needs no output.
#[derive(Debug)]
pub struct PlaintextReader {
    stream: Stream<BodyReader>,
    /// The plaintext length of the object, part or range, if it is authenticated.
    plaintext_len: Option<u64>,
    /// Room for the plaintext of one call in place; empty between the calls.
    opened: Opened,
    /// The length of an object that has no byte in the range.
    nothing_of: Option<u64>,
}

impl PlaintextReader {
    /// Creates a reader of a body, of which only the `planned` bytes are given if a plan says so. `plaintext_len` is
    /// the length of what is read, if it is authenticated, and `nothing_of` that of an object without a byte in the
    /// range.
    pub(super) fn new(
        body: BodyReader,
        plaintext_len: Option<u64>,
        planned: Option<u64>,
        nothing_of: Option<u64>,
    ) -> Self {
        let limit = planned.map(|planned| (planned, Misuse::FetchedLen.into()));
        Self { stream: Stream::new(body, limit), plaintext_len, opened: Opened::default(), nothing_of }
    }

    /// Returns the number of plaintext bytes that are still to be written, if the length of the object, part or range
    /// is authenticated: the `Content-Length` of an answer, before the first byte.
    pub fn remaining_len(&self) -> Option<u64> {
        Some(self.plaintext_len?.saturating_sub(self.stream.given()))
    }

    stream_calls! {
        "stored", "under 16,384 (DSSE-KMS: 32,768).",
        "- [`Error::Inauthentic`] if a chunk does not belong to the object."
        "- [`Error::ManifestRequired`] if the object was uploaded in parts and the decryptor has no manifest."
        "- [`Misuse::FetchedLen`] if the input exceeds the plan."
    }

    /// Takes all of the stored bytes, opens them in their own memory, and appends the plaintext to `opened`: a piece of
    /// at most 16,384 bytes for each chunk, in order (at the end of a part in DSSE-KMS, of at most 32,767 bytes).
    /// Returns the number of bytes.
    ///
    /// `stored` is left empty. Once the pieces are dropped, [`BytesMut::reserve`] uses its memory again.
    ///
    /// ```
    /// # fn main() -> atrest::Result<()> {
    /// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
    /// # let object = atrest::ObjectName::unbound();
    /// # let stored = sse.blocking().encrypt(&object, atrest::SseS3, &[7; 40_000])?;
    /// # let decryptor = sse.blocking().decryptor(&object, &stored.envelope, atrest::Unlock::Server)?;
    /// use std::collections::VecDeque;
    /// use bytes::{Bytes, BytesMut};
    ///
    /// let (mut reader, mut opened) = (decryptor.sequential(), VecDeque::new());
    /// let mut received = BytesMut::from(&stored.ciphertext[..]); // from a socket, say
    /// reader.open_in_place(&mut received, &mut opened)?;
    /// while let Some(piece) = opened.pop_front() {
    ///     let piece: Bytes = piece; // hand it on
    ///     assert_eq!(piece.len(), 16_384);
    /// }
    /// reader.finish_into(&mut received)?; // the last chunk
    /// assert_eq!(received.len(), 40_000 - 2 * 16_384);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`update`](Self::update) except `OutputTooSmall`. Then nothing is appended, and all
    /// plaintext of this call is wiped.
    ///
    /// # Performance
    ///
    /// A chunk that lies in two inputs is first copied to a buffer of its own. In DSSE-KMS the bytes between the layers
    /// are moved together, and one inner chunk in four has a buffer of its own. Nothing is allocated within a message
    /// once the pieces of earlier calls are dropped (DSSE-KMS: for up to 256 KiB at once).
    pub fn open_in_place(&mut self, stored: &mut BytesMut, opened: &mut impl Extend<Bytes>) -> Result<usize> {
        let (len, pieces) = self.open_owned(stored)?;
        opened.extend(pieces.map(BytesMut::freeze));
        Ok(len)
    }

    /// Opens as [`open_in_place`](Self::open_in_place) does, and returns the number of bytes and the pieces.
    pub(crate) fn open_owned(&mut self, stored: &mut BytesMut) -> Result<(usize, impl Iterator<Item = BytesMut>)> {
        self.stream.failure.check()?;
        let (len, mut input) = (self.update_len(stored.len()), stored.split());
        let open = |stream: &mut Stream<BodyReader>| {
            stream.check_limit(input.len())?;
            stream.transform.open_in_place(&mut input, &mut self.opened)
        };
        self.stream.counting(open).inspect_err(|_| self.opened.wipe())?;
        Ok((len, self.opened.give()))
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
        self.end(|stream| stream.run(&[], true, output))
    }

    /// Appends the output of [`finish`](Self::finish) to `output`; returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`finish`](Self::finish) except `OutputTooSmall`.
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<usize> {
        self.end(|stream| stream.append(&[], true, output))
    }

    /// Decrypts all stored bytes at once.
    pub(crate) fn all(&mut self, stored: &[u8]) -> Result<Vec<u8>> {
        self.end(|stream| stream.all(stored))
    }

    /// Decrypts all stored bytes into the caller's memory; returns the number of plaintext bytes.
    pub(crate) fn all_into<'a>(
        &mut self,
        stored: impl IntoIterator<Item = &'a [u8]>,
        output: &mut [u8],
    ) -> Result<usize> {
        self.end(|stream| stream.all_into(stored, output))
    }

    /// Ends the input. Then refuses a range that holds no byte of the object.
    fn end<P>(&mut self, end: impl FnOnce(&mut Stream<BodyReader>) -> Result<P>) -> Result<P> {
        let plaintext = end(&mut self.stream)?;
        self.nothing_of.map_or(Ok(plaintext), |plaintext_len| Err(Error::RangeNotSatisfiable { plaintext_len }))
    }
}
