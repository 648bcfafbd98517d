//! Copies and renames.

use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use atrest::AnyMode;
use bytes::Bytes;
use futures_util::future::try_join;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, stream};
use object_store::path::Path;
use object_store::{
    Attributes, CopyMode, CopyOptions, GetOptions, GetResultPayload, MultipartUpload, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, RenameOptions, RenameTargetMode, Result,
};

use crate::call::{Call, CallOptions};
use crate::error::StoreError;
use crate::store::{Binding, Shared};

/// The length of the parts in which a copy is written, in bytes; longer for objects of more than 70 GB.
const PART_LEN: u64 = 8 << 20;
/// The most parts that S3 allows, less some.
const MAX_PARTS: u64 = 9_000;
/// A copy that must not replace an object is written in one request up to this length, in bytes.
const MAX_CREATED_LEN: u64 = 64 << 20;

impl<T: ObjectStore> Shared<T> {
    /// Copies an object.
    pub(crate) async fn copy(&self, from: &Path, to: &Path, call: CallOptions, options: CopyOptions) -> Result<()> {
        if self.is_moved_as_it_is(from, to, &call)? {
            return self.inner.copy_opts(from, to, options).await;
        }
        self.rewrite(from, to, call, options).await
    }

    /// Renames an object: copies it, and deletes the source.
    pub(crate) async fn rename(&self, from: &Path, to: &Path, call: CallOptions, options: RenameOptions) -> Result<()> {
        if self.is_moved_as_it_is(from, to, &call)? {
            return self.inner.rename_opts(from, to, options).await;
        }
        let mode = match options.target_mode {
            RenameTargetMode::Overwrite => CopyMode::Overwrite,
            RenameTargetMode::Create => CopyMode::Create,
        };
        let copying = CopyOptions::new().with_mode(mode).with_extensions(options.extensions);
        self.rewrite(from, to, call, copying).await?;
        if from != to {
            self.delete(from).await?;
        }
        Ok(())
    }

    /// Returns whether the inner store copies the stored bytes itself: unencrypted ones, and those that are bound to no
    /// name and stay in their mode, under its key.
    fn is_moved_as_it_is(&self, from: &Path, to: &Path, call: &CallOptions) -> Result<bool> {
        match (self.is_unencrypted(from), self.is_unencrypted(to)) {
            (true, true) => Ok(true),
            (false, false) => {
                let unbound = matches!(self.binding, Binding::Unbound) && call.mode().is_none();
                let ruled = |path| self.rule.as_ref().map(|rule| rule(path)).unwrap_or_default();
                let mode = |path| ruled(path).mode().unwrap_or(&self.mode).clone();
                Ok(unbound && is_one(&mode(from), &mode(to)))
            }
            _ => Err(StoreError::AcrossTheFilter.at(to)),
        }
    }

    /// Reads an object and writes it under another name.
    async fn rewrite(&self, from: &Path, to: &Path, call: CallOptions, options: CopyOptions) -> Result<()> {
        let source = self.call(from, call.clone())?;
        let target = self.call(to, call)?;
        let reading = GetOptions { extensions: options.extensions.clone(), ..GetOptions::default() };
        let read = self.get(&source, reading).await?;
        let (len, attributes) = (read.meta.size, read.attributes);
        let GetResultPayload::Stream(plaintext) = read.payload else {
            return Err(StoreError::OtherBytes.generic());
        };
        let mut plaintext = Parts::new(plaintext, len);
        let in_one = match options.mode {
            CopyMode::Overwrite => len <= plaintext.part_len,
            CopyMode::Create => len <= MAX_CREATED_LEN,
        };
        if in_one {
            plaintext.part_len = u64::MAX;
            let whole = plaintext.next().await?.unwrap_or_default();
            let mode = match options.mode {
                CopyMode::Overwrite => PutMode::Overwrite,
                CopyMode::Create => PutMode::Create,
            };
            let extensions = options.extensions;
            let writing = PutOptions { mode, attributes, extensions, ..PutOptions::default() };
            return self.put(&target, whole, writing).await.map(drop);
        }
        if options.mode == CopyMode::Overwrite {
            return self.write(&target, to, plaintext, attributes, options).await;
        }
        // No upload in parts has a condition: the copy is written beside its place, bound to its name, and the inner
        // store puts it there.
        let beside = Path::parse(format!("{to}.{}.copy", unique()))?;
        let writing = CopyOptions { mode: CopyMode::Overwrite, extensions: options.extensions.clone() };
        self.write(&target, &beside, plaintext, attributes, writing).await?;
        let copied = self.inner.copy_opts(&beside, to, options).await;
        let deleted = self.delete(&beside).await;
        copied.and(deleted)
    }

    /// Writes an object in parts at `place`, under the name of the call.
    async fn write(
        &self,
        call: &Call,
        place: &Path,
        mut plaintext: Parts,
        attributes: Attributes,
        options: CopyOptions,
    ) -> Result<()> {
        let extensions = options.extensions;
        let writing = PutMultipartOptions { attributes, extensions, ..PutMultipartOptions::default() };
        let mut upload = self.begin_upload(call, place, writing).await?;
        let written = async {
            let mut part = plaintext.next().await?;
            while let Some(payload) = part {
                let (_, next) = try_join(upload.put_part(payload), plaintext.next()).await?;
                part = next;
            }
            upload.complete().await.map(drop)
        };
        let written = written.await;
        if written.is_err() {
            // The first error says more than that of the abort.
            let _ = upload.abort().await;
        }
        written
    }

    async fn delete(&self, location: &Path) -> Result<()> {
        let one = stream::iter([Ok(location.clone())]).boxed();
        let mut deleted = self.inner.delete_stream(one);
        while let Some(path) = deleted.next().await {
            path?;
        }
        Ok(())
    }
}

/// Returns whether objects of both modes lie under one key.
fn is_one(from: &AnyMode, to: &AnyMode) -> bool {
    match (from, to) {
        (AnyMode::SseS3(from), AnyMode::SseS3(to)) => from == to,
        (AnyMode::SseKms(from), AnyMode::SseKms(to)) => from == to,
        (AnyMode::DsseKms(from), AnyMode::DsseKms(to)) => from == to,
        // Two customer keys are not compared.
        _ => false,
    }
}

/// A plaintext in parts of one length.
struct Parts {
    plaintext: BoxStream<'static, Result<Bytes>>,
    waiting: Bytes,
    part_len: u64,
}

impl Parts {
    fn new(plaintext: BoxStream<'static, Result<Bytes>>, len: u64) -> Self {
        let part_len = PART_LEN.max(len / MAX_PARTS + 1);
        Self { plaintext, waiting: Bytes::new(), part_len }
    }

    /// Returns the next part; `None` at the end.
    async fn next(&mut self) -> Result<Option<PutPayload>> {
        let (mut pieces, mut left) = (Vec::new(), self.part_len);
        while left > 0 {
            let mut piece = mem::take(&mut self.waiting);
            if piece.is_empty() {
                let Some(next) = self.plaintext.next().await.transpose()? else { break };
                piece = next;
            }
            let taken = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            self.waiting = piece.split_off(taken);
            left -= taken as u64;
            pieces.push(piece);
        }
        Ok((!pieces.is_empty()).then(|| pieces.into_iter().collect()))
    }
}

/// Returns a text that no other copy of this or another process has at the same time.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{now:x}-{:x}-{:x}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
