//! A 4 KiB range of a 1 GiB object, from the stored envelope to the plaintext: decode, unwrap, plan, open.
//!
//! `across` begins 2 KiB before a chunk's end, so that two chunks are opened; `within` needs one.

mod kit;

use atrest::{Envelope, ModeId};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kit::{Kit, MIB, source};

const LEN: u64 = 4096;

fn range(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("range");
    group.throughput(Throughput::Bytes(LEN));
    for (mode, backend) in [(ModeId::SseS3, "aws-lc"), (ModeId::SseS3, "rust-crypto"), (ModeId::DsseKms, "both")] {
        let kit = Kit::new(mode, backend);
        let (envelope, mut encryptor) =
            kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
        let piece = source(MIB);
        let mut body = Vec::with_capacity(1030 * MIB);
        let mut output = vec![0; 2 * MIB];
        for _ in 0..1024 {
            let written = encryptor.update(&piece, &mut output).expect("encrypted");
            body.extend_from_slice(&output[..written]);
        }
        let written = encryptor.finish(&mut output).expect("finished").written;
        body.extend_from_slice(&output[..written]);
        let envelope = envelope.encode();
        for (name, start) in [("across", 512 * MIB as u64 - LEN / 2), ("within", 512 * MIB as u64 + LEN)] {
            let id = format!("{}/{backend}/{name}/4KiB-of-1GiB", mode.to_string().to_lowercase());
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let envelope = Envelope::decode(&envelope).expect("an envelope");
                    let decryptor = kit.sse.blocking().decryptor(&kit.object, &envelope, kit.unlock());
                    let decryptor = decryptor.expect("a decryptor");
                    let plan = decryptor.range(start..start + LEN, body.len() as u64).expect("a plan");
                    let fetch = plan.fetches().first().expect("a fetch");
                    plan.decrypt(&body[fetch.start as usize..fetch.end as usize]).expect("decrypted")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, range);
criterion_main!(benches);
