//! The integration functions of `object_store`, over each inner store in each placement, beside the bare store.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};

use atrest_object_store::{EncryptedStore, EncryptedStoreBuilder, Placement};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use object_store::integration;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{Error, ObjectStore};

use crate::kit::Keys;

/// What the inner store can do.
#[derive(Clone, Copy)]
pub(crate) struct Can {
    pub(crate) update: bool,
}

type Function = fn(&dyn ObjectStore, Can) -> LocalBoxFuture<'_, ()>;

/// All functions that a plain `ObjectStore` can be given. The others need `MultipartStore`, `PaginatedListStore` or
/// HTTP: `multipart`, `multipart_with_opts`, `multipart_put_part_out_of_order`, `list_paginated`,
/// `response_extensions`.
pub(crate) const FUNCTIONS: [(&str, Function); 14] = [
    ("put_get_delete_list", |store, _| integration::put_get_delete_list(store).boxed_local()),
    ("put_get_attributes", |store, _| integration::put_get_attributes(store).boxed_local()),
    ("get_opts", |store, _| integration::get_opts(store).boxed_local()),
    ("put_opts", |store, can| integration::put_opts(store, can.update).boxed_local()),
    ("stream_get", |store, _| integration::stream_get(store).boxed_local()),
    ("list_uses_directories_correctly", |store, _| integration::list_uses_directories_correctly(store).boxed_local()),
    ("list_with_delimiter", |store, _| integration::list_with_delimiter(store).boxed_local()),
    ("get_nonexistent_object", |store, _| missing(store).boxed_local()),
    ("rename_and_copy", |store, _| integration::rename_and_copy(store).boxed_local()),
    ("copy_if_not_exists", |store, _| integration::copy_if_not_exists(store).boxed_local()),
    ("copy_rename_nonexistent_object", |store, _| integration::copy_rename_nonexistent_object(store).boxed_local()),
    ("multipart_race_condition", |store, _| integration::multipart_race_condition(store, true).boxed_local()),
    ("multipart_out_of_order", |store, _| integration::multipart_out_of_order(store).boxed_local()),
    ("list_with_offset_exclusivity", |store, _| integration::list_with_offset_exclusivity(store).boxed_local()),
];

async fn missing(store: &dyn ObjectStore) {
    let missing = integration::get_nonexistent_object(store, None).await.unwrap_err();
    assert!(matches!(missing, Error::NotFound { .. }), "{missing}");
}

/// Runs each function over a store of its own, and returns the names of those that fail.
pub(crate) async fn failing(can: Can, store: impl AsyncFn() -> Box<dyn ObjectStore>) -> Vec<&'static str> {
    let mut failing = Vec::new();
    for (name, function) in FUNCTIONS {
        let store = store().await;
        if AssertUnwindSafe(function(&*store, can)).catch_unwind().await.is_err() {
            failing.push(name);
        }
    }
    failing
}

pub(crate) const NONE: [&str; 0] = [];
const MEMORY: Can = Can { update: true };
const LOCAL: Can = Can { update: false };

/// Wraps an inner store.
pub(crate) fn encrypted<T: ObjectStore>(
    inner: T,
    placement: Placement,
    configure: impl FnOnce(EncryptedStoreBuilder<T>) -> EncryptedStoreBuilder<T>,
) -> Box<dyn ObjectStore> {
    let builder = EncryptedStore::builder(inner, Keys::new().sse(), "lake").placement(placement);
    Box::new(configure(builder).build().unwrap())
}

macro_rules! in_memory {
    ($($test:ident: $placement:expr, $configure:expr;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let store = async || encrypted(InMemory::new(), $placement, $configure);
            assert_eq!(failing(MEMORY, store).await, NONE);
        }
    )*};
}

in_memory! {
    a_store_with_envelopes_in_front_is_a_store: Placement::InFront, |b| b;
    a_store_with_envelopes_in_front_and_no_cache_is_a_store: Placement::InFront, |b| b.without_cache();
    a_store_that_asks_for_the_envelope_first_is_a_store: Placement::InFront, |b| b.envelope_first();
    a_store_with_envelopes_behind_is_a_store: Placement::Behind, |b| b;
    a_store_with_envelopes_behind_and_no_cache_is_a_store: Placement::Behind, |b| b.without_cache();
    a_store_with_envelopes_in_attributes_is_a_store: Placement::Attributes, |b| b;
    an_unbound_store_is_a_store: Placement::InFront, |b| b.unbound();
    an_unbound_store_with_envelopes_in_attributes_is_a_store: Placement::Attributes, |b| b.unbound();
}

/// A folder, and the number of folders in it.
struct Folders(tempfile::TempDir, AtomicUsize);

impl Folders {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap(), AtomicUsize::new(0))
    }

    fn next(&self) -> LocalFileSystem {
        let folder = self.0.path().join(self.1.fetch_add(1, Ordering::Relaxed).to_string());
        std::fs::create_dir(&folder).unwrap();
        LocalFileSystem::new_with_prefix(folder).unwrap()
    }
}

macro_rules! local {
    ($($test:ident: $placement:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let folders = Folders::new();
            let store = async || encrypted(folders.next(), $placement, |b| b);
            assert_eq!(failing(LOCAL, store).await, NONE);
        }
    )*};
}

local! {
    a_directory_with_envelopes_in_front_is_a_store: Placement::InFront;
    a_directory_with_envelopes_behind_is_a_store: Placement::Behind;
}

#[tokio::test]
async fn the_bare_store_in_memory_passes_the_same_functions() {
    assert_eq!(failing(MEMORY, async || Box::new(InMemory::new()) as Box<dyn ObjectStore>).await, NONE);
}

#[tokio::test]
async fn the_bare_directory_passes_the_same_functions() {
    let folders = Folders::new();
    assert_eq!(failing(LOCAL, async || Box::new(folders.next()) as Box<dyn ObjectStore>).await, NONE);
}
