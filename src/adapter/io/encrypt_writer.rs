//! A writer that encrypts.

use std::io::{self, Write};

use super::{BUFFER_LEN, underneath, uninterrupted};
use crate::error::{Error, Result};
use crate::stream::Encryptor;

/// Encrypts what is written to it, and writes that on.
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
    encryptor: Encryptor,
    inner: W,
    buffer: Vec<u8>,
    failed: Option<Error>,
}

impl<W: Write> EncryptWriter<W> {
    /// Encrypts into `inner`, whose bytes from here on are the body.
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        Self { encryptor, inner, buffer: vec![0; BUFFER_LEN], failed: None }
    }

    /// Writes the rest of the object, flushes, and gives back what was written into.
    ///
    /// # Errors
    ///
    /// An earlier one again; what the stream underneath gives; of an object whose length was given, another length.
    pub fn finish(mut self) -> io::Result<W> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        self.buffer.resize(self.encryptor.finish_len(), 0);
        let written = self.encryptor.finish(&mut self.buffer)?;
        self.inner.write_all(&self.buffer[..written]).map_err(underneath)?;
        uninterrupted(|| self.inner.flush())?;
        Ok(self.inner)
    }

    fn remember<R>(&mut self, step: impl FnOnce(&mut Self) -> Result<R>) -> io::Result<R> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        let outcome = step(self);
        if let Err(error) = &outcome {
            self.failed = Some(error.clone());
        }
        Ok(outcome?)
    }
}

impl<W: Write> Write for EncryptWriter<W> {
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        self.remember(|writer| {
            let mut rest = input;
            while !rest.is_empty() {
                let progress = writer.encryptor.update(rest, &mut writer.buffer)?;
                rest = &rest[progress.read..];
                writer.inner.write_all(&writer.buffer[..progress.written]).map_err(underneath)?;
            }
            Ok(input.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.remember(|writer| uninterrupted(|| writer.inner.flush()))
    }
}
