//! The fixed costs of an object: encode, decode, unlock, rewrap and verify its envelope.

mod kit;

use std::hint::black_box;

use atrest::{CustomerKey, Envelope, ModeId, Rewrap};
use criterion::{Criterion, criterion_group, criterion_main};
use kit::{CASES, Kit};

fn envelope(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope");
    for (mode, backend) in CASES {
        let kit = Kit::new(mode, backend);
        let sse = kit.sse.blocking();
        let name = |verb: &str| format!("{verb}/{}/{backend}", mode.to_string().to_lowercase());
        let (envelope, _) = sse.encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
        let encoded = envelope.encode();
        group.bench_function(name("begin"), |bencher| {
            bencher.iter(|| sse.encryptor(&kit.object, kit.mode.clone()).expect("an encryptor"));
        });
        group.bench_function(name("unlock"), |bencher| {
            bencher.iter(|| sse.decryptor(&kit.object, &envelope, kit.unlock()).expect("a decryptor"));
        });
        group.bench_function(name("rewrap"), |bencher| {
            bencher.iter(|| sse.rewrap(Rewrap::of(&kit.object, &envelope, kit.unlock())).expect("an envelope"));
        });
        group.bench_function(name("encode"), |bencher| bencher.iter(|| envelope.encode()));
        group.bench_function(name("decode"), |bencher| {
            bencher.iter(|| Envelope::decode(black_box(&encoded)).expect("an envelope"));
        });
        if mode == ModeId::SseC {
            let key = CustomerKey::from_bytes(&mut [9; 32]).expect("it is not zero");
            group.bench_function(name("verify-customer-key"), |bencher| {
                bencher.iter(|| envelope.verify_customer_key(&key).expect("the right key"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, envelope);
criterion_main!(benches);
