//! Audit events of operations on objects.

use std::time::SystemTime;

use atrest::audit::AuditOperation;
use atrest::error::{CustomerKeyError, KeyProviderErrorKind, Misuse, Unexpected};
use atrest::{CustomerKey, Error, Expected, ModeId, ObjectName, Rewrap, SseKms, SseS3, Unlock};

use crate::kit::{ALICE, Audited, CALLS, World, context, moved, names_its_key};
use atrest_kit::{KMS_KEY, name, plain};

#[test]
fn everything_that_is_done_in_every_mode_is_one_event_that_says_who_what_and_under_which_key() {
    let audited = Audited::new();
    let began = SystemTime::now();
    for mode in audited.modes() {
        let world = World::new(audited.silent(), &mode);
        for (what, operation, call) in CALLS {
            call(&audited.service.sse, &world).unwrap();
            let (event, case) = (audited.event(), format!("{what} in {}", mode.id()));
            assert!(event.time() >= began && event.time() <= SystemTime::now(), "{case}");
            assert_eq!((event.operation(), event.requester().as_str()), (operation, ALICE), "{case}");
            assert_eq!((event.mode(), event.object()), (Some(mode.id()), Some(&name())), "{case}");
            let (key_id, key_version) = audited.key(mode.id());
            assert_eq!((event.key_id(), event.key_version()), (key_id.as_deref(), key_version), "{case}");
            let kms = matches!(mode.id(), ModeId::SseKms | ModeId::DsseKms);
            let requested = match names_its_key(what) {
                true => kms.then_some("alias/app"),
                false => key_id.as_deref(),
            };
            assert_eq!(event.requested_key_id(), requested, "{case}");
            assert_eq!(event.context(), kms.then(context).as_ref(), "{case}");
            assert!(event.error().is_none() && event.source_object().is_none(), "{case}");
        }
    }
}

#[test]
fn everything_that_is_refused_in_every_mode_is_one_event_with_the_error_and_without_a_key() {
    let audited = Audited::new();
    let closed = audited.service.sse.expecting(Expected::new().with_modes([]));
    for mode in audited.modes() {
        let world = World::new(audited.silent(), &mode);
        for (what, operation, call) in CALLS {
            let refused = call(&closed, &world).unwrap_err();
            let (event, case) = (audited.event(), format!("{what} in {}", mode.id()));
            assert!(matches!(refused, Error::Unexpected(Unexpected::Mode)), "{case}: {refused:?}");
            assert!(matches!(event.error(), Some(Error::Unexpected(Unexpected::Mode))), "{case}");
            assert_eq!((event.operation(), event.requester().as_str()), (operation, ALICE), "{case}");
            assert_eq!((event.mode(), event.object()), (Some(mode.id()), Some(&name())), "{case}");
            assert_eq!((event.key_id(), event.key_version()), (None, None), "{case}");
        }
    }
}

#[test]
fn what_a_key_provider_refuses_is_one_event_with_its_reason() {
    let audited = Audited::new();
    for mode in audited.modes().into_iter().filter(|mode| matches!(mode.id(), ModeId::SseKms | ModeId::DsseKms)) {
        let world = World::new(audited.silent(), &mode);
        audited.gate.refuse(Some(KeyProviderErrorKind::AccessDenied));
        // A read that an earlier decryptor serves asks no KMS.
        for (what, operation, call) in CALLS.into_iter().filter(|(what, ..)| *what != "read_again") {
            // Of DSSE-KMS these take the outer layer's key alone, and ask no KMS.
            if mode.id() == ModeId::DsseKms && ["rewrap", "rewrap of an upload"].contains(&what) {
                continue;
            }
            call(&audited.service.sse, &world).unwrap_err();
            let event = audited.event();
            let Some(Error::KeyProvider(error)) = event.error() else { panic!("{what}: {event:?}") };
            assert_eq!(error.kind(), KeyProviderErrorKind::AccessDenied);
            assert_eq!((event.operation(), event.key_id()), (operation, None), "{what}");
            let requested = if names_its_key(what) { "alias/app" } else { KMS_KEY };
            assert_eq!(event.requested_key_id(), Some(requested), "{what}");
        }
        audited.gate.refuse(None);
    }
}

#[test]
fn a_wrong_customer_key_a_foreign_name_a_cut_body_and_a_mistake_are_in_the_trail_too() {
    let audited = Audited::new();
    let (silent, sse) = (audited.silent(), audited.service.sse.blocking());
    let stored = silent.sse.blocking().encrypt(&name(), silent.sse_c(), b"meow").unwrap();

    let other = CustomerKey::generate().unwrap();
    sse.decryptor(&name(), &stored.envelope, Unlock::CustomerKey(&other)).unwrap_err();
    assert!(matches!(audited.event().error(), Some(Error::CustomerKey(CustomerKeyError::Mismatch))));
    sse.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap_err();
    assert!(matches!(audited.event().error(), Some(Error::CustomerKey(CustomerKeyError::Required))));

    let mut stored = silent.sse.blocking().encrypt(&name(), SseS3, &plain(40_000)).unwrap();
    sse.decryptor(&moved(), &stored.envelope, Unlock::Server).unwrap_err();
    let event = audited.event();
    assert!(matches!(event.error(), Some(Error::Inauthentic)) && event.object() == Some(&moved()));

    stored.ciphertext.truncate(20_000);
    sse.decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    assert!(matches!(audited.event().error(), Some(Error::Truncated | Error::Inauthentic)));
    // A decryptor does not see the body: what it was given out for is on record as done.
    sse.decryptor(&name(), &stored.envelope, Unlock::Server).unwrap();
    assert!(audited.event().error().is_none());

    sse.begin_multipart(&name(), b"", SseS3).unwrap_err();
    let event = audited.event();
    assert!(matches!(event.error(), Some(Error::Misuse(Misuse::UploadId))));
    assert_eq!((event.operation(), event.mode()), (AuditOperation::BeginMultipart, Some(ModeId::SseS3)));
}

#[test]
fn a_rewrap_to_another_name_and_mode_says_both_names_and_the_new_mode_and_key() {
    let audited = Audited::new();
    let silent = audited.silent();
    let stored = silent.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    let sse = audited.service.sse.blocking();
    let mode = SseKms::new("alias/app").with_context(context());
    sse.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&moved(), mode)).unwrap();
    let event = audited.event();
    assert_eq!((event.object(), event.source_object()), (Some(&moved()), Some(&name())));
    assert_eq!((event.mode(), event.key_id(), event.key_version()), (Some(ModeId::SseKms), Some(KMS_KEY), None));
    assert_eq!((event.requested_key_id(), event.context()), (Some("alias/app"), Some(&context())));

    let mode = silent.sse_c();
    sse.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server).to(&moved(), mode)).unwrap_err();
    let event = audited.event();
    assert!(matches!(event.error(), Some(Error::Misuse(Misuse::RewrapCrossesCustomerKey))));
    assert_eq!((event.object(), event.source_object()), (Some(&moved()), Some(&name())));
}

#[test]
fn a_read_that_an_earlier_decryptor_serves_is_marked_and_asks_for_no_key() {
    let audited = Audited::new();
    for mode in audited.modes() {
        let silent = audited.silent();
        let stored = silent.sse.blocking().encrypt(&name(), mode.clone(), b"meow").unwrap();
        let (sse, unlock) = (audited.service.sse.blocking(), silent.unlock(mode.id()));
        sse.decryptor(&name(), &stored.envelope, unlock).unwrap();
        assert_eq!(audited.event().parameters(), []);
        audited.gate.refuse(Some(KeyProviderErrorKind::AccessDenied));
        sse.read_again(&name(), &stored.envelope, unlock).unwrap();
        assert_eq!(audited.event().parameters(), [("servedAgain", "true".to_owned())]);
        audited.gate.refuse(None);

        let other = audited.service.sse.expecting(Expected::new().with_modes([])).blocking();
        other.read_again(&name(), &stored.envelope, unlock).unwrap_err();
        let event = audited.event();
        assert!(matches!(event.error(), Some(Error::Unexpected(Unexpected::Mode))), "{event:?}");
    }
}

#[test]
fn a_rewrap_is_on_record_with_the_version_that_it_is_under_now() {
    let audited = Audited::new();
    let stored = audited.silent().sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    audited.service.keyring.blocking().rotate().unwrap();
    let sse = audited.service.sse.blocking();
    sse.decrypt(&name(), &stored, Unlock::Server).unwrap();
    assert_eq!(audited.event().key_version(), Some(1));
    sse.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).unwrap();
    assert_eq!(audited.event().key_version(), Some(2));
}

#[test]
#[cfg(not(any(feature = "aws-lc-rs", feature = "graviola")))]
fn a_mode_that_this_build_cannot_run_is_in_the_trail() {
    let audited = Audited::new();
    audited.service.sse.blocking().encrypt(&name(), atrest::DsseKms::new("alias/app"), b"meow").unwrap_err();
    assert!(matches!(audited.event().error(), Some(Error::NotCompiled(_))));
}

#[test]
fn an_unbound_object_is_on_record_without_a_name() {
    let audited = Audited::new();
    audited.service.sse.blocking().encrypt(&ObjectName::unbound(), SseS3, b"meow").unwrap();
    assert!(audited.event().object().is_some_and(|object| !object.is_bound()));
}

#[test]
fn a_copy_that_the_store_makes_itself_is_on_record_with_both_names_and_no_key() {
    let audited = Audited::new();
    audited.service.sse.blocking().record_copy(&name(), &moved()).unwrap();
    let event = audited.event();
    assert_eq!((event.operation(), event.requester().as_str()), (AuditOperation::CopyObject, ALICE));
    assert_eq!((event.source_object(), event.object()), (Some(&name()), Some(&moved())));
    assert!(event.mode().is_none() && event.key_id().is_none() && event.error().is_none());
    audited.silent().sse.blocking().record_copy(&name(), &moved()).unwrap();
}

#[test]
fn operations_are_called_as_cloudtrail_calls_them_and_each_name_is_one_operation() {
    use std::collections::{BTreeSet, HashSet};
    let names: BTreeSet<String> = AuditOperation::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), AuditOperation::ALL.len());
    let read_only: Vec<String> =
        AuditOperation::ALL.iter().filter(|operation| operation.is_read_only()).map(ToString::to_string).collect();
    assert_eq!(
        read_only,
        [
            "GetObject",
            "ListEtags",
            "GenerateDataKey",
            "Decrypt",
            "DescribeKey",
            "ListKeys",
            "ListAliases",
            "OpenKeyStore"
        ]
    );
    let of_objects = AuditOperation::ALL.iter().filter(|operation| operation.is_of_objects());
    assert_eq!(of_objects.collect::<HashSet<_>>().len(), 8);
}
