//! [`KeyringStorage`]: where the sealed bytes of a keyring are kept.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// What a storage answers in its own time.
pub type StorageFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'static>>;

/// Where the sealed bytes of one keyring are kept: an object store, a database, a coordination service. Two methods,
/// with owned arguments and `'static` futures, so that a call can be timed out or abandoned.
///
/// A keyring file is one such storage. What makes a stored keyring acceptable is decided above it, by the library: an
/// implementation moves bytes, and compares tags.
///
/// ```
/// use std::io;
/// use std::sync::{Arc, Mutex};
/// use atrest::{Keyring, KeyringStorage, Loaded, Replaced, RootKey, StorageFuture, StorageTag};
///
/// /// Stands for a table with one row: the bytes and how often they were replaced.
/// #[derive(Default)]
/// struct Row(Mutex<Option<(u64, Vec<u8>)>>);
///
/// impl KeyringStorage for Row {
///     fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded> {
///         Box::pin(async move {
///             let row = self.0.lock().unwrap();
///             let (number, sealed) = row.as_ref().ok_or(io::ErrorKind::NotFound)?;
///             let tag = StorageTag::new(number.to_be_bytes());
///             Ok(if known == Some(tag.clone()) { Loaded::Unchanged } else { Loaded::Sealed(sealed.clone(), tag) })
///         })
///     }
///
///     fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced> {
///         Box::pin(async move {
///             let mut row = self.0.lock().unwrap();
///             let tag = row.as_ref().map(|(number, _)| StorageTag::new(number.to_be_bytes()));
///             if tag != expected {
///                 return Ok(Replaced::Conflict);
///             }
///             let number = row.as_ref().map_or(1, |(number, _)| number + 1);
///             *row = Some((number, sealed));
///             Ok(Replaced::Stored(StorageTag::new(number.to_be_bytes())))
///         })
///     }
/// }
/// # fn main() -> atrest::Result<()> {
/// # let root_key = RootKey::generate()?;
/// let row = Arc::new(Row::default());
/// let keyring = Keyring::builder_in(row.clone()).create_blocking(&root_key)?;
/// keyring.blocking().rotate()?;
/// let opened = Keyring::builder_in(row).open_blocking(&root_key)?;
/// assert_eq!(opened.primary(), 2);
/// # Ok(()) }
/// ```
///
/// The futures are polled on a thread of the library's own, outside any async runtime, and while a keyring is opened or
/// created on the caller's. An implementation that needs a reactor brings its own. The futures do not block. One that
/// does not end within the keyring's [`wait`](crate::KeyringBuilder::wait) is dropped.
///
/// # Security
///
/// The bytes are sealed under the root key: a storage can neither read nor change a keyring. It can give an old one,
/// which a keyring that has seen a newer one refuses; and it can lose it.
pub trait KeyringStorage: Send + Sync + 'static {
    /// Reads the sealed bytes and their tag, or says that they are still those of the tag.
    ///
    /// A read sees every replacement that was answered before the read began.
    ///
    /// # Errors
    ///
    /// `NotFound`: there are no bytes. Any other: they cannot be read now.
    fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded>;

    /// Replaces the bytes of a tag by these, in one step and durably; without a tag, stores them if there are none yet.
    ///
    /// # Errors
    ///
    /// Nothing was stored. Where that is not certain the answer is [`Replaced::Unknown`].
    fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced>;
}

/// What tells the stored bytes of one moment from those of any other: an ETag, a revision, the bytes themselves.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StorageTag(Arc<[u8]>);

impl StorageTag {
    /// The tag that the storage knows the bytes by.
    pub fn new(tag: impl Into<Vec<u8>>) -> Self {
        Self(tag.into().into())
    }

    /// The tag as the storage gave it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for StorageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageTag({} bytes)", self.0.len())
    }
}

/// What [`KeyringStorage::load`] found. `Debug` shows no sealed bytes: under a passphrase they can be guessed at
/// offline.
#[derive(Clone)]
#[non_exhaustive]
pub enum Loaded {
    /// The bytes are still those of the tag that was given.
    Unchanged,
    /// The sealed bytes, and their tag.
    Sealed(Vec<u8>, StorageTag),
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => f.write_str("Unchanged"),
            Self::Sealed(sealed, tag) => write!(f, "Sealed({} bytes, {tag:?})", sealed.len()),
        }
    }
}

/// How [`KeyringStorage::replace`] ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Replaced {
    /// The bytes are stored durably; this is their tag.
    Stored(StorageTag),
    /// Nothing was stored: the bytes that are there have another tag, or there are bytes where none were expected.
    Conflict,
    /// Whether the bytes are stored is not known, such as where an answer was lost. The keyring is read again, and the
    /// change neither takes effect nor is forgotten until a read tells.
    Unknown,
}
