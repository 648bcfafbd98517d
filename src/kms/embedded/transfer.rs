//! The import, export and backup operations of [`KeyAdmin`]. All are owner only.

use super::admin::{KeyAdmin, created_info};
use super::key::{KeyInfo, KeyOrigin, NewKey};
use super::payload;
use crate::crypto::key_wrap;
use crate::error::{KeyStoreError, Result};
use crate::keys::RootKey;
use crate::secret::{KeyEncryptionKey, Secret};
use crate::trail::AuditOperation as Operation;

impl KeyAdmin {
    /// Creates a key from imported material: 32 bytes that AES-KWP wrapped under `wrapping_key` to 40 bytes. Owner
    /// only.
    ///
    /// To open data under an [exported](Self::export_key) key, import the key with its [id](NewKey::id) into a store of
    /// the same region and account: the first version with this function, then each later version, in order, with
    /// [`import_key_version`](Self::import_key_version).
    ///
    /// # Errors
    ///
    /// Returns [`KeyStoreError::KeyMaterial`] if the bytes are not such material, and the errors of
    /// [`create_key`](Self::create_key).
    ///
    /// Spec: RFC 5649; NIST SP 800-38F, KWP.
    pub fn import_key(&self, new: NewKey, wrapping_key: &KeyEncryptionKey, wrapped: &[u8]) -> Result<KeyInfo> {
        self.changing(Operation::ImportKey, None, &[], |state, affected| {
            self.owned(state)?;
            let id = self.add(state, new, Some(imported(wrapping_key, wrapped)?))?;
            Ok(created_info(state, id, affected))
        })
    }

    /// Rotates a key to imported material that AES-KWP wrapped under `wrapping_key`, and returns the new version's
    /// number. Owner only.
    ///
    /// # Errors
    ///
    /// Returns [`KeyStoreError::KeyMaterial`], [`KeyStoreError::NotTheOwner`], and the errors of
    /// [`rotate_key`](Self::rotate_key).
    pub fn import_key_version(&self, key: &str, wrapping_key: &KeyEncryptionKey, wrapped: &[u8]) -> Result<u32> {
        self.changing(Operation::ImportKey, Some(key), &[], |state, affected| {
            self.owned(state)?;
            let id = self.administered(state, key, affected)?;
            self.rotate(state, (id, key), affected, KeyOrigin::Imported, || imported(wrapping_key, wrapped))
        })
    }

    /// Exports the material of a version: 40 bytes that AES-KWP wrapped under `wrapping_key`. The call works in every
    /// state of the key. Owner only.
    ///
    /// # Security
    ///
    /// A holder of the export and the wrapping key can open everything that the version wraps, regardless of the key's
    /// later policy or state.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::VersionUnknown`] or [`KeyStoreError::NotTheOwner`].
    pub fn export_key(&self, key: &str, version: u32, wrapping_key: &KeyEncryptionKey) -> Result<Vec<u8>> {
        self.kms.store().reading(self.pending(Operation::ExportKey, Some(key)), |affected| {
            let state = self.kms.store().state();
            self.owned(&state)?;
            let id = self.administered(&state, key, affected)?;
            let found = state.keys[&id].version(version).ok_or(KeyStoreError::VersionUnknown(version))?;
            affected.version = Some(version);
            Ok(key_wrap::wrap(wrapping_key.expose_secret(), found.material.expose()).to_vec())
        })
    }

    /// Backs up the whole store as it is now, sealed under the root key `backup_key`, for
    /// [`restore`](super::EmbeddedKmsBuilder::restore). Owner only.
    ///
    /// # Security
    ///
    /// The backup contains every key, including keys that are deleted later. Keep its root key in another place.
    ///
    /// # Errors
    ///
    /// - [`KeyStoreError::NotTheOwner`] if the requester is not the owner;
    /// - [`Error::Audit`](crate::Error::Audit) if the call could not be recorded;
    /// - [`Error::Random`](crate::Error::Random) if the generator failed;
    /// - [`Error::NotCompiled`](crate::Error::NotCompiled) if `backup_key` is a passphrase and the build lacks its
    ///   feature.
    pub fn backup(&self, backup_key: &RootKey) -> Result<Vec<u8>> {
        self.kms.store().reading(self.pending(Operation::Backup, None), |_| {
            let state = self.kms.store().state();
            self.owned(&state)?;
            payload::seal(&state, backup_key, self.kms.store().generator())
        })
    }
}

fn imported(wrapping_key: &KeyEncryptionKey, wrapped: &[u8]) -> Result<Secret> {
    key_wrap::unwrap(wrapping_key.expose_secret(), wrapped).map_err(|_| KeyStoreError::KeyMaterial.into())
}
