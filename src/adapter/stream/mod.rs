//! [`EncryptStream`] and [`DecryptStream`]: streams of owned pieces.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
//! # let object = atrest::ObjectName::unbound();
//! # pollster::block_on(async {
//! use atrest::streams::{DecryptStream, EncryptStream};
//! use atrest::{SseS3, Unlock};
//! use bytes::Bytes;
//! use futures_util::{StreamExt, TryStreamExt, stream};
//!
//! let (envelope, encryptor) = sse.encryptor(&object, SseS3).await?;
//! let upload = stream::iter([Ok::<_, std::io::Error>(Bytes::from("me")), Ok(Bytes::from("ow"))]);
//! let stored: Vec<Bytes> = EncryptStream::new(encryptor, upload).try_collect().await?;
//!
//! let decryptor = sse.decryptor(&object, &envelope, Unlock::Server).await?;
//! let stored = stream::iter(stored).map(Ok::<_, std::io::Error>);
//! let answer: Vec<Bytes> = DecryptStream::new(decryptor.sequential(), stored).try_collect().await?;
//! assert_eq!(answer.concat(), b"meow");
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?; Ok(()) }
//! ```
//!
//! An error of the inner stream is the error [`Io`](crate::Error::Io), whose
//! [`cause`](crate::error::IoError::cause) holds it.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;

use super::pump::{Engine, MAX_TURNS, Next, PiecePump};
use crate::error::Result;
use crate::stream::{Encryptor, Finished, PlaintextReader};

pin_project! {
    /// Encrypts a stream of plaintext: the stream of the stored bytes.
    ///
    /// The object ends where the inner stream ends without an error. After an error every later item is the same
    /// error, never the end; the stored bytes before it are never accepted as an object.
    ///
    /// # Security
    ///
    /// An inner stream that ends too early without an error is the whole plaintext for this stream. Where the length
    /// is known, as by a `Content-Length`, give it to [`Sse::encryptor_of_len`](crate::Sse::encryptor_of_len): then a
    /// plaintext of another length is an error.
    ///
    /// # Performance
    ///
    /// An item has at most 64 KiB, and keeps at most 64 KiB of memory. The memory of an item is used again for a later
    /// one if the consumer has dropped the item by then. One poll seals at most 48 KiB, and takes at most 128 pieces.
    #[derive(Debug)]
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct EncryptStream<S> {
        pump: PiecePump<Encryptor>,
        #[pin]
        inner: S,
    }
}

pin_project! {
    /// Decrypts a stream of stored bytes: the stream of the plaintext of an object, a part or a range.
    ///
    /// The stream ends only after the end is verified. After an error every later item is the same error, never the
    /// end.
    ///
    /// # Performance
    ///
    /// A piece whose memory nothing else uses is opened in place: the items, one for each chunk of 16 KiB, keep its
    /// memory. Other pieces are opened into memory of up to 64 KiB for each item, which is used again for a later one
    /// if the consumer has dropped the item by then. One poll opens at most 64 KiB, and takes at most 128 pieces.
    #[derive(Debug)]
    #[must_use = "a stream does nothing unless it is polled"]
    pub struct DecryptStream<S> {
        pump: PiecePump<PlaintextReader>,
        #[pin]
        inner: S,
    }
}

impl<S> EncryptStream<S> {
    /// Encrypts the plaintext that `inner` gives.
    pub fn new(encryptor: Encryptor, inner: S) -> Self {
        Self { pump: PiecePump::new(encryptor), inner }
    }

    /// Returns the number of stored bytes that are still to be given, if the plaintext length was given when
    /// encryption began.
    pub fn remaining_len(&self) -> Option<u64> {
        self.pump.remaining_len()
    }

    /// Returns the cell that holds the [`Finished`] once the last item was given; a part's
    /// [`PartSeal`](crate::multipart::PartSeal) takes it. Call this before the stream is given away.
    pub fn finished(&self) -> Arc<OnceLock<Finished>> {
        self.pump.finished()
    }
}

impl<S> DecryptStream<S> {
    /// Decrypts the stored bytes that `inner` gives: those of a whole object
    /// ([`Decryptor::sequential`](crate::Decryptor::sequential)), or those that a plan fetches
    /// ([`RangePlan::reader`](crate::RangePlan::reader)).
    pub fn new(reader: PlaintextReader, inner: S) -> Self {
        Self { pump: PiecePump::new(reader), inner }
    }

    /// Returns the number of plaintext bytes that are still to be given, if the length of the object or range is
    /// authenticated.
    pub fn remaining_len(&self) -> Option<u64> {
        self.pump.remaining_len()
    }
}

impl<S, E> Stream for EncryptStream<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        poll_piece(this.pump, this.inner, context)
    }
}

impl<S, E> Stream for DecryptStream<S>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        poll_piece(this.pump, this.inner, context)
    }
}

fn poll_piece<T, S, E>(
    pump: &mut PiecePump<T>,
    mut inner: Pin<&mut S>,
    context: &mut Context<'_>,
) -> Poll<Option<Result<Bytes>>>
where
    T: Engine,
    S: Stream<Item = Result<Bytes, E>>,
    E: Into<Box<dyn StdError + Send + Sync>>,
{
    for _ in 0..MAX_TURNS {
        match pump.next() {
            Ok(Next::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
            Ok(Next::End) => return Poll::Ready(None),
            Err(error) => return Poll::Ready(Some(Err(error))),
            Ok(Next::Input) => match ready!(inner.as_mut().poll_next(context)) {
                Some(Ok(piece)) => pump.give(piece),
                Some(Err(error)) => pump.fail(error),
                None => pump.end(),
            },
        }
    }
    context.waker().wake_by_ref();
    Poll::Pending
}

const fn assert_shareable<T: Send + Sync + Unpin + 'static>() {}
const _: () = assert_shareable::<EncryptStream<()>>();
const _: () = assert_shareable::<DecryptStream<()>>();
