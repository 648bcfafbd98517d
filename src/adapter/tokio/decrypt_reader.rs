//! [`DecryptReader`]: a reader that decrypts and seeks.

use std::io::{Error, ErrorKind, Result, SeekFrom};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tokio::task::coop::poll_proceed;

use super::{MAX_POLL_LEN, poll_fill, uninterrupted};
use crate::adapter::pump::{Buffer, DecryptPump, Step};
use crate::stream::Decryptor;

/// Decrypts the body between the current position of `inner` and the end of `inner`.
///
/// The reader reports a clean end only if the end is known: the last chunk is verified, or the envelope authenticates
/// the length. A seek relative to the end verifies the last chunk first unless the length is authenticated. After an
/// error every read and seek returns the same error.
///
/// # Cancel safety
///
/// A `read` that is dropped while it is pending has given nothing; no byte is lost. A `seek` that is dropped while it
/// is pending has moved nothing: the next read forgets it, and the next seek completes it first, so seek from the
/// start or from the end then.
///
/// # Performance
///
/// Copies the stored bytes once, through a buffer of 64 KiB. Reads of less than 16 KiB buffer one more chunk of
/// plaintext. After a seek the next read fetches up to 64 KiB. One poll opens at most 64 KiB.
#[derive(Debug)]
pub struct DecryptReader<R> {
    pump: DecryptPump,
    inner: Inner<R>,
    /// Stored bytes that were read and are not used yet.
    buffer: Buffer,
    body: Body,
    /// The offset in the body of the next stored byte, if known.
    at: Option<u64>,
    /// The seek that was started and is not complete.
    sought: Option<SeekFrom>,
}

/// Where the body lies in the inner reader.
#[derive(Debug)]
enum Body {
    Unknown,
    /// The body begins at this offset; its end is not known.
    From(u64),
    /// The body begins at this offset, and the pump knows its length.
    Found(u64),
}

impl<R: AsyncRead + AsyncSeek + Unpin> DecryptReader<R> {
    /// Decrypts the body from the current position of `inner`, which needs no `BufReader`.
    pub fn new(decryptor: Decryptor, inner: R) -> Self {
        let (pump, inner) = (DecryptPump::new(decryptor), Inner { reader: inner, seeking: None });
        Self { pump, inner, buffer: Buffer::default(), body: Body::Unknown, at: None, sought: None }
    }

    /// Returns the inner reader, whose position is unspecified.
    pub fn into_inner(self) -> R {
        self.inner.reader
    }

    /// Finds where the body begins and ends; a stored error is returned before any I/O.
    fn poll_find_body(&mut self, context: &mut Context<'_>) -> Poll<Result<u64>> {
        self.pump.failure.check()?;
        loop {
            let to = match self.body {
                Body::Unknown => SeekFrom::Current(0),
                Body::From(_) => SeekFrom::End(0),
                Body::Found(start) => return Poll::Ready(Ok(start)),
            };
            let place = ready!(self.inner.poll_seek(context, to)).map_err(|error| self.pump.underneath(error))?;
            self.body = match self.body {
                Body::From(start) => {
                    self.pump.set_body_len(place.saturating_sub(start));
                    Body::Found(start)
                }
                _ => Body::From(place),
            };
        }
    }

    /// Feeds the pump the stored bytes at this offset of the body; returns the number of plaintext bytes written.
    fn poll_feed(
        &mut self,
        context: &mut Context<'_>,
        offset: u64,
        most: usize,
        output: &mut [u8],
    ) -> Poll<Result<usize>> {
        let start = ready!(self.poll_find_body(context))?;
        if self.at != Some(offset) {
            self.at = None;
            self.buffer.filled(0);
            let to = SeekFrom::Start(start.saturating_add(offset));
            ready!(self.inner.poll_seek(context, to)).map_err(|error| self.pump.underneath(error))?;
            self.at = Some(offset);
        }
        ready!(poll_fill(&mut self.inner.reader, context, &mut self.buffer, most))
            .map_err(|error| self.pump.underneath(error))?;
        let (taken, given) = self.pump.feed(self.buffer.ready(), output)?;
        self.buffer.consume(taken);
        self.at = Some(offset + taken as u64);
        Poll::Ready(Ok(given))
    }
}

impl<R: AsyncRead + AsyncSeek + Unpin> AsyncRead for DecryptReader<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let coop = ready!(poll_proceed(context));
        self.sought = None;
        ready!(self.poll_find_body(context))?;
        // PERF: only the part of the output that one poll fills is initialised.
        let len = out.remaining().min(MAX_POLL_LEN);
        let output = out.initialize_unfilled_to(len);
        let read = loop {
            let given = match self.pump.read(output)? {
                Step::Done(given) => break given,
                Step::Fetch { offset, most } => ready!(self.poll_feed(context, offset, most, output))?,
            };
            if given > 0 {
                break given;
            }
        };
        coop.made_progress();
        out.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncRead + AsyncSeek + Unpin> AsyncSeek for DecryptReader<R> {
    fn start_seek(mut self: Pin<&mut Self>, to: SeekFrom) -> Result<()> {
        self.pump.failure.check()?;
        // A seek that was started before and is not complete has moved nothing; this one takes its place.
        self.sought = Some(to);
        Ok(())
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<u64>> {
        let to = self.sought.unwrap_or(SeekFrom::Current(0));
        ready!(self.poll_find_body(context))?;
        let sought = loop {
            match self.pump.seek(to)? {
                Step::Done(position) => break position,
                Step::Fetch { offset, most } => drop(ready!(self.poll_feed(context, offset, most, &mut []))?),
            }
        };
        self.sought = None;
        Poll::Ready(sought.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "a seek before the beginning")))
    }
}

/// The inner reader, and the seek that it has begun.
#[derive(Debug)]
struct Inner<R> {
    reader: R,
    seeking: Option<SeekFrom>,
}

impl<R: AsyncSeek + Unpin> Inner<R> {
    /// Moves the inner reader. If another seek was begun and abandoned, it is completed first.
    fn poll_seek(&mut self, context: &mut Context<'_>, to: SeekFrom) -> Poll<Result<u64>> {
        loop {
            let mut reader = Pin::new(&mut self.reader);
            let complete = reader.as_mut().poll_complete(context);
            let place = ready!(uninterrupted(context, complete));
            if self.seeking.take() == Some(to) {
                return Poll::Ready(place);
            }
            place?;
            reader.start_seek(to)?;
            self.seeking = Some(to);
        }
    }
}
