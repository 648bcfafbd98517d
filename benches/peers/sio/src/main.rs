//! `sio`: writers over AES-256-GCM of ring 0.14, in fragments of 16 KiB.

use std::io::Write;

use peers_kit::{Entry, PIECE, Sink, Subject};
use sio::ring::AES_256_GCM;
use sio::{Aad, Close, DecWriter, EncWriter, Key, Nonce};

struct Sio(Key<AES_256_GCM>);

impl Subject for Sio {
    fn encrypt(&mut self, plaintext: &'static [u8], sink: &Sink) -> Vec<u8> {
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce).expect("random bytes");
        let mut writer = EncWriter::new(sink.clone(), &self.0, Nonce::new(nonce), Aad::empty());
        plaintext.chunks(PIECE).for_each(|piece| writer.write_all(piece).expect("encrypted"));
        writer.close().expect("closed");
        nonce.to_vec()
    }

    fn decrypt(&mut self, envelope: &[u8], body: &'static [u8], sink: &Sink) {
        let nonce = Nonce::new(envelope.try_into().expect("a nonce"));
        let mut writer = DecWriter::new(sink.clone(), &self.0, nonce, Aad::empty());
        body.chunks(PIECE).for_each(|piece| writer.write_all(piece).expect("decrypted"));
        writer.close().expect("closed");
    }
}

fn main() {
    peers_kit::main(&[Entry { name: "sio", make: |_| Box::new(Sio(Key::new([5; 32]))) }]);
}
