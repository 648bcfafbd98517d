//! [`Metered`], a store that counts the requests which read or write an object and their bytes, and takes a while for
//! each, as one over a network.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
    UploadPart, coalesce_ranges,
};

/// A store around another one.
#[derive(Clone, Debug)]
pub(crate) struct Metered<T> {
    inner: T,
    meter: Meter,
}

/// The counts, and the time that a request takes.
#[derive(Clone, Debug)]
struct Meter {
    requests: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    round_trip: Duration,
}

impl Meter {
    async fn request(&self, len: u64) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes.fetch_add(len, Relaxed);
        tokio::time::sleep(self.round_trip).await;
    }
}

impl<T: ObjectStore> Metered<T> {
    pub(crate) fn new(inner: T, round_trip: Duration) -> Self {
        Self { inner, meter: Meter { requests: Arc::default(), bytes: Arc::default(), round_trip } }
    }

    /// Returns the requests and the bytes in both directions since the last call.
    pub(crate) fn take(&self) -> (u64, u64) {
        (self.meter.requests.swap(0, Relaxed), self.meter.bytes.swap(0, Relaxed))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ObjectStore> ObjectStore for Metered<T> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.meter.request(payload.content_length() as u64).await;
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.meter.request(0).await;
        let upload = self.inner.put_multipart_opts(location, options).await?;
        Ok(Box::new(MeteredUpload { upload, meter: self.meter.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let head = options.head;
        self.meter.request(0).await;
        let answer = self.inner.get_opts(location, options).await?;
        let len = if head { 0 } else { answer.range.end - answer.range.start };
        self.meter.bytes.fetch_add(len, Relaxed);
        Ok(answer)
    }

    /// Requests ranges with a gap of up to 1 MiB as one, as `AmazonS3` does; `InMemory` would count none of them.
    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        coalesce_ranges(ranges, |range| self.get_range(location, range), OBJECT_STORE_COALESCE_DEFAULT).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.inner.rename_opts(from, to, options).await
    }
}

impl<T: ObjectStore> fmt::Display for Metered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metered({})", self.inner)
    }
}

#[derive(Debug)]
struct MeteredUpload {
    upload: Box<dyn MultipartUpload>,
    meter: Meter,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for MeteredUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (meter, len) = (self.meter.clone(), data.content_length() as u64);
        let part = self.upload.put_part(data);
        async move {
            meter.request(len).await;
            part.await
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.meter.request(0).await;
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.meter.request(0).await;
        self.upload.abort().await
    }
}
