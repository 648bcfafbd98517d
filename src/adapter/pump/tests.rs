//! An asynchronous twin of the `std::io` adapters over tokio's traits, polled by hand: it has no logic of its own.

use std::io::{Error, ErrorKind, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use super::{Buffer, DecryptPump, EncryptPump, Step, underneath};
use crate::crypto::Backend;
use crate::hazmat;
use crate::secret::DataKey;
use crate::stream::Decryptor;

struct Writer<W>(EncryptPump, W);

impl<W: AsyncWrite + Unpin> Writer<W> {
    fn drain(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.failure.check()?;
        while !self.0.pending().is_empty() {
            match ready!(Pin::new(&mut self.1).poll_write(context, self.0.pending())) {
                Ok(0) => return Poll::Ready(Err(self.0.failure.set(underneath(ErrorKind::WriteZero.into())).into())),
                Ok(written) => self.0.written(written),
                Err(error) => return Poll::Ready(Err(self.0.failure.set(underneath(error)).into())),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Writer<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, input: &[u8]) -> Poll<Result<usize>> {
        ready!(self.drain(context))?;
        Poll::Ready(Ok(self.0.write(input)?))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.drain(context))?;
        Pin::new(&mut self.1).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_flush(context) // which seals nothing: `finish` does
    }
}

struct Reader<R> {
    pump: DecryptPump,
    inner: R,
    buffer: Buffer,
    at: Option<u64>,
    seeking: bool,
}

impl<R: AsyncRead + AsyncSeek + Unpin> Reader<R> {
    /// Feeds the pump; says how much plaintext it gave.
    fn feed(&mut self, context: &mut Context<'_>, offset: u64, most: usize, out: &mut [u8]) -> Poll<Result<usize>> {
        let mut inner = Pin::new(&mut self.inner);
        if self.at != Some(offset) {
            self.buffer.filled(0);
            if !std::mem::replace(&mut self.seeking, true) {
                inner.as_mut().start_seek(SeekFrom::Start(offset))?;
            }
            ready!(inner.as_mut().poll_complete(context))?;
            (self.at, self.seeking) = (Some(offset), false);
        }
        if self.buffer.ready().is_empty() {
            let mut room = ReadBuf::new(self.buffer.room(most));
            ready!(inner.poll_read(context, &mut room)).map_err(|error| self.pump.underneath(error))?;
            let read = room.filled().len();
            self.buffer.filled(read);
        }
        let (taken, given) = self.pump.feed(self.buffer.ready(), out)?;
        self.buffer.consume(taken);
        self.at = Some(offset + taken as u64);
        Poll::Ready(Ok(given))
    }

    fn poll_seek(&mut self, context: &mut Context<'_>, to: SeekFrom) -> Poll<Result<Option<u64>>> {
        loop {
            match self.pump.seek(to)? {
                Step::Done(position) => return Poll::Ready(Ok(position)),
                Step::Fetch { offset, most } => drop(ready!(self.feed(context, offset, most, &mut []))?),
            }
        }
    }
}

impl<R: AsyncRead + AsyncSeek + Unpin> AsyncRead for Reader<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let len = out.remaining().min(65_536);
        let output = out.initialize_unfilled_to(len);
        let read = loop {
            let given = match self.pump.read(output)? {
                Step::Done(given) => break given,
                Step::Fetch { offset, most } => ready!(self.feed(context, offset, most, output))?,
            };
            if given > 0 {
                break given;
            }
        };
        out.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// A file that pends at every second poll and moves few bytes at once.
#[derive(Default)]
struct Slow {
    bytes: Vec<u8>,
    position: usize,
    pended: bool,
}

impl Slow {
    fn pend(&mut self, context: &Context<'_>) -> Poll<()> {
        self.pended = !self.pended;
        if self.pended {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl AsyncWrite for Slow {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, input: &[u8]) -> Poll<Result<usize>> {
        ready!(self.pend(context));
        let len = input.len().min(7_001);
        self.bytes.extend_from_slice(&input[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Slow {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        ready!(self.pend(context));
        let (start, len) = (self.position.min(self.bytes.len()), out.remaining().min(7_001));
        let end = self.bytes.len().min(start + len);
        out.put_slice(&self.bytes[start..end]);
        self.position = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncSeek for Slow {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> Result<()> {
        let SeekFrom::Start(offset) = to else { return Err(Error::from(ErrorKind::InvalidInput)) };
        self.position = offset as usize;
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<u64>> {
        ready!(self.pend(context));
        Poll::Ready(Ok(self.position as u64))
    }
}

/// Polls until there is an answer.
fn block<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(answer) = poll(&mut context) {
            return answer;
        }
    }
}

fn write(plaintext: &[u8], step: usize) -> (DataKey, Vec<u8>) {
    let key = DataKey::generate().expect("a key");
    let encryptor = hazmat::encryptor(Backend::RustCrypto, &key, b"twin").expect("an encryptor");
    let mut writer = Writer(EncryptPump::new(encryptor), Slow::default());
    for piece in plaintext.chunks(step) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = &rest[block(|context| Pin::new(&mut writer).poll_write(context, rest)).expect("written")..];
        }
    }
    block(|context| Pin::new(&mut writer).poll_shutdown(context)).expect("drained");
    let Writer(pump, mut inner) = writer;
    let (last, finished) = pump.finish().expect("finished");
    assert_eq!(finished.plaintext_len, plaintext.len() as u64);
    inner.bytes.extend_from_slice(&last);
    (key, inner.bytes)
}

fn reader(key: &DataKey, bytes: Vec<u8>) -> Reader<Slow> {
    let header = bytes.first_chunk().expect("a header");
    let decryptor: Decryptor = hazmat::decryptor(Backend::RustCrypto, key, b"twin", header).expect("a decryptor");
    let mut pump = DecryptPump::new(decryptor);
    pump.set_body_len(bytes.len() as u64);
    Reader { pump, inner: Slow { bytes, ..Slow::default() }, buffer: Buffer::default(), at: None, seeking: false }
}

fn read_on(reader: &mut Reader<Slow>, step: usize) -> Result<Vec<u8>> {
    let (mut read, mut piece) = (Vec::new(), vec![0; step]);
    loop {
        let mut out = ReadBuf::new(&mut piece);
        block(|context| Pin::new(&mut *reader).poll_read(context, &mut out))?;
        match out.filled() {
            [] => return Ok(read),
            filled => read.extend_from_slice(filled),
        }
    }
}

#[test]
fn an_asynchronous_twin_writes_reads_and_seeks_as_the_adapters_do() {
    const C: usize = 16_384;
    for len in [0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1, 3 * C + 500] {
        for step in [1, 512, C - 1, C, C + 1, 100_000].into_iter().filter(|step| *step > 1 || len <= C + 1) {
            let plaintext: Vec<u8> = (0..len).map(|at| (at * 7 + at / 256) as u8).collect();
            let (key, stored) = write(&plaintext, step);
            let mut reader = reader(&key, stored);
            assert!(read_on(&mut reader, step).expect("authentic") == plaintext, "{len} {step}");
            let end = block(|context| reader.poll_seek(context, SeekFrom::End(0))).expect("an end");
            assert_eq!(end, Some(len as u64), "the last chunk was fetched for it");
            block(|context| reader.poll_seek(context, SeekFrom::Start(len as u64 / 2))).expect("a place");
            assert!(read_on(&mut reader, step).expect("authentic") == plaintext[len / 2..], "{len} {step}");
        }
    }
}

#[test]
fn an_asynchronous_twin_repeats_its_first_error_for_ever() {
    let (key, mut stored) = write(&[7; 40_000], 4_096);
    stored[20_000] ^= 1;
    let mut reader = reader(&key, stored);
    for _ in 0..3 {
        let error = read_on(&mut reader, 10_000).expect_err("a changed byte");
        assert!(error.to_string().contains("authentic"), "{error}");
        block(|context| reader.poll_seek(context, SeekFrom::Start(0))).expect_err("by seek, too");
    }
}
