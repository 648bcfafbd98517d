//! The embedded KMS: keys generated and unwrapped, without an audit trail and with one, and a store of 10,000 keys opened.
//!
//! `generate/off` and `unwrap/off` are calls of the provider as an `Sse` makes them, on one thread; with `json`, a line of
//! JSON is appended to a file for each, and synchronised where the name says so.
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use atrest::audit::{AuditTrail, Fsync, JsonLines};
use atrest::kms::{EmbeddedKms, EmbeddedKmsBuilder, KeyPolicy, NewKey, Permission, Quota};
use atrest::{EncryptionContext, KeyProvider, KeyRequest, Requester, RootKey, WrappedKey};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pollster::block_on;
use tempfile::TempDir;

const KEYS: usize = 10_000;

fn owner() -> Requester {
    Requester::new("service")
}

fn kms(directory: &Path, with: impl FnOnce(EmbeddedKmsBuilder) -> EmbeddedKmsBuilder) -> Arc<EmbeddedKms> {
    let path = tempfile::Builder::new().suffix(".d").tempdir_in(directory).unwrap().keep().join("kms.atrest");
    let kms = with(EmbeddedKms::at(path)).create(&RootKey::generate().unwrap(), owner()).unwrap();
    let policy = KeyPolicy::new().allow_everyone(Permission::Generate).allow_everyone(Permission::Unwrap);
    let new = || NewKey::new().policy(policy.clone());
    // One among many, and the one that is used has a name.
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
        let sink = JsonLines::at(directory.join(name)).fsync(fsync).max_len(1 << 30).open().unwrap();
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

/// The file from the disk (that is, from the system's cache) to a KMS that answers.
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
    calls(criterion, directory.path());
    opening(criterion, directory.path());
}

criterion_group!(benches, all);
criterion_main!(benches);
