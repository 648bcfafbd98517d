//! `Sweep::rewrap_to`: rewrapped and skipped entries, filters, and cursors of other sweeps.

use std::sync::Arc;

use atrest::error::{CursorError, Misuse};
use atrest::rotation::{Cursor, EntryOutcome, Report, Skip, Sweep, SweepEvent};
use atrest::testing::MemoryKms;
use atrest::{
    AnyMode, Backend, CustomerKey, DsseKms, Encrypted, EncryptionContext, Envelope, Error, Keyring, KmsKeys, ModeId,
    Sse, SseC, SseKms, SseS3, Unlock,
};

use super::kit::{Store, object};

/// A service with two KMS keys, and a store with an object in every mode under key A.
pub(crate) struct World {
    pub(crate) sse: Sse,
    keyring: Keyring,
    pub(crate) kms: Arc<MemoryKms>,
    pub(crate) a: String,
    pub(crate) b: String,
    pub(crate) store: Store,
    customer_key: Arc<CustomerKey>,
}

pub(crate) const DSSE: bool = cfg!(feature = "aws-lc-rs");

pub(crate) fn world() -> World {
    let kms = Arc::new(MemoryKms::new());
    let [a, b] = ["a", "b"].map(|name| kms.create_key(name).unwrap());
    kms.alias("alias/b", &b);
    let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
    let sse = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([&*a, &*b])).build().unwrap();
    let customer_key = Arc::new(CustomerKey::generate().unwrap());
    let mut world = World { sse, keyring, kms, a, b, store: Store::default(), customer_key };
    let pairs = EncryptionContext::new().with("team", "photos").unwrap();
    let (a, b) = (world.a.clone(), world.b.clone());
    world.put("kms a", SseKms::new(&*a));
    world.put("kms a, pairs", SseKms::new(&*a).with_context(pairs));
    world.put("kms b", SseKms::new(&*b));
    world.put("s3", SseS3);
    world.put("c", SseC::new(world.customer_key.clone()));
    if DSSE {
        assert!(Backend::available().count() > 1);
        world.put("dsse a", DsseKms::new(&*a));
    }
    world
}

impl World {
    pub(crate) fn put(&mut self, key: &str, mode: impl Into<AnyMode>) {
        let Encrypted { envelope, ciphertext, .. } =
            self.sse.blocking().encrypt(&object(key), mode.into(), b"meow").unwrap();
        self.store.set(key, envelope.encode());
        self.store.bodies.insert(key.into(), ciphertext);
    }

    pub(crate) fn upload(&self, key: &str, mode: impl Into<AnyMode>) {
        let upload = self.sse.blocking().begin_multipart(&object(key), b"up", mode.into()).unwrap();
        self.store.set(&format!("{key}?up"), upload.envelope().encode());
    }

    fn envelope(&self, key: &str) -> Envelope {
        Envelope::decode(&self.store.envelope(key)).unwrap()
    }

    fn kms_key(&self, key: &str) -> Option<String> {
        self.envelope(key).kms_key_id().map(str::to_owned)
    }

    /// Every object opens under the envelope it has now, over the body it always had.
    pub(crate) fn check_all(&self) {
        for (key, body) in &self.store.bodies {
            let envelope = self.envelope(key);
            let key_given = Unlock::CustomerKey(&self.customer_key);
            let unlock = if envelope.mode() == ModeId::SseC { key_given } else { Unlock::Server };
            let stored = Encrypted::new(envelope, body.clone());
            assert_eq!(self.sse.blocking().decrypt(&object(key), &stored, unlock).unwrap(), b"meow", "{key}");
        }
    }

    pub(crate) fn to(&self, mode: impl Into<AnyMode>) -> Report {
        Sweep::new(&self.sse).blocking().rewrap_to(mode.into(), self.store.listing(), &self.store).unwrap()
    }
}

fn skipped(report: &Report) -> Vec<(String, Skip)> {
    let name = |name: &atrest::ObjectName| String::from_utf8(name.key().to_vec()).unwrap();
    report.skipped().iter().map(|skipped| (name(&skipped.name), skipped.reason)).collect()
}

#[test]
fn everything_under_kms_key_a_or_the_keyring_goes_under_key_b_and_the_rest_is_named_with_its_reason() {
    let world = world();
    let before = world.store.envelopes.lock().unwrap().clone();
    let report = world.to(SseKms::new(&*world.b));
    let counts = report.counts();
    assert_eq!((counts.rewrapped, counts.current, counts.problems), (3, 1, 0));
    assert_eq!(counts.skipped, 1 + u64::from(DSSE));
    let mut left = vec![("c".to_owned(), Skip::NeedsCustomerKey)];
    if DSSE {
        left.push(("dsse a".to_owned(), Skip::NeedsEncryption));
    }
    assert_eq!(skipped(&report), left);
    for key in ["kms a", "kms a, pairs", "kms b", "s3"] {
        assert_eq!((world.envelope(key).mode(), world.kms_key(key)), (ModeId::SseKms, Some(world.b.clone())), "{key}");
    }
    for (key, _) in left {
        assert_eq!(world.store.envelope(&key), before[&key], "what is skipped is left as it is");
    }
    let pairs = world.envelope("kms a, pairs");
    assert_eq!(pairs.context().unwrap().get("team"), Some("photos"), "an object keeps its pairs");
    world.check_all();
    let read = Report::from_bytes(&report.to_bytes()).unwrap();
    assert_eq!(read, report);

    // Key A is needed no more but by the inner layer of DSSE-KMS.
    world.kms.disable(&world.a);
    for key in ["kms a", "s3"] {
        let body = world.store.bodies[key].clone();
        let stored = Encrypted::new(world.envelope(key), body);
        world.sse.blocking().decrypt(&object(key), &stored, Unlock::Server).unwrap();
    }
    let calls = world.kms.calls();
    let again = world.to(SseKms::new(&*world.b));
    assert_eq!((again.counts().rewrapped, again.counts().current), (0, 4));
    assert_eq!(world.kms.calls(), calls, "a sweep that has nothing to do asks no KMS");
}

#[test]
fn every_kms_object_goes_back_under_the_keyring_and_counts_under_its_version() {
    let world = world();
    world.keyring.blocking().rotate().unwrap();
    let report = world.to(SseS3);
    assert_eq!((report.counts().rewrapped, report.counts().current), (4, 0));
    for key in ["kms a", "kms a, pairs", "kms b", "s3"] {
        assert_eq!((world.envelope(key).mode(), world.envelope(key).key_version()), (ModeId::SseS3, Some(2)), "{key}");
    }
    world.check_all();
    let usage: Vec<_> = report.usage().unwrap().versions().collect();
    assert_eq!(usage, [(1, u64::from(DSSE), 0), (2, 4, 0)]);
    world.keyring.blocking().disable(1).unwrap();
    assert_eq!(
        world.keyring.blocking().retire(1, report.usage().unwrap()).is_err(),
        DSSE,
        "the outer layer that was skipped"
    );
}

#[test]
#[cfg(feature = "aws-lc-rs")]
fn dsse_kms_goes_to_another_kms_key_in_its_inner_layer_and_under_the_primary_in_its_outer() {
    let world = world();
    world.keyring.blocking().rotate().unwrap();
    let report = world.to(DsseKms::new(&*world.b));
    assert_eq!((report.counts().rewrapped, report.counts().skipped), (1, 5));
    assert_eq!(world.kms_key("dsse a"), Some(world.b.clone()));
    assert_eq!(world.envelope("dsse a").key_version(), Some(2));
    world.check_all();
    // The inner layer is right and the outer is not: the KMS is not asked.
    world.keyring.blocking().rotate().unwrap();
    let calls = world.kms.calls();
    assert_eq!(world.to(DsseKms::new(&*world.b)).counts().rewrapped, 1);
    assert_eq!((world.envelope("dsse a").key_version(), world.kms.calls()), (Some(3), calls));
    world.check_all();
}

#[test]
fn an_alias_is_found_out_from_the_first_object_and_moves_nothing_else_twice() {
    let world = world();
    world.to(SseKms::new(&*world.b));
    let calls = world.kms.calls();
    let report = world.to(SseKms::new("alias/b"));
    assert_eq!((report.counts().rewrapped, report.counts().current), (1, 3));
    assert_eq!(world.kms.calls().generate, calls.generate + 1);
    world.check_all();
}

#[test]
fn pairs_that_the_target_names_take_the_place_of_the_objects() {
    let world = world();
    let pairs = EncryptionContext::new().with("team", "video").unwrap();
    let target = || SseKms::new(&*world.b).with_context(pairs.clone());
    assert_eq!(world.to(target()).counts().rewrapped, 4, "key B with other pairs too");
    assert_eq!(world.to(target()).counts().current, 4);
    for key in ["kms a, pairs", "s3", "kms b"] {
        assert_eq!(world.envelope(key).context().unwrap().get("team"), Some("video"));
    }
    world.check_all();
}

#[test]
fn sse_c_is_no_target() {
    let world = world();
    let mode = SseC::new(world.customer_key.clone());
    let refused = Sweep::new(&world.sse).blocking().rewrap_to(mode, world.store.listing(), &world.store).unwrap_err();
    assert!(matches!(refused, Error::Misuse(Misuse::RewrapCrossesCustomerKey)), "{refused:?}");
}

#[test]
fn an_upload_under_way_keeps_its_mode_and_kms_key_and_goes_under_the_primary_where_that_is_the_target() {
    let world = world();
    world.upload("of s3", SseS3);
    world.upload("of kms", SseKms::new(&*world.a));
    world.keyring.blocking().rotate().unwrap();
    let report = world.to(SseKms::new(&*world.b));
    let uploads: Vec<_> = report.skipped().iter().filter(|skipped| skipped.upload_id.is_some()).collect();
    assert_eq!(uploads.len(), 2);
    assert!(uploads.iter().all(|skipped| skipped.reason == Skip::UploadUnderWay));
    assert_eq!(Report::from_bytes(&report.to_bytes()).unwrap(), report);
    world.to(SseS3);
    assert_eq!(world.envelope("of s3?up").key_version(), Some(2));
    assert_eq!(world.kms_key("of kms?up"), Some(world.a.clone()));
}

#[test]
fn a_filter_takes_by_mode_by_key_and_by_entry_and_the_rest_still_counts_under_its_version() {
    let moved = |world: &World, sweep: Sweep<'_>| {
        let mut moved = Vec::new();
        let sweep = sweep.on_event(|event| {
            if let SweepEvent::Entry { entry, outcome: EntryOutcome::Rewrapped { .. }, .. } = event {
                moved.push(String::from_utf8(entry.name().key().to_vec()).unwrap());
            }
            Ok(())
        });
        let report = sweep.blocking().rewrap_to(SseKms::new(&*world.b), world.store.listing(), &world.store).unwrap();
        let total = report.counts();
        assert_eq!(total.not_selected + total.rewrapped + total.current + total.skipped, total.entries);
        let (_, objects, _) = report.usage().unwrap().versions().next().unwrap();
        let in_s3 = u64::from(!moved.contains(&"s3".to_owned()));
        assert_eq!(objects, in_s3 + u64::from(DSSE), "what is not taken still counts");
        world.check_all();
        moved
    };
    let w = world();
    assert_eq!(moved(&w, Sweep::new(&w.sse).only_modes([ModeId::SseKms])), ["kms a", "kms a, pairs"]);
    let w = world();
    assert_eq!(moved(&w, Sweep::new(&w.sse).only_key_ids([&*w.a])), ["kms a", "kms a, pairs"]);
    let w = world();
    assert_eq!(moved(&w, Sweep::new(&w.sse).only_key_ids([w.keyring.key_id()])), ["s3"]);
    let w = world();
    let only = |entry: &atrest::rotation::Entry| entry.name().key().ends_with(b"pairs");
    assert_eq!(moved(&w, Sweep::new(&w.sse).only(only)), ["kms a, pairs"]);
    let w = world();
    assert!(moved(&w, Sweep::new(&w.sse).only(only).only_modes([ModeId::SseS3])).is_empty(), "both have to take it");
}

#[test]
fn a_filter_narrows_an_ordinary_rewrap_too() {
    let world = world();
    world.keyring.blocking().rotate().unwrap();
    let sweep = Sweep::new(&world.sse).only_modes([ModeId::SseS3]);
    let report = sweep.blocking().rewrap(world.store.listing(), &world.store).unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().not_selected), (1, 4 + u64::from(DSSE)));
    let all = Sweep::new(&world.sse).all().only_key_ids([&*world.a]).only_modes([ModeId::SseKms]);
    assert_eq!(all.blocking().rewrap(world.store.listing(), &world.store).unwrap().counts().rewrapped, 2);
    world.check_all();
}

/// The cursor after the first entry.
fn first_cursor(sweep: Sweep<'_>, world: &World, mode: AnyMode) -> Cursor {
    let mut first = None;
    let sweep = sweep.concurrency(1).checkpoint_every(1).on_event(|event| {
        if let SweepEvent::Checkpoint(cursor) = event {
            first.get_or_insert_with(|| cursor.clone());
        }
        Ok(())
    });
    sweep.blocking().rewrap_to(mode, world.store.listing(), &world.store).unwrap();
    Cursor::from_bytes(&first.unwrap().to_bytes()).unwrap()
}

#[test]
fn a_sweep_elsewhere_is_resumed_by_its_cursor_and_a_cursor_of_another_goal_is_refused() {
    let world = world();
    let to_b = || AnyMode::from(SseKms::new(&*world.b));
    let cursor = first_cursor(Sweep::new(&world.sse), &world, to_b());
    let listing = || world.store.listing_after(cursor.position());
    let resumed = Sweep::new(&world.sse).resume(cursor.clone());
    let report = resumed.blocking().rewrap_to(to_b(), listing(), &world.store).unwrap();
    assert!(report.is_complete() && report.counts().entries == world.store.listing().len() as u64);

    let pairs = EncryptionContext::new().with("team", "photos").unwrap();
    let other_target = |sweep: Sweep<'_>, mode: AnyMode| sweep.blocking().rewrap_to(mode, listing(), &world.store);
    let resume = || Sweep::new(&world.sse).resume(cursor.clone());
    let refused = [
        ("key A", other_target(resume(), SseKms::new(&*world.a).into())),
        ("an alias", other_target(resume(), SseKms::new("alias/b").into())),
        ("pairs", other_target(resume(), SseKms::new(&*world.b).with_context(pairs).into())),
        ("SSE-S3", other_target(resume(), SseS3.into())),
        ("DSSE-KMS", other_target(resume(), DsseKms::new(&*world.b).into())),
        ("a filter by mode", other_target(resume().only_modes([ModeId::SseS3]), to_b())),
        ("a filter by key", other_target(resume().only_key_ids([&*world.a]), to_b())),
        ("a rewrap", resume().blocking().rewrap(listing(), &world.store)),
        ("a rewrap of all", resume().all().blocking().rewrap(listing(), &world.store)),
    ];
    for (what, outcome) in refused {
        assert!(matches!(outcome, Err(Error::Cursor(CursorError::OtherSweep))), "{what}: {outcome:?}");
    }
    let filtered = first_cursor(Sweep::new(&world.sse).only_modes([ModeId::SseS3]), &world, to_b());
    let outcome = other_target(Sweep::new(&world.sse).resume(filtered), to_b());
    assert!(matches!(outcome, Err(Error::Cursor(CursorError::OtherSweep))), "without its filter: {outcome:?}");
}

#[test]
fn a_kms_that_is_down_or_denies_is_a_problem_of_each_entry_and_leaves_them_as_they_are() {
    let world = world();
    world.kms.disable(&world.b);
    let before = world.store.envelopes.lock().unwrap().clone();
    let report = world.to(SseKms::new(&*world.b));
    assert_eq!((report.counts().rewrapped, report.counts().problems), (0, 3));
    assert!(*world.store.envelopes.lock().unwrap() == before);
}
