//! [`BlockingSweep`] and [`BlockingInventory`]: walks for callers without a runtime.

use std::io;

use futures_util::stream;

use super::entry::{Entry, EnvelopeStore, UnencryptedStore};
use super::inventory::{Inventory, InventoryRow};
use super::report::Report;
use super::sweep::Sweep;
use super::totals::InventoryTotals;
use crate::error::Result;
use crate::mode::Mode;
use crate::offload::block_on;

/// A [`Sweep`] whose methods block the calling thread.
///
/// Do not use it inside an async runtime, where it would block a worker. Each method returns the errors of the same
/// method of [`Sweep`].
#[derive(Debug)]
pub struct BlockingSweep<'a>(Sweep<'a>);

#[expect(clippy::missing_errors_doc, reason = "the errors are those of the verb of Sweep with the same name")]
impl<'a> BlockingSweep<'a> {
    pub(super) fn new(sweep: Sweep<'a>) -> Self {
        Self(sweep)
    }

    /// Rewraps every envelope that is not under the keyring's primary: [`Sweep::rewrap`].
    pub fn rewrap(
        self,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        block_on(self.0.rewrap(stream::iter(entries), store))
    }

    /// Rewraps every envelope to another mode or key: [`Sweep::rewrap_to`].
    pub fn rewrap_to(
        self,
        mode: impl Mode,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        store: &dyn EnvelopeStore,
    ) -> Result<Report> {
        block_on(self.0.rewrap_to(mode, stream::iter(entries), store))
    }

    /// Encrypts every unencrypted object: [`Sweep::encrypt_unencrypted`].
    pub fn encrypt_unencrypted(
        self,
        mode: impl Mode,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        store: &dyn UnencryptedStore,
    ) -> Result<Report> {
        block_on(self.0.encrypt_unencrypted(mode, stream::iter(entries), store))
    }
}

/// An [`Inventory`] that blocks the calling thread.
///
/// Do not use it inside an async runtime, where it would block a worker. It returns the errors of [`Inventory::run`].
#[derive(Debug)]
pub struct BlockingInventory<'a>(Inventory<'a>);

#[expect(clippy::missing_errors_doc, reason = "the errors are those of Inventory::run")]
impl<'a> BlockingInventory<'a> {
    pub(super) fn new(inventory: Inventory<'a>) -> Self {
        Self(inventory)
    }

    /// Calls `on_row` for every entry, and returns the totals: [`Inventory::run`].
    pub fn run(
        self,
        entries: impl IntoIterator<Item = io::Result<Entry>>,
        on_row: impl FnMut(&InventoryRow<'_>) -> io::Result<()>,
    ) -> Result<InventoryTotals> {
        block_on(self.0.run(stream::iter(entries), on_row))
    }
}
