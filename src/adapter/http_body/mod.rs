//! [`EncryptBody`] and [`DecryptBody`]: the bodies of HTTP requests and responses.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
//! # let object = atrest::ObjectName::unbound();
//! # pollster::block_on(async {
//! use atrest::http_body::{DecryptBody, EncryptBody};
//! use atrest::{SseS3, Unlock};
//! use http_body::Body;
//! # fn send(body: impl Body<Data = bytes::Bytes, Error = atrest::Error>) {}
//! # let (received, fetched) = (String::from("meow"), String::new());
//!
//! // An upload: the received body, encrypted, is the body of the request to the store.
//! let (envelope, encryptor) = sse.encryptor_of_len(&object, SseS3, 4).await?;
//! let body = EncryptBody::new(encryptor, received);
//! assert_eq!(body.size_hint().exact(), Some(76));
//! send(body);
//!
//! // A download: the body of the store's response, decrypted, is the body of the answer.
//! let decryptor = sse.decryptor(&object, &envelope, Unlock::Server).await?;
//! let body = DecryptBody::new(decryptor.sequential(), fetched);
//! assert_eq!(body.size_hint().exact(), Some(4)); // the envelope authenticates the length
//! send(body);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?; Ok(()) }
//! ```
//!
//! An error of the inner body is the error [`Io`](crate::Error::Io), whose [`cause`](crate::error::IoError::cause)
//! holds it.

use std::error::Error as StdError;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::pump::{Engine, MAX_TURNS, Next, PiecePump};
use crate::error::{Error, Result};
use crate::stream::{Encryptor, Finished, PlaintextReader};

pin_project! {
    /// Encrypts a body of plaintext: the body of the stored bytes.
    ///
    /// The object ends where the inner body ends without an error, at its trailers if it has any; they are passed on
    /// after the last stored byte. After an error every later frame is the same error, never the end.
    ///
    /// # Security
    ///
    /// An inner body that ends too early without an error is the whole plaintext for this body. Where the length is
    /// known, as by a `Content-Length`, give it to [`Sse::encryptor_of_len`](crate::Sse::encryptor_of_len): then a
    /// plaintext of another length is an error.
    ///
    /// # Performance
    ///
    /// A frame has at most 64 KiB, and keeps at most 64 KiB of memory. The memory of a frame is used again for a later
    /// one if the consumer has dropped the frame by then. One poll seals at most 48 KiB, and takes at most 128 pieces.
    #[derive(Debug)]
    #[must_use = "a body does nothing unless it is polled"]
    pub struct EncryptBody<B> {
        flow: Flow<Encryptor>,
        #[pin]
        inner: B,
    }
}

pin_project! {
    /// Decrypts a body of stored bytes: the body of the plaintext of an object, a part or a range.
    ///
    /// The body ends, and passes the trailers of the inner body on, only after the end is verified. After an error
    /// every later frame is the same error, never the end, so that an HTTP server breaks the response off.
    ///
    /// # Security
    ///
    /// The size hint is exact only if the length is authenticated. A `Content-Length` that the service computes from
    /// the stored length instead is one that an attacker who writes the store can choose.
    ///
    /// # Performance
    ///
    /// A piece whose memory nothing else uses is opened in place: the frames, one for each chunk of 16 KiB, keep its
    /// memory. Other pieces are opened into memory of up to 64 KiB for each frame, which is used again for a later one
    /// if the consumer has dropped the frame by then. One poll opens at most 64 KiB, and takes at most 128 pieces.
    #[derive(Debug)]
    #[must_use = "a body does nothing unless it is polled"]
    pub struct DecryptBody<B> {
        flow: Flow<PlaintextReader>,
        #[pin]
        inner: B,
    }
}

impl<B> EncryptBody<B> {
    /// Encrypts the plaintext that `inner` gives.
    pub fn new(encryptor: Encryptor, inner: B) -> Self {
        Self { flow: Flow::new(encryptor), inner }
    }

    /// Returns the cell that holds the [`Finished`] once the last frame of data was given; a part's
    /// [`PartSeal`](crate::multipart::PartSeal) takes it. Call this before the body is given away.
    pub fn finished(&self) -> Arc<OnceLock<Finished>> {
        self.flow.pump.finished()
    }
}

impl<B> DecryptBody<B> {
    /// Decrypts the stored bytes that `inner` gives: those of a whole object
    /// ([`Decryptor::sequential`](crate::Decryptor::sequential)), or those that a plan fetches
    /// ([`RangePlan::reader`](crate::RangePlan::reader)).
    pub fn new(reader: PlaintextReader, inner: B) -> Self {
        Self { flow: Flow::new(reader), inner }
    }
}

impl<B> Body for EncryptBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.project();
        this.flow.poll_frame(this.inner, context)
    }

    fn is_end_stream(&self) -> bool {
        self.flow.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.flow.size_hint()
    }
}

impl<B> Body for DecryptBody<B>
where
    B: Body,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.project();
        this.flow.poll_frame(this.inner, context)
    }

    fn is_end_stream(&self) -> bool {
        self.flow.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        self.flow.size_hint()
    }
}

/// What passes through a body, and the trailers that wait for the end.
#[derive(Debug)]
struct Flow<T: Engine> {
    pump: PiecePump<T>,
    trailers: Option<Frame<Bytes>>,
}

impl<T: Engine> Flow<T> {
    fn new(engine: T) -> Self {
        Self { pump: PiecePump::new(engine), trailers: None }
    }

    fn poll_frame<B>(&mut self, mut inner: Pin<&mut B>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>>
    where
        B: Body,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        for _ in 0..MAX_TURNS {
            match self.pump.next() {
                Ok(Next::Piece(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(Next::End) => return Poll::Ready(self.trailers.take().map(Ok)),
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(Next::Input) => match ready!(inner.as_mut().poll_frame(context)) {
                    Some(Ok(frame)) => self.take(frame),
                    Some(Err(error)) => self.pump.fail(error),
                    None => self.pump.end(),
                },
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes a frame of the inner body; trailers are its last.
    fn take<D: Buf>(&mut self, frame: Frame<D>) {
        match frame.into_data() {
            Ok(mut data) => self.pump.give(data.copy_to_bytes(data.remaining())),
            Err(other) if other.is_trailers() => {
                // Trailers hold no data.
                self.trailers = Some(other.map_data(|_| Bytes::new()));
                self.pump.end();
            }
            // A frame of a kind that http-body does not have yet.
            Err(_) => {}
        }
    }

    fn is_end(&self) -> bool {
        self.pump.is_finished() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.pump.remaining_len().map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

const fn assert_shareable<T: Send + Sync + Unpin + 'static>() {}
const _: () = assert_shareable::<EncryptBody<()>>();
const _: () = assert_shareable::<DecryptBody<()>>();
