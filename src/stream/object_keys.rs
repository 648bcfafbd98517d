//! `ObjectKeys`: the data keys of one object or upload.

use std::sync::{Arc, OnceLock};

use super::message::{self, MessageHeader, MessageKey, MessageKeys, SALT_LEN};
use super::value::ValueSealer;
use crate::crypto::{Crypto, Generator, Prk};
use crate::error::Result;
use crate::geometry::{EachLayer, Layers};
use crate::secret::{DataKey, redacted};
use crate::workers::Workers;

/// One layer's data key, and the cryptographic implementations that use it.
pub(crate) struct LayerSecret {
    pub(crate) crypto: Crypto,
    pub(crate) data_key: DataKey,
    /// The data key as the input of derivations, shared by all messages and values. A rewrap derives nothing from it.
    prk: OnceLock<Prk>,
}

impl LayerSecret {
    pub(crate) fn new(crypto: Crypto, data_key: DataKey) -> Self {
        Self { crypto, data_key, prk: OnceLock::new() }
    }

    pub(super) fn prk(&self) -> &Prk {
        self.prk.get_or_init(|| Prk::from_key(self.crypto, self.data_key.expose_secret()))
    }
}

/// The data keys of one object or upload, the generator of its salts, and the workers; cheap to clone.
#[derive(Clone)]
pub(crate) struct ObjectKeys {
    layers: Arc<EachLayer<LayerSecret>>,
    generator: Generator,
    workers: Option<Arc<dyn Workers>>,
}

impl ObjectKeys {
    pub(crate) fn new(layers: EachLayer<LayerSecret>, generator: Generator, workers: Option<Arc<dyn Workers>>) -> Self {
        Self { layers: Arc::new(layers), generator, workers }
    }

    pub(crate) fn each_layer(&self) -> &EachLayer<LayerSecret> {
        &self.layers
    }

    pub(crate) fn layers(&self) -> Layers {
        self.layers.layers()
    }

    /// Returns the number of plaintext bytes to process at once if `len` are at hand: a chunk, or a batch for workers.
    pub(super) fn batch_len(&self, len: usize) -> usize {
        message::batch(self.workers.as_deref(), len) * message::CHUNK_LEN
    }

    /// Derives the keys of a new message from fresh salts, or of an existing message from authenticated salts.
    pub(crate) fn message_under(&self, salts: &EachLayer<[u8; SALT_LEN]>, context: &[u8]) -> MessageKeys {
        let each = self.layers.as_ref().as_ref().zip(salts.as_ref());
        each.map(|(layer, salt)| MessageKey::new(layer.prk(), salt, context, self.workers.clone()))
    }

    /// Derives the keys of the message that has these headers.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`MessageKey::open`].
    pub(crate) fn message_of(&self, headers: &EachLayer<MessageHeader>, context: &[u8]) -> Result<MessageKeys> {
        let each = self.layers.as_ref().as_ref().zip(headers.as_ref());
        each.try_map(|(layer, header)| MessageKey::open(layer.prk(), header, context, self.workers.clone()))
    }

    /// Returns a fresh salt for each layer.
    ///
    /// PERF: one draw serves both layers; a call to the operating system costs as much as three derivations.
    pub(crate) fn fresh_salts(&self) -> Result<EachLayer<[u8; SALT_LEN]>> {
        let mut drawn = [[0; SALT_LEN]; 2];
        let two = self.layers.inner.is_some();
        self.generator.fill(drawn[..1 + usize::from(two)].as_flattened_mut())?;
        let [outer, inner] = drawn;
        Ok(EachLayer { outer, inner: two.then_some(inner) })
    }

    /// Returns random public bytes.
    #[cfg(feature = "s3")]
    pub(super) fn random<const N: usize>(&self) -> Result<[u8; N]> {
        self.generator.bytes()
    }

    /// Returns the sealer of values that describe the message with this salt.
    pub(crate) fn values_of(&self, salt: [u8; SALT_LEN]) -> ValueSealer {
        ValueSealer::new(self.clone(), salt)
    }

    /// Returns the sealer of values that describe no message.
    pub(crate) fn values(&self) -> ValueSealer {
        self.values_of([0; SALT_LEN])
    }
}

redacted!(LayerSecret, ObjectKeys);
