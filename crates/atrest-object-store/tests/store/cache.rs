//! The cache of decryptors: what it saves, when it is emptied, and what it leaves on record.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use atrest::audit::{AuditEvent, AuditFuture, AuditSink, AuditTrail};
use atrest::testing::MemoryKms;
use atrest::{
    Access, Clock, CustomerKey, Expected, GeneratedKey, KeyFuture, KeyProvider, KeyRequest, KmsKeys, ModeId, Requester,
    Sse, SseC, SseKms, UNKNOWN_EPOCH, UnwrappedKey, WrappedKey,
};
use atrest_object_store::{CachePolicy, CallOptions, EncryptedStore, Placement};
use futures_util::future::BoxFuture;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, GetOptions, ObjectStore, ObjectStoreExt};

use crate::kit::{Failing, Keys, PLACEMENTS, at, built, get, get_range, plaintext, put, store};
use crate::spy::{Fault, Spy};

fn as_requester(name: &str) -> CallOptions {
    CallOptions::new().with_requester(Requester::new(name))
}

#[tokio::test]
async fn every_read_is_an_event_and_those_of_the_cache_are_marked() {
    for placement in PLACEMENTS {
        let (store, _, keys) = store(placement);
        put(&store, "object", plaintext(40_000)).await;
        assert_eq!(keys.events(), ["PutObject"]);
        get_range(&store, "object", 5..6).await.unwrap();
        get(&store, "object").await.unwrap();
        store.get_ranges(&at("object"), &[1..2, 30_000..30_001]).await.unwrap();
        assert_eq!(keys.events(), ["GetObject", "(GetObject)", "(GetObject)"]);
        store.head(&at("object")).await.unwrap();
        assert_eq!(keys.events(), [""; 0]);
    }
}

#[tokio::test]
async fn a_read_of_the_cache_fails_where_the_audit_trail_fails() {
    let sink = Arc::new(Failing(AtomicBool::new(false)));
    let trail = AuditTrail::new(sink.clone());
    let sse = Sse::builder().keyring(Keys::new().keyring).audit(trail).envelope_len(1_024).build().unwrap();
    let store = EncryptedStore::builder(InMemory::new(), sse, "lake").build().unwrap();
    put(&store, "object", plaintext(10)).await;
    get(&store, "object").await.unwrap();
    assert_eq!(store.kept(), 1);
    sink.0.store(true, Ordering::SeqCst);
    let error = get(&store, "object").await.unwrap_err();
    assert!(matches!(crate::kit::atrest_error(&error), Some(atrest::Error::Audit(_))), "{error}");
    let error = store.get_ranges(&at("object"), &[0..1]).await.unwrap_err();
    assert!(matches!(crate::kit::atrest_error(&error), Some(atrest::Error::Audit(_))), "{error}");
}

#[tokio::test]
async fn the_key_provider_is_asked_once_for_many_ranges_and_each_time_without_the_cache() {
    for (cached, calls) in [(true, 1), (false, 5)] {
        let keys = Keys::new();
        let builder = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake").mode(SseKms::new(&keys.kms_key));
        let store = if cached { builder } else { builder.without_cache() }.build().unwrap();
        put(&store, "object", plaintext(40_000)).await;
        for start in 0..5 {
            get_range(&store, "object", start..start + 1).await.unwrap();
        }
        assert_eq!(keys.kms.calls().unwrap, calls, "{cached}");
    }
}

#[tokio::test]
async fn a_decryptor_is_kept_for_its_requester_alone() {
    let keys = Keys::new();
    let mode = SseKms::new(&keys.kms_key);
    let store = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake").mode(mode).build().unwrap();
    put(&store, "object", plaintext(10)).await;
    let (alice, bob) = (store.with_options(as_requester("alice")), store.with_options(as_requester("bob")));
    for (store, calls) in [(&alice, 1), (&alice, 1), (&bob, 2), (&alice, 2), (&bob, 2), (&store, 3)] {
        get(store, "object").await.unwrap();
        assert_eq!(keys.kms.calls().unwrap, calls);
    }
}

#[tokio::test]
async fn a_kept_decryptor_does_not_open_an_object_against_the_expectations_of_another_reader() {
    let (store, _, _) = store(Placement::InFront);
    put(&store, "object", plaintext(10)).await;
    get(&store, "object").await.unwrap();
    let only_kms = Access::new(Expected::new().with_modes([ModeId::SseKms]));
    let strict = store.with_options(CallOptions::new().with_access(only_kms));
    let error = get(&strict, "object").await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    let key = CustomerKey::from_bytes(&mut [7; 32]).unwrap();
    let with_key = CallOptions::new().with_access(Access::new(Expected::new()).with_customer_key(key));
    let error = get(&store.with_options(with_key), "object").await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    get(&store, "object").await.unwrap();
}

#[tokio::test]
async fn no_decryptor_of_a_customer_key_is_kept() {
    let (store, _, keys) = store(Placement::InFront);
    let key = Arc::new(CustomerKey::from_bytes(&mut [7; 32]).unwrap());
    let access = Access::new(Expected::new()).with_customer_key(key.clone());
    let store = store.with_options(CallOptions::new().with_mode(SseC::new(key)).with_access(access));
    put(&store, "object", plaintext(10)).await;
    for _ in 0..3 {
        get(&store, "object").await.unwrap();
        store.get_ranges(&at("object"), &[0..1]).await.unwrap();
    }
    assert_eq!(store.kept(), 0);
    assert!(!keys.events().contains(&"(GetObject)".to_owned()));
}

#[tokio::test]
async fn purging_drops_all_decryptors() {
    let (store, _, keys) = store(Placement::InFront);
    put(&store, "object", plaintext(10)).await;
    get(&store, "object").await.unwrap();
    assert_eq!(store.kept(), 1);
    store.purge();
    assert_eq!(store.kept(), 0);
    keys.events();
    get(&store, "object").await.unwrap();
    assert_eq!(keys.events(), ["GetObject"]);
}

#[tokio::test]
async fn a_change_of_the_keyring_drops_all_decryptors() {
    let (store, _, keys) = store(Placement::InFront);
    put(&store, "object", plaintext(10)).await;
    get(&store, "object").await.unwrap();
    keys.keyring.rotate().await.unwrap();
    keys.events();
    get(&store, "object").await.unwrap();
    assert_eq!(keys.events(), ["GetObject"]);
    keys.keyring.disable(1).await.unwrap();
    let error = get(&store, "object").await.unwrap_err();
    assert!(matches!(crate::kit::atrest_error(&error), Some(atrest::Error::KeyProvider(_))), "{error}");
    let error = store.get_ranges(&at("object"), &[0..1]).await.unwrap_err();
    assert!(matches!(crate::kit::atrest_error(&error), Some(atrest::Error::KeyProvider(_))), "{error}");
}

#[tokio::test]
async fn the_answer_that_a_key_is_disabled_drops_all_decryptors() {
    let keys = Keys::new();
    let mode = SseKms::new(&keys.kms_key);
    let store = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake").mode(mode).build().unwrap();
    put(&store, "one", plaintext(10)).await;
    put(&store, "other", plaintext(10)).await;
    get(&store, "one").await.unwrap();
    keys.kms.disable(&keys.kms_key);
    // The policy: a kept decryptor still opens its object.
    get(&store, "one").await.unwrap();
    get(&store, "other").await.unwrap_err();
    assert_eq!(store.kept(), 0);
    get(&store, "one").await.unwrap_err();
}

#[tokio::test]
async fn every_answer_that_a_key_may_not_be_used_drops_all_decryptors() {
    use atrest::error::KeyProviderErrorKind as Kind;
    let keys = Keys::new();
    let mode = SseKms::new(&keys.kms_key);
    let store = EncryptedStore::builder(InMemory::new(), keys.sse(), "lake").mode(mode).build().unwrap();
    put(&store, "one", plaintext(10)).await;
    put(&store, "other", plaintext(10)).await;
    let dropping = [Kind::Disabled, Kind::AccessDenied, Kind::NotFound, Kind::PendingDeletion, Kind::InvalidState];
    for (kind, kept) in dropping.map(|kind| (kind, 0)).into_iter().chain([(Kind::Unavailable, 1), (Kind::Throttled, 1)])
    {
        get(&store, "one").await.unwrap();
        keys.kms.fail_with(Some(kind));
        get(&store, "other").await.unwrap_err();
        keys.kms.fail_with(None);
        assert_eq!(store.kept(), kept, "{kind:?}");
    }
}

/// A memory KMS that tells changes.
struct Telling {
    kms: Arc<MemoryKms>,
    epoch: AtomicU64,
}

impl KeyProvider for Telling {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        self.kms.clone().generate_key(request)
    }

    fn unwrap_key(self: Arc<Self>, wrapped: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        self.kms.clone().unwrap_key(wrapped, request)
    }

    fn epoch(&self, _: &str) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn a_change_that_the_key_provider_tells_ends_the_kept_decryptors_of_its_keys() {
    let keys = Keys::new();
    let telling = Arc::new(Telling { kms: keys.kms.clone(), epoch: AtomicU64::new(1) });
    let sse = Sse::builder().keyring(keys.keyring.clone()).kms(telling.clone(), KmsKeys::all());
    let sse = sse.envelope_len(1_024).build().unwrap();
    let of_kms = CallOptions::new().with_mode(SseKms::new(&keys.kms_key));
    let rule = move |path: &Path| if path.as_ref() == "one" { of_kms.clone() } else { CallOptions::new() };
    let store = EncryptedStore::builder(InMemory::new(), sse, "lake").rule(rule).build().unwrap();
    for name in ["one", "of the keyring"] {
        put(&store, name, plaintext(10)).await;
        get(&store, name).await.unwrap();
    }
    assert_eq!(store.kept(), 2);
    keys.kms.disable(&keys.kms_key);
    get(&store, "one").await.unwrap();
    // Another process may have changed a key: only its objects are asked for again.
    telling.epoch.store(2, Ordering::SeqCst);
    get(&store, "of the keyring").await.unwrap();
    assert_eq!(store.kept(), 2);
    get(&store, "one").await.unwrap_err();

    // A provider that cannot tell its epoch now leaves nothing kept.
    keys.kms.enable(&keys.kms_key);
    telling.epoch.store(UNKNOWN_EPOCH, Ordering::SeqCst);
    store.purge();
    get(&store, "one").await.unwrap();
    assert_eq!(store.kept(), 0);
}

#[tokio::test]
async fn a_decryptor_is_dropped_after_its_time_and_the_oldest_when_there_are_too_many() {
    let policy = CachePolicy::default();
    let (store, _, keys) = built(Placement::InFront, |b| b.cache(policy.with_time_to_live(Duration::ZERO)));
    put(&store, "object", plaintext(10)).await;
    keys.events();
    get(&store, "object").await.unwrap();
    get(&store, "object").await.unwrap();
    assert_eq!(keys.events(), ["GetObject", "GetObject"]);

    let (store, _, keys) = built(Placement::InFront, |b| b.cache(policy.with_max_len(10_000)));
    for name in ["a", "b", "c", "d", "e"] {
        put(&store, name, plaintext(10)).await;
        get(&store, name).await.unwrap();
    }
    assert!((1..4).contains(&store.kept()), "{}", store.kept());
    keys.events();
    get(&store, "e").await.unwrap();
    get(&store, "a").await.unwrap();
    assert_eq!(keys.events(), ["(GetObject)", "GetObject"]);
    let (store, _, _) = built(Placement::InFront, |b| b.cache(policy.with_max_len(0)));
    put(&store, "object", plaintext(10)).await;
    get(&store, "object").await.unwrap();
    assert_eq!(store.kept(), 0);
}

/// Two clocks in seconds, which stand still until a test moves them.
#[derive(Clone, Default)]
struct Clocks(Arc<(AtomicU64, AtomicI64)>);

impl Clocks {
    /// Lets time pass on both clocks, and moves the wall clock alone.
    fn pass(&self, both: u64, wall_alone: i64) {
        self.0.0.fetch_add(both, Ordering::SeqCst);
        self.0.1.fetch_add(wall_alone, Ordering::SeqCst);
    }
}

impl Clock for Clocks {
    fn wall(&self) -> SystemTime {
        let moved = 1_000_000_u64.checked_add_signed(self.0.1.load(Ordering::SeqCst)).unwrap();
        SystemTime::UNIX_EPOCH + Duration::from_secs(moved) + self.monotonic()
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.0.load(Ordering::SeqCst))
    }
}

fn with_clocks() -> (EncryptedStore<InMemory>, Clocks, Keys) {
    let (keys, clocks) = (Keys::new(), Clocks::default());
    let sse = Sse::builder().keyring(keys.keyring.clone()).audit(AuditTrail::new(keys.sink.clone()));
    let sse = sse.clock(Arc::new(clocks.clone())).envelope_len(1_024).build().unwrap();
    (EncryptedStore::builder(InMemory::new(), sse, "lake").build().unwrap(), clocks, keys)
}

#[tokio::test]
async fn neither_a_sleep_of_the_machine_nor_a_wall_clock_that_is_set_back_keeps_a_decryptor_longer() {
    for (both, wall_alone, event) in [
        (59, 0, "(GetObject)"),
        (60, 0, "GetObject"),
        (0, 59, "(GetObject)"),
        (0, 60, "GetObject"),
        (20, 40, "GetObject"),
        (59, -3_600, "(GetObject)"),
        (60, -3_600, "GetObject"),
    ] {
        let (store, clocks, keys) = with_clocks();
        put(&store, "object", plaintext(10)).await;
        get(&store, "object").await.unwrap();
        keys.events();
        clocks.pass(both, wall_alone);
        get(&store, "object").await.unwrap();
        assert_eq!(keys.events(), [event], "{both} s, the wall clock {wall_alone} s more");
    }
}

#[tokio::test]
async fn a_decryptor_ends_in_time_although_an_older_one_before_it_does_not() {
    let (store, clocks, keys) = with_clocks();
    for name in ["older", "newer"] {
        put(&store, name, plaintext(10)).await;
    }
    get(&store, "older").await.unwrap();
    // A time server sets the wall clock back; the machine sleeps for an hour after that.
    clocks.pass(0, -3_600);
    get(&store, "newer").await.unwrap();
    clocks.pass(0, 3_600);
    keys.events();
    get(&store, "newer").await.unwrap();
    get(&store, "older").await.unwrap();
    assert_eq!(keys.events(), ["GetObject", "(GetObject)"]);
}

#[tokio::test]
async fn an_overwritten_object_is_read_with_its_own_envelope() {
    for placement in PLACEMENTS {
        let (store, _, _) = store(placement);
        for len in [40_000, 50_000, 10] {
            put(&store, "object", plaintext(len)).await;
            assert_eq!(get(&store, "object").await.unwrap(), plaintext(len));
            assert_eq!(get_range(&store, "object", 3..9).await.unwrap(), plaintext(len)[3..9]);
            let ranges = store.get_ranges(&at("object"), &[3..9]).await.unwrap();
            assert_eq!(ranges, [plaintext(len).slice(3..9)]);
            store.put(&at("object"), plaintext(len + 1).into()).await.unwrap();
            assert_eq!(store.get_ranges(&at("object"), &[3..9]).await.unwrap(), ranges);
        }
    }
}

#[tokio::test]
async fn nothing_is_kept_of_a_store_without_strong_e_tags_and_the_envelope_is_asked_first() {
    for e_tag in [None, Some("W/\"1\"".to_owned()), Some(String::new())] {
        for placement in PLACEMENTS {
            let (store, spy, keys) = store(placement);
            put(&store, "object", plaintext(2 << 20)).await;
            let told = e_tag.clone();
            spy.on_request(move |_, _| Some(Fault::ETag(told.clone())));
            keys.events();
            for _ in 0..3 {
                assert_eq!(
                    get_range(&store, "object", 900_000..900_001).await.unwrap(),
                    plaintext(2 << 20)[900_000..900_001]
                );
                let ranges = store.get_ranges(&at("object"), &[5..6, 1_900_000..1_900_001]).await.unwrap();
                assert_eq!(ranges[1], plaintext(2 << 20)[1_900_000..1_900_001]);
                assert_eq!(get(&store, "object").await.unwrap(), plaintext(2 << 20));
            }
            assert_eq!(store.kept(), 0);
            assert!(!keys.events().contains(&"(GetObject)".to_owned()));
            if placement != Placement::Attributes {
                spy.requests();
                get_range(&store, "object", 900_000..900_001).await.unwrap();
                // One after the other: the second is not yet made when the first is answered.
                assert_eq!(spy.requests().len(), 2);
            }
        }
    }
}

#[tokio::test]
async fn a_reused_e_tag_costs_a_second_read_and_gives_no_wrong_bytes() {
    for placement in PLACEMENTS {
        let (store, spy, _) = store(placement);
        spy.ignore_conditions();
        spy.on_request(|_, _| Some(Fault::ETag(Some("same".into()))));
        for len in [40_000, 40_000, 1 << 21, 1 << 21, 50_000] {
            let bytes = plaintext(len + 7).slice(7..);
            put(&store, "object", bytes.clone()).await;
            assert_eq!(get_range(&store, "object", 30_000..30_009).await.unwrap(), bytes[30_000..30_009]);
            put(&store, "object", bytes.clone()).await;
            assert_eq!(get(&store, "object").await.unwrap(), bytes);
            put(&store, "object", bytes.clone()).await;
            let ranges = store.get_ranges(&at("object"), &[1..2, 35_000..35_009]).await.unwrap();
            assert_eq!(ranges[1], bytes[35_000..35_009]);
        }
    }
}

#[tokio::test]
async fn another_version_has_another_decryptor() {
    let keys = Keys::new();
    let store = EncryptedStore::builder(Spy::new(InMemory::new()), keys.sse(), "lake").build().unwrap();
    put(&store, "object", plaintext(10)).await;
    get(&store, "object").await.unwrap();
    keys.events();
    let options = GetOptions::new().with_version(Some("1"));
    store.get_opts(&at("object"), options).await.unwrap();
    assert_eq!(keys.events(), ["GetObject"]);
    assert_eq!(store.kept(), 2);
}

type Happens = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// An audit sink that lets something happen while it records the next event.
#[derive(Default)]
struct Meanwhile(Mutex<Option<Happens>>);

impl AuditSink for Meanwhile {
    fn record(&self, _: AuditEvent) -> AuditFuture {
        let happens = self.0.lock().unwrap().take();
        Box::pin(async move {
            if let Some(happens) = happens {
                happens().await;
            }
            Ok(())
        })
    }
}

/// Returns how many decryptors a read leaves while which something empties the cache, of one range and of several.
async fn kept_after(happens: impl Fn(&EncryptedStore<InMemory>, &Keys) -> Happens) -> [usize; 2] {
    let mut kept = [usize::MAX; 2];
    for (number, kept) in kept.iter_mut().enumerate() {
        let (keys, sink) = (Keys::new(), Arc::new(Meanwhile::default()));
        let trail = AuditTrail::new(sink.clone());
        let keyring = keys.keyring.clone();
        let sse = Sse::builder().keyring(keyring).audit(trail).envelope_len(1_024).build().unwrap();
        let store = EncryptedStore::builder(InMemory::new(), sse, "lake").build().unwrap();
        put(&store, "object", plaintext(10)).await;
        *sink.0.lock().unwrap() = Some(happens(&store, &keys));
        match number {
            0 => assert_eq!(get(&store, "object").await.unwrap(), plaintext(10)),
            _ => assert_eq!(store.get_ranges(&at("object"), &[0..10]).await.unwrap(), [plaintext(10)]),
        }
        *kept = store.kept();
    }
    kept
}

#[tokio::test]
async fn a_read_under_way_leaves_no_decryptor_behind_a_purge() {
    let purged = kept_after(|store, _| {
        let store = store.clone();
        Box::new(move || Box::pin(async move { store.purge() }))
    });
    assert_eq!(purged.await, [0, 0]);
}

#[tokio::test]
async fn a_read_under_way_leaves_no_decryptor_behind_a_change_of_the_keyring() {
    let changed = kept_after(|_, keys| {
        let keyring = keys.keyring.clone();
        Box::new(move || {
            Box::pin(async move {
                keyring.rotate().await.unwrap();
                keyring.disable(1).await.unwrap();
            })
        })
    });
    assert_eq!(changed.await, [0, 0]);
}
