//! What the key provider answered, in the event of each operation.

use atrest::audit::{AuditEvent, KeyFrom};
use atrest::error::KeyProviderErrorKind;
use atrest::kms::KmsOperation::{self, Generate, Unwrap};
use atrest::{Error, Expected, ModeId, SseKms, Unlock};

use crate::kit::{Audited, CALLS, World};
use atrest_kit::name;

/// The operations that the provider was asked for, each by a call of its own and with its request id.
fn asked(event: &AuditEvent) -> Vec<KmsOperation> {
    let answers = event.key_provider_answers().iter();
    answers
        .map(|answer| {
            assert_eq!((answer.key_from(), answer.request_id()), (KeyFrom::Call, Some("7f3a")));
            answer.operation()
        })
        .collect()
}

fn expected(what: &str, mode: ModeId) -> &'static [KmsOperation] {
    match (mode, what) {
        (ModeId::SseS3 | ModeId::SseC, _) | (_, "read_again") => &[],
        // The outer layer alone, which is under the keyring.
        (ModeId::DsseKms, "rewrap" | "rewrap of an upload") => &[],
        (_, "encrypt" | "encryptor" | "encryptor_of_len" | "begin_multipart") => &[Generate],
        (_, "decrypt" | "decryptor" | "resume_multipart" | "complete_multipart") => &[Unwrap],
        (_, what) if what.starts_with("rewrap") => &[Unwrap, Generate],
        (_, what) => panic!("{what}"),
    }
}

#[test]
fn each_operation_in_each_mode_says_what_the_kms_answered_with_its_request_id() {
    let audited = Audited::new();
    for mode in audited.modes() {
        let world = World::new(audited.silent(), &mode);
        for (what, _, call) in CALLS {
            call(&audited.service.sse, &world).unwrap();
            assert_eq!(asked(&audited.event()), expected(what, mode.id()), "{what} in {}", mode.id());
        }
    }
}

#[test]
fn a_provider_that_fails_is_the_last_answer_and_what_it_answered_before_is_there_too() {
    let audited = Audited::new();
    for mode in audited.modes().into_iter().filter(|mode| matches!(mode.id(), ModeId::SseKms | ModeId::DsseKms)) {
        let world = World::new(audited.silent(), &mode);
        audited.gate.change(|faults| faults.refuses_to_generate = Some(KeyProviderErrorKind::Unavailable));
        for (what, _, call) in CALLS {
            let expected = expected(what, mode.id());
            let failed = call(&audited.service.sse, &world).is_err();
            assert_eq!(failed, expected.contains(&Generate), "{what}");
            assert_eq!(asked(&audited.event()), expected, "{what} in {}", mode.id());
        }
        audited.gate.refuse(None);
    }
}

#[test]
fn an_object_that_its_key_does_not_open_leads_to_the_call_that_unwrapped_the_key() {
    let audited = Audited::new();
    let stored = audited.silent().sse.blocking().encrypt(&name(), SseKms::new("alias/app"), b"meow").unwrap();
    audited.gate.change(|faults| faults.unwraps_to_another_key = true);
    audited.service.sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    let event = audited.event();
    assert!(matches!(event.error(), Some(Error::Inauthentic)));
    assert_eq!(asked(&event), [Unwrap]);
}

#[test]
fn an_answer_that_the_library_refuses_leads_to_its_call() {
    let audited = Audited::new();
    let stored = audited.silent().sse.blocking().encrypt(&name(), SseKms::new("alias/app"), b"meow").unwrap();
    let sse = audited.service.sse.blocking();
    for (answers_as, kind) in [("alias/app", KeyProviderErrorKind::Unresolved), ("", KeyProviderErrorKind::WrongKey)] {
        audited.gate.change(|faults| faults.answers_as = Some(answers_as.to_owned()));
        sse.encrypt(&name(), SseKms::new("alias/app"), b"meow").unwrap_err();
        let event = audited.event();
        let Some(Error::KeyProvider(error)) = event.error() else { panic!("{event:?}") };
        assert_eq!((error.kind(), error.request_id()), (kind, Some("7f3a")));
        assert_eq!(asked(&event), [Generate]);
    }
    sse.decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    assert_eq!(asked(&audited.event()), [Unwrap]);
    let closed = audited.service.sse.expecting(Expected::new().with_modes([]));
    closed.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
    assert!(asked(&audited.event()).is_empty(), "it was refused before the provider was asked");
}
