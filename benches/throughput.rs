//! Whole objects: the bare cipher, and the library in every mode.
//!
//! `seal` and `open` are bare loops of each cipher over the same source, in the same chunks, into the same output.
//! `encrypt` and `decrypt` process an object from its key to its last byte, envelope included, through one reused
//! output of 1 MiB. `oneshot` measures the calls over an object in memory, `io` the `std::io` adapters over memory,
//! `owned` the calls over a `BytesMut`. `threads` divides calls of 64 MiB among workers, beside the bare loops on as
//! many threads.
//!
//! All benches read from one source and write to one output, because the position in memory alone changes the speed by
//! 20 % and more.

mod kit;

use std::hint::black_box;
use std::io::{Cursor, Read, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use atrest::io::{DecryptReader, EncryptWriter};
use atrest::{Encrypted, Envelope, ModeId, ScopedThreads, Workers};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kit::{CASES, KIB, Kit, MIB, SIZES, id, source};

const CHUNK: usize = 16_384;
const SEALED: usize = CHUNK + 16;
/// What 1 MiB of input gives at the most: in DSSE-KMS one chunk more than it has, sealed twice, and two headers.
const OUTPUT_LEN: usize = MIB + 2 * SEALED + 4_096;

static SOURCE: LazyLock<Vec<u8>> = LazyLock::new(|| source(64 * MIB));
static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// The stored bytes of the object to decrypt; long enough for every mode.
static BODY: Mutex<Vec<u8>> = Mutex::new(Vec::new());

fn output() -> MutexGuard<'static, Vec<u8>> {
    let mut output = OUTPUT.lock().expect("one bench at a time");
    output.resize(OUTPUT_LEN, 0);
    output
}

fn body_of(stored: &[u8]) -> MutexGuard<'static, Vec<u8>> {
    let mut body = BODY.lock().expect("one bench at a time");
    body.resize(66 * MIB, 0);
    body[..stored.len()].copy_from_slice(stored);
    body
}

fn nonce(index: usize) -> [u8; 12] {
    let mut nonce = [3; 12];
    nonce[4..].copy_from_slice(&(index as u64).to_be_bytes());
    nonce
}

fn aws_lc_key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[5; 32]).expect("a key"))
}

/// Seals every chunk of the source to the next place in the output, and starts again at the beginning of a full output,
/// as `update` is used.
fn each_chunk(
    input: &[u8],
    input_len: usize,
    output: &mut [u8],
    output_len: usize,
    mut work: impl FnMut(usize, &[u8], &mut [u8]),
) {
    let places = output.len() / output_len;
    for (index, chunk) in input.chunks_exact(input_len).enumerate() {
        let place = index % places * output_len;
        work(index, chunk, &mut output[place..place + output_len]);
    }
    black_box(output);
}

fn seal_all_aws_lc(key: &LessSafeKey, source: &[u8], output: &mut [u8]) {
    each_chunk(source, CHUNK, output, SEALED, |index, chunk, sealed| {
        let (ciphertext, tag) = sealed.split_at_mut(CHUNK);
        let nonce = Nonce::assume_unique_for_key(nonce(index));
        key.seal_out_of_place_scatter(nonce, Aad::empty(), chunk, ciphertext, &[], tag).expect("sealed");
    });
}

fn seal_all_rust_crypto(key: &Aes256Gcm, source: &[u8], output: &mut [u8]) {
    each_chunk(source, CHUNK, output, SEALED, |index, chunk, sealed| {
        let (ciphertext, tag) = sealed.split_at_mut(CHUNK);
        let buffers = InOutBuf::new(chunk, ciphertext).expect("equal lengths");
        let sealed = key.encrypt_inout_detached(&nonce(index).into(), &[], buffers).expect("sealed");
        tag.copy_from_slice(&sealed);
    });
}

fn seal(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("seal");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    group.bench_function("raw-aws-lc/16KiB", |bencher| {
        let key = aws_lc_key();
        bencher.iter(|| seal_all_aws_lc(&key, &SOURCE, &mut output));
    });
    group.bench_function("raw-rust-crypto/16KiB", |bencher| {
        let key = Aes256Gcm::new(&[5; 32].into());
        bencher.iter(|| seal_all_rust_crypto(&key, &SOURCE, &mut output));
    });
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    let mut sealed = vec![0; SOURCE.len() / CHUNK * SEALED];
    seal_all_aws_lc(&aws_lc_key(), &SOURCE, &mut sealed);
    let body = body_of(&sealed);
    let body = &body[..sealed.len()];
    group.bench_function("raw-aws-lc/16KiB", |bencher| {
        let key = aws_lc_key();
        bencher.iter(|| {
            each_chunk(body, SEALED, &mut output, CHUNK, |index, chunk, plaintext| {
                let (ciphertext, tag) = chunk.split_at(CHUNK);
                let nonce = Nonce::assume_unique_for_key(nonce(index));
                key.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, plaintext).expect("opened");
            });
        });
    });
    group.bench_function("raw-rust-crypto/16KiB", |bencher| {
        let key = Aes256Gcm::new(&[5; 32].into());
        bencher.iter(|| {
            each_chunk(body, SEALED, &mut output, CHUNK, |index, chunk, plaintext| {
                let (ciphertext, tag) = chunk.split_at(CHUNK);
                let buffers = InOutBuf::new(ciphertext, plaintext).expect("equal lengths");
                let tag = tag.try_into().expect("a tag");
                key.decrypt_inout_detached(&nonce(index).into(), &[], buffers, tag).expect("opened");
            });
        });
    });
    group.finish();
}

fn encrypt_once(kit: &Kit, source: &[u8], output: &mut [u8]) -> Vec<u8> {
    let (envelope, mut encryptor) = kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
    for piece in source.chunks(MIB) {
        encryptor.update(piece, output).expect("encrypted");
    }
    encryptor.finish(output).expect("finished");
    envelope.encode()
}

fn encrypt(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("encrypt");
    group.sample_size(20);
    for (mode, backend) in CASES {
        let kit = Kit::new(mode, backend);
        for (name, size) in SIZES {
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(id(mode, backend, name)), |bencher| {
                bencher.iter(|| encrypt_once(&kit, &SOURCE[..size], &mut output));
            });
        }
    }
    group.finish();
}

fn decrypt_once(kit: &Kit, envelope: &[u8], body: &[u8], output: &mut [u8]) {
    let envelope = Envelope::decode(envelope).expect("an envelope");
    let decryptor = kit.sse.blocking().decryptor(&kit.object, &envelope, kit.unlock()).expect("a decryptor");
    let mut reader = decryptor.sequential();
    for piece in body.chunks(MIB) {
        reader.update(piece, output).expect("decrypted");
    }
    reader.finish(output).expect("finished");
}

/// The streaming call encrypts the object, so that both directions measure an object of unknown length.
fn stored(kit: &Kit, plaintext: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (envelope, mut encryptor) = kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
    let mut body = BytesMut::new();
    encryptor.push(plaintext, &mut body).expect("encrypted");
    encryptor.finish_into(&mut body).expect("finished");
    (envelope.encode(), body.to_vec())
}

fn decrypt(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("decrypt");
    group.sample_size(20);
    for (mode, backend) in CASES {
        let kit = Kit::new(mode, backend);
        for (name, size) in SIZES {
            let (envelope, stored) = stored(&kit, &SOURCE[..size]);
            let body = body_of(&stored);
            let body = &body[..stored.len()];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(id(mode, backend, name)), |bencher| {
                bencher.iter(|| decrypt_once(&kit, &envelope, body, &mut output));
            });
        }
    }
    group.finish();
}

fn oneshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("oneshot");
    group.sample_size(20);
    let kit = Kit::new(ModeId::SseS3, "aws-lc");
    let sse = kit.sse.blocking();
    for (name, size) in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("encrypt/{}", id(ModeId::SseS3, "aws-lc", name)), |bencher| {
            bencher.iter(|| sse.encrypt(&kit.object, kit.mode.clone(), &SOURCE[..size]).expect("encrypted"));
        });
        let stored: Encrypted = sse.encrypt(&kit.object, kit.mode.clone(), &SOURCE[..size]).expect("encrypted");
        let mut output = vec![0; stored.ciphertext.len()];
        group.bench_function(format!("encrypt-into/{}", id(ModeId::SseS3, "aws-lc", name)), |bencher| {
            let (mode, source) = (&kit.mode, &SOURCE[..size]);
            bencher.iter(|| sse.encrypt_into(&kit.object, mode.clone(), source, &mut output).expect("encrypted"));
        });
        group.bench_function(format!("decrypt-into/{}", id(ModeId::SseS3, "aws-lc", name)), |bencher| {
            bencher.iter(|| sse.decrypt_into(&kit.object, &stored, kit.unlock(), &mut output).expect("decrypted"));
        });
        group.bench_function(format!("decrypt/{}", id(ModeId::SseS3, "aws-lc", name)), |bencher| {
            bencher.iter(|| sse.decrypt(&kit.object, &stored, kit.unlock()).expect("decrypted"));
        });
    }
    group.finish();
}

#[cfg(feature = "rayon")]
fn pool() -> Option<Arc<dyn Workers>> {
    Some(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool")))
}

#[cfg(not(feature = "rayon"))]
fn pool() -> Option<Arc<dyn Workers>> {
    None
}

/// The bare loops on two threads, half of the chunks each, and the library with workers; all through one output that
/// holds the whole object.
fn threads(criterion: &mut Criterion) {
    let mut output = vec![0; 66 * MIB];
    let mut group = criterion.benchmark_group("threads");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    let chunks = SOURCE.len() / CHUNK;
    let key = aws_lc_key();
    let seal_half = |source: &[u8], sealed: &mut [u8]| seal_all_aws_lc(&key, source, sealed);
    let halves = |threads: usize,
                  input: &[u8],
                  input_len: usize,
                  output: &mut [u8],
                  output_len: usize,
                  work: &(dyn Fn(&[u8], &mut [u8]) + Sync)| {
        let each = chunks.div_ceil(threads);
        std::thread::scope(|scope| {
            for (input, output) in input.chunks(each * input_len).zip(output.chunks_mut(each * output_len)) {
                scope.spawn(move || work(input, output));
            }
        });
    };
    let mut sealed = vec![0; chunks * SEALED];
    let open_half = |body: &[u8], plaintext: &mut [u8]| {
        each_chunk(body, SEALED, plaintext, CHUNK, |index, chunk, plaintext| {
            let (ciphertext, tag) = chunk.split_at(CHUNK);
            let nonce = Nonce::assume_unique_for_key(nonce(index));
            key.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, plaintext).expect("opened");
        });
    };
    for threads in [1, 2] {
        group.bench_function(format!("seal/raw-aws-lc/{threads}"), |bencher| {
            bencher.iter(|| halves(threads, &SOURCE, CHUNK, &mut output[..chunks * SEALED], SEALED, &seal_half));
        });
        halves(threads, &SOURCE, CHUNK, &mut sealed, SEALED, &seal_half);
        group.bench_function(format!("open/raw-aws-lc/{threads}"), |bencher| {
            bencher.iter(|| halves(threads, &sealed, SEALED, &mut output[..chunks * CHUNK], CHUNK, &open_half));
        });
    }
    let two = NonZeroUsize::new(2).expect("not 0");
    let mut workers: Vec<(&str, Option<Arc<dyn Workers>>)> =
        vec![("alone", None), ("scoped", Some(Arc::new(ScopedThreads::new(two))))];
    if cfg!(feature = "rayon") {
        workers.push(("rayon", pool()));
    }
    for mode in [ModeId::SseS3, ModeId::DsseKms] {
        for (name, workers) in &workers {
            let kit = Kit::with_workers(mode, "aws-lc", workers.clone());
            group.bench_function(format!("encrypt/{mode}/{name}"), |bencher| {
                bencher.iter(|| {
                    let sse = kit.sse.blocking();
                    let (_, mut encryptor) = sse.encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
                    for piece in SOURCE.chunks(32 * MIB) {
                        encryptor.update(piece, &mut output).expect("encrypted");
                    }
                    encryptor.finish(&mut output).expect("finished")
                });
            });
            let (envelope, stored) = stored(&kit, &SOURCE);
            let envelope = Envelope::decode(&envelope).expect("an envelope");
            group.bench_function(format!("decrypt/{mode}/{name}"), |bencher| {
                bencher.iter(|| {
                    let decryptor = kit.sse.blocking().decryptor(&kit.object, &envelope, kit.unlock());
                    let mut reader = decryptor.expect("a decryptor").sequential();
                    for piece in stored.chunks(32 * MIB) {
                        reader.update(piece, &mut output).expect("decrypted");
                    }
                    reader.finish(&mut output).expect("finished")
                });
            });
        }
    }
    group.finish();
}

/// The `std::io` adapters over memory, through one reused buffer of each length.
fn io(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("io");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    let kit = Kit::new(ModeId::SseS3, "aws-lc");
    let sse = kit.sse.blocking();
    let (envelope, stored) = stored(&kit, &SOURCE);
    let body = body_of(&stored);
    let body = &body[..stored.len()];
    let envelope = Envelope::decode(&envelope).expect("an envelope");
    for (name, len) in [("8KiB", 8 * KIB), ("64KiB", 64 * KIB), ("1MiB", MIB)] {
        group.bench_function(format!("decrypt-reader/64MiB/{name}"), |bencher| {
            bencher.iter(|| {
                let decryptor = sse.decryptor(&kit.object, &envelope, kit.unlock()).expect("a decryptor");
                let mut reader = DecryptReader::new(decryptor, Cursor::new(body));
                while reader.read(&mut output[..len]).expect("decrypted") > 0 {}
            });
        });
        group.bench_function(format!("decrypt-reader-buffered/64MiB/{name}"), |bencher| {
            bencher.iter(|| {
                let decryptor = sse.decryptor(&kit.object, &envelope, kit.unlock()).expect("a decryptor");
                let mut reader = DecryptReader::buffered(decryptor, Cursor::new(body));
                while reader.read(&mut output[..len]).expect("decrypted") > 0 {}
            });
        });
        group.bench_function(format!("encrypt-writer/64MiB/{name}"), |bencher| {
            bencher.iter(|| {
                let (_, encryptor) = sse.encryptor(&kit.object, kit.mode.clone()).expect("an encryptor");
                let mut writer = EncryptWriter::new(encryptor, std::io::sink());
                SOURCE.chunks(len).for_each(|piece| writer.write_all(piece).expect("encrypted"));
                writer.finish().expect("finished")
            });
        });
    }
    group.finish();
}

/// Pieces that are received into a reused `BytesMut`, as from a socket: copied alone, then opened in place, by `push`
/// into fresh memory, and by `update` into a reused output. And plaintext that is sealed by `push` and by `update`.
fn owned(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("owned");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    for mode in [ModeId::SseS3, ModeId::DsseKms] {
        let kit = Kit::new(mode, "aws-lc");
        let (envelope, stored) = stored(&kit, &SOURCE);
        let envelope = Envelope::decode(&envelope).expect("an envelope");
        let body = body_of(&stored);
        let body = &body[..stored.len()];
        for (name, len) in [("8KiB", 8 * KIB), ("64KiB", 64 * KIB), ("1MiB", MIB)] {
            let mut received = BytesMut::with_capacity(len);
            let mut receive = |piece: &[u8]| {
                received.reserve(len);
                received.extend_from_slice(piece);
                received.split()
            };
            let reader = || {
                let decryptor = kit.sse.blocking().decryptor(&kit.object, &envelope, kit.unlock());
                decryptor.expect("a decryptor").sequential()
            };
            group.bench_function(format!("copied/{mode}/{name}"), |bencher| {
                bencher.iter(|| body.chunks(len).for_each(|piece| drop(black_box(receive(piece)))));
            });
            group.bench_function(format!("open/{mode}/in-place/{name}"), |bencher| {
                let mut opened = Vec::<Bytes>::new();
                bencher.iter(|| {
                    let mut reader = reader();
                    for piece in body.chunks(len) {
                        reader.open_in_place(&mut receive(piece), &mut opened).expect("decrypted");
                        opened.clear();
                    }
                    reader.finish(&mut output).expect("finished")
                });
            });
            group.bench_function(format!("open/{mode}/push/{name}"), |bencher| {
                bencher.iter(|| {
                    let mut reader = reader();
                    for piece in body.chunks(len) {
                        let mut opened = BytesMut::new();
                        reader.push(&receive(piece), &mut opened).expect("decrypted");
                        black_box(opened.freeze());
                    }
                    reader.finish(&mut output).expect("finished")
                });
            });
            group.bench_function(format!("open/{mode}/update/{name}"), |bencher| {
                bencher.iter(|| {
                    let mut reader = reader();
                    for piece in body.chunks(len) {
                        reader.update(&receive(piece), &mut output).expect("decrypted");
                    }
                    reader.finish(&mut output).expect("finished")
                });
            });
            let encryptor = || kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor").1;
            group.bench_function(format!("seal/{mode}/push/{name}"), |bencher| {
                let mut sealed = BytesMut::new();
                bencher.iter(|| {
                    let mut encryptor = encryptor();
                    for piece in SOURCE.chunks(len) {
                        encryptor.push(piece, &mut sealed).expect("encrypted");
                        black_box(sealed.split());
                    }
                    encryptor.finish(&mut output).expect("finished")
                });
            });
            group.bench_function(format!("seal/{mode}/update/{name}"), |bencher| {
                bencher.iter(|| {
                    let mut encryptor = encryptor();
                    for piece in SOURCE.chunks(len) {
                        encryptor.update(piece, &mut output).expect("encrypted");
                    }
                    encryptor.finish(&mut output).expect("finished")
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, seal, encrypt, open, decrypt, oneshot, io, owned, threads);
criterion_main!(benches);
