//! What streams do besides encrypting and decrypting.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use atrest::error::Misuse;
use atrest::http_body::{DecryptBody, EncryptBody};
use atrest::streams::{DecryptStream, EncryptStream};
use atrest::tokio::{DecryptReader, EncryptWriter, SequentialReader};
use atrest::{Error, SseS3};
use atrest_kit::parts::number;
use atrest_kit::polled::{Pieces, Reluctant, collect, polled};
use atrest_kit::{C, LENS, Service, Steps, name, plain};
use bytes::Bytes;
use futures_core::Stream;

use crate::{assert_no_object, assert_object, encryptor, encryptor_of_len, stored};

#[test]
fn every_adapter_can_be_sent_to_another_thread_and_shared() {
    fn shareable<T: Send + Sync + Unpin + 'static>() {}
    shareable::<EncryptStream<Pieces>>();
    shareable::<DecryptStream<Pieces>>();
    shareable::<EncryptBody<Pieces>>();
    shareable::<DecryptBody<Pieces>>();
    shareable::<EncryptWriter<Reluctant>>();
    shareable::<DecryptReader<Reluctant>>();
    shareable::<SequentialReader<Reluctant>>();
}

/// A stream that cannot be moved, as that of an `async` block; it is empty.
struct Immovable(std::marker::PhantomPinned);

impl Stream for Immovable {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(None)
    }
}

#[test]
fn an_inner_stream_need_not_be_movable() {
    let service = Service::new();
    let (envelope, sealing) = encryptor(&service);
    let mut stream = pin!(EncryptStream::new(sealing, Immovable(std::marker::PhantomPinned)));
    let read = collect(|context| stream.as_mut().poll_next(context));
    assert_object(&service, &envelope, &read.into_result().unwrap(), 0);
}

#[test]
fn items_that_are_kept_are_never_written_over() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 40 * C + 77);
    for keep in [1, 2, 3, 5, 100] {
        let mut stream = pin!(DecryptStream::new(decryptor.sequential(), Pieces::of(&body, &Steps::of(65_536))));
        let (mut kept, mut read) = (std::collections::VecDeque::new(), Vec::new());
        while let Some(item) = polled(|context| stream.as_mut().poll_next(context)) {
            kept.push_back(item.unwrap());
            if kept.len() == keep {
                read.extend_from_slice(&kept.pop_front().unwrap());
            }
        }
        kept.iter().for_each(|item| read.extend_from_slice(item));
        assert!(read == plain(40 * C + 77), "{keep} items kept");
    }
}

#[test]
fn the_stored_length_is_told_where_the_plaintext_length_was_given_and_only_there() {
    let service = Service::new();
    for len in LENS {
        let (envelope, sealing) = encryptor_of_len(&service, len);
        let stored_len = sealing.ciphertext_len().unwrap();
        assert_eq!(sealing.plaintext_len(), Some(len as u64));
        let mut stream = pin!(EncryptStream::new(sealing, Pieces::of(&plain(len), &Steps::of(5_000))));
        let mut given = 0;
        let read = collect(|context| {
            assert_eq!(stream.remaining_len(), Some(stored_len - given));
            let next = stream.as_mut().poll_next(context);
            if let Poll::Ready(Some(Ok(piece))) = &next {
                given += piece.len() as u64;
            }
            next
        });
        assert_eq!(given, stored_len);
        assert_object(&service, &envelope, &read.into_result().unwrap(), len);

        let (_, sealing) = encryptor(&service);
        assert_eq!((sealing.plaintext_len(), sealing.ciphertext_len()), (None, None));
        assert_eq!(EncryptStream::new(sealing, Pieces::default()).remaining_len(), None);
    }
}

#[test]
fn an_upload_that_ends_too_early_or_too_late_is_an_error_where_its_length_was_given() {
    let service = Service::new();
    for len in LENS {
        for given in [len + 1, len.saturating_sub(1)].into_iter().filter(|given| *given != len) {
            let (envelope, sealing) = encryptor_of_len(&service, given);
            let mut stream = pin!(EncryptStream::new(sealing, Pieces::of(&plain(len), &Steps::of(5_000))));
            let read = collect(|context| stream.as_mut().poll_next(context));
            assert!(matches!(read.end, Err(Error::Misuse(Misuse::PlaintextLen))), "{:?}", read.end);
            assert_eq!(stream.remaining_len(), None);
            assert_no_object(&service, &envelope, &read.released);
        }
    }
}

#[test]
fn the_plaintext_length_is_told_where_it_is_authenticated_and_only_there() {
    let service = Service::new();
    let known = service.sse.blocking().encrypt(&name(), SseS3, &plain(2 * C + 9)).unwrap();
    let decryptor = service.decryptor(&name(), &known.envelope).unwrap();
    let len_of = |reader| DecryptStream::new(reader, Pieces::default()).remaining_len();
    assert_eq!(len_of(decryptor.sequential()), Some(2 * C as u64 + 9));

    let (decryptor, body) = stored(&service, 2 * C + 9);
    let body_len = body.len() as u64;
    assert_eq!(len_of(decryptor.sequential()), None);
    assert_eq!(len_of(decryptor.range(5..105, body_len).unwrap().reader()), Some(100));
    assert_eq!(len_of(decryptor.range(5.., body_len).unwrap().reader()), None);
    let fetch = decryptor.end_fetch(body_len).unwrap();
    let verified = decryptor.verify_end(body_len, &body[fetch.start as usize..]).unwrap();
    assert_eq!(len_of(verified.sequential()), Some(2 * C as u64 + 9));
    assert_eq!(len_of(verified.range(5.., body_len).unwrap().reader()), Some(2 * C as u64 + 4));
}

#[test]
fn a_part_that_was_streamed_has_its_receipt() {
    let service = Service::new();
    for mode in service.modes() {
        let upload = service.begin(&name(), &mode);
        let (sealing, seal) = upload.part(number(1)).unwrap();
        let stream = EncryptStream::new(sealing, Pieces::of(&plain(C + 9), &Steps::of(5_000)));
        let (finished, mut stream) = (stream.finished(), Box::pin(stream));
        let read = collect(|context| {
            assert!(finished.get().is_none() || stream.remaining_len() == Some(0));
            stream.as_mut().poll_next(context)
        });
        let receipt = seal.receipt(finished.get().unwrap(), b"etag").unwrap();
        let stored_len = upload.open_receipt(&receipt).unwrap().stored_len();
        assert_eq!(stored_len, read.into_result().unwrap().len() as u64);
    }
}

/// An error of another library, whose text must not be shown.
#[derive(Debug)]
struct Foreign;

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response was: secret")
    }
}

impl StdError for Foreign {}

/// A stream that fails at once.
struct Fails<E>(Option<E>);

impl<E: Unpin> Stream for Fails<E> {
    type Item = Result<Bytes, E>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Err(self.0.take().expect("a stream that failed is not polled again"))))
    }
}

fn failed<E: Into<Box<dyn StdError + Send + Sync>> + Unpin>(service: &Service, error: E) -> Error {
    let mut stream = pin!(EncryptStream::new(encryptor(service).1, Fails(Some(error))));
    collect(|context| stream.as_mut().poll_next(context)).end.unwrap_err()
}

#[test]
fn an_error_of_the_inner_stream_can_be_found_and_is_not_shown() {
    let service = Service::new();
    let error = failed(&service, Foreign);
    let Error::Io(io) = &error else { panic!("{error:?}") };
    assert!(io.cause().get_ref().unwrap().is::<Foreign>());
    assert!(!error.to_string().contains("secret") && !format!("{error:?}").contains("secret"), "{error:?}");

    let error = failed(&service, io::Error::from(ErrorKind::TimedOut));
    assert!(matches!(&error, Error::Io(io) if io.kind() == ErrorKind::TimedOut), "{error:?}");
    assert!(matches!(failed(&service, "a text"), Error::Io(_)));
}

#[test]
fn an_object_that_is_encrypted_again_as_it_is_read_says_what_is_wrong_with_it() {
    let service = Service::new();
    let (decryptor, mut body) = stored(&service, 2 * C + 9);
    let again = |body: &[u8]| {
        let (envelope, sealing) = encryptor(&service);
        let plaintext = DecryptStream::new(decryptor.sequential(), Pieces::of(body, &Steps::of(5_000)));
        let mut stream = pin!(EncryptStream::new(sealing, plaintext));
        (envelope, collect(|context| stream.as_mut().poll_next(context)))
    };
    let (envelope, read) = again(&body);
    assert_object(&service, &envelope, &read.into_result().unwrap(), 2 * C + 9);
    body[2 * C] ^= 1;
    let (envelope, read) = again(&body);
    assert!(matches!(read.end, Err(Error::Inauthentic)), "{:?}", read.end);
    assert_no_object(&service, &envelope, &read.released);
}

#[test]
fn no_adapter_shows_what_passes_through_it() {
    let service = Service::new();
    let secret = b"a secret that is never shown".repeat(4_000);
    let (_, sealing) = encryptor(&service);
    let mut stream = pin!(EncryptStream::new(sealing, Secrets(secret.into())));
    polled(|context| stream.as_mut().poll_next(context)).unwrap().unwrap();
    let shown = format!("{stream:?}");
    assert!(shown.contains("Secrets") && !shown.contains("secret"), "{shown}");
}

/// A stream of one long secret, for ever.
struct Secrets(Bytes);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Stream for Secrets {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(self.0.clone())))
    }
}
