//! [`KeyringStorage`], the trait of a storage for a sealed keyring, and its answers.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// The answer of a [`KeyringStorage`].
pub type StorageFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'static>>;

/// A place for the sealed bytes of one keyring, such as an object store, a database or a coordination service.
/// Arguments are owned and futures are `'static`, so that a caller can time out or abandon a call.
///
/// An implementation moves bytes and compares tags. The library decides whether a stored keyring is acceptable. A
/// keyring file is one such storage.
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
///             Ok(match known == Some(tag.clone()) {
///                 true => Loaded::Unchanged,
///                 false => Loaded::Sealed(sealed.clone(), tag),
///             })
///         })
///     }
///
///     fn replace(
///         self: Arc<Self>,
///         sealed: Vec<u8>,
///         expected: Option<StorageTag>,
///     ) -> StorageFuture<Replaced> {
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
/// The library polls the futures on its own thread outside any async runtime, and on the caller's thread while a
/// keyring is opened or created. An implementation that needs a reactor runs it on its own thread. The futures must not
/// block. A future that takes longer than the keyring's [`wait`](crate::KeyringBuilder::wait) is dropped.
///
/// # Security
///
/// The root key seals the bytes, so a storage can neither read nor change a keyring. A storage can lose the keyring or
/// return an old one; a process that has seen a newer keyring refuses the old one.
pub trait KeyringStorage: Send + Sync + 'static {
    /// Reads the sealed bytes and their tag. Returns [`Loaded::Unchanged`] if the bytes still have the known tag.
    ///
    /// A read must see every replacement that was answered before the read began.
    ///
    /// # Errors
    ///
    /// Return `NotFound` if no bytes are stored, any other kind if the bytes cannot be read now.
    fn load(self: Arc<Self>, known: Option<StorageTag>) -> StorageFuture<Loaded>;

    /// Replaces the bytes that have the expected tag, atomically and durably. If no tag is expected, stores the bytes
    /// only if none are stored yet.
    ///
    /// # Errors
    ///
    /// Return an error only if nothing was stored. If that is not certain, return [`Replaced::Unknown`].
    fn replace(self: Arc<Self>, sealed: Vec<u8>, expected: Option<StorageTag>) -> StorageFuture<Replaced>;
}

/// A value that identifies one version of the stored bytes: an ETag, a revision, or the bytes themselves.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StorageTag(Arc<[u8]>);

impl StorageTag {
    /// Creates a tag from the storage's own value.
    pub fn new(tag: impl Into<Vec<u8>>) -> Self {
        Self(tag.into().into())
    }

    /// Returns the storage's own value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for StorageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageTag({} bytes)", self.0.len())
    }
}

/// The answer to [`KeyringStorage::load`]. `Debug` hides the sealed bytes: a passphrase can be guessed from them
/// offline.
#[derive(Clone)]
#[non_exhaustive]
pub enum Loaded {
    /// The bytes still have the known tag.
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

/// The answer to [`KeyringStorage::replace`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Replaced {
    /// The bytes are stored durably with this tag.
    Stored(StorageTag),
    /// Nothing was stored: the stored bytes have another tag, or bytes exist although none were expected.
    Conflict,
    /// The storage does not know whether the bytes are stored, for instance because an answer was lost. The library
    /// reads the keyring again; until a read shows the outcome, the change neither takes effect nor is discarded.
    Unknown,
}
