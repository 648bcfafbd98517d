//! [`PlaintextPieces`]: the plaintext of an object or range, opened as the stored bytes arrive.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use atrest::PlaintextReader;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{Error, Result};

use crate::error::{self, StoreError};
use crate::source::Pieces;

/// The most stored bytes that one poll opens: some 20 µs of work.
const PIECE_LEN: usize = 128 * 1024;

/// Opens stored bytes as they arrive. An error is repeated for ever and never followed by a clean end.
pub(crate) struct PlaintextPieces {
    location: Path,
    stored: Pieces,
    /// Stored bytes that are not opened yet.
    waiting: Bytes,
    /// The plaintext bytes that the answer promises and that are not opened yet.
    promised: u64,
    state: State,
}

enum State {
    Open(Box<PlaintextReader>),
    Ended,
    /// The first error of atrest, or the text of the first error of the inner store.
    Failed(Result<atrest::Error, String>),
}

impl PlaintextPieces {
    /// Opens what is stored, which has to give exactly `promised` bytes.
    pub(crate) fn new(location: &Path, stored: Pieces, reader: PlaintextReader, promised: u64) -> Self {
        let state = State::Open(Box::new(reader));
        Self { location: location.clone(), stored, waiting: Bytes::new(), promised, state }
    }

    /// Opens everything into one piece.
    pub(crate) async fn collected(mut self) -> Result<Bytes, Opening> {
        let plaintext_len = self.promised;
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        while let Some(piece) = self.next_opened().await? {
            if first.is_empty() && all.is_empty() {
                first = piece;
                continue;
            }
            if all.is_empty() {
                all.reserve(usize::try_from(plaintext_len).unwrap_or(0).max(first.len()));
                all.extend_from_slice(&first);
                first = Bytes::new();
            }
            all.extend_from_slice(&piece);
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }

    /// Returns the next piece, and tells a failure of the bytes from a failure of the store.
    pub(crate) async fn next_opened(&mut self) -> Result<Option<Bytes>, Opening> {
        match self.next().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(error)) => Err(match &self.state {
                State::Failed(Ok(of_bytes)) => Opening::Bytes(of_bytes.clone()),
                _ => Opening::Store(error),
            }),
        }
    }

    /// Counts what was opened: a store that lies about the length of an object must not give it a clean end.
    fn opened(&mut self, opened: BytesMut) -> Result<Bytes> {
        match self.promised.checked_sub(opened.len() as u64) {
            Some(promised) => self.promised = promised,
            None => return Err(self.fail(atrest::Error::Inauthentic)),
        }
        Ok(opened.freeze())
    }

    fn fail(&mut self, error: atrest::Error) -> Error {
        self.state = State::Failed(Ok(error.clone()));
        self.stored = futures_util::stream::empty().boxed();
        error::of(&self.location, error)
    }
}

/// The reason why stored bytes were not opened.
#[derive(Debug)]
pub(crate) enum Opening {
    /// The bytes do not authenticate, or end too early.
    Bytes(atrest::Error),
    /// The inner store failed.
    Store(Error),
}

impl Stream for PlaintextPieces {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let reader = match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Failed(Ok(error)) => {
                    let error = error.clone();
                    return Poll::Ready(Some(Err(error::of(&this.location, error))));
                }
                State::Failed(Err(text)) => {
                    return Poll::Ready(Some(Err(StoreError::Failed(text.clone()).generic())));
                }
                State::Open(reader) => reader,
            };
            if !this.waiting.is_empty() {
                let piece = this.waiting.split_to(this.waiting.len().min(PIECE_LEN));
                let mut opened = BytesMut::with_capacity(reader.update_len(piece.len()));
                match reader.push(&piece, &mut opened) {
                    Ok(0) => continue,
                    Ok(_) => return Poll::Ready(Some(this.opened(opened))),
                    Err(error) => return Poll::Ready(Some(Err(this.fail(error)))),
                }
            }
            match ready!(this.stored.poll_next_unpin(context)) {
                Some(Ok(piece)) => this.waiting = piece,
                Some(Err(error)) => {
                    this.state = State::Failed(Err(error.to_string()));
                    return Poll::Ready(Some(Err(error)));
                }
                None => {
                    let State::Open(reader) = std::mem::replace(&mut this.state, State::Ended) else { continue };
                    let mut opened = BytesMut::with_capacity(reader.finish_len());
                    return Poll::Ready(match reader.finish_into(&mut opened) {
                        Err(error) => Some(Err(this.fail(error))),
                        Ok(_) if (opened.len() as u64) < this.promised => {
                            Some(Err(this.fail(atrest::Error::Truncated)))
                        }
                        Ok(0) => None,
                        Ok(_) => Some(this.opened(opened)),
                    });
                }
            }
        }
    }
}
