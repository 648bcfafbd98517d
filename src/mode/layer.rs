//! One layer of an object: the key-encryption key, and the wrap under it.

use std::sync::Arc;

use crate::crypto::Crypto;
use crate::envelope::{Content, Envelope, ModeId};
use crate::error::{CustomerKeyError, Error, Result};
use crate::keys::{EncryptionContext, Wrapping};
use crate::secret::{CustomerKey, DataKey, KeyEncryptionKey, MasterKey};

/// A key-encryption key: of the keyring, of a KMS, or of a customer.
pub(crate) enum Kek<'a> {
    Master(Arc<MasterKey>),
    Kms(KeyEncryptionKey),
    Customer(&'a CustomerKey),
}

impl Kek<'_> {
    fn expose(&self) -> &[u8; 32] {
        match self {
            Self::Master(key) => key.expose_secret(),
            Self::Kms(key) => key.expose_secret(),
            Self::Customer(key) => key.expose_secret(),
        }
    }
}

/// A key to wrap one layer under, and what its envelope says of it.
pub(crate) struct LayerKey<'a> {
    pub(super) kek: Kek<'a>,
    pub(super) mode: ModeId,
    pub(super) key_id: Option<String>,
    pub(super) key_version: Option<u32>,
    pub(super) wrapped_kek: Option<Vec<u8>>,
    pub(super) context: Option<EncryptionContext>,
    pub(super) bucket_key: bool,
}

impl LayerKey<'_> {
    /// The resolved id of the KMS key, if it is one.
    pub(crate) fn kms_key_id(&self) -> Option<&str> {
        self.key_id.as_deref().filter(|_| self.mode == ModeId::SseKms)
    }

    /// The envelope of this layer, not yet wrapped: its verifier and wrapped key are still zero.
    pub(crate) fn envelope(
        &self,
        wrap_salt: [u8; 32],
        bound: bool,
        content: Content,
        plaintext_len: Option<u64>,
    ) -> Envelope {
        Envelope {
            mode: self.mode,
            bound,
            bucket_key: self.bucket_key,
            inner_layer: false,
            wrap_salt,
            verifier: [0; 32],
            key_id: self.key_id.clone(),
            key_version: self.key_version,
            wrapped_kek: self.wrapped_kek.clone(),
            context: self.context.clone(),
            content,
            inner: None,
            plaintext_len,
            padding: None,
            wrapped_key: [0; 48],
        }
    }
}

/// Wraps a data key under `kek`, binding it to everything that stands in the envelope and to the name.
pub(crate) fn wrap(
    envelope: &mut Envelope,
    crypto: Crypto,
    key: &LayerKey<'_>,
    name: &[u8],
    data_key: &DataKey,
) -> Result<()> {
    envelope.check_len()?;
    let wrapping = Wrapping::new(crypto, key.kek.expose(), &envelope.wrap_salt);
    envelope.verifier = wrapping.verifier(envelope.kind());
    envelope.wrapped_key = wrapping.wrap(&envelope.header(), name, data_key);
    Ok(())
}

/// Unwraps the data key of an envelope's own layer; the verifier is compared before anything is unwrapped.
///
/// # Errors
///
/// Inauthentic; of a customer key that the verifier does not know, a mismatch.
pub(crate) fn unwrap(envelope: &Envelope, crypto: Crypto, kek: &Kek<'_>, name: &[u8]) -> Result<DataKey> {
    let wrapping = Wrapping::new(crypto, kek.expose(), &envelope.wrap_salt);
    if !wrapping.verify(envelope.kind(), &envelope.verifier) {
        return Err(match envelope.mode() {
            ModeId::SseC => CustomerKeyError::Mismatch.into(),
            ModeId::SseS3 | ModeId::SseKms | ModeId::DsseKms => Error::Inauthentic,
        });
    }
    wrapping.unwrap(&envelope.header(), name, &envelope.wrapped_key)
}
