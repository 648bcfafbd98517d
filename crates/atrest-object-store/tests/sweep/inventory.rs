//! Inventories of a store: what is under which key before one is deleted, found without a change and without a key.

use std::sync::Arc;

use atrest::rotation::{KmsUsage, Status};
use atrest::testing::MemoryKms;
use atrest::{DsseKms, Keyring, KmsKeys, ModeId, Sse, SseKms};
use atrest_object_store::{CallOptions, EncryptedStore, Placement};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{Encrypted, PLACEMENTS};
use crate::kit::Store;

/// A lake whose paths say the mode: SSE-KMS under `old/` and `new/`, DSSE-KMS under `two/`, else SSE-S3.
struct Keys {
    inner: Arc<Store>,
    kms: Arc<MemoryKms>,
    keyring: Keyring,
    old: String,
    new: String,
    store: Encrypted,
}

impl Keys {
    async fn new(placement: Placement) -> Self {
        let (inner, kms) = (Arc::new(Store::default()), Arc::new(MemoryKms::new()));
        let [old, new] = ["old", "new"].map(|name| kms.create_key(name).unwrap());
        let keyring = Keyring::generate().unwrap().with_changes_lost_on_exit();
        let sse = Sse::builder().keyring(keyring.clone()).kms(kms.clone(), KmsKeys::only([&old, &new]));
        let (under_old, under_new) = (old.clone(), new.clone());
        let rule = move |path: &Path| match path.as_ref().split('/').next() {
            Some("old") => CallOptions::new().with_mode(SseKms::new(&*under_old).with_bucket_key(true)),
            Some("new") => CallOptions::new().with_mode(SseKms::new(&*under_new)),
            Some("two") => CallOptions::new().with_mode(DsseKms::new(&*under_old)),
            _ => CallOptions::new(),
        };
        let builder = EncryptedStore::builder(inner.clone(), sse.envelope_len(1_024).build().unwrap(), "lake");
        let builder = builder.placement(placement).rule(rule).unencrypted(|path| path.as_ref().starts_with("plain/"));
        let keys = Self { inner, kms, keyring, old, new, store: builder.build().unwrap() };
        for path in ["old/1", "old/2", "old/3", "new/1", "two/1", "s3/1", "plain/1"] {
            keys.store.put(&Path::from(path), "meow".into()).await.unwrap();
        }
        keys.inner.puts();
        keys
    }

    async fn usage(&self) -> KmsUsage {
        let totals = self.store.inventory(None).run(|_| Ok(())).await.unwrap();
        totals.kms_usage().unwrap().clone()
    }
}

/// The ids of the keys, each with its objects in SSE-KMS and in DSSE-KMS.
fn counts(usage: &KmsUsage) -> Vec<(&str, u64, u64)> {
    usage.keys().map(|(key_id, under)| (key_id, under.sse_kms.objects, under.dsse_kms.objects)).collect()
}

#[tokio::test]
async fn an_inventory_tells_what_is_under_each_key_asks_no_kms_and_writes_nothing() {
    for placement in PLACEMENTS {
        let keys = Keys::new(placement).await;
        let calls = keys.kms.calls();
        let mut rows = Vec::new();
        let inventory = keys.store.inventory(None).concurrency(3).run(|row| {
            let path = String::from_utf8(row.entry().position().to_vec()).unwrap();
            rows.push((
                path,
                row.status(),
                row.envelope().and_then(|envelope| envelope.kms_key_id()).map(str::to_owned),
            ));
            Ok(())
        });
        let totals = inventory.await.unwrap();
        let (old, new) = (Some(keys.old.clone()), Some(keys.new.clone()));
        let row = |path: &str, mode, key: &Option<String>| (path.to_owned(), Status::Encrypted(mode), key.clone());
        let expected = [
            row("new/1", ModeId::SseKms, &new),
            row("old/1", ModeId::SseKms, &old),
            row("old/2", ModeId::SseKms, &old),
            row("old/3", ModeId::SseKms, &old),
            row("s3/1", ModeId::SseS3, &None),
            row("two/1", ModeId::DsseKms, &old),
        ];
        assert_eq!(rows, expected, "{placement:?}");
        let usage = totals.kms_usage().unwrap();
        assert_eq!(counts(usage), [(&*keys.new, 1, 0), (&*keys.old, 3, 1)]);
        assert_eq!((usage.unclear(), usage.is_finished()), (0, true));
        assert_eq!(totals.totals().totals().map(|total| total.objects).sum::<u64>(), 6);
        let versions: Vec<_> = totals.usage().unwrap().versions().collect();
        assert_eq!(versions, [(keys.keyring.primary(), 2, 0)], "of SSE-S3 and the outer layer");
        assert_eq!((keys.kms.calls(), keys.inner.puts().len()), (calls, 0));
    }
}

#[tokio::test]
async fn a_key_is_in_use_until_a_sweep_has_moved_its_last_object_and_then_nothing_needs_it() {
    for placement in PLACEMENTS {
        let keys = Keys::new(placement).await;
        let report = keys.store.sweep(None).rewrap_to(DsseKms::new(&*keys.new)).await.unwrap();
        let usage = report.kms_usage().unwrap();
        assert_eq!(counts(usage), [(&*keys.new, 1, 1), (&*keys.old, 3, 0)], "{placement:?}");
        assert!(!usage.is_unused(&keys.old));

        let report = keys.store.sweep(Some(&Path::from("old"))).rewrap_to(SseKms::new(&*keys.new)).await.unwrap();
        assert!(report.kms_usage().is_none(), "it has not seen the rest");
        let usage = keys.usage().await;
        assert_eq!((counts(&usage), usage.is_unused(&keys.old)), (vec![(&*keys.new, 4, 1)], true));
        assert_eq!(keys.store.sweep(None).rewrap().await.unwrap().kms_usage(), Some(&usage));
        keys.kms.disable(&keys.old);
        keys.store.purge();
        for path in ["old/1", "old/2", "old/3", "new/1", "two/1", "s3/1"] {
            let read = keys.store.get(&Path::from(path)).await.unwrap();
            assert_eq!(read.bytes().await.unwrap(), "meow", "{placement:?} {path}");
        }
    }
}

#[tokio::test]
async fn objects_whose_key_cannot_be_told_are_counted_apart_and_no_key_is_unused() {
    for placement in PLACEMENTS {
        let keys = Keys::new(placement).await;
        let other = keys.kms.create_key("never used").unwrap();
        assert!(keys.usage().await.is_unused(&other));
        // As long as an encrypted object, but none.
        let len = keys.inner.head(&Path::from("s3/1")).await.unwrap().size;
        let damaged = vec![7; usize::try_from(len).unwrap()];
        keys.inner.put(&Path::from("s3/damaged"), damaged.into()).await.unwrap();
        let usage = keys.usage().await;
        assert_eq!((usage.unclear(), usage.is_unused(&other)), (1, false), "{placement:?}");
        assert_eq!(counts(&usage), [(&*keys.new, 1, 0), (&*keys.old, 3, 1)]);
        // Of a length that no encrypted object has.
        keys.inner.put(&Path::from("s3/foreign"), "meow".into()).await.unwrap();
        let totals = keys.store.inventory(None).run(|_| Ok(())).await.unwrap();
        assert_eq!(totals.kms_usage().unwrap().unclear(), 2);
        assert!(totals.usage().is_none());
        let swept = keys.store.sweep(None).rewrap().await.unwrap();
        assert_eq!(swept.kms_usage(), totals.kms_usage());
        assert!(keys.store.inventory(Some(&Path::from("new"))).run(|_| Ok(())).await.unwrap().kms_usage().is_none());
    }
}
