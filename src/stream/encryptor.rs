//! What encrypts one object.

use bytes::BytesMut;

use super::geometry::in_object;
use super::layers::Layered;
use super::message::MessageKeys;
use super::value::{Values, value_methods};
use super::writer::MessageWriter;
use super::{Progress, Sticky, Transform};
use crate::error::{Limit, Misuse, Result};

/// Encrypts one object, in order, into the caller's memory.
///
/// [`update`](Self::update) for every piece of plaintext, then [`finish`](Self::finish). Dropping it instead leaves
/// bytes that no reader takes for an object. After an error it gives the same error for ever.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// # let object = atrest::ObjectName::unbound();
/// let (envelope, mut encryptor) = sse.blocking().encryptor(&object, atrest::SseS3)?;
/// let mut stored = Vec::new();
/// let mut output = vec![0; 64 * 1024]; // reused for the whole object
/// for piece in [&b"meow"[..], b"purr"] {
///     let mut input = piece;
///     while !input.is_empty() {
///         let progress = encryptor.update(input, &mut output)?;
///         input = &input[progress.read..];
///         stored.extend_from_slice(&output[..progress.written]);
///     }
/// }
/// let written = encryptor.finish(&mut output)?;
/// stored.extend_from_slice(&output[..written]);
/// # assert_eq!(stored.len(), 80);
/// # Ok(()) }
/// ```
///
/// # Performance
///
/// Whole chunks are sealed straight from the input into the output: one pass, no copy. It holds at most one chunk
/// (DSSE-KMS: six), allocated when first needed; `update` allocates nothing after that. Give it pieces and outputs of
/// 64 KiB or more.
///
/// Spec: manual, format, "Messages".
#[derive(Debug)]
pub struct Encryptor {
    stream: Sticky<Sealing>,
    values: Values,
}

impl Encryptor {
    /// The most that [`finish`](Self::finish) ever gives, in bytes: an output of this length always has room.
    pub const MAX_FINISH_LEN: usize = super::MAX_FINISH_LEN;

    /// Of a message, for a plaintext of this length where it is known.
    pub(crate) fn new(message: MessageKeys, values: &Values, plaintext_len: Option<u64>) -> Self {
        let values = values.of(message.innermost().header().salt());
        let max = plaintext_len.unwrap_or(message.layers().max_plaintext_len());
        let writers = match message.inner {
            None => Layered::new(MessageWriter::new(message.outer), None),
            Some(inner) => Layered::new(MessageWriter::new(inner), Some(MessageWriter::new(message.outer))),
        };
        let sealing = Sealing { writers, taken: 0, max, known: plaintext_len.is_some() };
        Self { stream: Sticky::new(sealing), values }
    }

    /// The plaintext bytes that were taken so far.
    pub(crate) fn plaintext_taken(&self) -> u64 {
        self.stream.get().taken
    }

    /// Takes what it can from `input` and puts what it can into `output`.
    ///
    /// Makes progress wherever `output` has room; call it again with what is left until the whole input is read.
    ///
    /// # Errors
    ///
    /// [`Limit::Message`]: the object is longer than the format holds. [`Misuse::PlaintextLen`]: longer than was said
    /// when encryption began.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.stream.update(input, output)
    }

    /// How many bytes [`finish`](Self::finish) will give; never more than [`MAX_FINISH_LEN`](Self::MAX_FINISH_LEN).
    pub fn finish_len(&self) -> usize {
        self.stream.finish_len()
    }

    /// Gives the rest of the object and says how many bytes it was; only now is there an object.
    ///
    /// # Errors
    ///
    /// [`Misuse::OutputTooSmall`]: `output` is shorter than [`finish_len`](Self::finish_len).
    /// [`Misuse::PlaintextLen`]: fewer bytes came than was said when encryption began.
    pub fn finish(mut self, output: &mut [u8]) -> Result<usize> {
        self.stream.finish(output)
    }

    /// [`update`](Self::update) with the whole input, appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    ///
    /// # Performance
    ///
    /// Fresh memory is zeroed before it is used, at least two chunks for each call: 20 to 30 % slower than `update` into a
    /// reused buffer with pieces of 64 KiB and more, and much slower with small ones.
    pub fn push(&mut self, input: &[u8], output: &mut BytesMut) -> Result<()> {
        self.stream.push(input, output)
    }

    /// [`finish`](Self::finish), appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_into(mut self, output: &mut BytesMut) -> Result<()> {
        self.stream.finish_into(output)
    }

    value_methods! { values, "the object" }

    /// The whole plaintext at once.
    pub(crate) fn all(mut self, mut plaintext: &[u8]) -> Result<Vec<u8>> {
        let stored_len = self.stream.get().finish_len(plaintext.len());
        let mut stored = vec![0; stored_len];
        let mut written = 0;
        while !plaintext.is_empty() {
            let progress = self.update(plaintext, &mut stored[written..])?;
            plaintext = &plaintext[progress.read..];
            written += progress.written;
        }
        written += self.stream.finish(&mut stored[written..])?;
        stored.truncate(written);
        Ok(stored)
    }
}

/// The layers, how much plaintext they took, and how much they may take.
#[derive(Debug)]
struct Sealing {
    writers: Layered<MessageWriter>,
    taken: u64,
    max: u64,
    /// Whether `max` is a length that was given, and not the format's bound.
    known: bool,
}

impl Transform for Sealing {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        if in_object(input.len()) > self.max - self.taken {
            return Err(if self.known { Misuse::PlaintextLen.into() } else { Limit::Message.into() });
        }
        let progress = self.writers.update(input, output)?;
        self.taken += in_object(progress.read);
        Ok(progress)
    }

    fn finish_len(&self, more: usize) -> usize {
        self.writers.finish_len(more)
    }

    fn finish(&mut self, output: &mut [u8]) -> Result<usize> {
        if self.known && self.taken < self.max {
            return Err(Misuse::PlaintextLen.into());
        }
        self.writers.finish(output)
    }
}
