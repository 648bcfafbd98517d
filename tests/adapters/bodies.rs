//! What HTTP bodies do besides encrypting and decrypting.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use atrest::http_body::{DecryptBody, EncryptBody};
use atrest::{Error, SseS3};
use atrest_kit::polled::{Pieces, of_body, polled};
use atrest_kit::{C, LENS, Service, Steps, name, plain};
use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame};

use crate::{assert_no_object, assert_object, encryptor, encryptor_of_len, stored};

/// The trailers of a request that says the checksum of its body.
fn trailers() -> Frame<Bytes> {
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-amz-checksum-crc32", http::HeaderValue::from_static("AAAAAA=="));
    Frame::trailers(trailers)
}

fn with_trailers(bytes: &[u8]) -> Pieces {
    Pieces::of(bytes, &Steps::of(5_000)).followed_by(trailers())
}

/// The frames up to the end or the first error, which is asked for again.
fn frames(body: impl Body<Data = Bytes, Error = Error>) -> Vec<Result<Frame<Bytes>, Error>> {
    let mut body = pin!(body);
    let mut frames = Vec::new();
    while let Some(frame) = polled(|context| body.as_mut().poll_frame(context)) {
        let failed = frame.is_err();
        frames.push(frame);
        if failed {
            assert!(!body.is_end_stream() && body.size_hint().exact().is_none());
            for _ in 0..3 {
                let again = polled(|context| body.as_mut().poll_frame(context)).expect("an error is not an end");
                assert_eq!(again.unwrap_err().to_string(), frames.last().unwrap().as_ref().unwrap_err().to_string());
            }
            return frames;
        }
    }
    assert!(body.is_end_stream());
    frames
}

fn data(frames: &[Result<Frame<Bytes>, Error>]) -> Vec<u8> {
    frames.iter().flatten().filter_map(Frame::data_ref).flatten().copied().collect()
}

#[test]
fn trailers_follow_the_verified_end_and_nothing_else() {
    let service = Service::new();
    for len in LENS {
        let (envelope, sealing) = encryptor(&service);
        let sealed = frames(EncryptBody::new(sealing, with_trailers(&plain(len))));
        assert!(sealed.last().unwrap().as_ref().unwrap().is_trailers());
        let body = data(&sealed);
        assert_object(&service, &envelope, &body, len);

        let decryptor = service.decryptor(&name(), &envelope).unwrap();
        let opened = frames(DecryptBody::new(decryptor.sequential(), with_trailers(&body)));
        let (last, before) = opened.split_last().unwrap();
        let checksum = last.as_ref().unwrap().trailers_ref().unwrap()["x-amz-checksum-crc32"].as_bytes();
        assert_eq!(checksum, b"AAAAAA==");
        assert!(before.iter().all(|frame| frame.as_ref().unwrap().is_data()) && data(before) == plain(len));

        for cut in [0, 1, 56, body.len() / 2, body.len() - 1] {
            let cut = frames(DecryptBody::new(decryptor.sequential(), with_trailers(&body[..cut])));
            assert!(cut.iter().flatten().all(Frame::is_data), "no trailers say that a cut object is whole");
            assert!(matches!(cut.last(), Some(Err(Error::Truncated | Error::Inauthentic))), "{:?}", cut.last());
        }
    }
}

#[test]
fn a_failed_upload_passes_no_trailers_on() {
    let service = Service::new();
    let (envelope, sealing) = encryptor_of_len(&service, C + 1);
    let sealed = frames(EncryptBody::new(sealing, with_trailers(&plain(C))));
    assert!(sealed.iter().flatten().all(Frame::is_data) && sealed.last().unwrap().is_err());
    assert_no_object(&service, &envelope, &data(&sealed));
}

#[test]
fn the_end_is_not_said_before_it_is_verified_and_the_trailers_are_passed_on() {
    let service = Service::new();
    // The last chunk of this object is empty: no byte is left, but its end is not verified.
    let known = service.sse.blocking().encrypt(&name(), SseS3, &plain(2 * C)).unwrap();
    let decryptor = service.decryptor(&name(), &known.envelope).unwrap();
    let mut body = pin!(DecryptBody::new(decryptor.sequential(), with_trailers(&known.ciphertext)));
    let mut given = 0;
    while given < 2 * C {
        let frame = polled(|context| body.as_mut().poll_frame(context)).unwrap().unwrap();
        given += frame.into_data().unwrap().len();
        assert!(!body.is_end_stream());
    }
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(!body.is_end_stream(), "nothing is left, but the end is not verified");
    assert!(polled(|context| body.as_mut().poll_frame(context)).unwrap().unwrap().is_trailers());
    assert!(body.is_end_stream());
    assert!(polled(|context| body.as_mut().poll_frame(context)).is_none());
}

#[test]
fn a_body_that_is_one_byte_short_ends_in_an_error_frame() {
    let service = Service::new();
    for len in LENS {
        let known = service.sse.blocking().encrypt(&name(), SseS3, &plain(len)).unwrap();
        let streamed = service.streamed(&name(), &SseS3.into(), &plain(len));
        for stored in [known, streamed] {
            let decryptor = service.decryptor(&name(), &stored.envelope).unwrap();
            let short = &stored.ciphertext[..stored.ciphertext.len() - 1];
            for step in [1_000, 65_536] {
                let frames = frames(DecryptBody::new(decryptor.sequential(), Pieces::of(short, &Steps::of(step))));
                assert!(frames.last().unwrap().is_err());
                assert!(plain(len).starts_with(&data(&frames)));
            }
        }
    }
}

#[test]
fn a_size_is_exact_where_it_is_authenticated_and_never_that_of_the_inner_body() {
    let service = Service::new();
    let exact = |body: &dyn Body<Data = Bytes, Error = Error>| body.size_hint().exact();
    let (_, sealing) = encryptor(&service);
    assert_eq!(exact(&EncryptBody::new(sealing, Pieces::default())), None);
    let (_, sealing) = encryptor_of_len(&service, 4);
    assert_eq!(exact(&EncryptBody::new(sealing, Pieces::default())), Some(76));

    let known = service.sse.blocking().encrypt(&name(), SseS3, &plain(C)).unwrap();
    let decryptor = service.decryptor(&name(), &known.envelope).unwrap();
    assert_eq!(exact(&DecryptBody::new(decryptor.sequential(), Pieces::default())), Some(C as u64));
    let plan = decryptor.range(5..10, known.ciphertext.len() as u64).unwrap();
    assert_eq!(exact(&DecryptBody::new(plan.reader(), Pieces::default())), Some(5));
    let (decryptor, _) = stored(&service, C);
    assert_eq!(exact(&DecryptBody::new(decryptor.sequential(), Pieces::default())), None);
}

/// A body whose data lies in two pieces of memory.
struct InTwo(Option<(Bytes, Bytes)>);

impl Body for InTwo {
    type Data = Chain<Bytes, Bytes>;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.take().map(|(first, second)| Ok(Frame::data(first.chain(second)))))
    }
}

#[test]
fn data_may_lie_in_several_pieces_of_memory() {
    let service = Service::new();
    let (envelope, sealing) = encryptor(&service);
    let plain = plain(C + 9);
    let inner = InTwo(Some((Bytes::copy_from_slice(&plain[..100]), Bytes::copy_from_slice(&plain[100..]))));
    assert_object(&service, &envelope, &of_body(EncryptBody::new(sealing, inner)).into_result().unwrap(), C + 9);
}
