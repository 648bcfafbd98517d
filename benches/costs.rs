//! The most expensive inputs that the library accepts before it authenticates or authorises anything.

use std::hint::black_box;
use std::time::Instant;

use atrest::{Argon2Cost, EncryptionContext, Keyring, RootKey};
use criterion::{Criterion, criterion_group, criterion_main};

/// As many pairs as fit into 8,192 bytes, each with a name of two characters and an empty value.
fn pairs() -> Vec<String> {
    (0..1_365_u32).map(|at| [at / 64, at % 64].map(|digit| char::from(b'0' + digit as u8)).iter().collect()).collect()
}

fn context(criterion: &mut Criterion) {
    let pairs = pairs();
    let build = |names: &[String]| {
        names.iter().try_fold(EncryptionContext::new(), |context, name| context.with(&**name, "")).expect("it fits")
    };
    assert!(build(&pairs).with("more", "").is_err(), "no pair more fits");
    let mut group = criterion.benchmark_group("context");
    group.bench_function("build/1365-pairs", |bencher| bencher.iter(|| build(black_box(&pairs))));
    group.bench_function("build/683-pairs", |bencher| bencher.iter(|| build(black_box(&pairs[..683]))));
    group.finish();
    #[cfg(feature = "s3")]
    header(criterion, &pairs);
}

/// The same pairs in the form that a client sends.
#[cfg(feature = "s3")]
fn header(criterion: &mut Criterion, pairs: &[String]) {
    let members: Vec<_> = pairs.iter().map(|name| format!("{:?}:\"\"", name)).collect();
    let text = data_encoding::BASE64.encode(format!("{{{}}}", members.join(",")).as_bytes());
    let fields = [("x-amz-server-side-encryption-context", &*text), ("x-amz-server-side-encryption", "aws:kms")];
    criterion.bench_function("context/header/1365-pairs", |bencher| {
        bencher.iter(|| atrest::s3::EncryptionHeaders::from_form_fields(black_box(fields)).expect("headers"));
    });
}

/// Measures once a file with the highest cost that a reader accepts by default.
fn argon2(_: &mut Criterion) {
    if !cfg!(feature = "passphrase") {
        return;
    }
    let passphrase = RootKey::from_passphrase("correct horse battery staple").expect("it is not empty");
    let mut sealed =
        Keyring::generate().and_then(|keyring| keyring.blocking().seal(&passphrase)).expect("a sealed keyring");
    let mut opened = |what: &str, cost: [u32; 3]| {
        for (at, number) in cost.into_iter().enumerate() {
            sealed[11 + 4 * at..15 + 4 * at].copy_from_slice(&number.to_be_bytes());
        }
        let start = Instant::now();
        let outcome = Keyring::from_sealed_blocking(&sealed, &passphrase.clone().accepting(Argon2Cost::ACCEPTED));
        println!("argon2/{what}: {:.1} s, opened: {}", start.elapsed().as_secs_f64(), outcome.is_ok());
    };
    opened("default (64 MiB, 3 passes, 4 lanes)", [64 * 1024, 3, 4]);
    // Some two minutes: not for a run that only looks whether the benches work.
    if !std::env::args().any(|argument| argument == "--test") {
        opened("accepted (1 GiB, 16 passes, 16 lanes)", [1024 * 1024, 16, 16]);
    }
}

criterion_group!(benches, context, argon2);
criterion_main!(benches);
