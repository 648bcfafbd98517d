//! [`Decryptor`]: the keys of one object; reads the object whole, by ranges or by parts.

use std::sync::Arc;

use super::body::{BodyReader, PartsReader, message_readers};
use super::message::{MessageHeader, MessageKey, MessageKeys};
use super::object_keys::ObjectKeys;
use super::parts::PartTable;
use super::plaintext_reader::PlaintextReader;
use super::value::ValueSealer;
use crate::error::{Error, Result};
use crate::geometry::{EachLayer, Extent, Layers, PartsExtent};

/// Reads one object; holds its keys and no byte of its body.
///
/// | to read | call |
/// |---|---|
/// | the whole object in order | [`sequential`](Self::sequential) |
/// | a range | [`range`](Self::range) |
/// | where the object ends | [`verify_end`](Self::verify_end) |
/// | an object of parts | [`with_manifest`](Self::with_manifest) first, or [`manifest_page`](Self::manifest_page) |
/// | one of its parts | [`part_decryptor`](Self::part_decryptor) |
///
/// Cheap to clone; many threads may read from one decryptor at once.
///
/// # Security
///
/// A decryptor exists only if envelope, key and name belong together. Every chunk is authenticated before any of its
/// bytes is returned. The object's length is authenticated only if [`plaintext_len`](Self::plaintext_len) returns it.
#[derive(Clone, Debug)]
pub struct Decryptor {
    keys: ObjectKeys,
    body: Body,
    plaintext_len: Option<u64>,
}

/// The structure of the body.
#[derive(Clone, Debug)]
enum Body {
    Message(EachLayer<Arc<MessageKey>>),
    /// `count` parts, listed in the manifest with these headers; `table` is the list, once it was given.
    Parts {
        count: u32,
        manifest: EachLayer<MessageHeader>,
        table: Option<Arc<PartTable>>,
    },
}

impl Decryptor {
    /// Creates a decryptor of a body that is one message, of the length that the envelope authenticates, if any.
    pub(crate) fn of_message(message: MessageKeys, keys: ObjectKeys, plaintext_len: Option<u64>) -> Self {
        Self { keys, body: Body::Message(message.map(Arc::new)), plaintext_len }
    }

    /// Creates a decryptor of a body of parts, from the envelope's description of their manifest.
    pub(crate) fn of_parts(
        count: u32,
        manifest: EachLayer<MessageHeader>,
        keys: ObjectKeys,
        plaintext_len: u64,
    ) -> Self {
        let body = Body::Parts { count, manifest, table: None };
        Self { keys, body, plaintext_len: Some(plaintext_len) }
    }

    /// Returns a reader of the whole object in order.
    pub fn sequential(&self) -> PlaintextReader {
        let body = match &self.body {
            Body::Message(keys) => {
                let outer_len = self.plaintext_len.and_then(|len| self.layers().ciphertext_len(len));
                let inner_len = self.plaintext_len.and_then(|len| Layers::One.ciphertext_len(len));
                let inner = keys.inner.as_ref().map(|_| Extent::whole(inner_len));
                BodyReader::Message(message_readers(keys, EachLayer { outer: Extent::whole(outer_len), inner }))
            }
            Body::Parts { table: None, .. } => BodyReader::Unlisted,
            Body::Parts { table: Some(table), .. } => self.parts_reader(table, PartsExtent::whole(table.geometry())),
        };
        PlaintextReader::new(body, self.plaintext_len, None, None)
    }

    /// Returns the plaintext length in bytes, if it is authenticated: it was known when encryption began, the object
    /// was uploaded in parts, or the end was [verified](Self::verify_end).
    pub fn plaintext_len(&self) -> Option<u64> {
        self.plaintext_len
    }

    /// Returns the length of the stored body in bytes, if it is known before any byte is fetched: the plaintext length
    /// is authenticated and, if the object has parts, the manifest was given.
    pub fn ciphertext_len(&self) -> Option<u64> {
        match &self.body {
            Body::Message(_) => self.layers().ciphertext_len(self.plaintext_len?),
            Body::Parts { table, .. } => Some(table.as_ref()?.geometry().ciphertext_len()),
        }
    }

    /// Returns the sealer of small values that belong to the object, such as a checksum of its plaintext.
    pub fn values(&self) -> ValueSealer {
        let salt = match &self.body {
            Body::Message(keys) => keys.innermost().header().salt(),
            Body::Parts { manifest, .. } => manifest.innermost().salt(),
        };
        self.keys.values_of(salt)
    }

    /// Returns a reader of these chunks of a body that is one message.
    pub(super) fn message_reader(&self, extents: EachLayer<Extent>) -> BodyReader {
        match &self.body {
            Body::Message(keys) => BodyReader::Message(message_readers(keys, extents)),
            Body::Parts { .. } => BodyReader::Unlisted,
        }
    }

    /// Returns a reader of these parts.
    pub(super) fn parts_reader(&self, table: &Arc<PartTable>, extent: PartsExtent) -> BodyReader {
        BodyReader::Parts(Box::new(PartsReader::new(self.keys.clone(), table.clone(), extent)))
    }

    /// Returns the parts of the body; `None` if it is one message.
    ///
    /// # Errors
    ///
    /// Returns [`Error::ManifestRequired`] if there are parts and their manifest was not given.
    pub(super) fn table(&self) -> Result<Option<&Arc<PartTable>>> {
        match &self.body {
            Body::Message(_) => Ok(None),
            Body::Parts { table, .. } => table.as_ref().map(Some).ok_or(Error::ManifestRequired),
        }
    }

    /// Returns the number of parts and the headers of their manifest.
    pub(super) fn manifest(&self) -> Option<(u32, EachLayer<MessageHeader>)> {
        match &self.body {
            Body::Message(_) => None,
            Body::Parts { count, manifest, .. } => Some((*count, *manifest)),
        }
    }

    /// Returns a decryptor of the same object that has the list of its parts.
    pub(super) fn listing(&self, table: PartTable) -> Option<Self> {
        let (count, manifest) = self.manifest()?;
        Some(Self { body: Body::Parts { count, manifest, table: Some(Arc::new(table)) }, ..self.clone() })
    }

    /// Returns a decryptor of the same object that knows its verified length.
    pub(super) fn knowing(&self, plaintext_len: Option<u64>) -> Self {
        Self { plaintext_len, ..self.clone() }
    }

    /// Returns the number of plaintext bytes to read at once if there is room for `len`.
    pub(crate) fn batch_len(&self, len: usize) -> usize {
        self.keys.batch_len(len)
    }

    pub(super) fn keys(&self) -> &ObjectKeys {
        &self.keys
    }

    pub(crate) fn layers(&self) -> Layers {
        self.keys.layers()
    }
}
