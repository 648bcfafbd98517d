//! `resume_multipart`: which callers can resume an upload, and with which expectations.

use atrest::error::{CustomerKeyError, Misuse, Unexpected};
use atrest::{CustomerKey, Error, Expected, KmsKeys, ModeId, ObjectName, Rewrap, SseS3, Unlock};

use super::{elsewhere, everywhere};
use atrest_kit::parts::{attempt, id_of};
use atrest_kit::{KMS_KEY, Service, name};

#[test]
fn an_upload_is_bound_to_its_id_its_name_and_its_envelope() {
    everywhere(|service, mode, object| {
        let (upload, other) = (service.begin(object, mode), service.begin(object, mode));
        let envelope = upload.envelope();
        let resume = |object: &ObjectName, id: &[u8]| {
            let expected = Expected::exactly(envelope);
            let unlock = service.unlock(mode.id());
            service.sse.blocking().resume_multipart(object, id, envelope, &expected, unlock).unwrap_err()
        };
        if object.is_bound() {
            // The KMS of the tests holds the ARN against its table, so another name does not get that far.
            let same_arn = object.clone().with_realm("another").unwrap();
            for (name, id) in [(object, &b"upload-2"[..]), (object, b"upload-1 "), (&same_arn, b"upload-1")] {
                assert!(matches!(resume(name, id), Error::Inauthentic), "{name:?}");
            }
            let moved = resume(&ObjectName::new("photos", "other").unwrap(), b"upload-1");
            assert!(matches!(moved, Error::Inauthentic | Error::KeyProvider(_)), "{moved:?}");
            assert!(matches!(resume(object, b""), Error::Misuse(Misuse::UploadId)));
            assert!(matches!(resume(object, &vec![1; 65_536]), Error::Misuse(Misuse::UploadId)));
            let unbound = resume(&ObjectName::unbound(), b"");
            assert!(matches!(unbound, Error::Unexpected(Unexpected::Bound)), "{unbound:?}");
        } else {
            assert!(matches!(resume(object, b"upload-1"), Error::Misuse(Misuse::UploadId)));
            let bound = resume(&name(), b"upload-1");
            assert!(matches!(bound, Error::Unexpected(Unexpected::Unbound)), "{bound:?}");
        }
        // What was uploaded under one is nothing to the other.
        let part = attempt(&upload, 1, 0, 10);
        assert!(matches!(other.open_receipt(&part.receipt), Err(Error::Inauthentic)));
    });
}

#[test]
fn an_upload_begins_with_an_id_exactly_where_its_object_has_a_name() {
    let service = Service::new();
    for mode in service.modes() {
        for (object, id) in [(name(), vec![]), (name(), vec![1; 65_536]), (ObjectName::unbound(), b"upload-1".to_vec())]
        {
            let refused = service.sse.blocking().begin_multipart(&object, &id, mode.clone());
            assert!(matches!(refused, Err(Error::Misuse(Misuse::UploadId))), "{refused:?}");
        }
        service.sse.blocking().begin_multipart(&name(), &vec![1; 65_535], mode.clone()).unwrap();
    }
}

#[test]
fn an_uploads_envelope_opens_no_object_and_an_objects_no_upload() {
    everywhere(|service, mode, object| {
        let upload = service.begin(object, mode);
        let (envelope, unlock) = (upload.envelope(), service.unlock(mode.id()));
        let sse = service.sse.blocking();
        let refused = sse.decryptor(object, envelope, unlock);
        assert!(matches!(refused, Err(Error::UploadNotComplete)), "{refused:?}");
        let refused = sse.decrypt(object, &atrest::Encrypted::new(envelope.clone(), vec![0; 100]), unlock);
        assert!(matches!(refused, Err(Error::UploadNotComplete)), "{refused:?}");
        assert!(matches!(sse.rewrap(Rewrap::of(object, envelope, unlock)), Err(Error::UploadNotComplete)));
        assert!(matches!(
            sse.rewrap(Rewrap::of(object, envelope, unlock).both_layers()),
            Err(Error::UploadNotComplete)
        ));
        let moved = sse.rewrap(Rewrap::of(object, envelope, unlock).to(object, mode.clone()));
        assert!(matches!(moved, Err(Error::UploadNotComplete)), "{moved:?}");

        let renewed = Rewrap::upload(object, id_of(object), envelope, unlock);
        let refused = sse.rewrap(renewed.to(object, mode.clone()));
        assert!(matches!(refused, Err(Error::Misuse(Misuse::RewrapOfUpload))), "{refused:?}");

        let whole = sse.encrypt(object, mode.clone(), b"meow").unwrap().envelope;
        let multipart = service.put(object, mode, &[(1, 10)]).completed.envelope;
        for envelope in [whole, multipart] {
            let refused = service.resume(object, &envelope);
            assert!(matches!(refused, Err(Error::Unexpected(Unexpected::State))), "{refused:?}");
            let refused = sse.rewrap(Rewrap::upload(object, id_of(object), &envelope, unlock));
            assert!(matches!(refused, Err(Error::Unexpected(Unexpected::State))), "{refused:?}");
        }
    });
}

#[test]
fn resuming_states_the_mode_and_the_kms_key_of_this_very_upload() {
    everywhere(|service, mode, object| {
        let envelope = service.begin(object, mode).envelope().clone();
        let resume = |expected: Expected| {
            let unlock = service.unlock(mode.id());
            match service.sse.blocking().resume_multipart(object, id_of(object), &envelope, &expected, unlock) {
                Ok(_) => None,
                Err(Error::Unexpected(unexpected)) => Some(unexpected),
                Err(error) => panic!("{error:?}"),
            }
        };
        let has_kms_key = matches!(mode.id(), ModeId::SseKms | ModeId::DsseKms);
        assert_eq!(resume(Expected::new()), Some(Unexpected::Mode), "nothing was said");
        let anything = Expected::new().with_modes(ModeId::ALL).with_kms_keys(KmsKeys::all());
        assert_eq!(resume(anything), Some(Unexpected::Mode), "which mode of all was not said");
        if matches!(mode.id(), ModeId::SseKms | ModeId::DsseKms) {
            let any_key = Expected::new().with_modes([mode.id()]).with_kms_keys(KmsKeys::all());
            assert_eq!(resume(any_key), Some(Unexpected::KmsKey), "which key of all was not said");
        }
        assert_eq!(resume(Expected::new().with_kms_keys(KmsKeys::all())), Some(Unexpected::Mode), "no mode was said");
        for other in ModeId::ALL.into_iter().filter(|other| *other != mode.id()) {
            let expected = Expected::new().with_modes([other]).with_kms_keys(KmsKeys::all());
            assert_eq!(resume(expected), Some(Unexpected::Mode));
        }
        let said = Expected::new().with_modes([mode.id()]);
        assert_eq!(resume(said.clone()), has_kms_key.then_some(Unexpected::KmsKey), "no key was said");
        for keys in [KmsKeys::only(["table-kms:key/2"]), KmsKeys::only::<String>([])] {
            assert_eq!(resume(said.clone().with_kms_keys(keys)), has_kms_key.then_some(Unexpected::KmsKey));
        }
        assert_eq!(resume(said.clone().with_kms_keys(KmsKeys::only([KMS_KEY]))), None);
        assert_eq!(resume(Expected::exactly(&envelope)), None);
        // What the handle expects narrows it further, to complete as well.
        let narrowed = service.sse.expecting(Expected::new().with_modes([]));
        let upload = service.resume(object, &envelope).unwrap();
        let part = attempt(&upload, 1, 0, 10);
        let unlock = service.unlock(mode.id());
        let refused = narrowed.blocking().complete_multipart(&upload, unlock, [part.listed()]);
        assert!(matches!(refused, Err(Error::Unexpected(Unexpected::Mode))), "{refused:?}");
    });
}

#[test]
fn sse_c_resumes_and_completes_with_its_key_alone() {
    let service = Service::new();
    for object in [name(), ObjectName::unbound()] {
        let upload = service.begin(&object, &service.sse_c());
        let part = attempt(&upload, 1, 0, 10);
        let wrong = CustomerKey::generate().unwrap();
        let sse = service.sse.blocking();
        for (unlock, expected) in
            [(Unlock::Server, CustomerKeyError::Required), (Unlock::CustomerKey(&wrong), CustomerKeyError::Mismatch)]
        {
            let exactly = Expected::exactly(upload.envelope());
            let resumed = sse.resume_multipart(&object, id_of(&object), upload.envelope(), &exactly, unlock).map(drop);
            let completed = sse.complete_multipart(&upload, unlock, [part.listed()]).map(drop);
            let rewrapped = sse.rewrap(Rewrap::upload(&object, id_of(&object), upload.envelope(), unlock)).map(drop);
            for refused in [resumed, completed, rewrapped] {
                let Err(Error::CustomerKey(refused)) = refused else { panic!("{refused:?}") };
                assert_eq!(refused, expected);
            }
        }
        let completed = service.complete(&upload, &[part]).unwrap();
        completed.envelope.verify_customer_key(&service.customer_key).unwrap();
    }
    let upload = service.begin(&name(), &SseS3.into());
    let part = attempt(&upload, 1, 0, 10);
    let unlock = Unlock::CustomerKey(&service.customer_key);
    let refused = service.sse.blocking().complete_multipart(&upload, unlock, [part.listed()]);
    assert!(matches!(refused, Err(Error::CustomerKey(CustomerKeyError::NotExpected))), "{refused:?}");
}

#[test]
fn an_upload_does_not_open_where_the_keys_are_others() {
    let (service, stranger) = (Service::new(), Service::new());
    for mode in service.modes() {
        let envelope = service.begin(&name(), &mode).envelope().clone();
        let refused = stranger.resume(&name(), &envelope).unwrap_err();
        let alike = match mode.id() {
            ModeId::SseC => matches!(refused, Error::CustomerKey(CustomerKeyError::Mismatch)),
            ModeId::SseKms => matches!(refused, Error::KeyProvider(_)),
            _ => matches!(refused, Error::Unexpected(Unexpected::KeyringId)),
        };
        assert!(alike, "{refused:?}");
        elsewhere(&service).resume(&name(), &envelope).unwrap();
    }
}
