//! [`EncryptWriter`]: a writer that encrypts.

use std::future::poll_fn;
use std::io::{ErrorKind, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;
use tokio::task::coop::poll_proceed;

use super::{MAX_POLL_LEN, uninterrupted};
use crate::adapter::pump::{EncryptPump, underneath};
use crate::error::Misuse;
use crate::stream::{Encryptor, Finished};

/// Encrypts the written plaintext of an object or part, and writes the stored bytes to the inner writer.
///
/// The object is complete only after [`finish`](Self::finish): the bytes of a writer that is dropped instead are never
/// accepted as an object. After an error every later call returns the same error.
///
/// `shutdown` seals the object, and shuts the inner writer down, only
///
/// - if the plaintext length was given when encryption began ([`Sse::encryptor_of_len`](crate::Sse::encryptor_of_len)):
///   a plaintext of another length is then [`Misuse::PlaintextLen`], and no object;
/// - or if the writer was created by [`sealing_on_shutdown`](Self::sealing_on_shutdown).
///
/// Otherwise `shutdown` fails with [`Misuse::NotFinished`], and the inner writer is not shut down.
///
/// # Security
///
/// Generic code shuts a writer down on success, and some of it on failure too. If `shutdown` seals, an upload that was
/// aborted in this way is a valid object, shorter than its source.
///
/// # Cancel safety
///
/// A `write` or `flush` that is dropped while it is pending has taken nothing; the call may be repeated. `finish`
/// takes the writer: if its future is dropped, write the object again.
///
/// # Performance
///
/// One `write` takes at most 64 KiB and seals them at once; the stored bytes are written by the next call, so an error
/// of the inner writer is that of the next call. Holds 64 KiB and what [`Encryptor`] holds. Needs no `BufWriter`
/// around or below it.
#[derive(Debug)]
pub struct EncryptWriter<W> {
    pump: EncryptPump,
    inner: W,
    seals_on_shutdown: bool,
    shutdown: Shutdown,
}

/// How far the inner writer is shut down. Some writers panic when they are asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    No,
    Begun,
    Done,
}

impl<W: AsyncWrite + Unpin> EncryptWriter<W> {
    /// Encrypts into `inner`; the bytes written from now on are the body.
    pub fn new(encryptor: Encryptor, inner: W) -> Self {
        let pump = EncryptPump::new(encryptor);
        Self { seals_on_shutdown: pump.knows_len(), pump, inner, shutdown: Shutdown::No }
    }

    /// Encrypts into `inner`, and seals the object on `shutdown`: for generic code that has no other way to end a
    /// writer.
    ///
    /// # Security
    ///
    /// Use it only with code that shuts a writer down after success alone; [`new`](Self::new) with an encryptor of
    /// known length is safe with any code.
    pub fn sealing_on_shutdown(encryptor: Encryptor, inner: W) -> Self {
        Self { seals_on_shutdown: true, ..Self::new(encryptor, inner) }
    }

    /// Writes the rest of the object, flushes, and returns the inner writer, which is not shut down.
    ///
    /// # Errors
    ///
    /// Returns an earlier error again, an error of the inner writer, or an error if the plaintext does not have the
    /// given length.
    pub async fn finish(self) -> Result<W> {
        self.finish_part().await.map(|(inner, _)| inner)
    }

    /// Finishes as [`finish`](Self::finish) does, and also returns the [`Finished`] from which a part's receipt is
    /// sealed ([`PartSeal::receipt`](crate::multipart::PartSeal::receipt)).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`finish`](Self::finish).
    pub async fn finish_part(mut self) -> Result<(W, Finished)> {
        poll_fn(|context| self.poll_end(context)).await?;
        poll_fn(|context| self.poll_flush_inner(context)).await?;
        let finished = self.pump.finished().cloned().ok_or(Misuse::NotFinished).map_err(crate::Error::from)?;
        Ok((self.inner, finished))
    }

    /// Returns the inner writer. Unless the writer was shut down with success, what it has written is not an object.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Seals the rest of the object and passes it on.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(context))?;
        self.pump.end()?;
        self.poll_drain(context)
    }

    /// Flushes the inner writer, which is not asked any more once it is being shut down.
    fn poll_flush_inner(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.shutdown != Shutdown::No {
            return self.poll_shutdown_inner(context);
        }
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        uninterrupted(context, flushed).map_err(|error| self.pump.failure.set(underneath(error)).into())
    }

    /// Shuts the inner writer down, once.
    fn poll_shutdown_inner(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.shutdown != Shutdown::Done {
            self.shutdown = Shutdown::Begun;
            let shut_down = Pin::new(&mut self.inner).poll_shutdown(context);
            ready!(uninterrupted(context, shut_down)).map_err(|error| self.pump.failure.set(underneath(error)))?;
            self.shutdown = Shutdown::Done;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the sealed bytes to the inner writer; an error is stored.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.pump.failure.check()?;
        while !self.pump.pending().is_empty() {
            let written = Pin::new(&mut self.inner).poll_write(context, self.pump.pending());
            let error = match ready!(uninterrupted(context, written)) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(written) => {
                    self.pump.written(written);
                    continue;
                }
                Err(error) => error,
            };
            return Poll::Ready(Err(self.pump.failure.set(underneath(error)).into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for EncryptWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, input: &[u8]) -> Poll<Result<usize>> {
        let coop = ready!(poll_proceed(context));
        // A write that is dropped while it is pending has taken nothing, because sealed bytes are written first.
        ready!(self.poll_drain(context))?;
        let taken = self.pump.write(&input[..input.len().min(MAX_POLL_LEN)])?;
        coop.made_progress();
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_drain(context))?;
        self.poll_flush_inner(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.pump.failure.check()?;
        // SECURITY: the inner writer is not shut down either, which might make an object of what was written.
        if !self.seals_on_shutdown {
            return Poll::Ready(Err(self.pump.failure.set(Misuse::NotFinished.into()).into()));
        }
        ready!(self.poll_end(context))?;
        self.poll_shutdown_inner(context)
    }
}
