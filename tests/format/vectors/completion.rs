//! `completion.json`: completion records made, opened, rewrapped, finished and refused, and uploads completed with
//! keys.

use atrest::error::KeyProviderErrorKind;
use atrest::multipart::{CompletedPart, CompletionRecord, EnvelopeOrRecord, KeptAttempt, Receipt, UnopenedPart};
use atrest::{
    Backend, CustomerKey, Encrypted, Envelope, Expected, Keyring, KmsKeys, MasterKey, ModeId, ObjectName, PartNumber,
    Result, Sse, SseBuilder, Unlock, VersionState,
};
use atrest_reference::completion::Record;
use atrest_reference::multipart::open_parts;
use atrest_reference::name::Name;
use data_encoding::BASE64;
use serde::Deserialize;

use super::cases::{Bytes, Hex, json, some};
use atrest_kit::{Faults, Faulty, OneKey, Playback, backends, class, plain};

#[derive(Deserialize)]
struct File {
    keyring: Keys,
    accept: Vec<Accept>,
    reject: Vec<Reject>,
    completed_with_keys: Vec<Completed>,
}

#[derive(Clone, Deserialize)]
struct Keys {
    key_id: String,
    primary: u32,
    versions: Vec<Version>,
}

#[derive(Clone, Deserialize)]
struct Version {
    version: u32,
    state: u8,
    key: Hex<32>,
}

#[derive(Deserialize)]
struct Accept {
    case: String,
    keyring: Option<Keys>,
    customer_key: Hex<32>,
    name: [Bytes; 5],
    upload_id: Bytes,
    upload_envelope: Bytes,
    parts: Vec<Part>,
    plaintext_len: usize,
    record_salt: Hex<32>,
    record: Bytes,
    rewrapped_from: Option<Bytes>,
    rewrap_salt: Option<Hex<32>>,
    finished: Finished,
    body: String,
}

#[derive(Deserialize)]
struct Part {
    number: u32,
    plaintext_len: u64,
    header: Hex<56>,
    label: Bytes,
    receipt: Bytes,
}

#[derive(Deserialize)]
struct Finished {
    manifest_salt: Hex<24>,
    wrap_salt: Hex<32>,
    manifest: Bytes,
    envelope: Bytes,
}

#[derive(Deserialize)]
struct Reject {
    case: String,
    refused_by: String,
    expect: String,
    customer_key: Hex<32>,
    name: Option<[Bytes; 5]>,
    records_expected: bool,
    modes: Vec<String>,
    keyring: Option<Keys>,
    record: Bytes,
}

#[derive(Deserialize)]
struct Completed {
    case: String,
    keks: Vec<Hex<32>>,
    name: [Bytes; 5],
    upload_id: Bytes,
    upload_envelope: Bytes,
    parts: Vec<StoredPart>,
    primary: Option<Primary>,
    finished: FinishedLayers,
    plaintext_len: usize,
    body: String,
}

#[derive(Deserialize)]
struct StoredPart {
    number: u32,
    label: Bytes,
    receipt: Bytes,
    stored_len: u64,
    header: Hex<56>,
}

#[derive(Deserialize)]
struct Primary {
    version: u32,
    key: Hex<32>,
}

#[derive(Deserialize)]
struct FinishedLayers {
    manifest_salts: Vec<Hex<24>>,
    wrap_salts: Vec<Hex<32>>,
    manifest: Bytes,
    envelope: Bytes,
}

impl Keys {
    fn keyring(&self, primary: u32) -> Keyring {
        let versions = self.versions.iter().map(|version| {
            let state = match version.state {
                0 => VersionState::Staged,
                1 => VersionState::Enabled,
                2 => VersionState::Disabled,
                other => panic!("{other} is no state"),
            };
            (version.version, state, MasterKey::from_bytes(&mut version.key.0.clone()).unwrap())
        });
        Keyring::from_versions(self.key_id.clone(), primary, versions).unwrap()
    }
}

fn name_of(name: &[Bytes; 5]) -> ObjectName {
    let object = ObjectName::new(&name[1].0, &name[2].0).unwrap();
    object.with_realm(&name[0].0).and_then(|object| object.with_version_id(&name[3].0)).unwrap()
}

fn builder(backend: Backend, keyring: Keyring, random: &[&[u8]]) -> (SseBuilder, Playback) {
    let playback = Playback::of(&random.concat());
    let generator = playback.clone();
    let builder = Sse::builder().backend(backend).keyring(keyring).generator(move || generator.clone());
    (builder.completion_records(), playback)
}

fn customer_key(key: Hex<32>) -> CustomerKey {
    CustomerKey::from_bytes(&mut key.0.clone()).unwrap()
}

fn for_each_accepted(mut check: impl FnMut(&Accept, &Keys, Backend)) {
    let file: File = json("completion.json");
    let accept = some(file.accept);
    for backend in backends() {
        for case in &accept {
            check(case, case.keyring.as_ref().unwrap_or(&file.keyring), backend);
        }
    }
}

#[test]
fn every_record_of_the_vectors_is_made_again_byte_for_byte() {
    for_each_accepted(|case, keys, backend| {
        // One that was rewrapped was made under the version before.
        let before = case.rewrapped_from.as_ref().map(|from| CompletionRecord::decode(&from.0).unwrap().key_version());
        let first = before.unwrap_or(keys.primary);
        let (sse, playback) = builder(backend, keys.keyring(first), &[&case.record_salt.0]);
        let sse = sse.build().unwrap().blocking();
        let envelope = Envelope::decode(&case.upload_envelope.0).unwrap();
        let kept: Vec<_> = case
            .parts
            .iter()
            .map(|part| {
                let len = ModeId::SseC.ciphertext_len(part.plaintext_len).unwrap();
                let receipt = Receipt::from_bytes(part.receipt.0.clone());
                let number = PartNumber::any(part.number).unwrap();
                let kept = KeptAttempt::stored(number, &part.label.0, receipt, len, &part.header.0).unwrap();
                let again = KeptAttempt::from_bytes(&kept.to_bytes()).unwrap();
                assert!(again == kept && again.plaintext_len(ModeId::SseC) == Some(part.plaintext_len));
                again
            })
            .collect();
        let parts = kept.iter().zip(&case.parts).map(|(kept, part)| {
            UnopenedPart::stored(kept.number(), &part.label.0, kept, kept.stored_len(), &part.header.0)
        });
        let object = name_of(&case.name);
        let made = sse.complete_multipart_without_key(&object, &case.upload_id.0, &envelope, parts).unwrap();
        let expected = case.rewrapped_from.as_ref().unwrap_or(&case.record);
        assert!(made.as_bytes() == expected.0, "{}", case.case);
        assert!(playback.is_used_up());
        assert!(made.as_bytes().len() as u64 <= CompletionRecord::max_len(case.parts.len() as u32));
    });
}

#[test]
fn every_record_of_the_vectors_opens_and_finishes_as_stated() {
    for_each_accepted(|case, keys, backend| {
        let random: [&[u8]; 2] = [&case.finished.manifest_salt.0, &case.finished.wrap_salt.0];
        let (sse, playback) = builder(backend, keys.keyring(keys.primary), &random);
        let sse = sse.build().unwrap().blocking();
        let (object, key) = (name_of(&case.name), customer_key(case.customer_key));
        let EnvelopeOrRecord::Record(record) = EnvelopeOrRecord::decode(&case.record.0).unwrap() else {
            panic!("{}: not a record", case.case);
        };
        assert!(record.as_bytes() == case.record.0, "one encoding");
        let opened = sse.open_record(&object, &record).unwrap();
        assert_eq!(opened.plaintext_len(), case.plaintext_len as u64, "{}", case.case);
        assert_eq!(opened.upload_id(), case.upload_id.0);
        let listed: Vec<_> = opened.parts().map(|part| (part.info.number.get(), part.label.to_vec())).collect();
        let stated: Vec<_> = case.parts.iter().map(|part| (part.number, part.label.0.clone())).collect();
        assert_eq!(listed, stated);
        let body = BASE64.decode(case.body.as_bytes()).unwrap();
        assert_eq!(opened.ciphertext_len(), body.len() as u64);

        let finished = sse.finish_completion(&object, &record, Unlock::CustomerKey(&key)).unwrap();
        assert!(playback.is_used_up());
        assert!(finished.manifest == case.finished.manifest.0, "{}: the manifest", case.case);
        assert!(finished.envelope.encode() == case.finished.envelope.0, "{}: the envelope", case.case);
        let stored = Encrypted::new(finished.envelope, body).with_manifest(finished.manifest);
        let opened = sse.decrypt(&object, &stored, Unlock::CustomerKey(&key)).unwrap();
        assert!(opened == plain(case.plaintext_len), "{}", case.case);
    });
}

#[test]
fn the_record_of_the_vectors_that_was_rewrapped_is_rewrapped_again_byte_for_byte() {
    for_each_accepted(|case, keys, backend| {
        let (Some(from), Some(salt)) = (&case.rewrapped_from, case.rewrap_salt) else { return };
        let (sse, playback) = builder(backend, keys.keyring(keys.primary), &[&salt.0]);
        let sse = sse.build().unwrap();
        let record = CompletionRecord::decode(&from.0).unwrap();
        assert!(sse.record_needs_rewrap(&record));
        let rewrapped = sse.blocking().rewrap_record(&name_of(&case.name), &record).unwrap();
        assert!(rewrapped.as_bytes() == case.record.0 && playback.is_used_up(), "{}", case.case);
        assert!(!sse.record_needs_rewrap(&rewrapped));
    });
}

/// The oracle makes, opens and finishes the same records.
#[test]
fn the_oracle_makes_opens_and_finishes_every_record_of_the_vectors_too() {
    for_each_accepted(|case, keys, _| {
        let part = |at: usize| case.name[at].0.clone();
        let name = Name { realm: part(0), bucket: part(1), key: part(2), version_id: part(3), upload_id: vec![] };
        let key = keys.versions.iter().find(|version| version.version == keys.primary).unwrap().key.0;
        let record = Record::parse(&case.record.0).unwrap();
        assert!(record.sealed(&key, &name) == case.record.0, "{}", case.case);
        assert_eq!(record.open(&key, &name), Ok(case.plaintext_len as u64));
        let (data_key, parts) = record.finish(&case.customer_key.0, &name).unwrap();
        let body = BASE64.decode(case.body.as_bytes()).unwrap();
        assert!(open_parts(&parts, &[data_key], &body).unwrap() == plain(case.plaintext_len));
    });
}

/// Changes every byte of every small record and computes the tag again, as an attacker with the master key could.
#[test]
fn records_of_the_vectors_with_a_changed_byte_under_the_tag_are_judged_as_the_oracle_judges_them() {
    let (mut opened, mut finished, mut checked) = (0, 0, 0);
    for_each_accepted(|case, keys, backend| {
        if case.record.0.len() > 1_100 {
            return;
        }
        let part = |at: usize| case.name[at].0.clone();
        let name = Name { realm: part(0), bucket: part(1), key: part(2), version_id: part(3), upload_id: vec![] };
        let (object, key) = (name_of(&case.name), customer_key(case.customer_key));
        let master = keys.versions.iter().find(|version| version.version == keys.primary).unwrap().key.0;
        for at in 0..case.record.0.len() - 32 {
            let mut changed = case.record.0.clone();
            changed[at] ^= [1, 0x80, 0xFF][at % 3];
            let Ok(changed) = Record::parse(&changed) else {
                assert!(CompletionRecord::decode(&changed).is_err(), "{}: byte {at}", case.case);
                continue;
            };
            let bytes = changed.sealed(&master, &name);
            let changed = Record::parse(&bytes).unwrap();
            let record = CompletionRecord::decode(&bytes).unwrap();
            let version =
                (record.key_version(), VersionState::Enabled, MasterKey::from_bytes(&mut master.clone()).unwrap());
            let Ok(keyring) = Keyring::from_versions(record.key_id(), record.key_version(), [version]) else {
                continue;
            };
            let sse = Sse::builder().backend(backend).keyring(keyring).completion_records().build().unwrap().blocking();
            let of_library = sse.open_record(&object, &record).map(|opened| opened.plaintext_len());
            let of_oracle = changed.open(&master, &name);
            let classes = (of_library.as_ref().map_err(class).copied(), of_oracle.map_err(|error| error.class()));
            assert_eq!(classes.0, classes.1, "{}: byte {at} opened", case.case);
            checked += 1;
            if of_oracle.is_err() {
                continue;
            }
            opened += 1;
            let of_library = sse.finish_completion(&object, &record, Unlock::CustomerKey(&key)).map(drop);
            let of_oracle = changed.finish(&case.customer_key.0, &name).map(drop);
            finished += usize::from(of_oracle.is_ok());
            let classes = (of_library.map_err(|error| class(&error)), of_oracle.map_err(|error| error.class()));
            assert_eq!(classes.0, classes.1, "{}: byte {at} finished", case.case);
        }
    });
    assert!(finished > 0 && opened > finished && checked > opened, "{checked} {opened} {finished}");
}

fn mode_id(name: &str) -> ModeId {
    ModeId::ALL.into_iter().find(|mode| mode.to_string().eq_ignore_ascii_case(name)).unwrap()
}

/// The vectors name a record's error class by the class of an envelope.
fn opened(case: &Reject, sse: &Sse, object: &ObjectName) -> Result<CompletionRecord> {
    let record = CompletionRecord::decode(&case.record.0)?;
    sse.blocking().open_record(object, &record)?;
    Ok(record)
}

#[test]
fn every_record_of_the_vectors_that_must_be_refused_is_refused_in_its_step_with_its_class() {
    let file: File = json("completion.json");
    let reject = some(file.reject);
    for backend in backends() {
        for case in &reject {
            let keys = case.keyring.as_ref().unwrap_or(&file.keyring);
            let sse = Sse::builder().backend(backend).keyring(keys.keyring(keys.primary));
            let sse = if case.records_expected { sse.completion_records() } else { sse };
            let modes = case.modes.iter().map(|mode| mode_id(mode));
            let sse = sse.build().unwrap().expecting(Expected::new().with_modes(modes));
            let object = case.name.as_ref().map_or_else(ObjectName::unbound, name_of);
            let key = customer_key(case.customer_key);
            let finished = |record: &CompletionRecord| {
                sse.blocking().finish_completion(&object, record, Unlock::CustomerKey(&key)).map(drop)
            };
            let opened = opened(case, &sse, &object);
            let refused = match (case.refused_by.as_str(), opened) {
                ("open", Err(error)) => {
                    if let Ok(record) = CompletionRecord::decode(&case.record.0) {
                        assert_eq!(class(&finished(&record).unwrap_err()), case.expect, "{} finished", case.case);
                    }
                    error
                }
                ("finish", Ok(record)) => finished(&record).expect_err(&case.case),
                (step, outcome) => panic!("{}: to be refused by {step}: {outcome:?}", case.case),
            };
            assert_eq!(class(&refused), case.expect, "{}: {refused}", case.case);
            // What tells the two apart gives the same.
            let either = EnvelopeOrRecord::decode(&case.record.0);
            assert_eq!(either.is_err(), CompletionRecord::decode(&case.record.0).is_err(), "{}", case.case);
        }
    }
}

#[test]
fn every_upload_of_the_vectors_is_completed_with_its_keys_as_stated() {
    let file: File = json("completion.json");
    let completed = some(file.completed_with_keys);
    for backend in backends() {
        for case in &completed {
            if case.keks.len() == 2 && backends().len() < 2 {
                continue;
            }
            complete_with_keys(case, backend);
        }
    }
}

fn complete_with_keys(case: &Completed, backend: Backend) {
    let envelope = Envelope::decode(&case.upload_envelope.0).unwrap();
    let (object, mode) = (name_of(&case.name), envelope.mode());
    // From the outer layer inward; the wrap of the inner layer is drawn before that of the outer.
    let mut random: Vec<&[u8]> = case.finished.manifest_salts.iter().map(|salt| &salt.0[..]).collect();
    random.extend(case.finished.wrap_salts.iter().rev().map(|salt| &salt.0[..]));
    let version =
        |number, key: Hex<32>| (number, VersionState::Enabled, MasterKey::from_bytes(&mut key.0.clone()).unwrap());
    let versions = match (envelope.key_version(), &case.primary) {
        (Some(old), Some(primary)) if old == primary.version => vec![version(old, primary.key)],
        (Some(old), Some(primary)) => vec![version(old, case.keks[0]), version(primary.version, primary.key)],
        _ => vec![version(1, case.keks[0])],
    };
    let primary = case.primary.as_ref().map_or(1, |primary| primary.version);
    let key_id = envelope.key_id().filter(|_| case.primary.is_some()).unwrap_or("none");
    let keyring = Keyring::from_versions(key_id, primary, versions).unwrap();
    let (sse, playback) = builder(backend, keyring, &random);
    let one_key = OneKey::new("none", b"none", case.keks.last().unwrap().0);
    // A KMS that only unwraps.
    let refuses_to_generate = Some(KeyProviderErrorKind::AccessDenied);
    let kms = Faulty::with(one_key.clone(), Faults { refuses_to_generate, ..Faults::default() });
    let sse = sse.kms(kms, KmsKeys::all()).build().unwrap().blocking();
    let key = customer_key(case.keks[0]);
    let unlock = if mode == ModeId::SseC { Unlock::CustomerKey(&key) } else { Unlock::Server };
    let expected = Expected::exactly(&envelope);
    let upload = sse.resume_multipart(&object, &case.upload_id.0, &envelope, &expected, unlock).unwrap();
    let receipts: Vec<_> = case.parts.iter().map(|part| Receipt::from_bytes(part.receipt.0.clone())).collect();
    let parts = case.parts.iter().zip(&receipts).map(|(part, receipt)| {
        let number = PartNumber::new(part.number).unwrap();
        CompletedPart::stored(number, &part.label.0, receipt, part.stored_len, &part.header.0)
    });
    let before = one_key.asked.lock().unwrap().len();
    let completed = sse.complete_multipart(&upload, unlock, parts).unwrap();
    // The bucket key is in memory since the upload was resumed.
    let asks = usize::from(matches!(mode, ModeId::SseKms | ModeId::DsseKms) && !envelope.has_bucket_key());
    assert_eq!(one_key.asked.lock().unwrap().len() - before, asks, "{}", case.case);
    assert!(playback.is_used_up());
    assert!(completed.manifest == case.finished.manifest.0, "{}: the manifest", case.case);
    assert!(completed.envelope.encode() == case.finished.envelope.0, "{}: the envelope", case.case);
    let body = BASE64.decode(case.body.as_bytes()).unwrap();
    let stored = Encrypted::new(completed.envelope, body).with_manifest(completed.manifest);
    let opened = sse.decrypt(&object, &stored, unlock);
    assert!(matches!(&opened, Ok(opened) if *opened == plain(case.plaintext_len)), "{}: {:?}", case.case, opened.err());
}
