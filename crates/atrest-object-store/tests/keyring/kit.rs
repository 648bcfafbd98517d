//! A store that notes its puts, and does wrong on request.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What the store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// The next put is stored, and its answer is lost.
    AnswerLost,
    /// The next put is stored; its answer is lost, and the client's own retry finds that the condition fails.
    Retried,
    /// The next put fails before anything is stored, and the store does not say so.
    NotStored,
    /// Every put is stored whatever its condition.
    IgnoresConditions,
    /// No object has an e_tag or a version.
    NoTags,
    /// Every e_tag is weak.
    WeakTags,
    /// Every put is forbidden.
    ReadOnly,
    /// The bucket does not exist.
    NoBucket,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) inner: InMemory,
    puts: Mutex<Vec<String>>,
    wrong: Mutex<Option<Wrong>>,
}

impl Store {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    pub(crate) fn does(&self, wrong: Wrong) {
        *self.wrong.lock().unwrap() = Some(wrong);
    }

    /// The paths of all puts since the last call, those of probes left out.
    pub(crate) fn puts(&self) -> Vec<String> {
        let mut puts = std::mem::take(&mut *self.puts.lock().unwrap());
        puts.retain(|path| !path.ends_with(".probe"));
        puts
    }

    fn wrong(&self) -> Option<Wrong> {
        *self.wrong.lock().unwrap()
    }

    /// Takes a wrong that happens once, unless the put is a probe.
    fn once(&self, location: &Path) -> Option<Wrong> {
        let mut wrong = self.wrong.lock().unwrap();
        let is_once = matches!(*wrong, Some(Wrong::AnswerLost | Wrong::Retried | Wrong::NotStored));
        match (is_once, location.as_ref().ends_with(".probe")) {
            (true, true) => None,
            (true, false) => wrong.take(),
            (false, _) => *wrong,
        }
    }

    fn e_tag(&self, e_tag: Option<String>) -> Option<String> {
        match self.wrong() {
            Some(Wrong::NoTags) => None,
            Some(Wrong::WeakTags) => e_tag.map(|e_tag| format!("W/{e_tag}")),
            _ => e_tag,
        }
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

#[async_trait]
impl ObjectStore for Store {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.puts.lock().unwrap().push(location.to_string());
        let lost = || Error::Generic { store: "Store", source: "the connection was reset".into() };
        let path = location.to_string();
        let stored = |options| self.inner.put_opts(location, payload.clone(), options);
        let mut result = match self.once(location) {
            Some(Wrong::AnswerLost) => stored(options).await.and(Err(lost())),
            Some(Wrong::Retried) => {
                stored(options).await.and_then(|_| Err(Error::Precondition { path, source: "If-Match".into() }))
            }
            Some(Wrong::NotStored) => Err(lost()),
            Some(Wrong::IgnoresConditions) => stored(PutOptions::default()).await,
            Some(Wrong::NoBucket) => Err(Error::NotFound { path, source: "NoSuchBucket".into() }),
            Some(Wrong::ReadOnly) => Err(Error::PermissionDenied { path, source: "read-only".into() }),
            _ => stored(options).await,
        }?;
        result.e_tag = self.e_tag(result.e_tag);
        Ok(result)
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.inner.get_opts(location, options).await?;
        result.meta.e_tag = self.e_tag(result.meta.e_tag);
        Ok(result)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
