//! Peers, each in the streaming form of its own API.

use std::io::{Read, Write};
use std::iter;

use aead_stream::{DecryptorBE32, EncryptorBE32};
use aes_gcm::Aes256Gcm;
use dryoc::classic::crypto_secretstream_xchacha20poly1305 as secretstream;
use dryoc::constants::{
    CRYPTO_SECRETSTREAM_XCHACHA20POLY1305_ABYTES as DRYOC_TAG,
    CRYPTO_SECRETSTREAM_XCHACHA20POLY1305_TAG_FINAL as FINAL,
    CRYPTO_SECRETSTREAM_XCHACHA20POLY1305_TAG_MESSAGE as MESSAGE,
};
use orion::aead::streaming::{ABYTES as ORION_TAG, StreamOpener, StreamSealer, StreamTag};
use peers_kit::{CHUNK, Entry, PIECE, Sink, Subject};

/// One line for each peer.
pub(crate) fn entries() -> Vec<Entry> {
    vec![
        Entry { name: "age", make: |_| Box::new(Age(age::x25519::Identity::generate(), vec![0; PIECE])) },
        Entry { name: "tink", make: |_| Tink::make(&tink_streaming_aead::aes256_gcm_hkdf_1mb_key_template()) },
        Entry { name: "tink/4KiB", make: |_| Tink::make(&tink_streaming_aead::aes256_gcm_hkdf_4kb_key_template()) },
        Entry { name: "aead-stream", make: |_| Box::new(AeadStream(Vec::with_capacity(CHUNK + 16))) },
        Entry { name: "dryoc", make: |_| Box::new(Dryoc(vec![0; CHUNK + DRYOC_TAG])) },
        Entry { name: "orion", make: |_| Box::new(Orion(orion::aead::SecretKey::generate().expect("a key"))) },
    ]
}

const KEY: [u8; 32] = [5; 32];

fn random<const LEN: usize>() -> [u8; LEN] {
    let mut bytes = [0; LEN];
    getrandom::fill(&mut bytes).expect("random bytes");
    bytes
}

/// The chunks of an object, and which one is the last; an empty object has one empty chunk.
fn chunks(bytes: &[u8], len: usize) -> impl Iterator<Item = (&[u8], bool)> {
    let count = bytes.len().div_ceil(len).max(1);
    (0..count).map(move |at| {
        let end = bytes.len().min((at + 1) * len);
        (&bytes[at * len..end], at + 1 == count)
    })
}

/// Reads to the end of an object, in pieces.
fn drain(reader: &mut dyn Read, piece: &mut [u8], sink: &Sink) {
    loop {
        let len = reader.read(piece).expect("decrypted");
        if len == 0 {
            return;
        }
        sink.take(&piece[..len]);
    }
}

struct Age(age::x25519::Identity, Vec<u8>);

impl Subject for Age {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let recipient = self.0.to_public();
        let encryptor = age::Encryptor::with_recipients(iter::once(&recipient as _)).expect("a recipient");
        let mut writer = encryptor.wrap_output(sink.clone()).expect("a header");
        plaintext.chunks(PIECE).for_each(|piece| writer.write_all(piece).expect("encrypted"));
        writer.finish().expect("finished");
        Vec::new()
    }

    fn decrypt(&mut self, _: &[u8], body: &'static [u8], sink: &Sink) {
        let decryptor = age::Decryptor::new_buffered(body).expect("a header");
        let mut reader = decryptor.decrypt(iter::once(&self.0 as _)).expect("the identity");
        drain(&mut reader, &mut self.1, sink);
    }
}

struct Tink(Box<dyn tink_core::StreamingAead>, Vec<u8>);

impl Tink {
    /// Tink writes down the size of its segments in a template of the key.
    fn make(template: &tink_proto::KeyTemplate) -> Box<dyn Subject> {
        tink_streaming_aead::init();
        let keyset = tink_core::keyset::Handle::new(template).expect("a keyset");
        Box::new(Self(tink_streaming_aead::new(&keyset).expect("a primitive"), vec![0; PIECE]))
    }
}

impl Subject for Tink {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let mut writer = self.0.new_encrypting_writer(Box::new(sink.clone()), &[]).expect("a writer");
        plaintext.chunks(PIECE).for_each(|piece| writer.write_all(piece).expect("encrypted"));
        writer.close().expect("closed");
        Vec::new()
    }

    fn decrypt(&mut self, _: &[u8], body: &'static [u8], sink: &Sink) {
        let mut reader = self.0.new_decrypting_reader(Box::new(body), &[]).expect("a reader");
        drain(&mut reader, &mut self.1, sink);
    }
}

/// Holds the buffer in which it works: each chunk is copied there first.
struct AeadStream(Vec<u8>);

impl Subject for AeadStream {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let nonce: [u8; 7] = random();
        let mut encryptor = Some(EncryptorBE32::<Aes256Gcm>::new(&KEY.into(), &nonce.into()));
        for (chunk, last) in chunks(plaintext, CHUNK) {
            self.0.clear();
            self.0.extend_from_slice(chunk);
            match (&mut encryptor, last) {
                (Some(encryptor), false) => encryptor.encrypt_next_in_place(&[], &mut self.0),
                (encryptor, _) => encryptor.take().expect("one last chunk").encrypt_last_in_place(&[], &mut self.0),
            }
            .expect("sealed");
            sink.take(&self.0);
        }
        nonce.to_vec()
    }

    fn decrypt(&mut self, envelope: &[u8], body: &'static [u8], sink: &Sink) {
        let nonce: [u8; 7] = envelope.try_into().expect("a nonce");
        let mut decryptor = Some(DecryptorBE32::<Aes256Gcm>::new(&KEY.into(), &nonce.into()));
        for (chunk, last) in chunks(body, CHUNK + 16) {
            self.0.clear();
            self.0.extend_from_slice(chunk);
            match (&mut decryptor, last) {
                (Some(decryptor), false) => decryptor.decrypt_next_in_place(&[], &mut self.0),
                (decryptor, _) => decryptor.take().expect("one last chunk").decrypt_last_in_place(&[], &mut self.0),
            }
            .expect("opened");
            sink.take(&self.0);
        }
    }
}

/// Holds the output of one message.
struct Dryoc(Vec<u8>);

impl Subject for Dryoc {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let mut state = secretstream::State::new();
        let mut header = secretstream::Header::default();
        secretstream::crypto_secretstream_xchacha20poly1305_init_push(&mut state, &mut header, &KEY);
        for (chunk, last) in chunks(plaintext, CHUNK) {
            let sealed = &mut self.0[..chunk.len() + DRYOC_TAG];
            let tag = if last { FINAL } else { MESSAGE };
            secretstream::crypto_secretstream_xchacha20poly1305_push(&mut state, sealed, chunk, None, tag)
                .expect("sealed");
            sink.take(sealed);
        }
        header.to_vec()
    }

    fn decrypt(&mut self, envelope: &[u8], body: &'static [u8], sink: &Sink) {
        let mut state = secretstream::State::new();
        let header: secretstream::Header = envelope.try_into().expect("a header");
        secretstream::crypto_secretstream_xchacha20poly1305_init_pull(&mut state, &header, &KEY);
        for (chunk, last) in chunks(body, CHUNK + DRYOC_TAG) {
            let mut tag = 0;
            let opened = secretstream::crypto_secretstream_xchacha20poly1305_pull(
                &mut state,
                &mut self.0,
                &mut tag,
                chunk,
                None,
            );
            let len = opened.expect("opened");
            assert_eq!(tag == FINAL, last, "the stream is whole");
            sink.take(&self.0[..len]);
        }
    }
}

struct Orion(orion::aead::SecretKey);

impl Subject for Orion {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let (mut sealer, nonce) = StreamSealer::new(&self.0).expect("a nonce");
        for (chunk, last) in chunks(plaintext, CHUNK) {
            let tag = if last { StreamTag::Finish } else { StreamTag::Message };
            sink.take(&sealer.seal_chunk(chunk, &tag).expect("sealed"));
        }
        nonce.as_ref().to_vec()
    }

    fn decrypt(&mut self, envelope: &[u8], body: &'static [u8], sink: &Sink) {
        let nonce = envelope.try_into().expect("a nonce");
        let mut opener = StreamOpener::new(&self.0, &nonce).expect("a nonce");
        for (chunk, last) in chunks(body, CHUNK + ORION_TAG) {
            let (opened, tag) = opener.open_chunk(chunk).expect("opened");
            assert_eq!(tag == StreamTag::Finish, last, "the stream is whole");
            sink.take(&opened);
        }
    }
}
