//! [`SequentialReader`]: a reader that decrypts in order.

use std::io::Result;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::poll_proceed;

use super::{MAX_POLL_LEN, poll_fill};
use crate::adapter::pump::{Buffer, SequentialPump, Step};
use crate::stream::PlaintextReader;

/// Decrypts stored bytes that arrive in order, as from a socket: those of a whole object
/// ([`Decryptor::sequential`](crate::Decryptor::sequential)), or those that a plan fetches
/// ([`RangePlan::reader`](crate::RangePlan::reader)).
///
/// The inner reader gives the stored bytes, all of them and no others. The end is reported only after it is verified.
/// After an error every read returns the same error.
///
/// # Cancel safety
///
/// A `read` that is dropped while it is pending has given nothing; no byte is lost.
///
/// # Performance
///
/// Copies the stored bytes once, through a buffer of 64 KiB. Reads of less than 16 KiB buffer one more chunk of
/// plaintext. One poll opens at most 64 KiB.
#[derive(Debug)]
pub struct SequentialReader<R> {
    pump: SequentialPump,
    inner: R,
    /// Stored bytes that were read and are not used yet.
    buffer: Buffer,
}

impl<R: AsyncRead + Unpin> SequentialReader<R> {
    /// Decrypts by `reader` what `inner` reads, up to its end.
    pub fn new(reader: PlaintextReader, inner: R) -> Self {
        Self { pump: SequentialPump::new(reader), inner, buffer: Buffer::default() }
    }

    /// Returns the number of plaintext bytes that are still to be read, if the length of the object or range is
    /// authenticated.
    pub fn remaining_len(&self) -> Option<u64> {
        self.pump.remaining_len()
    }

    /// Returns the inner reader, which may have been read further than the plaintext was.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for SequentialReader<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let coop = ready!(poll_proceed(context));
        let Self { pump, inner, buffer } = &mut *self;
        // PERF: only the part of the output that one poll fills is initialised.
        let len = out.remaining().min(MAX_POLL_LEN);
        let output = out.initialize_unfilled_to(len);
        let read = loop {
            let given = match pump.read(output)? {
                Step::Done(given) => break given,
                Step::Fetch { most, .. } => {
                    ready!(poll_fill(inner, context, buffer, most)).map_err(|error| pump.underneath(error))?;
                    let (taken, given) = pump.feed(buffer.ready(), output)?;
                    buffer.consume(taken);
                    given
                }
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
