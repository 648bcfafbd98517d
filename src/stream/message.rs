//! One message: its derived key, its header, its chunks.

use zeroize::Zeroizing;

use super::each_layer::EachLayer;
use crate::crypto::{AeadKey, Crypto, NONCE_LEN, Prk, constant_time_eq, label};
use crate::error::{Error, Result};
use crate::secret::DataKey;

pub(crate) const CHUNK_LEN: usize = 16_384;
pub(crate) const TAG_LEN: usize = 16;
pub(crate) const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
pub(crate) const HEADER_LEN: usize = 56;
pub(crate) const SALT_LEN: usize = 24;

/// What a message begins with: `salt(24) || commitment(32)`.
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

/// The commitment is made from a key: it is stored, and yet no log's.
impl std::fmt::Debug for MessageHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageHeader(..)")
    }
}

/// One layer's data key, and what it runs on.
pub(crate) struct LayerSecret {
    pub(crate) crypto: Crypto,
    pub(crate) data_key: DataKey,
}

impl std::fmt::Debug for LayerSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LayerSecret(..)")
    }
}

/// The data keys of one object or upload.
pub(crate) type DataKeys = EachLayer<LayerSecret>;

/// The keys of one message, in DSSE-KMS of the outer one and of the one in it.
pub(crate) type MessageKeys = EachLayer<MessageKey>;

impl MessageKeys {
    /// The keys of a new message under fresh salts, or of one whose salts are authentic.
    pub(crate) fn under(keys: &DataKeys, salts: &EachLayer<[u8; SALT_LEN]>, context: &[u8]) -> Self {
        let each = keys.as_ref().zip(salts.as_ref());
        each.map(|(layer, salt)| MessageKey::new(layer.crypto, &layer.data_key, salt, context))
    }

    /// The keys of the message that has these headers.
    ///
    /// # Errors
    ///
    /// As [`MessageKey::open`].
    pub(crate) fn open(keys: &DataKeys, headers: &EachLayer<MessageHeader>, context: &[u8]) -> Result<Self> {
        let each = keys.as_ref().zip(headers.as_ref());
        each.try_map(|(layer, header)| MessageKey::open(layer.crypto, &layer.data_key, header, context))
    }

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
    //= manual/format.md#messages
    pub(crate) fn new(crypto: Crypto, data_key: &DataKey, salt: &[u8; SALT_LEN], context: &[u8]) -> Self {
        let mut okm = Zeroizing::new([0; 32 + NONCE_LEN + 32]);
        Prk::from_key(crypto, data_key.expose_secret()).expand(label::MESSAGE, &[salt, context], &mut *okm);
        let (key, rest) = okm.split_first_chunk::<32>().expect("the key comes first");
        let (base_nonce, commitment) = rest.split_first_chunk::<NONCE_LEN>().expect("then the nonce");
        let mut header = [0; HEADER_LEN];
        header[..SALT_LEN].copy_from_slice(salt);
        header[SALT_LEN..].copy_from_slice(commitment);
        Self { aead: AeadKey::new(crypto, key), base_nonce: *base_nonce, header: MessageHeader(header) }
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

    pub(crate) fn seal(&self, index: u64, plaintext: &[u8], sealed: &mut [u8]) {
        self.aead.seal(&self.nonce(index), plaintext, sealed);
    }

    /// Seals all of `buffer` but the room for the tag at its end.
    pub(crate) fn seal_in_place(&self, index: u64, buffer: &mut [u8]) {
        self.aead.seal_in_place(&self.nonce(index), buffer);
    }

    pub(crate) fn open_chunk(&self, index: u64, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        self.aead.open(&self.nonce(index), sealed, plaintext)
    }

    pub(crate) fn open_in_place(&self, index: u64, sealed: &mut [u8]) -> Result<usize> {
        self.aead.open_in_place(&self.nonce(index), sealed).map(|plaintext| plaintext.len())
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

impl std::fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MessageKey(..)")
    }
}

const _: () = {
    assert!(CHUNK_LEN as u64 == super::geometry::CHUNK_LEN);
    assert!(SEALED_CHUNK_LEN as u64 == super::geometry::SEALED_CHUNK_LEN);
    assert!(HEADER_LEN as u64 == super::geometry::HEADER_LEN);
};
