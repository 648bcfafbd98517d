//! [`Rewriter`]: the store as a sweep sees it, whose envelopes are read and replaced together with their body.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use atrest::rotation::{Entry, EnvelopeStore, StoreFuture};
use base64ct::{Base64, Encoding};
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, Error, GetOptions, ObjectMeta, ObjectStore, PutMode, PutOptions, PutPayload, Result, UpdateVersion,
};

use crate::call::Call;
use crate::copy::meant_for;
use crate::error::{STORE, StoreError, as_io};
use crate::placement::{Placement, attribute};
use crate::request::{ask, strong_e_tag};
use crate::source::Source;
use crate::store::{EncryptedStore, Shared};
use crate::unlock::of_answer;

/// The most paths that a report names.
const MAX_NAMED: usize = 1_000;

/// What a sweep has written, and what it has left out.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) rewritten: Vec<Path>,
    /// The stored bytes that were written.
    pub(super) len: u64,
    pub(super) too_long: Vec<Path>,
    pub(super) left_behind: Vec<Path>,
    /// The number of objects whose length no encrypted object has.
    pub(super) foreign: u64,
}

/// The store as a sweep sees it: envelopes that are read, and replaced together with their body.
pub(super) struct Rewriter<'a, T: ObjectStore> {
    store: &'a EncryptedStore<T>,
    limits: Limits,
    done: Mutex<Done>,
}

/// An object as the store describes it, with its envelope.
pub(super) struct Described {
    pub(super) meta: ObjectMeta,
    pub(super) attributes: Attributes,
    pub(super) envelope: Bytes,
}

/// How a sweep writes an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The most stored bytes of an object that is written in one request.
    pub(super) most: u64,
    /// Whether a longer object is written in parts.
    pub(super) in_parts: bool,
    /// Whether an object is replaced without a condition.
    pub(super) overwrites: bool,
}

impl<'s, T: ObjectStore> Rewriter<'s, T> {
    /// Creates the store of one sweep.
    pub(super) fn new(store: &'s EncryptedStore<T>, limits: Limits) -> Self {
        Self { store, limits, done: Mutex::default() }
    }

    /// Returns what was written and what was left out.
    pub(super) fn into_done(self) -> Done {
        self.done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn shared(&self) -> &Arc<Shared<T>> {
        &self.store.shared
    }

    /// Lists the objects with their envelopes, in the order of the inner store.
    pub(super) fn entries(
        &self,
        prefix: Option<&Path>,
        after: Option<Path>,
        at_once: usize,
    ) -> impl Stream<Item = io::Result<Entry>> {
        let inner = &self.shared().inner;
        let listed = match after {
            Some(after) => inner.list_with_offset(prefix, &after),
            None => inner.list(prefix),
        };
        let entries = listed.map(|meta| self.entry(meta)).buffered(at_once);
        entries.filter_map(|entry| std::future::ready(entry.transpose()))
    }

    /// Returns the entry of a listed object; `None` for unencrypted paths and for objects that are gone.
    async fn entry(&self, meta: Result<ObjectMeta>) -> io::Result<Option<Entry>> {
        let meta = meta.map_err(io::Error::other)?;
        if self.shared().is_unencrypted(&meta.location) {
            return Ok(None);
        }
        let call = self.call(&meta.location).map_err(as_io)?;
        let position = meta.location.as_ref().as_bytes().to_vec();
        if self.shared().layout.plaintext_len(call.layers, meta.size).is_none() {
            self.note(|done| done.foreign += 1);
            return Ok(Some(Entry::unencrypted(call.name).with_position(position)));
        }
        if meant_for(&meta.location).is_some() {
            self.note(|done| push(&mut done.left_behind, &meta.location));
        }
        let entry = match self.envelope(&call).await {
            Ok(None) => return Ok(None),
            Ok(Some(envelope)) => Entry::object(call.name, envelope.to_vec()),
            // The sweep asks once more, reports the object, and goes on.
            Err(_) => Entry::unread(call.name),
        };
        Ok(Some(entry.with_stored_len(meta.size).with_position(position)))
    }

    /// Reads the envelope of an object: `None` if there is no object.
    async fn envelope(&self, call: &Call) -> Result<Option<Bytes>> {
        Ok(self.described(call).await?.map(|described| described.envelope))
    }

    /// Reads the envelope of an object, and what the store says of it; `None` if there is no object.
    pub(super) async fn described(&self, call: &Call) -> Result<Option<Described>> {
        let shared = self.shared();
        let layout = shared.layout;
        let options = GetOptions { head: layout.placement() == Placement::Attributes, ..GetOptions::default() };
        let answer = match ask(&shared.inner, &shared.learnt, call, options, layout.envelope_request()).await {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (meta, attributes) = (answer.meta.clone(), answer.attributes.clone());
        let envelope = match (layout.placement(), layout.envelope(meta.size)) {
            // An object without an envelope; the sweep says so, and goes on.
            (Placement::Attributes, _) => shared.of_attributes(call, &attributes).unwrap_or_default(),
            // Too short an object has no envelope; the sweep says so.
            (_, None) => Bytes::new(),
            (_, Some(place)) => of_answer(answer, place).await?,
        };
        Ok(Some(Described { meta, attributes, envelope }))
    }

    /// Writes an object with another envelope if its envelope is still `old`. Returns whether it was written.
    async fn rewrite(&self, location: &Path, old: &[u8], new: &[u8]) -> Result<bool> {
        let (shared, call) = (self.shared(), self.call(location)?);
        let layout = shared.layout;
        let answer = match ask(&shared.inner, &shared.learnt, &call, GetOptions::default(), None).await {
            Ok(answer) => answer,
            Err(Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let (meta, mut attributes) = (answer.meta.clone(), answer.attributes.clone());
        let most = self.limits.most;
        if meta.size > most {
            self.note(|done| push(&mut done.too_long, location));
            return Err(generic(StoreSweepError::TooLong { stored_len: meta.size, most }));
        }
        let mode = self.replacing(&meta)?;
        let stored = Source::new(answer.payload, &answer.range).all_of(0..meta.size).await?;
        if stored.len() as u64 != meta.size {
            return Err(StoreError::OtherBytes.generic());
        }
        let of = |range: Range<u64>| stored.slice(in_memory(range.start)..in_memory(range.end));
        let (Some(body), new) = (layout.body(meta.size).map(of), Bytes::copy_from_slice(new)) else { return Ok(false) };
        let found = match layout.envelope(meta.size) {
            Some(place) => of(place),
            None => shared.of_attributes(&call, &attributes)?,
        };
        if found != old {
            return Ok(false);
        }
        let payload: PutPayload = match layout.placement() {
            Placement::InFront => [new, body].into_iter().collect(),
            Placement::Behind => [body, new].into_iter().collect(),
            Placement::Attributes => {
                attributes.insert(attribute(), Base64::encode_string(&new).into());
                body.into()
            }
        };
        let len = payload.content_length() as u64;
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        match shared.inner.put_opts(location, payload, options).await {
            Ok(_) => {
                self.wrote(location, len);
                Ok(true)
            }
            Err(Error::Precondition { .. } | Error::NotFound { .. }) => Ok(false),
            Err(Error::NotImplemented { .. }) => Err(generic(StoreSweepError::NoCondition)),
            Err(error) => Err(error),
        }
    }

    /// Returns whether objects are replaced without a condition.
    pub(super) fn overwrites(&self) -> bool {
        self.limits.overwrites
    }

    /// Counts an object that was written.
    pub(super) fn wrote(&self, location: &Path, len: u64) {
        self.note(|done| {
            push(&mut done.rewritten, location);
            done.len += len;
        });
    }

    /// Returns the mode of the put that replaces exactly this version of an object.
    fn replacing(&self, meta: &ObjectMeta) -> Result<PutMode> {
        let (e_tag, version) = (strong_e_tag(meta).cloned(), meta.version.clone());
        match (self.limits.overwrites, e_tag.is_some() || version.is_some()) {
            (true, _) => Ok(PutMode::Overwrite),
            (false, true) => Ok(PutMode::Update(UpdateVersion { e_tag, version })),
            (false, false) => Err(generic(StoreSweepError::NoCondition)),
        }
    }

    /// Returns the call for an object. One that a copy has left behind is bound to the name that it was meant for.
    fn call(&self, location: &Path) -> Result<Call> {
        let meant_for = meant_for(location);
        let call = self.shared().call(meant_for.as_ref().unwrap_or(location), self.store.options.clone())?;
        Ok(Call { location: location.clone(), ..call })
    }

    fn note(&self, note: impl FnOnce(&mut Done)) {
        note(&mut self.done.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl<T: ObjectStore> EnvelopeStore for Rewriter<'_, T> {
    fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
        Box::pin(async move {
            let location = location_of(entry)?;
            let Limits { most, in_parts, .. } = self.limits;
            let replaced = if in_parts && entry.stored_len().is_some_and(|len| len > most) {
                let call = self.call(&location).map_err(as_io)?;
                self.rewrite_in_parts(&call, old, new).await
            } else {
                self.rewrite(&location, old, new).await
            };
            replaced.map_err(not_replaced)
        })
    }

    fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let call = self.call(&location_of(entry)?).map_err(as_io)?;
            let envelope = self.envelope(&call).await.map_err(as_io)?;
            Ok(envelope.map(|envelope| envelope.to_vec()))
        })
    }
}

/// Returns the path that an entry was made of.
fn location_of(entry: &Entry) -> io::Result<Path> {
    let text = std::str::from_utf8(entry.position()).map_err(io::Error::other)?;
    Path::parse(text).map_err(io::Error::other)
}

/// Returns the error of a replacement. Its kind says why: that is what a report shows of it.
fn not_replaced(error: Error) -> io::Error {
    let refused = match &error {
        Error::Generic { source, .. } => source.downcast_ref(),
        _ => None,
    };
    let kind = match refused {
        Some(StoreSweepError::TooLong { .. }) => io::ErrorKind::FileTooLarge,
        Some(StoreSweepError::NoCondition) => io::ErrorKind::Unsupported,
        None => return as_io(error),
    };
    io::Error::new(kind, error)
}

fn push(paths: &mut Vec<Path>, path: &Path) {
    if paths.len() < MAX_NAMED {
        paths.push(path.clone());
    }
}

fn in_memory(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

pub(super) fn generic(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Generic { store: STORE, source: source.into() }
}

/// The reason why a sweep left an object as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreSweepError {
    #[error(
        "the object has {stored_len} stored bytes, and the sweep writes at most {most} in one request: \
         StoreSweep::max_object_len, StoreSweep::in_parts"
    )]
    TooLong { stored_len: u64, most: u64 },
    #[error("the store has no conditional put, so another writer could be overwritten: StoreSweep::overwriting")]
    NoCondition,
}
