//! A keyring that lives in the object store: created, opened, changed by several processes, put under another KMS key;
//! and the stores that are refused.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kit;

use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::Arc;

use atrest::error::{KeyProviderErrorKind, Unexpected};
use atrest::testing::MemoryKms;
use atrest::{Encrypted, Error, Keyring, KmsKeys, ObjectName, Requester, RootKey, Sse, SseS3, Unlock};
use atrest_object_store::{KeyringObject, KeyringStoreError, StoreKeyring};
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use kit::{Store, Wrong};

const ROOT_KEY: &str = "keys/root-key.atrest";
const KEYRING: &str = "keys/keyring.atrest";

/// A store, a KMS with two keys, and the place of a keyring whose root key may lie under either.
struct World {
    store: Arc<Store>,
    kms: Arc<MemoryKms>,
    keys: [String; 2],
}

impl World {
    fn new() -> Self {
        let kms = MemoryKms::new();
        let keys = ["one", "two"].map(|name| kms.create_key(name).unwrap());
        Self { store: Store::new(), kms: Arc::new(kms), keys }
    }

    fn accepting<const N: usize>(&self, keys: [&str; N]) -> StoreKeyring {
        StoreKeyring::new(self.store.clone(), Path::from("keys"), self.kms.clone(), KmsKeys::only(keys))
            .requested_by(Requester::new("lake"))
    }

    fn place(&self) -> StoreKeyring {
        self.accepting([&self.keys[0], &self.keys[1]])
    }

    async fn create(&self) -> Keyring {
        self.place().create(&self.keys[0]).await.unwrap()
    }

    async fn stored(&self, path: &str) -> Vec<u8> {
        self.store.inner.get(&Path::from(path)).await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// Puts bytes into the store, as an attacker who writes it can.
    async fn tamper(&self, path: &str, bytes: Vec<u8>) {
        self.store.inner.put(&Path::from(path), bytes.into()).await.unwrap();
    }

    async fn paths(&self) -> Vec<String> {
        let listed: Vec<_> = self.store.inner.list(None).try_collect().await.unwrap();
        let mut paths: Vec<_> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
        paths.sort();
        paths
    }
}

fn name() -> ObjectName {
    ObjectName::new("lake", "t/part-0.parquet").unwrap()
}

async fn write(keyring: &Keyring) -> Encrypted {
    let sse = Sse::builder().keyring(keyring.clone()).build().unwrap();
    sse.encrypt(&name(), SseS3, b"meow").await.unwrap()
}

async fn reads(keyring: &Keyring, stored: &Encrypted) -> bool {
    let sse = Sse::builder().keyring(keyring.clone()).build().unwrap();
    sse.decrypt(&name(), stored, Unlock::Server).await.is_ok_and(|plain| plain == b"meow")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keyring_is_created_once_and_every_process_opens_and_changes_it() {
    let world = World::new();
    let one = world.create().await;
    assert_eq!(world.paths().await, [KEYRING, ROOT_KEY]);
    assert_eq!(world.store.puts(), [ROOT_KEY, KEYRING], "the root key is written first");
    let two = world.place().open().await.unwrap();
    assert_eq!(world.kms.calls().unwrap, 2, "once to check the new root key, once to open it");

    let (first, second) = tokio::join!(one.rotate(), two.rotate());
    let mut versions = [first.unwrap(), second.unwrap()];
    versions.sort();
    assert_eq!(versions, [2, 3], "each made a version of its own");
    let three = world.place().open().await.unwrap();
    assert_eq!((three.primary(), three.versions().len()), (3, 3));
    let stored = write(&three).await;
    assert!(reads(&one, &stored).await && reads(&two, &stored).await);
    assert_eq!(world.paths().await, [KEYRING, ROOT_KEY], "nothing else is left in the store");
}

#[tokio::test]
async fn changes_in_a_current_thread_runtime_are_made_too() {
    let world = World::new();
    let (one, two) = (world.create().await, world.place().open().await.unwrap());
    for _ in 0..3 {
        one.rotate().await.unwrap();
        two.rotate().await.unwrap();
    }
    assert_eq!(world.place().open().await.unwrap().primary(), 7);
}

#[test]
fn without_a_runtime_the_store_is_asked_directly_and_a_named_runtime_is_used() {
    let world = World::new();
    let keyring = pollster::block_on(world.create());
    assert_eq!(keyring.blocking().rotate().unwrap(), 2);

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let place = world.place().runtime(runtime.handle().clone());
    let keyring = pollster::block_on(place.open()).unwrap();
    assert_eq!(keyring.blocking().rotate().unwrap(), 3);
}

#[tokio::test]
async fn a_second_creation_replaces_nothing() {
    let world = World::new();
    let keyring = world.create().await;
    let before = (world.stored(ROOT_KEY).await, world.stored(KEYRING).await);
    let refused = world.place().create(&world.keys[0]).await.unwrap_err();
    let KeyringStoreError::Atrest(Error::Io(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!((world.stored(ROOT_KEY).await, world.stored(KEYRING).await), before);
    assert!(reads(&world.place().open().await.unwrap(), &write(&keyring).await).await);
}

#[tokio::test]
async fn two_creators_at_once_leave_one_keyring_under_one_root_key() {
    let world = World::new();
    let (place, key) = (world.place(), &world.keys[0]);
    let (one, two) = tokio::join!(place.create(key), place.create(key));
    let created: Vec<_> = [one, two].into_iter().flatten().collect();
    assert_eq!(created.len(), 1);
    assert!(reads(&place.open().await.unwrap(), &write(&created[0]).await).await);
}

#[tokio::test]
async fn what_is_not_found_is_never_made_anew() {
    let world = World::new();
    let refused = world.place().open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::NotFound { .. }), "{refused:?}");
    assert!(refused.to_string().contains(ROOT_KEY));
    let refused = world.place().rewrap_root_key(&world.keys[1]).await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::NotFound { .. }), "{refused:?}");
    assert!(world.paths().await.is_empty() && world.store.puts().is_empty());

    world.create().await;
    world.store.inner.delete(&Path::from(KEYRING)).await.unwrap();
    world.store.puts();
    let refused = world.place().open().await.unwrap_err();
    let KeyringStoreError::Atrest(Error::Io(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!((world.paths().await, world.store.puts()), (vec![ROOT_KEY.to_owned()], vec![]));
}

#[tokio::test]
async fn a_creation_that_ended_between_the_two_objects_goes_on_with_the_stored_root_key() {
    let world = World::new();
    world.create().await;
    let root_key = world.stored(ROOT_KEY).await;
    world.store.inner.delete(&Path::from(KEYRING)).await.unwrap();
    let keyring = world.create().await;
    assert_eq!(world.stored(ROOT_KEY).await, root_key, "it may seal a copy of the keyring elsewhere");
    assert!(reads(&world.place().open().await.unwrap(), &write(&keyring).await).await);
}

#[tokio::test]
async fn a_change_whose_answer_was_lost_takes_effect_and_makes_no_version_too_many() {
    for wrong in [Wrong::AnswerLost, Wrong::Retried, Wrong::NotStored] {
        let world = World::new();
        let keyring = world.create().await;
        world.store.does(wrong);
        assert_eq!(keyring.rotate().await.unwrap(), 2, "{wrong:?}");
        let opened = world.place().open().await.unwrap();
        assert_eq!((opened.primary(), opened.versions().len()), (2, 2), "{wrong:?}");
        assert!(reads(&opened, &write(&keyring).await).await);
    }
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_can_be_repeated() {
    for wrong in [Wrong::AnswerLost, Wrong::Retried, Wrong::NotStored] {
        let world = World::new();
        world.store.does(wrong);
        let created = world.place().create(&world.keys[0]).await;
        let keyring = match created {
            Ok(keyring) => keyring,
            Err(KeyringStoreError::OutcomeUnknown { .. }) => world.create().await,
            Err(error) => panic!("{wrong:?}: {error:?}"),
        };
        assert!(reads(&world.place().open().await.unwrap(), &write(&keyring).await).await, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_change_of_the_kms_key_rewrites_one_object_however_many_there_are() {
    let world = World::new();
    let keyring = world.create().await;
    let mut objects = Vec::new();
    for at in 0..50 {
        let stored = write(&keyring).await;
        world.tamper(&format!("data/{at}"), stored.to_inline().unwrap()).await;
        objects.push(stored);
    }
    let before = world.stored(KEYRING).await;
    world.store.puts();
    let key_id = world.place().rewrap_root_key(&world.keys[1]).await.unwrap();
    assert_eq!(key_id, world.keys[1]);
    assert_eq!(world.store.puts(), [ROOT_KEY], "one object");
    assert!(world.stored(KEYRING).await == before, "the keyring stays as it is");

    // The old KMS key is not needed any more; a running process goes on.
    world.kms.disable(&world.keys[0]);
    let opened = world.accepting([&world.keys[1]]).open().await.unwrap();
    assert!(reads(&opened, &objects[0]).await && reads(&opened, &objects[49]).await);
    assert!(reads(&keyring, &write(&opened).await).await);
    assert_eq!(keyring.rotate().await.unwrap(), 2);

    let refused = world.accepting([&world.keys[0]]).open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::Atrest(Error::Unexpected(Unexpected::KmsKey))), "{refused:?}");
    world.kms.disable(&world.keys[1]);
    let refused = world.place().open().await.unwrap_err();
    let KeyringStoreError::Atrest(Error::KeyProvider(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.kind(), KeyProviderErrorKind::Disabled);
}

#[tokio::test]
async fn a_change_of_the_kms_key_whose_answer_was_lost_is_no_failure_and_one_that_was_not_stored_says_so() {
    let world = World::new();
    let keyring = world.create().await;
    for wrong in [Wrong::AnswerLost, Wrong::Retried] {
        world.store.does(wrong);
        assert_eq!(world.place().rewrap_root_key(&world.keys[1]).await.unwrap(), world.keys[1], "{wrong:?}");
        assert!(reads(&world.place().open().await.unwrap(), &write(&keyring).await).await);
    }
    world.store.does(Wrong::NotStored);
    let refused = world.place().rewrap_root_key(&world.keys[0]).await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::OutcomeUnknown { .. }), "{refused:?}");
    assert!(reads(&world.place().open().await.unwrap(), &write(&keyring).await).await);
    let refused = world.place().rewrap_root_key("no such key").await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::Atrest(_)), "{refused:?}");
}

#[tokio::test]
async fn of_two_changes_of_the_kms_key_at_once_each_leaves_a_root_key_that_opens() {
    let world = World::new();
    let keyring = world.create().await;
    let place = world.place();
    let (one, two) = tokio::join!(place.rewrap_root_key(&world.keys[1]), place.rewrap_root_key(&world.keys[1]));
    let refused = [one, two].into_iter().filter_map(Result::err);
    assert!(refused.into_iter().all(|error| matches!(error, KeyringStoreError::Changed { .. })));
    let opened = world.accepting([&world.keys[1]]).open().await.unwrap();
    assert!(reads(&opened, &write(&keyring).await).await);
}

#[tokio::test]
async fn an_older_keyring_put_back_is_refused_where_a_newer_one_was_seen_or_is_configured() {
    let world = World::new();
    let keyring = world.create().await;
    let older = (world.stored(ROOT_KEY).await, world.stored(KEYRING).await);
    keyring.rotate().await.unwrap();
    let stored = write(&keyring).await;
    world.tamper(ROOT_KEY, older.0).await;
    world.tamper(KEYRING, older.1).await;

    // A running process goes on reading, and does not take it.
    assert!(reads(&keyring, &stored).await);
    keyring.reload().await.unwrap_err();
    keyring.rotate().await.unwrap_err();
    assert!(reads(&keyring, &stored).await && keyring.other_history().is_some());

    let place = world.place().min_generation(keyring.generation());
    let refused = place.open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::Atrest(Error::Unexpected(Unexpected::Generation))), "{refused:?}");
    // What is not configured is not detected.
    let behind = world.place().open().await.unwrap();
    assert!(!reads(&behind, &stored).await, "it lacks the newer version");
    let refused = world.place().key_id("another").open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::Atrest(Error::Unexpected(Unexpected::KeyringId))), "{refused:?}");
}

#[tokio::test]
async fn a_foreign_root_key_opens_nothing() {
    let world = World::new();
    world.create().await;
    let own = world.stored(ROOT_KEY).await;

    // Of another KMS key that the service may use, as an attacker with a keyring of their own would put it.
    let attacker = World { store: Store::new(), kms: world.kms.clone(), keys: world.keys.clone() };
    attacker.place().create(&world.keys[1]).await.unwrap();
    for path in [ROOT_KEY, KEYRING] {
        world.tamper(path, attacker.stored(path).await).await;
    }
    let refused = world.accepting([&world.keys[0]]).open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::Atrest(Error::Unexpected(Unexpected::KmsKey))), "{refused:?}");

    // Of the same KMS key, but of another path.
    let elsewhere = StoreKeyring::new(
        attacker.store.clone(),
        Path::from("other"),
        world.kms.clone(),
        KmsKeys::only([world.keys[0].as_str()]),
    );
    elsewhere.create(&world.keys[0]).await.unwrap();
    world.tamper(ROOT_KEY, attacker.stored("other/root-key.atrest").await).await;
    assert!(matches!(world.place().open().await.unwrap_err(), KeyringStoreError::Atrest(_)));

    // Any changed byte, and any cut.
    for at in (0..own.len()).step_by(7) {
        let mut changed = own.clone();
        changed[at] ^= 1;
        world.tamper(ROOT_KEY, changed).await;
        world.place().open().await.unwrap_err();
        world.tamper(ROOT_KEY, own[..at].to_vec()).await;
        world.place().open().await.unwrap_err();
    }
    world.tamper(ROOT_KEY, vec![0; 1 << 20]).await;
    let refused = world.place().open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::Store(_)), "{refused:?}");
}

#[tokio::test]
async fn a_local_directory_is_refused_by_name_and_nothing_is_left_in_it() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let local = Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap());
    let place =
        StoreKeyring::new(local.clone(), Path::from("keys"), world.kms.clone(), KmsKeys::only([&world.keys[0]]));
    for refused in [
        place.create(&world.keys[0]).await.unwrap_err(),
        place.open().await.unwrap_err(),
        place.rewrap_root_key(&world.keys[0]).await.unwrap_err(),
        KeyringObject::new(local, Path::from("keyring")).await.unwrap_err(),
    ] {
        assert!(matches!(refused, KeyringStoreError::NoConditionalPut { .. }), "{refused:?}");
        let text = refused.to_string();
        assert!(text.contains("LocalFileSystem") && text.contains("file"), "{text}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(world.kms.calls().generate, 0, "no key is made for it");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_or_gives_no_tags_is_refused() {
    let world = World::new();
    world.create().await;
    let before = world.paths().await;
    world.store.does(Wrong::IgnoresConditions);
    let refused = world.place().open().await.unwrap_err();
    assert!(matches!(refused, KeyringStoreError::ConditionIgnored { .. }), "{refused:?}");
    assert_eq!(world.paths().await, before, "the probe is gone again");

    for wrong in [Wrong::NoTags, Wrong::WeakTags] {
        world.store.does(wrong);
        let refused = world.place().open().await.unwrap_err();
        let KeyringStoreError::Atrest(Error::Io(error)) = &refused else { panic!("{wrong:?}: {refused:?}") };
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{wrong:?}: {:?}", refused.source());
        let refused = world.place().rewrap_root_key(&world.keys[1]).await.unwrap_err();
        assert!(matches!(refused, KeyringStoreError::NoTag { .. }), "{wrong:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_neither_a_missing_root_key_nor_a_keyring_that_exists() {
    let world = World::new();
    world.store.does(Wrong::NoBucket);
    let refused = world.place().create(&world.keys[0]).await.unwrap_err();
    let KeyringStoreError::Store(object_store::Error::NotFound { .. }) = &refused else { panic!("{refused:?}") };
    let storage = Arc::new(KeyringObject::new(world.store.clone(), Path::from("master")).await.unwrap());
    let refused = Keyring::builder_in(storage).create(&RootKey::generate().unwrap()).await.unwrap_err();
    assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::NotFound), "{refused:?}");
}

#[tokio::test]
async fn a_process_that_may_only_read_opens_and_cannot_change() {
    let world = World::new();
    let stored = write(&world.create().await).await;
    world.store.does(Wrong::ReadOnly);
    let keyring = world.place().open().await.unwrap();
    assert!(reads(&keyring, &stored).await);
    let refused = keyring.rotate().await.unwrap_err();
    assert!(matches!(&refused, Error::Io(error) if error.kind() == ErrorKind::PermissionDenied), "{refused:?}");
    assert_eq!(keyring.primary(), 1);
}

#[tokio::test]
async fn a_keyring_under_a_root_key_from_elsewhere_lives_in_one_object() {
    let (store, root_key) = (Store::new(), RootKey::generate().unwrap());
    let storage = || async { Arc::new(KeyringObject::new(store.clone(), Path::from("master")).await.unwrap()) };
    let keyring = Keyring::builder_in(storage().await).create(&root_key).await.unwrap();
    let other = Keyring::builder_in(storage().await).open(&root_key).await.unwrap();
    assert_eq!(other.rotate().await.unwrap(), 2);
    keyring.reload().await.unwrap();
    assert_eq!(keyring.primary(), 2);
    keyring.reload().await.unwrap();

    store.inner.put(&Path::from("master"), vec![0; 5 << 20].into()).await.unwrap();
    assert!(Keyring::builder_in(storage().await).open(&root_key).await.is_err(), "too long");
    store.inner.delete(&Path::from("master")).await.unwrap();
    keyring.rotate().await.unwrap_err();
    assert!(store.inner.get(&Path::from("master")).await.is_err(), "not made anew by a change");
}

#[test]
fn no_debug_shows_a_key() {
    let world = World::new();
    let shown = format!("{:?}", world.place());
    assert!(shown.contains("keys") && shown.contains("lake"), "{shown}");
}
