//! Golden files of the embedded KMS: a key store under a root key, one under a passphrase, a backup, an exported key,
//! and objects under the keys of the store.
//!
//! To open a store or to change it takes a lock beside the file, so the tests open copies.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use atrest::error::KeyProviderErrorKind as Kind;
use atrest::kms::{EmbeddedKms, KeyInfo, KeyOrigin, KeyPolicy, KeyState, NewKey, Permission, Quota};
use atrest::{
    AnyMode, Backend, Blocking, DsseKms, Encrypted, EncryptionContext, Envelope, Error, KeyEncryptionKey, KmsKeys,
    ModeId, ObjectName, Requester, RootKey, Sse, SseKms, SseS3, Unlock, VersionState,
};
use atrest_kit::wall_clock;
use tempfile::TempDir;

#[cfg(feature = "passphrase")]
use super::PASSPHRASE;
use super::{multipart, versions};
use atrest_kit::{backends, plain};

/// The time at which the store was created. It was changed a day later.
const MADE: u64 = 1_795_280_404_123;
const DAY: u64 = 86_400_000;

const APP: &str = "00000000-0000-4000-8000-000000000001";
const DISABLED: &str = "00000000-0000-4000-8000-000000000002";
const PENDING: &str = "00000000-0000-4000-8000-000000000003";

fn owner() -> Requester {
    Requester::new("golden service")
}

fn alice() -> Requester {
    Requester::new("arn:aws:iam::111122223333:user/alice")
}

fn arn(id: &str) -> String {
    format!("arn:aws:kms:eu-central-1:111122223333:key/{id}")
}

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

struct Golden {
    file: &'static str,
    mode: ModeId,
    /// The key id that the writer names.
    key: &'static str,
    by: Requester,
    len: usize,
    /// Returns whether the object was written a day later, after every key was rotated.
    rotated: bool,
}

fn objects() -> Vec<Golden> {
    use ModeId::{DsseKms, SseKms, SseS3};
    let golden = |file, mode, key, by, len, rotated| Golden { file, mode, key, by, len, rotated };
    vec![
        golden("kms-sse-s3", SseS3, "", owner(), 20_000, false),
        golden("kms-sse-s3-rotated", SseS3, "", owner(), 0, true),
        golden("kms-sse-kms", SseKms, "alias/app", alice(), 20_000, false),
        golden("kms-sse-kms-rotated", SseKms, "alias/app", alice(), 16_384, true),
        golden("kms-dsse-kms", DsseKms, "alias/app", alice(), 20_000, false),
        golden("kms-dsse-kms-rotated", DsseKms, "alias/app", alice(), 16_384, true),
        golden("kms-sse-kms-default", SseKms, "", owner(), 100, false),
        golden("kms-sse-kms-disabled", SseKms, DISABLED, owner(), 100, false),
        golden("kms-sse-kms-pending", SseKms, PENDING, owner(), 100, false),
    ]
}

fn uploads() -> Vec<multipart::Golden> {
    let golden = |file, mode| multipart::Golden { file, mode, object: object() };
    vec![
        golden("kms-multipart-sse-s3", ModeId::SseS3),
        golden("kms-multipart-sse-kms", ModeId::SseKms),
        golden("kms-multipart-dsse-kms", ModeId::DsseKms),
    ]
}

fn object() -> ObjectName {
    ObjectName::new("photos", "cat é.jpg").unwrap().with_realm("account-7").unwrap()
}

fn mode(id: ModeId, key: &str) -> AnyMode {
    let pairs = || EncryptionContext::new().with("team", "photos").unwrap();
    match id {
        ModeId::SseKms if key.is_empty() => SseKms::default().into(),
        ModeId::SseKms => SseKms::new(key).with_context(pairs()).into(),
        ModeId::DsseKms => DsseKms::new(key).with_context(pairs()).into(),
        _ => SseS3.into(),
    }
}

/// Writes the files of a new version.
pub(crate) fn write(directory: &Path, root_key: &RootKey) {
    let clock = Arc::new(AtomicU64::new(MADE));
    let of_store = clock.clone();
    let builder = EmbeddedKms::builder(directory.join("kms.atrest")).region_and_account("eu-central-1", "111122223333");
    let kms =
        builder.clock(wall_clock(move || at(of_store.load(Ordering::Relaxed)))).create(root_key, owner()).unwrap();
    let admin = kms.requested_by(owner());
    let backup = Requester::new("backup");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice()]);
    let app = NewKey::new()
        .id(APP)
        .description("what the app \"photos\" writes: é\n")
        .alias("alias/app")
        .alias("alias/team/Photos_1-2")
        .tag("team", "photos")
        .tag("größe", "")
        .rotated_every_days(90)
        .quota(Quota::per_second(10_000.try_into().unwrap()).with_burst(20_000.try_into().unwrap()))
        .policy(policy.allow(Permission::Unwrap, [&alice(), &backup]));
    admin.create_keys([app, NewKey::new().id(DISABLED), NewKey::new().id(PENDING)]).unwrap();

    let sse = |by| sse(&kms, Backend::fastest(), KmsKeys::all(), by);
    write_objects(directory, false, sse);
    clock.fetch_add(DAY, Ordering::Relaxed);
    assert_eq!((admin.rotate_key(APP).unwrap(), kms.keyring().blocking().rotate().unwrap()), (2, 2));
    write_objects(directory, true, sse);
    for golden in uploads() {
        multipart::write_one(directory, &golden, &sse(alice()), mode(golden.mode, "alias/app"));
    }
    admin.disable_key(DISABLED).unwrap();
    admin.schedule_deletion(PENDING, Duration::from_millis(7 * DAY)).unwrap();

    let wrapping_key = KeyEncryptionKey::generate().unwrap();
    fs::write(directory.join("kms-wrapping.key"), wrapping_key.expose_secret()).unwrap();
    for version in [1, 2] {
        let exported = admin.export_key(APP, version, &wrapping_key).unwrap();
        fs::write(directory.join(format!("kms-exported-{version}")), exported).unwrap();
    }
    let backup_key = RootKey::create_file(directory.join("kms-backup.key")).unwrap();
    let backup = admin.backup(&backup_key).unwrap();
    fs::write(directory.join("kms-backup.atrest"), &backup).unwrap();
    fs::remove_file(directory.join("kms.atrest.lock")).unwrap();
    #[cfg(feature = "passphrase")]
    {
        let restored = EmbeddedKms::builder(directory.join("kms-passphrase.atrest")).clock(wall_clock(|| at(MADE)));
        restored.restore(&backup, &backup_key, &RootKey::from_passphrase(PASSPHRASE).unwrap()).unwrap();
        fs::remove_file(directory.join("kms-passphrase.atrest.lock")).unwrap();
    }
}

fn write_objects(directory: &Path, rotated: bool, sse: impl Fn(Requester) -> Blocking) {
    for golden in objects().into_iter().filter(|golden| golden.rotated == rotated) {
        let stored = sse(golden.by).encrypt(&object(), mode(golden.mode, golden.key), &plain(golden.len)).unwrap();
        fs::write(directory.join(format!("{}.envelope", golden.file)), stored.envelope.encode()).unwrap();
        fs::write(directory.join(format!("{}.body", golden.file)), stored.ciphertext).unwrap();
    }
}

fn sse(kms: &EmbeddedKms, backend: Backend, keys: KmsKeys, by: Requester) -> Blocking {
    let builder = Sse::builder().keyring(kms.keyring()).kms(Arc::new(kms.clone()), keys).backend(backend);
    builder.build().unwrap().requested_by(by).blocking()
}

/// An open copy of a golden store, with its directory, at a time.
struct Copied {
    kms: EmbeddedKms,
    generation: u64,
    _directory: TempDir,
}

/// Every version that has a key store.
fn with_key_store() -> Vec<PathBuf> {
    let has_one = |version: &PathBuf| {
        let has_one = version.join("kms.atrest").exists();
        // The first two versions had none.
        assert_eq!(has_one, !version.ends_with("0.1.0") && !version.ends_with("0.2.0"));
        has_one
    };
    let versions: Vec<_> = versions().into_iter().filter(has_one).collect();
    assert!(!versions.is_empty(), "there are golden files");
    versions
}

/// The store under its root key, under the passphrase, and as the backup restores.
fn stores(version: &Path, now: u64) -> Vec<Copied> {
    let root_key = RootKey::open_file(version.join("root.key")).unwrap();
    #[cfg_attr(not(feature = "passphrase"), expect(unused_mut, reason = "there is one more with the feature"))]
    let mut stores = vec![opened(version, "kms.atrest", &root_key, 7, now), restored(version, now)];
    #[cfg(feature = "passphrase")]
    {
        let passphrase = RootKey::from_passphrase(PASSPHRASE).unwrap();
        stores.push(opened(version, "kms-passphrase.atrest", &passphrase, 8, now));
    }
    stores
}

fn opened(version: &Path, name: &str, root_key: &RootKey, generation: u64, now: u64) -> Copied {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::copy(version.join(name), &path).unwrap();
    let builder = EmbeddedKms::builder(&path).min_generation(generation).clock(wall_clock(move || at(now)));
    let kms = builder.open(root_key).unwrap_or_else(|error| panic!("{}/{name}: {error}", version.display()));
    assert_eq!(fs::read(&path).unwrap(), fs::read(version.join(name)).unwrap(), "opening writes nothing");
    Copied { kms, generation, _directory: directory }
}

fn restored(version: &Path, now: u64) -> Copied {
    let directory = tempfile::tempdir().unwrap();
    let backup_key = RootKey::open_file(version.join("kms-backup.key")).unwrap();
    let backup = fs::read(version.join("kms-backup.atrest")).unwrap();
    let builder = EmbeddedKms::builder(directory.path().join("restored.atrest")).clock(wall_clock(move || at(now)));
    let kms = builder.restore(&backup, &backup_key, &RootKey::generate().unwrap()).unwrap();
    Copied { kms, generation: 8, _directory: directory }
}

#[test]
fn every_key_store_ever_written_says_what_it_said() {
    for version in with_key_store() {
        let mut ids = Vec::new();
        for Copied { kms, generation, .. } in &stores(&version, MADE + 2 * DAY) {
            assert_eq!((kms.generation(), kms.owner()), (*generation, Requester::new("golden service")));
            let keyring = kms.keyring();
            let said: Vec<_> = keyring.versions().iter().map(|version| (version.number, version.state)).collect();
            assert_eq!((keyring.primary(), keyring.generation()), (2, 2));
            assert_eq!(said, [(1, VersionState::Enabled), (2, VersionState::Enabled)]);
            assert_keys(kms);
            ids.push((kms.store_id(), keyring.key_id()));
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "they are one store");
    }
}

fn assert_keys(kms: &EmbeddedKms) {
    let admin = kms.requested_by(kms.owner());
    assert_eq!(admin.list_keys().unwrap().len(), 4);
    let aliases: Vec<_> = admin.list_aliases().unwrap().into_keys().collect();
    assert_eq!(aliases, ["alias/app", "alias/aws/s3", "alias/team/Photos_1-2"]);

    let app = admin.describe_key("alias/app").unwrap();
    assert_eq!(app.id, "00000000-0000-4000-8000-000000000001");
    assert_eq!(app.arn, "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000001");
    assert_eq!(app.description, "what the app \"photos\" writes: é\n");
    assert_eq!(app.aliases, ["alias/app", "alias/team/Photos_1-2"]);
    let tags: Vec<_> = app.tags.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(tags, [("größe", ""), ("team", "photos")]);
    assert_eq!((app.state, app.created, app.rotation_days), (KeyState::Enabled, at(1_795_280_404_123), Some(90)));
    assert_eq!(versions_of(&app), [(1, 1_795_280_404_123), (2, 1_795_366_804_123)]);
    let alice = Requester::new("arn:aws:iam::111122223333:user/alice");
    let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
    assert_eq!(app.policy, Some(policy.allow(Permission::Unwrap, [&Requester::new("backup")])));
    let quota = Quota::per_second(10_000.try_into().unwrap()).with_burst(20_000.try_into().unwrap());
    assert_eq!(app.quota, Some(quota));

    let [disabled, pending] = [DISABLED, PENDING].map(|id| admin.describe_key(id).unwrap());
    let default = admin.describe_key("alias/aws/s3").unwrap();
    assert_eq!(default.description, "The default key of this store for S3");
    assert_eq!(default.aliases, ["alias/aws/s3"]);
    assert_eq!((disabled.state, default.state), (KeyState::Disabled, KeyState::Enabled));
    assert!(matches!(pending.state, KeyState::PendingDeletion { due, .. } if due == at(1_795_971_604_123)));
    for key in [disabled, pending, default] {
        assert_eq!(versions_of(&key), [(1, 1_795_280_404_123)]);
        assert_eq!((key.created, key.tags.len(), key.rotation_days), (at(1_795_280_404_123), 0, None));
        assert_eq!((key.policy, key.quota), (None, None));
    }
}

/// Number and birth of each version, of which none was imported.
fn versions_of(key: &KeyInfo) -> Vec<(u32, u64)> {
    let millis = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!(key.versions.iter().all(|version| version.origin == KeyOrigin::Generated));
    key.versions.iter().map(|version| (version.number, millis(version.created))).collect()
}

#[test]
fn every_object_ever_written_under_a_key_store_opens() {
    for version in with_key_store() {
        for Copied { kms, .. } in &stores(&version, MADE + 2 * DAY) {
            let admin = kms.requested_by(kms.owner());
            let default = admin.describe_key("alias/aws/s3").unwrap().arn;
            let keys = || KmsKeys::only([&*arn(APP), &arn(DISABLED), &arn(PENDING), &default]);
            let refused = |file: &str, by: Requester, expected: Kind| {
                let sse = sse(kms, Backend::fastest(), keys(), by);
                match sse.decrypt(&object(), &stored(&version, file), Unlock::Server) {
                    Err(Error::KeyProvider(error)) => assert_eq!(error.kind(), expected, "{file}"),
                    other => panic!("{file}: {other:?}"),
                }
            };
            refused("kms-sse-kms", owner(), Kind::AccessDenied);
            refused("kms-sse-kms-disabled", owner(), Kind::Disabled);
            refused("kms-sse-kms-pending", owner(), Kind::PendingDeletion);
            admin.cancel_deletion(PENDING).unwrap();
            [DISABLED, PENDING].into_iter().try_for_each(|key| admin.enable_key(key)).unwrap();
            for backend in backends() {
                assert_objects(&version, |by| sse(kms, backend, keys(), by), &default);
            }
        }
    }
}

fn assert_objects(version: &Path, sse: impl Fn(Requester) -> Blocking, default: &str) {
    let both = backends().len() >= 2;
    for golden in objects().into_iter().filter(|golden| both || golden.mode != ModeId::DsseKms) {
        let stored = stored(version, golden.file);
        let key = match golden.key {
            "" => default.to_owned(),
            "alias/app" => arn(APP),
            id => arn(id),
        };
        assert_eq!(stored.envelope.mode(), golden.mode);
        assert_eq!(stored.envelope.kms_key_id(), (golden.mode != ModeId::SseS3).then_some(&*key));
        let of_keyring = (golden.mode != ModeId::SseKms).then_some(if golden.rotated { 2 } else { 1 });
        assert_eq!(stored.envelope.key_version(), of_keyring);
        let plaintext = sse(golden.by).decrypt(&object(), &stored, Unlock::Server).unwrap();
        assert!(plaintext == plain(golden.len), "{}", golden.file);
    }
    for golden in uploads().into_iter().filter(|golden| both || golden.mode != ModeId::DsseKms) {
        multipart::check(version, &golden, &sse(alice()));
    }
}

fn stored(version: &Path, file: &str) -> Encrypted {
    let envelope = fs::read(version.join(format!("{file}.envelope"))).unwrap();
    let decoded = Envelope::decode(&envelope).unwrap();
    assert_eq!(decoded.encode(), envelope, "one encoding");
    Encrypted::new(decoded, fs::read(version.join(format!("{file}.body"))).unwrap())
}

#[test]
fn every_key_ever_exported_opens_what_it_wrapped() {
    for version in with_key_store() {
        let directory = tempfile::tempdir().unwrap();
        let builder = EmbeddedKms::builder(directory.path().join("new.atrest"));
        let builder = builder.region_and_account("eu-central-1", "111122223333");
        let kms = builder.create(&RootKey::generate().unwrap(), alice()).unwrap();
        let wrapping_key = fs::read(version.join("kms-wrapping.key")).unwrap();
        let wrapping_key = KeyEncryptionKey::from_bytes(&mut wrapping_key.try_into().unwrap()).unwrap();
        let exported = |version_of_key: u32| fs::read(version.join(format!("kms-exported-{version_of_key}"))).unwrap();
        let admin = kms.requested_by(alice());
        admin.import_key(NewKey::new().id(APP), &wrapping_key, &exported(1)).unwrap();
        let sse = sse(&kms, Backend::fastest(), KmsKeys::only([&*arn(APP)]), alice());
        let open = |file: &str| sse.decrypt(&object(), &stored(&version, file), Unlock::Server);
        assert!(open("kms-sse-kms").unwrap() == plain(20_000));
        open("kms-sse-kms-rotated").unwrap_err();
        assert_eq!(admin.import_key_version(APP, &wrapping_key, &exported(2)).unwrap(), 2);
        assert!(open("kms-sse-kms-rotated").unwrap() == plain(16_384));
    }
}

#[test]
fn every_key_store_ever_written_is_maintained() {
    for version in with_key_store() {
        for Copied { kms, .. } in &stores(&version, MADE + 8 * DAY - 1) {
            assert_eq!(kms.maintain().unwrap(), Default::default(), "nothing is due yet");
        }
        for Copied { kms, .. } in &stores(&version, MADE + 91 * DAY) {
            let maintained = kms.maintain().unwrap();
            assert_eq!((maintained.rotated, maintained.deleted), (vec![arn(APP)], vec![arn(PENDING)]));
        }
    }
}
