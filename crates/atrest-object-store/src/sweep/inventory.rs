//! [`StoreInventory`], a walk that reports how each object is encrypted and changes nothing, and
//! [`StoreInventoryTotals`].

use std::fmt;
use std::io;

use atrest::KeyUsage;
use atrest::rotation::{Inventory, InventoryRow, InventoryTotals, KmsUsage};
use object_store::ObjectStore;
use object_store::path::Path;

use super::rewriter::{Limits, Rewriter};
use super::with_foreign;
use crate::store::EncryptedStore;

/// A walk over the objects under a prefix that reports how each is encrypted: the dry run of a
/// [sweep](super::StoreSweep). [`EncryptedStore::inventory`] returns one.
///
/// It reads each object's envelope in one small request, asks for no key and writes nothing.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use atrest::testing::MemoryKms;
/// use atrest::{KmsKeys, Sse, SseKms};
/// use atrest_object_store::EncryptedStore;
/// use object_store::memory::InMemory;
/// use object_store::{ObjectStoreExt, path::Path};
///
/// let kms = Arc::new(MemoryKms::new()); // in a service: AWS KMS, an HSM, ..
/// let (old, new) = (kms.create_key("old")?, kms.create_key("new")?);
/// let sse = Sse::builder().kms(kms, KmsKeys::only([&*old, &*new])).envelope_len(1024).build()?;
/// let store = EncryptedStore::builder(InMemory::new(), sse, "lake").mode(SseKms::new(&*old)).build()?;
/// store.put(&Path::from("cats.parquet"), "meow".into()).await?;
///
/// let before = store.inventory(None).run(|_| Ok(())).await?;
/// assert!(!before.kms_usage().expect("the whole store").is_unused(&old));
///
/// store.sweep(None).rewrap_to(SseKms::new(&*new)).await?;
/// let after = store.inventory(None).run(|_| Ok(())).await?;
/// assert!(after.kms_usage().expect("the whole store").is_unused(&old));
/// # Ok(()) }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
///
/// # Security
///
/// What an envelope says is not authenticated before its object is opened: an attacker who writes the store can forge
/// it.
#[must_use = "an inventory does nothing until run is called"]
pub struct StoreInventory<'a, T: ObjectStore> {
    store: &'a EncryptedStore<T>,
    prefix: Option<Path>,
    concurrency: usize,
}

/// The result of a [`StoreInventory`].
#[derive(Clone, Debug)]
pub struct StoreInventoryTotals {
    totals: InventoryTotals,
    kms_usage: Option<KmsUsage>,
    /// Whether the inventory has seen every object of the store, and knows each as encrypted.
    is_whole: bool,
}

impl<T: ObjectStore> EncryptedStore<T> {
    /// Returns an inventory of the objects under a prefix, or of all objects.
    pub fn inventory(&self, prefix: Option<&Path>) -> StoreInventory<'_, T> {
        StoreInventory { store: self, prefix: prefix.cloned(), concurrency: 8 }
    }
}

impl<T: ObjectStore> StoreInventory<'_, T> {
    /// Sets how many requests are in flight at once. The default is 8; 0 means 1.
    pub fn concurrency(self, requests: usize) -> Self {
        Self { concurrency: requests.max(1), ..self }
    }

    /// Calls `on_row` for every object, in the order of the inner store, and returns the totals. The
    /// [position](atrest::rotation::Entry::position) of a row's entry is the object's path.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Inventory::run`].
    pub async fn run(
        self,
        on_row: impl FnMut(&InventoryRow<'_>) -> io::Result<()>,
    ) -> atrest::Result<StoreInventoryTotals> {
        let rewriter = Rewriter::new(self.store, Limits { most: 0, in_parts: false, overwrites: false });
        let entries = rewriter.entries(self.prefix.as_ref(), None, self.concurrency);
        let totals = Inventory::new(&self.store.shared.sse).run(entries, on_row).await?;
        let foreign = rewriter.into_done().foreign;
        let is_whole = self.prefix.is_none();
        let kms_usage = is_whole.then(|| with_foreign(totals.kms_usage(), foreign));
        Ok(StoreInventoryTotals { totals, kms_usage, is_whole: is_whole && foreign == 0 })
    }
}

impl StoreInventoryTotals {
    /// Returns the totals by mode and key: of the objects under the prefix.
    ///
    /// An object whose length no encrypted object of the store has counts as unencrypted.
    pub fn totals(&self) -> &InventoryTotals {
        &self.totals
    }

    /// Returns how many objects are wrapped under each keyring version, for
    /// [`Keyring::retire`](atrest::Keyring::retire). `None` unless the inventory has seen the whole store: it is for a
    /// prefix, or it met objects whose length no encrypted object has.
    pub fn usage(&self) -> Option<&KeyUsage> {
        self.totals.usage().filter(|_| self.is_whole)
    }

    /// Returns how many objects are under each KMS key, to read before one is deleted. Objects whose length no
    /// encrypted object has count as [unclear](KmsUsage::unclear). `None` for a prefix.
    ///
    /// # Security
    ///
    /// Uploads under way, older versions of objects that the inner store keeps, and copies elsewhere are not counted;
    /// and a [`StoreKeyring`](crate::StoreKeyring) has a KMS key of its own.
    pub fn kms_usage(&self) -> Option<&KmsUsage> {
        self.kms_usage.as_ref()
    }
}

impl<T: ObjectStore> fmt::Debug for StoreInventory<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreInventory")
            .field("store", &self.store)
            .field("prefix", &self.prefix)
            .field("concurrency", &self.concurrency)
            .finish()
    }
}
