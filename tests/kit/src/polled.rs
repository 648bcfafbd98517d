//! `Reluctant`: an inner reader, writer, stream or body that pends, moves few bytes at once, is interrupted and fails;
//! and the ways to write and to read a body that are polled.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, SeekFrom};
use std::ops::Range;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use atrest::http_body::{DecryptBody, EncryptBody};
use atrest::streams::{DecryptStream, EncryptStream};
use atrest::tokio::{DecryptReader, EncryptWriter, SequentialReader};
use atrest::{ByteRange, Encryptor, Error, Finished, PlaintextReader, Result};
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::bodies::{Body, of_io};
use crate::streams::{Read, Steps, fetch};

/// Polls until there is an answer.
pub fn polled<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = poll(&mut context) {
            return answer;
        }
    }
}

/// Bytes in memory that are read and written as reluctantly as the traits allow.
#[derive(Clone, Debug, Default)]
pub struct Reluctant {
    pub bytes: Vec<u8>,
    pub position: usize,
    /// The maximum number of bytes that one call moves; 0 for no maximum.
    pub most: usize,
    /// Whether every second poll pends.
    pub pends: bool,
    /// Whether every third poll is interrupted.
    pub interrupts: bool,
    /// How many bytes are moved before every call fails.
    pub fails_after: Option<usize>,
    /// How many calls were made, by name.
    pub calls: Vec<&'static str>,
    polls: usize,
    seeking: Option<SeekFrom>,
}

impl Reluctant {
    /// Gives and takes `most` bytes at once, and pends at every second poll.
    pub fn over(bytes: impl Into<Vec<u8>>, most: usize) -> Self {
        Self { bytes: bytes.into(), most, pends: true, ..Self::default() }
    }

    pub fn failing_after(mut self, len: usize) -> Self {
        self.fails_after = Some(len);
        self
    }

    pub fn interrupting(mut self) -> Self {
        self.interrupts = true;
        self
    }

    fn turn(&mut self, context: &Context<'_>, call: &'static str) -> Poll<io::Result<()>> {
        self.calls.push(call);
        self.polls += 1;
        if self.pends && self.polls % 2 == 1 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.interrupts && self.polls.is_multiple_of(3) {
            return Poll::Ready(Err(ErrorKind::Interrupted.into()));
        }
        Poll::Ready(Ok(()))
    }

    /// The number of bytes that a call moves of `len`.
    fn moved(&mut self, len: usize) -> io::Result<usize> {
        let most = if self.most == 0 { len } else { len.min(self.most) };
        let Some(left) = &mut self.fails_after else { return Ok(most) };
        if *left == 0 && len > 0 {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let moved = most.min(*left);
        *left -= moved;
        Ok(moved)
    }

    /// The next bytes; none at the end.
    fn next(&mut self, len: usize) -> io::Result<Range<usize>> {
        let start = self.position.min(self.bytes.len());
        let len = self.moved(len.min(self.bytes.len() - start).max(1))?;
        self.position = self.bytes.len().min(start + len);
        Ok(start..self.position)
    }
}

impl AsyncWrite for Reluctant {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, input: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.turn(context, "write"))?;
        let len = self.moved(input.len())?;
        self.bytes.extend_from_slice(&input[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(!self.calls.contains(&"shutdown"), "a writer that is being shut down is not asked for anything else");
        self.turn(context, "flush")
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        assert!(!self.calls.contains(&"done"), "a writer is shut down once");
        ready!(self.turn(context, "shutdown"))?;
        self.calls.push("done");
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Reluctant {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        assert!(self.seeking.is_none(), "a seek is completed before a read");
        ready!(self.turn(context, "read"))?;
        let read = self.next(out.remaining())?;
        out.put_slice(&self.bytes[read]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Reluctant {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> io::Result<()> {
        assert!(self.seeking.is_none(), "a seek is completed before another one");
        self.calls.push("seek");
        self.seeking = Some(to);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        ready!(self.turn(context, "complete"))?;
        let position = match self.seeking.take().unwrap_or(SeekFrom::Current(0)) {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => (self.position as u64).checked_add_signed(distance),
            SeekFrom::End(distance) => (self.bytes.len() as u64).checked_add_signed(distance),
        };
        self.position = position.ok_or(ErrorKind::InvalidInput)? as usize;
        Poll::Ready(Ok(self.position as u64))
    }
}

/// A stream and a body of pieces, which pends at every second poll; empty pieces lie in between.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<io::Result<Bytes>>,
    trailers: Option<Frame<Bytes>>,
    ended: bool,
    polls: usize,
}

impl Pieces {
    pub fn of(bytes: &[u8], steps: &Steps) -> Self {
        let pieces = steps.cut(bytes).flat_map(|piece| [Bytes::copy_from_slice(piece), Bytes::new()]);
        Self { pieces: pieces.map(Ok).collect(), ..Self::default() }
    }

    /// Pieces of one memory.
    pub fn shared(bytes: &[u8], steps: &Steps) -> Self {
        let bytes = Bytes::copy_from_slice(bytes);
        let pieces = steps.cut(&bytes).map(|piece| Ok(bytes.slice_ref(piece)));
        Self { pieces: pieces.collect(), ..Self::default() }
    }

    /// Pieces before these trailers.
    pub fn followed_by(mut self, trailers: Frame<Bytes>) -> Self {
        self.trailers = Some(trailers);
        self
    }

    /// Pieces after which the stream fails.
    pub fn failing(mut self) -> Self {
        self.pieces.push_back(Err(ErrorKind::ConnectionReset.into()));
        self
    }

    fn turn(&mut self, context: &Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        assert!(!self.ended, "a stream that has ended or failed is not polled again");
        self.polls += 1;
        if self.polls % 2 == 1 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.pieces.pop_front();
        self.ended = !matches!(next, Some(Ok(_)));
        Poll::Ready(next)
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.turn(context)
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match ready!(self.turn(context)) {
            Some(piece) => Some(piece.map(Frame::data)),
            None => self.trailers.take().map(Ok),
        })
    }

    /// What a server believes of a body that it reads from elsewhere: nothing that is verified.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1)
    }
}

// Writing.

pub(crate) fn written_by_tokio(encryptor: Encryptor, plaintext: &[u8], step: usize) -> (Vec<u8>, Finished) {
    let mut writer = EncryptWriter::new(encryptor, Reluctant::over([], 7_001).interrupting());
    for piece in plaintext.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = polled(|context| Pin::new(&mut writer).poll_write(context, rest)).unwrap();
            rest = &rest[taken..];
            assert_eq!(polled(|context| Pin::new(&mut writer).poll_write(context, &[])).unwrap(), 0);
        }
        polled(|context| Pin::new(&mut writer).poll_flush(context)).unwrap();
    }
    let (inner, finished) = pollster::block_on(writer.finish_part()).unwrap();
    assert!(!inner.calls.contains(&"shutdown"), "finish leaves that to the caller");
    (inner.bytes, finished)
}

pub(crate) fn streamed_in(encryptor: Encryptor, plaintext: &[u8], step: usize) -> (Vec<u8>, Finished) {
    let stream = EncryptStream::new(encryptor, Pieces::of(plaintext, &Steps::of(step)));
    let (finished, mut stream) = (stream.finished(), pin!(stream));
    let read = collect(|context| stream.as_mut().poll_next(context));
    read.end.unwrap();
    (read.released, finished.get().expect("it has ended").clone())
}

pub(crate) fn embodied(encryptor: Encryptor, plaintext: &[u8], step: usize) -> (Vec<u8>, Finished) {
    let body = EncryptBody::new(encryptor, Pieces::of(plaintext, &Steps::of(step)));
    let finished = body.finished();
    let read = of_body(body);
    read.end.unwrap();
    (read.released, finished.get().expect("it has ended").clone())
}

// Reading.

pub(crate) fn read_by_tokio(body: &Body, stored: &[u8], steps: &Steps) -> Read {
    let inner = Reluctant::over(stored, 7_001).interrupting();
    let mut reader = DecryptReader::new(body.decryptor.clone(), inner);
    let read = through_read(&mut reader, steps);
    if let Err(error) = &read.end {
        let again = Pin::new(&mut reader).start_seek(SeekFrom::Start(0)).expect_err("by seek, too");
        assert_eq!(of_io(again).to_string(), error.to_string());
    }
    read
}

pub(crate) fn read_in_order(body: &Body, stored: &[u8], steps: &Steps) -> Read {
    let inner = Reluctant::over(stored, 7_001).interrupting();
    through_read(&mut SequentialReader::new(body.decryptor.sequential(), inner), steps)
}

pub(crate) fn streamed_out(body: &Body, stored: &[u8], steps: &Steps) -> Read {
    of_stream(body.decryptor.sequential(), stored, steps)
}

pub(crate) fn disembodied(body: &Body, stored: &[u8], steps: &Steps) -> Read {
    of_body(DecryptBody::new(body.decryptor.sequential(), Pieces::shared(stored, steps)))
}

// Reading ranges.

pub(crate) fn range_by_tokio(body: &Body, stored: &[u8], range: ByteRange, steps: &Steps) -> Read {
    body.adapted(stored, range, |Range { start, end }| {
        let mut reader = DecryptReader::new(body.decryptor.clone(), Reluctant::over(stored, 0));
        Pin::new(&mut reader).start_seek(SeekFrom::Start(start))?;
        assert_eq!(polled(|context| Pin::new(&mut reader).poll_complete(context))?, start);
        let (mut read, mut left) = (Vec::new(), (end - start) as usize);
        for step in steps.lens() {
            let some = poll_read(&mut reader, step.max(1).min(left))?;
            left -= some.len();
            read.extend_from_slice(&some);
            if some.is_empty() || left == 0 {
                break;
            }
        }
        Ok(read)
    })
}

pub(crate) fn range_in_order(body: &Body, stored: &[u8], range: ByteRange, steps: &Steps) -> Read {
    of_plan(body, stored, range, |reader, fetched| {
        through_read(&mut SequentialReader::new(reader, Reluctant::over(fetched, 5_003)), steps)
    })
}

pub(crate) fn range_streamed(body: &Body, stored: &[u8], range: ByteRange, steps: &Steps) -> Read {
    of_plan(body, stored, range, |reader, fetched| of_stream(reader, fetched, steps))
}

pub(crate) fn range_embodied(body: &Body, stored: &[u8], range: ByteRange, steps: &Steps) -> Read {
    of_plan(body, stored, range, |reader, fetched| of_body(DecryptBody::new(reader, Pieces::shared(fetched, steps))))
}

fn of_plan(body: &Body, stored: &[u8], range: ByteRange, read: impl FnOnce(PlaintextReader, &[u8]) -> Read) -> Read {
    match body.plan(stored, range) {
        Ok(plan) => {
            let len = plan.plaintext_range().map(|range| range.end - range.start);
            assert_eq!(plan.reader().remaining_len(), len, "{}: a range is as long as is proven", body.what);
            read(plan.reader(), &fetch(stored, plan.fetches()))
        }
        Err(error) => Read::of(Err(error)),
    }
}

// Driving.

/// Reads once, at most `len` bytes.
pub fn poll_read(reader: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<Vec<u8>> {
    let mut piece = vec![0xEE; len];
    let mut out = ReadBuf::new(&mut piece);
    polled(|context| Pin::new(&mut *reader).poll_read(context, &mut out))?;
    Ok(out.filled().to_vec())
}

/// Reads to the end in steps; an error is asked for again, and an end too.
pub fn through_read(reader: &mut (impl AsyncRead + Unpin), steps: &Steps) -> Read {
    let mut released = Vec::new();
    for step in steps.lens() {
        match poll_read(reader, 0).and_then(|_| poll_read(reader, step.max(1))) {
            Ok(read) if read.is_empty() => break,
            Ok(read) => released.extend_from_slice(&read),
            Err(error) => {
                for len in [9, 0, 100_000] {
                    assert_eq!(
                        poll_read(reader, len).unwrap_err().to_string(),
                        error.to_string(),
                        "it goes on failing"
                    );
                }
                return Read { released, end: Err(of_io(error)) };
            }
        }
    }
    assert!(poll_read(reader, 9).unwrap().is_empty(), "the end stays the end");
    Read { released, end: Ok(()) }
}

/// Collects what a stream gives, and checks each item; an error is asked for again, and an end too.
pub fn collect(mut poll: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Bytes>>>) -> Read {
    let mut released = Vec::new();
    loop {
        match polled(&mut poll) {
            Some(Ok(piece)) => {
                assert!((1..=65_536).contains(&piece.len()), "an item of {} bytes", piece.len());
                released.extend_from_slice(&piece);
            }
            Some(Err(error)) => {
                for _ in 0..3 {
                    let again = polled(&mut poll).expect("an error is never followed by the end");
                    assert_eq!(again.expect_err("nor by data").to_string(), error.to_string());
                }
                return Read { released, end: Err(error) };
            }
            None => {
                assert!((0..3).all(|_| polled(&mut poll).is_none()), "the end stays the end");
                return Read { released, end: Ok(()) };
            }
        }
    }
}

fn of_stream(reader: PlaintextReader, stored: &[u8], steps: &Steps) -> Read {
    let known = reader.remaining_len();
    let mut stream = Box::pin(DecryptStream::new(reader, Pieces::of(stored, steps)));
    let mut given = 0;
    let read = collect(|context| {
        if let (Some(known), Some(left)) = (known, stream.remaining_len()) {
            assert_eq!(left, known - given);
        }
        let next = stream.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(piece))) = &next {
            given += piece.len() as u64;
        }
        next
    });
    assert_eq!(stream.remaining_len(), read.end.is_ok().then_some(0));
    read
}

/// Drives a body as an HTTP server does: it believes the size hint, and stops where the body says that it has ended.
pub fn of_body(body: impl http_body::Body<Data = Bytes, Error = Error>) -> Read {
    let mut body = pin!(body);
    let (exact, mut given) = (body.size_hint().exact(), 0);
    let read = collect(|context| {
        if let (Some(exact), Some(left)) = (exact, body.size_hint().exact()) {
            assert_eq!(left, exact - given);
        }
        let was_end = body.is_end_stream();
        let next = ready!(body.as_mut().poll_frame(context));
        assert!(!was_end || next.is_none(), "nothing follows the end");
        let next = next.map(|frame| frame.map(|frame| frame.into_data().expect("no trailers")));
        if let Some(Ok(data)) = &next {
            given += data.len() as u64;
        }
        Poll::Ready(next)
    });
    assert_eq!(body.is_end_stream(), read.end.is_ok(), "the end is said after it is verified, and not before");
    if read.end.is_ok() {
        assert!(exact.is_none_or(|exact| exact == given), "the size hint was right");
    }
    read
}
