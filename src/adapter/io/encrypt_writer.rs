//! [`EncryptWriter`]: a writer that encrypts.

use std::io::{self, Write};

use super::{underneath, uninterrupted};
use crate::adapter::pump::EncryptPump;
use crate::error::{Error, Misuse};
use crate::stream::{Encryptor, Finished};

/// Encrypts the written plaintext of an object or part, and writes the stored bytes to the inner writer.
///
/// The object is complete only after [`finish`](Self::finish): the bytes of a writer that is dropped instead are never
/// accepted as an object. `flush` passes on sealed chunks; an incomplete chunk stays buffered. After an error every
/// later call returns the same error.
///
/// # Performance
///
/// Holds 64 KiB and what [`Encryptor`] holds. With [workers](crate::SseBuilder::workers) a write that is long enough
/// for them is divided, in batches of at most 16 MiB, which the writer then holds. Needs no `BufWriter` around or below
/// it.
#[derive(Debug)]
pub struct EncryptWriter<W> {
    pump: EncryptPump,
    inner: W,
}

impl<W: Write> EncryptWriter<W> {
    /// Encrypts into `inner`; the bytes written from now on are the body. In a container, write the envelope to `inner`
    /// before this writer is created (inline), or after it has finished (trailer).
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        Self { pump: EncryptPump::new(encryptor), inner }
    }

    /// Writes the rest of the object, flushes, and returns the inner writer.
    ///
    /// # Errors
    ///
    /// Returns an earlier error again, an error of the inner writer, or an error if the plaintext does not have the
    /// given length.
    pub fn finish(self) -> io::Result<W> {
        self.finish_part().map(|(inner, _)| inner)
    }

    /// Finishes as [`finish`](Self::finish) does, and also returns the [`Finished`] from which a part's receipt is
    /// sealed ([`PartSeal::receipt`](crate::multipart::PartSeal::receipt)).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`finish`](Self::finish).
    pub fn finish_part(mut self) -> io::Result<(W, Finished)> {
        self.pump.end()?;
        self.inner.write_all(self.pump.pending()).map_err(underneath)?;
        uninterrupted(|| self.inner.flush()).map_err(underneath)?;
        let finished = self.pump.finished().cloned().ok_or(Error::from(Misuse::Finished))?;
        Ok((self.inner, finished))
    }
}

impl<W: Write> Write for EncryptWriter<W> {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        self.pump.failure.check()?;
        let mut rest = input;
        while !rest.is_empty() {
            rest = &rest[self.pump.write(rest)?..];
            let pending = self.pump.pending();
            let len = pending.len();
            self.inner.write_all(pending).map_err(|error| self.pump.failure.set(underneath(error)))?;
            self.pump.written(len);
        }
        Ok(input.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pump.failure.check()?;
        Ok(uninterrupted(|| self.inner.flush()).map_err(|error| self.pump.failure.set(underneath(error)))?)
    }
}
