//! [`Encrypted`], an object in memory; [`FreshSecrets`], the random bytes of a new object; and the parts of `Sse` that
//! begin a new object or read an unlocked one.

use std::fmt;

use super::Sse;
use super::wrapping::NewEnvelope;
use crate::crypto::random::all_zero;
use crate::crypto::{Crypto, label};
use crate::envelope::{Content, Envelope, EnvelopeState};
use crate::error::{Error, Limit, Misuse, Result};
use crate::geometry::{Container, EachLayer, in_object};
use crate::keys::KeyAnswers;
use crate::mode::{AnyMode, LayerKey, Target};
use crate::object::ObjectName;
use crate::secret::{DataKey, Secret, Wiped};
use crate::stream::message::SALT_LEN;
use crate::stream::object_keys::{LayerSecret, ObjectKeys};
use crate::stream::{Decryptor, Encryptor};

/// A stored object in memory: its envelope, its manifest if it has one, and its body.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Encrypted {
    /// The envelope.
    pub envelope: Envelope,
    /// The manifest of an object that was uploaded in parts.
    pub manifest: Option<Vec<u8>>,
    /// The encrypted body.
    pub ciphertext: Vec<u8>,
}

impl Encrypted {
    /// Creates the object from its envelope and its encrypted body.
    pub fn new(envelope: Envelope, ciphertext: impl Into<Vec<u8>>) -> Self {
        Self { envelope, manifest: None, ciphertext: ciphertext.into() }
    }

    /// Adds the manifest of an object that was uploaded in parts.
    #[must_use]
    pub fn with_manifest(self, manifest: impl Into<Vec<u8>>) -> Self {
        Self { manifest: Some(manifest.into()), ..self }
    }

    /// Builds an inline container whose envelope has any length: envelope, manifest if there is one, and body in one
    /// piece. It is for stores that cannot keep an envelope beside the body; [`to_container`](Self::to_container) also
    /// lets them list plaintext lengths without a read.
    ///
    /// # Errors
    ///
    /// - [`Error::ManifestRequired`]: the object was uploaded in parts, and its manifest is absent or of another
    ///   length.
    /// - [`Error::UploadNotComplete`]: the envelope belongs to an upload under way.
    pub fn to_inline(&self) -> Result<Vec<u8>> {
        if self.envelope.state() == EnvelopeState::Upload {
            return Err(Error::UploadNotComplete);
        }
        let manifest = self.manifest.as_deref().unwrap_or_default();
        if self.envelope.manifest_len().unwrap_or(0) != manifest.len() as u64 {
            return Err(Error::ManifestRequired);
        }
        Ok([&self.envelope.encode(), manifest, &self.ciphertext].concat())
    }

    /// Builds the stored object of a container: envelope and body in one piece. The `Sse` that encrypted the object has
    /// the same container.
    ///
    /// # Errors
    ///
    /// - [`Misuse::Container`]: the object was uploaded in parts, its mode has other layers than the container, or its
    ///   envelope does not have the container's length.
    /// - [`Error::UploadNotComplete`]: the envelope belongs to an upload under way.
    /// - [`Error::Truncated`]: the body is shorter than the shortest body.
    pub fn to_container(&self, container: Container) -> Result<Vec<u8>> {
        match self.envelope.state() {
            EnvelopeState::Object => {}
            EnvelopeState::Upload => return Err(Error::UploadNotComplete),
            EnvelopeState::Multipart => return Err(Misuse::Container.into()),
        }
        let fits = self.envelope.is_padded_to(container.envelope_len());
        if !fits || self.envelope.mode().layers() != container.layers() || self.manifest.is_some() {
            return Err(Misuse::Container.into());
        }
        container.body(in_object(self.ciphertext.len()).saturating_add(container.envelope_len()))?;
        let (envelope, body) = (self.envelope.as_bytes(), &self.ciphertext[..]);
        Ok(if container.is_trailer() { [body, envelope] } else { [envelope, body] }.concat())
    }

    /// Splits the stored object of a container.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Envelope::decode_in`]. An object of the other container is
    /// [`NotAnEnvelope`](crate::error::EnvelopeError::NotAnEnvelope).
    ///
    /// # Security
    ///
    /// The configuration of the store must say which container it has. Do not find out by trying.
    pub fn from_container(stored: &[u8], container: Container) -> Result<Self> {
        let stored_len = in_object(stored.len());
        let envelope = Envelope::decode_in(container, stored_len, stored)?;
        let (_, body) = container.body_piece(stored_len, 0, stored)?;
        Ok(Self::new(envelope, body))
    }

    /// Splits an inline container whose envelope has any length. If the container ends within the manifest, decryption
    /// fails with [`Error::Truncated`].
    ///
    /// # Errors
    ///
    /// Returns [`Error::Envelope`] if the container does not begin with an envelope.
    ///
    /// # Security
    ///
    /// The configuration of the store must say whether stored bytes are an inline container. Do not find out by trying.
    pub fn from_inline(container: &[u8]) -> Result<Self> {
        let (envelope, len) = Envelope::decode_inline(container)?;
        let rest = container.get(len..).unwrap_or_default();
        let Some(manifest_len) = envelope.manifest_len() else {
            return Ok(Self::new(envelope, rest));
        };
        // An empty manifest stands for a manifest that was cut: decryption refuses it as truncated.
        let split = usize::try_from(manifest_len).ok().and_then(|len| rest.split_at_checked(len));
        let (manifest, body) = split.unwrap_or_default();
        Ok(Self::new(envelope, body).with_manifest(manifest))
    }
}

/// Shows only the lengths of body and manifest: each begins with a commitment, which is derived from a key.
impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted")
            .field("envelope", &self.envelope)
            .field("manifest_len", &self.manifest.as_ref().map(Vec::len))
            .field("ciphertext_len", &self.ciphertext.len())
            .finish()
    }
}

/// The random bytes of one layer of a new object: `wrap_salt(32) || data key(32) || message salt(24)`.
pub(super) const OBJECT_DRAW: usize = UPLOAD_DRAW + SALT_LEN;
/// The random bytes of one layer of a new upload: the same without the message salt.
pub(super) const UPLOAD_DRAW: usize = 32 + 32;

impl Sse {
    pub(super) async fn encryptor_of(
        &self,
        object: &ObjectName,
        mode: &AnyMode,
        plaintext_len: Option<u64>,
        answers: &KeyAnswers,
    ) -> Result<(Envelope, Encryptor)> {
        let cryptos = self.check_written(mode)?;
        if plaintext_len.is_some_and(|len| len > mode.id().layers().max_plaintext_len()) {
            return Err(Limit::Message.into());
        }
        let target = Target::object(object);
        let keys = self.key_sources(target, answers).writing(mode).await?;
        self.check_written_kms_keys(&keys)?;

        let mut drawn = Wiped::<{ 2 * OBJECT_DRAW }>::zeros();
        let drawn = self.draw(&mut drawn[..], cryptos, OBJECT_DRAW)?;
        let message = drawn.keys.message_under(&drawn.message_salts, label::OBJECT);
        let envelope = NewEnvelope {
            target,
            contents: message.headers().map(|message| Content::Object { message, plaintext_len }),
            wrap_salts: drawn.wrap_salts,
            kept: None,
            fixed_len: self.shared.envelope_len,
        };
        let envelope = envelope.wrap(&keys, drawn.keys.each_layer())?;
        Ok((envelope, Encryptor::new(message, drawn.keys, plaintext_len)))
    }

    /// Refuses a mode that this handle would not read, and returns the implementations of each layer.
    pub(super) fn check_written(&self, mode: &AnyMode) -> Result<EachLayer<Crypto>> {
        self.check_mode(mode.id(), None)?;
        self.shared.cryptos(mode.id())
    }

    /// Refuses KMS keys whose objects this handle would not read. The provider's answer names them by their resolved
    /// ids.
    pub(super) fn check_written_kms_keys(&self, keys: &EachLayer<LayerKey<'_>>) -> Result<()> {
        keys.iter().filter_map(|layer| layer.key.kms_id()).try_for_each(|key_id| self.check_kms_key(key_id, None))
    }

    /// Combines the data keys of an object with the generator of its salts and the workers.
    pub(super) fn object_keys(&self, layers: EachLayer<LayerSecret>) -> ObjectKeys {
        ObjectKeys::new(layers, self.shared.generator.clone(), self.shared.workers.clone())
    }

    /// Draws the salts and data keys of a new object or upload: `len` bytes per layer, from the outer layer inward.
    ///
    /// PERF: one draw for all. A call to the operating system costs as much as three derivations.
    pub(super) fn draw(&self, room: &mut [u8], cryptos: EachLayer<Crypto>, len: usize) -> Result<FreshSecrets> {
        let count = cryptos.iter().count();
        self.shared.generator.fill(&mut room[..count * len])?;
        let mut layers = room.chunks_mut(len).map(|drawn| {
            let (wrap_salt, rest) = drawn.split_first_chunk_mut::<32>().expect("a layer draws 64 bytes or more");
            let (data_key, rest) = rest.split_first_chunk_mut::<32>().expect("a layer draws 64 bytes or more");
            let message_salt = rest.first_chunk::<SALT_LEN>().copied().unwrap_or_default();
            let data_key = Secret::from_bytes(data_key, all_zero).map(DataKey::from_secret)?;
            Ok::<_, Error>((*wrap_salt, data_key, message_salt))
        });
        let drawn = cryptos.try_map(|crypto| {
            let layer = layers.next().expect("there is room for each layer");
            layer.map(|layer| (crypto, layer))
        })?;
        Ok(FreshSecrets {
            wrap_salts: drawn.as_ref().map(|(_, (wrap_salt, _, _))| *wrap_salt),
            message_salts: drawn.as_ref().map(|(_, (_, _, message_salt))| *message_salt),
            keys: self.object_keys(drawn.map(|(crypto, (_, data_key, _))| LayerSecret::new(crypto, data_key))),
        })
    }
}

/// The salts and data keys of a new object or upload.
pub(super) struct FreshSecrets {
    pub(super) wrap_salts: EachLayer<[u8; 32]>,
    pub(super) keys: ObjectKeys,
    /// Zeros for an upload, which has no message.
    message_salts: EachLayer<[u8; SALT_LEN]>,
}

/// Returns the decryptor of the body of an unlocked object.
pub(super) fn decryptor(envelope: &Envelope, keys: ObjectKeys) -> Result<Decryptor> {
    let headers =
        envelope.each_layer().try_map(|layer| layer.header().content.header().ok_or(Error::UploadNotComplete))?;
    match envelope.header().content {
        Content::Multipart { parts, plaintext_len, .. } => Ok(Decryptor::of_parts(parts, headers, keys, plaintext_len)),
        Content::Object { plaintext_len, .. } => {
            let message = keys.message_of(&headers, label::OBJECT)?;
            Ok(Decryptor::of_message(message, keys, plaintext_len))
        }
        Content::Upload => Err(Error::UploadNotComplete),
    }
}
