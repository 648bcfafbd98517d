//! Bare loops: a copy, and AES-256-GCM of three libraries over chunks of 16 KiB, without envelope, order or randomness.
//!
//! They say how fast a library can be that encrypts such chunks: a key set-up for each object, a counted nonce for each
//! chunk, and the output of 1 MiB that `update` has.

use std::marker::PhantomData;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use graviola::aead::AesGcm;
use peers_kit::{CHUNK, Entry, LARGE_PIECE, PIECE, Sink, Subject};

/// One line for each cipher.
pub(crate) fn entries() -> Vec<Entry> {
    vec![
        Entry { name: "memcpy", make: |threads| Loop::<Copy>::make(threads) },
        Entry { name: "bare/aws-lc", make: |threads| Loop::<LessSafeKey>::make(threads) },
        Entry { name: "bare/graviola", make: |threads| Loop::<AesGcm>::make(threads) },
        Entry { name: "bare/rust-crypto", make: |threads| Loop::<Aes256Gcm>::make(threads) },
    ]
}

const KEY: [u8; 32] = [5; 32];
const TAG: usize = 16;

/// A cipher that works from one buffer to another.
trait Cipher {
    /// What a sealed chunk has more than its plaintext.
    const TAG: usize = TAG;

    fn new() -> Self;
    fn seal(&self, nonce: [u8; 12], plaintext: &[u8], sealed: &mut [u8]);
    fn open(&self, nonce: [u8; 12], sealed: &[u8], plaintext: &mut [u8]);
}

struct Copy;

impl Cipher for Copy {
    const TAG: usize = 0;

    fn new() -> Self {
        Self
    }

    fn seal(&self, _: [u8; 12], plaintext: &[u8], sealed: &mut [u8]) {
        sealed.copy_from_slice(plaintext);
    }

    fn open(&self, _: [u8; 12], sealed: &[u8], plaintext: &mut [u8]) {
        plaintext.copy_from_slice(sealed);
    }
}

impl Cipher for LessSafeKey {
    fn new() -> Self {
        Self::new(UnboundKey::new(&AES_256_GCM, &KEY).expect("a key"))
    }

    fn seal(&self, nonce: [u8; 12], plaintext: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.seal_out_of_place_scatter(nonce, Aad::empty(), plaintext, ciphertext, &[], tag).expect("sealed");
    }

    fn open(&self, nonce: [u8; 12], sealed: &[u8], plaintext: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(plaintext.len());
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, plaintext).expect("opened");
    }
}

/// Works in place only: each chunk is copied to the output first.
impl Cipher for AesGcm {
    fn new() -> Self {
        Self::new(&KEY)
    }

    fn seal(&self, nonce: [u8; 12], plaintext: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
        ciphertext.copy_from_slice(plaintext);
        self.encrypt(&nonce, &[], ciphertext, tag.try_into().expect("a tag"));
    }

    fn open(&self, nonce: [u8; 12], sealed: &[u8], plaintext: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(plaintext.len());
        plaintext.copy_from_slice(ciphertext);
        self.decrypt(&nonce, &[], plaintext, tag).expect("opened");
    }
}

impl Cipher for Aes256Gcm {
    fn new() -> Self {
        KeyInit::new(&KEY.into())
    }

    fn seal(&self, nonce: [u8; 12], plaintext: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(plaintext.len());
        let buffers = InOutBuf::new(plaintext, ciphertext).expect("equal lengths");
        tag.copy_from_slice(&self.encrypt_inout_detached(&nonce.into(), &[], buffers).expect("sealed"));
    }

    fn open(&self, nonce: [u8; 12], sealed: &[u8], plaintext: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(plaintext.len());
        let buffers = InOutBuf::new(ciphertext, plaintext).expect("equal lengths");
        let tag = tag.try_into().expect("a tag");
        self.decrypt_inout_detached(&nonce.into(), &[], buffers, tag).expect("opened");
    }
}

/// The chunks of an object, divided among threads that each have an output of their own.
struct Loop<C> {
    outputs: Vec<Vec<u8>>,
    cipher: PhantomData<fn() -> C>,
}

impl<C: Cipher + Sync + 'static> Loop<C> {
    /// Threads divide an output as long as the one that `atrest` has when it uses threads.
    fn make(threads: usize) -> Box<dyn Subject> {
        let piece = if threads == 1 { PIECE } else { LARGE_PIECE / threads };
        Box::new(Self { outputs: vec![vec![0; piece / CHUNK * (CHUNK + C::TAG)]; threads], cipher: PhantomData })
    }

    fn run(&mut self, input: &[u8], step: usize, tag: isize, sink: &Sink, work: fn(&C, [u8; 12], &[u8], &mut [u8])) {
        let cipher = C::new();
        let [output] = &mut self.outputs[..] else {
            let chunks = input.len().div_ceil(step);
            let share = chunks.div_ceil(self.outputs.len()).max(1) * step;
            let sinks = sink.split(self.outputs.len());
            std::thread::scope(|scope| {
                let parts = input.chunks(share).zip(&mut self.outputs).zip(&sinks);
                for (at, ((part, output), sink)) in parts.enumerate() {
                    let (cipher, first) = (&cipher, at * share / step);
                    scope.spawn(move || {
                        each_chunk(part, step, first, tag, output, sink, |n, i, o| work(cipher, n, i, o))
                    });
                }
            });
            return sink.join(sinks);
        };
        each_chunk(input, step, 0, tag, output, sink, |nonce, input, output| work(&cipher, nonce, input, output));
    }
}

/// Works on each chunk from its place in the input to the next place in the output, and hands each full output over.
fn each_chunk(
    input: &[u8],
    step: usize,
    first: usize,
    tag: isize,
    output: &mut [u8],
    sink: &Sink,
    work: impl Fn([u8; 12], &[u8], &mut [u8]),
) {
    let mut filled = 0;
    for (index, chunk) in (first as u64..).zip(input.chunks(step)) {
        let len = chunk.len().checked_add_signed(tag).expect("a chunk has its tag");
        if filled + len > output.len() {
            sink.take(&output[..filled]);
            filled = 0;
        }
        let mut nonce = [3; 12];
        nonce[4..].copy_from_slice(&index.to_be_bytes());
        work(nonce, chunk, &mut output[filled..filled + len]);
        filled += len;
    }
    sink.take(&output[..filled]);
}

impl<C: Cipher + Sync + 'static> Subject for Loop<C> {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        self.run(plaintext, CHUNK, C::TAG as isize, sink, C::seal);
        Vec::new()
    }

    fn decrypt(&mut self, _: &[u8], body: &'static [u8], sink: &Sink) {
        self.run(body, CHUNK + C::TAG, -(C::TAG as isize), sink, C::open);
    }
}
