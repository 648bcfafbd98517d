//! What a walk finds, and what a store brings.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

use crate::envelope::Envelope;
use crate::object::ObjectName;
use crate::stream::Encryptor;

/// What a walk finds under one name.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    name: ObjectName,
    upload_id: Option<Vec<u8>>,
    envelope: Option<Vec<u8>>,
    stored_len: Option<u64>,
    position: Option<Vec<u8>>,
}

impl Entry {
    /// An object and its envelope as it is stored. Any bytes are taken; what is no envelope is reported.
    pub fn object(name: ObjectName, envelope: impl Into<Vec<u8>>) -> Self {
        Self { envelope: Some(envelope.into()), ..Self::plain(name) }
    }

    /// A multipart upload that is under way, and its envelope as it is stored.
    pub fn upload(name: ObjectName, upload_id: impl Into<Vec<u8>>, envelope: impl Into<Vec<u8>>) -> Self {
        Self { upload_id: Some(upload_id.into()), ..Self::object(name, envelope) }
    }

    /// An object that is stored without an envelope.
    pub fn plain(name: ObjectName) -> Self {
        Self { name, upload_id: None, envelope: None, stored_len: None, position: None }
    }

    /// The same entry with the length of its body in stored bytes.
    #[must_use]
    pub fn with_stored_len(self, stored_len: u64) -> Self {
        Self { stored_len: Some(stored_len), ..self }
    }

    /// The same entry with its place in the listing: whatever the listing goes on after. Without it, the object's key.
    ///
    /// No two entries of a walk have the same position. Where keys repeat (in several buckets, as versions, as uploads)
    /// give one.
    #[must_use]
    pub fn with_position(self, position: impl Into<Vec<u8>>) -> Self {
        Self { position: Some(position.into()), ..self }
    }

    /// The object's name.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// The id of the multipart upload, if it is one.
    pub fn upload_id(&self) -> Option<&[u8]> {
        self.upload_id.as_deref()
    }

    /// The envelope as it is stored; none of an object in the clear.
    pub fn envelope(&self) -> Option<&[u8]> {
        self.envelope.as_deref()
    }

    /// The length of the body in stored bytes, if it was given.
    pub fn stored_len(&self) -> Option<u64> {
        self.stored_len
    }

    /// What the listing goes on after.
    pub fn position(&self) -> &[u8] {
        self.position.as_deref().unwrap_or(self.name.key())
    }
}

/// Without the envelope, in which things made from keys stand.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("name", &self.name)
            .field("upload_id", &self.upload_id.as_deref().map(String::from_utf8_lossy))
            .field("envelope_len", &self.envelope.as_ref().map(Vec::len))
            .field("stored_len", &self.stored_len)
            .finish_non_exhaustive()
    }
}

/// What a store gives back: boxed, so that a store is one object whatever it does inside.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// A store whose envelopes can be replaced: a compare-and-swap, and a read for when it was lost.
pub trait EnvelopeStore: Send + Sync {
    /// Puts `new` in the place of the entry's envelope if that is still `old`, wholly or not at all; says whether.
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool>;

    /// The entry's envelope as it is now; `None` where the object or upload is gone, or is stored in the clear.
    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>>;
}

/// A store whose objects in the clear can be encrypted.
pub trait PlainStore: Send + Sync {
    /// Streams the entry's body through the encryptor, and commits the new body and the envelope together if the object
    /// is still the one in the clear that was listed; says whether.
    ///
    /// Until the commit readers find the old body without an envelope, after it the new one with it, and never one of
    /// each. What stays behind of the old body (copies, snapshots, free blocks) stays in the clear.
    fn encrypt<'a>(&'a self, entry: &'a Entry, envelope: Envelope, encryptor: Encryptor) -> StoreFuture<'a, bool>;
}
