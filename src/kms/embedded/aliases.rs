//! Names that lead to keys. They are the whole store's: changing them is the owner's alone.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::admin::KeyAdmin;
use super::policy::Permission;
use super::state::State;
use crate::audit::AuditOperation as Operation;
use crate::error::Result;
#[cfg(doc)]
use crate::error::{Error, KeyStoreError};

impl KeyAdmin {
    /// Has a new alias lead to a key. The owner's alone, as all changes of aliases are: a name is the whole store's, and who
    /// has one gets what is written under it.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::NotTheOwner`], [`KeyStoreError::AliasExists`], [`KeyStoreError::AliasName`],
    /// [`KeyStoreError::TooManyAliases`].
    pub fn create_alias(&self, alias: &str, key: &str) -> Result<()> {
        self.change_alias(Operation::CreateAlias, alias, key, |state, id| state.add_alias(alias.to_owned(), id))
    }

    /// Has an alias lead to another key. What was written stays under the old one. The owner's alone.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::NotTheOwner`], [`KeyStoreError::AliasUnknown`], [`KeyStoreError::AliasName`],
    /// [`KeyStoreError::TooManyAliases`].
    pub fn move_alias(&self, alias: &str, key: &str) -> Result<()> {
        self.change_alias(Operation::MoveAlias, alias, key, |state, id| {
            state.remove_alias(alias)?;
            state.add_alias(alias.to_owned(), id)
        })
    }

    /// Takes an alias away; the key stays. The owner's alone.
    ///
    /// # Errors
    ///
    /// See [`KeyAdmin`]; [`KeyStoreError::NotTheOwner`], [`KeyStoreError::AliasUnknown`], [`KeyStoreError::AliasName`].
    pub fn delete_alias(&self, alias: &str) -> Result<()> {
        self.changing(Operation::DeleteAlias, Some(alias), &[], |state, touched| {
            self.owned(state)?;
            touched.key_id = Some(state.remove_alias(alias)?);
            Ok(())
        })
    }

    fn change_alias(
        &self,
        operation: Operation,
        alias: &str,
        key: &str,
        change: impl FnOnce(&mut State, Uuid) -> Result<()>,
    ) -> Result<()> {
        self.changing(operation, Some(alias), &[("targetKeyId", &key)], |state, touched| {
            self.owned(state)?;
            let id = self.administered_alive(state, key, touched)?;
            change(state, id)
        })
    }

    /// Every alias and the ARN of the key that it leads to, of keys that the requester may administer.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`](crate::Error::Audit).
    pub fn list_aliases(&self) -> Result<BTreeMap<String, String>> {
        self.kms.store().reading(self.doing(Operation::ListAliases, None), |_| {
            let state = self.kms.store().state();
            let keys = state.aliases.iter().map(|(alias, id)| (alias, &state.keys[id]));
            let allowed = keys.filter(|(_, key)| state.allows(key, Permission::Administer, &self.requester));
            Ok(allowed.map(|(alias, key)| (alias.clone(), key.arn.to_string())).collect())
        })
    }
}
