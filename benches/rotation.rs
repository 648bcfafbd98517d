//! A sweep over a store in memory: the whole cost of rewrapping one object.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;

use atrest::rotation::{Entry, EnvelopeStore, Inventory, StoreFuture, Sweep};
use atrest::{Keyring, ObjectName, Sse, SseS3};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const ENVELOPES: usize = 20_000;

struct Store(Mutex<HashMap<Vec<u8>, Vec<u8>>>);

impl EnvelopeStore for Store {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let mut store = self.0.lock().expect("no panic holds it");
            match store.get_mut(entry.name().key()) {
                Some(stored) if stored == old => {
                    stored.clear();
                    stored.extend_from_slice(new);
                    Ok(true)
                }
                _ => Ok(false),
            }
        })
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move { Ok(self.0.lock().expect("no panic holds it").get(entry.name().key()).cloned()) })
    }
}

fn sweep(criterion: &mut Criterion) {
    let keyring = Keyring::generate().expect("a keyring").with_changes_lost_on_exit();
    let sse = Sse::builder().keyring(keyring.clone()).build().expect("a backend");
    let names: Vec<ObjectName> =
        (0..ENVELOPES).map(|at| ObjectName::new("photos", format!("2026/{at:06}.jpg")).expect("a name")).collect();
    let envelope = |name| sse.blocking().encryptor_of_len(name, SseS3, 1_000).expect("an encryptor").0.encode();
    let store = Store(Mutex::new(names.iter().map(|name| (name.key().to_vec(), envelope(name))).collect()));
    let listing = || -> Vec<Entry> {
        let stored = store.0.lock().expect("no panic holds it");
        names.iter().map(|name| Entry::object(name.clone(), &*stored[name.key()])).collect()
    };
    let mut group = criterion.benchmark_group("sweep");
    group.throughput(Throughput::Elements(ENVELOPES as u64)).sample_size(10);
    group.bench_function("rewrap/sse-s3", |bencher| {
        bencher.iter_batched(
            || {
                keyring.blocking().rotate().expect("a rotation");
                listing()
            },
            |entries| {
                let report = Sweep::new(&sse).blocking().rewrap(entries.into_iter().map(Ok), &store).expect("a report");
                assert_eq!(report.counts().rewrapped, ENVELOPES as u64);
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.bench_function("current/sse-s3", |bencher| {
        bencher.iter_batched(
            listing,
            |entries| Sweep::new(&sse).blocking().rewrap(entries.into_iter().map(Ok), &store).expect("a report"),
            criterion::BatchSize::PerIteration,
        );
    });
    group.bench_function("inventory/csv", |bencher| {
        bencher.iter_batched(
            listing,
            |entries| {
                let rows = |row: &atrest::rotation::InventoryRow<'_>| {
                    black_box(row.to_csv());
                    Ok(())
                };
                Inventory::new(&sse).blocking().run(entries.into_iter().map(Ok), rows).expect("totals")
            },
            criterion::BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, sweep);
criterion_main!(benches);
