//! Keys of many versions at once, for listings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::keyring::Keyring;
use super::keyring_state::{State, VersionState};
use crate::error::{Error, KeyProviderError, KeyProviderErrorKind, Result};
use crate::secret::MasterKey;

impl Keyring {
    /// The keys of these versions, or for each why there is none. Reads the keyring's file at most once, and only where a
    /// version is unknown or disabled.
    pub(crate) async fn unwrapping_keys(&self, versions: &BTreeSet<u32>) -> BTreeMap<u32, Result<Arc<MasterKey>>> {
        let mut state = self.state();
        let mut unread: Option<Error> = None;
        if versions.iter().any(|version| usable(&state, *version).is_err()) {
            // Another process may have made it, or enabled it again.
            unread = self.refresh().await.err();
            state = self.state();
        }
        let key = |version: &u32| {
            let key = usable(&state, *version).map_err(|kind| {
                let refused = || KeyProviderError::new(kind, &state.key_id).with_key_version(*version).into();
                unread.clone().unwrap_or_else(refused)
            });
            (*version, key)
        };
        versions.iter().map(key).collect()
    }
}

fn usable(state: &State, version: u32) -> Result<Arc<MasterKey>, KeyProviderErrorKind> {
    match state.versions.get(&version) {
        None => Err(KeyProviderErrorKind::NotFound),
        Some(found) if found.state == VersionState::Disabled => Err(KeyProviderErrorKind::Disabled),
        Some(found) => Ok(found.key.clone()),
    }
}
