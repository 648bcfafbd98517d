//! The bare loops: one cipher over chunks of 16 KiB, without the library.

use std::hint::black_box;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

pub(crate) const CHUNK: usize = 16_384;
pub(crate) const SEALED: usize = CHUNK + 16;

const KEY: [u8; 32] = [5; 32];

/// One cipher as a bare loop uses it: a chunk from memory to other memory.
pub(crate) trait Bare: Sync {
    fn seal(&self, index: usize, plaintext: &[u8], sealed: &mut [u8]);
    fn open(&self, index: usize, sealed: &[u8], plaintext: &mut [u8]);

    /// Seals every chunk to the next place in the output, and starts again at the beginning of a full output, as
    /// `update` is used.
    fn seal_all(&self, source: &[u8], output: &mut [u8]) {
        each_chunk(source, CHUNK, output, SEALED, |index, chunk, sealed| self.seal(index, chunk, sealed));
    }

    /// Opens every chunk, in the same way.
    fn open_all(&self, body: &[u8], output: &mut [u8]) {
        each_chunk(body, SEALED, output, CHUNK, |index, chunk, plaintext| self.open(index, chunk, plaintext));
    }
}

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

fn nonce(index: usize) -> [u8; 12] {
    let mut nonce = [3; 12];
    nonce[4..].copy_from_slice(&(index as u64).to_be_bytes());
    nonce
}

/// AWS-LC.
pub(crate) struct AwsLc(LessSafeKey);

impl AwsLc {
    pub(crate) fn new() -> Self {
        Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).expect("a key")))
    }
}

impl Bare for AwsLc {
    fn seal(&self, index: usize, plaintext: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(CHUNK);
        let nonce = Nonce::assume_unique_for_key(nonce(index));
        self.0.seal_out_of_place_scatter(nonce, Aad::empty(), plaintext, ciphertext, &[], tag).expect("sealed");
    }

    fn open(&self, index: usize, sealed: &[u8], plaintext: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(CHUNK);
        let nonce = Nonce::assume_unique_for_key(nonce(index));
        self.0.open_separate_gather(nonce, Aad::empty(), ciphertext, tag, plaintext).expect("opened");
    }
}

pub(crate) struct RustCrypto(Aes256Gcm);

impl RustCrypto {
    pub(crate) fn new() -> Self {
        Self(Aes256Gcm::new(&KEY.into()))
    }
}

impl Bare for RustCrypto {
    fn seal(&self, index: usize, plaintext: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(CHUNK);
        let buffers = InOutBuf::new(plaintext, ciphertext).expect("equal lengths");
        tag.copy_from_slice(&self.0.encrypt_inout_detached(&nonce(index).into(), &[], buffers).expect("sealed"));
    }

    fn open(&self, index: usize, sealed: &[u8], plaintext: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(CHUNK);
        let buffers = InOutBuf::new(ciphertext, plaintext).expect("equal lengths");
        let tag = tag.try_into().expect("a tag");
        self.0.decrypt_inout_detached(&nonce(index).into(), &[], buffers, tag).expect("opened");
    }
}

/// Graviola, which works in place only: with the copy that every caller needs whose input is not its output.
#[cfg(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64")))]
pub(crate) struct Graviola(graviola::aead::AesGcm);

#[cfg(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64")))]
impl Graviola {
    pub(crate) fn new() -> Self {
        Self(graviola::aead::AesGcm::new(&KEY))
    }
}

#[cfg(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64")))]
impl Bare for Graviola {
    fn seal(&self, index: usize, plaintext: &[u8], sealed: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at_mut(CHUNK);
        ciphertext.copy_from_slice(plaintext);
        self.0.encrypt(&nonce(index), &[], ciphertext, tag.try_into().expect("a tag"));
    }

    fn open(&self, index: usize, sealed: &[u8], plaintext: &mut [u8]) {
        let (ciphertext, tag) = sealed.split_at(CHUNK);
        plaintext.copy_from_slice(ciphertext);
        self.0.decrypt(&nonce(index), &[], plaintext, tag).expect("opened");
    }
}

/// The bare loops that this build and this processor have, with their names.
pub(crate) fn all() -> Vec<(&'static str, Box<dyn Bare>)> {
    vec![
        ("raw-aws-lc", Box::new(AwsLc::new())),
        #[cfg(all(feature = "graviola", any(target_arch = "aarch64", target_arch = "x86_64")))]
        ("raw-graviola", Box::new(Graviola::new())),
        ("raw-rust-crypto", Box::new(RustCrypto::new())),
    ]
}
