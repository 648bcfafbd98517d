//! Listings: [`Foreign`], and plaintext lengths from stored ones.

use std::sync::atomic::Ordering;

use object_store::{ObjectMeta, ObjectStore, Result};

use crate::error::StoreError;
use crate::store::Shared;

/// What a listing does with an object whose stored length no encrypted object has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// Leaves it out, [counts](crate::EncryptedStore::skipped) it, and tells
    /// [`on_skipped`](crate::EncryptedStoreBuilder::on_skipped).
    #[default]
    Skip,
    /// Returns an error in its place, and goes on. A listing with delimiter, which is one answer, fails.
    Report,
}

impl<T: ObjectStore> Shared<T> {
    /// Describes a listed object by its plaintext length; returns `None` if it is left out.
    pub(crate) fn described(&self, mut meta: ObjectMeta) -> Option<Result<ObjectMeta>> {
        if self.is_unencrypted(&meta.location) {
            return Some(Ok(meta));
        }
        let layers = self.ruled(&meta.location).mode().unwrap_or(&self.mode).id().layers();
        match (self.layout.plaintext_len(layers, meta.size), self.foreign) {
            (Some(len), _) => {
                meta.size = len;
                Some(Ok(meta))
            }
            (None, Foreign::Report) => Some(Err(StoreError::NotEncrypted.at(&meta.location))),
            (None, Foreign::Skip) => {
                self.skipped.fetch_add(1, Ordering::Relaxed);
                if let Some(on_skipped) = &self.on_skipped {
                    on_skipped(&meta);
                }
                None
            }
        }
    }
}
