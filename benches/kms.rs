//! The embedded KMS: generates and unwraps keys, with and without an audit trail, and opens a store of 10,000 keys.
//!
//! `generate/off` and `unwrap/off` are calls of the provider as an `Sse` makes them, on one thread. With `json`, each
//! call appends a line of JSON to a file, and syncs the file if the name says so.
//!
//! It also writes objects of 1 KiB under bucket keys, and prints what a write costs more than in SSE-S3, pair by pair.
//!
//! The bench first prints a table: keys generated with 64 concurrent calls on one thread, each recorded before it is
//! answered, with one event for each fsync, with the default batches, and without fsync.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use atrest::audit::{AuditTrail, Fsync, JsonLines, JsonLinesBuilder, JsonLinesStats};
use atrest::kms::{EmbeddedKms, EmbeddedKmsBuilder, KeyPolicy, NewKey, Permission, Quota, Resilient};
use atrest::{
    AnyMode, EncryptionContext, KeyProvider, KeyRequest, KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, SseS3,
    Unlock, WrappedKey,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use pollster::block_on;
use tempfile::TempDir;

const KEYS: usize = 10_000;

fn owner() -> Requester {
    Requester::new("service")
}

fn kms(directory: &Path, with: impl FnOnce(EmbeddedKmsBuilder) -> EmbeddedKmsBuilder) -> Arc<EmbeddedKms> {
    let path = tempfile::Builder::new().suffix(".d").tempdir_in(directory).unwrap().keep().join("kms.atrest");
    let kms = with(EmbeddedKms::builder(path)).create(&RootKey::generate().unwrap(), owner()).unwrap();
    let policy = KeyPolicy::new().allow_everyone(Permission::Generate).allow_everyone(Permission::Unwrap);
    let new = || NewKey::new().policy(policy.clone());
    // One key among many, with a name.
    let keys = (1..KEYS).map(|_| new()).chain([new().alias("alias/app")]);
    kms.requested_by(owner()).create_keys(keys).unwrap();
    Arc::new(kms)
}

fn request() -> KeyRequest {
    let context = EncryptionContext::new().with("path", "arn:aws:s3:::photos/2026/cat.jpg").unwrap();
    KeyRequest::new("alias/app", context, Requester::new("arn:aws:iam::111122223333:user/alice"))
}

fn calls(criterion: &mut Criterion, directory: &Path) {
    let log = |name: &str, fsync| {
        let sink = JsonLines::builder(directory.join(name)).fsync(fsync).max_len(1 << 30).open().unwrap();
        AuditTrail::new(Arc::new(sink))
    };
    let quota = Quota::per_second(NonZeroU32::MAX);
    let kinds: [(&str, Arc<EmbeddedKms>); 5] = [
        ("off", kms(directory, |builder| builder)),
        ("quota", kms(directory, |builder| builder.quota(quota))),
        ("json", kms(directory, |builder| builder.audit(log("never.jsonl", Fsync::Never)))),
        (
            "json-every-second",
            kms(directory, |builder| builder.audit(log("second.jsonl", Fsync::Every(Duration::from_secs(1))))),
        ),
        ("json-every-event", kms(directory, |builder| builder.audit(log("event.jsonl", Fsync::EveryEvent)))),
    ];
    for (kind, kms) in &kinds {
        let mut group = criterion.benchmark_group("generate");
        group.throughput(Throughput::Elements(1));
        group.bench_function(*kind, |bencher| {
            let request = request();
            bencher.iter(|| block_on(kms.clone().generate_key(request.clone())).unwrap());
        });
    }
    for (kind, kms) in &kinds {
        let mut group = criterion.benchmark_group("unwrap");
        group.throughput(Throughput::Elements(1));
        let request = request();
        let wrapped = block_on(kms.clone().generate_key(request.clone())).unwrap().wrapped().as_bytes().to_vec();
        group.bench_function(*kind, |bencher| {
            bencher.iter(|| block_on(kms.clone().unwrap_key(WrappedKey::new(&wrapped[..]), request.clone())).unwrap());
        });
    }
}

/// The number of concurrent calls.
const UNDER_WAY: usize = 64;

/// Prints the rate of recorded events with one event for each fsync, in batches, and without fsync.
fn batches(directory: &Path) {
    let fsync = fsync_time(directory);
    println!("audit, {UNDER_WAY} calls under way; one fsync takes {:.2} ms", fsync.as_secs_f64() * 1e3);
    println!("{:<16} {:>10} {:>16} {:>9}", "", "events/s", "events per fsync", "rate");
    let one = NonZeroUsize::MIN;
    let run = |name: &str, options: JsonLinesBuilder, first: Option<f64>| {
        let sink = Arc::new(options.open().unwrap());
        let (rate, stats) = events_per_second(directory, sink);
        let per_fsync = stats.events as f64 / stats.fsyncs as f64;
        println!("{name:<16} {rate:>10.0} {per_fsync:>16.1} {:>8.1}x", rate / first.unwrap_or(rate));
        (rate, per_fsync)
    };
    let at = |name: &str| JsonLines::builder(directory.join(name));
    let (first, _) = run("one for each", at("one.jsonl").max_batch(one), None);
    let (batched, per_fsync) = run("default", at("batches.jsonl"), Some(first));
    let (unsynced, _) = run("no fsync", at("unsynced.jsonl").fsync(Fsync::Never), Some(first));
    let (target, met) = match fsync >= Duration::from_millis(1) {
        true => ("20 times the rate of one for each", batched >= 20.0 * first),
        false => ("0.7 of the rate without fsync", batched >= 0.7 * unsynced),
    };
    println!("target {target}: {}; 20 events per fsync: {}", verdict(met), verdict(per_fsync >= 20.0));
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "NOT MET" }
}

/// Generates keys for one second. Returns the rate and the counts of the sink.
fn events_per_second(directory: &Path, sink: Arc<JsonLines>) -> (f64, JsonLinesStats) {
    let path = tempfile::Builder::new().suffix(".d").tempdir_in(directory).unwrap().keep().join("kms.atrest");
    let kms = EmbeddedKms::builder(path).audit(AuditTrail::new(sink.clone()));
    let kms = kms.create(&RootKey::generate().unwrap(), owner()).unwrap();
    let policy = KeyPolicy::new().allow_everyone(Permission::Generate);
    kms.requested_by(owner()).create_key(NewKey::new().alias("alias/app").policy(policy)).unwrap();
    let (kms, request) = (Arc::new(kms), request());
    let (before, started) = (sink.stats(), Instant::now());
    let calls = || kms.clone().generate_key(request.clone());
    block_on(async {
        let mut under_way: FuturesUnordered<_> = (0..UNDER_WAY).map(|_| calls()).collect();
        while let Some(generated) = under_way.next().await {
            generated.unwrap();
            if started.elapsed() < Duration::from_secs(2) {
                under_way.push(calls());
            }
        }
    });
    let (elapsed, after) = (started.elapsed(), sink.stats());
    let mut done = after;
    done.events -= before.events;
    done.fsyncs -= before.fsyncs;
    (done.events as f64 / elapsed.as_secs_f64(), done)
}

fn fsync_time(directory: &Path) -> Duration {
    let mut file = File::create(directory.join("fsync")).unwrap();
    let started = Instant::now();
    for _ in 0..100 {
        file.write_all(&[b'x'; 1_000]).unwrap();
        file.sync_data().unwrap();
    }
    started.elapsed() / 100
}

/// Prints what a write and a read of 1 KiB under a warm bucket key cost more than in SSE-S3. The modes take turns, so
/// that all see the same machine.
fn bucket_keys(directory: &Path) {
    let kms = kms(directory, |builder| builder);
    let resilient: Arc<dyn KeyProvider> = Arc::new(Resilient::new(kms.clone()));
    let sse = Sse::builder().keyring(kms.keyring()).kms(resilient, KmsKeys::all()).build().unwrap();
    let (object, plaintext) = (ObjectName::new("photos", "2026/cat.jpg").unwrap(), [7; 1_024]);
    let modes: [(&str, AnyMode); 3] = [
        ("SSE-S3", SseS3.into()),
        ("bucket key", SseKms::new("alias/app").with_bucket_key(true).into()),
        ("own key", SseKms::new("alias/app").into()),
    ];
    let stored = modes.clone().map(|(_, mode)| block_on(sse.encrypt(&object, mode, &plaintext)).unwrap());
    let (mut writes, mut reads) = ([(); 3].map(|()| Vec::new()), [(); 3].map(|()| Vec::new()));
    for _ in 0..TURNS {
        for (at, (_, mode)) in modes.iter().enumerate() {
            writes[at].push(mean(|| drop(black_box(block_on(sse.encrypt(&object, mode.clone(), &plaintext))))));
            reads[at].push(mean(|| drop(black_box(block_on(sse.decrypt(&object, &stored[at], Unlock::Server))))));
        }
    }
    println!("1 KiB, median of {TURNS} turns of {EACH}");
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2] * 1e6
    };
    let (writes, reads) = (writes.each_mut().map(median), reads.each_mut().map(median));
    for (at, (name, _)) in modes.iter().enumerate() {
        println!("{name:<12} write {:>7.2} us   read {:>7.2} us", writes[at], reads[at]);
    }
    let more = writes[1] - writes[0];
    println!(
        "a write under a warm bucket key costs {more:.2} us more than SSE-S3; target 1.00: {}",
        verdict(more <= 1.0)
    );
}

const TURNS: usize = 201;
const EACH: u32 = 100;

/// Returns the mean time of one call in seconds.
fn mean(mut call: impl FnMut()) -> f64 {
    let started = Instant::now();
    (0..EACH).for_each(|_| call());
    started.elapsed().as_secs_f64() / f64::from(EACH)
}

/// Opens the key store from the file, which is in the system's cache, to a working KMS.
fn opening(criterion: &mut Criterion, directory: &Path) {
    let root_key = RootKey::generate().unwrap();
    let path = directory.join("open.atrest");
    let kms = EmbeddedKms::create(&path, &root_key, owner()).unwrap();
    let new = |number| {
        NewKey::new()
            .alias(format!("alias/key-{number}"))
            .description("for one of many tenants")
            .tag("tenant", "photos")
    };
    kms.requested_by(owner()).create_keys((0..KEYS).map(new)).unwrap();
    drop(kms);
    criterion.bench_function("open/10000-keys", |bencher| {
        bencher.iter(|| black_box(EmbeddedKms::open(&path, &root_key).unwrap()));
    });
    let kms = EmbeddedKms::open(&path, &root_key).unwrap();
    criterion.bench_function("change/10000-keys", |bencher| {
        bencher.iter(|| kms.requested_by(owner()).set_description("alias/key-7", "for another tenant").unwrap());
    });
}

fn all(criterion: &mut Criterion) {
    let directory = TempDir::new().unwrap();
    batches(directory.path());
    bucket_keys(directory.path());
    calls(criterion, directory.path());
    opening(criterion, directory.path());
}

criterion_group!(benches, all);
criterion_main!(benches);
