//! Derivations and small encodings, each through the public API.

use atrest::error::{CustomerKeyError, EnvelopeError};
use atrest::geometry::Layers;
use atrest::{
    CustomerKey, Encrypted, Envelope, EnvelopeState, Error, Expected, Keyring, ModeId, ObjectName, RootKey, Sse,
    Unlock, VersionState,
};
use atrest_reference::envelope::SSE_C;
use atrest_reference::name::Name;
use atrest_reference::object::{Layer, Reader, Write, encrypt};
use serde::Deserialize;

use super::cases::{Bytes, Hex, json, some};
use atrest_kit::{C, OneKey, Playback, class, keyring, plain};

#[derive(Deserialize)]
struct Derivations {
    verifiers_by_mode: Verifiers,
    ctx: Vec<Ctx>,
    sealed_keyring: SealedKeyring,
    wrong_sealed_files: Vec<WrongFile>,
    inline: Vec<Inline>,
    bad_lengths: Vec<u64>,
    lengths: Vec<[u64; 3]>,
}

#[derive(Deserialize)]
struct Verifiers {
    kek: Hex<32>,
    wrap_salt: Hex<32>,
    #[serde(rename = "1")]
    sse_s3: Hex<32>,
    #[serde(rename = "2")]
    sse_kms: Hex<32>,
    #[serde(rename = "3")]
    dsse_kms: Hex<32>,
    #[serde(rename = "4")]
    sse_c: Hex<32>,
}

#[derive(Deserialize)]
struct Ctx {
    name: Option<[Bytes; 5]>,
    ctx: Bytes,
}

#[derive(Deserialize)]
struct SealedKeyring {
    root_key: Hex<32>,
    sealed: Bytes,
    key_id: String,
    generation: u64,
    primary: u32,
    next_version: u32,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
    state: u8,
    created: u64,
    key: Hex<32>,
}

#[derive(Deserialize)]
struct WrongFile {
    case: String,
    root_key: Hex<32>,
    sealed: Bytes,
    expect: String,
}

#[derive(Deserialize)]
struct Inline {
    keks: Vec<Hex<32>>,
    bytes: Bytes,
    plaintext_len: usize,
    envelope_len: usize,
    manifest_len: usize,
}

fn derivations() -> Derivations {
    json("derivations.json")
}

fn root_key(bytes: Hex<32>) -> RootKey {
    RootKey::from_bytes(&mut bytes.0.clone()).unwrap()
}

/// An object with the stated salt, as the oracle writes it; the oracle's verifiers are held to the same file.
fn written(mode: u8, name: Option<Name>, kek: [u8; 32], wrap_salt: [u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let outer = Layer {
        kek,
        key_id: (mode != SSE_C).then(|| "key".to_owned()),
        key_version: [1, 3].contains(&mode).then_some(7),
        wrapped_kek: (mode == 2).then(|| b"wrapped".to_vec()),
        wrap_salt,
        data_key: [3; 32],
        message_salt: [4; 24],
        ..Layer::default()
    };
    let inner = (mode == 3).then(|| Layer {
        key_version: None,
        wrapped_kek: Some(b"wrapped".to_vec()),
        wrap_salt: [5; 32],
        data_key: [6; 32],
        message_salt: [7; 24],
        ..outer.clone()
    });
    let write = Write { mode, name, outer, inner, len_known: false, envelope_len: None };
    encrypt(&write, &plain(100)).unwrap()
}

#[test]
fn the_verifier_of_every_mode_is_the_stated_one() {
    let stated = derivations().verifiers_by_mode;
    let Verifiers { kek: Hex(kek), wrap_salt: Hex(wrap_salt), .. } = stated;
    for (mode, verifier) in [(1, stated.sse_s3), (2, stated.sse_kms), (3, stated.dsse_kms), (4, stated.sse_c)] {
        if mode == 3 && atrest::Backend::available().count() == 1 {
            continue;
        }
        let (envelope, body) = written(mode, None, kek, wrap_salt);
        assert_eq!(envelope[48..80], verifier.0);
        let encrypted = Encrypted::new(Envelope::decode(&envelope).unwrap(), body);
        let sse = Sse::builder().keyring(keyring("key", 7, kek).unwrap());
        let sse = sse.kms(OneKey::new("key", b"wrapped", kek), atrest::KmsKeys::all()).build().unwrap();
        let customer_key = CustomerKey::from_bytes(&mut kek.clone()).unwrap();
        let unlock = if mode == SSE_C { Unlock::CustomerKey(&customer_key) } else { Unlock::Server };
        let opened = sse.blocking().decrypt(&ObjectName::unbound(), &encrypted, unlock).unwrap();
        assert_eq!(opened, plain(100), "mode {mode}");
    }
}

#[test]
fn a_customer_key_is_recognised_by_its_verifier_and_by_every_byte_of_it() {
    let Verifiers { kek: Hex(kek), wrap_salt: Hex(wrap_salt), .. } = derivations().verifiers_by_mode;
    let (envelope, _) = written(SSE_C, None, kek, wrap_salt);
    let key = CustomerKey::from_bytes(&mut kek.clone()).unwrap();
    Envelope::decode(&envelope).unwrap().verify_customer_key(&key).unwrap();
    for at in 16..80 {
        let mut changed = envelope.clone();
        changed[at] ^= 1;
        let refused = Envelope::decode(&changed).unwrap().verify_customer_key(&key);
        assert!(matches!(refused, Err(Error::CustomerKey(CustomerKeyError::Mismatch))), "byte {at}");
    }
    for at in 0..32 {
        let mut other = kek;
        other[at] ^= 0x80;
        let refused =
            Envelope::decode(&envelope).unwrap().verify_customer_key(&CustomerKey::from_bytes(&mut other).unwrap());
        assert!(matches!(refused, Err(Error::CustomerKey(CustomerKeyError::Mismatch))), "byte {at}");
    }
}

#[test]
fn every_name_is_bound_as_its_stated_ctx() {
    for Ctx { name, ctx } in some(derivations().ctx) {
        let name = name.map(|name| name.map(|component| component.0));
        let name =
            name.map(|[realm, bucket, key, version_id, upload_id]| Name { realm, bucket, key, version_id, upload_id });
        assert_eq!(atrest_reference::name::ctx(name.as_ref()), ctx.0);
        let object = match &name {
            None => ObjectName::unbound(),
            Some(name) => {
                let object = ObjectName::new(&name.bucket, &name.key).unwrap();
                object.with_realm(&name.realm).unwrap().with_version_id(&name.version_id).unwrap()
            }
        };
        let upload_id = name.as_ref().map(|name| name.upload_id.clone()).filter(|id| !id.is_empty());
        if let Some(upload_id) = upload_id {
            resumes(&object, &upload_id, name);
            continue;
        }
        let (envelope, body) = written(1, name, [1; 32], [2; 32]);
        let encrypted = Encrypted::new(Envelope::decode(&envelope).unwrap(), body);
        let sse = Sse::builder().keyring(keyring("key", 7, [1; 32]).unwrap()).build().unwrap();
        let opened = sse.blocking().decrypt(&object, &encrypted, Unlock::Server).unwrap();
        assert_eq!(opened, plain(100));
    }
}

/// The name of an upload is that of the object, and its id.
fn resumes(object: &ObjectName, upload_id: &[u8], name: Option<Name>) {
    let outer = Layer {
        kek: [1; 32],
        key_id: Some("key".to_owned()),
        key_version: Some(7),
        data_key: [3; 32],
        ..Layer::default()
    };
    let write = Write { mode: 1, name, outer, inner: None, len_known: false, envelope_len: None };
    let envelope = Envelope::decode(&atrest_reference::upload::begin(&write, upload_id).unwrap()).unwrap();
    let sse = Sse::builder().keyring(keyring("key", 7, [1; 32]).unwrap()).build().unwrap().blocking();
    let expected = Expected::exactly(&envelope);
    sse.resume_multipart(object, upload_id, &envelope, &expected, Unlock::Server).unwrap();
    let refused = sse.resume_multipart(object, b"another", &envelope, &expected, Unlock::Server);
    assert!(matches!(refused, Err(Error::Inauthentic)), "{refused:?}");
}

#[test]
fn an_inline_object_is_split_where_stated_and_opens() {
    for case in some(derivations().inline) {
        let bytes = &case.bytes.0;
        assert_eq!(Envelope::inline_len(&bytes[..16]).unwrap(), case.envelope_len);
        let (envelope, len) = Envelope::decode_inline(bytes).unwrap();
        assert_eq!(len, case.envelope_len);
        assert_eq!(envelope.encode(), bytes[..len]);
        for cut in [0, 15] {
            let refused = Envelope::decode_inline(&bytes[..cut]);
            assert!(matches!(refused, Err(Error::Envelope(EnvelopeError::NotAnEnvelope))));
        }
        let refused = Envelope::decode_inline(&bytes[..len - 1]);
        assert!(matches!(refused, Err(Error::Envelope(EnvelopeError::Malformed(_)))));
        let is_multipart = envelope.state() == EnvelopeState::Multipart;
        assert_eq!(is_multipart, case.manifest_len > 0);
        assert_eq!(envelope.manifest_len().unwrap_or(0), case.manifest_len as u64);
        let encrypted = Encrypted::from_inline(bytes).unwrap();
        assert_eq!(encrypted.to_inline().unwrap(), *bytes);
        let key = (envelope.key_id().unwrap(), envelope.key_version().unwrap());
        let mut sse = Sse::builder().keyring(keyring(key.0, key.1, case.keks[0].0).unwrap());
        if let (Some(key_id), Some(kek)) = (envelope.kms_key_id(), case.keks.get(1)) {
            sse = sse.kms(OneKey::new(key_id, b"any", kek.0), atrest::KmsKeys::only([key_id]));
        }
        if is_multipart && atrest::Backend::available().count() == 1 {
            continue;
        }
        let sse = sse.build().unwrap().blocking();
        let decrypt = |stored: &Encrypted| sse.decrypt(&ObjectName::unbound(), stored, Unlock::Server);
        assert_eq!(decrypt(&encrypted).unwrap(), plain(case.plaintext_len));
        for cut in [0, 1, 100, case.manifest_len].map(|more| len + more.min(case.manifest_len)) {
            let cut = Encrypted::from_inline(&bytes[..cut]).unwrap();
            assert!(matches!(decrypt(&cut), Err(Error::Truncated)));
        }
        let unlisted = Encrypted::new(envelope, encrypted.ciphertext);
        let read = decrypt(&unlisted);
        assert!(if is_multipart { matches!(read, Err(Error::ManifestRequired)) } else { read.is_ok() });
    }
}

#[test]
fn lengths_are_as_stated_in_both_directions() {
    let Derivations { bad_lengths, lengths, .. } = derivations();
    let one_layer = [ModeId::SseS3, ModeId::SseKms, ModeId::SseC];
    for bad in some(bad_lengths) {
        assert_eq!(Layers::One.plaintext_len(bad), None, "{bad}");
        assert_eq!(Layers::Two.plaintext_len(bad), None, "{bad}");
        assert!(one_layer.iter().all(|mode| mode.plaintext_len(bad).is_none()), "{bad}");
        assert_eq!(ModeId::DsseKms.plaintext_len(bad), None, "{bad}");
    }
    for [plain, one, two] in some(lengths) {
        assert_eq!((Layers::One.ciphertext_len(plain), Layers::Two.ciphertext_len(plain)), (Some(one), Some(two)));
        assert_eq!((Layers::One.plaintext_len(one), Layers::Two.plaintext_len(two)), (Some(plain), Some(plain)));
        for mode in one_layer {
            assert_eq!((mode.ciphertext_len(plain), mode.plaintext_len(one)), (Some(one), Some(plain)));
        }
        let dsse = ModeId::DsseKms;
        assert_eq!((dsse.ciphertext_len(plain), dsse.plaintext_len(two)), (Some(two), Some(plain)));
    }
}

#[test]
fn every_length_up_to_five_chunks_is_the_oracles() {
    for len in 0..5 * C as u64 {
        assert_eq!(Layers::One.ciphertext_len(len), atrest_reference::message::stored_len(len, 1));
        assert_eq!(Layers::Two.ciphertext_len(len), atrest_reference::message::stored_len(len, 2));
        assert_eq!(Layers::One.plaintext_len(len), atrest_reference::message::plaintext_len(len));
    }
    let most = [1, 2].map(atrest_reference::message::max_plaintext);
    assert_eq!([Layers::One, Layers::Two].map(Layers::max_plaintext_len), most);
}

#[test]
fn the_stated_keyring_opens_with_its_versions_and_their_keys() {
    let stated = derivations().sealed_keyring;
    let keyring = Keyring::from_sealed_blocking(&stated.sealed.0, &root_key(stated.root_key)).unwrap();
    let keyring = keyring.with_changes_lost_on_exit();
    assert_eq!(keyring.key_id(), stated.key_id);
    assert_eq!((keyring.primary(), keyring.generation()), (stated.primary, stated.generation));
    let versions = keyring.versions();
    assert_eq!(versions.len(), stated.versions.len());
    let sse = Sse::builder().keyring(keyring.clone()).build().unwrap();
    for (version, stated_version) in versions.iter().zip(&stated.versions) {
        let state =
            [VersionState::Staged, VersionState::Enabled, VersionState::Disabled][usize::from(stated_version.state)];
        assert_eq!((version.number, version.state), (stated_version.version, state));
        let created = version.created.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(created.as_millis(), u128::from(stated_version.created));
        // Its key is shown by what it opens: staged and enabled versions do, disabled ones open nothing.
        let layer = Layer {
            kek: stated_version.key.0,
            key_id: Some(stated.key_id.clone()),
            key_version: Some(version.number),
            data_key: [1; 32],
            ..Layer::default()
        };
        let write = Write { mode: 1, name: None, outer: layer, inner: None, len_known: false, envelope_len: None };
        let (envelope, body) = encrypt(&write, b"meow").unwrap();
        let encrypted = Encrypted::new(Envelope::decode(&envelope).unwrap(), body);
        let opened = sse.blocking().decrypt(&ObjectName::unbound(), &encrypted, Unlock::Server);
        match state {
            VersionState::Disabled => assert_eq!(class(&opened.unwrap_err()), "KeyProvider"),
            _ => assert_eq!(opened.unwrap(), b"meow"),
        }
    }
    assert_eq!(keyring.blocking().stage().unwrap(), stated.next_version);
}

#[test]
fn a_keyring_that_the_library_seals_opens_for_the_oracle() {
    let stated = derivations().sealed_keyring;
    let root = stated.root_key;
    let keyring = Keyring::from_sealed_blocking(&stated.sealed.0, &root_key(root)).unwrap();
    let before = atrest_reference::sealed_file::open_keyring(&root.0, &stated.sealed.0).unwrap();
    let sealed = keyring.blocking().seal(&root_key(root)).unwrap();
    assert_ne!(sealed, stated.sealed.0, "a fresh salt at every write");
    let after = atrest_reference::sealed_file::open_keyring(&root.0, &sealed).unwrap();
    let generation = after.generation;
    assert_eq!(after, atrest_reference::sealed_file::Keyring { generation, ..before });
}

#[test]
fn every_wrong_sealed_file_is_refused_with_its_class() {
    for case in some(derivations().wrong_sealed_files) {
        let refused = Keyring::from_sealed_blocking(&case.sealed.0, &root_key(case.root_key)).expect_err(&case.case);
        assert_eq!(class(&refused), case.expect, "{}: {refused:?}", case.case);
    }
}

#[test]
fn an_object_that_the_library_writes_under_a_name_opens_for_the_oracle() {
    let name = Name {
        realm: b"realm".to_vec(),
        bucket: b"bucket".to_vec(),
        key: b"key".to_vec(),
        version_id: b"v".to_vec(),
        upload_id: Vec::new(),
    };
    let object = ObjectName::new("bucket", "key").unwrap().with_realm("realm").unwrap().with_version_id("v").unwrap();
    let playback = Playback::of(&[8; 88]);
    let sse = Sse::builder().keyring(keyring("key", 7, [1; 32]).unwrap());
    let sse = sse.generator(move || playback.clone()).build().unwrap();
    let encrypted = sse.blocking().encrypt(&object, atrest::SseS3, &plain(100)).unwrap();
    let reader = Reader { name: Some(name), keks: vec![[1; 32]], keys: None };
    let opened = reader.decrypt(&encrypted.envelope.encode(), None, &encrypted.ciphertext);
    assert_eq!(opened, Ok(plain(100)));
}
