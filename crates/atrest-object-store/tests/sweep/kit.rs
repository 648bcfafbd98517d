//! A store that notes its puts, and lets another writer come in between.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What the store does wrong once, with one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// A put is stored, and its answer is lost.
    AnswerLost,
    /// A put fails.
    PutFails,
    /// A whole object is read without its last byte.
    ReadsShort,
    /// A whole object cannot be read.
    ReadFails,
}

#[derive(Debug, Default)]
pub(crate) struct Store {
    inner: InMemory,
    puts: Mutex<Vec<String>>,
    wrong: Mutex<HashMap<String, Wrong>>,
    races: Mutex<HashMap<String, (Vec<u8>, Attributes)>>,
}

impl Store {
    /// The paths of all puts since the last call.
    pub(crate) fn puts(&self) -> Vec<String> {
        std::mem::take(&mut *self.puts.lock().unwrap())
    }

    /// Replaces an object once, when it has been read whole.
    pub(crate) fn replace_after_reading(&self, path: &str, stored: (Vec<u8>, Attributes)) {
        self.races.lock().unwrap().insert(path.to_owned(), stored);
    }
}

impl Store {
    pub(crate) fn does(&self, path: &str, wrong: Wrong) {
        self.wrong.lock().unwrap().insert(path.to_owned(), wrong);
    }

    fn takes(&self, path: &Path, wrongs: [Wrong; 2]) -> Option<Wrong> {
        let mut wrong = self.wrong.lock().unwrap();
        let takes = wrong.get(path.as_ref()).is_some_and(|wrong| wrongs.contains(wrong));
        if takes { wrong.remove(path.as_ref()) } else { None }
    }
}

fn lost() -> Error {
    Error::Generic { store: "Store", source: "the connection was reset".into() }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

#[async_trait]
impl ObjectStore for Store {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let wrong = self.takes(location, [Wrong::AnswerLost, Wrong::PutFails]);
        if wrong == Some(Wrong::PutFails) {
            return Err(lost());
        }
        tokio::task::yield_now().await;
        let put = self.inner.put_opts(location, payload, options).await?;
        tokio::task::yield_now().await;
        self.puts.lock().unwrap().push(location.to_string());
        if wrong.is_some() { Err(lost()) } else { Ok(put) }
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let whole = options.range.is_none() && !options.head;
        tokio::task::yield_now().await;
        let mut read = self.inner.get_opts(location, options).await?;
        let wrongs = [Wrong::ReadsShort, Wrong::ReadFails];
        match if whole { self.takes(location, wrongs) } else { None } {
            Some(Wrong::ReadsShort) => {
                let meta = read.meta.clone();
                let bytes = self.inner.get_range(location, 0..meta.size - 1).await?;
                read.payload = GetResultPayload::Stream(stream::iter([Ok(bytes)]).boxed());
            }
            Some(_) => return Err(lost()),
            None => {}
        }
        let race = if whole { self.races.lock().unwrap().remove(location.as_ref()) } else { None };
        if let Some((stored, attributes)) = race {
            let options = PutOptions { attributes, ..PutOptions::default() };
            self.inner.put_opts(location, stored.into(), options).await?;
        }
        Ok(read)
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
