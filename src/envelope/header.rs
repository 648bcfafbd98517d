//! [`Header`], the contents of an envelope without its wrap; [`KeyRef`] and [`Content`], two of its fields.

use std::sync::Arc;

use super::{Envelope, EnvelopeState, ModeId, codec};
use crate::crypto::Crypto;
use crate::error::Result;
use crate::keys::{EncryptionContext, WRAP_SALT_LEN, WrappedKey, Wrapping};
use crate::secret::{DataKey, KEY_LEN};
use crate::stream::message::{HEADER_LEN, MessageHeader};

pub(super) const VERSION: u8 = 1;
pub(crate) const SUITE: u8 = 1;

/// Everything that an envelope states except its salt, its verifier and its wrapped key.
#[derive(Clone)]
pub(crate) struct Header {
    pub(crate) key: KeyRef,
    /// Whether the wrap is bound to an object's name.
    pub(crate) is_bound: bool,
    pub(crate) content: Content,
    /// The envelope of the inner layer. Only DSSE-KMS has one.
    pub(crate) inner: Option<Arc<Envelope>>,
    /// The length in bytes to which padding extends the envelope.
    pub(crate) fixed_len: Option<usize>,
}

/// The key-encryption key of an envelope, as the envelope names it.
#[derive(Clone)]
pub(crate) enum KeyRef {
    /// A version of a keyring: SSE-S3, or the outer layer of DSSE-KMS.
    Keyring { id: Arc<str>, version: u32 },
    /// A key-encryption key that a KMS wrapped: SSE-KMS, or the inner layer of DSSE-KMS.
    Kms {
        /// The resolved id of the KMS key.
        id: Arc<str>,
        wrapped_kek: WrappedKey,
        /// The caller's pairs, without the ARN that the library adds.
        context: Arc<EncryptionContext>,
        scope: KekScope,
    },
    /// The customer's key: SSE-C.
    Customer,
}

/// The envelopes whose data keys one key-encryption key of a KMS wraps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KekScope {
    /// One SSE-KMS envelope.
    Object,
    /// Every SSE-KMS envelope of a bucket that shares the key: a bucket key.
    Bucket,
    /// The inner envelope of one DSSE-KMS object.
    InnerLayer,
}

/// The data that is encrypted under an envelope's data key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// One message. The plaintext length is present if the writer knew it when encryption began.
    Object { message: MessageHeader, plaintext_len: Option<u64> },
    /// The parts of an upload under way.
    Upload,
    /// The parts of a complete upload, with their total length.
    Multipart { parts: u32, plaintext_len: u64, manifest: MessageHeader },
}

impl Header {
    pub(super) fn mode(&self) -> ModeId {
        match (&self.key, &self.inner) {
            (KeyRef::Keyring { .. }, None) => ModeId::SseS3,
            (KeyRef::Keyring { .. }, Some(_)) => ModeId::DsseKms,
            (KeyRef::Kms { .. }, _) => ModeId::SseKms,
            (KeyRef::Customer, _) => ModeId::SseC,
        }
    }

    /// Returns the bytes that the verifier binds: version, mode and suite.
    pub(super) fn kind(&self) -> [u8; 3] {
        [VERSION, self.mode().number(), SUITE]
    }

    /// Wraps a data key under `kek` and returns the finished envelope. The wrap is bound to the whole header and to
    /// `binding`.
    ///
    /// # Errors
    ///
    /// Returns [`Limit`](crate::error::Limit) if the envelope is too long for the format, or for its fixed length.
    pub(crate) fn wrap(
        self,
        crypto: Crypto,
        kek: &[u8; KEY_LEN],
        wrap_salt: &[u8; WRAP_SALT_LEN],
        binding: &[u8],
        data_key: &DataKey,
    ) -> Result<Envelope> {
        let wrapping = Wrapping::new(crypto, kek, wrap_salt);
        let mut bytes = codec::encode_header(&self, wrap_salt, &wrapping.verifier(self.kind()))?;
        let wrapped_key = wrapping.wrap(&bytes, binding, data_key);
        bytes.extend_from_slice(&wrapped_key);
        Ok(Envelope { header: self, bytes: bytes.into() })
    }
}

impl KeyRef {
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Self::Keyring { id, .. } | Self::Kms { id, .. } => Some(id),
            Self::Customer => None,
        }
    }

    /// Returns the resolved id of the KMS key, if a KMS holds the key.
    pub(crate) fn kms_id(&self) -> Option<&str> {
        self.id().filter(|_| self.scope().is_some())
    }

    /// Returns the caller's pairs, if there are any.
    pub(super) fn context(&self) -> Option<&EncryptionContext> {
        match self {
            Self::Kms { context, .. } => Some(&**context).filter(|context| !context.is_empty()),
            Self::Keyring { .. } | Self::Customer => None,
        }
    }

    pub(super) fn scope(&self) -> Option<KekScope> {
        match self {
            Self::Kms { scope, .. } => Some(*scope),
            Self::Keyring { .. } | Self::Customer => None,
        }
    }
}

impl Content {
    /// The content that takes the most bytes in an envelope.
    pub(crate) const LONGEST: Self =
        Self::Multipart { parts: 1, plaintext_len: 0, manifest: MessageHeader::from_bytes([0; HEADER_LEN]) };

    pub(super) fn state(&self) -> EnvelopeState {
        match self {
            Self::Object { .. } => EnvelopeState::Object,
            Self::Upload => EnvelopeState::Upload,
            Self::Multipart { .. } => EnvelopeState::Multipart,
        }
    }

    /// Returns the header of the message that the envelope names: the body's or the manifest's.
    pub(crate) fn header(&self) -> Option<MessageHeader> {
        match self {
            Self::Object { message: header, .. } | Self::Multipart { manifest: header, .. } => Some(*header),
            Self::Upload => None,
        }
    }
}
