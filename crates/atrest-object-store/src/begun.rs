//! [`Begun`], what a copy or a rewrap has begun in the inner store.

use std::sync::Arc;

use futures_util::future::try_join;
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStore, Result};
use tokio::runtime::Handle;

use crate::parts::Parts;
use crate::store::Shared;

/// What was begun in the inner store: an upload in parts, and an object beside the place of a copy. If it is dropped
/// before it is done, it is undone on the runtime that it was begun on: a dropped future cannot wait for that itself.
/// Without a runtime it stays.
pub(crate) struct Begun<T: ObjectStore> {
    shared: Arc<Shared<T>>,
    runtime: Option<Handle>,
    upload: Option<Box<dyn MultipartUpload>>,
    beside: Option<Path>,
}

impl<T: ObjectStore> Begun<T> {
    pub(crate) fn new(shared: &Arc<Shared<T>>, upload: Box<dyn MultipartUpload>, beside: Option<Path>) -> Self {
        Self { shared: shared.clone(), runtime: Handle::try_current().ok(), upload: Some(upload), beside }
    }

    /// Uploads all parts, each while the next one is read.
    pub(crate) async fn upload(&mut self, mut parts: Parts) -> Result<()> {
        let mut part = parts.next().await?;
        while let (Some(payload), Some(upload)) = (part, &mut self.upload) {
            let (_, next) = try_join(upload.put_part(payload), parts.next()).await?;
            part = next;
        }
        Ok(())
    }

    /// Completes the upload, which is then not undone any more.
    pub(crate) async fn complete(&mut self) -> Result<()> {
        if let Some(upload) = &mut self.upload {
            upload.complete().await?;
            self.upload = None;
        }
        Ok(())
    }

    /// Undoes what is not done, and waits for it: first the upload, so that it makes no object after the deletion.
    pub(crate) async fn undo(mut self) -> Result<()> {
        let aborted = match &mut self.upload {
            Some(upload) => upload.abort().await,
            None => Ok(()),
        };
        self.upload = None;
        let deleted = match &self.beside {
            Some(beside) => self.shared.delete(beside).await,
            None => Ok(()),
        };
        self.beside = None;
        aborted.and(deleted)
    }
}

impl<T: ObjectStore> Drop for Begun<T> {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let (upload, beside) = (self.upload.take(), self.beside.take());
        if upload.is_some() || beside.is_some() {
            // Once: what a runtime drops while it shuts down is not begun again.
            let left = Self { shared: self.shared.clone(), runtime: None, upload, beside };
            runtime.spawn(left.undo());
        }
    }
}
