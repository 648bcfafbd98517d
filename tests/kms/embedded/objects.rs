//! Objects under an embedded KMS, in every mode.

use std::sync::Arc;

use atrest::audit::{AuditTrail, MemorySink};
use atrest::error::{KeyProviderErrorKind as Kind, Unexpected};
use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission};
use atrest::{
    AnyMode, Backend, DsseKms, Encrypted, EncryptionContext, Error, KmsKeys, ObjectName, Requester, Rewrap, Sse,
    SseKms, SseS3, Unlock,
};

use super::kit::{Store, generate, owner};

fn sse(kms: &EmbeddedKms, keys: KmsKeys) -> Sse {
    let sse = Sse::builder().keyring(kms.keyring()).kms(Arc::new(kms.clone()), keys).build().unwrap();
    sse.requested_by(owner())
}

fn modes(key: &str) -> Vec<AnyMode> {
    let pairs = || EncryptionContext::new().with("team", "photos").unwrap();
    let mut modes = vec![SseS3.into(), SseKms::new(key).into(), SseKms::new(key).with_context(pairs()).into()];
    if Backend::available().count() > 1 {
        modes.push(DsseKms::new(key).with_context(pairs()).into());
    }
    modes
}

fn refused(result: Result<impl Sized, Error>) -> Kind {
    match result.err().expect("it is refused") {
        Error::KeyProvider(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_mode_opens_after_a_restart_and_after_rotations_of_everything() {
    let mut store = Store::new();
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap().arn;
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let mut stored: Vec<Encrypted> = Vec::new();
    for round in 1..=3 {
        let door = sse(&store.kms, KmsKeys::only([&*key]));
        stored.extend(
            modes("alias/app").into_iter().map(|mode| door.blocking().encrypt(&object, mode, b"meow").unwrap()),
        );
        for encrypted in &stored {
            assert_eq!(door.blocking().decrypt(&object, encrypted, Unlock::Server).unwrap(), b"meow");
            assert!(encrypted.envelope.kms_key_id().is_none_or(|id| id == key));
        }
        let rewrapped =
            door.blocking().rewrap(Rewrap::of(&object, &stored[0].envelope, Unlock::Server).both_layers()).unwrap();
        assert_eq!(rewrapped.key_version(), Some(round));
        store.admin().rotate_key(&key).unwrap();
        store.kms.keyring().blocking().rotate().unwrap();
        // This very handle follows.
        let fresh = door.blocking().encrypt(&object, SseS3, b"meow").unwrap();
        assert_eq!(fresh.envelope.key_version(), Some(round + 1));
        drop((door, fresh));
        store = store.reopened();
    }
    assert_eq!(store.kms.keyring().versions().len(), 4);
}

#[test]
fn who_asks_decides_and_not_who_wrote() {
    let store = Store::new();
    let (writer, reader) = (Requester::new("writer"), Requester::new("reader"));
    let policy = KeyPolicy::new().allow(Permission::Generate, [&writer]).allow(Permission::Unwrap, [&reader]);
    store.admin().create_key(NewKey::new().alias("alias/app").policy(policy)).unwrap();
    let sse = sse(&store.kms, KmsKeys::all());
    let (writing, reading) = (sse.requested_by(writer), sse.requested_by(reader));
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = writing.blocking().encrypt(&object, SseKms::new("alias/app"), b"meow").unwrap();
    assert_eq!(reading.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");
    assert_eq!(refused(writing.blocking().decrypt(&object, &stored, Unlock::Server)), Kind::AccessDenied);
    assert_eq!(refused(reading.blocking().encrypt(&object, SseKms::new("alias/app"), b"")), Kind::AccessDenied);
    // A rewrap does both.
    for either in [&writing, &reading, &sse] {
        assert_eq!(
            refused(either.blocking().rewrap(Rewrap::of(&object, &stored.envelope, Unlock::Server))),
            Kind::AccessDenied
        );
    }
    // A decryptor that was unlocked before is held by the process, and its key with it.
    let decryptor = reading.blocking().decryptor(&object, &stored.envelope, Unlock::Server).unwrap();
    store.admin().disable_key("alias/app").unwrap();
    assert_eq!(refused(reading.blocking().decryptor(&object, &stored.envelope, Unlock::Server)), Kind::Disabled);
    let mut plain = vec![0; 4];
    decryptor.sequential().finish(&mut plain).unwrap_err();
}

#[test]
fn an_object_of_no_key_named_is_under_the_default_key() {
    let store = Store::new();
    let sse = sse(&store.kms, KmsKeys::all());
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse.blocking().encrypt(&object, SseKms::default(), b"meow").unwrap();
    let key = store.admin().describe_key("alias/aws/s3").unwrap();
    assert_eq!(stored.envelope.kms_key_id(), Some(&*key.arn));
    assert_eq!(sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap(), b"meow");
}

#[test]
fn an_envelope_does_not_choose_the_key() {
    let store = Store::new();
    let ours = store.admin().create_key(NewKey::new()).unwrap().arn;
    let theirs = store.admin().create_key(NewKey::new()).unwrap().arn;
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse(&store.kms, KmsKeys::all()).blocking().encrypt(&object, SseKms::new(&*theirs), b"meow").unwrap();
    let opened = sse(&store.kms, KmsKeys::only([&*ours])).blocking().decrypt(&object, &stored, Unlock::Server);
    assert!(matches!(opened, Err(Error::Unexpected(Unexpected::KmsKey))));
}

#[test]
fn an_object_whose_key_was_lost_says_that_it_is_not_found() {
    let (store, other) = (Store::new(), Store::new());
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse(&store.kms, KmsKeys::all()).blocking().encrypt(&object, SseKms::default(), b"meow").unwrap();
    let opened = sse(&other.kms, KmsKeys::all()).blocking().decrypt(&object, &stored, Unlock::Server);
    assert_eq!(refused(opened), Kind::NotFound);
}

#[test]
fn a_refused_use_of_a_key_has_the_request_id_of_its_event() {
    let sink = Arc::new(MemorySink::new());
    let store = Store::built(|builder| builder.audit(AuditTrail::new(sink.clone())));
    store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    sink.clear();
    let error = generate(&store.kms, "alias/app", &Requester::new("mallory")).unwrap_err();
    let events = sink.events();
    assert!(error.request_id().is_some());
    assert_eq!(events.iter().map(|event| event.request_id()).collect::<Vec<_>>(), [error.request_id()]);
    // Without a trail nothing is drawn for it.
    let silent = Store::new();
    silent.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    assert_eq!(generate(&silent.kms, "alias/app", &owner()).unwrap().request_id(), None);
}
