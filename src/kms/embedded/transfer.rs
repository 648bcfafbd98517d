//! Keys that come and go: imported, exported, backed up. The owner's alone.

use super::admin::{KeyAdmin, touch};
use super::key::{KeyInfo, KeyOrigin, NewKey};
use super::payload;
use crate::audit::AuditOperation as Operation;
use crate::crypto::key_wrap;
use crate::error::{KeyStoreError, Result};
use crate::keys::RootKey;
use crate::secret::{KeyEncryptionKey, Secret};

impl KeyAdmin {
    /// Makes a key of material that was wrapped under `wrapping_key` with AES-KWP: 40 bytes, of 32 bytes of material. The
    /// owner's alone.
    ///
    /// A key that was [exported](Self::export_key) comes back with its [id](NewKey::id), its first version here and each later one in
    /// order with [`import_key_version`](Self::import_key_version), into a store of the same region and account: then it
    /// opens what it wrapped.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::KeyMaterial`]; as [`create_key`](Self::create_key).
    ///
    /// Spec: RFC 5649; NIST SP 800-38F, KWP.
    pub fn import_key(&self, new: NewKey, wrapping_key: &KeyEncryptionKey, wrapped: &[u8]) -> Result<KeyInfo> {
        self.changing(Operation::ImportKey, None, &[], |state, touched| {
            self.owned(state)?;
            let id = state.add(new, Some(imported(wrapping_key, wrapped)?), self.kms.store().now()?)?;
            Ok(touch(state, id, touched))
        })
    }

    /// Rotates a key to material that was wrapped under `wrapping_key` with AES-KWP; gives the new version's number. The
    /// owner's alone.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::KeyMaterial`], [`KeyStoreError::NotTheOwner`]; as [`rotate_key`](Self::rotate_key).
    pub fn import_key_version(&self, key: &str, wrapping_key: &KeyEncryptionKey, wrapped: &[u8]) -> Result<u32> {
        self.changing(Operation::ImportKey, Some(key), &[], |state, touched| {
            self.owned(state)?;
            let id = self.administered(state, key, touched)?;
            self.rotate(state, (id, key), touched, KeyOrigin::Imported, || imported(wrapping_key, wrapped))
        })
    }

    /// The material of a version, wrapped under `wrapping_key` with AES-KWP: 40 bytes. The owner's alone; in any state of the
    /// key.
    ///
    /// # Security
    ///
    /// An attacker who has this and the wrapping key opens everything that the version wraps, whatever the key's policy
    /// or state says later.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::VersionUnknown`], [`KeyStoreError::NotTheOwner`]; see [`KeyAdmin`].
    pub fn export_key(&self, key: &str, version: u32, wrapping_key: &KeyEncryptionKey) -> Result<Vec<u8>> {
        self.kms.store().reading(self.doing(Operation::ExportKey, Some(key)), |touched| {
            let state = self.kms.store().state();
            self.owned(&state)?;
            let id = self.administered(&state, key, touched)?;
            let found = state.keys[&id].version(version).ok_or(KeyStoreError::VersionUnknown(version))?;
            touched.version = Some(version);
            Ok(key_wrap::wrap(wrapping_key.expose_secret(), found.material.expose()).to_vec())
        })
    }

    /// The whole store as it is now, sealed under a root key of the backup's own: for
    /// [`restore`](super::EmbeddedKmsBuilder::restore). The owner's alone.
    ///
    /// # Security
    ///
    /// Holds every key, those included that are deleted later. Keep its root key elsewhere.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::NotTheOwner`]; [`Error::Audit`](crate::Error::Audit); [`Error::Random`](crate::Error::Random);
    /// [`Error::NotCompiled`](crate::Error::NotCompiled): a passphrase without the feature for it.
    pub fn backup(&self, backup_key: &RootKey) -> Result<Vec<u8>> {
        self.kms.store().reading(self.doing(Operation::Backup, None), |_| {
            let state = self.kms.store().state();
            self.owned(&state)?;
            payload::seal(&state, backup_key)
        })
    }
}

fn imported(wrapping_key: &KeyEncryptionKey, wrapped: &[u8]) -> Result<Secret> {
    key_wrap::unwrap(wrapping_key.expose_secret(), wrapped).map_err(|_| KeyStoreError::KeyMaterial.into())
}
