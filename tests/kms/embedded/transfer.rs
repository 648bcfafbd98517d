//! Import, export, backup and restore of KMS keys.

use atrest::error::{KeyStoreError, SealedFileError, Unexpected};
use atrest::kms::{EmbeddedKms, KeyOrigin, NewKey};
use atrest::{Error, KeyEncryptionKey, Requester, RootKey};

use super::kit::{Store, generate, owner, unwrap, version_of};

#[test]
fn an_exported_key_opens_what_it_wrapped_in_another_store() {
    let (from, to) = (Store::new(), Store::new());
    let new = NewKey::new().alias("alias/app").tag("team", "photos").description("for photos");
    let key = from.admin().create_key(new).unwrap();
    let first = generate(&from.kms, &key.arn, &owner()).unwrap();
    from.admin().rotate_key(&key.id).unwrap();
    let second = generate(&from.kms, &key.arn, &owner()).unwrap();

    let wrapping_key = KeyEncryptionKey::generate().unwrap();
    let exported: Vec<_> = [1, 2].map(|v| from.admin().export_key(&key.id, v, &wrapping_key).unwrap()).into();
    assert!(exported.iter().all(|exported| exported.len() == 40));
    let imported = to.admin().import_key(NewKey::like(&key), &wrapping_key, &exported[0]).unwrap();
    assert_eq!((&imported.arn, imported.versions[0].origin), (&key.arn, KeyOrigin::Imported));
    assert_eq!((&imported.tags, &imported.aliases, &imported.description), (&key.tags, &key.aliases, &key.description));
    unwrap(&to.kms, &key.arn, second.wrapped(), &owner()).unwrap_err();
    assert_eq!(to.admin().import_key_version(&key.id, &wrapping_key, &exported[1]).unwrap(), 2);
    for generated in [first, second] {
        let opened = unwrap(&to.kms, &key.arn, generated.wrapped(), &owner()).unwrap();
        assert_eq!(opened.kek().expose_secret(), generated.kek().expose_secret());
    }
    assert_eq!(version_of(generate(&to.kms, &key.arn, &owner()).unwrap().wrapped()), 2);
}

#[test]
fn material_that_is_not_32_bytes_under_the_wrapping_key_is_refused() {
    let store = Store::new();
    let key = store.admin().create_key(NewKey::new()).unwrap().id;
    let wrapping_key = KeyEncryptionKey::generate().unwrap();
    let exported = store.admin().export_key(&key, 1, &wrapping_key).unwrap();
    let refused = |wrapping_key: &KeyEncryptionKey, wrapped: &[u8]| {
        let imported = store.admin().import_key(NewKey::new(), wrapping_key, wrapped).map(drop);
        let rotated = store.admin().import_key_version(&key, wrapping_key, wrapped).map(drop);
        for outcome in [imported, rotated] {
            assert!(matches!(outcome, Err(Error::KeyStore(KeyStoreError::KeyMaterial))), "{outcome:?}");
        }
    };
    refused(&KeyEncryptionKey::generate().unwrap(), &exported);
    for at in 0..exported.len() {
        let mut changed = exported.clone();
        changed[at] ^= 1;
        refused(&wrapping_key, &changed);
    }
    for len in [0, 8, 16, 24, 32, 39] {
        refused(&wrapping_key, &exported[..len]);
    }
    refused(&wrapping_key, &[&exported[..], &[0; 8]].concat());
    assert_eq!(store.admin().list_keys().unwrap().len(), 1);
}

#[test]
fn a_backup_restores_to_a_store_that_opens_what_was_wrapped() {
    let store = Store::new();
    let key = store.admin().create_key(NewKey::new().alias("alias/app")).unwrap();
    let generated = generate(&store.kms, "alias/app", &owner()).unwrap();
    let backup_key = RootKey::generate().unwrap();
    let backup = store.admin().backup(&backup_key).unwrap();
    store.admin().disable_key("alias/app").unwrap();

    let directory = tempfile::tempdir().unwrap();
    let at = || EmbeddedKms::builder(directory.path().join("restored.atrest"));
    let root_key = RootKey::generate().unwrap();
    let wrong = at().restore(&backup, &root_key, &root_key);
    assert!(matches!(wrong, Err(Error::SealedFile(SealedFileError::WrongRootKey))));
    let another = at().store_id(Store::new().kms.store_id()).restore(&backup, &backup_key, &root_key);
    assert!(matches!(another, Err(Error::Unexpected(Unexpected::KeyStoreId))));
    for len in 0..backup.len() {
        assert!(at().restore(&backup[..len], &backup_key, &root_key).is_err(), "{len}");
    }
    assert!(!directory.path().join("restored.atrest").exists());

    let kept = store.kms.generation();
    let restored = at().min_generation(kept).restore(&backup, &backup_key, &root_key).unwrap();
    // Newer than what it takes the place of, which goes on being refused.
    assert_eq!(restored.generation(), kept + 1);
    assert_eq!(restored.store_id(), store.kms.store_id());
    assert_eq!(restored.keyring().key_id(), store.kms.keyring().key_id());
    assert_eq!(restored.requested_by(owner()).describe_key("alias/app").unwrap(), key);
    unwrap(&restored, &key.arn, generated.wrapped(), &owner()).unwrap();
    // What is there is not replaced.
    assert!(matches!(at().restore(&backup, &backup_key, &root_key), Err(Error::KeyStore(KeyStoreError::InUse))));
    drop(restored);
    assert!(matches!(at().restore(&backup, &backup_key, &root_key), Err(Error::Io(_))));
    at().min_generation(kept + 1).open(&root_key).unwrap();
    let too_old = at().min_generation(kept + 2).open(&root_key);
    assert!(matches!(too_old, Err(Error::Unexpected(Unexpected::Generation))));
}

#[test]
fn a_store_takes_over_a_keyring_that_is_elsewhere() {
    let keyring = atrest::Keyring::generate().unwrap().with_changes_lost_on_exit();
    let object = atrest::ObjectName::new("photos", "cat.jpg").unwrap();
    let before = atrest::Sse::builder().keyring(keyring.clone()).build().unwrap();
    let stored = before.blocking().encrypt(&object, atrest::SseS3, b"meow").unwrap();
    keyring.blocking().rotate().unwrap();
    let store = Store::built(|builder| builder.keyring_of(&keyring)).reopened();
    assert_eq!((store.kms.keyring().key_id(), store.kms.keyring().primary()), (keyring.key_id(), 2));
    let sse = atrest::Sse::builder().keyring(store.kms.keyring()).build().unwrap();
    assert_eq!(sse.blocking().decrypt(&object, &stored, atrest::Unlock::Server).unwrap(), b"meow");
}

#[test]
fn a_backup_is_not_the_strangers() {
    let store = Store::new();
    let backup = store.kms.requested_by(Requester::new("stranger")).backup(&RootKey::generate().unwrap());
    assert!(matches!(backup, Err(Error::KeyStore(KeyStoreError::NotTheOwner))));
}
