//! The fixed costs of an object: encode, decode, unlock, rewrap and verify its envelope; and a whole object of 1 KiB
//! beside the bare sum of the primitives that the format needs for it.

mod kit;

use std::hint::black_box;

use atrest::{CustomerKey, Envelope, ModeId, Rewrap};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use criterion::{Criterion, criterion_group, criterion_main};
use kit::ratios::{START, ratio};
use kit::{KIB, Kit, cases, source};

fn envelope(criterion: &mut Criterion) {
    let _ = *START;
    let mut group = criterion.benchmark_group("envelope");
    for (mode, backend) in cases() {
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

/// The fewest SHA-512 compressions that the format needs to encrypt or decrypt a small SSE-S3 object. HMAC states are
/// kept between the derivations of one PRK.
///
/// | step | compressions |
/// |---|---|
/// | Extract with the wrap salt: two for the key, one block of message, one outer | 4 |
/// | the states of that PRK | 2 |
/// | the verifier: one block, one outer | 2 |
/// | key and nonce of the wrap: the header and the binding, 256 to 366 bytes in all, are three blocks; one outer | 4 |
/// | the states of the data key | 2 |
/// | 76 bytes for the message: one block and one outer, then two blocks and one outer | 5 |
const COMPRESSIONS: usize = 19;

/// The derivations of a small object, bare.
fn compress() {
    let mut state = black_box([7; 8]);
    for _ in 0..COMPRESSIONS {
        sha2::block_api::compress512(&mut state, black_box(&[[7; 128]]));
    }
    black_box(state);
}

fn key() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, black_box(&[5; 32])).expect("a key"))
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([3; 12])
}

/// Everything that encryption needs: the random draw, the derivations, the wrap of the data key, the chunk.
fn bare_encrypt(plaintext: &[u8], output: &mut [u8]) {
    let mut drawn = [0; 32 + 32 + 24];
    getrandom::fill(&mut drawn).expect("randomness");
    compress();
    for piece in [&drawn[..32], plaintext] {
        let (sealed, tag) = output[..piece.len() + 16].split_at_mut(piece.len());
        key().seal_out_of_place_scatter(nonce(), Aad::empty(), piece, sealed, &[], tag).expect("room");
    }
}

/// Everything that decryption needs: the derivations, the wrap of the data key, the chunk.
fn bare_decrypt(sealed: [&[u8]; 2], output: &mut [u8]) {
    compress();
    for piece in sealed {
        let (sealed, tag) = piece.split_at(piece.len() - 16);
        let plaintext = &mut output[..sealed.len()];
        key().open_separate_gather(nonce(), Aad::empty(), sealed, tag, plaintext).expect("authentic");
    }
}

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let mut sealed = plaintext.to_vec();
    key().seal_in_place_append_tag(nonce(), Aad::empty(), &mut sealed).expect("room");
    sealed
}

fn small(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("small");
    let kit = Kit::new(ModeId::SseS3, "aws-lc");
    let sse = kit.sse.blocking();
    let (plaintext, mut output) = (source(KIB), vec![0; 2 * KIB]);
    group.bench_function("bare/encrypt", |bencher| bencher.iter(|| bare_encrypt(&plaintext, &mut output)));
    group.bench_function("encrypt", |bencher| {
        bencher.iter(|| {
            let (envelope, mut encryptor) =
                sse.encryptor_of_len(&kit.object, kit.mode.clone(), KIB as u64).expect("an encryptor");
            let written = encryptor.update(&plaintext, &mut output).expect("room");
            (envelope, encryptor.finish(&mut output[written..]).expect("room"))
        });
    });
    group.bench_function("encrypt-into", |bencher| {
        bencher.iter(|| sse.encrypt_into(&kit.object, kit.mode.clone(), &plaintext, &mut output).expect("room"));
    });
    let stored = sse.encrypt(&kit.object, kit.mode.clone(), &plaintext).expect("an object");
    let (wrap, chunk) = (sealed(&[7; 32]), sealed(&plaintext));
    group.bench_function("bare/decrypt", |bencher| bencher.iter(|| bare_decrypt([&wrap, &chunk], &mut output)));
    group.bench_function("decrypt", |bencher| {
        bencher.iter(|| {
            let decryptor = sse.decryptor(&kit.object, &stored.envelope, kit.unlock()).expect("a decryptor");
            let mut reader = decryptor.sequential();
            let written = reader.update(&stored.ciphertext, &mut output).expect("room");
            reader.finish(&mut output[written..]).expect("authentic")
        });
    });
    group.bench_function("decrypt-into", |bencher| {
        bencher.iter(|| sse.decrypt_into(&kit.object, &stored, kit.unlock(), &mut output).expect("authentic"));
    });
    group.finish();
}

/// Prints the part of its time that a small object needs for the bare sum.
fn ratios(_: &mut Criterion) {
    println!();
    for verb in ["encrypt", "decrypt"] {
        let bare = format!("small/bare/{verb}");
        for call in [verb.to_owned(), format!("{verb}-into")] {
            ratio(&format!("of the time of {call} is the bare sum"), &[&bare], &format!("small/{call}"));
        }
    }
}

criterion_group!(benches, envelope, small, ratios);
criterion_main!(benches);
