//! New objects and whole ones.

use zeroize::Zeroizing;

use super::{LayerSecret, Sse, Unlocked};
use crate::crypto::{Crypto, label};
use crate::envelope::{Content, Envelope};
use crate::error::{Error, Limit, Result};
use crate::mode::{AnyMode, LayerKey, WritingKeys, wrap};
use crate::object::ObjectName;
use crate::secret::{DataKey, Secret};
use crate::stream::message::{MessageKey, SALT_LEN};
use crate::stream::{Decryptor, Encryptor};

/// An object that is in memory: its envelope and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encrypted {
    /// What is kept beside the body.
    pub envelope: Envelope,
    /// The body as it is stored.
    pub ciphertext: Vec<u8>,
}

impl Encrypted {
    /// An object as it was read from a store.
    pub fn new(envelope: Envelope, ciphertext: impl Into<Vec<u8>>) -> Self {
        Self { envelope, ciphertext: ciphertext.into() }
    }

    /// Envelope and body in one piece, for stores that have nowhere to keep an envelope.
    pub fn to_inline(&self) -> Vec<u8> {
        let mut container = self.envelope.encode();
        container.extend_from_slice(&self.ciphertext);
        container
    }

    /// An object from one piece.
    ///
    /// # Errors
    ///
    /// [`Error::Envelope`]: it does not begin with an envelope. Whether stored bytes are such a container is for
    /// configuration to say; never try.
    pub fn from_inline(container: &[u8]) -> Result<Self> {
        let (envelope, len) = Envelope::decode_inline(container)?;
        Ok(Self::new(envelope, container.get(len..).unwrap_or_default()))
    }
}

/// What one layer of a new object draws: `wrap_salt(32) || data key(32) || message salt(24)`.
const DRAW_LEN: usize = 32 + 32 + SALT_LEN;

impl Sse {
    pub(super) async fn encryptor_of(
        &self,
        object: &ObjectName,
        mode: &AnyMode,
        plaintext_len: Option<u64>,
    ) -> Result<(Envelope, Encryptor)> {
        self.check_mode(mode.id())?;
        let (outer_crypto, inner_crypto) = self.shared.cryptos(mode.id())?;
        if plaintext_len.is_some_and(|len| len > mode.id().layers().max_plaintext_len()) {
            return Err(Limit::Message.into());
        }
        let keys = self.authorities(object).writing(mode).await?;
        self.check_written_kms_keys(&keys)?;

        let new = NewObject { name: object.wrap_context(b""), bound: object.is_bound(), plaintext_len };
        // One draw for everything: a call to the operating system costs as much as three derivations.
        let mut drawn = Zeroizing::new([0; 2 * DRAW_LEN]);
        let drawn_len = if inner_crypto.is_some() { 2 * DRAW_LEN } else { DRAW_LEN };
        self.shared.generator.fill(&mut drawn[..drawn_len])?;
        let (outer_drawn, inner_drawn) = drawn.split_at_mut(DRAW_LEN);

        let inner = match keys.inner.as_ref().zip(inner_crypto) {
            Some((key, crypto)) => {
                let mut layer = new.layer(key, crypto, inner_drawn)?;
                layer.envelope.inner_layer = true;
                wrap(&mut layer.envelope, crypto, key, &new.name, &layer.data_key)?;
                Some(layer)
            }
            None => None,
        };
        let mut outer = new.layer(&keys.outer, outer_crypto, outer_drawn)?;
        let (inner_envelope, inner_message) = inner.map(|layer| (Box::new(layer.envelope), layer.message)).unzip();
        outer.envelope.inner = inner_envelope;
        if let Some(len) = self.shared.envelope_len {
            outer.envelope.pad_to(len)?;
        }
        wrap(&mut outer.envelope, outer_crypto, &keys.outer, &new.name, &outer.data_key)?;
        Ok((outer.envelope, Encryptor::new(outer.message, inner_message, plaintext_len)))
    }

    /// A writer refuses what its own reader would; which key it is shows only in the provider's answer.
    pub(super) fn check_written_kms_keys(&self, keys: &WritingKeys<'_>) -> Result<()> {
        let written = [Some(&keys.outer), keys.inner.as_ref()];
        written.into_iter().flatten().filter_map(LayerKey::kms_key_id).try_for_each(|key_id| self.check_kms_key(key_id))
    }
}

/// What both layers of a new object have in common.
struct NewObject {
    name: Vec<u8>,
    bound: bool,
    plaintext_len: Option<u64>,
}

/// One layer of a new object, its envelope not yet wrapped.
struct NewLayer {
    envelope: Envelope,
    data_key: DataKey,
    message: MessageKey,
}

impl NewObject {
    fn layer(&self, key: &LayerKey<'_>, crypto: Crypto, drawn: &mut [u8]) -> Result<NewLayer> {
        let (wrap_salt, rest) = drawn.split_first_chunk_mut::<32>().expect("a layer draws 88 bytes");
        let (data_key, salt) = rest.split_first_chunk_mut::<32>().expect("a layer draws 88 bytes");
        let data_key = DataKey::from_secret(Secret::from_bytes(data_key));
        let salt = (&*salt).try_into().expect("a layer draws 88 bytes");
        let message = MessageKey::new(crypto, &data_key, salt, label::OBJECT);
        let content = Content::Object(*message.header());
        let envelope = key.envelope(*wrap_salt, self.bound, content, self.plaintext_len);
        Ok(NewLayer { envelope, data_key, message })
    }
}

/// What decrypts the body of an object that was unlocked.
pub(super) fn decryptor(envelope: &Envelope, unlocked: &Unlocked) -> Result<Decryptor> {
    let message = |envelope: &Envelope, layer: &LayerSecret| match &envelope.content {
        Content::Object(header) => MessageKey::open(layer.crypto, &layer.data_key, header, label::OBJECT),
        Content::Upload => Err(Error::UploadNotComplete),
        Content::Multipart { .. } => Err(Error::ManifestRequired),
    };
    let outer = message(envelope, &unlocked.outer)?;
    let inner = envelope.inner().zip(unlocked.inner.as_ref()).map(|(envelope, layer)| message(envelope, layer));
    Ok(Decryptor::new(outer, inner.transpose()?, envelope.plaintext_len))
}
