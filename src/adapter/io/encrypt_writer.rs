//! `EncryptWriter`: a writer that encrypts.

use std::io::{self, Write};

use super::{underneath, uninterrupted};
use crate::adapter::pump::EncryptPump;
use crate::stream::{Encryptor, Finished};

/// Encrypts what is written to it, an object or a part, and writes that on.
///
/// Only [`finish`](Self::finish) makes it an object: dropping the writer instead leaves bytes that no reader takes for
/// one. `flush` passes on what is sealed already; a chunk that is not full stays here. After an error it gives the same
/// error for ever.
///
/// # Performance
///
/// Holds 64 KiB and what [`Encryptor`] holds. Needs no `BufWriter` around it or underneath.
#[derive(Debug)]
pub struct EncryptWriter<W> {
    pump: EncryptPump,
    inner: W,
}

impl<W: Write> EncryptWriter<W> {
    /// Encrypts into `inner`, whose bytes from here on are the body.
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        Self { pump: EncryptPump::new(encryptor), inner }
    }

    /// Writes the rest of the object, flushes, and gives back what was written into.
    ///
    /// # Errors
    ///
    /// An earlier one again; what the stream underneath gives; of an object whose length was given, another length.
    pub fn finish(self) -> io::Result<W> {
        self.finish_part().map(|(inner, _)| inner)
    }

    /// [`finish`](Self::finish), and what the receipt of a part is sealed from
    /// ([`PartSeal::receipt`](crate::multipart::PartSeal::receipt)).
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn finish_part(mut self) -> io::Result<(W, Finished)> {
        let (last, finished) = self.pump.finish()?;
        self.inner.write_all(&last).map_err(underneath)?;
        uninterrupted(|| self.inner.flush()).map_err(underneath)?;
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
