// Floor 4. May use the floors below: keys, stream, crypto and the nouns.
//! [`Envelope`], the record that is stored beside an object; and its [`ModeId`] and [`EnvelopeState`].

mod codec;
mod fields;
mod header;
mod mode_id;

pub(crate) use header::{Content, Header, KekScope, KeyRef, SUITE};
pub use mode_id::ModeId;

use std::fmt;

use bytes::Bytes;

use crate::crypto::{Backend, Crypto};
use crate::error::{CustomerKeyError, EnvelopeError, Error, Result, Unexpected};
use crate::geometry::{Container, EachLayer, in_memory, in_object};
use crate::keys::{EncryptionContext, WRAPPED_KEY_LEN, Wrapping};
use crate::secret::{CustomerKey, DataKey, KEY_LEN};
use crate::stream::parts::manifest_len;

/// The state of an envelope: it belongs to an object or to a multipart upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnvelopeState {
    /// An object whose body is one message.
    Object = 1,
    /// A multipart upload under way. The envelope opens no object.
    Upload = 2,
    /// An object that was uploaded in parts.
    Multipart = 3,
}

/// The envelope of an object: the record that a store keeps beside the body. It is usually 200 to 850 bytes long, and
/// at most 65,663.
///
/// An envelope holds no secret. A clone shares its bytes.
///
/// # Security
///
/// Do not trust an envelope: an attacker who can write the store can write any envelope. The methods return
/// unverified values, which only [`Sse`](crate::Sse) verifies.
///
/// Spec: manual, format, "Envelope".
#[derive(Clone)]
pub struct Envelope {
    header: Header,
    /// The whole envelope, as it was decoded or made. The wrap authenticates these bytes.
    bytes: Bytes,
}

impl Envelope {
    /// Decodes the bytes of one whole envelope.
    ///
    /// # Errors
    ///
    /// Returns [`EnvelopeError`], checked in the order that the manual gives.
    ///
    /// # Security
    ///
    /// Any bytes may be given. Every envelope has one encoding; any other bytes are refused.
    ///
    /// # Performance
    ///
    /// The bytes are copied once.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(codec::decode(bytes)?)
    }

    /// Returns the length in bytes of the envelope at the start of an inline container, from its first 16 bytes or
    /// more.
    ///
    /// # Errors
    ///
    /// Returns [`EnvelopeError`] if the bytes do not begin an envelope.
    pub fn inline_len(first: &[u8]) -> Result<usize> {
        Ok(codec::len_of(first)?)
    }

    /// Decodes the envelope at the start of an inline container, and also returns its length in bytes. The body follows
    /// the envelope; for a multipart object the manifest comes between the two.
    ///
    /// # Errors
    ///
    /// Returns [`EnvelopeError`] if the container does not begin with an envelope.
    ///
    /// # Security
    ///
    /// The configuration of the store must say whether stored bytes are an inline container. Do not find it out by
    /// decoding.
    pub fn decode_inline(container: &[u8]) -> Result<(Self, usize)> {
        let len = codec::len_of(container)?;
        let envelope = container.get(..len).ok_or(EnvelopeError::Malformed("it ends too early"))?;
        Ok((codec::decode(envelope)?, len))
    }

    /// Decodes the envelope of a stored object of `stored_len` bytes from the bytes that
    /// [`Container::envelope_fetch`] fetches, or from more at the same end of the object.
    ///
    /// # Errors
    ///
    /// - [`Error::Truncated`]: the stored object has no room for envelope and body, or fewer bytes were fetched. A
    ///   trailer is refused for this before anything else, an inline container after its envelope was checked.
    /// - [`EnvelopeError`]: the bytes at this end of the object are not an envelope, or not one of the container's
    ///   length. The other end is not examined.
    /// - [`Unexpected::Container`]: the object was uploaded in parts.
    ///
    /// # Security
    ///
    /// Any bytes may be given. `stored_len` may be any number.
    ///
    /// Spec: manual, format, "Inline container" and "Trailer container".
    pub fn decode_in(container: Container, stored_len: u64, fetched: &[u8]) -> Result<Self> {
        let len = in_memory(container.envelope_len())?;
        let bytes = if container.is_trailer() {
            container.body(stored_len)?;
            suffix(fetched, len).ok_or(Error::Truncated)?
        } else {
            fetched.get(..len).unwrap_or(fetched)
        };
        let envelope = codec::decode(bytes)?;
        if envelope.header.fixed_len.is_none() {
            return Err(EnvelopeError::Malformed("it has no padding, and every envelope of a container has").into());
        }
        if envelope.state() == EnvelopeState::Multipart {
            return Err(Unexpected::Container.into());
        }
        container.body(stored_len)?;
        Ok(envelope)
    }

    /// Returns whether the envelope was padded to this length when it was made.
    pub(crate) fn is_padded_to(&self, len: u64) -> bool {
        self.header.fixed_len.is_some_and(|fixed_len| in_object(fixed_len) == len)
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes to store.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Returns a copy of the bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// Returns the length of the stored envelope in bytes.
    pub fn encoded_len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns the mode.
    pub fn mode(&self) -> ModeId {
        self.header.mode()
    }

    /// Returns the state: whether the envelope belongs to an object or to an upload.
    pub fn state(&self) -> EnvelopeState {
        self.header.content.state()
    }

    /// Returns whether the envelope is bound to an object's name.
    pub fn is_bound(&self) -> bool {
        self.header.is_bound
    }

    /// Returns whether the key-encryption key is a bucket key.
    pub fn has_bucket_key(&self) -> bool {
        self.header.key.scope() == Some(KekScope::Bucket)
    }

    /// Returns the id of the keyring (SSE-S3, DSSE-KMS), or the resolved id of the KMS key (SSE-KMS). `None` in SSE-C.
    pub fn key_id(&self) -> Option<&str> {
        self.header.key.id()
    }

    /// Returns the resolved id of the KMS key, in SSE-KMS and in the inner layer of DSSE-KMS.
    pub fn kms_key_id(&self) -> Option<&str> {
        self.header.key.kms_id().or_else(|| self.inner()?.key_id())
    }

    /// Returns the version of the keyring's master key, in SSE-S3 and DSSE-KMS.
    pub fn key_version(&self) -> Option<u32> {
        match self.header.key {
            KeyRef::Keyring { version, .. } => Some(version),
            KeyRef::Kms { .. } | KeyRef::Customer => None,
        }
    }

    /// Returns the caller's pairs, in SSE-KMS. In DSSE-KMS the [`inner`](Self::inner) envelope has them.
    pub fn context(&self) -> Option<&EncryptionContext> {
        self.header.key.context()
    }

    /// Returns the envelope of the inner layer, in DSSE-KMS. It names the KMS key.
    pub fn inner(&self) -> Option<&Envelope> {
        self.header.inner.as_deref()
    }

    /// Returns the plaintext length in bytes: the total of the parts, or the object's length if the writer knew it when
    /// encryption began.
    ///
    /// # Security
    ///
    /// The envelope only claims this length; [`Decryptor::plaintext_len`](crate::Decryptor::plaintext_len) is
    /// authenticated.
    pub fn plaintext_len(&self) -> Option<u64> {
        match self.header.content {
            Content::Object { plaintext_len, .. } => plaintext_len,
            Content::Upload => None,
            Content::Multipart { plaintext_len, .. } => Some(plaintext_len),
        }
    }

    /// Returns the stored length of the manifest in bytes, if the object was uploaded in parts.
    pub fn manifest_len(&self) -> Option<u64> {
        // The codec has bounded the number of parts, so the manifest has a length.
        self.parts().and_then(|parts| manifest_len(self.mode().layers(), parts).ok())
    }

    /// Returns the number of parts, if the object was uploaded in parts.
    pub fn parts(&self) -> Option<u32> {
        match self.header.content {
            Content::Multipart { parts, .. } => Some(parts),
            Content::Object { .. } | Content::Upload => None,
        }
    }

    /// Checks that `key` is the customer key of this SSE-C object, and nothing else. Use it for `HEAD`, and before a
    /// response sends any data.
    ///
    /// Decryption also checks the key, and verifies the object's name.
    ///
    /// # Errors
    ///
    /// - [`CustomerKeyError::Mismatch`] if the key is another one, or the envelope's verifier was changed.
    /// - [`CustomerKeyError::NotExpected`] if the object is not SSE-C.
    pub fn verify_customer_key(&self, key: &CustomerKey) -> Result<()> {
        if self.mode() != ModeId::SseC {
            return Err(CustomerKeyError::NotExpected.into());
        }
        self.verified(Crypto::single(Backend::RustCrypto)?, key.expose_secret()).map(drop)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// This envelope and, in DSSE-KMS, its inner one.
    pub(crate) fn each_layer(&self) -> EachLayer<&Envelope> {
        EachLayer { outer: self, inner: self.inner() }
    }

    /// Both layers, or the outer one alone.
    pub(crate) fn layers(&self, both: bool) -> EachLayer<&Envelope> {
        if both { self.each_layer() } else { EachLayer::one(self) }
    }

    /// Unwraps the data key of this envelope's own layer, after the verifier matched.
    ///
    /// # Errors
    ///
    /// Returns [`CustomerKeyError::Mismatch`] if the verifier of SSE-C was made with another key, or else
    /// [`Error::Inauthentic`] if the verifier or the wrap does not match.
    pub(crate) fn unwrap(&self, crypto: Crypto, kek: &[u8; KEY_LEN], binding: &[u8]) -> Result<DataKey> {
        let (header, wrapped_key) = self.bytes.split_last_chunk::<WRAPPED_KEY_LEN>().expect("it ends with the wrap");
        self.verified(crypto, kek)?.unwrap(header, binding, wrapped_key)
    }

    fn verified(&self, crypto: Crypto, kek: &[u8; KEY_LEN]) -> Result<Wrapping> {
        let (wrap_salt, verifier) = codec::salt_and_verifier(&self.bytes);
        let wrapping = Wrapping::new(crypto, kek, wrap_salt);
        if wrapping.verify(self.header.kind(), verifier) {
            return Ok(wrapping);
        }
        Err(match self.mode() {
            ModeId::SseC => CustomerKeyError::Mismatch.into(),
            ModeId::SseS3 | ModeId::SseKms | ModeId::DsseKms => Error::Inauthentic,
        })
    }
}

/// Returns the last `len` bytes, if there are so many.
fn suffix(bytes: &[u8], len: usize) -> Option<&[u8]> {
    bytes.get(bytes.len().checked_sub(len)?..)
}

/// Compares the stored bytes, because every envelope has one encoding.
impl PartialEq for Envelope {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Envelope {}

/// Shows everything but the salts, the wrapped keys and the values of the context.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("mode", &self.mode())
            .field("state", &self.state())
            .field("bound", &self.is_bound())
            .field("key_id", &self.key_id())
            .field("key_version", &self.key_version())
            .field("context", &self.context())
            .field("plaintext_len", &self.plaintext_len())
            .field("inner", &self.inner())
            .finish_non_exhaustive()
    }
}
