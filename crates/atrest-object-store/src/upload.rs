//! [`EncryptedUpload`]: an object that is written in parts, as one message.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use atrest::Encryptor;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use object_store::path::Path;
use object_store::{
    Error, MultipartUpload, ObjectStore, PutMultipartOptions, PutPayload, PutResult, Result, UploadPart,
};

use crate::call::Call;
use crate::error::{self, StoreError};
use crate::placement::Placement;
use crate::store::Shared;

impl<T: ObjectStore> Shared<T> {
    /// Begins to write an object in parts at `place`, under the name of the call.
    pub(crate) async fn begin_upload(
        &self,
        call: &Call,
        place: &Path,
        mut options: PutMultipartOptions,
    ) -> Result<EncryptedUpload> {
        self.check_written(call, &options.attributes)?;
        let begun = call.sse.encryptor(&call.name, call.mode.clone()).await;
        let (envelope, encryptor) = begun.map_err(|error| self.refused(call, error))?;
        let envelope = self.place(call, envelope, &mut options.attributes)?;
        let (in_front, behind) = match self.layout.placement() {
            Placement::Behind => (None, envelope),
            _ => (envelope, None),
        };
        let inner = self.inner.put_multipart_opts(place, options).await?;
        Ok(EncryptedUpload {
            location: call.location.clone(),
            inner,
            state: State::Open(Box::new(encryptor)),
            held: in_front.into_iter().collect(),
            behind,
            cut: self.equal_parts,
            begun: false,
            lacking: Arc::default(),
        })
    }
}

/// An upload whose parts are sealed in the order of the calls, as one message.
///
/// The bytes of the last call are held back: the end of the message, and an envelope behind it, join them in
/// `complete`, so that the upload has no small part before the last one. So the future of each part writes the part
/// before it, the future of the first part is ready at once, and the failure of the last part is that of `complete`.
#[derive(Debug)]
pub(crate) struct EncryptedUpload {
    location: Path,
    inner: Box<dyn MultipartUpload>,
    state: State,
    /// The stored bytes that are not given to the inner store yet.
    held: Vec<Bytes>,
    /// The envelope, if it lies behind the body.
    behind: Option<Bytes>,
    /// The length of each stored part but the last, if all have one length.
    cut: Option<usize>,
    /// Whether bytes of the body are held or stored.
    begun: bool,
    /// The number of stored parts that were begun and are not stored.
    lacking: Arc<AtomicUsize>,
}

#[derive(Debug)]
enum State {
    Open(Box<Encryptor>),
    /// All parts are stored; the inner upload is to be completed.
    Sealed,
    /// Completed, aborted, or failed for good.
    Over,
    Failed(atrest::Error),
}

impl EncryptedUpload {
    /// Begins to store a part.
    fn store(&mut self, part: Vec<Bytes>) -> UploadPart {
        self.lacking.fetch_add(1, Ordering::Relaxed);
        let lacking = self.lacking.clone();
        let storing = self.inner.put_part(part.into_iter().collect());
        async move {
            storing.await?;
            lacking.fetch_sub(1, Ordering::Relaxed);
            Ok(())
        }
        .boxed()
    }

    /// Begins to store what is held, as far as more follows: `sealed` are the next bytes.
    fn store_held(&mut self, sealed: Bytes) -> Vec<UploadPart> {
        if sealed.is_empty() {
            return Vec::new();
        }
        let Some(len) = self.cut else {
            // An envelope in front is held at first: it belongs to the first part.
            if !mem::replace(&mut self.begun, true) {
                self.held.push(sealed);
                return Vec::new();
            }
            let part = mem::replace(&mut self.held, vec![sealed]);
            return vec![self.store(part)];
        };
        self.held.push(sealed);
        let mut parts = Vec::new();
        while self.held.iter().map(Bytes::len).sum::<usize>() > len {
            let part = split_front(&mut self.held, len);
            parts.push(self.store(part));
        }
        parts
    }

    fn sealed(&mut self, data: &PutPayload) -> Result<Bytes> {
        let State::Open(encryptor) = &mut self.state else { return Err(self.over()) };
        let mut sealed = BytesMut::with_capacity(encryptor.update_len(data.content_length()));
        for piece in data {
            if let Err(error) = encryptor.push(piece, &mut sealed) {
                self.state = State::Failed(error);
                return Err(self.over());
            }
        }
        Ok(sealed.freeze())
    }

    fn over(&self) -> Error {
        match &self.state {
            State::Failed(error) => error::of(&self.location, error.clone()),
            _ => StoreError::UploadOver.generic(),
        }
    }

    /// Seals the end, and stores everything that is held.
    async fn store_end(&mut self) -> Result<()> {
        let State::Open(encryptor) = mem::replace(&mut self.state, State::Over) else { return Err(self.over()) };
        let mut end = BytesMut::with_capacity(encryptor.finish_len());
        if let Err(error) = encryptor.finish_into(&mut end) {
            self.state = State::Failed(error);
            return Err(self.over());
        }
        self.held.push(end.freeze());
        self.held.extend(self.behind.take());
        let mut parts = Vec::new();
        while let Some(len) = self.cut.filter(|len| self.held.iter().map(Bytes::len).sum::<usize>() > *len) {
            let part = split_front(&mut self.held, len);
            parts.push(self.store(part));
        }
        let last = mem::take(&mut self.held);
        parts.push(self.store(last));
        try_join_all(parts).await.map(drop)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for EncryptedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        match self.sealed(&data) {
            Err(error) => std::future::ready(Err(error)).boxed(),
            Ok(sealed) => match self.store_held(sealed) {
                parts if parts.is_empty() => std::future::ready(Ok(())).boxed(),
                parts => try_join_all(parts).map(|stored| stored.map(drop)).boxed(),
            },
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if matches!(self.state, State::Open(_)) {
            // SECURITY: a store that does not count its parts would make an object with a gap.
            if self.lacking.load(Ordering::Relaxed) > 0 {
                self.state = State::Over;
                return Err(StoreError::PartMissing.generic());
            }
            self.store_end().await?;
            self.state = State::Sealed;
        }
        if !matches!(self.state, State::Sealed) {
            return Err(self.over());
        }
        let done = self.inner.complete().await?;
        self.state = State::Over;
        Ok(done)
    }

    async fn abort(&mut self) -> Result<()> {
        self.state = State::Over;
        self.held.clear();
        self.inner.abort().await
    }
}

/// Takes the first `len` bytes out of the pieces.
fn split_front(pieces: &mut Vec<Bytes>, len: usize) -> Vec<Bytes> {
    let mut front = Vec::new();
    let mut left = len;
    while left > 0 && !pieces.is_empty() {
        if pieces[0].len() <= left {
            let piece = pieces.remove(0);
            left -= piece.len();
            front.push(piece);
        } else {
            front.push(pieces[0].split_to(left));
            left = 0;
        }
    }
    front
}
