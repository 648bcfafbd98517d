//! What decrypts one object: from its beginning, or by ranges.

use std::sync::Arc;

use bytes::BytesMut;
use zeroize::Zeroizing;

use super::body::{BodyReader, PartsExtent, PartsReader, message_readers};
use super::each_layer::EachLayer;
use super::geometry::Layers;
use super::message::{MessageHeader, MessageKey, MessageKeys};
use super::parts::PartTable;
use super::reader::Extent;
use super::value::{Values, value_methods};
use super::{Progress, Sticky, Transform};
use crate::error::{Error, Result};

/// An object that was unlocked: its keys, and nothing of its body yet.
///
/// Cheap to clone; many threads may read from one at once. One of an object that was uploaded in parts reads nothing until
/// it has been given the [manifest](Self::with_manifest).
///
/// # Security
///
/// Holding one means that envelope, key and name belong together. Every chunk is authenticated before any byte of it
/// is given out, and the length of the object is known only where [`plaintext_len`](Self::plaintext_len) gives it.
#[derive(Clone, Debug)]
pub struct Decryptor {
    values: Values,
    body: Body,
    plaintext_len: Option<u64>,
}

/// What the body is made of.
#[derive(Clone, Debug)]
enum Body {
    Message(EachLayer<Arc<MessageKey>>),
    /// So many parts, listed in a manifest with these headers; and the list, once it was given.
    Parts {
        count: u32,
        manifest: EachLayer<MessageHeader>,
        table: Option<Arc<PartTable>>,
    },
}

impl Decryptor {
    /// Of a body that is one message, with the length that the envelope authenticates.
    pub(crate) fn of_message(message: MessageKeys, values: &Values, plaintext_len: Option<u64>) -> Self {
        let values = values.of(message.innermost().header().salt());
        Self { values, body: Body::Message(message.map(Arc::new)), plaintext_len }
    }

    /// Of a body of parts, as the envelope describes their manifest.
    pub(crate) fn of_parts(
        count: u32,
        manifest: EachLayer<MessageHeader>,
        values: &Values,
        plaintext_len: u64,
    ) -> Self {
        let values = values.of(manifest.innermost().salt());
        Self { values, body: Body::Parts { count, manifest, table: None }, plaintext_len: Some(plaintext_len) }
    }

    /// The plaintext length in bytes, if it is authenticated: it was known when encryption began, the object was uploaded
    /// in parts, or the end was [verified](Self::verify_end).
    pub fn plaintext_len(&self) -> Option<u64> {
        self.plaintext_len
    }

    /// The stored bytes of the body, where they are known before any is fetched: the length of its plaintext is
    /// authenticated, and of parts the manifest was given.
    pub fn ciphertext_len(&self) -> Option<u64> {
        match &self.body {
            Body::Message(_) => self.layers().ciphertext_len(self.plaintext_len?),
            Body::Parts { table, .. } => Some(table.as_ref()?.geometry().ciphertext_len()),
        }
    }

    /// Reads the whole object in order.
    pub fn sequential(&self) -> SequentialDecryptor {
        SequentialDecryptor { stream: Sticky::new(self.whole()) }
    }

    fn whole(&self) -> BodyReader {
        match &self.body {
            Body::Message(keys) => {
                let outer_len = self.plaintext_len.and_then(|len| self.layers().ciphertext_len(len));
                let inner_len = self.plaintext_len.and_then(|len| Layers::One.ciphertext_len(len));
                let inner = keys.inner.as_ref().map(|_| Extent::whole(inner_len));
                BodyReader::Message(message_readers(keys, EachLayer { outer: Extent::whole(outer_len), inner }))
            }
            Body::Parts { table: None, .. } => BodyReader::Unlisted,
            Body::Parts { table: Some(table), .. } => self.parts_reader(table, PartsExtent::whole(table.geometry())),
        }
    }

    pub(super) fn message_reader(&self, extents: EachLayer<Extent>) -> BodyReader {
        match &self.body {
            Body::Message(keys) => BodyReader::Message(message_readers(keys, extents)),
            Body::Parts { .. } => BodyReader::Unlisted,
        }
    }

    pub(super) fn parts_reader(&self, table: &Arc<PartTable>, extent: PartsExtent) -> BodyReader {
        BodyReader::Parts(Box::new(PartsReader::new(self.values.keys().clone(), table.clone(), extent)))
    }

    /// The parts of the body; none where it is one message.
    ///
    /// # Errors
    ///
    /// There are parts, and their manifest was not given.
    pub(super) fn table(&self) -> Result<Option<&Arc<PartTable>>> {
        match &self.body {
            Body::Message(_) => Ok(None),
            Body::Parts { table, .. } => table.as_ref().map(Some).ok_or(Error::ManifestRequired),
        }
    }

    /// How many parts there are, and the headers of their manifest.
    pub(super) fn manifest(&self) -> Option<(u32, EachLayer<MessageHeader>)> {
        match &self.body {
            Body::Message(_) => None,
            Body::Parts { count, manifest, .. } => Some((*count, *manifest)),
        }
    }

    /// The same, knowing its parts.
    pub(super) fn listing(&self, table: PartTable) -> Option<Self> {
        let (count, manifest) = self.manifest()?;
        Some(Self { body: Body::Parts { count, manifest, table: Some(Arc::new(table)) }, ..self.clone() })
    }

    /// The same, knowing its length, which was verified.
    pub(super) fn knowing(&self, plaintext_len: Option<u64>) -> Self {
        Self { plaintext_len, ..self.clone() }
    }

    pub(super) fn values(&self) -> &Values {
        &self.values
    }

    pub(crate) fn layers(&self) -> Layers {
        self.values.keys().layers()
    }

    value_methods! { values, "the object" }
}

/// Decrypts one object from beginning to end into the caller's memory.
///
/// [`update`](Self::update) for every piece of the stored body, then [`finish`](Self::finish): a truncated object
/// fails there, always. After an error it gives the same error for ever.
///
/// # Performance
///
/// Whole chunks are opened straight from the input into the output: one pass, no copy. It holds at most one chunk
/// (DSSE-KMS: six), allocated when first needed, for each part anew; `update` allocates nothing after that.
#[derive(Debug)]
pub struct SequentialDecryptor {
    stream: Sticky<BodyReader>,
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
    /// [`Error::Inauthentic`]: a chunk is not the object's. [`Error::ManifestRequired`]: the object was uploaded in parts,
    /// and the decryptor was not given the manifest.
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
        // SECURITY: wiped unless all of it proves authentic.
        let mut plaintext = Zeroizing::new(vec![0; stored.len()]);
        let mut written = 0;
        while !stored.is_empty() {
            let progress = self.update(stored, &mut plaintext[written..])?;
            stored = &stored[progress.read..];
            written += progress.written;
        }
        written += self.stream.run(|readers| readers.finish(&mut plaintext[written..]))?;
        plaintext.truncate(written);
        Ok(std::mem::take(&mut *plaintext))
    }
}
