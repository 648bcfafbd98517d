//! Workers: large calls divided among two threads, beside the bare loops on as many threads; and the batch length from
//! which workers pay.

mod kit;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock};

use atrest::{Envelope, ModeId, ScopedThreads, Workers};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kit::bare::{AwsLc, Bare, CHUNK, SEALED};
use kit::ratios::{START, ratio};
use kit::{KIB, Kit, MIB, source};

static SOURCE: LazyLock<Vec<u8>> = LazyLock::new(|| source(64 * MIB));

type Pool = Option<Arc<dyn Workers>>;

#[cfg(feature = "rayon")]
fn pool() -> Pool {
    Some(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool")))
}

#[cfg(not(feature = "rayon"))]
fn pool() -> Pool {
    None
}

/// Every kind of workers that this build has, and none.
fn pools() -> Vec<(&'static str, Pool)> {
    let scoped: Arc<dyn Workers> = Arc::new(ScopedThreads::new(NonZeroUsize::new(2).expect("not 0")));
    let mut pools = vec![("alone", None), ("scoped", Some(scoped))];
    pools.extend(pool().map(|pool| ("rayon", Some(pool))));
    pools
}

/// Runs a bare loop on some threads, an equal share of the chunks each.
fn shared(
    threads: usize,
    (input, input_len): (&[u8], usize),
    (output, output_len): (&mut [u8], usize),
    work: impl Fn(&[u8], &mut [u8]) + Sync,
) {
    let each = (input.len() / input_len).div_ceil(threads);
    std::thread::scope(|scope| {
        for (input, output) in input.chunks(each * input_len).zip(output.chunks_mut(each * output_len)) {
            scope.spawn(|| work(input, output));
        }
    });
}

/// One message in updates of 32 MiB, through one output that holds the whole object.
fn threads(criterion: &mut Criterion) {
    let _ = *START;
    let mut output = vec![0; 66 * MIB];
    let mut group = criterion.benchmark_group("threads");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    let chunks = SOURCE.len() / CHUNK;
    let cipher = AwsLc::new();
    let mut sealed = vec![0; chunks * SEALED];
    for threads in [1, 2] {
        let seal = |source: &[u8], sealed: &mut [u8]| cipher.seal_all(source, sealed);
        let open = |body: &[u8], plaintext: &mut [u8]| cipher.open_all(body, plaintext);
        group.bench_function(format!("seal/raw-aws-lc/{threads}"), |bencher| {
            bencher.iter(|| shared(threads, (&SOURCE, CHUNK), (&mut output[..chunks * SEALED], SEALED), seal));
        });
        shared(threads, (&SOURCE, CHUNK), (&mut sealed, SEALED), seal);
        group.bench_function(format!("open/raw-aws-lc/{threads}"), |bencher| {
            bencher.iter(|| shared(threads, (&sealed, SEALED), (&mut output[..chunks * CHUNK], CHUNK), open));
        });
    }
    for mode in [ModeId::SseS3, ModeId::DsseKms] {
        for (name, workers) in pools() {
            let kit = Kit::with_workers(mode, "aws-lc", workers);
            let sse = kit.sse.blocking();
            let id = |verb: &str| format!("{verb}/{}/{name}", mode.to_string().to_lowercase());
            group.bench_function(id("encrypt"), |bencher| {
                bencher.iter(|| {
                    let (_, mut encryptor) = sse.encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
                    for piece in SOURCE.chunks(32 * MIB) {
                        encryptor.update(piece, &mut output).expect("encrypted");
                    }
                    encryptor.finish(&mut output).expect("finished")
                });
            });
            let stored = sse.encrypt(&kit.object, kit.mode.clone(), &SOURCE).expect("encrypted");
            let envelope = Envelope::decode(stored.envelope.as_bytes()).expect("an envelope");
            group.bench_function(id("decrypt"), |bencher| {
                bencher.iter(|| {
                    let decryptor = sse.decryptor(&kit.object, &envelope, kit.unlock());
                    let mut reader = decryptor.expect("a decryptor").sequential();
                    for piece in stored.ciphertext.chunks(32 * MIB) {
                        reader.update(piece, &mut output).expect("decrypted");
                    }
                    reader.finish(&mut output).expect("finished")
                });
            });
        }
    }
    group.finish();
}

/// Workers that divide every batch.
struct Always(Arc<dyn Workers>);

impl Workers for Always {
    fn threads(&self) -> usize {
        self.0.threads()
    }

    fn min_len(&self) -> usize {
        0
    }

    fn run(&self, tasks: usize, task: &(dyn Fn() + Sync)) {
        self.0.run(tasks, task);
    }
}

const BATCHES: [usize; 8] = [64 * KIB, 128 * KIB, 256 * KIB, 512 * KIB, MIB, 2 * MIB, 4 * MIB, 8 * MIB];

/// Measures batches of each length in one message, on one thread and divided even where that does not pay.
fn batch(criterion: &mut Criterion) {
    let mut output = vec![0; 9 * MIB];
    let mut group = criterion.benchmark_group("batch");
    for len in BATCHES {
        group.throughput(Throughput::Bytes(len as u64));
        for (name, workers) in pools() {
            let always = workers.map(|workers| Arc::new(Always(workers)) as Arc<dyn Workers>);
            let kit = Kit::with_workers(ModeId::SseS3, "aws-lc", always);
            let (_, mut encryptor) = kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
            group.bench_function(format!("{name}/{}KiB", len / KIB), |bencher| {
                bencher.iter(|| black_box(encryptor.update(&SOURCE[..len], &mut output).expect("encrypted")));
            });
        }
    }
    group.finish();
}

fn ratios(_: &mut Criterion) {
    println!();
    for (bare, verb) in [("seal", "encrypt"), ("open", "decrypt")] {
        let [one, two] = [1, 2].map(|threads| format!("threads/{bare}/raw-aws-lc/{threads}"));
        let ours = |mode: &str, workers: &str| format!("threads/{verb}/{mode}/{workers}");
        ratio(&format!("{bare}, the bare loop on two threads beside one"), &[&one], &two);
        for workers in ["scoped", "rayon"] {
            let [single, double] = ["sse-s3", "dsse-kms"].map(|mode| ours(mode, workers));
            ratio(&format!("{verb}, {workers}, beside the bare loop on two threads"), &[&two], &single);
            ratio(&format!("{verb}, {workers}, beside one thread"), &[&ours("sse-s3", "alone")], &single);
            ratio(&format!("{verb}, DSSE-KMS, {workers}, beside one thread"), &[&ours("dsse-kms", "alone")], &double);
        }
    }
    for workers in ["scoped", "rayon"] {
        for len in BATCHES.map(|len| len / KIB) {
            let [alone, divided] = ["alone", workers].map(|name| format!("batch/{name}/{len}KiB"));
            ratio(&format!("batches of {len} KiB, {workers}, beside one thread"), &[&alone], &divided);
        }
    }
}

criterion_group!(benches, threads, batch, ratios);
criterion_main!(benches);
