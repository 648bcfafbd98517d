//! One envelope from everything that goes into it.

use super::Sse;
use crate::envelope::{Content, Envelope};
use crate::error::Result;
use crate::geometry::EachLayer;
use crate::mode::{LayerKey, WritingKeys, wrap};
use crate::object::ObjectName;
use crate::stream::object_keys::ObjectKeys;

/// What a new envelope says beside its keys.
pub(super) struct NewEnvelope<'a> {
    pub(super) object: &'a ObjectName,
    /// What the wrap is bound to.
    pub(super) name: &'a [u8],
    pub(super) contents: EachLayer<Content>,
    pub(super) plaintext_len: Option<u64>,
    pub(super) wrap_salts: EachLayer<[u8; 32]>,
    /// The inner layer as it was, where it has no new key.
    pub(super) kept: Option<&'a Envelope>,
    /// The length to bring it to.
    pub(super) len: Option<usize>,
}

impl NewEnvelope<'_> {
    /// Wraps the data keys of each layer, from the inside out: the outer wrap binds the inner envelope.
    pub(super) fn wrap(self, keys: &WritingKeys<'_>, data_keys: &ObjectKeys) -> Result<Envelope> {
        let data_keys = data_keys.each_layer();
        let layer =
            |key: &LayerKey<'_>, salt, content| key.envelope(salt, self.object.is_bound(), content, self.plaintext_len);
        let each = keys.as_ref().zip(data_keys.as_ref()).zip(self.wrap_salts.zip(self.contents));
        let inner = match each.inner {
            Some(((key, secret), (salt, content))) => {
                let mut inner = layer(key, salt, content);
                inner.inner_layer = true;
                wrap(&mut inner, secret.crypto, key, self.name, &secret.data_key)?;
                Some(inner)
            }
            None => self.kept.cloned(),
        };
        let ((key, secret), (salt, content)) = each.outer;
        let mut envelope = layer(key, salt, content);
        envelope.inner = inner.map(Box::new);
        if let Some(len) = self.len {
            envelope.pad_to(len)?;
        }
        wrap(&mut envelope, secret.crypto, key, self.name, &secret.data_key)?;
        Ok(envelope)
    }
}

impl Sse {
    /// A fresh salt for the wrap of each layer that is wrapped anew.
    pub(super) fn wrap_salts(&self, keys: &WritingKeys<'_>) -> Result<EachLayer<[u8; 32]>> {
        // The inner one is drawn first: the vectors state the randomness in this order.
        let inner = keys.inner.as_ref().map(|_| self.shared.generator.bytes()).transpose()?;
        Ok(EachLayer { outer: self.shared.generator.bytes()?, inner })
    }
}
