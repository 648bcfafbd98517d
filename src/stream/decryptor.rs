//! What decrypts one object: from its beginning, or by ranges.

use std::sync::Arc;

use bytes::BytesMut;

use super::geometry::Layers;
use super::layers::Layered;
use super::message::MessageKey;
use super::reader::{Extent, MessageReader};
use super::{Progress, Sticky, Transform};
use crate::error::Result;

/// An object that was unlocked: its keys, and nothing of its body yet.
///
/// Cheap to clone; many threads may read from one at once.
///
/// # Security
///
/// Holding one means that envelope, key and name belong together. Every chunk is authenticated before any byte of it
/// is given out, and the length of the object is known only where [`plaintext_len`](Self::plaintext_len) gives it.
#[derive(Clone, Debug)]
pub struct Decryptor {
    keys: Arc<Keys>,
    plaintext_len: Option<u64>,
}

#[derive(Debug)]
struct Keys {
    outer: Arc<MessageKey>,
    inner: Option<Arc<MessageKey>>,
}

impl Decryptor {
    /// From the outer layer's key and the inner one's, and the length that the envelope authenticates.
    pub(crate) fn new(outer: MessageKey, inner: Option<MessageKey>, plaintext_len: Option<u64>) -> Self {
        Self { keys: Arc::new(Keys { outer: Arc::new(outer), inner: inner.map(Arc::new) }), plaintext_len }
    }

    /// The plaintext length in bytes, if it is authenticated: it was known when encryption began, or the end was
    /// [verified](Self::verify_end).
    pub fn plaintext_len(&self) -> Option<u64> {
        self.plaintext_len
    }

    /// Reads the whole object in order.
    pub fn sequential(&self) -> SequentialDecryptor {
        let outer_len = self.plaintext_len.and_then(|len| self.layers().ciphertext_len(len));
        let inner_len = self.plaintext_len.and_then(|len| Layers::One.ciphertext_len(len));
        let (outer, inner) = self.readers(Extent::whole(outer_len), Some(Extent::whole(inner_len)));
        SequentialDecryptor { stream: Sticky::new(Layered::new(outer, inner)) }
    }

    /// The same, knowing its length, which was verified.
    pub(super) fn knowing(&self, plaintext_len: Option<u64>) -> Self {
        Self { plaintext_len, ..self.clone() }
    }

    pub(crate) fn layers(&self) -> Layers {
        if self.keys.inner.is_some() { Layers::Two } else { Layers::One }
    }

    /// Readers of these extents; the inner one's only where there is an inner layer.
    pub(super) fn readers(&self, outer: Extent, inner: Option<Extent>) -> (MessageReader, Option<MessageReader>) {
        let inner = self.keys.inner.as_ref().zip(inner);
        (
            MessageReader::new(self.keys.outer.clone(), outer, false),
            inner.map(|(key, extent)| MessageReader::new(key.clone(), extent, true)),
        )
    }
}

/// Decrypts one object from beginning to end into the caller's memory.
///
/// [`update`](Self::update) for every piece of the stored body, then [`finish`](Self::finish): a truncated object
/// fails there, always. After an error it gives the same error for ever.
///
/// # Performance
///
/// Whole chunks are opened straight from the input into the output: one pass, no copy. It holds at most one chunk
/// (DSSE-KMS: six), allocated when first needed; `update` allocates nothing after that.
#[derive(Debug)]
pub struct SequentialDecryptor {
    stream: Sticky<Layered<MessageReader>>,
}

impl SequentialDecryptor {
    /// The most that [`finish`](Self::finish) ever gives, in bytes: an output of this length always has room.
    pub const MAX_FINISH_LEN: usize = super::MAX_FINISH_LEN;

    /// Takes what it can from the stored bytes in `input` and puts plaintext into `output`.
    ///
    /// Makes progress wherever `output` has room; call it again with what is left until the whole input is read.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`](crate::Error::Inauthentic): a chunk is not the object's.
    pub fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.stream.update(input, output)
    }

    /// At most how many bytes [`finish`](Self::finish) will give; never more than [`MAX_FINISH_LEN`](Self::MAX_FINISH_LEN).
    pub fn finish_len(&self) -> usize {
        self.stream.finish_len()
    }

    /// Gives the rest of the object and says how many bytes it was; only now is it known that nothing is missing.
    ///
    /// # Errors
    ///
    /// [`Error::Truncated`](crate::Error::Truncated) and [`Error::Inauthentic`](crate::Error::Inauthentic): the object does not end here.
    /// [`Misuse::OutputTooSmall`](crate::error::Misuse::OutputTooSmall): `output` is shorter than
    /// [`finish_len`](Self::finish_len).
    pub fn finish(mut self, output: &mut [u8]) -> Result<usize> {
        self.stream.finish(output)
    }

    /// [`update`](Self::update) with the whole input, appending to `output`.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
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

    /// The whole body at once.
    pub(crate) fn all(mut self, mut stored: &[u8]) -> Result<Vec<u8>> {
        // A plaintext is shorter than what is stored of it, whatever any length claims.
        let mut plaintext = vec![0; stored.len()];
        let mut written = 0;
        while !stored.is_empty() {
            let progress = self.update(stored, &mut plaintext[written..])?;
            stored = &stored[progress.read..];
            written += progress.written;
        }
        written += self.stream.run(|readers| readers.finish(&mut plaintext[written..]))?;
        plaintext.truncate(written);
        Ok(plaintext)
    }
}
