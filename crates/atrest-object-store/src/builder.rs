//! [`EncryptedStoreBuilder`].

use std::fmt;
use std::sync::Arc;

use atrest::geometry::CHUNK_LEN;
use atrest::{AnyMode, Sse, SseS3};
use object_store::path::Path;
use object_store::{Error, ObjectMeta, ObjectStore, Result};

use crate::cache::{Cache, CachePolicy};
use crate::call::CallOptions;
use crate::list::Foreign;
use crate::placement::{Layout, Placement};
use crate::store::{Binding, EncryptedStore, Filter, OnSkipped, Rule, Shared};

/// Builds an [`EncryptedStore`]; [`EncryptedStore::builder`] returns one. Every setter is optional.
pub struct EncryptedStoreBuilder<T> {
    inner: T,
    sse: Sse,
    mode: AnyMode,
    binding: Binding,
    placement: Placement,
    rule: Option<Rule>,
    unencrypted: Option<Filter>,
    foreign: Foreign,
    on_skipped: Option<OnSkipped>,
    cache: Option<CachePolicy>,
    at_once: bool,
    equal_parts: Option<usize>,
}

impl<T: ObjectStore> EncryptedStoreBuilder<T> {
    pub(crate) fn new(inner: T, sse: Sse, bucket: String) -> Self {
        Self {
            inner,
            sse,
            mode: SseS3.into(),
            binding: Binding { bucket, realm: String::new(), is_bound: true },
            placement: Placement::Behind,
            rule: None,
            unencrypted: None,
            foreign: Foreign::Skip,
            on_skipped: None,
            cache: Some(CachePolicy::default()),
            at_once: true,
            equal_parts: None,
        }
    }

    /// Sets the mode in which objects are written. The default is SSE-S3.
    ///
    /// Every object at a path has as many layers as the mode of that path, so that listings tell the right lengths: a
    /// store of DSSE-KMS names DSSE-KMS here or in a [`rule`](Self::rule).
    #[must_use]
    pub fn mode(self, mode: impl Into<AnyMode>) -> Self {
        Self { mode: mode.into(), ..self }
    }

    /// Sets the realm of the names that objects are bound to. The default is empty.
    #[must_use]
    pub fn realm(self, name: impl Into<String>) -> Self {
        let binding = Binding { realm: name.into(), ..self.binding };
        Self { binding, ..self }
    }

    /// Binds objects to no name, so that the inner store itself copies and renames them, unless the call or the
    /// [`rule`](Self::rule) of the new path names another mode or key.
    ///
    /// Use it for stores whose users rename large objects or many of them: a table format that commits by rename, for
    /// instance. With [`Placement::Attributes`] a copy or rename that must not replace an object is read and written
    /// all the same, since S3's own copy of that kind drops attributes.
    ///
    /// Such a copy is on record in the audit trail before it is made, as
    /// [`CopyObject`](atrest::audit::AuditOperation::CopyObject) with both names in the bucket and realm of this store.
    /// What the inner store answers is not. Every other event of an unbound store has no name.
    ///
    /// # Security
    ///
    /// An attacker who writes the inner store can then put any encrypted object in the place of any other one, and it
    /// opens there.
    #[must_use]
    pub fn unbound(self) -> Self {
        Self { binding: Binding { is_bound: false, ..self.binding }, ..self }
    }

    /// Sets where envelopes are stored. The default is [`Placement::Behind`].
    #[must_use]
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// Sets a rule that decides the mode, the requester and the access for a path, where neither the call nor the
    /// handle does. It is called once for each call, and for each object of a listing.
    #[must_use]
    pub fn rule(self, rule: impl Fn(&Path) -> CallOptions + Send + Sync + 'static) -> Self {
        Self { rule: Some(Arc::new(rule)), ..self }
    }

    /// Sets a filter that returns `true` for the paths of unencrypted objects. They are written, read, listed, copied
    /// and renamed as they are. The default is that there are none.
    ///
    /// Everywhere else an object that is not encrypted is refused by get and copy; `head` refuses it if no encrypted
    /// object has its length.
    ///
    /// # Security
    ///
    /// What an attacker who writes the inner store puts at such a path is returned as it is.
    #[must_use]
    pub fn unencrypted(self, filter: impl Fn(&Path) -> bool + Send + Sync + 'static) -> Self {
        Self { unencrypted: Some(Arc::new(filter)), ..self }
    }

    /// Sets what a listing does with an object whose length no encrypted object has. The default is [`Foreign::Skip`].
    #[must_use]
    pub fn foreign(self, foreign: Foreign) -> Self {
        Self { foreign, ..self }
    }

    /// Sets a function that is called with each object that a listing leaves out, with its stored length. It must not
    /// block.
    #[must_use]
    pub fn on_skipped(self, on_skipped: impl Fn(&ObjectMeta) + Send + Sync + 'static) -> Self {
        Self { on_skipped: Some(Arc::new(on_skipped)), ..self }
    }

    /// Sets how long and how many decryptors are kept.
    #[must_use]
    pub fn cache(self, policy: CachePolicy) -> Self {
        Self { cache: Some(policy), ..self }
    }

    /// Keeps no decryptor: every read asks for the key.
    #[must_use]
    pub fn without_cache(self) -> Self {
        Self { cache: None, ..self }
    }

    /// Requests the envelope before the range, and not both at once: one request less in flight, and a round trip more
    /// for the first range of an object.
    #[must_use]
    pub fn envelope_first(self) -> Self {
        Self { at_once: false, ..self }
    }

    /// Cuts the stored bytes of an upload into parts of `len` bytes each, with a shorter last one, for stores that
    /// demand it, as Cloudflare R2 does. The default is a stored part for each part of the caller.
    #[must_use]
    pub fn equal_parts(self, len: usize) -> Self {
        Self { equal_parts: Some(len), ..self }
    }

    /// Builds the store.
    ///
    /// # Errors
    ///
    /// Returns `NotSupported` if the envelope lies in the object and the `Sse` has no
    /// [fixed length](atrest::SseBuilder::envelope_len) for it, if the `Sse` has another
    /// [container](atrest::SseBuilder::container) than the placement, and if the parts of
    /// [`equal_parts`](Self::equal_parts) are shorter than a chunk.
    pub fn build(self) -> Result<EncryptedStore<T>> {
        let unsupported = |reason: &str| Error::NotSupported { source: reason.into() };
        let agrees = match (self.placement, self.sse.container()) {
            (Placement::InFront, Some(container)) => container.is_inline(),
            (Placement::Behind, Some(container)) => container.is_trailer(),
            (Placement::Attributes, container) => container.is_none(),
            (_, None) => true,
        };
        if !agrees {
            return Err(unsupported("the placement of the store is not the container of the Sse"));
        }
        let envelope_len = match (self.placement, self.sse.envelope_len()) {
            (Placement::Attributes, _) => 0,
            (_, Some(len)) => len,
            (_, None) => return Err(unsupported("an envelope in the object needs SseBuilder::envelope_len")),
        };
        if self.equal_parts.is_some_and(|len| (len as u64) < CHUNK_LEN) {
            return Err(unsupported("equal parts have at least 16,384 bytes"));
        }
        let shared = Shared {
            inner: self.inner,
            sse: self.sse,
            mode: self.mode,
            binding: self.binding,
            layout: Layout::new(self.placement, envelope_len),
            rule: self.rule,
            unencrypted: self.unencrypted,
            foreign: self.foreign,
            on_skipped: self.on_skipped,
            skipped: Default::default(),
            cache: self.cache.map(Cache::new),
            at_once: self.at_once,
            equal_parts: self.equal_parts,
            learnt: Default::default(),
        };
        Ok(EncryptedStore { shared: Arc::new(shared), options: CallOptions::new() })
    }
}

impl<T: ObjectStore> fmt::Debug for EncryptedStoreBuilder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedStoreBuilder")
            .field("inner", &self.inner)
            .field("sse", &self.sse)
            .field("binding", &self.binding)
            .field("placement", &self.placement)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
