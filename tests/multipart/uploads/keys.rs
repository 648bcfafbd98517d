//! Key changes during and after an upload.

use atrest::error::{KeyProviderErrorKind, Misuse};
use atrest::multipart::CompletedPart;
use atrest::{AnyMode, Encrypted, Error, ModeId, ObjectName, PartNumber, Rewrap, SseC, SseKms, SseS3, Unlock};

use super::everywhere;
use atrest_kit::parts::{attempt, id_of, number};
use atrest_kit::{Service, name};

/// Rotates, and retires the version before.
fn retire_the_old_one(service: &Service) {
    let old = service.keyring.primary();
    service.keyring.blocking().rotate().unwrap();
    disable(service, old);
    service.keyring.blocking().retire_losing_what_it_wraps(old).unwrap();
}

fn disable(service: &Service, version: u32) {
    service.keyring.blocking().disable(version).unwrap();
}

fn has_keyring(mode: &AnyMode) -> bool {
    matches!(mode.id(), ModeId::SseS3 | ModeId::DsseKms)
}

#[test]
fn the_objects_envelope_is_under_the_primary_of_the_moment_of_completion() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let first = service.keyring.primary();
        service.keyring.blocking().rotate().unwrap();
        let one = attempt(&service.resume(object, upload.envelope()).unwrap(), 1, 0, 10);
        service.keyring.blocking().rotate().unwrap();
        let two = attempt(&upload, 2, 0, 10);
        let completed = service.complete(&upload, &[one.clone(), two.clone()]).unwrap();
        let versions = (upload.envelope().key_version(), completed.envelope.key_version());
        assert_eq!(versions, if has_keyring(mode) { (Some(first), Some(first + 2)) } else { (None, None) });
        assert_eq!(service.sse.needs_rewrap(upload.envelope()), has_keyring(mode));
        assert!(!service.sse.needs_rewrap(&completed.envelope));
        let stored = Encrypted::new(completed.envelope, [one.stored, two.stored].concat());
        let read = service.decrypt(object, &stored.with_manifest(completed.manifest)).unwrap();
        assert_eq!(read, [one.plain, two.plain].concat());
    });
}

#[test]
fn an_upload_that_was_rewrapped_survives_the_retirement_of_its_old_version() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let one = attempt(&upload, 1, 0, 10);
        let old = service.keyring.primary();
        service.keyring.blocking().rotate().unwrap();
        let unlock = service.unlock(mode.id());
        let fresh =
            service.sse.blocking().rewrap(Rewrap::upload(object, id_of(object), upload.envelope(), unlock)).unwrap();
        assert_ne!(&fresh, upload.envelope());
        assert_eq!((fresh.state(), fresh.mode()), (upload.envelope().state(), mode.id()));
        assert!(!service.sse.needs_rewrap(&fresh));
        disable(service, old);
        service.keyring.blocking().retire_losing_what_it_wraps(old).unwrap();
        let stale = service.resume(object, upload.envelope());
        match (has_keyring(mode), stale) {
            (true, Err(Error::KeyProvider(error))) => assert_eq!(error.kind(), KeyProviderErrorKind::NotFound),
            (has_keyring, stale) => assert!(!has_keyring && stale.is_ok(), "{stale:?}"),
        }
        // Earlier receipts and parts stay valid, and a handle that was there all the time may complete the upload.
        let resumed = service.resume(object, &fresh).unwrap();
        let two = attempt(&resumed, 2, 0, 10);
        for upload in [resumed, upload] {
            let completed = service.complete(&upload, &[one.clone(), two.clone()]).unwrap();
            let body = [&one.stored[..], &two.stored].concat();
            let stored = Encrypted::new(completed.envelope, body).with_manifest(completed.manifest);
            assert_eq!(service.decrypt(object, &stored).unwrap(), [&one.plain[..], &two.plain].concat());
        }
    });
}

#[test]
fn a_rewrap_of_an_upload_takes_its_id_and_keeps_it() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let (sse, unlock) = (service.sse.blocking(), service.unlock(mode.id()));
        for (id, misuse) in [(&b""[..], true), (b"upload-2", false)] {
            let refused = sse.rewrap(Rewrap::upload(&name(), id, upload.envelope(), unlock)).unwrap_err();
            match refused {
                Error::Misuse(Misuse::UploadId) => assert!(misuse),
                Error::Inauthentic => assert!(!misuse),
                other => panic!("{other:?}"),
            }
        }
        let fresh = sse.rewrap(Rewrap::upload(&name(), b"upload-1", upload.envelope(), unlock)).unwrap();
        service.resume(&name(), &fresh).unwrap();
        assert!(matches!(sse.decryptor(&name(), &fresh, unlock), Err(Error::UploadNotComplete)));
    }
}

#[test]
fn a_completed_object_is_rewrapped_renamed_and_read_under_the_same_manifest_and_body() {
    everywhere(|service, mode, object| {
        let stored = service.put(object, mode, &[(1, 20_000), (2, 0), (3, 30)]);
        let (body, plain, manifest) = (stored.body(), stored.plain(), &stored.completed.manifest);
        let (sse, unlock) = (service.sse.blocking(), service.unlock(mode.id()));
        retire_the_old_one_after(service, || {
            let fresh = [
                sse.rewrap(Rewrap::of(object, stored.envelope(), unlock)).unwrap(),
                sse.rewrap(Rewrap::of(object, stored.envelope(), unlock).both_layers()).unwrap(),
            ];
            for envelope in &fresh {
                assert_eq!((envelope.parts(), envelope.plaintext_len()), (Some(3), Some(plain.len() as u64)));
            }
            fresh.to_vec()
        })
        .into_iter()
        .for_each(|envelope| {
            let renamed = ObjectName::new("photos", "copy").unwrap().with_version_id("v2").unwrap();
            let moved = sse.rewrap(Rewrap::of(object, &envelope, unlock).to(&renamed, mode.clone())).unwrap();
            for (object, envelope) in [(object, envelope), (&renamed, moved)] {
                let stored = Encrypted::new(envelope, body.clone()).with_manifest(manifest.clone());
                assert!(service.decrypt(object, &stored).unwrap() == plain, "{mode:?}");
            }
        });
    });
}

fn retire_the_old_one_after<T>(service: &Service, rewrap: impl FnOnce() -> T) -> T {
    let old = service.keyring.primary();
    service.keyring.blocking().rotate().unwrap();
    let made = rewrap();
    disable(service, old);
    service.keyring.blocking().retire_losing_what_it_wraps(old).unwrap();
    made
}

#[test]
fn a_completed_object_changes_its_mode_and_customer_key_without_its_data() {
    let service = Service::new();
    let stored = service.put(&name(), &SseS3.into(), &[(1, 10), (2, 20)]);
    let sse = service.sse.blocking();
    let kms = sse
        .rewrap(Rewrap::of(&name(), stored.envelope(), Unlock::Server).to(&name(), SseKms::new("alias/app")))
        .unwrap();
    let key = std::sync::Arc::new(atrest::CustomerKey::generate().unwrap());
    let customers = sse
        .rewrap(Rewrap::of(&name(), &kms, Unlock::Server).to(&name(), SseC::new(key.clone())).across_customer_key())
        .unwrap();
    for (envelope, unlock) in [(kms, Unlock::Server), (customers, Unlock::CustomerKey(&key))] {
        let object = Encrypted::new(envelope, stored.body()).with_manifest(stored.completed.manifest.clone());
        assert!(sse.decrypt(&name(), &object, unlock).unwrap() == stored.plain());
    }
}

#[test]
fn a_disabled_version_stops_an_upload_from_being_resumed_and_an_enabled_one_does_not() {
    let service = Service::new();
    for mode in service.modes().into_iter().filter(has_keyring) {
        let upload = service.begin(&name(), &mode);
        let old = service.keyring.primary();
        service.keyring.blocking().rotate().unwrap();
        disable(&service, old);
        let Err(Error::KeyProvider(refused)) = service.resume(&name(), upload.envelope()) else { panic!("resumed") };
        assert_eq!(refused.kind(), KeyProviderErrorKind::Disabled);
        service.keyring.blocking().enable(old).unwrap();
        service.resume(&name(), upload.envelope()).unwrap().part(number(1)).unwrap();
        retire_the_old_one(&service);
    }
}

#[test]
fn completion_sees_a_rotation_by_another_process() {
    let directory = tempfile::tempdir().unwrap();
    let root_key = atrest::RootKey::create_file(directory.path().join("root.key")).unwrap();
    let path = directory.path().join("keyring.atrest");
    let keyring = atrest::Keyring::create_blocking(&path, &root_key).unwrap();
    let sse = atrest::Sse::builder().keyring(keyring).build().unwrap();
    let object = name();
    let upload = sse.blocking().begin_multipart(&object, b"upload", SseS3).unwrap();
    let one = PartNumber::new(1).unwrap();
    let (stored, receipt) = upload.encrypt_part(one, b"meow", b"").unwrap();

    let elsewhere = atrest::Keyring::open_blocking(&path, &root_key).unwrap();
    let rotated = elsewhere.blocking().rotate().unwrap();
    elsewhere.blocking().disable(1).unwrap();
    let part = [CompletedPart::new(one, b"", &receipt, &stored)];
    let completed = sse.blocking().complete_multipart(&upload, Unlock::Server, part).unwrap();
    assert_eq!(completed.envelope.key_version(), Some(rotated));

    std::fs::remove_file(&path).unwrap();
    let part = [CompletedPart::new(one, b"", &receipt, &stored)];
    let refused = sse.blocking().complete_multipart(&upload, Unlock::Server, part).unwrap_err();
    assert!(matches!(refused, atrest::Error::KeyProvider(error) if error.is_transient()), "no keyring, no new object");
}
