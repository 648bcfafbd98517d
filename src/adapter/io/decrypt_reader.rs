//! A reader that decrypts and seeks.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;

use zeroize::Zeroizing;

use super::{BUFFER_LEN, underneath, uninterrupted};
use crate::error::{Error, Result};
use crate::secret::wipe;
use crate::stream::{Decryptor, Progress, RangeReader, SequentialDecryptor};

/// Decrypts the body that begins where `inner` stands and ends where `inner` ends.
///
/// A clean end is reported only where the end is known: the last chunk has verified, or the envelope authenticates the
/// length. Seeking relative to the end verifies the last chunk first where it does not. After an error it gives the same error for ever, by read and by seek; `Interrupted` is tried again, and
/// `WouldBlock` is passed on and may be.
///
/// # Performance
///
/// Holds 64 KiB and what a decryptor holds. Needs no `BufReader` around it for large reads, nor underneath. After a
/// seek the next read fetches up to 64 KiB.
#[derive(Debug)]
pub struct DecryptReader<R> {
    decryptor: Decryptor,
    inner: R,
    /// Where the body lies in `inner`; found at the first use.
    body: Option<Range<u64>>,
    /// The plaintext offset of the next byte.
    position: u64,
    open: Option<Open>,
    failed: Option<Error>,
}

/// The chunks from `position` on, being read.
#[derive(Debug)]
struct Open {
    stream: Stream,
    buffer: Vec<u8>,
    /// What of the buffer is still to be used: stored bytes, or once the stream is finished plaintext.
    ready: Range<usize>,
    /// Stored bytes still to be read.
    left: u64,
}

#[derive(Debug)]
enum Stream {
    Whole(SequentialDecryptor),
    From(RangeReader),
    /// The last chunk has verified.
    Finished,
}

impl<R: Read + Seek> DecryptReader<R> {
    /// Decrypts the body that begins where `inner` stands now.
    pub fn new(decryptor: Decryptor, inner: R) -> Self {
        Self { decryptor, inner, body: None, position: 0, open: None, failed: None }
    }

    /// Gives back what it reads from, standing anywhere.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn remember<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> io::Result<T> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        let outcome = step(self);
        match &outcome {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.failed = Some(error.clone()),
            Ok(_) => {}
        }
        Ok(outcome?)
    }

    fn body(&mut self) -> Result<Range<u64>> {
        if let Some(body) = &self.body {
            return Ok(body.clone());
        }
        let start = uninterrupted(|| self.inner.stream_position())?;
        let end = uninterrupted(|| self.inner.seek(SeekFrom::End(0)))?;
        let body = start..end.max(start);
        self.body = Some(body.clone());
        Ok(body)
    }

    fn read_some(&mut self, output: &mut [u8]) -> Result<usize> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => match self.open_here()? {
                Some(open) => open,
                None => return Ok(0),
            },
        };
        let read = open.read(&mut self.inner, output);
        // What would have blocked may be tried again; what failed otherwise is not asked again.
        self.open = Some(open);
        let read = read?;
        self.position += read as u64;
        Ok(read)
    }

    /// Begins to read at the position; nothing where that is at or behind an end that is known.
    fn open_here(&mut self) -> Result<Option<Open>> {
        let body = self.body()?;
        let body_len = body.end - body.start;
        let (stream, stored) = if self.position == 0 {
            (Stream::Whole(self.decryptor.sequential()), 0..body_len)
        } else {
            match self.decryptor.range(self.position.., body_len) {
                Ok(plan) => (Stream::From(plan.reader()), plan.fetch_span()),
                Err(Error::RangeNotSatisfiable { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        };
        uninterrupted(|| self.inner.seek(SeekFrom::Start(body.start + stored.start)))?;
        let left = stored.end - stored.start;
        Ok(Some(Open { stream, buffer: vec![0; BUFFER_LEN], ready: 0..0, left }))
    }

    /// The plaintext length, verified.
    fn verified_len(&mut self) -> Result<u64> {
        if let Some(len) = self.decryptor.plaintext_len() {
            return Ok(len);
        }
        let body = self.body()?;
        let body_len = body.end - body.start;
        let fetch = self.decryptor.end_fetch(body_len)?;
        let mut fetched = Vec::new();
        self.open = None; // whatever was being read stands elsewhere now
        uninterrupted(|| self.inner.seek(SeekFrom::Start(body.start + fetch.start)))?;
        (&mut self.inner).take(fetch.end - fetch.start).read_to_end(&mut fetched).map_err(underneath)?;
        self.decryptor = self.decryptor.verify_end(body_len, &fetched)?;
        // `verify_end` gives a decryptor that knows.
        self.decryptor.plaintext_len().ok_or(Error::Inauthentic)
    }
}

impl<R: Read + Seek> Read for DecryptReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        if output.is_empty() && self.failed.is_none() {
            return Ok(0);
        }
        self.remember(|reader| reader.read_some(output))
    }
}

impl<R: Read + Seek> Seek for DecryptReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        // Computed first, committed last.
        let position = self.remember(|reader| {
            Ok(match to {
                SeekFrom::Start(offset) => Some(offset),
                SeekFrom::Current(distance) => reader.position.checked_add_signed(distance),
                SeekFrom::End(distance) => reader.verified_len()?.checked_add_signed(distance),
            })
        })?;
        let position =
            position.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a seek before the beginning"))?;
        if position != self.position {
            self.position = position;
            self.open = None;
        }
        Ok(position)
    }
}

impl Open {
    fn read(&mut self, inner: &mut impl Read, output: &mut [u8]) -> Result<usize> {
        loop {
            if let Stream::Finished = self.stream {
                return Ok(self.give(output));
            }
            let progress = self.stream.update(&self.buffer[self.ready.clone()], output)?;
            self.ready.start += progress.read;
            if progress.written > 0 {
                return Ok(progress.written);
            }
            if self.ready.is_empty() && !self.fetch(inner)? {
                self.finish()?;
            }
        }
    }

    /// Reads more stored bytes; false at their end.
    fn fetch(&mut self, inner: &mut impl Read) -> Result<bool> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(BUFFER_LEN);
        if wanted == 0 {
            return Ok(false);
        }
        let read = uninterrupted(|| inner.read(&mut self.buffer[..wanted]))?;
        self.ready = 0..read;
        self.left -= read as u64;
        Ok(read > 0)
    }

    fn finish(&mut self) -> Result<()> {
        let mut rest = Zeroizing::new(vec![0; self.stream.finish_len()]);
        let finished = match std::mem::replace(&mut self.stream, Stream::Finished) {
            Stream::Whole(stream) => stream.finish(&mut rest),
            Stream::From(stream) => stream.finish(&mut rest),
            Stream::Finished => Ok(0),
        };
        // Behind the end, and now it is known to be the end.
        let len = match finished {
            Err(Error::RangeNotSatisfiable { .. }) => 0,
            finished => finished?,
        };
        (self.buffer, self.ready) = (std::mem::take(&mut *rest), 0..len);
        Ok(())
    }

    fn give(&mut self, output: &mut [u8]) -> usize {
        let given = self.ready.len().min(output.len());
        output[..given].copy_from_slice(&self.buffer[self.ready.start..self.ready.start + given]);
        self.ready.start += given;
        given
    }
}

/// SECURITY: once the stream is finished, the buffer holds the plaintext of the last chunk.
impl Drop for Open {
    fn drop(&mut self) {
        if let Stream::Finished = self.stream {
            wipe(&mut self.buffer);
        }
    }
}

impl Stream {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        match self {
            Self::Whole(stream) => stream.update(input, output),
            Self::From(stream) => stream.update(input, output),
            Self::Finished => Ok(Progress::default()),
        }
    }

    fn finish_len(&self) -> usize {
        match self {
            Self::Whole(stream) => stream.finish_len(),
            Self::From(stream) => stream.finish_len(),
            Self::Finished => 0,
        }
    }
}
