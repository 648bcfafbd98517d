//! Every variant of `Error`, reached through the public API, and its text.

use std::error::Error as _;
use std::sync::Arc;

use atrest::error::{
    CustomerKeyError, EnvelopeError, Feature, KeyProviderError, KeyProviderErrorKind as Kind, KeyringError, Limit,
    Misuse, PartError, SealedFileError, Unexpected,
};
use atrest::testing::MemoryKms;
use atrest::{
    Backend, EncryptionContext, Envelope, Error, Expected, Keyring, KmsKeys, ModeId, ObjectName, PartNumber, Requester,
    Rewrap, RootKey, Sse, SseKms, SseS3, Unlock,
};
use atrest_kit::parts::{Part, attempt, number};
use atrest_kit::{C, Service, broken_generator, name, plain};

fn kms_service() -> (Sse, Arc<MemoryKms>, String) {
    let kms = Arc::new(MemoryKms::new());
    let key_id = kms.create_key("app").unwrap();
    (Sse::builder().kms(kms.clone(), KmsKeys::only([&*key_id])).build().unwrap(), kms, key_id)
}

#[test]
fn every_failure_of_a_key_provider_arrives_with_its_kind_and_key() {
    let (sse, kms, key_id) = kms_service();
    let stored = sse.blocking().encrypt(&name(), SseKms::new(&*key_id), b"meow").unwrap();
    let kinds = [
        (Kind::NotFound, false),
        (Kind::Disabled, false),
        (Kind::PendingDeletion, false),
        (Kind::AccessDenied, false),
        (Kind::Throttled, true),
        (Kind::Rejected, false),
        (Kind::Unavailable, true),
        (Kind::Misconfigured, false),
        (Kind::WrongKey, false),
        (Kind::WrongLength, false),
    ];
    for (kind, transient) in kinds {
        kms.fail_with(Some(kind));
        let writing = sse.blocking().encrypt(&name(), SseKms::new(&*key_id), b"meow").map(drop);
        let reading = sse.blocking().decrypt(&name(), &stored, Unlock::Server).map(drop);
        // A wrapped key has a length only where one is made.
        let outcomes = match kind {
            Kind::WrongLength => vec![writing],
            _ => vec![writing, reading],
        };
        for outcome in outcomes {
            let Err(Error::KeyProvider(error)) = outcome else { panic!("{kind:?}: {outcome:?}") };
            assert_eq!((error.kind(), error.key_id(), error.is_transient()), (kind, &*key_id, transient));
        }
    }
    kms.fail_with(None);
    assert_eq!(sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
    for (change, kind) in [
        (MemoryKms::disable as fn(&MemoryKms, &str), Kind::Disabled),
        (MemoryKms::schedule_deletion, Kind::PendingDeletion),
    ] {
        change(&kms, &key_id);
        let refused = sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap_err();
        assert!(matches!(refused, Error::KeyProvider(error) if error.kind() == kind));
        kms.enable(&key_id);
    }
}

#[test]
fn a_providers_cause_is_not_shown_and_is_given_to_a_caller_who_asks() {
    let cause = std::io::Error::other("token=abc123");
    let error = KeyProviderError::new(Kind::Unavailable, "key/1").with_source(cause);
    let error = Error::from(error.clone());
    assert!(!error.to_string().contains("abc123") && error.to_string().contains("key/1"));
    assert!(error.source().is_none() && !format!("{error:?}").contains("abc123"));
    let Error::KeyProvider(error) = error else { panic!("{error:?}") };
    let cause: &std::io::Error = error.cause().and_then(|cause| cause.downcast_ref()).unwrap();
    assert!(cause.to_string().contains("abc123"), "{cause}");
}

#[test]
fn what_is_not_accepted_is_unexpected_before_any_provider_is_asked() {
    let service = Service::new();
    let (sse, kms, key_id) = kms_service();
    let unexpected = |outcome: atrest::Result<Vec<u8>>| match outcome.unwrap_err() {
        Error::Unexpected(unexpected) => unexpected,
        other => panic!("{other:?}"),
    };
    let stored = sse.blocking().encrypt(&name(), SseKms::new(&*key_id), b"meow").unwrap();
    let unbound = sse.blocking().encrypt(&ObjectName::unbound(), SseKms::new(&*key_id), b"meow").unwrap();
    let calls = kms.calls();
    let read = |sse: &Sse, object: &ObjectName, stored| sse.blocking().decrypt(object, stored, Unlock::Server);
    assert_eq!(unexpected(read(&sse, &ObjectName::unbound(), &stored)), Unexpected::Bound);
    assert_eq!(unexpected(read(&sse, &name(), &unbound)), Unexpected::Unbound);
    let other = KmsKeys::only(["memory-kms:key/other"]);
    assert_eq!(
        unexpected(read(&sse.expecting(Expected::new().with_kms_keys(other.clone())), &name(), &stored)),
        Unexpected::KmsKey
    );
    let only_other = Sse::builder().kms(kms.clone(), other).build().unwrap();
    assert_eq!(unexpected(read(&only_other, &name(), &stored)), Unexpected::KmsKey);
    let none = Sse::builder().kms(kms.clone(), KmsKeys::only::<String>([])).build().unwrap();
    assert_eq!(unexpected(read(&none, &name(), &stored)), Unexpected::KmsKey);
    let modes = sse.expecting(Expected::new().with_modes([ModeId::SseS3, ModeId::SseC]));
    assert_eq!(unexpected(read(&modes, &name(), &stored)), Unexpected::Mode);
    // Each expectation narrows the one before; none widens it.
    let widened = modes.expecting(Expected::new().with_modes(ModeId::ALL));
    assert_eq!(unexpected(read(&widened, &name(), &stored)), Unexpected::Mode);
    let s3 = service.sse.blocking().encrypt(&name(), SseS3, b"meow").unwrap();
    assert_eq!(unexpected(read(&sse, &name(), &s3)), Unexpected::Mode, "no keyring, no SSE-S3");
    assert_eq!(unexpected(sse.blocking().encrypt(&name(), SseS3, b"meow").map(|_| vec![])), Unexpected::Mode);
    assert_eq!(kms.calls(), calls);
    let all = Sse::builder().kms(kms.clone(), KmsKeys::all()).build().unwrap();
    assert_eq!(read(&all, &name(), &stored).unwrap(), b"meow");
}

#[test]
fn who_asks_is_in_every_request() {
    let (sse, kms, key_id) = kms_service();
    let alice = sse.requested_by(Requester::new("arn:aws:iam::111122223333:user/alice"));
    let stored = alice.blocking().encrypt(&name(), SseKms::new(&*key_id), b"meow").unwrap();
    sse.blocking().decrypt(&name(), &stored, Unlock::Server).unwrap();
    let who: Vec<_> = kms.requests().iter().map(|request| request.requester().as_str().to_owned()).collect();
    assert_eq!(who, ["arn:aws:iam::111122223333:user/alice", "anonymous"]);
}

#[test]
fn names_that_have_no_arn_are_refused_with_kms_keys_alone() {
    let (sse, _, key_id) = kms_service();
    let service = Service::new();
    for object in [
        ObjectName::new("a/b", "c").unwrap(),
        ObjectName::new(b"\xFF", "c").unwrap(),
        ObjectName::new("a", b"\xFF").unwrap(),
        ObjectName::new("a", "k".repeat(65_535 - 14)).unwrap(),
    ] {
        let refused = sse.blocking().encrypt(&object, SseKms::new(&*key_id), b"meow").unwrap_err();
        assert!(matches!(refused, Error::Misuse(Misuse::NameNotAnArn)));
        let stored = service.sse.blocking().encrypt(&object, SseS3, b"meow").unwrap();
        assert_eq!(service.decrypt(&object, &stored).unwrap(), b"meow");
    }
    // 2 bytes for all pairs, 4 and the name for the ARN's.
    let longest = 8_192 - 2 - 4 - "aws:s3:arn".len() - "arn:aws:s3:::a/".len();
    let object = |len| ObjectName::new("a", "k".repeat(len)).unwrap();
    sse.blocking().encrypt(&object(longest), SseKms::new(&*key_id), b"meow").unwrap();
    for len in [longest + 1, 65_535 - 15] {
        let refused = sse.blocking().encrypt(&object(len), SseKms::new(&*key_id), b"meow").unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded(Limit::Context)), "{refused}");
    }
    let context = EncryptionContext::new().with("team", "x".repeat(8_192 - 2 - 4 - "team".len())).unwrap();
    let mode = SseKms::new(&*key_id).with_context(context);
    sse.blocking().encrypt(&ObjectName::unbound(), mode.clone(), b"meow").unwrap();
    let refused = sse.blocking().encrypt(&name(), mode, b"meow").unwrap_err();
    assert!(matches!(refused, Error::LimitExceeded(Limit::Context)), "{refused}");
}

/// PITFALL: names are joined or cleaned, so that two objects become one.
#[test]
fn names_are_taken_as_they_are_and_injectively() {
    let service = Service::new();
    let names = [
        ObjectName::new("a", "b//c").unwrap(),
        ObjectName::new("a", "b/c").unwrap(),
        ObjectName::new("a", "b/./c").unwrap(),
        ObjectName::new("a/b", "c").unwrap(),
        ObjectName::new("a", "b/c").unwrap().with_realm("x").unwrap(),
        ObjectName::new("a", "b/c").unwrap().with_version_id("x").unwrap(),
        ObjectName::new("A", "b/c").unwrap(),
        ObjectName::new("a", "b/c/").unwrap(),
    ];
    for (i, written) in names.iter().enumerate() {
        let stored = service.sse.blocking().encrypt(written, SseS3, b"meow").unwrap();
        for (j, read) in names.iter().enumerate() {
            assert_eq!(service.decrypt(read, &stored).is_ok(), i == j, "{written:?} {read:?}");
        }
    }
}

#[test]
fn limits_of_names_and_contexts_are_named() {
    let misuse = |outcome: atrest::Result<ObjectName>| match outcome.unwrap_err() {
        Error::Misuse(misuse) => misuse,
        other => panic!("{other:?}"),
    };
    assert_eq!(misuse(ObjectName::new("", "k")), Misuse::EmptyName);
    assert_eq!(misuse(ObjectName::new("b", "")), Misuse::EmptyName);
    assert_eq!(misuse(ObjectName::new("b", vec![0; 65_536])), Misuse::NameTooLong);
    assert_eq!(misuse(ObjectName::unbound().with_realm("r")), Misuse::UnboundName);
    assert_eq!(misuse(ObjectName::unbound().with_version_id("r")), Misuse::UnboundName);
    ObjectName::new("b", vec![0; 65_535]).unwrap();
    let with = |name: &str, value: &str| EncryptionContext::new().with(name, value);
    assert!(matches!(with("", "v"), Err(Error::Misuse(Misuse::ContextNameEmpty))));
    assert!(matches!(with("aws:s3:arn", "v"), Err(Error::Misuse(Misuse::ContextNameReserved))));
    assert!(matches!(with("a", "v").unwrap().with("a", "w"), Err(Error::Misuse(Misuse::ContextNameTwice))));
    with("a", &"v".repeat(8_192 - 2 - 4 - 1)).unwrap();
    assert!(matches!(with("a", &"v".repeat(8_192 - 2 - 4)), Err(Error::LimitExceeded(Limit::Context))));
}

#[test]
fn an_object_longer_than_the_format_holds_is_refused_before_it_begins() {
    let service = Service::new();
    for mode in service.modes() {
        let longest = mode.id().layers().max_plaintext_len();
        service.sse.blocking().encryptor_of_len(&name(), mode.clone(), longest).unwrap();
        let refused = service.sse.blocking().encryptor_of_len(&name(), mode, longest + 1).unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded(Limit::Message)));
    }
}

#[test]
fn an_output_that_is_too_small_to_finish_into_is_named() {
    let service = Service::new();
    let (_, encryptor) = service.sse.blocking().encryptor(&name(), SseS3).unwrap();
    let short = encryptor.finish_len() - 1;
    assert!(matches!(encryptor.finish(&mut vec![0; short]), Err(Error::Misuse(Misuse::OutputTooSmall))));
    let stored = service.sse.blocking().encrypt(&name(), SseS3, &plain(100)).unwrap();
    let mut reader = service.decryptor(&name(), &stored.envelope).unwrap().sequential();
    reader.update(&stored.ciphertext, &mut [0; 8]).unwrap();
    assert!(matches!(reader.finish(&mut [0; 8]), Err(Error::Misuse(Misuse::OutputTooSmall))));
}

#[test]
fn a_generator_that_fails_is_an_error_and_never_a_weaker_draw() {
    let service = Service::with(|builder| builder.generator(broken_generator));
    for mode in service.modes() {
        let refused = service.sse.blocking().encrypt(&name(), mode, b"meow").unwrap_err();
        assert!(matches!(&refused, Error::Random(cause) if cause.error().is::<std::fmt::Error>()));
    }
}

/// PITFALL: without a configured key, a default key, a zero key or plaintext is used.
#[test]
fn nothing_is_encrypted_or_decrypted_where_nothing_was_configured() {
    let bare = Sse::builder().build().unwrap();
    let service = Service::new();
    for mode in service.modes().into_iter().filter(|mode| mode.id() != ModeId::SseC) {
        let refused = bare.blocking().encrypt(&name(), mode, b"meow").unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::Mode)));
    }
    assert!(matches!(Envelope::decode(b"meow"), Err(Error::Envelope(EnvelopeError::NotAnEnvelope))));
    assert!(matches!(Envelope::decode(b""), Err(Error::Envelope(EnvelopeError::NotAnEnvelope))));
}

#[test]
fn states_that_do_not_belong_to_a_call_are_named() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let unlock = service.unlock(mode.id());
        let refused = service.decryptor(&name(), upload.envelope()).unwrap_err();
        assert!(matches!(refused, Error::UploadNotComplete), "{refused:?}");
        let refused = service.sse.blocking().rewrap(Rewrap::of(&name(), upload.envelope(), unlock));
        assert!(matches!(refused, Err(Error::UploadNotComplete)));

        let stored = service.put(&name(), &mode, &[(1, 10), (2, 20)]);
        assert_eq!((stored.envelope().parts(), stored.envelope().plaintext_len()), (Some(2), Some(30)));
        let unlisted = service.decryptor(&name(), stored.envelope()).unwrap();
        let refused = unlisted.sequential().update(&stored.body(), &mut [0; 100]).unwrap_err();
        assert!(matches!(refused, Error::ManifestRequired), "{refused:?}");
        let refused = service.resume(&name(), stored.envelope()).unwrap_err();
        assert!(matches!(refused, Error::Unexpected(Unexpected::State)), "{refused:?}");
    }
}

#[test]
fn what_is_wrong_with_parts_is_named() {
    let part_error = |error: Error| match error {
        Error::Part(error) => error,
        other => panic!("{other:?}"),
    };
    let service = Service::new();
    let upload = service.begin(&name(), &SseS3.into());
    let [one, two] = [1, 2].map(|number| attempt(&upload, number, 0, 10));
    assert_eq!(part_error(PartNumber::new(0).unwrap_err()), PartError::Number(0));
    assert_eq!(part_error(PartNumber::new(10_001).unwrap_err()), PartError::Number(10_001));
    assert_eq!(part_error(service.complete(&upload, &[]).unwrap_err()), PartError::None);
    assert_eq!(part_error(service.complete(&upload, &[two.clone(), one.clone()]).unwrap_err()), PartError::Order(1));
    let relabelled = Part { label: b"another".to_vec(), ..two.clone() };
    assert_eq!(part_error(service.complete(&upload, &[one.clone(), relabelled]).unwrap_err()), PartError::Invalid(2));
    let completed = service.complete(&upload, &[one, two]).unwrap();
    assert_eq!(part_error(completed.decryptor.part(number(3)).unwrap_err()), PartError::NotFound(3));
    let unlisted = service.decryptor(&name(), &completed.envelope).unwrap();
    assert_eq!(part_error(unlisted.manifest_page(2..9).unwrap_err()), PartError::Page);
}

#[test]
fn misuse_and_limits_of_uploads_and_values_are_named() {
    let service = Service::new();
    let begin = |object: &ObjectName, id: &[u8]| service.sse.blocking().begin_multipart(object, id, SseS3);
    for (object, id) in [(name(), &b""[..]), (name(), &[0; 65_536]), (ObjectName::unbound(), b"id")] {
        assert!(matches!(begin(&object, id), Err(Error::Misuse(Misuse::UploadId))));
    }
    let upload = begin(&name(), b"id").unwrap();
    let refused = upload.encrypt_part(number(1), b"", &[0; 256]).map(drop);
    assert!(matches!(refused, Err(Error::Misuse(Misuse::LabelTooLong))));
    let refused = upload.values().seal("atrest/receipt", b"");
    assert!(matches!(refused, Err(Error::Misuse(Misuse::ValueName))));
    let refused = upload.values().seal("n", &[0; 65_536]);
    assert!(matches!(refused, Err(Error::LimitExceeded(Limit::Value))));
    let parts: Vec<_> = (1..=65_537)
        .map(|at| {
            let number = PartNumber::any(at).unwrap();
            let (stored, receipt) = upload.encrypt_part(number, b"", b"").unwrap();
            Part { number, label: vec![], receipt, stored, plain: vec![] }
        })
        .collect();
    let refused = service.complete(&upload, &parts).map(drop);
    assert!(matches!(refused, Err(Error::LimitExceeded(Limit::Multipart))), "{refused:?}");
}

#[test]
fn a_missing_feature_is_named() {
    for (backend, feature, name) in
        [(Backend::AwsLc, Feature::AwsLcRs, "aws-lc-rs"), (Backend::Graviola, Feature::Graviola, "graviola")]
    {
        if let Err(refused) = Sse::builder().backend(backend).build() {
            assert!(matches!(refused, Error::NotCompiled(missing) if missing == feature), "{refused:?}");
            assert!(refused.to_string().contains(name));
        }
    }
    Sse::builder().backend(Backend::fastest()).build().unwrap();
}

#[test]
fn errors_say_what_to_do_and_can_be_kept() {
    let directory = tempfile::tempdir().unwrap();
    let missing = Keyring::open_blocking(directory.path().join("none"), &RootKey::generate().unwrap()).unwrap_err();
    let samples: [(Error, &str); 12] = [
        (missing, "cannot be read"),
        (CustomerKeyError::Required.into(), "required"),
        (Error::ManifestRequired, "manifest"),
        (EnvelopeError::UnsupportedVersion(2).into(), "newer release"),
        (SealedFileError::WrongRootKey.into(), "root key"),
        (KeyringError::VersionIsPrimary(3).into(), "rotate"),
        (Unexpected::Mode.into(), "builder"),
        (Limit::EnvelopeLen(100).into(), "100"),
        (Misuse::RewrapCrossesCustomerKey.into(), "across_customer_key"),
        (PartError::Invalid(7).into(), "part 7"),
        (PartError::Order(7).into(), "ascending"),
        (Misuse::UploadId.into(), "unbound object takes no id"),
    ];
    for (error, says) in samples {
        let kept: Error = error.clone();
        let boxed: Box<dyn std::error::Error + Send + Sync + 'static> = Box::new(error);
        assert_eq!(boxed.to_string(), kept.to_string());
        assert!(kept.to_string().contains(says), "{kept}");
    }
}

#[test]
fn a_range_outside_says_how_long_the_object_is() {
    let service = Service::new();
    let stored = service.sse.blocking().encrypt(&name(), SseS3, &plain(C)).unwrap();
    let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
    let refused = decryptor.range(C as u64.., stored.ciphertext.len() as u64).unwrap_err();
    assert!(matches!(refused, Error::RangeNotSatisfiable { plaintext_len: 16_384, .. }));
    assert!(refused.to_string().contains("16384"));
}

#[test]
fn a_provider_says_what_passes_but_no_wrong_answer_and_no_refusal_ever_does() {
    let said = |kind, transient| KeyProviderError::new(kind, "alias/app").with_transience(transient).is_transient();
    for kind in
        [Kind::NotFound, Kind::Disabled, Kind::PendingDeletion, Kind::InvalidState, Kind::Unavailable, Kind::Throttled]
    {
        assert!(said(kind, true) && !said(kind, false), "{kind:?}");
    }
    for kind in
        [Kind::Misconfigured, Kind::AccessDenied, Kind::Rejected, Kind::WrongKey, Kind::Unresolved, Kind::WrongLength]
    {
        assert!(!said(kind, true), "{kind:?}");
    }
}

#[test]
fn a_request_id_is_shown_bounded_and_without_control_characters() {
    let id = format!("7f3a\n\u{1b}[31m {}", "x".repeat(1_000));
    let error = KeyProviderError::new(Kind::Unavailable, "alias/app").with_request_id(&id);
    let kept = error.request_id().unwrap();
    assert!(kept.starts_with("7f3a[31mx") && kept.len() == 128 && kept.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(error.to_string().ends_with(&format!("(request {kept})")));
    assert_eq!(KeyProviderError::new(Kind::Unavailable, "alias/app").with_request_id("\n").request_id(), None);
}
