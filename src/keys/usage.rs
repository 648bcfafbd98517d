//! [`KeyUsage`]: counts what each version of a keyring wraps, as proof for retiring a version.

use std::collections::BTreeMap;

use super::keyring::Keyring;
use super::keyring_state::{KeyringState, VersionState};
use crate::error::{KeyringError, Result};

/// Counts of objects and uploads under each version of one keyring, from a walk over the whole store.
///
/// A [sweep](crate::rotation::Sweep) or an [inventory](crate::rotation::Inventory) produces the counts. A service with
/// an index of its envelopes can count them itself:
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::{KeyUsage, Keyring};
/// let keyring = Keyring::generate()?.with_changes_lost_on_exit();
/// let old = keyring.primary();
/// keyring.blocking().rotate()?;
/// // Begin when the version wraps nothing any more, before the first entry is read.
/// let mut usage = KeyUsage::begin(&keyring);
/// usage.add(2, 120_000, 3);
/// usage.finish(); // after every object, object version and upload was added
/// keyring.blocking().disable(old)?;
/// keyring.blocking().retire(old, &usage)?;
/// # Ok(()) }
/// ```
///
/// A version that was created after the walk began is not counted, so this usage cannot retire it.
///
/// # Security
///
/// After a keyring was restored from a backup or rebuilt from its versions, discard all earlier usages, reports and
/// cursors: they describe another history, and the library cannot always tell the two histories apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    pub(crate) key_id: String,
    /// The generation of the keyring when the walk began.
    pub(crate) generation: u64,
    pub(crate) primary: u32,
    /// The versions of the keyring when the walk began.
    pub(crate) versions: BTreeMap<u32, VersionUsage>,
    pub(crate) unclear: u64,
    pub(crate) finished: bool,
}

/// The counts of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionUsage {
    /// The state of the version when the walk began.
    pub(crate) state: VersionState,
    pub(crate) objects: u64,
    pub(crate) uploads: u64,
}

impl KeyUsage {
    /// Creates an empty usage for a walk that begins now.
    pub fn begin(keyring: &Keyring) -> Self {
        let state = keyring.state();
        let unused = |state: VersionState| VersionUsage { state, objects: 0, uploads: 0 };
        Self {
            key_id: state.key_id.to_string(),
            generation: state.generation,
            primary: state.primary,
            versions: state.versions.iter().map(|(number, version)| (*number, unused(version.state))).collect(),
            unclear: 0,
            finished: false,
        }
    }

    /// Adds objects and multipart uploads to the counts of a version.
    pub fn add(&mut self, version: u32, objects: u64, uploads: u64) {
        if let Some(usage) = self.versions.get_mut(&version) {
            usage.objects = usage.objects.saturating_add(objects);
            usage.uploads = usage.uploads.saturating_add(uploads);
        }
    }

    /// Adds entries of unknown version, such as damaged envelopes.
    pub fn add_unclear(&mut self, entries: u64) {
        self.unclear = self.unclear.saturating_add(entries);
    }

    /// Marks the walk as finished: every entry that existed when the walk began was counted.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Returns the key id of the keyring.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the version that was the primary when the walk began.
    pub fn primary(&self) -> u32 {
        self.primary
    }

    /// Returns whether the walk is finished.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns the versions at the start of the walk in ascending order, each with its counts of objects and uploads.
    pub fn versions(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.versions.iter().map(|(number, usage)| (*number, usage.objects, usage.uploads))
    }

    /// Returns the number of entries of unknown version.
    pub fn unclear(&self) -> u64 {
        self.unclear
    }

    /// Checks that the usage proves that a version of this keyring wraps nothing.
    ///
    /// # Errors
    ///
    /// Returns the reason why the usage is no proof.
    pub(super) fn check_unused(&self, now: &KeyringState, version: u32) -> Result<(), KeyringError> {
        if let Some(VersionUsage { objects, uploads, .. }) = self.versions.get(&version).copied()
            && (objects, uploads) != (0, 0)
        {
            return Err(KeyringError::VersionInUse { version, objects, uploads });
        }
        if !self.finished {
            return Err(KeyringError::UsageUnfinished);
        }
        if self.primary == version || self.may_have_been_primary_since(now, version) {
            return Err(KeyringError::UsageOutdated(version));
        }
        if self.unclear > 0 {
            return Err(KeyringError::UsageUnclear(self.unclear));
        }
        Ok(())
    }

    /// Returns whether a version that is disabled now may have been the primary since the walk began.
    ///
    /// A keyring does not remember its former primaries, but counts its changes, and each change concerns one version.
    /// A version needs two changes to become the primary and then be disabled. So it was not the primary if at most one
    /// change is left after every other version's least number of changes is subtracted. If fewer changes were counted
    /// than the states need, the keyring has another history: it was restored from a backup or rebuilt.
    fn may_have_been_primary_since(&self, now: &KeyringState, version: u32) -> bool {
        let numbers = self.versions.keys().chain(now.versions.keys().filter(|n| !self.versions.contains_key(*n)));
        let others = numbers.filter(|number| **number != version).map(|number| {
            let before = self.versions.get(number).map(|usage| usage.state);
            least_changes(before, now.versions.get(number).map(|version| version.state))
        });
        let explained: u64 = others.sum();
        let Some(before) = self.versions.get(&version) else {
            return true;
        };
        let own = least_changes(Some(before.state), now.versions.get(&version).map(|version| version.state));
        match now.generation.checked_sub(self.generation) {
            Some(changes) => !(explained.saturating_add(own)..=explained.saturating_add(1)).contains(&changes),
            None => true,
        }
    }
}

/// Returns the least number of changes from one state of a version to another; `None` means that no version exists.
fn least_changes(before: Option<VersionState>, now: Option<VersionState>) -> u64 {
    use VersionState::{Disabled, Enabled, Staged};

    match (before, now) {
        (None, Some(Disabled)) | (Some(Enabled), None) => 2,
        (before, now) if before == now => 0,
        // No change leads back to staged, so this counts as no change.
        (Some(_), Some(Staged)) => 0,
        _ => 1,
    }
}
