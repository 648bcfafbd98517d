//! Bodies that are cut, changed, or whose source fails: by every adapter that reads.

use std::io::ErrorKind;
use std::pin::pin;

use atrest::http_body::DecryptBody;
use atrest::streams::{DecryptStream, EncryptStream};
use atrest::tokio::{DecryptReader, SequentialReader};
use atrest::{Decryptor, Error};
use atrest_kit::polled::{Pieces, Reluctant, collect, of_body, through_read};
use atrest_kit::{C, Read, Service, Steps, plain};
use futures_core::Stream as _;

use crate::{assert_no_object, encryptor, stored};

/// How the source of an adapter ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Source {
    Ends,
    Fails,
}

type Way = (&'static str, fn(&Decryptor, &[u8], Source) -> Read);

/// Every adapter that reads; each asks again after an error.
const WAYS: [Way; 4] = [
    ("DecryptReader", |decryptor, body, source| {
        through_read(&mut DecryptReader::new(decryptor.clone(), inner(body, source)), &Steps::of(1_000))
    }),
    ("SequentialReader", |decryptor, body, source| {
        through_read(&mut SequentialReader::new(decryptor.sequential(), inner(body, source)), &Steps::of(100_000))
    }),
    ("DecryptStream", |decryptor, body, source| {
        let mut stream = pin!(DecryptStream::new(decryptor.sequential(), pieces(body, source)));
        collect(|context| stream.as_mut().poll_next(context))
    }),
    ("DecryptBody", |decryptor, body, source| of_body(DecryptBody::new(decryptor.sequential(), pieces(body, source)))),
];

fn inner(body: &[u8], source: Source) -> Reluctant {
    let inner = Reluctant::over(body, 999);
    if source == Source::Fails { inner.failing_after(body.len()) } else { inner }
}

fn pieces(body: &[u8], source: Source) -> Pieces {
    let pieces = Pieces::of(body, &Steps::of(5_000));
    if source == Source::Fails { pieces.failing() } else { pieces }
}

/// Every place at which a chunk or a header of a body begins or ends, and those beside it.
fn places(len: usize) -> impl Iterator<Item = usize> {
    let chunks = (0..=len / (C + 16)).map(|chunk| 56 + chunk * (C + 16));
    let tags = (1..=len / (C + 16)).map(|chunk| 40 + chunk * (C + 16));
    let near = chunks.chain(tags).chain([1, len]).flat_map(|place| [place.saturating_sub(1), place, place + 1]);
    near.filter(move |place| *place < len)
}

#[test]
fn a_body_that_is_cut_anywhere_is_an_error_and_again_the_same_error() {
    let service = Service::new();
    for len in [0, 1, C - 1, C, 2 * C + 9] {
        let (decryptor, body) = stored(&service, len);
        for cut in places(body.len()) {
            for (way, read) in WAYS {
                let read = read(&decryptor, &body[..cut], Source::Ends);
                assert!(plain(len).starts_with(&read.released), "{way} {cut} of {len}");
                let error = read.end.expect_err("a cut body is no object");
                assert!(matches!(error, Error::Truncated | Error::Inauthentic), "{way} {cut} of {len}: {error:?}");
            }
        }
    }
}

#[test]
fn an_error_of_the_source_is_not_the_end_even_behind_the_last_byte() {
    let service = Service::new();
    for len in [0, 1, C, 2 * C + 9] {
        let (decryptor, body) = stored(&service, len);
        for place in places(body.len()).chain([body.len()]) {
            for (way, read) in &WAYS[1..] {
                let read = read(&decryptor, &body[..place], Source::Fails);
                assert!(plain(len).starts_with(&read.released), "{way} {place} of {len}");
                let error = read.end.expect_err("the source failed");
                assert!(matches!(&error, Error::Io(io) if io.kind() == ErrorKind::ConnectionReset), "{way}: {error:?}");
            }
        }
    }
}

#[test]
fn a_reader_that_knows_the_length_reads_no_further_but_fails_where_its_source_does() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 2 * C + 9);
    let (_, read) = WAYS[0];
    assert!(read(&decryptor, &body, Source::Fails).into_result().unwrap() == plain(2 * C + 9));
    for place in places(body.len()) {
        let mut inner = Reluctant::over(&body[..], 999).failing_after(place);
        inner.pends = false;
        let read = through_read(&mut DecryptReader::new(decryptor.clone(), inner), &Steps::of(1_000));
        let error = read.end.expect_err("the source failed");
        assert!(matches!(&error, Error::Io(io) if io.kind() == ErrorKind::ConnectionReset), "{place}: {error:?}");
    }
}

#[test]
fn every_changed_byte_of_a_small_body_is_an_error_of_every_adapter() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 40);
    for place in 0..body.len() {
        let mut body = body.clone();
        body[place] ^= 1;
        for (way, read) in WAYS {
            let read = read(&decryptor, &body, Source::Ends);
            assert!(read.released.is_empty() && matches!(read.end, Err(Error::Inauthentic)), "{way} {place}: {read:?}");
        }
    }
}

#[test]
fn bytes_behind_the_end_are_an_error() {
    let service = Service::new();
    for len in [0, 1, C, 2 * C + 9] {
        let (decryptor, mut body) = stored(&service, len);
        body.push(0);
        for (way, read) in WAYS {
            assert!(read(&decryptor, &body, Source::Ends).end.is_err(), "{way} {len}");
        }
    }
}

#[test]
fn an_upload_whose_source_fails_or_whose_stream_is_dropped_leaves_no_object() {
    let service = Service::new();
    for len in [0, 1, C - 1, C, 3 * C + 500] {
        let (envelope, sealing) = encryptor(&service);
        let source = Pieces::of(&plain(len), &Steps::of(5_000)).failing();
        let mut stream = pin!(EncryptStream::new(sealing, source));
        let read = collect(|context| stream.as_mut().poll_next(context));
        assert!(matches!(&read.end, Err(Error::Io(io)) if io.kind() == ErrorKind::ConnectionReset), "{:?}", read.end);
        assert!(stream.finished().get().is_none());
        assert_no_object(&service, &envelope, &read.released);
    }
}
