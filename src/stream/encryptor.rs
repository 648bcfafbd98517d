//! `Encryptor`: encrypts one object or part.

use bytes::BytesMut;

use super::Stream;
use super::layers::Layered;
use super::message::{CHUNK_LEN, MessageHeader, MessageKeys};
use super::object_keys::ObjectKeys;
use super::value::ValueSealer;
use super::writer::MessageWriter;
use crate::error::{Limit, Misuse, Result};
use crate::geometry::EachLayer;

/// Encrypts one object or part, in order, into the caller's memory.
///
/// Call [`update`](Self::update) for every piece of plaintext, then [`finish`](Self::finish). Dropping it instead
/// leaves bytes that no reader takes for an object. After an error it gives the same error for ever.
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
/// Whole chunks are sealed straight from the input into the output: one pass, no copy. An encryptor holds at most one
/// chunk (DSSE-KMS: six), allocated when first needed; `update` allocates nothing after that. Give it pieces and
/// outputs of 64 KiB or more.
///
/// Spec: manual, format, "Messages".
#[derive(Debug)]
pub struct Encryptor {
    stream: Stream<Layered<MessageWriter>>,
    /// The plaintext length that was said when encryption began.
    plaintext_len: Option<u64>,
    keys: ObjectKeys,
    headers: EachLayer<MessageHeader>,
}

/// What an [`Encryptor`] has written in the end; a part's [`PartSeal`](crate::multipart::PartSeal) takes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Finished {
    /// Bytes that [`finish`](Encryptor::finish) has put into its output.
    pub written: usize,
    /// The plaintext length of the object or part, in bytes.
    pub plaintext_len: u64,
    /// The headers of the message that was written.
    pub(crate) headers: EachLayer<MessageHeader>,
}

impl Encryptor {
    /// Encrypts a message, of a plaintext of this length where it is known.
    pub(crate) fn new(message: MessageKeys, keys: &ObjectKeys, plaintext_len: Option<u64>) -> Self {
        let headers = message.headers();
        let limit = match plaintext_len {
            Some(len) => (len, Misuse::PlaintextLen.into()),
            None => (message.layers().max_plaintext_len(), Limit::Message.into()),
        };
        let piece_len = message.outer.pipe_chunks() * CHUNK_LEN;
        let (first, second) = match message.inner {
            None => (message.outer, None),
            Some(inner) => (inner, Some(MessageWriter::new(message.outer))),
        };
        let writers = Layered::new(MessageWriter::new(first), second, piece_len);
        Self { stream: Stream::new(writers, Some(limit)), plaintext_len, keys: keys.clone(), headers }
    }

    /// How many bytes [`update`](Self::update) gives for so many bytes of plaintext; exact, and 0 for none.
    pub fn update_len(&self, input_len: usize) -> usize {
        self.stream.update_len(input_len)
    }

    /// Takes all of `input`, puts stored bytes into the front of `output`, and says how many:
    /// [`update_len`](Self::update_len).
    ///
    /// # Errors
    ///
    /// [`Misuse::OutputTooSmall`]: `output` is shorter than [`update_len`](Self::update_len); nothing was taken, and
    /// the call may be repeated. Any other error repeats for ever: [`Limit::Message`]: the object is longer than the
    /// format holds. [`Misuse::PlaintextLen`]: it is longer than was said when encryption began.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
        self.stream.update(input, output)
    }

    /// How many bytes [`finish`](Self::finish) gives: under 16,500 (DSSE-KMS: 33,000).
    pub fn finish_len(&self) -> usize {
        self.stream.finish_len()
    }

    /// Gives the rest of the object; only now is there an object.
    ///
    /// # Errors
    ///
    /// [`Misuse::PlaintextLen`]: fewer bytes came than was said when encryption began. [`Misuse::OutputTooSmall`]:
    /// `output` is shorter than [`finish_len`](Self::finish_len); the encryptor is lost.
    pub fn finish(mut self, output: &mut [u8]) -> Result<Finished> {
        self.check_len()?;
        let written = self.stream.finish(output)?;
        Ok(self.finished(written))
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

    /// [`finish`](Self::finish), appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish), but for `OutputTooSmall`.
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<Finished> {
        self.check_len()?;
        let written = self.stream.finish_into(output)?;
        Ok(self.finished(written))
    }

    /// The sealer of small values that belong to the object or part, such as a checksum of its plaintext.
    pub fn values(&self) -> ValueSealer {
        self.keys.values_of(self.headers.innermost().salt())
    }

    /// The whole plaintext at once.
    pub(crate) fn all(mut self, plaintext: &[u8]) -> Result<(Vec<u8>, Finished)> {
        let stored = self.stream.all(plaintext)?;
        let finished = self.finished(stored.len());
        Ok((stored, finished))
    }

    /// Fails if an earlier call has, or if fewer bytes came than was said.
    fn check_len(&self) -> Result<()> {
        self.stream.check()?;
        let too_short = self.plaintext_len.is_some_and(|len| self.stream.taken() < len);
        if too_short { Err(Misuse::PlaintextLen.into()) } else { Ok(()) }
    }

    fn finished(&self, written: usize) -> Finished {
        Finished { written, plaintext_len: self.stream.taken(), headers: self.headers }
    }
}
