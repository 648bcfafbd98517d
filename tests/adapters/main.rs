//! The adapters for tokio, streams and HTTP bodies under inner ones that behave badly. The boundary table runs over
//! them in
//! `tests/objects`; this program is apart because it is built in seconds.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod budget;
mod cancelled;
mod damaged;
mod seeking;
mod shutdown;
mod streams;

use std::io;

use atrest::{Decryptor, Encrypted, Encryptor, Envelope, Error, SseS3};
use atrest_kit::{Service, name, plain};

/// The library's error in an error of `std::io`.
fn cause(error: &io::Error) -> &Error {
    error.get_ref().and_then(|cause| cause.downcast_ref()).expect("an error of the library")
}

/// An encryptor that does not know the length of its plaintext.
fn encryptor(service: &Service) -> (Envelope, Encryptor) {
    service.sse.blocking().encryptor(&name(), SseS3).unwrap()
}

/// An encryptor of a plaintext of this length.
fn encryptor_of_len(service: &Service, len: usize) -> (Envelope, Encryptor) {
    service.sse.blocking().encryptor_of_len(&name(), SseS3, len as u64).unwrap()
}

/// A stored body of this plaintext length, which its envelope does not state, and what decrypts it.
fn stored(service: &Service, len: usize) -> (Decryptor, Vec<u8>) {
    let stored = service.streamed(&name(), &SseS3.into(), &plain(len));
    (service.decryptor(&name(), &stored.envelope).unwrap(), stored.ciphertext)
}

/// Checks that these stored bytes are not an object.
fn assert_no_object(service: &Service, envelope: &Envelope, left: &[u8]) {
    let refused = service.decrypt(&name(), &Encrypted::new(envelope.clone(), left.to_vec())).unwrap_err();
    assert!(matches!(refused, Error::Truncated | Error::Inauthentic), "{refused:?}");
}

/// Checks that these stored bytes are the object of this plaintext length.
fn assert_object(service: &Service, envelope: &Envelope, stored: &[u8], len: usize) {
    assert!(service.decrypt(&name(), &Encrypted::new(envelope.clone(), stored.to_vec())).unwrap() == plain(len));
}
