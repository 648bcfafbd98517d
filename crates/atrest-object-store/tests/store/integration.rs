//! The integration functions of `object_store`, over each inner store in each placement, beside the bare store.

use atrest_object_store::{EncryptedStore, Placement};
use object_store::ObjectStore;
use object_store::integration;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::kit::Keys;

/// What the inner store can do.
#[derive(Clone, Copy)]
struct Can {
    update: bool,
}

/// Runs all functions that a plain `ObjectStore` can be given. The others need `MultipartStore`, `PaginatedListStore`
/// or HTTP: `multipart`, `multipart_with_opts`, `multipart_put_part_out_of_order`, `list_paginated`,
/// `response_extensions`.
async fn run(store: &dyn ObjectStore, can: Can) {
    integration::put_get_delete_list(store).await;
    integration::put_get_attributes(store).await;
    integration::get_opts(store).await;
    integration::put_opts(store, can.update).await;
    integration::list_uses_directories_correctly(store).await;
    integration::list_with_delimiter(store).await;
    let missing = integration::get_nonexistent_object(store, None).await.unwrap_err();
    assert!(matches!(missing, object_store::Error::NotFound { .. }), "{missing}");
    integration::rename_and_copy(store).await;
    integration::copy_if_not_exists(store).await;
    integration::copy_rename_nonexistent_object(store).await;
    integration::multipart_race_condition(store, true).await;
    integration::multipart_out_of_order(store).await;
    integration::list_with_offset_exclusivity(store).await;
}

async fn stream_get(store: &dyn ObjectStore) {
    integration::stream_get(store).await;
}

const MEMORY: Can = Can { update: true };
const LOCAL: Can = Can { update: false };

macro_rules! in_memory {
    ($($test:ident: $placement:expr, $configure:ident;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let built = |inner| {
                EncryptedStore::builder(inner, Keys::new().sse(), "lake").placement($placement).$configure().build()
            };
            run(&built(InMemory::new()).unwrap(), MEMORY).await;
            stream_get(&built(InMemory::new()).unwrap()).await;
        }
    )*};
}

/// Names of configurations that change nothing.
trait Unchanged: Sized {
    fn unchanged(self) -> Self {
        self
    }
}

impl<T: ObjectStore> Unchanged for atrest_object_store::EncryptedStoreBuilder<T> {}

in_memory! {
    a_store_with_envelopes_in_front_is_a_store: Placement::InFront, unchanged;
    a_store_with_envelopes_in_front_and_no_cache_is_a_store: Placement::InFront, without_cache;
    a_store_that_asks_for_the_envelope_first_is_a_store: Placement::InFront, envelope_first;
    a_store_with_envelopes_behind_is_a_store: Placement::Behind, unchanged;
    a_store_with_envelopes_behind_and_no_cache_is_a_store: Placement::Behind, without_cache;
    a_store_with_envelopes_in_attributes_is_a_store: Placement::Attributes, unchanged;
    an_unbound_store_is_a_store: Placement::InFront, unbound;
}

macro_rules! local {
    ($($test:ident: $placement:expr;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let built = |directory: &tempfile::TempDir| {
                let inner = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
                EncryptedStore::builder(inner, Keys::new().sse(), "lake").placement($placement).build().unwrap()
            };
            let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            run(&built(&one), LOCAL).await;
            stream_get(&built(&other)).await;
        }
    )*};
}

local! {
    a_directory_with_envelopes_in_front_is_a_store: Placement::InFront;
    a_directory_with_envelopes_behind_is_a_store: Placement::Behind;
}

#[tokio::test]
async fn the_bare_store_in_memory_passes_the_same_functions() {
    run(&InMemory::new(), MEMORY).await;
    stream_get(&InMemory::new()).await;
}

#[tokio::test]
async fn the_bare_directory_passes_the_same_functions() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&LocalFileSystem::new_with_prefix(one.path()).unwrap(), LOCAL).await;
    stream_get(&LocalFileSystem::new_with_prefix(other.path()).unwrap()).await;
}
