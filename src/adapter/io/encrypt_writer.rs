//! A writer that encrypts.

use std::io::{self, Write};

use super::{BUFFER_LEN, underneath, uninterrupted};
use crate::error::{Error, Result};
use crate::multipart::{PartEncryptor, Receipt};
use crate::stream::{Encryptor, Progress};

/// Encrypts what is written to it, and writes that on: an object, or with a [`PartEncryptor`] a part.
///
/// Only [`finish`](Self::finish) makes it an object: dropping the writer instead leaves bytes that no reader takes for
/// one. `flush` passes on what is sealed already; a chunk that is not full stays here. After an error it gives the same
/// error for ever.
///
/// # Performance
///
/// Holds 64 KiB and what [`Encryptor`] holds. Needs no `BufWriter` around it or underneath.
#[derive(Debug)]
pub struct EncryptWriter<W, E = Encryptor> {
    encryptor: E,
    inner: W,
    buffer: Vec<u8>,
    failed: Option<Error>,
}

impl<W: Write> EncryptWriter<W> {
    /// Encrypts into `inner`, whose bytes from here on are the body.
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        Self::over(encryptor, inner)
    }

    /// Writes the rest of the object, flushes, and gives back what was written into.
    ///
    /// # Errors
    ///
    /// An earlier one again; what the stream underneath gives; of an object whose length was given, another length.
    pub fn finish(self) -> io::Result<W> {
        let len = self.encryptor.finish_len();
        let (inner, ()) = self.finish_with(len, |encryptor, output| Ok((encryptor.finish(output)?, ())))?;
        Ok(inner)
    }
}

impl<W: Write> EncryptWriter<W, PartEncryptor> {
    /// Encrypts into `inner`, whose bytes from here on are the part.
    pub fn new_part(encryptor: PartEncryptor, inner: W) -> Self {
        Self::over(encryptor, inner)
    }

    /// Writes the rest of the part, flushes, and gives back what was written into, and the receipt with this label.
    ///
    /// # Errors
    ///
    /// As [`finish`](EncryptWriter::finish) and [`PartEncryptor::finish`].
    pub fn finish_part(self, label: &[u8]) -> io::Result<(W, Receipt)> {
        let len = self.encryptor.finish_len();
        self.finish_with(len, |encryptor, output| encryptor.finish(output, label))
    }
}

/// What the writer needs of either.
trait Encrypts {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress>;
}

impl Encrypts for Encryptor {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.update(input, output)
    }
}

impl Encrypts for PartEncryptor {
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress> {
        self.update(input, output)
    }
}

impl<W: Write, E> EncryptWriter<W, E> {
    fn over(encryptor: E, inner: W) -> Self {
        Self { encryptor, inner, buffer: vec![0; BUFFER_LEN], failed: None }
    }

    fn finish_with<R>(
        mut self,
        len: usize,
        finish: impl FnOnce(E, &mut [u8]) -> Result<(usize, R)>,
    ) -> io::Result<(W, R)> {
        if let Some(error) = self.failed {
            return Err(error.into());
        }
        self.buffer.resize(len, 0);
        let (written, result) = finish(self.encryptor, &mut self.buffer)?;
        self.inner.write_all(&self.buffer[..written]).map_err(underneath)?;
        uninterrupted(|| self.inner.flush())?;
        Ok((self.inner, result))
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

impl<W: Write, E: Encrypts> Write for EncryptWriter<W, E> {
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
