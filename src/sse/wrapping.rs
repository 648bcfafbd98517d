//! [`NewEnvelope`], the request for one envelope around the data keys of an object or upload.

use std::sync::Arc;

use super::Sse;
use crate::envelope::{Content, Envelope, Header};
use crate::error::Result;
use crate::geometry::EachLayer;
use crate::keys::WRAP_SALT_LEN;
use crate::mode::{LayerKey, Target};
use crate::stream::object_keys::LayerSecret;

/// The contents of a new envelope, without its keys.
pub(super) struct NewEnvelope<'a> {
    pub(super) target: Target<'a>,
    pub(super) contents: EachLayer<Content>,
    pub(super) wrap_salts: EachLayer<[u8; WRAP_SALT_LEN]>,
    /// The inner envelope to keep, if the inner layer gets no new key.
    pub(super) kept: Option<&'a Envelope>,
    pub(super) fixed_len: Option<usize>,
}

impl NewEnvelope<'_> {
    /// Wraps the data key of each layer, from the inner layer outward: the outer wrap binds the inner envelope.
    pub(super) fn wrap(self, keys: &EachLayer<LayerKey<'_>>, data_keys: &EachLayer<LayerSecret>) -> Result<Envelope> {
        let (binding, is_bound) = (self.target.binding()?, self.target.object.is_bound());
        let wrap = |((key, data_key), (wrap_salt, content)): ((&LayerKey<'_>, _), (_, _)), inner, fixed_len| {
            let header = Header { key: key.key.clone(), is_bound, content, inner, fixed_len };
            key.wrap(header, &wrap_salt, &binding, data_key)
        };
        let layers = keys.as_ref().zip(data_keys.as_ref()).zip(self.wrap_salts.zip(self.contents));
        let inner = match layers.inner {
            Some(layer) => Some(wrap(layer, None, None)?),
            None => self.kept.cloned(),
        };
        wrap(layers.outer, inner.map(Arc::new), self.fixed_len)
    }
}

impl Sse {
    /// Draws a fresh salt for each layer that gets a new key.
    pub(super) fn wrap_salts(&self, keys: &EachLayer<LayerKey<'_>>) -> Result<EachLayer<[u8; WRAP_SALT_LEN]>> {
        // The inner salt is drawn first: the test vectors list the randomness in this order.
        let inner = keys.inner.as_ref().map(|_| self.shared.generator.bytes()).transpose()?;
        Ok(EachLayer { outer: self.shared.generator.bytes()?, inner })
    }
}
