//! Sealed values and receipts with the data key and salt of a vector: in an object whose message has that salt, or in
//! an upload without a message.

use atrest::multipart::{Receipt, Upload};
use atrest::{
    Backend, Decryptor, Envelope, EnvelopeState, Error, Expected, KmsKeys, ModeId, ObjectName, Result, SealedValue,
    Sse, Unlock,
};
use atrest_reference::object::{Layer, Write, encrypt};
use atrest_reference::upload::begin;
use serde::Deserialize;

use super::cases::{Bytes, Hex, json, some};
use atrest_kit::{OneKey, Playback, backends, class, keyring};

#[derive(Deserialize)]
struct Derivations {
    wrap: Wrap,
    sealed_values: Vec<Stated>,
    wrong_sealed_values: Vec<Stated>,
    wrong_receipts: Vec<Wrong>,
}

#[derive(Deserialize)]
struct Wrap {
    kek: Hex<32>,
    name: [Bytes; 5],
    envelope: Bytes,
}

#[derive(Deserialize)]
struct Stated {
    data_keys: Vec<Hex<32>>,
    of: Hex<24>,
    name: String,
    #[serde(default)]
    salts: Vec<Hex<24>>,
    #[serde(default)]
    value: Option<Bytes>,
    sealed: Bytes,
    #[serde(default)]
    case: String,
    #[serde(default)]
    expect: String,
}

#[derive(Deserialize)]
struct Wrong {
    case: String,
    sealed: Bytes,
    expect: String,
}

/// The handle that seals and opens under the stated data keys and salt.
enum Holder {
    Object(Decryptor),
    Upload(Upload),
}

impl Holder {
    fn seal(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        match self {
            Self::Object(object) => object.values().seal(name, value),
            Self::Upload(upload) => upload.values().seal(name, value),
        }
    }

    fn open(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        match self {
            Self::Object(object) => object.values().open(name, sealed),
            Self::Upload(upload) => upload.values().open(name, sealed),
        }
    }
}

/// The handle with the stated keys, from an envelope that the oracle wraps. A salt of zeros stands for an upload.
fn holder(stated: &Stated, backend: Backend, playback: &Playback) -> Holder {
    let layer = |at: usize| Layer {
        kek: [at as u8 + 1; 32],
        key_id: Some(format!("key-{at}")),
        key_version: (at == 0).then_some(1),
        wrapped_kek: (at == 1).then(|| b"wrapped".to_vec()),
        wrap_salt: [7; 32],
        data_key: stated.data_keys[at].0,
        // Values go by the innermost message.
        message_salt: if at + 1 == stated.data_keys.len() { stated.of.0 } else { [8; 24] },
        ..Layer::default()
    };
    let two = stated.data_keys.len() == 2;
    let (mode, inner) = if two { (3, Some(layer(1))) } else { (1, None) };
    let write = Write { mode, name: None, outer: layer(0), inner, len_known: false, envelope_len: None };
    let generator = playback.clone();
    let sse = Sse::builder().keyring(keyring("key-0", 1, [1; 32]).unwrap()).backend(backend);
    let sse = sse.kms(OneKey::new("key-1", b"wrapped", [2; 32]), KmsKeys::only(["key-1"]));
    let sse = sse.generator(move || generator.clone()).build().unwrap().blocking();
    let unbound = ObjectName::unbound();
    if stated.of.0 == [0; 24] {
        let envelope = Envelope::decode(&begin(&write, b"").unwrap()).unwrap();
        let expected = Expected::exactly(&envelope);
        Holder::Upload(sse.resume_multipart(&unbound, b"", &envelope, &expected, Unlock::Server).unwrap())
    } else {
        let envelope = Envelope::decode(&encrypt(&write, b"meow").unwrap().0).unwrap();
        Holder::Object(sse.decryptor(&unbound, &envelope, Unlock::Server).unwrap())
    }
}

fn for_each(cases: &[Stated], mut check: impl FnMut(&Stated, Backend)) {
    for case in cases {
        for backend in backends() {
            // Two layers take both implementations.
            if case.data_keys.len() == 1 || Backend::available().count() > 1 {
                check(case, backend);
            }
        }
    }
}

#[test]
fn every_sealed_value_opens_and_is_sealed_again_byte_for_byte() {
    let cases = some(json::<Derivations>("derivations.json").sealed_values);
    for_each(&cases, |case, backend| {
        let playback = Playback::of(&case.salts.iter().flat_map(|salt| salt.0).collect::<Vec<_>>());
        let holder = holder(case, backend, &playback);
        let (value, sealed) = (&case.value.as_ref().unwrap().0, SealedValue::from_bytes(case.sealed.0.clone()));
        assert_eq!(holder.open(&case.name, &sealed).unwrap(), *value);
        assert_eq!(holder.seal(&case.name, value).unwrap(), sealed, "{}", case.name);
        assert!(playback.is_used_up());
    });
}

#[test]
fn every_wrong_sealed_value_is_refused_with_its_class() {
    let cases = some(json::<Derivations>("derivations.json").wrong_sealed_values);
    for_each(&cases, |case, backend| {
        let holder = holder(case, backend, &Playback::default());
        let refused = holder.open(&case.name, &SealedValue::from_bytes(case.sealed.0.clone()));
        assert_eq!(class(&refused.expect_err(&case.case)), case.expect, "{}", case.case);
    });
}

/// The stated upload: its object's name, its id, and what unwraps it.
fn stated_upload() -> (ObjectName, Vec<u8>, Envelope, Sse) {
    let Wrap { kek, name, envelope } = json::<Derivations>("derivations.json").wrap;
    let [realm, bucket, key, version_id, upload_id] = name.map(|component| component.0);
    let object = ObjectName::new(bucket, key).unwrap().with_realm(realm).unwrap().with_version_id(version_id).unwrap();
    let decoded = Envelope::decode(&envelope.0).unwrap();
    assert_eq!(decoded.encode(), envelope.0);
    let sse = Sse::builder().keyring(keyring("master", 3, kek.0).unwrap()).build().unwrap();
    (object, upload_id, decoded, sse)
}

#[test]
fn the_stated_upload_is_resumed_and_opens_no_object() {
    let (object, id, envelope, sse) = stated_upload();
    let sse = sse.blocking();
    assert_eq!((envelope.state(), envelope.mode()), (EnvelopeState::Upload, ModeId::SseS3));
    assert_eq!((envelope.key_id(), envelope.key_version()), (Some("master"), Some(3)));
    assert_eq!((envelope.parts(), envelope.manifest_len(), envelope.plaintext_len()), (None, None, None));
    let refused = sse.decryptor(&object, &envelope, Unlock::Server);
    assert!(matches!(refused, Err(Error::UploadNotComplete)));
    let expected = Expected::exactly(&envelope);
    let upload = sse.resume_multipart(&object, &id, &envelope, &expected, Unlock::Server).unwrap();
    assert_eq!((upload.envelope(), upload.object(), upload.upload_id()), (&envelope, &object, &id[..]));
}

#[test]
fn every_wrong_receipt_is_refused_with_its_class() {
    let (object, id, envelope, sse) = stated_upload();
    let expected = Expected::exactly(&envelope);
    let upload = sse.blocking().resume_multipart(&object, &id, &envelope, &expected, Unlock::Server).unwrap();
    for case in some(json::<Derivations>("derivations.json").wrong_receipts) {
        let refused = upload.open_receipt(&Receipt::from_bytes(case.sealed.0)).expect_err(&case.case);
        assert_eq!(class(&refused), case.expect, "{}", case.case);
    }
}
