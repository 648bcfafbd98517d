//! [`Requests`], the requests to the store that a keyring needs: bounded reads, and puts with a condition.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, Result, UpdateVersion,
};
use tokio::runtime::Handle;

use super::KeyringStoreError;

/// The version of an object that the store named: what the next put replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) e_tag: Option<String>,
    pub(super) version: Option<String>,
}

impl Tag {
    /// Returns the tag, unless the store named nothing that a put can compare: a weak e_tag does not count.
    pub(super) fn of(e_tag: Option<String>, version: Option<String>) -> Option<Self> {
        let e_tag = e_tag.filter(|e_tag| !e_tag.is_empty() && !e_tag.starts_with("W/"));
        let version = version.filter(|version| !version.is_empty());
        (e_tag.is_some() || version.is_some()).then_some(Self { e_tag, version })
    }

    fn of_meta(meta: &ObjectMeta) -> Option<Self> {
        Self::of(meta.e_tag.clone(), meta.version.clone())
    }
}

impl From<Tag> for UpdateVersion {
    fn from(Tag { e_tag, version }: Tag) -> Self {
        Self { e_tag, version }
    }
}

/// What a read found.
pub(super) enum Found {
    /// The object, and its tag if the store gave one.
    Object(Bytes, Option<Tag>),
    /// The object still has the known e_tag.
    Unchanged,
    Missing,
}

/// What a put with a condition did.
pub(super) enum Put {
    /// The bytes are stored; the tag is absent if the store gave none.
    Stored(Option<Tag>),
    /// Other bytes are stored, or none where some were expected. Nothing was changed.
    Conflict,
    /// The store did not say.
    Unknown,
}

/// A store, and the runtime that its requests run on.
#[derive(Clone)]
pub(super) struct Requests {
    store: Arc<dyn ObjectStore>,
    runtime: Option<Handle>,
}

impl Requests {
    pub(super) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, runtime: Handle::try_current().ok() }
    }

    pub(super) fn on(self, runtime: Handle) -> Self {
        Self { runtime: Some(runtime), ..self }
    }

    pub(super) fn store_name(&self) -> String {
        self.store.to_string()
    }

    pub(super) fn no_tag(&self) -> KeyringStoreError {
        KeyringStoreError::NoTag { store: self.store_name() }
    }

    /// Runs a request on the runtime: a keyring polls from a thread of its own, where the clients of remote stores find
    /// no reactor.
    async fn run<T: Send + 'static>(&self, request: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        match &self.runtime {
            Some(runtime) => runtime.spawn(request).await.unwrap_or_else(|source| Err(Error::JoinError { source })),
            None => request.await,
        }
    }

    /// Reads an object of at most `most` bytes, unless it still has the known tag.
    pub(super) async fn read(&self, path: &Path, known: Option<&Tag>, most: u64) -> Result<Found> {
        let (store, path) = (self.store.clone(), path.clone());
        let if_none_match = known.and_then(|tag| tag.e_tag.clone());
        let known = known.cloned();
        self.run(async move {
            let options = GetOptions { if_none_match, ..GetOptions::default() };
            let answer = match store.get_opts(&path, options).await {
                Ok(answer) => answer,
                Err(Error::NotModified { .. }) => return Ok(Found::Unchanged),
                Err(Error::NotFound { .. }) => return Ok(Found::Missing),
                Err(error) => return Err(error),
            };
            let tag = Tag::of_meta(&answer.meta);
            // A store may ignore the condition, or name versions alone.
            if tag.is_some() && tag == known {
                return Ok(Found::Unchanged);
            }
            let (mut bytes, mut stream) = (BytesMut::new(), answer.into_stream());
            while let Some(piece) = stream.next().await {
                bytes.extend_from_slice(&piece?);
                if bytes.len() as u64 > most {
                    return Err(Error::Generic { store: "StoreKeyring", source: TooLong(path).into() });
                }
            }
            Ok(Found::Object(bytes.freeze(), tag))
        })
        .await
    }

    /// Puts an object where none is, or in the place of the version with this tag.
    ///
    /// The clients of some stores repeat a put whose answer was lost, and the repeated put then fails because the first
    /// one landed. So after a failure the stored bytes are compared with `bytes`, which no other writer has made.
    pub(super) async fn put(&self, path: &Path, bytes: Vec<u8>, replaces: Option<Tag>, most: u64) -> Result<Put> {
        let (bytes, replacing) = (Bytes::from(bytes), replaces.is_some());
        let mode = replaces.map_or(PutMode::Create, |tag| PutMode::Update(tag.into()));
        match self.put_with(path.clone(), bytes.clone(), mode).await {
            Ok(tag) => Ok(Put::Stored(tag)),
            // The version to replace is gone. A put that replaces none finds no bucket.
            Err(Error::NotFound { .. }) if replacing => Ok(Put::Conflict),
            Err(error @ Error::NotFound { .. }) => Err(error),
            Err(error) if stores_nothing(&error) => Err(error),
            Err(error) => {
                let refused = matches!(error, Error::Precondition { .. } | Error::AlreadyExists { .. });
                Ok(match self.read(path, None, most).await {
                    Ok(Found::Object(stored, tag)) if stored == bytes => Put::Stored(tag),
                    Ok(_) if refused => Put::Conflict,
                    // A put whose answer was lost may still arrive.
                    _ => Put::Unknown,
                })
            }
        }
    }

    async fn put_with(&self, path: Path, bytes: Bytes, mode: PutMode) -> Result<Option<Tag>> {
        let store = self.store.clone();
        self.run(async move {
            let stored = store.put_opts(&path, PutPayload::from(bytes), PutOptions::from(mode)).await?;
            Ok(Tag::of(stored.e_tag, stored.version))
        })
        .await
    }

    /// Asks the store to replace a version that does not exist of an object that does not exist, beside `path`. A store
    /// with conditional puts refuses, and stores nothing.
    ///
    /// A store that forbids this process to write says nothing about its conditions: the process then only reads.
    pub(super) async fn check_conditions(&self, path: &Path) -> Result<(), KeyringStoreError> {
        let probe = Path::from(format!("{path}.probe"));
        let never = UpdateVersion { e_tag: Some("\"0\"".into()), version: Some("1".into()) };
        let probed = self.put_with(probe.clone(), Bytes::from_static(b"probe"), PutMode::Update(never)).await;
        match probed {
            Err(Error::Precondition { .. } | Error::NotFound { .. } | Error::AlreadyExists { .. }) => Ok(()),
            Err(Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => Ok(()),
            Err(Error::NotImplemented { .. } | Error::NotSupported { .. }) => {
                Err(KeyringStoreError::NoConditionalPut { store: self.store_name() })
            }
            Err(error) => Err(KeyringStoreError::Store(error)),
            Ok(_) => {
                let (store, path) = (self.store.clone(), probe.clone());
                // What cannot be deleted is named by the error.
                let _ = self.run(async move { store.delete(&path).await }).await;
                Err(KeyringStoreError::ConditionIgnored { store: self.store_name(), path: probe.to_string() })
            }
        }
    }
}

/// Returns whether a put that failed in this way has certainly stored nothing.
fn stores_nothing(error: &Error) -> bool {
    matches!(
        error,
        Error::NotImplemented { .. }
            | Error::NotSupported { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::InvalidPath { .. }
    )
}

/// The object is longer than a keyring or a root key can be.
#[derive(Debug, thiserror::Error)]
#[error("{0} is longer than a keyring or a root key can be")]
struct TooLong(Path);

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requests").field("store", &self.store_name()).finish_non_exhaustive()
    }
}
