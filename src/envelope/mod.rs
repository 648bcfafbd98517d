// Floor 4. May use the floors below: keys, stream, crypto and the nouns.
//! What is written down beside an object.

mod codec;

use std::fmt;
use std::str::FromStr;

use crate::crypto::{Backend, Crypto};
use crate::error::{CustomerKeyError, EnvelopeError, Limit, Result, UnknownMode};
use crate::geometry::{EachLayer, Layers};
use crate::keys::{EncryptionContext, WRAP_SALT_LEN, WRAPPED_KEY_LEN, Wrapping};
use crate::secret::CustomerKey;
use crate::stream::message::{HEADER_LEN, MessageHeader};
use crate::stream::parts::manifest_len;

pub(crate) const VERSION: u8 = 1;
pub(crate) const SUITE: u8 = 1;

/// Which of the four modes an object was encrypted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ModeId {
    /// Under a master key of the service's.
    SseS3,
    /// Under a key of a KMS.
    SseKms,
    /// Twice: under a key of a KMS, and under a master key of the service's.
    DsseKms,
    /// Under a key that the client brings.
    SseC,
}

impl ModeId {
    /// All four.
    pub const ALL: [Self; 4] = [Self::SseS3, Self::SseKms, Self::DsseKms, Self::SseC];

    /// One layer, or two.
    pub const fn layers(self) -> Layers {
        match self {
            Self::DsseKms => Layers::Two,
            Self::SseS3 | Self::SseKms | Self::SseC => Layers::One,
        }
    }

    /// The stored bytes of a body with so many bytes of plaintext; `None` where it is longer than the format holds.
    pub const fn ciphertext_len(self, plaintext_len: u64) -> Option<u64> {
        self.layers().ciphertext_len(plaintext_len)
    }

    /// The plaintext bytes of a body of so many stored bytes; `None` where no body has that length.
    pub const fn plaintext_len(self, ciphertext_len: u64) -> Option<u64> {
        self.layers().plaintext_len(ciphertext_len)
    }

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::SseS3 => 1,
            Self::SseKms => 2,
            Self::DsseKms => 3,
            Self::SseC => 4,
        }
    }
}

/// As the S3 inventory calls it: `SSE-S3`, `SSE-KMS`, `DSSE-KMS` or `SSE-C`.
impl fmt::Display for ModeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SseS3 => "SSE-S3",
            Self::SseKms => "SSE-KMS",
            Self::DsseKms => "DSSE-KMS",
            Self::SseC => "SSE-C",
        })
    }
}

/// Reads what `Display` writes.
impl FromStr for ModeId {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "SSE-S3" => Ok(Self::SseS3),
            "SSE-KMS" => Ok(Self::SseKms),
            "DSSE-KMS" => Ok(Self::DsseKms),
            "SSE-C" => Ok(Self::SseC),
            _ => Err(UnknownMode),
        }
    }
}

/// What an envelope belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EnvelopeState {
    /// An object whose body is one message.
    Object,
    /// A multipart upload that is under way; it opens no object.
    Upload,
    /// An object that was uploaded in parts.
    Multipart,
}

/// The envelope of an object: what a store keeps beside the body to be able to read it. It is usually 200 to 850 bytes
/// long, and at most 65,663.
///
/// An envelope holds no secret, and a reader must not trust it: an attacker who writes the store can write any
/// envelope. The methods give what the bytes say; only [`Sse`](crate::Sse) verifies whether it is true.
///
/// Spec: manual, format, "Envelope".
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    pub(crate) mode: ModeId,
    pub(crate) bound: bool,
    pub(crate) bucket_key: bool,
    pub(crate) inner_layer: bool,
    pub(crate) wrap_salt: [u8; WRAP_SALT_LEN],
    pub(crate) verifier: [u8; 32],
    pub(crate) key_id: Option<String>,
    pub(crate) key_version: Option<u32>,
    pub(crate) wrapped_kek: Option<Vec<u8>>,
    pub(crate) context: Option<EncryptionContext>,
    pub(crate) content: Content,
    pub(crate) inner: Option<Box<Envelope>>,
    pub(crate) plaintext_len: Option<u64>,
    /// How many bytes of padding there are; `None` where the field is not there.
    pub(crate) padding: Option<usize>,
    pub(crate) wrapped_key: [u8; WRAPPED_KEY_LEN],
}

/// What is encrypted under the envelope's data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Object(MessageHeader),
    Upload,
    Multipart { parts: u32, plaintext_len: u64, manifest: MessageHeader },
}

impl Content {
    /// What takes the most room of all.
    pub(crate) const LONGEST: Self =
        Self::Multipart { parts: 1, plaintext_len: 0, manifest: MessageHeader::from_bytes([0; HEADER_LEN]) };

    /// The header of the message that the envelope names: the body's or the manifest's.
    pub(crate) fn header(&self) -> Option<MessageHeader> {
        match self {
            Self::Object(header) | Self::Multipart { manifest: header, .. } => Some(*header),
            Self::Upload => None,
        }
    }
}

impl Envelope {
    /// An envelope from bytes that are one, whole.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`], in the order that the manual gives.
    ///
    /// # Security
    ///
    /// Takes any bytes. There is one encoding of every envelope; nothing else is accepted.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Ok(codec::decode(bytes)?)
    }

    /// The length of the envelope that an inline container begins with, in bytes, from its first 16 bytes (or more).
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]: they do not begin an envelope.
    pub fn inline_len(first: &[u8]) -> Result<usize> {
        Ok(codec::len_of(first)?)
    }

    /// An envelope from the beginning of an inline container, and its length in bytes; the body follows it (in state
    /// multipart the manifest, then the body).
    ///
    /// # Errors
    ///
    /// [`EnvelopeError`]. Whether bytes are an inline container is for the store's configuration to say; never try.
    pub fn decode_inline(container: &[u8]) -> Result<(Self, usize)> {
        let len = codec::len_of(container)?;
        let envelope = container.get(..len).ok_or(EnvelopeError::Malformed("it ends too early"))?;
        Ok((codec::decode(envelope)?, len))
    }

    /// The bytes to store.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = codec::encode_header(self);
        bytes.extend_from_slice(&self.wrapped_key);
        bytes
    }

    /// The length of [`encode`](Self::encode) in bytes.
    pub fn encoded_len(&self) -> usize {
        codec::encoded_len(self)
    }

    /// The mode.
    pub fn mode(&self) -> ModeId {
        self.mode
    }

    /// What it belongs to.
    pub fn state(&self) -> EnvelopeState {
        match self.content {
            Content::Object(_) => EnvelopeState::Object,
            Content::Upload => EnvelopeState::Upload,
            Content::Multipart { .. } => EnvelopeState::Multipart,
        }
    }

    /// Whether it is bound to an object's name.
    pub fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether its key-encryption key serves a bucket.
    pub fn has_bucket_key(&self) -> bool {
        self.bucket_key
    }

    /// The keyring's id or the KMS key's, resolved; of DSSE-KMS the keyring's. None in SSE-C.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The id of the KMS key: in SSE-KMS the envelope's own, in DSSE-KMS the inner one's.
    pub fn kms_key_id(&self) -> Option<&str> {
        if self.mode == ModeId::SseKms { self.key_id() } else { self.inner().and_then(Self::key_id) }
    }

    /// The version of the keyring's master key, in SSE-S3 and DSSE-KMS.
    pub fn key_version(&self) -> Option<u32> {
        self.key_version
    }

    /// The caller's pairs, in SSE-KMS; those of DSSE-KMS are in [`inner`](Self::inner).
    pub fn context(&self) -> Option<&EncryptionContext> {
        self.context.as_ref()
    }

    /// The inner layer's envelope of DSSE-KMS, which names the KMS key.
    pub fn inner(&self) -> Option<&Envelope> {
        self.inner.as_deref()
    }

    /// The plaintext length in bytes if it was known when encryption began, or the total of the parts.
    ///
    /// As the envelope claims it; [`Decryptor::plaintext_len`](crate::Decryptor::plaintext_len) is authenticated.
    pub fn plaintext_len(&self) -> Option<u64> {
        match self.content {
            Content::Multipart { plaintext_len, .. } => Some(plaintext_len),
            Content::Object(_) | Content::Upload => self.plaintext_len,
        }
    }

    /// The stored bytes of the manifest, if the object was uploaded in parts.
    pub fn manifest_len(&self) -> Option<u64> {
        // The codec has bounded the parts, so that there is a length.
        self.parts().and_then(|parts| manifest_len(self.mode.layers(), parts).ok())
    }

    /// How many parts the object has, if it was uploaded in parts.
    pub fn parts(&self) -> Option<u32> {
        match self.content {
            Content::Multipart { parts, .. } => Some(parts),
            Content::Object(_) | Content::Upload => None,
        }
    }

    /// Says whether this is the customer key of an SSE-C object, and no more: for `HEAD`, or an answer before any data.
    ///
    /// Decrypting verifies by itself, and binds the object's name too.
    ///
    /// # Errors
    ///
    /// [`CustomerKeyError::Mismatch`]: another key, or an envelope whose verifier was changed.
    /// [`CustomerKeyError::NotExpected`]: the object is not SSE-C.
    pub fn verify_customer_key(&self, key: &CustomerKey) -> Result<()> {
        if self.mode != ModeId::SseC {
            return Err(CustomerKeyError::NotExpected.into());
        }
        let crypto = Crypto::single(Backend::RustCrypto)?;
        let wrapping = Wrapping::new(crypto, key.expose_secret(), &self.wrap_salt);
        if wrapping.verify(self.kind(), &self.verifier) { Ok(()) } else { Err(CustomerKeyError::Mismatch.into()) }
    }

    /// This envelope, and in DSSE-KMS the one in it.
    pub(crate) fn each_layer(&self) -> EachLayer<&Envelope> {
        EachLayer { outer: self, inner: self.inner() }
    }

    /// Every byte before the wrapped key: what the wrap is bound to.
    pub(crate) fn header(&self) -> Vec<u8> {
        codec::encode_header(self)
    }

    /// What the verifier tells apart.
    pub(crate) fn kind(&self) -> [u8; 3] {
        [VERSION, self.mode.number(), SUITE]
    }

    /// Brings it to exactly this length.
    pub(crate) fn pad_to(&mut self, len: usize) -> Result<()> {
        self.padding = None;
        let padding = self.encoded_len().checked_add(codec::FIELD_HEAD_LEN).and_then(|least| len.checked_sub(least));
        self.padding = Some(padding.ok_or(Limit::EnvelopeLen(len))?);
        Ok(())
    }

    /// Refuses what no reader would decode; only lengths can be wrong in what the library builds.
    pub(crate) fn check_len(&self) -> Result<()> {
        codec::check_len(self)
    }
}

/// What stands in it but the salts, the wrapped keys and the context's values.
impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("mode", &self.mode)
            .field("state", &self.state())
            .field("bound", &self.bound)
            .field("key_id", &self.key_id)
            .field("key_version", &self.key_version)
            .field("context", &self.context)
            .field("plaintext_len", &self.plaintext_len())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
