//! Sweeps over an encrypted store: which objects are written again, which stay, and what is never lost.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod inventory;
mod kit;

use std::sync::Arc;

use atrest::rotation::{Cursor, ProblemKind, SweepEvent};
use atrest::testing::MemoryKms;
use atrest::{Keyring, KmsKeys, Sse, SseKms};
use atrest_object_store::{EncryptedStore, Placement};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt, PutOptions};

use kit::{Store, Wrong};

const PLACEMENTS: [Placement; 3] = [Placement::InFront, Placement::Behind, Placement::Attributes];

type Encrypted = EncryptedStore<Arc<Store>>;

/// A lake of some objects, and its keyring.
struct Lake {
    inner: Arc<Store>,
    keyring: Keyring,
    kms: Arc<MemoryKms>,
    key_id: String,
    store: Encrypted,
}

impl Lake {
    fn new(placement: Placement) -> Self {
        let (inner, kms) = (Arc::new(Store::default()), Arc::new(MemoryKms::new()));
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let key_id = kms.create_key("lake").unwrap();
        let sse = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([&key_id]));
        let sse = sse.envelope_len(1_024).build().unwrap();
        let builder = EncryptedStore::builder(inner.clone(), sse, "lake").placement(placement);
        let store = builder.unencrypted(|path| path.as_ref().starts_with("plain/")).build().unwrap();
        Self { inner, keyring, kms, key_id, store }
    }

    async fn put(&self, path: &str, plaintext: &[u8]) {
        self.store.put(&Path::from(path), plaintext.to_vec().into()).await.unwrap();
    }

    async fn get(&self, path: &str) -> Vec<u8> {
        self.store.get(&Path::from(path)).await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// Ten objects under two prefixes; the keyring is then rotated. Returns the old version.
    async fn filled(&self) -> u32 {
        for at in 0..10 {
            self.put(&format!("{}/{at}", if at < 5 { "a" } else { "b" }), &plain(at)).await;
        }
        let old = self.keyring.primary();
        self.keyring.rotate().await.unwrap();
        self.inner.puts();
        old
    }

    async fn assert_reads(&self) {
        self.store.purge();
        for at in 0..10 {
            let path = format!("{}/{at}", if at < 5 { "a" } else { "b" });
            assert!(self.get(&path).await == plain(at), "{path}");
        }
    }
}

fn plain(at: usize) -> Vec<u8> {
    (0..at * 5_000).map(|byte| (byte * 7 + at) as u8).collect()
}

#[tokio::test]
async fn every_object_under_an_old_version_is_written_whole_and_the_version_can_be_retired() {
    for placement in PLACEMENTS {
        let lake = Lake::new(placement);
        let old = lake.filled().await;
        lake.put("a/new", b"under the new version").await;
        lake.inner.puts();
        let mut seen = 0;
        let report = lake.store.sweep(None).on_event(|event| {
            seen += u32::from(matches!(event, SweepEvent::Entry { .. }));
            Ok(())
        });
        let report = report.concurrency(3).rewrap().await.unwrap();
        let counts = report.counts();
        assert_eq!(
            (counts.rewrapped, counts.current, counts.problems, counts.entries),
            (10, 1, 0, 11),
            "{placement:?}"
        );
        assert_eq!(seen, 11);
        let mut written = lake.inner.puts();
        written.sort();
        let mut named: Vec<_> = report.rewritten().iter().map(Path::to_string).collect();
        named.sort();
        assert_eq!((written.len(), &written), (10, &named), "each once, and each is named");
        assert!(report.rewritten_len() > (0..10).map(|at| plain(at).len() as u64).sum());

        lake.keyring.disable(old).await.unwrap();
        lake.keyring.retire(old, report.usage().unwrap()).await.unwrap();
        lake.assert_reads().await;
        let again = lake.store.sweep(None).rewrap().await.unwrap();
        assert_eq!((again.counts().current, again.rewritten().len(), lake.inner.puts().len()), (11, 0, 0));
    }
}

#[tokio::test]
async fn a_prefix_is_swept_alone_and_proves_nothing_about_the_rest() {
    let lake = Lake::new(Placement::Behind);
    let old = lake.filled().await;
    let report = lake.store.sweep(Some(&Path::from("a"))).rewrap().await.unwrap();
    assert_eq!(report.counts().rewrapped, 5);
    assert!(report.rewritten().iter().all(|path| path.as_ref().starts_with("a/")));
    assert!(report.usage().is_none(), "version {old} has objects elsewhere");
    lake.assert_reads().await;
}

#[tokio::test]
async fn another_mode_is_reached_without_a_change_of_the_plaintext() {
    for placement in PLACEMENTS {
        let lake = Lake::new(placement);
        lake.filled().await;
        let report = lake.store.sweep(None).rewrap_to(SseKms::new(&*lake.key_id)).await.unwrap();
        assert_eq!((report.counts().rewrapped, report.counts().problems), (10, 0), "{placement:?}");
        assert_eq!(lake.kms.calls().generate, 10);
        lake.assert_reads().await;
        lake.kms.disable(&lake.key_id);
        lake.store.purge();
        assert!(lake.store.get(&Path::from("a/1")).await.is_err(), "it is under the KMS key");
    }
}

#[tokio::test]
async fn an_object_that_another_writer_replaces_meanwhile_is_never_lost() {
    for placement in PLACEMENTS {
        let lake = Lake::new(placement);
        lake.filled().await;
        // Behind the read of the whole object, before the sweep writes it.
        lake.inner.replace_after_reading("a/3", lake.stored_elsewhere("a/3", b"newer", placement).await);
        let report = lake.store.sweep(None).rewrap().await.unwrap();
        assert_eq!(report.counts().problems, 0, "{placement:?}: {:?}", report.problems());
        assert_eq!(lake.get("a/3").await, b"newer", "{placement:?}");
    }
}

impl Lake {
    /// The stored object that a writer of this lake makes, and its attributes.
    async fn stored_elsewhere(&self, path: &str, plaintext: &[u8], placement: Placement) -> (Vec<u8>, Attributes) {
        let other = Arc::new(Store::default());
        let sse = Sse::builder().keyring(self.keyring.clone()).envelope_len(1_024).build().unwrap();
        let store = EncryptedStore::builder(other.clone(), sse, "lake").placement(placement).build().unwrap();
        store.put(&Path::from(path), plaintext.to_vec().into()).await.unwrap();
        let stored = other.get(&Path::from(path)).await.unwrap();
        let attributes = stored.attributes.clone();
        (stored.bytes().await.unwrap().to_vec(), attributes)
    }
}

#[tokio::test]
async fn a_failure_of_the_store_loses_nothing_and_the_next_sweep_goes_on() {
    for placement in PLACEMENTS {
        for wrong in [Wrong::AnswerLost, Wrong::PutFails, Wrong::ReadsShort, Wrong::ReadFails] {
            let lake = Lake::new(placement);
            lake.filled().await;
            lake.inner.does("b/7", wrong);
            let report = lake.store.sweep(None).rewrap().await.unwrap();
            let counts = report.counts();
            assert_eq!((counts.rewrapped, counts.problems), (9, 1), "{placement:?} {wrong:?}");
            assert!(!report.rewritten().contains(&Path::from("b/7")), "what is not known to be written is not named");
            lake.assert_reads().await;
            let again = lake.store.sweep(None).rewrap().await.unwrap();
            let left = u64::from(wrong != Wrong::AnswerLost);
            assert_eq!((again.counts().rewrapped, again.counts().problems), (left, 0), "{placement:?} {wrong:?}");
            lake.assert_reads().await;
        }
    }
}

#[tokio::test]
async fn a_sweep_that_is_dropped_leaves_every_object_readable() {
    let lake = Lake::new(Placement::Behind);
    lake.filled().await;
    let mut cut_short = 0;
    for polls in 0..60 {
        let mut sweep = Box::pin(lake.store.sweep(None).concurrency(2).rewrap());
        for _ in 0..polls {
            if futures_util::poll!(&mut sweep).is_ready() {
                break;
            }
            cut_short += 1;
            tokio::task::yield_now().await;
        }
        drop(sweep);
        lake.assert_reads().await;
    }
    assert!(cut_short > 100, "the store lets other tasks run: {cut_short}");
    assert_eq!(lake.store.sweep(None).rewrap().await.unwrap().counts().problems, 0);
}

#[tokio::test]
async fn attributes_are_kept() {
    for placement in PLACEMENTS {
        let lake = Lake::new(placement);
        let attributes: Attributes = [(Attribute::ContentType, "text/plain")].into_iter().collect();
        let options = PutOptions { attributes: attributes.clone(), ..PutOptions::default() };
        lake.store.put_opts(&Path::from("cat"), "meow".into(), options).await.unwrap();
        lake.keyring.rotate().await.unwrap();
        assert_eq!(lake.store.sweep(None).rewrap().await.unwrap().counts().rewrapped, 1);
        assert_eq!(lake.store.get(&Path::from("cat")).await.unwrap().attributes, attributes, "{placement:?}");
        assert_eq!(lake.get("cat").await, b"meow");
    }
}

#[tokio::test]
async fn what_is_too_long_is_named_and_stays_as_it_is() {
    let lake = Lake::new(Placement::InFront);
    let old = lake.filled().await;
    let report = lake.store.sweep(None).max_object_len(20_000).rewrap().await.unwrap();
    assert!(report.counts().problems > 0 && report.counts().rewrapped > 0);
    assert_eq!(report.too_long().len() as u64, report.counts().problems);
    assert!(report.problems().iter().all(|problem| problem.kind() == ProblemKind::Store));
    let refused = lake.keyring.disable(old).await.map(|_| report.usage());
    let usage = refused.unwrap().expect("the whole store was seen");
    assert!(lake.keyring.retire(old, usage).await.is_err(), "objects are still under it");
    lake.keyring.enable(old).await.unwrap();
    lake.assert_reads().await;
}

#[tokio::test]
async fn many_objects_that_are_too_long_do_not_end_the_sweep() {
    let lake = Lake::new(Placement::InFront);
    for number in 100..201 {
        lake.put(&format!("long/{number}"), &[7; 3_000]).await;
    }
    lake.put("short", b"meow").await;
    lake.keyring.rotate().await.unwrap();
    let report = lake.store.sweep(None).max_object_len(2_000).rewrap().await.unwrap();
    assert_eq!((report.too_long().len(), report.counts().problems, report.counts().rewrapped), (101, 101, 1));
    assert!(report.problems()[0].reason().contains("too large"), "{}", report.problems()[0].reason());
}

#[tokio::test]
async fn a_local_directory_is_rewritten_only_where_that_is_allowed_by_name() {
    let (directory, keyring) = (tempfile::tempdir().unwrap(), Keyring::generate().unwrap().with_changes_lost_on_exit());
    let local = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    let sse = Sse::builder().keyring(keyring.clone()).envelope_len(512).build().unwrap();
    let store = EncryptedStore::builder(local, sse, "lake").build().unwrap();
    store.put(&Path::from("cat"), "meow".into()).await.unwrap();
    keyring.rotate().await.unwrap();
    let refused = store.sweep(None).rewrap().await.unwrap();
    assert_eq!((refused.counts().problems, refused.rewritten().len()), (1, 0));
    assert!(refused.problems()[0].reason().contains("unsupported"), "{}", refused.problems()[0].reason());
    let report = store.sweep(None).overwriting().rewrap().await.unwrap();
    assert_eq!((report.counts().problems, report.rewritten()), (0, &[Path::from("cat")][..]));
    assert_eq!(store.get(&Path::from("cat")).await.unwrap().bytes().await.unwrap(), "meow");
}

#[tokio::test]
async fn an_object_without_an_envelope_in_its_attributes_is_a_problem_and_the_sweep_goes_on() {
    let lake = Lake::new(Placement::Attributes);
    lake.filled().await;
    lake.inner.put(&Path::from("a/foreign"), vec![7; 200].into()).await.unwrap();
    let attributes = Attributes::from_iter([(Attribute::Metadata("atrestenvelope".into()), "%")]);
    let options = PutOptions { attributes, ..PutOptions::default() };
    lake.inner.put_opts(&Path::from("a/damaged"), vec![7; 200].into(), options).await.unwrap();
    lake.inner.puts();
    let report = lake.store.sweep(None).rewrap().await.unwrap();
    assert_eq!((report.counts().rewrapped, report.counts().problems), (10, 2));
    assert!(report.problems().iter().all(|problem| problem.kind() == ProblemKind::Damaged));
    assert_eq!(lake.inner.puts().len(), 10);
    lake.assert_reads().await;
}

#[tokio::test]
async fn what_is_not_encrypted_is_counted_or_left_out_and_never_written() {
    let lake = Lake::new(Placement::InFront);
    lake.filled().await;
    for path in ["plain/readme", "foreign"] {
        lake.inner.put(&Path::from(path), "not encrypted".into()).await.unwrap();
    }
    // As long as an encrypted object, but none.
    lake.inner.put(&Path::from("damaged"), vec![7; 1_024 + 72].into()).await.unwrap();
    lake.inner.puts();
    let report = lake.store.sweep(None).rewrap().await.unwrap();
    let counts = report.counts();
    assert_eq!((counts.rewrapped, counts.unencrypted, counts.problems), (10, 1, 1));
    assert_eq!(report.problems()[0].kind(), ProblemKind::Damaged);
    assert!(report.usage().is_none(), "what has no possible length may be anything");
    assert_eq!(lake.inner.puts().len(), 10);
    lake.assert_reads().await;
}

impl Lake {
    /// Sweeps so many objects, fails, and returns the last cursor.
    async fn swept(&self, objects: u64) -> Cursor {
        let mut last: Option<Cursor> = None;
        let mut left = objects;
        let stopped = self.store.sweep(None).concurrency(1).on_event(|event| {
            match event {
                SweepEvent::Checkpoint(cursor) => last = Some(cursor.clone()),
                _ if left == 0 => return Err(std::io::Error::other("stop")),
                _ => left -= 1,
            }
            Ok(())
        });
        assert!(stopped.checkpoint_every(1).rewrap().await.is_err());
        last.expect("a checkpoint")
    }
}

#[tokio::test]
async fn a_resumed_sweep_goes_on_behind_its_cursor() {
    let lake = Lake::new(Placement::Behind);
    lake.filled().await;
    let cursor = lake.swept(4).await;
    let report = lake.store.sweep(None).resume(cursor).rewrap().await.unwrap();
    assert_eq!((report.counts().entries, report.counts().problems), (10, 0));
    assert!(report.usage().is_none(), "no proof that it saw everything");
    assert!(report.rewritten().len() < 10);
    lake.assert_reads().await;
}

#[tokio::test]
async fn a_resumed_sweep_takes_its_cursor_for_the_path_as_it_is_stored() {
    for folder in ["New%20York", "~", "Zürich"] {
        let lake = Lake::new(Placement::Behind);
        for number in 0..5 {
            let path = Path::parse(format!("{folder}/{number}")).unwrap();
            lake.store.put(&path, "meow".into()).await.unwrap();
        }
        lake.keyring.rotate().await.unwrap();
        let cursor = lake.swept(2).await;
        let report = lake.store.sweep(None).resume(cursor).rewrap().await.unwrap();
        assert_eq!((report.counts().entries, report.counts().problems), (5, 0), "{folder}");
        assert_eq!(lake.store.sweep(None).rewrap().await.unwrap().counts().current, 5, "{folder}");
    }
}
