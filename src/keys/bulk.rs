//! [`Keyring::unwrapping_keys`], which finds the keys of many versions at once, for listings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::keyring::{Keyring, usable};
use crate::error::{Error, Result};
use crate::secret::MasterKey;

impl Keyring {
    /// Returns the key of each version, or the error for that version. Reads the stored keyring at most once, and only
    /// if a version is unknown or disabled.
    pub(crate) async fn unwrapping_keys(&self, versions: &BTreeSet<u32>) -> BTreeMap<u32, Result<Arc<MasterKey>>> {
        let mut state = self.state();
        let mut unread: Option<Error> = None;
        if versions.iter().any(|version| usable(&state, *version).is_none()) {
            // Another process may have created or enabled the version.
            unread = self.refresh().await.err();
            state = self.state();
        }
        versions.iter().map(|version| (*version, self.key_of(&state, *version, unread.as_ref()))).collect()
    }
}
