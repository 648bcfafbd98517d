//! [`LayerKey`], the key-encryption key of one new layer; [`Kek`], the secret in it.

use std::sync::Arc;

use crate::envelope::{Envelope, Header, KeyRef};
use crate::error::Result;
use crate::keys::{BucketKey, WRAP_SALT_LEN};
use crate::secret::{CustomerKey, KEY_LEN, KeyEncryptionKey, MasterKey};
use crate::stream::object_keys::LayerSecret;

/// A key-encryption key: of the keyring, of a KMS, or of a customer.
pub(super) enum Kek<'a> {
    Master(Arc<MasterKey>),
    Kms(KeyEncryptionKey),
    Bucket(Arc<BucketKey>),
    Customer(&'a CustomerKey),
}

impl Kek<'_> {
    pub(super) fn expose(&self) -> &[u8; KEY_LEN] {
        match self {
            Self::Master(key) => key.expose_secret(),
            Self::Kms(key) => key.expose_secret(),
            Self::Bucket(key) => key.kek.expose_secret(),
            Self::Customer(key) => key.expose_secret(),
        }
    }
}

/// The key-encryption key that wraps one layer, and its name in the envelope.
pub(crate) struct LayerKey<'a> {
    pub(super) kek: Kek<'a>,
    pub(crate) key: KeyRef,
}

impl LayerKey<'_> {
    /// Wraps the data key of the layer.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Header::wrap`].
    pub(crate) fn wrap(
        &self,
        header: Header,
        wrap_salt: &[u8; WRAP_SALT_LEN],
        binding: &[u8],
        layer: &LayerSecret,
    ) -> Result<Envelope> {
        header.wrap(layer.crypto, self.kek.expose(), wrap_salt, binding, &layer.data_key)
    }
}
