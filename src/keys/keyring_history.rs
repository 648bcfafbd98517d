//! The rules that decide whether one [`KeyringState`] continues another; a fork does not.

use std::collections::BTreeMap;

use super::keyring_state::{KeyringState, MasterVersion, VersionState};
use crate::crypto::constant_time_eq;
use crate::error::{Limit, OtherHistory, Result};

impl KeyringState {
    /// Returns the stored keyring as the successor of this earlier state; versions that the stored keyring no longer
    /// has are kept as gone.
    ///
    /// # Errors
    ///
    /// Returns [`OtherHistory`] if the stored keyring does not continue this one.
    pub(super) fn continued_by(&self, stored: Self) -> Result<Self, OtherHistory> {
        if stored.key_id != self.key_id {
            return Err(OtherHistory::KeyId);
        }
        if stored.generation < self.generation {
            return Err(OtherHistory::OlderGeneration);
        }
        if stored.next_version < self.next_version {
            return Err(OtherHistory::NextVersion);
        }
        for (number, version) in &stored.versions {
            match self.known(*number) {
                Some(known) if !version.is_same_key(known) => return Err(OtherHistory::VersionKey(*number)),
                Some(_) => {}
                None if *number < self.next_version => return Err(OtherHistory::VersionReturned(*number)),
                None => {}
            }
        }
        if stored.generation == self.generation && !self.has_content_of(&stored) {
            return Err(OtherHistory::SameGeneration);
        }
        let gone = self.not_in(&stored);
        Ok(Self { gone, ..stored })
    }

    /// Returns the stored keyring, taken regardless of its history, and the numbers of the lost versions. Versions
    /// missing there are kept as gone. A version is lost if the stored keyring has or may still create another key
    /// under its number.
    pub(super) fn given_up_for(&self, stored: Self) -> (Self, Vec<u32>) {
        let same_keyring = stored.key_id == self.key_id;
        let is_kept = |number: u32, version: &MasterVersion| match stored.versions.get(&number) {
            Some(other) => other.is_same_key(version),
            None => number < stored.next_version,
        };
        let mut gone = BTreeMap::new();
        let mut lost = Vec::new();
        for (number, version) in self.versions.iter().chain(&self.gone) {
            if !same_keyring || !is_kept(*number, version) {
                lost.push(*number);
            } else if !stored.versions.contains_key(number) {
                gone.insert(*number, version.clone());
            }
        }
        lost.sort_unstable();
        (Self { gone, ..stored }, lost)
    }

    /// Raises the generation to that of the replaced keyring. If that is a fork, raises the next version too, so that
    /// the fork's version numbers are not reused.
    pub(super) fn outnumber(&mut self, replaced: &Self) {
        self.generation = self.generation.max(replaced.generation);
        if self.key_id == replaced.key_id {
            self.next_version = self.next_version.max(replaced.next_version);
        }
    }

    /// Returns this state with every key that is in memory; versions that are gone become disabled versions.
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Keyring`] if these are more versions than a keyring can have.
    pub(super) fn with_gone_as_disabled(&self) -> Result<Self, Limit> {
        let mut whole = self.clone();
        let gone = std::mem::take(&mut whole.gone);
        whole
            .versions
            .extend(gone.into_iter().map(|(number, v)| (number, MasterVersion { state: VersionState::Disabled, ..v })));
        if whole.versions.len() > usize::from(u16::MAX) { Err(Limit::Keyring) } else { Ok(whole) }
    }

    /// Returns the differences from an earlier state, for an audit trail.
    pub(crate) fn differences_from(&self, before: &Self) -> Vec<(&'static str, String)> {
        let mut differences = Vec::new();
        for (number, version) in &self.versions {
            if before.versions.get(number).is_none_or(|before| before.state != version.state) {
                differences.push((version.state.name(), number.to_string()));
            }
        }
        let retired = before.versions.keys().filter(|number| !self.versions.contains_key(number));
        differences.extend(retired.map(|number| ("retired", number.to_string())));
        if before.primary != self.primary {
            differences.push(("primary", self.primary.to_string()));
        }
        if before.next_version != self.next_version {
            differences.push(("nextVersion", self.next_version.to_string()));
        }
        differences
    }

    /// Returns whether both states are identical, including their keys.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.generation == other.generation
            && self.has_content_of(other)
            && self
                .versions
                .iter()
                .all(|(number, version)| other.versions.get(number).is_some_and(|v| v.is_same_key(version)))
    }

    /// Returns a version whose key is in memory.
    fn known(&self, number: u32) -> Option<&MasterVersion> {
        self.versions.get(&number).or_else(|| self.gone.get(&number))
    }

    fn has_content_of(&self, other: &Self) -> bool {
        let alike = |(number, version): (&u32, &MasterVersion)| {
            other.versions.get(number).is_some_and(|v| (v.state, v.created) == (version.state, version.created))
        };
        (self.primary, self.next_version, self.versions.len())
            == (other.primary, other.next_version, other.versions.len())
            && self.versions.iter().all(alike)
    }

    /// Returns the versions in memory that another state does not have.
    fn not_in(&self, stored: &Self) -> BTreeMap<u32, MasterVersion> {
        let known = self.versions.iter().chain(&self.gone);
        let gone = known.filter(|(number, _)| !stored.versions.contains_key(number));
        gone.map(|(number, version)| (*number, version.clone())).collect()
    }
}

impl MasterVersion {
    fn is_same_key(&self, other: &Self) -> bool {
        constant_time_eq(self.key.expose_secret(), other.key.expose_secret())
    }
}
