//! `MessageKey` and `MessageHeader`: the derived key of one message, and the 56 bytes it begins with.

use crate::crypto::{AeadKey, Crypto, NONCE_LEN, Prk, constant_time_eq, label};
use crate::error::{Error, Result};
use crate::geometry::{self, EachLayer};
use crate::secret::{DataKey, redacted};

pub(crate) const CHUNK_LEN: usize = 16_384;
pub(crate) const TAG_LEN: usize = 16;
pub(crate) const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
pub(crate) const HEADER_LEN: usize = 56;
pub(crate) const SALT_LEN: usize = 24;
const COMMITMENT_LEN: usize = HEADER_LEN - SALT_LEN;

/// The beginning of a message: `salt(24) || commitment(32)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageHeader([u8; HEADER_LEN]);

impl MessageHeader {
    pub(crate) const fn from_bytes(bytes: [u8; HEADER_LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        &self.0
    }

    pub(crate) fn salt(&self) -> [u8; SALT_LEN] {
        *self.0.first_chunk().expect("a header begins with its salt")
    }
}

/// The keys of one message, in DSSE-KMS of the outer one and of the one in it.
pub(crate) type MessageKeys = EachLayer<MessageKey>;

impl MessageKeys {
    pub(crate) fn headers(&self) -> EachLayer<MessageHeader> {
        self.as_ref().map(|key| *key.header())
    }
}

/// Seals or opens the chunks of one message.
///
/// Spec: C2SP chunked-encryption, Cobblestone-256.
pub(crate) struct MessageKey {
    aead: AeadKey,
    base_nonce: [u8; NONCE_LEN],
    header: MessageHeader,
}

impl MessageKey {
    /// The key of a new message under a fresh salt.
    pub(crate) fn new(crypto: Crypto, data_key: &DataKey, salt: &[u8; SALT_LEN], context: &[u8]) -> Self {
        let prk = Prk::from_key(crypto, data_key.expose_secret());
        let (aead, base_nonce, commitment) = AeadKey::derive::<COMMITMENT_LEN>(&prk, label::MESSAGE, &[salt, context]);
        let mut header = [0; HEADER_LEN];
        header[..SALT_LEN].copy_from_slice(salt);
        header[SALT_LEN..].copy_from_slice(&commitment);
        Self { aead, base_nonce, header: MessageHeader(header) }
    }

    /// The key of a message that begins with this header.
    ///
    /// # Errors
    ///
    /// Inauthentic where the commitment is not the data key's: no chunk is opened before this was compared.
    pub(crate) fn open(crypto: Crypto, data_key: &DataKey, header: &MessageHeader, context: &[u8]) -> Result<Self> {
        let key = Self::new(crypto, data_key, &header.salt(), context);
        if constant_time_eq(key.header.as_bytes(), header.as_bytes()) { Ok(key) } else { Err(Error::Inauthentic) }
    }

    pub(crate) fn header(&self) -> &MessageHeader {
        &self.header
    }

    /// Seals one chunk; `sealed` is 16 bytes longer than `plaintext`.
    pub(super) fn seal_chunk(&self, index: u64, plaintext: &[u8], sealed: &mut [u8]) {
        self.aead.seal(&self.nonce(index), plaintext, sealed);
    }

    /// Seals whole chunks, the first of which has index `first`.
    ///
    /// On entry `plaintext` is whole chunks, and `sealed` 16 bytes longer for each.
    pub(super) fn seal_chunks(&self, first: u64, plaintext: &[u8], sealed: &mut [u8]) {
        let chunks = plaintext.chunks_exact(CHUNK_LEN).zip(sealed.chunks_exact_mut(SEALED_CHUNK_LEN));
        for (index, (plaintext, sealed)) in (first..).zip(chunks) {
            self.seal_chunk(index, plaintext, sealed);
        }
    }

    /// Opens whole chunks, the first of which has index `first`.
    ///
    /// On entry `sealed` is whole sealed chunks, and `plaintext` 16 bytes shorter for each. On failure some of
    /// `plaintext` is filled: the caller wipes it.
    pub(super) fn open_chunks(&self, first: u64, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let mut chunks = sealed.chunks_exact(SEALED_CHUNK_LEN).zip(plaintext.chunks_exact_mut(CHUNK_LEN));
        (first..)
            .zip(&mut chunks)
            .try_for_each(|(index, (sealed, plaintext))| self.aead.open(&self.nonce(index), sealed, plaintext))
    }

    /// Opens one chunk where it stands and gives its plaintext.
    pub(super) fn open_in_place<'a>(&self, index: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8]> {
        self.aead.open_in_place(&self.nonce(index), sealed)
    }

    /// `base_nonce XOR index`, the index as 96 bits: one nonce for each chunk of the message.
    fn nonce(&self, index: u64) -> [u8; NONCE_LEN] {
        let mut nonce = self.base_nonce;
        for (byte, counter) in nonce[4..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= counter;
        }
        nonce
    }
}

redacted!(MessageHeader, MessageKey);

const _: () = {
    assert!(CHUNK_LEN as u64 == geometry::CHUNK_LEN);
    assert!(SEALED_CHUNK_LEN as u64 == geometry::SEALED_CHUNK_LEN);
    assert!(HEADER_LEN as u64 == geometry::HEADER_LEN);
};
