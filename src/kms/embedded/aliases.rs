//! The alias operations of [`KeyAdmin`]. Aliases belong to the whole store, so only the owner changes them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::admin::KeyAdmin;
use super::policy::Permission;
use super::state::StoreState;
use crate::error::Result;
#[cfg(doc)]
use crate::error::{Error, KeyStoreError};
use crate::trail::AuditOperation as Operation;

impl KeyAdmin {
    /// Creates an alias of a key. Owner only, because an alias belongs to the whole store and decides the key of the
    /// objects that are written under it.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::NotTheOwner`], [`KeyStoreError::AliasExists`],
    /// [`KeyStoreError::AliasName`] or [`KeyStoreError::TooManyAliases`].
    pub fn create_alias(&self, alias: &str, key: &str) -> Result<()> {
        self.change_alias(Operation::CreateAlias, alias, key, |state, id| state.add_alias(alias.to_owned(), id))
    }

    /// Moves an alias to another key. Objects written before stay under the old key. Owner only.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::NotTheOwner`], [`KeyStoreError::AliasUnknown`],
    /// [`KeyStoreError::AliasName`] or [`KeyStoreError::TooManyAliases`].
    pub fn move_alias(&self, alias: &str, key: &str) -> Result<()> {
        self.change_alias(Operation::MoveAlias, alias, key, |state, id| {
            state.remove_alias(alias)?;
            state.add_alias(alias.to_owned(), id)
        })
    }

    /// Deletes an alias; the key stays. Owner only.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]. Also returns [`KeyStoreError::NotTheOwner`], [`KeyStoreError::AliasUnknown`] or
    /// [`KeyStoreError::AliasName`].
    pub fn delete_alias(&self, alias: &str) -> Result<()> {
        self.changing(Operation::DeleteAlias, Some(alias), &[], |state, affected| {
            self.owned(state)?;
            affected.key_id = Some(state.remove_alias(alias)?);
            Ok(())
        })
    }

    fn change_alias(
        &self,
        operation: Operation,
        alias: &str,
        key: &str,
        change: impl FnOnce(&mut StoreState, Uuid) -> Result<()>,
    ) -> Result<()> {
        self.changing(operation, Some(alias), &[("targetKeyId", &key)], |state, affected| {
            self.owned(state)?;
            let id = self.administered_alive(state, key, affected)?;
            change(state, id)
        })
    }

    /// Lists the aliases of the keys that the requester may administer, each with the ARN of its key.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Audit`](crate::Error::Audit) if the call could not be recorded.
    pub fn list_aliases(&self) -> Result<BTreeMap<String, String>> {
        self.kms.store().reading(self.pending(Operation::ListAliases, None), |_| {
            let state = self.kms.store().state();
            let keys = state.aliases.iter().map(|(alias, id)| (alias, &state.keys[id]));
            let allowed = keys.filter(|(_, key)| state.allows(key, Permission::Administer, &self.requester));
            Ok(allowed.map(|(alias, key)| (alias.clone(), key.arn.to_string())).collect())
        })
    }
}
