//! What is still wrapped under which version: the proof that retiring one loses nothing.

use std::collections::BTreeMap;

use super::keyring::Keyring;
use super::keyring_state::{KeyringState, VersionState};
use crate::error::{KeyringError, Result};

/// How many objects and uploads are wrapped under each version of one keyring, as a walk over the whole store counted.
///
/// A [sweep](crate::rotation::Sweep) and an [inventory](crate::rotation::Inventory) count one as they go. A service
/// that has an index of its envelopes counts its own:
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::{KeyUsage, Keyring};
/// let keyring = Keyring::generate()?.with_changes_lost_on_exit();
/// let old = keyring.primary();
/// keyring.blocking().rotate()?;
/// let mut usage = KeyUsage::begin(&keyring); // before the first entry is read, and after the version is out of use
/// usage.add(2, 120_000, 3);
/// usage.finish();                            // every object, every version of it and every upload was added
/// keyring.blocking().disable(old)?;
/// keyring.blocking().retire(old, &usage)?;
/// # Ok(()) }
/// ```
///
/// Versions that the keyring did not have when the walk began are not counted: no usage from before retires one.
///
/// # Security
///
/// After a keyring was restored from a backup or rebuilt from its versions, throw away every usage, report and cursor
/// from before: what they say of its versions is another history, and not always told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    pub(crate) key_id: String,
    /// Of the keyring, when the walk began.
    pub(crate) generation: u64,
    pub(crate) primary: u32,
    /// The versions there were then.
    pub(crate) versions: BTreeMap<u32, VersionUsage>,
    pub(crate) unclear: u64,
    pub(crate) finished: bool,
}

/// What was counted under a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VersionUsage {
    /// When the walk began.
    pub(crate) state: VersionState,
    pub(crate) objects: u64,
    pub(crate) uploads: u64,
}

impl KeyUsage {
    /// The usage of a walk that begins now, with nothing counted.
    pub fn begin(keyring: &Keyring) -> Self {
        let state = keyring.state();
        let unused = |state: VersionState| VersionUsage { state, objects: 0, uploads: 0 };
        Self {
            key_id: state.key_id.clone(),
            generation: state.generation,
            primary: state.primary,
            versions: state.versions.iter().map(|(number, version)| (*number, unused(version.state))).collect(),
            unclear: 0,
            finished: false,
        }
    }

    /// Counts so many objects and multipart uploads more under a version.
    pub fn add(&mut self, version: u32, objects: u64, uploads: u64) {
        if let Some(usage) = self.versions.get_mut(&version) {
            usage.objects = usage.objects.saturating_add(objects);
            usage.uploads = usage.uploads.saturating_add(uploads);
        }
    }

    /// Counts so many more entries of which it is not known what they are wrapped under, such as damaged envelopes.
    pub fn add_unclear(&mut self, entries: u64) {
        self.unclear = self.unclear.saturating_add(entries);
    }

    /// Says that the walk has come to its end: everything that there was when it began has been counted.
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

    /// Whether the walk came to its end.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Every version there was when the walk began, in ascending order, with the objects and uploads counted under it.
    pub fn versions(&self) -> impl Iterator<Item = (u32, u64, u64)> + '_ {
        self.versions.iter().map(|(number, usage)| (*number, usage.objects, usage.uploads))
    }

    /// How many entries there were of which it is not known what they are wrapped under.
    pub fn unclear(&self) -> u64 {
        self.unclear
    }

    /// Whether it proves that nothing is under a version of a keyring that is now like this.
    ///
    /// # Errors
    ///
    /// Why it does not.
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

    /// Whether a version that is disabled now can have been the primary since the walk began.
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

/// The least number of changes that lead from one state of a version to another; `None` is not there.
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
