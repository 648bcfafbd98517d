//! The clock and the random generator of the builders: everything follows them, and nothing draws elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use atrest::audit::{AuditEvent, AuditOperation, AuditTrail, MemorySink};
use atrest::error::KeyProviderErrorKind;
use atrest::kms::{EmbeddedKms, NewKey};
use atrest::{Error, KeyProvider, KeyRequest, Keyring, ObjectName, Requester, RootKey, Sse, SseS3, Unlock};
use atrest_kit::wall_clock;
use pollster::block_on;
use rand_core::{TryCryptoRng, TryRng};

/// A generator that counts up, and fails while it is broken.
#[derive(Clone, Default)]
struct Counting {
    drawn: Arc<AtomicU64>,
    broken: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the generator is broken")
    }
}

impl std::error::Error for Broken {}

impl TryRng for Counting {
    type Error = Broken;

    fn try_next_u32(&mut self) -> Result<u32, Broken> {
        unreachable!("the library draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Broken> {
        unreachable!("the library draws bytes")
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Broken> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(Broken);
        }
        for piece in buffer.chunks_mut(8) {
            let number = self.drawn.fetch_add(1, Ordering::SeqCst) + 1;
            piece.copy_from_slice(&number.to_be_bytes()[..piece.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counting {}

impl Counting {
    fn factory(&self) -> impl Fn() -> Self + Send + Sync + 'static {
        let own = self.clone();
        move || own.clone()
    }

    fn set_broken(&self, broken: bool) {
        self.broken.store(broken, Ordering::SeqCst);
    }
}

fn is_random<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Random(_)))
}

#[test]
fn a_stored_keyring_draws_keys_ids_and_salts_from_the_generator_of_its_builder_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, generator) =
        (directory.path().join("keyring"), RootKey::generate().unwrap(), Counting::default());
    let builder = || Keyring::builder(&path).generator(generator.factory());
    generator.set_broken(true);
    assert!(is_random(builder().create_blocking(&root_key)));
    generator.set_broken(false);
    let keyring = builder().create_blocking(&root_key).unwrap();
    assert_eq!(keyring.key_id(), "atrest-00000000000000010000000000000002");
    keyring.blocking().rotate().unwrap();

    generator.set_broken(true);
    assert!(is_random(keyring.blocking().rotate()));
    assert!(is_random(keyring.blocking().stage()));
    assert!(is_random(keyring.blocking().seal(&root_key)));
    assert!(is_random(keyring.blocking().disable(1)), "the new file needs a fresh salt");
    assert!(is_random(
        Keyring::builder(directory.path().join("copy"))
            .generator(generator.factory())
            .create_from_blocking(&keyring, &root_key)
    ));
    builder().open_blocking(&root_key).expect("opening draws nothing");
}

#[test]
fn a_keyring_in_memory_draws_from_the_generator_that_it_was_given() {
    let generator = Counting::default();
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let other_handle = keyring.clone();
    let _keyring = keyring.with_generator(generator.factory());
    other_handle.blocking().rotate().unwrap();
    assert_eq!(generator.drawn.load(Ordering::SeqCst), 4, "a key of 32 bytes");
    generator.set_broken(true);
    assert!(is_random(other_handle.blocking().rotate()));
    assert!(is_random(block_on(other_handle.seal(&RootKey::generate().unwrap()))));
}

#[test]
fn an_embedded_kms_draws_everything_from_the_generator_of_its_builder_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (path, root_key, generator) = (directory.path().join("kms"), RootKey::generate().unwrap(), Counting::default());
    let owner = Requester::new("owner");
    let builder = || EmbeddedKms::builder(&path).generator(generator.factory());
    generator.set_broken(true);
    assert!(is_random(builder().create(&root_key, owner.clone())));
    generator.set_broken(false);
    let kms = builder().create(&root_key, owner.clone()).unwrap();
    let admin = kms.requested_by(owner.clone());
    let key = admin.create_key(NewKey::new()).unwrap();
    let request = || KeyRequest::new(&key.arn, Default::default(), owner.clone());
    let provider = Arc::new(kms.clone());
    let generated = block_on(provider.clone().generate_key(request())).unwrap();

    generator.set_broken(true);
    assert!(is_random(admin.create_key(NewKey::new())));
    assert!(is_random(admin.rotate_key(&key.arn)));
    assert!(is_random(admin.backup(&root_key)));
    assert!(is_random(admin.disable_key(&key.arn)), "the new file needs a fresh salt");
    assert!(is_random(kms.keyring().blocking().rotate()));
    assert!(is_random(kms.keyring().blocking().seal(&root_key)));
    block_on(provider.clone().generate_key(request())).expect_err("a key-encryption key is drawn");
    block_on(provider.unwrap_key(generated.wrapped().clone(), request())).expect("unwrapping draws nothing");
}

#[test]
fn a_generator_that_panics_leaves_a_use_of_a_key_on_record_without_a_request_id() {
    let directory = tempfile::tempdir().unwrap();
    let (owner, sink, panics) = (Requester::new("owner"), Arc::new(MemorySink::new()), Arc::new(AtomicBool::default()));
    let (counting, panicking) = (Counting::default(), panics.clone());
    let builder = EmbeddedKms::builder(directory.path().join("kms")).audit(AuditTrail::new(sink.clone()));
    let builder = builder.generator(move || {
        assert!(!panicking.load(Ordering::SeqCst), "on purpose");
        counting.clone()
    });
    let kms = builder.create(&RootKey::generate().unwrap(), owner.clone()).unwrap();
    let key = kms.requested_by(owner.clone()).create_key(NewKey::new()).unwrap();
    let request = || KeyRequest::new(&key.arn, Default::default(), owner.clone());
    let provider = Arc::new(kms);
    let generated = block_on(provider.clone().generate_key(request())).unwrap();
    let last = || sink.events().pop().unwrap();
    assert!(last().request_id().is_some());

    panics.store(true, Ordering::SeqCst);
    let unwrapped = block_on(provider.clone().unwrap_key(generated.wrapped().clone(), request())).unwrap();
    let told = |event: &AuditEvent| (event.operation(), event.request_id().is_none(), event.error().is_some());
    assert_eq!(unwrapped.request_id(), None);
    assert_eq!(told(&last()), (AuditOperation::UnwrapKey, true, false));
    let error = block_on(provider.generate_key(request())).unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (KeyProviderErrorKind::Panicked, None));
    assert_eq!(told(&last()), (AuditOperation::GenerateKey, true, true));
}

#[test]
fn the_events_of_objects_and_of_keyrings_and_the_times_of_versions_follow_the_clocks_of_the_builders() {
    let directory = tempfile::tempdir().unwrap();
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let (of_objects, of_keyring) = (at(1_793_000_000), at(1_794_000_000));
    let root_key = RootKey::generate().unwrap();
    let keyring = Keyring::builder(directory.path().join("keyring")).clock(wall_clock(move || of_keyring));
    let keyring = keyring.create_blocking(&root_key).unwrap();
    let sink = Arc::new(MemorySink::new());
    let trail = AuditTrail::new(sink.clone());
    trail.record_changes_of(&keyring, Requester::new("operator"));
    let sse =
        Sse::builder().keyring(keyring.clone()).audit(trail).clock(wall_clock(move || of_objects)).build().unwrap();

    keyring.blocking().rotate().unwrap();
    let object = ObjectName::new("photos", "cat.jpg").unwrap();
    let stored = sse.blocking().encrypt(&object, SseS3, b"meow").unwrap();
    sse.blocking().decrypt(&object, &stored, Unlock::Server).unwrap();
    assert!(keyring.versions().iter().all(|version| version.created == of_keyring));
    let times: Vec<_> = sink.events().iter().map(|event| event.time()).collect();
    assert_eq!(times, [of_keyring, of_objects, of_objects]);
}
