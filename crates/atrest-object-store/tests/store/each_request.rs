//! Copies, uploads, sweeps and keyrings over a store that fails at each request in turn: before it does what is asked,
//! or after, so that its answer is lost.

use std::sync::Arc;

use atrest::{Keyring, KmsKeys, Sse, SseS3};
use atrest_object_store::{EncryptedStore, Placement, StoreKeyring};
use futures_util::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, Result};

use crate::kit::{Keys, Memory, PLACEMENTS, at, get, plaintext, put, put_parts, store};
use crate::spy::{Fault, Request, Spy};

const FAULTS: [fn() -> Fault; 2] = [|| Fault::Fails, || Fault::Lost];

/// Returns the requests of a call that succeeds.
async fn requests<T>(spy: &Memory, call: impl AsyncFnOnce() -> Result<T>) -> Vec<Request> {
    spy.requests();
    spy.on_request(|_, _| None);
    assert!(call().await.is_ok());
    spy.calm();
    spy.requests()
}

async fn names(store: &impl ObjectStore) -> Vec<String> {
    let mut names: Vec<_> = store.list(None).map_ok(|meta| meta.location.to_string()).try_collect().await.unwrap();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_long_copy_that_must_not_replace_leaves_the_source_and_the_whole_copy_or_none() {
    let bytes = plaintext(65 << 20);
    let (store, spy, _) = store(Placement::Behind);
    put(&store, "from", bytes.clone()).await;
    // Without a kept decryptor, so that every copy makes the same requests.
    let copying = async || {
        store.purge();
        store.copy_if_not_exists(&at("from"), &at("to")).await
    };
    let expected = requests(&spy, copying).await;
    store.delete(&at("to")).await.unwrap();
    assert!(expected.contains(&Request::Copy) && expected.contains(&Request::Delete), "{expected:?}");
    for fault in FAULTS {
        for (index, request) in expected.iter().enumerate() {
            spy.fault_at(index, fault());
            // A copy that was made is told so, even if the object beside its place is not deleted.
            assert_eq!(copying().await.is_ok(), *request == Request::Delete, "{index} {request:?}");
            spy.calm();
            let found = names(spy.bare()).await;
            let (beside, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|name| name.ends_with(".atrest-copy"));
            let undeleted = *request == Request::Delete && matches!(fault(), Fault::Fails);
            assert_eq!(beside.len(), usize::from(undeleted), "{index} {request:?}");
            assert!(found == ["from"] || found == ["from", "to"], "{index} {request:?} {found:?}");
            for name in found.iter().filter(|name| *name == "to").chain(&beside) {
                if name == "to" {
                    assert_eq!(get(&store, name).await.unwrap(), bytes);
                }
                spy.bare().delete(&at(name)).await.unwrap();
            }
        }
    }
    assert_eq!(get(&store, "from").await.unwrap(), bytes);
}

#[tokio::test]
async fn uploads_copies_and_renames_whose_answers_are_lost_leave_whole_objects() {
    async fn copied(store: &EncryptedStore<Memory>) -> Result<()> {
        put_parts(store, "parts", &plaintext(20 << 20), &[5 << 20, 8 << 20, 7 << 20]).await?;
        store.copy(&at("parts"), &at("copy")).await
    }
    async fn suite(store: &EncryptedStore<Memory>) -> Result<()> {
        copied(store).await?;
        store.rename(&at("copy"), &at("renamed")).await?;
        store.rename_if_not_exists(&at("renamed"), &at("created")).await?;
        store.put(&at("put"), plaintext(100_000).into()).await?;
        store.delete(&at("put")).await
    }
    for placement in PLACEMENTS {
        let (counted, spy, _) = store(placement);
        let until_copied = requests(&spy, async || copied(&counted).await).await.len();
        let (counted, spy, _) = store(placement);
        let expected = requests(&spy, async || suite(&counted).await).await;
        for index in 0..expected.len() {
            let (store, spy, _) = store(placement);
            spy.fault_at(index, Fault::Lost);
            suite(&store).await.unwrap_err();
            spy.calm();
            let (whole, found) = (plaintext(20 << 20), names(&store).await);
            let moved = |name: &String| ["copy", "renamed", "created"].contains(&name.as_str());
            assert!(found.iter().any(moved) || index < until_copied, "{placement:?} {index} {found:?}");
            for name in found {
                let got = get(&store, &name).await.unwrap();
                assert!(got == whole || got == whole[..100_000], "{placement:?} {index} {name}");
            }
        }
    }
}

/// Five objects of some lengths, the keyring rotated since.
async fn lake(placement: Placement) -> (EncryptedStore<Memory>, Memory, Keys) {
    let (store, spy, keys) = store(placement);
    for number in 0..5 {
        put(&store, &format!("put/{number}"), plaintext(number * 9_000)).await;
    }
    put_parts(&store, "long", &plaintext(12 << 20), &[6 << 20, 6 << 20]).await.unwrap();
    keys.keyring.rotate().await.unwrap();
    (store, spy, keys)
}

async fn reads(store: &EncryptedStore<Memory>) {
    store.purge();
    for number in 0..5 {
        assert_eq!(get(store, &format!("put/{number}")).await.unwrap(), plaintext(number * 9_000));
    }
    assert_eq!(get(store, "long").await.unwrap(), plaintext(12 << 20));
}

#[tokio::test]
async fn a_sweep_loses_nothing_and_the_next_one_goes_on() {
    for placement in PLACEMENTS {
        let (counted, spy, _) = lake(placement).await;
        let sweeping = async |store: &EncryptedStore<Memory>| {
            store.sweep(None).concurrency(1).max_object_len(8 << 20).in_parts().rewrap().await
        };
        let expected = requests(&spy, async || Ok(sweeping(&counted).await)).await;
        assert!(expected.contains(&Request::Complete), "{expected:?}");
        for fault in FAULTS {
            for (index, request) in expected.iter().enumerate() {
                let (store, spy, keys) = lake(placement).await;
                spy.fault_at(index, fault());
                let report = sweeping(&store).await;
                spy.calm();
                // A listing that fails ends the sweep, and nothing else does.
                assert_eq!(report.is_err(), *request == Request::List && matches!(fault(), Fault::Fails));
                reads(&store).await;
                let again = sweeping(&store).await.unwrap();
                let counts = again.counts();
                assert_eq!((counts.problems, counts.entries), (0, 6), "{placement:?} {index} {:?}", again.problems());
                keys.keyring.disable(1).await.unwrap();
                keys.keyring.retire(1, again.usage().unwrap()).await.unwrap();
                reads(&store).await;
            }
        }
    }
}

/// A keyring in a store, and an object under it.
struct World {
    spy: Arc<Memory>,
    keys: Keys,
    other: String,
}

impl World {
    fn new() -> Self {
        let keys = Keys::new();
        let other = keys.kms.create_key("other").unwrap();
        Self { spy: Arc::new(Spy::new(InMemory::new())), keys, other }
    }

    fn place(&self) -> StoreKeyring {
        let accepted = KmsKeys::only([&self.keys.kms_key, &self.other]);
        StoreKeyring::new(self.spy.clone(), Path::from("keys"), self.keys.kms.clone(), accepted)
    }

    /// Opens the keyring of the store; creates the keyring if the store does not hold one yet.
    async fn keyring(&self) -> Keyring {
        match self.place().create(&self.keys.kms_key).await {
            Ok(keyring) => keyring,
            Err(_) => self.place().open().await.unwrap(),
        }
    }
}

fn name() -> atrest::ObjectName {
    atrest::ObjectName::new("lake", "object").unwrap()
}

async fn written(keyring: &Keyring) -> atrest::Encrypted {
    let sse = Sse::builder().keyring(keyring.clone()).build().unwrap();
    sse.encrypt(&name(), SseS3, b"meow").await.unwrap()
}

async fn opens(keyring: &Keyring, stored: &atrest::Encrypted) {
    let sse = Sse::builder().keyring(keyring.clone()).build().unwrap();
    assert_eq!(sse.decrypt(&name(), stored, atrest::Unlock::Server).await.unwrap(), b"meow");
}

#[tokio::test]
async fn a_keyring_whose_store_fails_at_any_request_is_never_lost_and_the_call_can_be_repeated() {
    // Each makes a change, and says whether it was made.
    type Change = fn(Arc<World>) -> futures_util::future::BoxFuture<'static, bool>;
    let changes: [Change; 4] = [
        |world| Box::pin(async move { world.place().create(&world.keys.kms_key).await.is_ok() }),
        |world| Box::pin(async move { world.place().open().await.is_ok() }),
        |world| {
            Box::pin(async move {
                let Ok(keyring) = world.place().open().await else { return false };
                keyring.rotate().await.is_ok()
            })
        },
        |world| Box::pin(async move { world.place().rewrap_root_key(&world.other).await.is_ok() }),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        for fault in FAULTS {
            let mut index = 0;
            loop {
                let world = Arc::new(World::new());
                let before = match number {
                    0 => None,
                    _ => Some(written(&world.keyring().await).await),
                };
                world.spy.fault_at(index, fault());
                change(world.clone()).await;
                if world.spy.calm() <= index {
                    assert!(index > 1, "{number}");
                    break;
                }
                let keyring = world.keyring().await;
                if let Some(before) = &before {
                    opens(&keyring, before).await;
                }
                let after = written(&keyring).await;
                assert!(change(world.clone()).await || number == 0, "{number} {index}");
                opens(&world.place().open().await.unwrap(), &after).await;
                index += 1;
            }
        }
    }
}
