//! Whole objects: the bare ciphers, and the library in every mode.
//!
//! `seal` and `open` are bare loops of each cipher over the same source, in the same chunks, into the same output.
//! `encrypt` and `decrypt` process an object from its key to its last byte, envelope included, through one reused
//! output of 1 MiB. `oneshot` measures the calls over an object in memory, `io` the `std::io` adapters over memory,
//! `owned` the calls over a `BytesMut`. At the end the ratios of what was measured are printed.
//!
//! All benches read from one source and write to one output, because the position in memory alone changes the speed by
//! 20 % and more.

mod kit;

use std::hint::black_box;
use std::io::{Cursor, Read, Write};
use std::sync::{LazyLock, Mutex, MutexGuard};

use atrest::io::{DecryptReader, EncryptWriter};
use atrest::{Encrypted, Envelope, ModeId};
use bytes::{Bytes, BytesMut};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kit::bare::{self, AwsLc, Bare, CHUNK, SEALED};
use kit::ratios::{START, ratio};
use kit::{KIB, Kit, MIB, SIZES, cases, id, source};

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

fn seal(criterion: &mut Criterion) {
    let _ = *START;
    let mut output = output();
    let mut group = criterion.benchmark_group("seal");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    for (name, cipher) in bare::all() {
        group.bench_function(format!("{name}/16KiB"), |bencher| {
            bencher.iter(|| cipher.seal_all(&SOURCE, &mut output));
        });
    }
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let mut output = output();
    let mut group = criterion.benchmark_group("open");
    group.throughput(Throughput::Bytes(SOURCE.len() as u64)).sample_size(20);
    let sealed = sealed();
    let body = body_of(&sealed);
    let body = &body[..sealed.len()];
    for (name, cipher) in bare::all() {
        group.bench_function(format!("{name}/16KiB"), |bencher| bencher.iter(|| cipher.open_all(body, &mut output)));
    }
    group.finish();
}

/// The chunks of the source, sealed by a bare loop.
fn sealed() -> Vec<u8> {
    let mut sealed = vec![0; SOURCE.len() / CHUNK * SEALED];
    AwsLc::new().seal_all(&SOURCE, &mut sealed);
    sealed
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
    for (mode, backend) in cases() {
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
    for (mode, backend) in cases() {
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

/// The chunks that a reader's own buffer holds.
const BUFFERED_CHUNKS: usize = 4;

/// Opens every chunk from a buffer into which the source was read before: the copy that a `Read` costs.
fn open_copied(cipher: &dyn Bare, mut source: impl Read, buffer: &mut [u8], output: &mut [u8]) {
    loop {
        let read = source.read(buffer).expect("memory can be read");
        if read == 0 {
            return;
        }
        cipher.open_all(&buffer[..read], output);
    }
}

/// The `std::io` adapters over memory, through one reused buffer of each length; and the bare loop over the same bytes
/// with one copy through a buffer as long as the reader's.
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
    let (cipher, mut buffer) = (AwsLc::new(), vec![0; BUFFERED_CHUNKS * SEALED]);
    // All chunks are sealed under the index of their place in the buffer, which the loop knows.
    let mut sealed = vec![0; SOURCE.len() / CHUNK * SEALED];
    let (plaintexts, places) = (SOURCE.chunks(BUFFERED_CHUNKS * CHUNK), sealed.chunks_mut(BUFFERED_CHUNKS * SEALED));
    plaintexts.zip(places).for_each(|(plaintext, place)| cipher.seal_all(plaintext, place));
    group.bench_function("raw-aws-lc-copied/64MiB", |bencher| {
        bencher.iter(|| open_copied(&cipher, Cursor::new(&sealed), &mut buffer, &mut output));
    });
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
    let is_measured = |mode| matches!(mode, ModeId::SseS3 | ModeId::DsseKms);
    for (mode, backend) in cases().into_iter().filter(|(mode, _)| is_measured(*mode)) {
        let kit = Kit::new(mode, backend);
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
            group.bench_function(format!("copied/{mode}/{backend}/{name}"), |bencher| {
                bencher.iter(|| body.chunks(len).for_each(|piece| drop(black_box(receive(piece)))));
            });
            group.bench_function(format!("open/{mode}/{backend}/in-place/{name}"), |bencher| {
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
            group.bench_function(format!("open/{mode}/{backend}/push/{name}"), |bencher| {
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
            group.bench_function(format!("open/{mode}/{backend}/update/{name}"), |bencher| {
                bencher.iter(|| {
                    let mut reader = reader();
                    for piece in body.chunks(len) {
                        reader.update(&receive(piece), &mut output).expect("decrypted");
                    }
                    reader.finish(&mut output).expect("finished")
                });
            });
            let encryptor = || kit.sse.blocking().encryptor(&kit.object, kit.mode.clone()).expect("an encryptor").1;
            group.bench_function(format!("seal/{mode}/{backend}/push/{name}"), |bencher| {
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
            group.bench_function(format!("seal/{mode}/{backend}/update/{name}"), |bencher| {
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

fn ratios(_: &mut Criterion) {
    println!();
    for (what, bare, ours) in [
        ("encrypt beside the bare loop", "seal/raw-aws-lc/16KiB", "encrypt/sse-s3/aws-lc/64MiB"),
        ("decrypt beside the bare loop", "open/raw-aws-lc/16KiB", "decrypt/sse-s3/aws-lc/64MiB"),
        (
            "encrypt, Graviola beside RustCrypto, memory",
            "encrypt/sse-s3/rust-crypto/64MiB",
            "encrypt/sse-s3/graviola/64MiB",
        ),
        (
            "encrypt, Graviola beside RustCrypto, cache",
            "encrypt/sse-s3/rust-crypto/1MiB",
            "encrypt/sse-s3/graviola/1MiB",
        ),
        (
            "decrypt, Graviola beside RustCrypto, memory",
            "decrypt/sse-s3/rust-crypto/64MiB",
            "decrypt/sse-s3/graviola/64MiB",
        ),
        (
            "decrypt, Graviola beside RustCrypto, cache",
            "decrypt/sse-s3/rust-crypto/1MiB",
            "decrypt/sse-s3/graviola/1MiB",
        ),
        (
            "opening in place, Graviola beside RustCrypto",
            "owned/open/SSE-S3/rust-crypto/in-place/64KiB",
            "owned/open/SSE-S3/graviola/in-place/64KiB",
        ),
        ("reader over memory beside update", "decrypt/sse-s3/aws-lc/64MiB", "io/decrypt-reader-buffered/64MiB/1MiB"),
        ("reader over Read beside the loop with a copy", "io/raw-aws-lc-copied/64MiB", "io/decrypt-reader/64MiB/1MiB"),
    ] {
        ratio(what, &[bare], ours);
    }
    let (seal, open) =
        (["seal/raw-aws-lc/16KiB", "seal/raw-graviola/16KiB"], ["open/raw-aws-lc/16KiB", "open/raw-graviola/16KiB"]);
    ratio("encrypt, DSSE-KMS beside the sum of both bare loops", &seal, "encrypt/dsse-kms/both/64MiB");
    ratio("decrypt, DSSE-KMS beside the sum of both bare loops", &open, "decrypt/dsse-kms/both/64MiB");
}

criterion_group!(benches, seal, encrypt, open, decrypt, oneshot, io, owned, ratios);
criterion_main!(benches);
