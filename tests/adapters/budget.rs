//! How much one poll does.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use atrest::http_body::EncryptBody;
use atrest::streams::{DecryptStream, EncryptStream};
use atrest::tokio::{DecryptReader, EncryptWriter, SequentialReader};
use atrest_kit::polled::{Reluctant, polled};
use atrest_kit::{C, Service, plain};
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::{encryptor, stored};

/// A stream and a body that is always ready, and always empty.
struct Nothing;

impl Stream for Nothing {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Bytes::new())))
    }
}

impl http_body::Body for Nothing {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }
}

/// Runs a future in a runtime of one thread beside another task; returns how often the other task ran meanwhile.
fn turns_beside<T>(future: impl Future<Output = T>) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (turns, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let other = {
        let (turns, done) = (turns.clone(), done.clone());
        async move {
            while !done.get() {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let other = tokio::task::spawn_local(other);
        tokio::task::yield_now().await;
        future.await;
        done.set(true);
        other.await.unwrap();
    });
    turns.get()
}

#[test]
fn an_endless_stream_of_nothing_lets_other_tasks_run() {
    let service = Service::new();
    for _ in 0..3 {
        let mut stream = pin!(EncryptStream::new(encryptor(&service).1, Nothing));
        let mut body = pin!(EncryptBody::new(encryptor(&service).1, Nothing));
        let mut polls = 0;
        let runs = turns_beside(poll_fn(|context| {
            polls += 1;
            assert!(stream.as_mut().poll_next(context).is_pending());
            assert!(body.as_mut().poll_frame(context).is_pending());
            if polls == 10 { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert!(runs >= 9, "{runs}: a pending poll has woken its task");
    }
}

#[test]
fn a_writer_and_readers_that_never_wait_let_other_tasks_run_after_8_mib() {
    const LEN: usize = 40 << 20;
    let service = Service::new();
    let plain = vec![7; LEN];
    let mut body = Vec::new();
    let (envelope, encryptor) = encryptor(&service);
    let runs = turns_beside(async {
        // Written as by `write_all`: the inner writer is a Vec, which spends no budget of its own.
        let mut writer = EncryptWriter::new(encryptor, Vec::new());
        let mut rest = &plain[..];
        while !rest.is_empty() {
            let taken = poll_fn(|context| Pin::new(&mut writer).poll_write(context, rest)).await.unwrap();
            assert!(taken <= 65_536, "one poll takes {taken} bytes");
            rest = &rest[taken..];
        }
        body = writer.finish().await.unwrap();
    });
    assert!(runs >= LEN >> 23, "{runs}");

    let decryptor = service.decryptor(&atrest_kit::name(), &envelope).unwrap();
    let mut piece = vec![0; 1 << 20];
    let runs = turns_beside(async {
        let mut reader = SequentialReader::new(decryptor.sequential(), &body[..]);
        while reader.read(&mut piece).await.unwrap() > 0 {}
    });
    assert!(runs >= LEN >> 23, "{runs}");
    let runs = turns_beside(async {
        let mut reader = DecryptReader::new(decryptor, io::Cursor::new(&body));
        while reader.read(&mut piece).await.unwrap() > 0 {}
    });
    assert!(runs >= LEN >> 23, "{runs}");
}

/// PITFALL: `initialize_unfilled` zeroes a whole spare capacity of 1 MiB for each 64 KiB that are read.
#[test]
fn a_read_initialises_no_more_of_the_output_than_it_may_fill() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 20 * C);
    let mut memory = vec![MaybeUninit::uninit(); 1 << 20];
    let mut readers: [Box<dyn AsyncRead + Unpin + '_>; 2] = [
        Box::new(SequentialReader::new(decryptor.sequential(), &body[..])),
        Box::new(DecryptReader::new(decryptor, io::Cursor::new(body.clone()))),
    ];
    for reader in &mut readers {
        let mut out = ReadBuf::uninit(&mut memory);
        polled(|context| Pin::new(&mut *reader).poll_read(context, &mut out)).unwrap();
        assert_eq!((out.filled().len(), out.initialized().len()), (4 * C, 4 * C));
        assert!(out.filled() == &plain(20 * C)[..4 * C]);
    }
}

#[test]
fn a_piece_of_any_length_is_given_in_items_of_at_most_64_kib() {
    let service = Service::new();
    let (decryptor, body) = stored(&service, 64 * C + 5);
    let once = |bytes: Bytes| {
        let mut bytes = Some(Ok::<_, io::Error>(bytes));
        Box::pin(Yields(Box::new(move || bytes.take())))
    };
    let mut opened = pin!(DecryptStream::new(decryptor.sequential(), once(body.into())));
    let mut sealed = pin!(EncryptStream::new(encryptor(&service).1, once(plain(64 * C + 5).into())));
    let (mut read, mut written) = (Vec::new(), 0);
    while let Some(item) = polled(|context| opened.as_mut().poll_next(context)) {
        let item = item.unwrap();
        assert!(item.len() <= 65_536);
        read.extend_from_slice(&item);
    }
    while let Some(item) = polled(|context| sealed.as_mut().poll_next(context)) {
        let item = item.unwrap();
        assert!(item.len() <= 65_536);
        written += item.len();
    }
    assert!(read == plain(64 * C + 5));
    assert_eq!(written as u64, atrest::geometry::Layers::One.ciphertext_len(64 * C as u64 + 5).unwrap());
}

/// A stream of what a function returns.
struct Yields(Box<dyn FnMut() -> Option<io::Result<Bytes>>>);

impl Stream for Yields {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready((self.0)())
    }
}

#[test]
fn a_write_of_any_length_takes_a_bounded_piece() {
    let service = Service::new();
    let mut writer = EncryptWriter::new(encryptor(&service).1, Reluctant::default());
    let input = plain(64 * C);
    for _ in 0..4 {
        let taken = polled(|context| Pin::new(&mut writer).poll_write(context, &input)).unwrap();
        assert_eq!(taken, 4 * C);
    }
}
