//! Parsers of `accept.json` and `reject.json`, with readers and writers of their objects.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use atrest::{
    AnyMode, Backend, CustomerKey, Decryptor, DsseKms, Encrypted, EncryptionContext, Envelope, KmsKeys, ObjectName,
    Result, Sse, SseBuilder, SseC, SseKms, SseS3, Unlock, multipart::Receipt,
};
use atrest_reference::envelope::{Envelope as Layer, field};
use atrest_reference::name::Name;
use atrest_reference::parse;
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Deserializer};

use atrest_kit::{Body, OneKey, Playback, keyring};

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

/// One object, which must open or must be refused.
#[derive(Deserialize)]
pub(crate) struct Case {
    #[serde(rename = "case")]
    pub(crate) title: String,
    pub(crate) mode: Option<String>,
    keks: Vec<Hex<32>>,
    data_keys: Vec<Hex<32>>,
    name: Option<[Bytes; 5]>,
    context: Vec<(String, String)>,
    envelope: Bytes,
    pub(crate) plaintext_len: Option<usize>,
    #[serde(deserialize_with = "base64")]
    pub(crate) body: Vec<u8>,
    manifest: Option<Bytes>,
    /// Number and plaintext length of each part.
    #[serde(default)]
    pub(crate) parts: Vec<(u32, usize)>,
    #[serde(default)]
    receipts: Vec<Bytes>,
    expect: Option<String>,
}

pub(crate) fn load(file: &str) -> Vec<Case> {
    let cases: Cases = json(file);
    some(cases.cases)
}

/// Checks that there is at least one case, because an empty list would pass every test.
pub(crate) fn some<T>(cases: Vec<T>) -> Vec<T> {
    assert!(!cases.is_empty(), "a list of vectors without a case");
    cases
}

/// Reads a file of the vectors: from the folder that `ATREST_VECTORS` names, or from `tests/vectors/data`.
pub(crate) fn json<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let other = std::env::var_os("ATREST_VECTORS").map(PathBuf::from);
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/data");
    let path = other.unwrap_or_else(own).join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// One stored object of `trailer.json`, which must open or must be refused.
#[derive(Deserialize)]
pub(crate) struct Trailer {
    #[serde(rename = "case")]
    title: String,
    mode: Option<String>,
    keks: Vec<Hex<32>>,
    data_keys: Vec<Hex<32>>,
    name: Option<[Bytes; 5]>,
    pub(crate) envelope_len: usize,
    plaintext_len: Option<usize>,
    pub(crate) store_of_dsse: bool,
    /// The modes that the reader allows: all if there are none here.
    #[serde(default)]
    pub(crate) modes: Vec<String>,
    #[serde(deserialize_with = "base64")]
    pub(crate) stored: Vec<u8>,
    expect: Option<String>,
}

impl Trailer {
    /// The object in two pieces: the last bytes as its envelope, and the rest as its body.
    pub(crate) fn case(&self) -> Case {
        let (body, envelope) = self.stored.split_at(self.stored.len().saturating_sub(self.envelope_len));
        Case {
            title: self.title.clone(),
            mode: self.mode.clone(),
            keks: self.keks.clone(),
            data_keys: self.data_keys.clone(),
            name: self.name.clone(),
            context: Vec::new(),
            envelope: Bytes(envelope.to_vec()),
            plaintext_len: self.plaintext_len,
            body: body.to_vec(),
            manifest: None,
            parts: Vec::new(),
            receipts: Vec::new(),
            expect: self.expect.clone(),
        }
    }
}

impl Case {
    pub(crate) fn envelope(&self) -> &[u8] {
        &self.envelope.0
    }

    pub(crate) fn kek(&self, layer: usize) -> [u8; 32] {
        self.keks[layer].0
    }

    pub(crate) fn context(&self) -> &[(String, String)] {
        &self.context
    }

    pub(crate) fn is_multipart(&self) -> bool {
        self.manifest.is_some()
    }

    pub(crate) fn manifest(&self) -> &[u8] {
        self.manifest.as_ref().map(|manifest| &manifest.0[..]).unwrap_or_default()
    }

    pub(crate) fn receipts(&self) -> Vec<Receipt> {
        self.receipts.iter().map(|receipt| Receipt::from_bytes(receipt.0.clone())).collect()
    }

    pub(crate) fn data_keys(&self) -> Vec<[u8; 32]> {
        self.data_keys.iter().map(|key| key.0).collect()
    }

    /// The id of the upload in the case's name, if it has one.
    pub(crate) fn upload_id(&self) -> Option<&[u8]> {
        self.name.as_ref().map(|name| &name[4].0[..]).filter(|id| !id.is_empty())
    }

    /// Returns whether this build has enough backends: DSSE-KMS needs two.
    pub(crate) fn runs_in_this_build(&self) -> bool {
        self.keks.len() == 1 || Backend::available().count() > 1
    }

    pub(crate) fn expects(&self, class: &str) -> bool {
        self.expect.as_ref().expect("a case that is refused").split('|').any(|expected| expected == class)
    }

    pub(crate) fn object(&self) -> ObjectName {
        match &self.name {
            None => ObjectName::unbound(),
            Some([realm, bucket, key, version_id, _]) => {
                let name = ObjectName::new(&bucket.0, &key.0).expect("a name");
                name.with_realm(&realm.0).and_then(|name| name.with_version_id(&version_id.0)).expect("a name")
            }
        }
    }

    /// As the oracle names it.
    pub(crate) fn name(&self) -> Option<Name> {
        let component = |name: &[Bytes; 5], at: usize| name[at].0.clone();
        self.name.as_ref().map(|name| Name {
            realm: component(name, 0),
            bucket: component(name, 1),
            key: component(name, 2),
            version_id: component(name, 3),
            upload_id: component(name, 4),
        })
    }

    /// As the oracle reads it: the envelope, and in DSSE-KMS the inner one.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        parse::decode(self.envelope()).map(|envelope| envelope.layers()).unwrap_or_default()
    }

    /// Every random byte that went into the object, in the order in which the library draws them.
    pub(crate) fn randomness(&self) -> Vec<u8> {
        let mut drawn = Vec::new();
        for (layer, data_key) in self.layers().iter().zip(&self.data_keys) {
            drawn.extend_from_slice(&layer.wrap_salt);
            drawn.extend_from_slice(&data_key.0);
            drawn.extend_from_slice(&layer.fields[&field::MESSAGE_HEADER][..24]);
        }
        drawn
    }

    /// An `Sse` that accepts all modes and all KMS keys, and has this case's keys under every key id.
    pub(crate) fn sse(&self, backend: Backend, generator: Option<Playback>, envelope_len: Option<usize>) -> Sse {
        let mut sse = self.builder(backend, generator);
        if let Some(len) = envelope_len {
            sse = sse.envelope_len(len);
        }
        sse.build().expect("a builder that has everything")
    }

    /// The builder of such an `Sse`.
    pub(crate) fn builder(&self, backend: Backend, generator: Option<Playback>) -> SseBuilder {
        let mut sse = Sse::builder().backend(backend);
        let layers = self.layers();
        let text = |layer: &Layer| String::from_utf8(layer.fields[&field::KEY_ID].clone()).expect("a key id");
        let mut keyring_of = keyring("none", 1, [1; 32]).expect("a keyring");
        let mut kms = OneKey::new("none", b"none", [1; 32]);
        for (layer, kek) in layers.iter().zip(&self.keks) {
            match layer.fields.get(&field::WRAPPED_KEK) {
                Some(wrapped) => kms = OneKey::new(&text(layer), wrapped, kek.0),
                None => {
                    if let Some(version) = layer.key_version() {
                        keyring_of = keyring(&text(layer), version, kek.0).expect("a keyring");
                    }
                }
            }
        }
        if let Some(playback) = generator {
            sse = sse.generator(move || playback.clone());
        }
        sse.keyring(keyring_of).kms(kms, KmsKeys::all())
    }

    /// The fixed length of the envelope, if it was written with one: an envelope has padding for no other reason.
    pub(crate) fn fixed_len(&self) -> Option<usize> {
        let padded = self.layers().first().is_some_and(|layer| layer.fields.contains_key(&field::PADDING));
        padded.then_some(self.envelope.0.len())
    }

    /// Whether the header at the beginning of the body is another than the one in the envelope. A range reads the one in
    /// the envelope alone.
    pub(crate) fn has_another_header(&self) -> bool {
        let header = self.layers().first().and_then(|layer| layer.fields.get(&field::MESSAGE_HEADER).cloned());
        header.is_some_and(|header| !self.body.starts_with(&header))
    }

    /// The body, for every way of reading, with this plaintext.
    pub(crate) fn body(&self, backend: Backend, plain: Vec<u8>) -> Result<Body> {
        Ok(Body {
            what: format!("{}, {backend:?}", self.title),
            sse: self.sse(backend, None, None),
            object: self.object(),
            customer_key: self.customer_key().map(Arc::new),
            stored: self.stored()?,
            plain,
            decryptor: self.decryptor(backend)?,
        })
    }

    /// The customer key, where the envelope is one of SSE-C.
    pub(crate) fn customer_key(&self) -> Option<CustomerKey> {
        let is_sse_c = self.layers().first().is_some_and(|layer| layer.mode == 4);
        is_sse_c.then(|| CustomerKey::from_bytes(&mut self.keks[0].0.clone()).unwrap())
    }

    pub(crate) fn decryptor(&self, backend: Backend) -> Result<Decryptor> {
        let key = self.customer_key();
        let envelope = Envelope::decode(self.envelope())?;
        let decryptor = self.sse(backend, None, None).blocking().decryptor(&self.object(), &envelope, unlock(&key))?;
        if self.is_multipart() { decryptor.with_manifest(self.manifest()) } else { Ok(decryptor) }
    }

    /// The stored object, for a one-shot call.
    pub(crate) fn stored(&self) -> Result<Encrypted> {
        let encrypted = Encrypted::new(Envelope::decode(self.envelope())?, self.body.clone());
        Ok(if self.is_multipart() { encrypted.with_manifest(self.manifest()) } else { encrypted })
    }

    pub(crate) fn decrypt(&self, backend: Backend) -> Result<Vec<u8>> {
        let key = self.customer_key();
        self.sse(backend, None, None).blocking().decrypt(&self.object(), &self.stored()?, unlock(&key))
    }

    /// The mode to write the object in again.
    pub(crate) fn any_mode(&self) -> AnyMode {
        let mut context = EncryptionContext::new();
        for (name, value) in &self.context {
            context = context.with(name.clone(), value.clone()).expect("a pair");
        }
        match self.mode.as_deref() {
            Some("sse-s3") => SseS3.into(),
            Some("sse-kms") => {
                let bucket_key = Envelope::decode(self.envelope()).is_ok_and(|envelope| envelope.has_bucket_key());
                SseKms::new("any").with_context(context).with_bucket_key(bucket_key).into()
            }
            Some("dsse-kms") => DsseKms::new("any").with_context(context).into(),
            Some("sse-c") => SseC::new(Arc::new(self.customer_key().expect("a key"))).into(),
            other => panic!("{other:?} is no mode"),
        }
    }
}

pub(crate) fn unlock(key: &Option<CustomerKey>) -> Unlock<'_> {
    key.as_ref().map_or(Unlock::Server, Unlock::CustomerKey)
}

/// Bytes, in hex.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        HEXLOWER.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Exactly `N` bytes, in hex.
#[derive(Clone, Copy)]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?.0;
        let array = bytes.try_into().map_err(|_| serde::de::Error::custom("another length"))?;
        Ok(Self(array))
    }
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map_err(serde::de::Error::custom)
}
