//! [`KeyUsage`]: counts of what each version of a keyring wraps, the proof for retiring a version.

use std::collections::BTreeMap;

use super::keyring::Keyring;
use super::keyring_state::{KeyringState, VersionState};
use crate::error::{KeyringError, Result};

/// Counts of the objects and uploads under each version of one keyring, from a walk over the whole store.
///
/// A [sweep](crate::rotation::Sweep) and an [inventory](crate::rotation::Inventory) count it. A service with an index
/// of its envelopes counts its own:
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
/// A version that was created after the walk began is not counted, so the usage cannot retire it.
///
/// # Security
///
/// After a keyring was restored from a backup or rebuilt from its versions, discard every earlier usage, report and
/// cursor: they describe another history, and the library cannot always tell the two histories apart.
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
    /// Creates the empty usage of a walk that begins now.
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

    /// Adds entries whose version is not known, such as damaged envelopes.
    pub fn add_unclear(&mut self, entries: u64) {
        self.unclear = self.unclear.saturating_add(entries);
    }

    /// Marks the walk as finished: every entry that existed when it began was counted.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The key id of the keyring.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The version that was the primary when the walk began.
    pub fn primary(&self) -> u32 {
        self.primary
    }

    /// Whether the walk is finished.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The versions of the keyring when the walk began, in ascending order, each with its counts of objects and
    /// uploads.
    pub fn versions(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.versions.iter().map(|(number, usage)| (*number, usage.objects, usage.uploads))
    }

    /// The number of entries whose version is not known.
    pub fn unclear(&self) -> u64 {
        self.unclear
    }

    /// Checks that the usage proves that a version of this keyring wraps nothing.
    ///
    /// # Errors
    ///
    /// The reason why it does not prove it.
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

    /// Whether a version that is disabled now may have been the primary since the walk began.
    ///
    /// A keyring does not remember its former primaries, but it counts its changes, and each change is one of one
    /// version. To become the primary and then be disabled takes two changes of that version. So it was not the primary
    /// if at most one change is left over when every other version has had the least number of changes that it shows.
    /// Fewer changes than show are the history of another keyring: one restored from a backup, or rebuilt.
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

/// The least number of changes from one state of a version to another; `None` is a version that does not exist.
fn least_changes(before: Option<VersionState>, now: Option<VersionState>) -> u64 {
    use VersionState::{Disabled, Enabled, Staged};

    match (before, now) {
        (None, Some(Disabled)) | (Some(Enabled), None) => 2,
        (before, now) if before == now => 0,
        // No change leads back to staged; no more is explained than there was.
        (Some(_), Some(Staged)) => 0,
        _ => 1,
    }
}
