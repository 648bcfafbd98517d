//! [`Encryptor`]: encrypts one object or part.

use bytes::BytesMut;

use super::layers::Layered;
use super::message::{MessageHeader, MessageKeys};
use super::object_keys::ObjectKeys;
use super::value::ValueSealer;
use super::writer::MessageWriter;
use super::{Stream, Transform, stream_calls};
use crate::error::{Limit, Misuse, Result};
use crate::geometry::{EachLayer, in_object};

/// Encrypts one object or part, in order, into the caller's memory.
///
/// Call [`update`](Self::update) for every piece of plaintext, then [`finish`](Self::finish). Bytes written by an
/// encryptor that is dropped instead are never accepted as an object. After an error every later call returns the same
/// error.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// # let object = atrest::ObjectName::unbound();
/// let (envelope, mut encryptor) = sse.blocking().encryptor(&object, atrest::SseS3)?;
/// let mut stored = Vec::new();
/// let mut output = vec![0; 64 * 1024]; // reused for the whole object
/// for piece in [&b"meow"[..], b"purr"] {
///     output.resize(output.len().max(encryptor.update_len(piece.len())), 0);
///     let written = encryptor.update(piece, &mut output)?;
///     stored.extend_from_slice(&output[..written]);
/// }
/// let finished = encryptor.finish(&mut output)?;
/// stored.extend_from_slice(&output[..finished.written]);
/// # assert_eq!(stored.len(), 80);
/// # Ok(()) }
/// ```
///
/// # Performance
///
/// Whole chunks are sealed from the input into the output: one pass, no copy. An encryptor holds at most one chunk
/// (DSSE-KMS: six), allocated on first use; after that `update` allocates nothing. Use pieces and outputs of 64 KiB or
/// more.
///
/// Spec: manual, format, "Messages".
#[derive(Debug)]
pub struct Encryptor {
    stream: Stream<Layered<MessageWriter>>,
    /// The plaintext length that the caller gave when encryption began.
    plaintext_len: Option<u64>,
    keys: ObjectKeys,
    headers: EachLayer<MessageHeader>,
}

/// The result of a finished [`Encryptor`]; a part's [`PartSeal`](crate::multipart::PartSeal) takes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finished {
    /// The number of bytes that [`finish`](Encryptor::finish) wrote to its output.
    pub written: usize,
    /// The plaintext length of the object or part, in bytes.
    pub plaintext_len: u64,
    /// The headers of the message that was written.
    pub(crate) headers: EachLayer<MessageHeader>,
}

impl Encryptor {
    /// Creates an encryptor of a message, whose plaintext has `plaintext_len` bytes if that is known.
    pub(crate) fn new(message: MessageKeys, keys: ObjectKeys, plaintext_len: Option<u64>) -> Self {
        let headers = message.headers();
        let limit = match plaintext_len {
            Some(len) => (len, Misuse::PlaintextLen.into()),
            None => (message.layers().max_plaintext_len(), Limit::Message.into()),
        };
        let outer = MessageWriter::new(message.outer);
        let writers = match message.inner {
            None => Layered::new(outer, None),
            Some(inner) => Layered::new(MessageWriter::new(inner), Some(outer)),
        };
        Self { stream: Stream::new(writers, Some(limit)), plaintext_len, keys, headers }
    }

    /// Returns the plaintext length in bytes that was given when encryption began, if it was given.
    pub fn plaintext_len(&self) -> Option<u64> {
        self.plaintext_len
    }

    /// Returns the length in bytes of the whole stored body, if the plaintext length was given when encryption began:
    /// the `Content-Length` of an upload.
    pub fn ciphertext_len(&self) -> Option<u64> {
        self.keys.layers().ciphertext_len(self.plaintext_len?)
    }

    /// Returns the number of stored bytes that are still to be written, if the whole length is known.
    #[cfg(any(feature = "http-body", feature = "stream"))]
    pub(crate) fn remaining_len(&self) -> Option<u64> {
        Some(self.ciphertext_len()?.saturating_sub(self.stream.given()))
    }

    stream_calls! {
        "plaintext", "under 16,500 (DSSE-KMS: 33,000).",
        "- [`Limit::Message`] if the object is longer than the format allows."
        "- [`Misuse::PlaintextLen`] if the plaintext is longer than the length given when encryption began."
    }

    /// Writes the rest of the object; the object exists only after success.
    ///
    /// # Errors
    ///
    /// - [`Misuse::PlaintextLen`] if the plaintext is shorter than the length given when encryption began.
    /// - [`Misuse::OutputTooSmall`] if `output` is shorter than [`finish_len`](Self::finish_len); the encryptor is
    ///   lost.
    pub fn finish(mut self, output: &mut [u8]) -> Result<Finished> {
        self.end(0, |stream| stream.run(&[], true, output))
    }

    /// Appends the output of [`finish`](Self::finish) to `output`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`finish`](Self::finish) except `OutputTooSmall`.
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<Finished> {
        self.end(0, |stream| stream.append(&[], true, output))
    }

    /// Returns the sealer of small values that belong to the object or part, such as a checksum of its plaintext.
    pub fn values(&self) -> ValueSealer {
        self.keys.values_of(self.headers.innermost().salt())
    }

    /// Encrypts the whole plaintext at once.
    pub(crate) fn all(&mut self, plaintext: &[u8]) -> Result<(Vec<u8>, Finished)> {
        let mut stored = Vec::new();
        let finished = self.end(plaintext.len(), |stream| {
            stored = stream.all(plaintext)?;
            Ok(stored.len())
        })?;
        Ok((stored, finished))
    }

    /// Encrypts the whole plaintext at once, into the front of `output`.
    pub(crate) fn all_into(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Finished> {
        self.end(plaintext.len(), |stream| stream.run(plaintext, true, output))
    }

    /// Takes the last `left` bytes of the plaintext and ends it; fails if an earlier call failed, or if the plaintext
    /// is shorter than the given length.
    fn end(
        &mut self,
        left: usize,
        end: impl FnOnce(&mut Stream<Layered<MessageWriter>>) -> Result<usize>,
    ) -> Result<Finished> {
        self.stream.failure.check()?;
        let plaintext_len = self.stream.transform.taken().saturating_add(in_object(left));
        if self.plaintext_len.is_some_and(|len| plaintext_len < len) {
            return Err(Misuse::PlaintextLen.into());
        }
        let written = end(&mut self.stream)?;
        Ok(Finished { written, plaintext_len, headers: self.headers })
    }
}
