//! [`DecryptAt`] and [`ReadAt`]: reads at any offset, from many threads at once.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::underneath;
use crate::error::{Error, Result};
use crate::stream::Decryptor;

/// A source of bytes that can be read at an offset through a shared reference.
pub trait ReadAt {
    /// Reads some bytes at an offset; returns 0 only at the end.
    ///
    /// # Errors
    ///
    /// Returns the error of the source.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

#[cfg(any(unix, windows))]
impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(self, buffer, offset);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(self, buffer, offset);
        read
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let len = rest.len().min(buffer.len());
        buffer[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}

macro_rules! read_at_through {
    ($(($($generics:tt)*) $source:ty;)*) => {$(
        impl<$($generics)*> ReadAt for $source {
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
                (**self).read_at(buffer, offset)
            }
        }
    )*};
}

read_at_through! {
    () Vec<u8>;
    () Bytes;
    (T: ReadAt + ?Sized) &T;
    (T: ReadAt + ?Sized) Box<T>;
    (T: ReadAt + ?Sized) Arc<T>;
}

/// Reads the plaintext of an object at any offset; threads share it by reference or `Arc`.
///
/// After an authentication error every later call returns the same error. After an error of the source the call may be
/// repeated.
///
/// # Performance
///
/// Each call reads whole chunks from the source once, and returns at most 256 KiB of plaintext; with
/// [workers](crate::SseBuilder::workers) that divide it, at most 16 MiB.
#[derive(Debug)]
pub struct DecryptAt<S> {
    decryptor: Decryptor,
    source: S,
    body: Range<u64>,
    failed: OnceLock<Error>,
}

/// The maximum plaintext length of one call without workers, so that memory does not grow with the caller's buffer.
const MAX_READ_LEN: usize = 256 * 1024;

impl<S: ReadAt> DecryptAt<S> {
    /// Decrypts the body that lies in the range `body` of `source`. In a container, the range is
    /// [`Container::body`](crate::Container::body).
    pub fn new(decryptor: Decryptor, source: S, body: Range<u64>) -> Self {
        Self { decryptor, source, body, failed: OnceLock::new() }
    }

    /// Reads some bytes at a plaintext offset; returns 0 only at or behind a verified end.
    ///
    /// # Errors
    ///
    /// Returns the error of the source, or an [`atrest::Error`](crate::Error) if the bytes do not authenticate.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buffer.len().min(self.decryptor.batch_len(buffer.len()).max(MAX_READ_LEN));
        self.run(|| match self.read(&mut buffer[..len], offset) {
            Err(Error::RangeNotSatisfiable { .. }) => Ok(0),
            outcome => outcome,
        })
    }

    /// Fills the whole buffer from a plaintext offset.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`read_at`](Self::read_at), and `UnexpectedEof` if the object ends earlier.
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => {
                    buffer = &mut buffer[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }

    /// Verifies the end and returns the plaintext length in bytes.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`read_at`](Self::read_at).
    pub fn plaintext_len(&self) -> io::Result<u64> {
        self.run(|| self.verified_len())
    }

    /// Runs a step unless an earlier step failed; errors of the source are not stored, so the step may be repeated.
    fn run<T>(&self, step: impl FnOnce() -> Result<T>) -> io::Result<T> {
        let outcome = self.failed.get().map_or_else(step, |error| Err(error.clone()));
        outcome.map_err(|error| match error {
            Error::Io(_) => error.into(),
            error => self.failed.get_or_init(|| error).clone().into(),
        })
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let end = offset.saturating_add(buffer.len() as u64);
        let plan = self.decryptor.range(offset..end, self.body_len())?;
        let span = plan.fetch_span();
        plan.decrypt_into([(span.start, &self.fetch(span)?[..])], buffer)
    }

    fn verified_len(&self) -> Result<u64> {
        let fetch = self.decryptor.end_fetch(self.body_len())?;
        let fetched = self.fetch(fetch)?;
        // The decryptor that `verify_end` returns knows the length.
        self.decryptor.verify_end(self.body_len(), &fetched)?.plaintext_len().ok_or(Error::Inauthentic)
    }

    /// Reads a range of the body; returns fewer bytes only if the source ends earlier.
    fn fetch(&self, range: Range<u64>) -> Result<Vec<u8>> {
        // The range covers one call's plaintext and its chunks, so `MAX_READ_LEN` bounds it, plus 72 bytes (DSSE-KMS:
        // 144) for each empty part in between.
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let (mut fetched, mut filled) = (vec![0; len], 0);
        while filled < len {
            let offset = self.body.start.saturating_add(range.start).saturating_add(filled as u64);
            match self.source.read_at(&mut fetched[filled..], offset) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(underneath(error)),
            }
        }
        fetched.truncate(filled);
        Ok(fetched)
    }

    fn body_len(&self) -> u64 {
        self.body.end.saturating_sub(self.body.start)
    }
}
