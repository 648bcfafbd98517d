//! [`DecryptReader`]: a reader that decrypts and seeks.

use std::io::{self, BufRead, ErrorKind, Read, Seek, SeekFrom};

use super::uninterrupted;
use crate::adapter::pump::{Buffer, DecryptPump, Step};
use crate::stream::Decryptor;

/// Decrypts the body between the current position of `inner` and the end of `inner`, or
/// [`with_body_len`](Self::with_body_len) bytes.
///
/// The reader reports a clean end only if the end is known: the last chunk is verified, or the envelope authenticates
/// the length. A seek relative to the end verifies the last chunk first unless the length is authenticated. After an
/// error every read and seek returns the same error. `Interrupted` is retried; `WouldBlock` is returned, and the call
/// may be repeated.
///
/// # Performance
///
/// [`new`](Self::new) copies the stored bytes once, through a buffer of 64 KiB; [`buffered`](Self::buffered) opens them
/// in the source's memory, without a copy. Reads of less than 16 KiB buffer one more chunk of plaintext. After a seek
/// the next read fetches up to 64 KiB, or what the source buffers. With [workers](crate::SseBuilder::workers) a read
/// that is long enough for them is divided, through a buffer of at most 16 MiB.
#[derive(Debug)]
pub struct DecryptReader<R> {
    pump: DecryptPump,
    inner: R,
    /// Stored bytes that were read and are not used yet; unused if the source lends its own memory.
    buffer: Buffer,
    lend: Lend<R>,
    consume: fn(&mut R, &mut Buffer, usize),
    /// The offset in `inner` at which the body begins; set at the first use.
    start: Option<u64>,
    /// The length of the body; until the first use the caller's limit, if there is one.
    body_len: Option<u64>,
    /// The offset in the body of the next byte that is lent, if known.
    at: Option<u64>,
}

/// Lends the next stored bytes, at most `usize` of them if a buffer must be filled; none at the end.
type Lend<R> = for<'a> fn(&'a mut R, &'a mut Buffer, usize) -> io::Result<&'a [u8]>;

impl<R: Read + Seek> DecryptReader<R> {
    /// Decrypts the body from the current position of `inner`, which needs no `BufReader`.
    pub fn new(decryptor: Decryptor, inner: R) -> Self {
        let lend: Lend<R> = |inner, buffer, most| {
            if buffer.ready().is_empty() {
                let read = inner.read(buffer.room(most))?;
                buffer.filled(read);
            }
            Ok(buffer.ready())
        };
        Self::over(decryptor, inner, lend, |_, buffer, len| buffer.consume(len))
    }

    /// Decrypts the body from the current position of `inner`, in memory that `inner` lends: a `Cursor` over a `Vec`,
    /// or a `BufReader` whose buffer holds 64 KiB or more.
    ///
    /// # Security
    ///
    /// Do not lend memory that another process can change, such as a map of a file that others can write: bytes that
    /// change while a chunk is opened may be decrypted as other bytes than those that were authenticated.
    pub fn buffered(decryptor: Decryptor, inner: R) -> Self
    where
        R: BufRead,
    {
        Self::over(decryptor, inner, |inner, _, _| inner.fill_buf(), |inner, _, len| inner.consume(len))
    }

    fn over(decryptor: Decryptor, inner: R, lend: Lend<R>, consume: fn(&mut R, &mut Buffer, usize)) -> Self {
        let (pump, buffer) = (DecryptPump::new(decryptor), Buffer::default());
        Self { pump, inner, buffer, lend, consume, start: None, body_len: None, at: None }
    }

    /// Ends the body after this many stored bytes, because other bytes follow it in `inner`: the envelope of a trailer
    /// container ([`Container::body`](crate::Container::body)).
    #[must_use]
    pub fn with_body_len(self, len: u64) -> Self {
        Self { body_len: Some(len), ..self }
    }

    /// Returns the inner reader, whose position is unspecified.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Feeds the pump the stored bytes at this offset of the body; returns the number of plaintext bytes written.
    fn feed(&mut self, offset: u64, most: usize, output: &mut [u8]) -> io::Result<usize> {
        let start = self.find_body()?;
        if self.at != Some(offset) {
            self.at = None;
            self.buffer.filled(0);
            let sought = self.inner.seek(SeekFrom::Start(start.saturating_add(offset)));
            sought.map_err(|error| self.pump.underneath(error))?;
            self.at = Some(offset);
        }
        // A read that would block or is interrupted moves nothing; after any other error there is no further read.
        let lent = (self.lend)(&mut self.inner, &mut self.buffer, most);
        let stored = lent.map_err(|error| self.pump.underneath(error))?;
        let rest = self.body_len.map_or(u64::MAX, |len| len.saturating_sub(offset));
        let stored = &stored[..stored.len().min(usize::try_from(rest).unwrap_or(usize::MAX))];
        let (taken, given) = self.pump.feed(stored, output)?;
        (self.consume)(&mut self.inner, &mut self.buffer, taken);
        self.at = Some(offset + taken as u64);
        Ok(given)
    }

    /// Finds where the body begins, and tells the pump the body's length.
    fn find_body(&mut self) -> io::Result<u64> {
        // A stored error is returned before any I/O.
        self.pump.failure.check()?;
        if let Some(start) = self.start {
            return Ok(start);
        }
        let place = uninterrupted(|| self.inner.stream_position())
            .and_then(|start| Ok((start, uninterrupted(|| self.inner.seek(SeekFrom::End(0)))?)));
        let (start, end) = place.map_err(|error| self.pump.underneath(error))?;
        let to_end = end.saturating_sub(start);
        let body_len = self.body_len.map_or(to_end, |len| len.min(to_end));
        self.pump.set_body_len(body_len);
        self.body_len = self.body_len.map(|_| body_len);
        self.start = Some(start);
        Ok(start)
    }
}

impl<R: Read + Seek> Read for DecryptReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.find_body()?;
        loop {
            let given = match self.pump.read(output)? {
                Step::Done(given) => return Ok(given),
                Step::Fetch { offset, most } => uninterrupted(|| self.feed(offset, most, output))?,
            };
            if given > 0 {
                return Ok(given);
            }
        }
    }
}

impl<R: Read + Seek> Seek for DecryptReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.find_body()?;
        loop {
            match self.pump.seek(to)? {
                Step::Done(Some(position)) => return Ok(position),
                Step::Done(None) => return Err(io::Error::new(ErrorKind::InvalidInput, "a seek before the beginning")),
                Step::Fetch { offset, most } => drop(uninterrupted(|| self.feed(offset, most, &mut []))?),
            }
        }
    }
}
