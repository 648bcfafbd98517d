//! [`Entry`], and the traits that a store implements: [`EnvelopeStore`] and [`UnencryptedStore`].

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use crate::envelope::Envelope;
use crate::object::ObjectName;
use crate::stream::Encryptor;

/// One entry of a store's listing: an object or a multipart upload under way.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    name: ObjectName,
    upload_id: Option<Vec<u8>>,
    envelope: Option<Vec<u8>>,
    unread: bool,
    stored_len: Option<u64>,
    position: Option<Vec<u8>>,
}

impl Entry {
    /// Creates an entry for an object with its stored envelope. The bytes are not checked here; a walk reports bytes
    /// that do not decode.
    pub fn object(name: ObjectName, envelope: impl Into<Vec<u8>>) -> Self {
        Self { envelope: Some(envelope.into()), ..Self::unencrypted(name) }
    }

    /// Creates an entry for a multipart upload under way with its stored envelope.
    pub fn upload(name: ObjectName, upload_id: impl Into<Vec<u8>>, envelope: impl Into<Vec<u8>>) -> Self {
        Self { upload_id: Some(upload_id.into()), ..Self::object(name, envelope) }
    }

    /// Creates an entry for an unencrypted object: one that is stored without an envelope.
    pub fn unencrypted(name: ObjectName) -> Self {
        Self { name, upload_id: None, envelope: None, unread: false, stored_len: None, position: None }
    }

    /// Creates an entry for an object whose envelope could not be read while it was listed. A sweep that rewraps reads
    /// it by [`EnvelopeStore::read`]; if that fails too, the object is a problem and the sweep goes on. Every other
    /// walk reports a problem.
    pub fn unread(name: ObjectName) -> Self {
        Self { unread: true, ..Self::unencrypted(name) }
    }

    /// Sets the length of the body in stored bytes.
    #[must_use]
    pub fn with_stored_len(self, stored_len: u64) -> Self {
        Self { stored_len: Some(stored_len), ..self }
    }

    /// Sets the position in the listing, after which a resumed listing continues. The default is the object's key.
    ///
    /// Each entry of a walk needs a position of its own. Set the position if keys repeat: in several buckets, as
    /// versions, as uploads.
    #[must_use]
    pub fn with_position(self, position: impl Into<Vec<u8>>) -> Self {
        Self { position: Some(position.into()), ..self }
    }

    /// Returns the object's name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// Returns the id of the multipart upload, if the entry is one.
    pub fn upload_id(&self) -> Option<&[u8]> {
        self.upload_id.as_deref()
    }

    /// Returns the stored envelope; `None` for an unencrypted object, and if the envelope was [not
    /// read](Self::unread).
    pub fn envelope(&self) -> Option<&[u8]> {
        self.envelope.as_deref()
    }

    /// Returns whether the envelope could not be read while the object was listed.
    pub fn is_unread(&self) -> bool {
        self.unread
    }

    /// Returns the length of the body in stored bytes, if it was given.
    pub fn stored_len(&self) -> Option<u64> {
        self.stored_len
    }

    /// Returns the position after which a resumed listing continues.
    pub fn position(&self) -> &[u8] {
        self.position.as_deref().unwrap_or(self.name.key())
    }
}

/// Omits the envelope, because it holds values made from keys.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("upload_id", &self.upload_id.as_deref().map(String::from_utf8_lossy))
            .field("envelope_len", &self.envelope.as_ref().map(Vec::len))
            .field("unread", &self.unread)
            .field("stored_len", &self.stored_len)
            .finish_non_exhaustive()
    }
}

/// The boxed future that a method of a store returns.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A store whose envelopes a sweep can read and replace by compare-and-swap.
///
/// An error points to a store that is down, see [`Sweep::give_up_after`](super::Sweep::give_up_after), unless it is of
/// the kind [`FileTooLarge`](io::ErrorKind::FileTooLarge): that one is about its entry alone.
pub trait EnvelopeStore: Send + Sync {
    /// Replaces the entry's envelope by `new`, atomically, if the stored envelope is still `old`. Returns whether it
    /// replaced the envelope.
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool>;

    /// Reads the entry's current envelope. Returns `None` if the object or upload no longer exists or is unencrypted.
    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>>;
}

/// A store whose unencrypted objects a sweep can encrypt. Its errors count as those of an [`EnvelopeStore`].
pub trait UnencryptedStore: Send + Sync {
    /// Encrypts the entry's body with `encryptor`, and commits the new body together with `envelope` if the object is
    /// still the unencrypted one that was listed. Returns whether it committed.
    ///
    /// Before the commit, readers see the old body without an envelope; after the commit, the new body with its
    /// envelope; never a mixture. Copies, snapshots and free blocks of the old body remain unencrypted.
    fn encrypt<'a>(&'a self, entry: &'a Entry, envelope: Envelope, encryptor: Encryptor) -> StoreFuture<'a, bool>;
}
