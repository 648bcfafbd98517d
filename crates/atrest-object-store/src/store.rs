//! [`EncryptedStore`], and the state that its handles share.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use atrest::{AnyMode, ObjectName, Sse};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Extensions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::builder::EncryptedStoreBuilder;
use crate::cache::Cache;
use crate::call::{Call, CallOptions};
use crate::copy::judged_by;
use crate::error;
use crate::list::Foreign;
use crate::placement::Layout;
use crate::request::Learnt;

/// A rule that returns the options for a path; see [`EncryptedStoreBuilder::rule`].
pub(crate) type Rule = Arc<dyn Fn(&Path) -> CallOptions + Send + Sync>;
/// A filter of the paths of unencrypted objects; see [`EncryptedStoreBuilder::unencrypted`].
pub(crate) type Filter = Arc<dyn Fn(&Path) -> bool + Send + Sync>;
/// A function that is called with each object that a listing leaves out; see [`EncryptedStoreBuilder::on_skipped`].
pub(crate) type OnSkipped = Arc<dyn Fn(&ObjectMeta) + Send + Sync>;

/// The name that objects are bound to, apart from their path.
#[derive(Clone, Debug)]
pub(crate) struct Binding {
    pub(crate) bucket: String,
    pub(crate) realm: String,
    pub(crate) is_bound: bool,
}

impl Binding {
    /// Returns the whole name of an object, also of one that is not bound to it.
    pub(crate) fn name(&self, location: &Path) -> atrest::Result<ObjectName> {
        ObjectName::new(&self.bucket, location.as_ref())?.with_realm(&self.realm)
    }
}

/// What all handles of one store share.
pub(crate) struct Shared<T> {
    pub(crate) inner: T,
    pub(crate) sse: Sse,
    pub(crate) mode: AnyMode,
    pub(crate) binding: Binding,
    pub(crate) layout: Layout,
    pub(crate) rule: Option<Rule>,
    pub(crate) unencrypted: Option<Filter>,
    pub(crate) foreign: Foreign,
    pub(crate) on_skipped: Option<OnSkipped>,
    pub(crate) skipped: AtomicU64,
    pub(crate) cache: Option<Cache>,
    pub(crate) at_once: bool,
    pub(crate) equal_parts: Option<usize>,
    pub(crate) learnt: Learnt,
}

impl<T: ObjectStore> Shared<T> {
    /// Returns whether objects at this path are stored as they are.
    pub(crate) fn is_unencrypted(&self, location: &Path) -> bool {
        self.unencrypted.as_ref().is_some_and(|filter| filter(&judged_by(location)))
    }

    /// Returns what the rule decides for a path.
    pub(crate) fn ruled(&self, location: &Path) -> CallOptions {
        self.rule.as_ref().map(|rule| rule(&judged_by(location))).unwrap_or_default()
    }

    /// Settles the options of a call; `options` are those of the call and of the handle.
    pub(crate) fn call(&self, location: &Path, options: CallOptions) -> Result<Call> {
        let ruled = self.ruled(location);
        let mode = ruled.mode().unwrap_or(&self.mode).clone();
        let name = self.name(location).map_err(|error| error::of(location, error))?;
        Ok(Call::new(location, name, &self.sse, options.or(ruled), mode))
    }

    fn name(&self, location: &Path) -> atrest::Result<ObjectName> {
        if self.binding.is_bound { self.binding.name(location) } else { Ok(ObjectName::unbound()) }
    }

    /// Returns whether range and envelope are requested at once.
    pub(crate) fn speculates(&self) -> bool {
        self.at_once && !self.learnt.has_no_e_tags()
    }

    /// Drops the kept decryptor of an object.
    pub(crate) fn forget(&self, call: &Call, version: Option<&str>) {
        if let Some(cache) = &self.cache {
            cache.forget(call, version);
        }
    }

    /// Returns the error of a call of the `Sse`. If a key may no longer be used, all kept decryptors are dropped.
    pub(crate) fn refused(&self, call: &Call, error: atrest::Error) -> object_store::Error {
        if let Some(cache) = self.cache.as_ref().filter(|_| error::is_refusal(&error)) {
            cache.purge();
        }
        error::of(&call.location, error)
    }
}

/// An [`ObjectStore`] whose objects are encrypted in another one.
///
/// A handle is cheap to clone; all clones share one state. [`builder`](Self::builder) shows how to make one.
///
/// | method | requests to the inner store |
/// |---|---|
/// | put | 1, in every put mode |
/// | put in parts | those of the same parts; the last part is held back until `complete` |
/// | get | 1, or 2 at once, as [`Placement`](crate::Placement) says |
/// | get of more than 64 MiB of an object that was put in parts | 1 more, for the object's end |
/// | get_ranges | those of the joined ranges, and at most 1 for the envelope |
/// | head, lists | the same as without encryption; lengths are computed from stored lengths |
/// | copy, rename | reads the object and writes it, in parts if it is longer than 8 MiB |
/// | copy, rename, [unbound](EncryptedStoreBuilder::unbound) | the same as without encryption, but for the next row |
/// | the same, not replacing, with envelopes in attributes | reads the object and writes it |
/// | delete | the same as without encryption |
///
/// # Security
///
/// - Lengths in listings and of `head`, and the length of an object that was put in parts until its end is read, are
///   what the inner store says. Bytes are returned only after they are authenticated. The end of such an object is read
///   before more than 64 MiB of it are promised, so that a store that lies makes no caller reserve more than that.
/// - An attacker who writes the inner store can delete an object and put back an older version of it: a version id is
///   not known when an object is encrypted, and so is not part of the name that it is bound to.
/// - Attributes, tags and paths are stored as they are.
///
/// # Copies that are cut short
///
/// A copy that must not replace an object and is longer than 64 MiB is written beside its place first, since no upload
/// in parts has a condition: under the name of the place, a text of its own, and `.atrest-copy`. The inner store then
/// copies it to its place, if it can. (`AmazonS3` has to be told how, `with_copy_if_not_exists`; its own way drops
/// attributes. So with [`Placement::Attributes`](crate::Placement::Attributes) such a copy is refused.) The object
/// beside the place is deleted when the copy is made or has failed. The builder's filter and rule judge this object by
/// the place that it is meant for.
///
/// If the future of a copy is dropped, a task of the tokio runtime aborts the upload and deletes the object. Both stay
/// if there is no runtime, and if the runtime or the process ends before that task. An object also stays if its
/// deletion fails, or if the inner store makes it after that, by a request that it was still carrying out. An upload
/// also stays if the inner store had not answered its beginning. Find such objects by the end of their names, or with
/// [`StoreSweepReport::left_behind`](crate::StoreSweepReport::left_behind), and end uploads by a lifecycle rule of the
/// store.
///
/// # Performance
///
/// A part is sealed within the call of `put_part`, which is synchronous: some 0.2 ms for each MiB.
pub struct EncryptedStore<T: ObjectStore> {
    pub(crate) shared: Arc<Shared<T>>,
    pub(crate) options: CallOptions,
}

impl<T: ObjectStore> EncryptedStore<T> {
    /// Returns a builder of a store in `inner`, whose objects are bound to the logical bucket `bucket`.
    ///
    /// ```
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use atrest::{Keyring, Sse};
    /// use atrest_object_store::EncryptedStore;
    /// use object_store::memory::InMemory;
    /// use object_store::path::Path;
    /// use object_store::ObjectStoreExt;
    ///
    /// let sse = Sse::builder().keyring(Keyring::generate()?).envelope_len(1024).build()?;
    /// let store = EncryptedStore::builder(InMemory::new(), sse, "lake").build()?;
    /// let location = Path::from("2026/cats.parquet");
    /// store.put(&location, "meow".into()).await?;
    /// assert_eq!(store.get_range(&location, 1..3).await?, "eo");
    /// assert_eq!(store.head(&location).await?.size, 4);
    /// # Ok(()) }
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
    /// ```
    ///
    /// # Security
    ///
    /// The name is part of what each object is bound to. It is a name of the caller's own and not the bucket's URL, so
    /// that objects can be read after a restore or a replication into another bucket. Two stores with the same keys
    /// need two names, or two [realms](EncryptedStoreBuilder::realm), for their objects not to be exchangeable.
    ///
    /// Put a prefix on the same side at all times: `PrefixStore<EncryptedStore<T>>` and
    /// `EncryptedStore<PrefixStore<T>>` bind objects to different paths.
    pub fn builder(inner: T, sse: Sse, bucket: impl Into<String>) -> EncryptedStoreBuilder<T> {
        EncryptedStoreBuilder::new(inner, sse, bucket.into())
    }

    /// Returns a handle of the same store whose calls have these options where they bring none. Use it for calls that
    /// can bring none, such as [`get_ranges`](ObjectStore::get_ranges).
    #[must_use]
    pub fn with_options(&self, options: CallOptions) -> Self {
        Self { shared: self.shared.clone(), options: options.or(self.options.clone()) }
    }

    /// Returns the inner store, in which objects are encrypted.
    pub fn inner(&self) -> &T {
        &self.shared.inner
    }

    /// Drops all kept decryptors. See [`CachePolicy`](crate::CachePolicy).
    pub fn purge(&self) {
        if let Some(cache) = &self.shared.cache {
            cache.purge();
        }
    }

    /// Returns the number of decryptors that are kept.
    pub fn kept(&self) -> usize {
        self.shared.cache.as_ref().map_or(0, Cache::count)
    }

    /// Returns how many objects listings have left out so far, because no encrypted object has their length.
    pub fn skipped(&self) -> u64 {
        self.shared.skipped.load(Ordering::Relaxed)
    }

    /// Takes the options of a call out of its extensions, and adds those of the handle.
    fn options_in(&self, extensions: &mut Extensions) -> CallOptions {
        extensions.remove::<CallOptions>().unwrap_or_default().or(self.options.clone())
    }

    fn call(&self, location: &Path, extensions: &mut Extensions) -> Result<Call> {
        let options = self.options_in(extensions);
        self.shared.call(location, options)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ObjectStore> ObjectStore for EncryptedStore<T> {
    async fn put_opts(&self, location: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.shared.is_unencrypted(location) {
            options.extensions.remove::<CallOptions>();
            return self.shared.inner.put_opts(location, payload, options).await;
        }
        let call = self.call(location, &mut options.extensions)?;
        self.shared.put(&call, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        mut options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if self.shared.is_unencrypted(location) {
            options.extensions.remove::<CallOptions>();
            return self.shared.inner.put_multipart_opts(location, options).await;
        }
        let call = self.call(location, &mut options.extensions)?;
        Ok(Box::new(self.shared.begin_upload(&call, location, options).await?))
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        if self.shared.is_unencrypted(location) {
            options.extensions.remove::<CallOptions>();
            return self.shared.inner.get_opts(location, options).await;
        }
        let call = self.call(location, &mut options.extensions)?;
        self.shared.get(&call, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if self.shared.is_unencrypted(location) {
            return self.shared.inner.get_ranges(location, ranges).await;
        }
        let call = self.shared.call(location, self.options.clone())?;
        self.shared.ranges(&call, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.shared.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(self.shared.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.listed(self.shared.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.shared.inner.list_with_delimiter(prefix).await?;
        let objects = std::mem::take(&mut listed.objects);
        let objects = objects.into_iter().filter_map(|meta| self.shared.described(meta));
        listed.objects = objects.collect::<Result<_>>()?;
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, mut options: CopyOptions) -> Result<()> {
        let call = self.options_in(&mut options.extensions);
        self.shared.copy(from, to, call, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, mut options: RenameOptions) -> Result<()> {
        let call = self.options_in(&mut options.extensions);
        self.shared.rename(from, to, call, options).await
    }
}

impl<T: ObjectStore> EncryptedStore<T> {
    /// Replaces stored lengths by plaintext lengths.
    fn listed(&self, stored: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let shared = self.shared.clone();
        let described = move |meta: Result<ObjectMeta>| {
            let described = match meta {
                Ok(meta) => shared.described(meta),
                Err(error) => Some(Err(error)),
            };
            std::future::ready(described)
        };
        stored.filter_map(described).boxed()
    }
}

impl<T: ObjectStore> Clone for EncryptedStore<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), options: self.options.clone() }
    }
}

impl<T: ObjectStore> fmt::Display for EncryptedStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptedStore({})", self.shared.inner)
    }
}

/// Shows no key.
impl<T: ObjectStore> fmt::Debug for EncryptedStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptedStore")
            .field("inner", &self.shared.inner)
            .field("sse", &self.shared.sse)
            .field("binding", &self.shared.binding)
            .field("layout", &self.shared.layout)
            .field("cache", &self.shared.cache)
            .finish_non_exhaustive()
    }
}
