//! Whole objects: written with given randomness, and read against an expectation.

use std::collections::BTreeMap;

use crate::envelope::{BOUND, BUCKET_KEY, DSSE_KMS, Envelope, INNER, MULTIPART, OBJECT, SSE_KMS, UPLOAD, field};
use crate::message::{header, manifest_context, max_plaintext, object_context, open_layers, seal};
use crate::multipart::{manifest_len, open_parts, parse_manifest};
use crate::name::Name;
use crate::pairs::Pairs;
use crate::wrap::{unwrap, verifier, wrap};
use crate::{Error, pairs, parse, take};

/// Whose key wraps one layer, and every random byte that goes into it.
#[derive(Clone, Debug, Default)]
pub struct Layer {
    /// The key-encryption key.
    pub kek: [u8; 32],
    /// Modes 1, 2 and 3.
    pub key_id: Option<String>,
    /// Modes 1 and 3.
    pub key_version: Option<u32>,
    /// Mode 2 and the inner layer of mode 3.
    pub wrapped_kek: Option<Vec<u8>>,
    /// Mode 2 and the inner layer of mode 3; in any order.
    pub pairs: Pairs,
    /// Mode 2.
    pub bucket_key: bool,
    /// Fresh for every wrap.
    pub wrap_salt: [u8; 32],
    /// The object's.
    pub data_key: [u8; 32],
    /// Of this layer's message.
    pub message_salt: [u8; 24],
}

/// How an object is to be written.
#[derive(Clone, Debug)]
pub struct Write {
    /// 1 to 4.
    pub mode: u8,
    /// Nothing: unbound.
    pub name: Option<Name>,
    /// The only layer, or the keyring's.
    pub outer: Layer,
    /// In DSSE-KMS the KMS key's layer.
    pub inner: Option<Layer>,
    /// Whether field 8 is written.
    pub len_known: bool,
    /// The fixed envelope length, where one is given.
    pub envelope_len: Option<usize>,
}

/// Envelope and body of an object in one message.
pub fn encrypt(write: &Write, plaintext: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let layers = write.layers();
    if plaintext.len() as u64 > max_plaintext(layers.len()) {
        return Err(Error::LimitExceeded);
    }
    let known = write.len_known.then_some(plaintext.len() as u64);
    let content = |layer: &Layer| {
        let message_header = header(&layer.data_key, &object_context(), &layer.message_salt);
        let len = known.map(|len| (field::PLAINTEXT_LEN, len.to_be_bytes().to_vec()));
        [(field::MESSAGE_HEADER, message_header.to_vec())].into_iter().chain(len).collect()
    };
    let envelope = write.envelope(OBJECT, write.name.as_ref(), content)?;
    let mut body = plaintext.to_vec();
    for layer in layers.iter().rev() {
        body = seal(&layer.data_key, &object_context(), &layer.message_salt, &body);
    }
    Ok((envelope, body))
}

impl Write {
    /// The outer layer, and the inner one if there is one.
    pub fn layers(&self) -> Vec<&Layer> {
        [&self.outer].into_iter().chain(&self.inner).collect()
    }

    /// The data keys, from the outer layer inward.
    pub fn data_keys(&self) -> Vec<[u8; 32]> {
        self.layers().iter().map(|layer| layer.data_key).collect()
    }

    /// An envelope in any state, wrapped for this name; `content` gives the fields that tell what each layer holds.
    pub fn envelope(
        &self,
        state: u8,
        name: Option<&Name>,
        content: impl Fn(&Layer) -> BTreeMap<u16, Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        if let Some(name) = name {
            name.check()?;
            if self.mode == SSE_KMS || self.mode == DSSE_KMS {
                name.arn(self.outer.bucket_key)?;
            }
        }
        let bound = if name.is_some() { BOUND } else { 0 };
        let bucket_key = if self.outer.bucket_key { BUCKET_KEY } else { 0 };
        let mut envelope = layer_envelope(&self.outer, self.mode, state, bound | bucket_key, content(&self.outer))?;
        if let Some(inner) = &self.inner {
            let inner_envelope = layer_envelope(inner, SSE_KMS, state, bound | INNER, content(inner))?;
            envelope.fields.insert(field::INNER_ENVELOPE, wrapped(inner_envelope, inner, name).encode());
        }
        if let Some(fixed) = self.envelope_len {
            let unpadded = envelope.encode().len();
            let padding = fixed.checked_sub(unpadded + 4).ok_or(Error::LimitExceeded)?;
            if 80 + 48 + usize::from(u16::MAX) < fixed {
                return Err(Error::LimitExceeded);
            }
            envelope.fields.insert(field::PADDING, vec![0; padding]);
        }
        Ok(wrapped(envelope, &self.outer, name).encode())
    }
}

fn layer_envelope(
    layer: &Layer,
    mode: u8,
    state: u8,
    flags: u16,
    content: BTreeMap<u16, Vec<u8>>,
) -> Result<Envelope, Error> {
    let values = [
        (field::KEY_ID, layer.key_id.as_ref().map(|id| id.as_bytes().to_vec())),
        (field::KEY_VERSION, layer.key_version.map(|version| version.to_be_bytes().to_vec())),
        (field::WRAPPED_KEK, layer.wrapped_kek.clone()),
        (field::CONTEXT, pairs::field(&layer.pairs)?),
    ];
    let present = values.into_iter().filter_map(|(kind, value)| Some((kind, value?)));
    Ok(Envelope {
        mode,
        state,
        flags,
        wrap_salt: layer.wrap_salt,
        verifier: verifier(&layer.kek, &layer.wrap_salt, mode),
        fields: present.chain(content).collect::<BTreeMap<_, _>>(),
        wrapped_key: [0; 48],
    })
}

fn wrapped(mut envelope: Envelope, layer: &Layer, name: Option<&Name>) -> Envelope {
    wrap(&mut envelope, &layer.kek, name, &layer.data_key);
    envelope
}

/// What a reader brings: the name it asks for, and the KEKs from the outer layer inward. All modes are
/// accepted.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    /// Nothing: the reader expects unbound envelopes.
    pub name: Option<Name>,
    /// One for each layer.
    pub keks: Vec<[u8; 32]>,
    /// Which keys these are. Nothing: the KEKs are used whatever the envelope says.
    pub keys: Option<Vec<Keys>>,
}

/// The only key that a reader accepts for one layer.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Another one is Unexpected.
    pub key_id: Option<String>,
    /// Another one is not there: KeyProvider.
    pub key_version: Option<u32>,
}

impl Reader {
    /// Steps 1 to 4.
    pub fn accept(&self, envelope: &[u8]) -> Result<Envelope, Error> {
        let envelope = parse::decode(envelope)?;
        if envelope.is_bound() != self.name.is_some() {
            return Err(Error::Unexpected);
        }
        for (layer, accepted) in envelope.layers().iter().zip(self.keys.iter().flatten()) {
            let key_id = accepted.key_id.as_ref().map(|id| id.as_bytes().to_vec());
            if layer.fields.get(&field::KEY_ID) != key_id.as_ref() {
                return Err(Error::Unexpected);
            }
        }
        if envelope.state == UPLOAD {
            return Err(Error::UploadNotComplete);
        }
        if let (Some(name), SSE_KMS | DSSE_KMS) = (&self.name, envelope.mode) {
            name.arn(envelope.flags & BUCKET_KEY != 0)?;
        }
        Ok(envelope)
    }

    /// The data keys, from the outer layer inward.
    pub fn unwrap(&self, envelope: &Envelope) -> Result<Vec<[u8; 32]>, Error> {
        let layers = envelope.layers();
        if layers.len() != self.keks.len() {
            return Err(Error::KeyProvider);
        }
        for (layer, accepted) in layers.iter().zip(self.keys.iter().flatten()) {
            if layer.key_version() != accepted.key_version {
                return Err(Error::KeyProvider);
            }
        }
        let unwrap = |(layer, kek)| unwrap(layer, kek, self.name.as_ref());
        layers.iter().zip(&self.keks).map(unwrap).collect()
    }

    /// A whole object.
    pub fn decrypt(&self, envelope: &[u8], manifest: Option<&[u8]>, body: &[u8]) -> Result<Vec<u8>, Error> {
        let envelope = self.accept(envelope)?;
        let data_keys = self.unwrap(&envelope)?;
        if envelope.state == MULTIPART {
            return open_multipart(&envelope, &data_keys, manifest, body);
        }
        let message_header = |layer: &Envelope| layer.fields[&field::MESSAGE_HEADER].clone();
        let headers: Vec<Vec<u8>> = envelope.layers().iter().map(message_header).collect();
        let plaintext = open_layers(&headers, &data_keys, &object_context(), body)?;
        match envelope.plaintext_len() {
            Some(len) if len != plaintext.len() as u64 => Err(Error::Inauthentic),
            _ => Ok(plaintext),
        }
    }

    /// An inline container: `envelope || manifest || body`, the manifest in state 3 alone.
    pub fn decrypt_inline(&self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let len = parse::check_first_16(bytes)?;
        let mut rest = bytes;
        let envelope_bytes = take(&mut rest, len).ok_or(Error::Malformed)?;
        let envelope = self.accept(envelope_bytes)?;
        let mut manifest = None;
        if let Some((parts, _, _)) = envelope.manifest() {
            let len = manifest_len(parts, envelope.layers().len());
            let len = usize::try_from(len).map_err(|_| Error::Truncated)?;
            manifest = Some(take(&mut rest, len).ok_or(Error::Truncated)?);
        }
        self.decrypt(envelope_bytes, manifest, rest)
    }

    /// A trailer container, `body || envelope`, of a store whose envelopes have `fixed_len` bytes and whose objects have
    /// this many layers.
    pub fn decrypt_trailer(&self, bytes: &[u8], fixed_len: usize, layers: usize) -> Result<Vec<u8>, Error> {
        let body_len = bytes.len().checked_sub(fixed_len).ok_or(Error::Truncated)?;
        if body_len < 72 * layers {
            return Err(Error::Truncated);
        }
        let (body, envelope) = bytes.split_at(body_len);
        let decoded = parse::decode(envelope)?;
        if !decoded.fields.contains_key(&field::PADDING) {
            return Err(Error::Malformed);
        }
        if decoded.state == MULTIPART || decoded.layers().len() != layers {
            return Err(Error::Unexpected);
        }
        self.decrypt(envelope, None, body)
    }
}

fn open_multipart(
    envelope: &Envelope,
    data_keys: &[[u8; 32]],
    manifest: Option<&[u8]>,
    body: &[u8],
) -> Result<Vec<u8>, Error> {
    let manifest = manifest.ok_or(Error::ManifestRequired)?;
    let fields: Vec<_> = envelope.layers().iter().filter_map(Envelope::manifest).collect();
    let headers: Vec<Vec<u8>> = fields.iter().map(|(_, _, header)| header.clone()).collect();
    let (count, total, _) = fields[0];
    let records = open_layers(&headers, data_keys, &manifest_context(), manifest)?;
    let parts = parse_manifest(&records, data_keys.len(), count, total)?;
    open_parts(&parts, data_keys, body)
}
