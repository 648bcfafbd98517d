//! [`KeyringObject`], one object as the storage of a keyring.

use std::io;
use std::sync::Arc;

use atrest::{KeyringStorage, Loaded, Replaced, StorageFuture, StorageTag};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;

use super::KeyringStoreError;
use super::requests::{Found, Put, Requests, Tag};
use crate::error::as_io;

/// The maximum length of a keyring object in bytes: a keyring of 65,535 versions has 2.9 MB.
const MOST: u64 = 4 * 1024 * 1024;

/// One object of a store as the storage of a keyring, for services that have the root key from elsewhere
/// ([`Keyring::builder_in`](atrest::Keyring::builder_in)). [`StoreKeyring`](crate::StoreKeyring) keeps the root key in
/// the store too.
///
/// The object's e_tag or version is the tag: a change replaces exactly the version that it read, and creating a keyring
/// fails if the object exists.
///
/// ```
/// # use std::sync::Arc;
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use atrest::{Keyring, RootKey};
/// use atrest_object_store::KeyringObject;
/// use object_store::{memory::InMemory, path::Path};
///
/// let root_key = RootKey::generate()?;
/// let storage = Arc::new(KeyringObject::new(Arc::new(InMemory::new()), Path::from("keys/master")).await?);
/// let keyring = Keyring::builder_in(storage).create(&root_key).await?;
/// keyring.rotate().await?;
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
///
/// # Security
///
/// The same as for [`StoreKeyring`](crate::StoreKeyring).
///
/// # Performance
///
/// A read of an unchanged object costs one request, answered without a body by stores with e_tags. A change costs one
/// request to read and one to write.
#[derive(Clone, Debug)]
pub struct KeyringObject {
    requests: Requests,
    path: Path,
}

impl KeyringObject {
    /// Names the object, after the store has shown that it has a conditional put. The requests run on the current tokio
    /// runtime, if there is one.
    ///
    /// # Errors
    ///
    /// - [`KeyringStoreError::NoConditionalPut`], [`KeyringStoreError::ConditionIgnored`]: the store is refused.
    /// - [`KeyringStoreError::Store`]: the store failed.
    pub async fn new(store: Arc<dyn ObjectStore>, path: impl Into<Path>) -> Result<Self, KeyringStoreError> {
        Self::checked(Requests::new(store), path.into()).await
    }

    pub(super) async fn checked(requests: Requests, path: Path) -> Result<Self, KeyringStoreError> {
        requests.check_conditions(&path).await?;
        Ok(Self { requests, path })
    }

    /// Runs the requests on this runtime; see [`StoreKeyring::runtime`](crate::StoreKeyring::runtime).
    #[must_use]
    pub fn runtime(self, runtime: Handle) -> Self {
        Self { requests: self.requests.on(runtime), ..self }
    }
}

impl KeyringStorage for KeyringObject {
    fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded> {
        Box::pin(async move {
            let known = known.as_ref().and_then(decode);
            match self.requests.read(&self.path, known.as_ref(), MOST).await.map_err(as_io)? {
                Found::Unchanged => Ok(Loaded::Unchanged),
                Found::Missing => Err(io::ErrorKind::NotFound.into()),
                Found::Object(sealed, tag) => {
                    let tag = tag.ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, self.requests.no_tag()))?;
                    Ok(Loaded::Sealed(sealed.to_vec(), encode(&tag)))
                }
            }
        })
    }

    fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced> {
        Box::pin(async move {
            let replaces = expected.as_ref().map(|expected| decode(expected).ok_or(io::ErrorKind::InvalidInput));
            let put = self.requests.put(&self.path, sealed, replaces.transpose()?, MOST).await.map_err(as_io)?;
            Ok(match put {
                Put::Stored(Some(tag)) => Replaced::Stored(encode(&tag)),
                Put::Conflict => Replaced::Conflict,
                // A stored keyring without a tag is read again, and its tag with it.
                Put::Stored(None) | Put::Unknown => Replaced::Unknown,
            })
        })
    }
}

/// Encodes a tag: one byte that says which of the two there are, the length of the e_tag, then both.
fn encode(tag: &Tag) -> StorageTag {
    let (e_tag, version) = (tag.e_tag.as_deref(), tag.version.as_deref());
    let kinds = u8::from(e_tag.is_some()) | (u8::from(version.is_some()) << 1);
    let e_tag = e_tag.unwrap_or_default();
    let len = (e_tag.len() as u64).to_be_bytes();
    StorageTag::new([&[kinds], &len[..], e_tag.as_bytes(), version.unwrap_or_default().as_bytes()].concat())
}

fn decode(tag: &StorageTag) -> Option<Tag> {
    let (kinds, rest) = tag.as_bytes().split_first()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (e_tag, version) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
    let text = |bytes: &[u8], kind: u8| match kinds & kind {
        0 => Some(None),
        _ => std::str::from_utf8(bytes).ok().map(|text| Some(text.to_owned())),
    };
    Tag::of(text(e_tag, 1)?, text(version, 2)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_comes_back_from_its_encoding_and_other_bytes_are_no_tag() {
        let text = |text: &str| Some(text.to_owned());
        for (e_tag, version) in [(text("\"a\""), None), (None, text("7")), (text("\"é\""), text("x"))] {
            let tag = Tag::of(e_tag, version).expect("a tag");
            assert_eq!(decode(&encode(&tag)), Some(tag));
        }
        for bytes in
            [&b""[..], b"\x01", &[1, 0, 0, 0, 0, 0, 0, 0, 9, b'a'], &[3, 255, 255, 255, 255, 255, 255, 255, 255]]
        {
            assert_eq!(decode(&StorageTag::new(bytes)), None);
        }
        assert_eq!(Tag::of(text("W/\"weak\""), None), None);
        assert_eq!(Tag::of(text(""), text("")), None);
    }
}
