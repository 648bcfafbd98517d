//! One walk over all that a store holds: to rewrap it, to list how it is encrypted, to encrypt what is in the clear.
//!
//! The store lists its entries and swaps one envelope for another; the rest is here. A [`Sweep`] rewraps what is not
//! under the keyring's primary, and its report says when an old version can be [retired](crate::Keyring::retire).
//!
//! ```
//! use std::collections::BTreeMap;
//! use std::sync::Mutex;
//!
//! use atrest::rotation::{Entry, EnvelopeStore, StoreFuture, Sweep};
//! use atrest::{Keyring, ObjectName, Sse, SseS3};
//!
//! #[derive(Default)]
//! struct Store(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);
//!
//! impl EnvelopeStore for Store {
//!     fn replace<'a>(&'a self, entry: &'a Entry, old: &'a [u8], new: &'a [u8]) -> StoreFuture<'a, bool> {
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
//! # fn main() -> atrest::Result<()> {
//! let keyring = Keyring::generate()?.with_changes_lost_on_exit(); // only for this example: keep yours in a file
//! let sse = Sse::builder().keyring(keyring.clone()).build()?;
//! let store = Store::default();
//! for key in ["2026/cat.jpg", "2026/dog.jpg"] {
//!     let encrypted = sse.blocking().encrypt(&ObjectName::new("photos", key)?, SseS3, b"meow")?;
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
//! let report = Sweep::new(&sse).rewrap_blocking(entries, &store)?;
//! assert_eq!((report.counts().rewrapped, report.counts().problems), (2, 0));
//!
//! keyring.blocking().disable(old)?;
//! keyring.blocking().retire(old, report.usage().expect("the Sse has a keyring"))?;
//! # Ok(()) }
//! ```
//!
//! # Security
//!
//! A rewrap revokes nothing, and what an envelope says of its key is not authenticated until it is opened: an
//! [`Inventory`] lists what stands there.
//!
//! Spec: manual, keys, "Rotation".

mod codec;
mod cursor;
mod elsewhere;
mod entry;
mod inventory;
mod pace;
mod plain;
mod progress;
mod report;
mod sweep;
mod table;
mod totals;
mod work;

pub use cursor::Cursor;
pub use elsewhere::Skip;
pub use entry::{Entry, EnvelopeStore, PlainStore, StoreFuture};
pub use inventory::{Inventory, Row};
pub use report::{Counts, Problem, ProblemKind, Report, Skipped, Tally, VersionCounts};
pub use sweep::{Event, Sweep};
pub use table::Status;
pub use totals::{Total, Totals};
pub use work::Outcome;
