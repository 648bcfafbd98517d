// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! [`Sweep`] and [`Inventory`]: walks over a whole store that rewrap envelopes, encrypt unencrypted objects, or report
//! how each object is encrypted.
//!
//! The caller lists the entries, and an [`EnvelopeStore`] replaces envelopes. A [`Sweep`] rewraps each envelope that is
//! not under the keyring's primary. The [`Report`] of a sweep says when an old version can be
//! [retired](crate::Keyring::retire), and its [`KmsUsage`] what is under each KMS key.
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Mutex;
//!
//! use atrest::rotation::{Entry, EnvelopeStore, StoreFuture, Sweep};
//! use atrest::{Keyring, ObjectName, RootKey, Sse, SseS3};
//!
//! #[derive(Default)]
//! struct Store(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);
//!
//! impl EnvelopeStore for Store {
//!     fn replace<'a>(
//!         &'a self,
//!         entry: &'a Entry,
//!         old: &'a [u8],
//!         new: &'a [u8],
//!     ) -> StoreFuture<'a, bool> {
//!         Box::pin(async move {
//!             let mut store = self.0.lock().unwrap();
//!             match store.get_mut(entry.name().key()) {
//!                 Some(stored) if stored == old => Ok({ *stored = new.to_vec(); true }),
//!                 _ => Ok(false),
//!             }
//!         })
//!     }
//!
//!     fn read<'a>(&'a self, entry: &'a Entry) -> StoreFuture<'a, Option<Vec<u8>>> {
//!         Box::pin(async move { Ok(self.0.lock().unwrap().get(entry.name().key()).cloned()) })
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let root_key = RootKey::create_file(folder.path().join("root.key"))?;
//! let keyring = Keyring::create_blocking(folder.path().join("keyring.atrest"), &root_key)?;
//! let sse = Sse::builder().keyring(keyring.clone()).build()?;
//! let store = Store::default();
//! for key in ["2026/cat.jpg", "2026/dog.jpg"] {
//!     let object = ObjectName::new("photos", key)?;
//!     let encrypted = sse.blocking().encrypt(&object, SseS3, b"meow")?;
//!     store.0.lock().unwrap().insert(key.into(), encrypted.envelope.encode());
//! }
//!
//! let old = keyring.primary();
//! keyring.blocking().rotate()?;
//! let listing = store.0.lock().unwrap().clone();
//! let entries = listing.into_iter().map(|(key, envelope)| {
//!     let name = ObjectName::new("photos", key).map_err(std::io::Error::other)?;
//!     Ok(Entry::object(name, envelope))
//! });
//! let report = Sweep::new(&sse).blocking().rewrap(entries, &store)?;
//! assert_eq!((report.counts().rewrapped, report.counts().problems), (2, 0));
//!
//! keyring.blocking().disable(old)?;
//! keyring.blocking().retire(old, report.usage().expect("the Sse has a keyring"))?;
//! # Ok(()) }
//! ```
//!
//! # Security
//!
//! A rewrap revokes nothing: a reader that could open the old envelope may have kept the data key. An [`Inventory`]
//! reports the mode and key that an envelope names; both are unauthenticated until the object is opened.
//!
//! Spec: manual, keys, "Rotation".

mod blocking;
mod codec;
mod cursor;
mod entry;
mod inventory;
mod kms_usage;
mod pace;
mod progress;
mod report;
mod sweep;
mod table;
mod target;
mod totals;
mod work;

pub use blocking::{BlockingInventory, BlockingSweep};
pub use cursor::Cursor;
pub use entry::{Entry, EnvelopeStore, StoreFuture, UnencryptedStore};
pub use inventory::{Inventory, InventoryRow};
pub use kms_usage::{KmsKeyUsage, KmsUsage};
pub use report::{EntryCounts, OutcomeCounts, Problem, ProblemKind, Report, Skipped, VersionCounts};
pub use sweep::{Sweep, SweepEvent};
pub use table::Status;
pub use target::Skip;
pub use totals::{InventoryTotal, InventoryTotals};
pub use work::EntryOutcome;
