//! Changes in the KMS while keys are cached: the embedded KMS tells them, so that they take effect at the next request.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use atrest::kms::{
    EmbeddedKms, KeyAdmin, KeyPolicy, KmsCounters, NewKey, Observed, Permission, Quota, Resilient, Router,
};
use atrest::testing::{Capability, KeyProviderSuite};
use atrest::{
    AnyMode, Backend, CustomerKey, DsseKms, Encrypted, KeyEpoch, KeyFuture, KeyProvider, KeyProviderErrorKind as Kind,
    KeyRequest, Keyring, KmsKeys, Requester, Result, RootKey, Sse, SseC, SseKms, SseS3, UNKNOWN_EPOCH, Unlock,
};
use atrest_kit::ManualTime;
use tempfile::TempDir;

use super::{World, builder, kind, mode, object};

struct Embedded {
    alice: Sse,
    admin: KeyAdmin,
    key: String,
    kms: EmbeddedKms,
    time: ManualTime,
    _directory: TempDir,
}

fn allowing(permissions: &[Permission]) -> KeyPolicy {
    let alice = Requester::new("alice");
    permissions.iter().fold(KeyPolicy::new(), |policy, permission| policy.allow(*permission, [&alice]))
}

impl Embedded {
    fn new() -> Self {
        Self::with_quota(100)
    }

    fn with_quota(per_second: u32) -> Self {
        let time = ManualTime::new();
        let directory = tempfile::tempdir().unwrap();
        let quota = Quota::per_second(NonZeroU32::new(per_second).unwrap());
        let kms = EmbeddedKms::builder(directory.path().join("kms.atrest")).quota(quota).clock(Arc::new(time.clone()));
        let owner = Requester::new("owner");
        let kms = kms.create(&RootKey::generate().unwrap(), owner.clone()).unwrap();
        let admin = kms.requested_by(owner);
        let policy = allowing(&[Permission::Generate, Permission::Unwrap]);
        let key = admin.create_key(NewKey::new().alias("alias/app").policy(policy)).unwrap().arn;
        // Behind two providers around it, which pass its epoch on.
        let inner: Arc<dyn KeyProvider> = Arc::new(kms.clone());
        let router = Router::new().with_default(inner.clone()).with_route("arn:aws:kms", inner).unwrap();
        let resilient = Resilient::new(Arc::new(router)).with_timer(Arc::new(time.clone()));
        let resilient = resilient.with_attempts(NonZeroU32::MIN);
        let sse = builder(&time).kms(Arc::new(resilient), KmsKeys::all()).build().unwrap();
        let alice = sse.requested_by(Requester::new("alice"));
        Self { alice, admin, key, kms, time, _directory: directory }
    }

    fn put(&self) -> Result<Encrypted> {
        self.time.run(self.alice.encrypt(&object("cat.jpg"), mode(), b"meow"))
    }

    fn get(&self, stored: &Encrypted) -> Result<Vec<u8>> {
        self.time.run(self.alice.decrypt(&object("cat.jpg"), stored, Unlock::Server))
    }
}

#[test]
fn a_rotation_takes_effect_at_the_next_write_and_old_objects_open() {
    let world = Embedded::new();
    let version = |stored: &Encrypted| {
        // The number of the version is in the wrapped key, at the place that the manual states.
        let envelope = stored.envelope.encode();
        let at = envelope.windows(5).position(|five| five == [0, 3, 0, 85, 1]).unwrap() + 5;
        u32::from_be_bytes(envelope[at..at + 4].try_into().unwrap())
    };
    let before = world.put().unwrap();
    assert_eq!(version(&world.put().unwrap()), 1);
    world.admin.rotate_key(&world.key).unwrap();
    let after = world.put().unwrap();
    assert_eq!((version(&before), version(&after)), (1, 2));
    assert_eq!(world.alice.bucket_key_stats().calls, 2);
    for stored in [&before, &after] {
        assert_eq!(world.get(stored).unwrap(), b"meow");
    }
}

#[test]
fn a_key_that_is_disabled_or_about_to_be_deleted_serves_no_more_request() {
    let world = Embedded::new();
    let stored = world.put().unwrap();
    world.get(&stored).unwrap();
    world.admin.disable_key(&world.key).unwrap();
    assert_eq!((kind(world.put()), kind(world.get(&stored))), (Some(Kind::Disabled), Some(Kind::Disabled)));
    world.admin.enable_key(&world.key).unwrap();
    world.put().unwrap();
    world.get(&stored).unwrap();
    world.admin.schedule_deletion(&world.key, Duration::from_secs(7 * 86_400)).unwrap();
    let pending = Some(Kind::PendingDeletion);
    assert_eq!((kind(world.put()), kind(world.get(&stored))), (pending, pending));
}

#[test]
fn a_policy_that_changes_takes_effect_at_the_next_request() {
    let world = Embedded::new();
    let stored = world.put().unwrap();
    world.get(&stored).unwrap();
    let denied = Some(Kind::AccessDenied);
    world.admin.set_policy(&world.key, Some(allowing(&[Permission::Generate]))).unwrap();
    assert_eq!((kind(world.put()), kind(world.get(&stored))), (None, denied));
    world.admin.set_policy(&world.key, Some(allowing(&[Permission::Unwrap]))).unwrap();
    assert_eq!((kind(world.put()), kind(world.get(&stored))), (denied, None));
    // Whoever may not use the key gets nothing out of the cache of those who may.
    let mallory = world.alice.requested_by(Requester::new("mallory"));
    assert_eq!(kind(world.time.run(mallory.decrypt(&object("cat.jpg"), &stored, Unlock::Server))), denied);
}

#[test]
fn an_alias_that_moves_takes_effect_at_the_next_write() {
    let world = Embedded::new();
    world.put().unwrap();
    let policy = allowing(&[Permission::Generate, Permission::Unwrap]);
    let other = world.admin.create_key(NewKey::new().policy(policy)).unwrap().arn;
    world.admin.move_alias("alias/app", &other).unwrap();
    assert_eq!(world.put().unwrap().envelope.kms_key_id(), Some(&*other));
}

#[test]
fn the_epoch_rises_with_every_change_and_with_nothing_else() {
    let world = Embedded::new();
    let epoch = || world.kms.epoch("alias/app");
    let before = epoch();
    world.put().unwrap();
    assert_eq!(epoch(), before);
    world.admin.set_tag(&world.key, "team", "photos").unwrap();
    assert!(epoch() > before);
}

#[test]
fn the_key_epoch_of_an_object_changes_with_the_keys_of_its_mode_and_with_nothing_else() {
    let (world, directory) = (Embedded::new(), tempfile::tempdir().unwrap());
    let root_key = RootKey::generate().unwrap();
    let keyring = Keyring::create_blocking(directory.path().join("keyring.atrest"), &root_key).unwrap();
    let provider: Arc<dyn KeyProvider> = Arc::new(world.kms.clone());
    let sse = builder(&world.time).keyring(keyring.clone()).kms(provider, KmsKeys::all()).build().unwrap();
    let sse = sse.requested_by(Requester::new("alice"));
    let stored = |mode: AnyMode| world.time.run(sse.encrypt(&object("cat.jpg"), mode, b"meow")).unwrap().envelope;
    let mut envelopes = vec![stored(SseS3.into()), stored(SseKms::new(&*world.key).into())];
    envelopes.push(stored(SseC::new(CustomerKey::generate().unwrap()).into()));
    if Backend::available().count() > 1 {
        envelopes.push(stored(DsseKms::new(&*world.key).into()));
    }
    let epochs = || envelopes.iter().map(|envelope| sse.key_epoch(envelope).unwrap()).collect::<Vec<_>>();
    let changed = |before: &[KeyEpoch]| epochs().iter().zip(before).map(|(now, then)| now != then).collect::<Vec<_>>();

    let before = epochs();
    stored(SseKms::new(&*world.key).into());
    assert!(changed(&before).iter().all(|changed| !changed), "a use of the keys is no change");
    world.admin.disable_key(&world.key).unwrap();
    assert_eq!(changed(&before), [false, true, false, true][..envelopes.len()]);
    let before = epochs();
    keyring.blocking().rotate().unwrap();
    assert_eq!(changed(&before), [true, false, false, true][..envelopes.len()]);
}

#[test]
fn a_storm_of_writes_under_a_quota_succeeds_whole_with_bucket_keys_and_is_throttled_without() {
    let storm = |with: bool| {
        let world = Embedded::new();
        let names: Vec<_> = (0..5_000).map(|number| object(&number.to_string())).collect();
        let mode = || SseKms::new("alias/app").with_bucket_key(with);
        let puts = names.iter().map(|name| world.alice.encryptor(name, mode()));
        let puts = world.time.run(futures_util::future::join_all(puts));
        let throttled = puts.into_iter().filter(|put| put.is_err()).map(kind).collect::<Vec<_>>();
        assert!(throttled.iter().all(|kind| *kind == Some(Kind::Throttled)));
        throttled.len()
    };
    assert_eq!((storm(true), storm(false)), (0, 4_900));
}

#[test]
fn the_embedded_kms_conforms_behind_all_providers_around_it() {
    let world = Embedded::with_quota(1_000_000);
    let inner: Arc<dyn KeyProvider> = Arc::new(world.kms.clone());
    let inner = Observed::new(Arc::new(Resilient::new(inner)), Arc::new(KmsCounters::new()));
    let inner: Arc<dyn KeyProvider> = Arc::new(inner);
    let router = Router::new().with_default(inner.clone()).with_route("arn:aws:kms", inner).unwrap();
    let policy = allowing(&[Permission::Generate, Permission::Unwrap]);
    let two = world.admin.create_key(NewKey::new().policy(policy)).unwrap();
    let suite = KeyProviderSuite::new(Arc::new(router), "alias/app", "alias/none").other_key_id(&two.arn);
    let (off, on) = (world.admin.clone(), world.admin.clone());
    let suite = suite
        .requested_by(Requester::new("alice"))
        .forbidden_requester(Requester::new("mallory"))
        .disabled_by(move |key_id| off.disable_key(key_id).unwrap(), move |key_id| on.enable_key(key_id).unwrap());
    // Without an audit trail a call of the embedded KMS has no request id.
    suite.lacks(Capability::RequestIds).run();
}

/// A provider that cannot tell its epoch, or panics when it is asked.
struct Epochless(Arc<dyn KeyProvider>, bool);

impl KeyProvider for Epochless {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<atrest::GeneratedKey> {
        self.0.clone().generate_key(request)
    }

    fn unwrap_key(
        self: Arc<Self>,
        wrapped: atrest::WrappedKey,
        request: KeyRequest,
    ) -> KeyFuture<atrest::UnwrappedKey> {
        self.0.clone().unwrap_key(wrapped, request)
    }

    fn epoch(&self, _key_id: &str) -> u64 {
        assert!(!self.1, "the epoch cannot be told");
        UNKNOWN_EPOCH
    }
}

#[test]
fn a_provider_that_cannot_tell_its_epoch_is_asked_each_time() {
    for panics in [false, true] {
        let world = World::new();
        let kms = Arc::new(Epochless(world.kms.clone(), panics));
        let sse = builder(&world.time).kms(kms, KmsKeys::only([&*world.kms.key_id])).build().unwrap();
        for number in 1..4 {
            let stored = super::put(&world.time, &sse, &object("cat.jpg")).unwrap();
            assert_eq!(super::get(&world.time, &sse, &object("cat.jpg"), &stored).unwrap(), b"meow");
            assert_eq!(world.calls(), (number, number));
        }
        assert_eq!(sse.bucket_key_stats().keys, 0);
        let stored = super::put(&world.time, &sse, &object("cat.jpg")).unwrap();
        assert_eq!(sse.key_epoch(&stored.envelope), None);
    }
}
