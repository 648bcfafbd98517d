//! `Sample`: an object of the oracle, and the library configured to read or write the same object.

use std::sync::Arc;

use atrest::{
    AnyMode, Backend, CustomerKey, Decryptor, DsseKms, Encrypted, EncryptionContext, Envelope, KmsKeys, ObjectName,
    Result, Sse, SseC, SseKms, SseS3, Unlock,
};
use atrest_reference::envelope::{DSSE_KMS, SSE_C, SSE_KMS, SSE_S3};
use atrest_reference::name::Name;
use atrest_reference::object::{Keys, Layer, Reader, Write, encrypt};

use crate::bodies::Body;
use crate::playback::{Playback, keyring};
use crate::providers::OneKey;

/// The modes of this build: DSSE-KMS needs both implementations.
pub fn modes() -> Vec<u8> {
    let all = [SSE_S3, SSE_KMS, DSSE_KMS, SSE_C];
    all.into_iter().filter(|mode| *mode != DSSE_KMS || Backend::available().count() > 1).collect()
}

/// An object that the oracle wrote: its parameters, plaintext and stored bytes.
#[derive(Clone, Debug)]
pub struct Sample {
    pub write: Write,
    pub plaintext: Vec<u8>,
    pub envelope: Vec<u8>,
    pub body: Vec<u8>,
}

impl Sample {
    pub fn new(write: Write, plaintext: Vec<u8>) -> Self {
        let (envelope, body) = encrypt(&write, &plaintext).expect("an object that can be written");
        Self { write, plaintext, envelope, body }
    }

    /// A bound object in a mode, every optional field there but padding and length; `seed` varies all its
    /// randomness.
    pub fn of_mode(mode: u8, seed: u8, plaintext: Vec<u8>) -> Self {
        Self::new(write_of_mode(mode, seed), plaintext)
    }

    pub fn object(&self) -> ObjectName {
        match &self.write.name {
            None => ObjectName::unbound(),
            Some(name) => {
                let object = ObjectName::new(&name.bucket, &name.key).unwrap();
                object.with_realm(&name.realm).unwrap().with_version_id(&name.version_id).unwrap()
            }
        }
    }

    /// The oracle's reader, which accepts these very keys.
    pub fn reader(&self) -> Reader {
        let layers: Vec<&Layer> = [&self.write.outer].into_iter().chain(&self.write.inner).collect();
        let keys = |layer: &&Layer| Keys { key_id: layer.key_id.clone(), key_version: layer.key_version };
        Reader {
            name: self.write.name.clone(),
            keks: layers.iter().map(|layer| layer.kek).collect(),
            keys: Some(layers.iter().map(keys).collect()),
        }
    }

    pub fn builder(&self, backend: Backend) -> atrest::SseBuilder {
        let mut sse = Sse::builder().backend(backend);
        for layer in [&self.write.outer].into_iter().chain(&self.write.inner) {
            let Some(key_id) = &layer.key_id else { continue };
            sse = match (&layer.wrapped_kek, layer.key_version) {
                (Some(wrapped), _) => {
                    sse.kms(OneKey::new(key_id, wrapped, layer.kek), KmsKeys::only([key_id.as_str()]))
                }
                (None, version) => sse.keyring(keyring(key_id, version.unwrap_or(1), layer.kek).unwrap()),
            };
        }
        match self.write.envelope_len {
            Some(len) => sse.envelope_len(len),
            None => sse,
        }
    }

    /// An `Sse` that reads this object and no other.
    pub fn sse(&self, backend: Backend) -> Sse {
        self.builder(backend).build().unwrap()
    }

    /// An `Sse` that writes this object from the same randomness.
    pub fn writer(&self, backend: Backend) -> (Sse, Playback) {
        let mut drawn = Vec::new();
        for layer in [&self.write.outer].into_iter().chain(&self.write.inner) {
            drawn.extend_from_slice(&layer.wrap_salt);
            drawn.extend_from_slice(&layer.data_key);
            drawn.extend_from_slice(&layer.message_salt);
        }
        let playback = Playback::of(&drawn);
        let generator = playback.clone();
        (self.builder(backend).generator(move || generator.clone()).build().unwrap(), playback)
    }

    pub fn mode(&self) -> AnyMode {
        let layer = self.write.inner.as_ref().unwrap_or(&self.write.outer);
        let key_id = layer.key_id.clone().unwrap_or_default();
        let mut context = EncryptionContext::new();
        for (name, value) in &layer.pairs {
            context = context.with(name.clone(), value.clone()).unwrap();
        }
        match self.write.mode {
            SSE_S3 => SseS3.into(),
            SSE_KMS => SseKms::new(key_id).with_context(context).with_bucket_key(layer.bucket_key).into(),
            DSSE_KMS => DsseKms::new(key_id).with_context(context).into(),
            _ => SseC::new(Arc::new(self.customer_key())).into(),
        }
    }

    pub fn customer_key(&self) -> CustomerKey {
        CustomerKey::from_bytes(&mut self.write.outer.kek.clone()).unwrap()
    }

    /// The library's reader of these stored bytes.
    pub fn decryptor(&self, sse: &Sse, envelope: &[u8]) -> Result<Decryptor> {
        let key = self.customer_key();
        let unlock = if self.write.mode == SSE_C { Unlock::CustomerKey(&key) } else { Unlock::Server };
        sse.blocking().decryptor(&self.object(), &Envelope::decode(envelope)?, unlock)
    }

    /// The library's one-shot reading of these stored bytes.
    pub fn decrypt(&self, sse: &Sse, envelope: &[u8], body: &[u8]) -> Result<Vec<u8>> {
        let key = self.customer_key();
        let unlock = if self.write.mode == SSE_C { Unlock::CustomerKey(&key) } else { Unlock::Server };
        let encrypted = Encrypted::new(Envelope::decode(envelope)?, body.to_vec());
        sse.blocking().decrypt(&self.object(), &encrypted, unlock)
    }
}

impl Sample {
    /// The sample as a body under this envelope, for every way of reading.
    pub fn body(&self, sse: &Sse, envelope: &[u8]) -> Result<Body> {
        let customer_key = (self.write.mode == SSE_C).then(|| Arc::new(self.customer_key()));
        Ok(Body {
            what: format!("mode {}", self.write.mode),
            sse: sse.clone(),
            object: self.object(),
            customer_key,
            stored: Encrypted::new(Envelope::decode(envelope)?, self.body.clone()),
            plain: self.plaintext.clone(),
            decryptor: self.decryptor(sse, envelope)?,
        })
    }
}

/// How [`Sample::of_mode`] writes.
pub fn write_of_mode(mode: u8, seed: u8) -> Write {
    let fill = |what: u8| seed.wrapping_mul(16).wrapping_add(what);
    let pairs = vec![("team".to_owned(), "photos".to_owned()), ("a".to_owned(), String::new())];
    let kms = |layer: Layer| Layer {
        key_id: Some("arn:aws:kms:us-east-1:111122223333:key/0d5f".to_owned()),
        key_version: None,
        wrapped_kek: Some(b"wrapped by the KMS".to_vec()),
        pairs: pairs.clone(),
        ..layer
    };
    let keys = |more: u8, kek: u8| Layer {
        kek: [kek; 32],
        wrap_salt: [fill(more); 32],
        data_key: [fill(more + 1); 32],
        message_salt: [fill(more + 2); 24],
        ..Layer::default()
    };
    let keyring = |layer| Layer { key_id: Some("master".to_owned()), key_version: Some(3), ..layer };
    let (outer, inner) = match mode {
        SSE_S3 => (keyring(keys(1, 201)), None),
        SSE_KMS => (kms(keys(1, 202)), None),
        DSSE_KMS => (keyring(keys(1, 203)), Some(kms(keys(5, 204)))),
        _ => (keys(1, 205), None),
    };
    let name = Name {
        realm: b"realm".to_vec(),
        bucket: b"photos".to_vec(),
        key: "2026/cat \u{e9} //..".as_bytes().to_vec(),
        ..Name::default()
    };
    Write { mode, name: Some(name), outer, inner, len_known: false, envelope_len: None }
}
