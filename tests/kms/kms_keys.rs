//! `KmsKeys`: which KMS keys a provider may answer with, on a write and on a read.

use std::sync::Arc;

use atrest::error::{KeyProviderErrorKind as Kind, Unexpected};
use atrest::{
    AnyMode, Backend, DsseKms, Encrypted, Error, Expected, Keyring, KmsKeys, Requester, Result, Rewrap, RootKey, Sse,
    SseKms, Unlock,
};
use atrest_kit::{Faulty, OneKey, name};

const ALICE: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const MALLORY: &str = "arn:aws:kms:eu-central-1:111122223333:key/9876fedc-12ab-34cd-56ef-1234567890ab";
const HERE: &str = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const THERE: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";

/// A provider that answers with the id that [`answer`] sets.
fn answering() -> Arc<Faulty<OneKey>> {
    Faulty::new(OneKey::new("", b"wrapped", [7; 32]))
}

fn answer(kms: &Faulty<OneKey>, key_id: &str) {
    kms.change(|faults| faults.answers_as = Some(key_id.to_owned()));
}

struct World {
    kms: Arc<Faulty<OneKey>>,
    sse: Sse,
}

fn world(keys: KmsKeys) -> World {
    let kms = answering();
    let sse = Sse::builder().keyring(Keyring::generate().unwrap()).kms(kms.clone(), keys).build().unwrap();
    World { kms, sse }
}

/// SSE-KMS, and DSSE-KMS where this build has it, under a key as it was named.
fn modes(key_id: &str) -> Vec<AnyMode> {
    let mut modes = vec![AnyMode::from(SseKms::new(key_id))];
    if Backend::available().count() > 1 {
        modes.push(DsseKms::new(key_id).into());
    }
    modes
}

impl World {
    /// Every way to write under the key as it was named, answered with another id.
    fn written(&self, named: &str, answered: &str) -> Vec<Result<()>> {
        answer(&self.kms, answered);
        let sse = self.sse.blocking();
        let each = |mode: AnyMode| {
            [
                sse.encrypt(&name(), mode.clone(), b"meow").map(drop),
                sse.encryptor(&name(), mode.clone()).map(drop),
                sse.begin_multipart(&name(), b"upload", mode).map(drop),
            ]
        };
        modes(named).into_iter().flat_map(each).collect()
    }

    fn stored(&self, mode: AnyMode, answered: &str) -> Encrypted {
        answer(&self.kms, answered);
        self.sse.blocking().encrypt(&name(), mode, b"meow").unwrap()
    }
}

fn kind(outcome: Result<()>) -> Kind {
    match outcome.unwrap_err() {
        Error::KeyProvider(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_is_written_under_another_key_than_the_resolved_one_that_was_asked_for() {
    for keys in [KmsKeys::all(), KmsKeys::only([ALICE, MALLORY]), KmsKeys::all().with_replicas()] {
        let world = world(keys);
        assert!(world.written(ALICE, ALICE).into_iter().all(|written| written.is_ok()));
        for written in world.written(ALICE, MALLORY) {
            assert_eq!(kind(written), Kind::WrongKey);
        }
    }
    // An id of no AWS form is known to be resolved by the list alone.
    for written in world(KmsKeys::only(["hsm:1", "hsm:2"])).written("hsm:1", "hsm:2") {
        assert_eq!(kind(written), Kind::WrongKey);
    }
}

#[test]
fn what_is_written_is_what_the_same_handle_would_read() {
    let world = world(KmsKeys::only([ALICE]));
    for named in ["alias/app", "", "arn:aws:kms:eu-central-1:111122223333:alias/app"] {
        assert!(world.written(named, ALICE).into_iter().all(|written| written.is_ok()));
        for written in world.written(named, MALLORY) {
            assert!(matches!(written, Err(Error::Unexpected(Unexpected::KmsKey))), "{written:?}");
        }
    }
    let narrowed = World { sse: world.sse.expecting(Expected::new().with_kms_keys(KmsKeys::only([MALLORY]))), ..world };
    for written in narrowed.written("alias/app", ALICE) {
        assert!(matches!(written, Err(Error::Unexpected(Unexpected::KmsKey))), "{written:?}");
    }
}

/// PITFALL: a provider resolves an alias when it unwraps and not when it generates, so that no object can be read.
#[test]
fn an_alias_in_the_answer_fails_at_the_write_and_says_what_to_do() {
    for alias in ["alias/app", "arn:aws:kms:eu-central-1:111122223333:alias/app"] {
        for keys in [KmsKeys::all(), KmsKeys::only([alias]), KmsKeys::only([ALICE])] {
            for written in world(keys).written(alias, alias) {
                let error = written.unwrap_err();
                assert!(error.to_string().contains("resolved id"), "{error}");
                assert_eq!(kind(Err(error)), Kind::Unresolved);
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for (named, answered, refused) in [
        ("alias/root", "alias/root", Kind::Unresolved),
        (ALICE, MALLORY, Kind::WrongKey),
        (HERE, THERE, Kind::WrongKey),
    ] {
        let kms = answering();
        answer(&kms, answered);
        let path = directory.path().join("root.wrapped");
        let created = RootKey::create_wrapped_blocking(&path, kms, named, &Requester::anonymous());
        assert_eq!(kind(created.map(drop)), refused);
        assert!(!path.exists());
    }
}

#[test]
fn a_rewrap_keeps_the_key_that_the_envelope_names() {
    let world = world(KmsKeys::all());
    for mode in modes(ALICE) {
        let stored = world.stored(mode, ALICE);
        let sse = world.sse.blocking();
        assert!(sse.rewrap(Rewrap::of(&name(), &stored.envelope, Unlock::Server)).is_ok());
        answer(&world.kms, MALLORY);
        assert!(sse.decrypt(&name(), &stored, Unlock::Server).is_err());
    }
}

#[test]
fn a_replica_is_another_key_unless_replicas_are_accepted() {
    for keys in [KmsKeys::all(), KmsKeys::only([HERE]), KmsKeys::only([HERE, THERE])] {
        for written in world(keys.clone()).written(HERE, THERE) {
            assert_eq!(kind(written), Kind::WrongKey);
        }
        for mode in modes(HERE) {
            let world = world(keys.clone());
            let stored = world.stored(mode.clone(), HERE);
            answer(&world.kms, THERE);
            let refused = world.sse.blocking().decrypt(&name(), &stored, Unlock::Server);
            assert_eq!(kind(refused.map(drop)), Kind::WrongKey);

            // The region where the object was written is gone; its replica opens the object and writes new ones.
            let accepting = self::world(keys.clone().with_replicas());
            let stored = accepting.stored(mode.clone(), HERE);
            answer(&accepting.kms, THERE);
            let sse = accepting.sse.blocking();
            assert_eq!(sse.decrypt(&name(), &stored, Unlock::Server).unwrap(), b"meow");
            let moved = sse.encrypt(&name(), mode, b"meow").unwrap();
            assert_eq!(moved.envelope.kms_key_id(), Some(THERE));
            assert_eq!(sse.decrypt(&name(), &moved, Unlock::Server).unwrap(), b"meow");
        }
    }
    // In the list of a reader in the other region.
    let world = world(KmsKeys::all());
    let stored = world.stored(SseKms::new(HERE).into(), HERE);
    let there = |keys| world.sse.expecting(Expected::new().with_kms_keys(keys)).blocking();
    let refused = there(KmsKeys::only([THERE])).decrypt(&name(), &stored, Unlock::Server);
    assert!(matches!(refused, Err(Error::Unexpected(Unexpected::KmsKey))), "{refused:?}");
    there(KmsKeys::only([THERE]).with_replicas()).decrypt(&name(), &stored, Unlock::Server).unwrap();
}

#[test]
fn only_a_multi_region_key_of_the_same_partition_and_account_has_replicas() {
    let world = world(KmsKeys::all().with_replicas());
    for (asked, other) in [
        (ALICE, &*ALICE.replace("eu-central-1", "us-east-1")),
        (HERE, &*THERE.replace("111122223333", "444455556666")),
        (HERE, &*THERE.replace("arn:aws:", "arn:aws-cn:")),
        (HERE, &*THERE.replace("mrk-1", "mrk-2")),
        (HERE, &*THERE.replace(":kms:", ":s3:")),
        (HERE, "mrk-1234abcd12ab34cd56ef1234567890ab"),
        ("arn:aws:kms:eu-central-1:1:key/mrk-", "arn:aws:kms:us-east-1:1:key/mrk-"),
    ] {
        for written in world.written(asked, other) {
            assert_eq!(kind(written), Kind::WrongKey, "{asked} {other}");
        }
    }
}

#[test]
fn aliases_among_the_accepted_keys_are_told() {
    let keys = ["alias/app", "arn:aws:kms:eu-west-1:1:alias/app", "arn:aws:kms:eu-west-1:1:key/1", "pkcs11:id=%01"];
    let keys = KmsKeys::only(keys);
    assert_eq!(keys.aliases().collect::<Vec<_>>(), ["alias/app", "arn:aws:kms:eu-west-1:1:alias/app"]);
    assert_eq!(KmsKeys::all().aliases().count(), 0);
}
