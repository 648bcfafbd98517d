//! [`Source`]: the stored bytes of an answer, as a stream of pieces, or as a file that is read in large pieces.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use object_store::{Error, GetResultPayload, Result};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::error::{STORE, StoreError};

/// PERF: pieces of a local file. 8 KiB, which `object_store` reads itself, is slower by a factor of four.
const FILE_PIECE_LEN: u64 = 1 << 20;

pub(crate) type Pieces = BoxStream<'static, Result<Bytes>>;

/// The stored bytes of an answer.
pub(crate) enum Source {
    /// The pieces from this offset of the stored object on.
    Stream(u64, Pieces),
    /// A local file, which holds the whole stored object.
    File(File, PathBuf),
}

impl Source {
    pub(crate) fn new(payload: GetResultPayload, range: &Range<u64>) -> Self {
        match payload {
            GetResultPayload::File(file, path) => Self::File(file, path),
            GetResultPayload::Stream(pieces) => Self::Stream(range.start, pieces),
        }
    }

    /// Returns the bytes of one range, and leaves the source usable for the bytes behind it.
    pub(crate) async fn take(&mut self, range: Range<u64>) -> Result<Bytes> {
        match self {
            Self::File(file, path) => {
                let file = file.try_clone().map_err(|error| file_error(path, error))?;
                read_file(file, path.clone(), range).await.map(|(_, bytes)| bytes)
            }
            Self::Stream(at, pieces) => {
                let rest = std::mem::replace(pieces, stream::empty().boxed());
                let mut cut = Cut::new(*at, rest, range.clone())?;
                let bytes = cut.collected().await?;
                *at = range.end;
                let (rest, behind) = cut.into_rest();
                *pieces = stream::iter((!rest.is_empty()).then_some(Ok(rest))).chain(behind).boxed();
                Ok(bytes)
            }
        }
    }

    /// Returns the bytes of one range, and drops the others.
    pub(crate) async fn all_of(mut self, range: Range<u64>) -> Result<Bytes> {
        self.take(range).await
    }

    /// Returns the bytes of one range, as pieces.
    pub(crate) fn cut(self, range: Range<u64>) -> Result<Pieces> {
        match self {
            Self::Stream(at, pieces) => Ok(Cut::new(at, pieces, range)?.boxed()),
            Self::File(file, path) => Ok(FilePieces::new(file, path, range).boxed()),
        }
    }
}

/// The pieces of one range out of a stream that begins before it and may reach behind it.
struct Cut {
    pieces: Pieces,
    skip: u64,
    left: u64,
    /// The bytes behind the range that came in one piece with its end.
    rest: Bytes,
}

impl Cut {
    fn new(at: u64, pieces: Pieces, range: Range<u64>) -> Result<Self> {
        let skip = range.start.checked_sub(at).ok_or_else(|| StoreError::OtherBytes.generic())?;
        Ok(Self { pieces, skip, left: range.end.saturating_sub(range.start), rest: Bytes::new() })
    }

    /// Returns all bytes in one piece; fewer if the stream ends too early.
    async fn collected(&mut self) -> Result<Bytes> {
        let Some(first) = self.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = self.next().await.transpose()? else { return Ok(first) };
        let mut all = BytesMut::from(&first[..]);
        all.extend_from_slice(&second);
        while let Some(piece) = self.next().await.transpose()? {
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    fn into_rest(self) -> (Bytes, Pieces) {
        (self.rest, self.pieces)
    }
}

impl Stream for Cut {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while self.left > 0 {
            let Some(mut piece) = ready!(self.pieces.poll_next_unpin(context)).transpose()? else { break };
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= skipped as u64;
            piece.advance(skipped);
            let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.len());
            if taken == 0 {
                continue;
            }
            self.left -= taken as u64;
            self.rest = piece.split_off(taken);
            return Poll::Ready(Some(Ok(piece)));
        }
        Poll::Ready(None)
    }
}

/// A range of a local file in pieces; the next piece is read while the caller has the one before.
struct FilePieces {
    path: PathBuf,
    range: Range<u64>,
    state: Reading,
}

enum Reading {
    Idle(File),
    Under(JoinHandle<io::Result<(File, Bytes)>>),
    Over,
}

impl FilePieces {
    fn new(file: File, path: PathBuf, range: Range<u64>) -> Self {
        Self { path, range, state: Reading::Idle(file) }
    }

    /// Begins to read the next piece, on a thread for blocking calls if there is a runtime.
    fn begin(&mut self, file: File) -> io::Result<Option<(File, Bytes)>> {
        let piece = self.range.start..self.range.end.min(self.range.start + FILE_PIECE_LEN);
        self.range.start = piece.end;
        match Handle::try_current() {
            Ok(runtime) => {
                self.state = Reading::Under(runtime.spawn_blocking(move || read_at(file, piece)));
                Ok(None)
            }
            Err(_) => read_at(file, piece).map(Some),
        }
    }
}

impl Stream for FilePieces {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let read = match &mut this.state {
                Reading::Over => return Poll::Ready(None),
                Reading::Under(reading) => match ready!(Pin::new(reading).poll(context)) {
                    Ok(read) => read.map(Some),
                    Err(error) => Err(io::Error::other(error)),
                },
                Reading::Idle(_) if this.range.is_empty() => Ok(None),
                Reading::Idle(_) => {
                    let Reading::Idle(file) = std::mem::replace(&mut this.state, Reading::Over) else { continue };
                    match this.begin(file) {
                        Ok(None) => continue,
                        read => read,
                    }
                }
            };
            this.state = Reading::Over;
            return Poll::Ready(match read {
                Err(error) => Some(Err(file_error(&this.path, error))),
                Ok(None) => None,
                // The file ends early.
                Ok(Some((_, piece))) if piece.is_empty() => None,
                Ok(Some((file, piece))) => {
                    this.state = Reading::Idle(file);
                    // PERF: the next piece is read while this one is opened.
                    if !this.range.is_empty()
                        && Handle::try_current().is_ok()
                        && let Reading::Idle(file) = std::mem::replace(&mut this.state, Reading::Over)
                    {
                        let _ = this.begin(file);
                    }
                    Some(Ok(piece))
                }
            });
        }
    }
}

/// Reads one range of a file, on a thread for blocking calls if there is a runtime.
pub(crate) async fn read_file(file: File, path: PathBuf, range: Range<u64>) -> Result<(File, Bytes)> {
    let read = match Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(move || read_at(file, range)).await?,
        Err(_) => read_at(file, range),
    };
    read.map_err(|error| file_error(&path, error))
}

/// Reads several ranges of a file in one go.
pub(crate) async fn read_ranges(file: File, path: PathBuf, ranges: Vec<Range<u64>>) -> Result<Vec<Bytes>> {
    let read = move || {
        let mut file = file;
        let mut read = Vec::with_capacity(ranges.len());
        for range in ranges {
            let (again, bytes) = read_at(file, range)?;
            file = again;
            read.push(bytes);
        }
        Ok(read)
    };
    let read = match Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(read).await?,
        Err(_) => read(),
    };
    read.map_err(|error| file_error(&path, error))
}

/// Reads a range of a file; fewer bytes if the file ends before.
fn read_at(mut file: File, range: Range<u64>) -> io::Result<(File, Bytes)> {
    file.seek(SeekFrom::Start(range.start))?;
    let len = range.end.saturating_sub(range.start);
    // The range lies in the length that the store has told, which may be wrong: no more than one piece on trust.
    let mut bytes = Vec::with_capacity(usize::try_from(len.min(FILE_PIECE_LEN)).unwrap_or(0));
    Read::by_ref(&mut file).take(len).read_to_end(&mut bytes)?;
    Ok((file, bytes.into()))
}

fn file_error(path: &std::path::Path, error: io::Error) -> Error {
    let named = format!("{}: {error}", path.display());
    Error::Generic { store: STORE, source: Box::new(io::Error::new(error.kind(), named)) }
}
