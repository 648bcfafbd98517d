//! [`StoreState`]: the whole content of a key store at one moment, and its changes; and [`DEFAULT_ALIAS`].

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::key::{KeyInfo, KeyOrigin, KmsKey, KmsKeyVersion, NewKey, StoredState};
use super::policy::{KeyPolicy, Permission};
use crate::crypto::Generator;
use crate::error::{KeyProviderError, KeyProviderErrorKind, KeyStoreError, Limit, Result};
use crate::keys::keyring_state::KeyringState;
use crate::object::Requester;
use crate::secret::Secret;

/// The alias of the default key, which is used if a request names no key. The key is created on first use.
///
/// Spec: AWS KMS, "AWS managed keys".
pub const DEFAULT_ALIAS: &str = "alias/aws/s3";

const ALIAS_PREFIX: &str = "alias/";
/// The prefix of aliases that only the KMS creates.
const OWN_ALIAS_PREFIX: &str = "alias/aws/";
const MAX_ALIAS_LEN: usize = 256;
/// The most aliases of one key.
const MAX_ALIASES: usize = 50;
const MAX_TAGS: usize = 50;
const MAX_ROTATION_DAYS: u32 = 3_650;

#[derive(Clone)]
pub(super) struct StoreState {
    pub(super) id: Uuid,
    pub(super) generation: u64,
    /// The latest time that the store has recorded, in milliseconds since 1970.
    pub(super) written: u64,
    pub(super) owner: Requester,
    pub(super) region: String,
    pub(super) account: String,
    pub(super) keyring: KeyringState,
    pub(super) keys: BTreeMap<Uuid, Arc<KmsKey>>,
    pub(super) aliases: BTreeMap<String, Uuid>,
}

impl StoreState {
    /// Creates the state of a new store with a keyring and without KMS keys.
    pub(super) fn new(
        owner: Requester,
        region: String,
        account: String,
        keyring: KeyringState,
        now: u64,
        generator: &Generator,
    ) -> Result<Self> {
        Ok(Self {
            id: new_id(generator)?,
            generation: 1,
            written: now,
            owner,
            region,
            account,
            keyring,
            keys: BTreeMap::new(),
            aliases: BTreeMap::new(),
        })
    }

    /// Returns the ARN of `key/ID` or `alias/NAME` in the store.
    pub(super) fn arn(&self, of: &str) -> String {
        format!("arn:aws:kms:{}:{}:{of}", self.region, self.account)
    }

    /// Returns the key that a key id, an alias, or the ARN of either names.
    pub(super) fn resolve(&self, named: &str) -> Option<&Arc<KmsKey>> {
        let local = match named.strip_prefix("arn:aws:kms:") {
            Some(rest) => {
                let rest = rest.strip_prefix(&*self.region)?.strip_prefix(':')?;
                let rest = rest.strip_prefix(&*self.account)?.strip_prefix(':')?;
                if let Some(id) = rest.strip_prefix("key/") {
                    return self.keys.get(&parse_id(id)?);
                }
                Some(rest).filter(|rest| rest.starts_with(ALIAS_PREFIX))?
            }
            None => named,
        };
        let id = match self.aliases.get(local) {
            Some(id) => *id,
            None => parse_id(local)?,
        };
        self.keys.get(&id)
    }

    /// Returns the key like [`resolve`](Self::resolve), or [`unknown`](Self::unknown) as an error.
    pub(super) fn key(&self, named: &str) -> Result<&Arc<KmsKey>, KeyProviderError> {
        self.resolve(named).ok_or_else(|| self.unknown(named))
    }

    /// Returns the error for a name without a key, with the ARN that the key or alias would have.
    pub(super) fn unknown(&self, named: &str) -> KeyProviderError {
        let mut components = named.split(':').skip(3);
        let other_region =
            named.starts_with("arn:aws:kms:") && components.next().is_some_and(|region| region != self.region);
        if other_region {
            return KeyProviderError::new(KeyProviderErrorKind::OtherRegion, named);
        }
        let error = KeyProviderError::new(KeyProviderErrorKind::NotFound, named);
        let is_multi_region = named.strip_prefix("mrk-").is_some_and(|id| id.len() == 32);
        if named.starts_with(ALIAS_PREFIX) {
            error.with_resolved_key_id(&self.arn(named))
        } else if is_multi_region || parse_id(named).is_some() {
            error.with_resolved_key_id(&self.arn(&format!("key/{named}")))
        } else {
            error
        }
    }

    /// Returns whether the requester has this permission for the key now.
    pub(super) fn allows(&self, key: &KmsKey, permission: Permission, requester: &Requester) -> bool {
        let is_owner = *requester == self.owner;
        match &key.policy {
            None => is_owner,
            Some(policy) => policy.allows(permission, requester) || (is_owner && permission == Permission::Administer),
        }
    }

    /// Adds a key with the given or with fresh material, and returns its id.
    pub(super) fn add(
        &mut self,
        new: NewKey,
        material: Option<Secret>,
        now: u64,
        generator: &Generator,
    ) -> Result<Uuid> {
        let id = match &new.id {
            Some(id) => parse_id(id).ok_or(KeyStoreError::Invalid("a UUID in lower case as a key id"))?,
            None => new_id(generator)?,
        };
        if self.keys.contains_key(&id) {
            return Err(KeyStoreError::KeyExists.into());
        }
        check_description(&new.description)?;
        check_tags(&new.tags)?;
        new.policy.as_ref().map_or(Ok(()), KeyPolicy::check_len)?;
        new.rotation_days.map_or(Ok(()), check_rotation_days)?;
        let (origin, material) = match material {
            Some(material) => (KeyOrigin::Imported, material),
            None => (KeyOrigin::Generated, generator.secret()?),
        };
        let key = KmsKey {
            id,
            arn: self.arn(&format!("key/{id}")).into(),
            created: now,
            description: new.description,
            tags: new.tags,
            state: StoredState::Enabled,
            rotation_days: new.rotation_days,
            policy: new.policy,
            quota: new.quota,
            versions: vec![KmsKeyVersion { number: 1, created: now, origin, material: Arc::new(material) }],
        };
        self.keys.insert(id, Arc::new(key));
        new.aliases.into_iter().try_for_each(|alias| self.add_alias(alias, id))?;
        Ok(id)
    }

    /// Adds the default key, which is used if a request names no key.
    pub(super) fn add_default(&mut self, policy: Option<KeyPolicy>, now: u64, generator: &Generator) -> Result<Uuid> {
        let new = NewKey { policy, ..NewKey::new() };
        let id = self.add(new.description("The default key of this store for S3"), None, now, generator)?;
        self.aliases.insert(DEFAULT_ALIAS.to_owned(), id);
        Ok(id)
    }

    pub(super) fn add_alias(&mut self, alias: String, id: Uuid) -> Result<()> {
        check_alias(&alias)?;
        if self.aliases.contains_key(&alias) {
            return Err(KeyStoreError::AliasExists.into());
        }
        if self.aliases.values().filter(|key| **key == id).count() >= MAX_ALIASES {
            return Err(KeyStoreError::TooManyAliases.into());
        }
        self.aliases.insert(alias, id);
        Ok(())
    }

    /// Removes an alias, and returns the ARN of the key that it named.
    pub(super) fn remove_alias(&mut self, alias: &str) -> Result<Arc<str>> {
        check_alias(alias)?;
        let id = self.aliases.remove(alias).ok_or(KeyStoreError::AliasUnknown)?;
        Ok(self.keys[&id].arn.clone())
    }

    /// Returns the key for a change.
    pub(super) fn key_mut(&mut self, id: Uuid) -> Option<&mut KmsKey> {
        self.keys.get_mut(&id).map(Arc::make_mut)
    }

    /// Deletes a key and its aliases.
    pub(super) fn delete(&mut self, id: Uuid) {
        self.keys.remove(&id);
        self.aliases.retain(|_, key| *key != id);
    }

    pub(super) fn info(&self, key: &KmsKey) -> KeyInfo {
        let aliases = self.aliases.iter().filter(|(_, id)| **id == key.id);
        key.info(aliases.map(|(alias, _)| alias.clone()).collect())
    }

    /// Describes these keys.
    pub(super) fn infos(&self, ids: &[Uuid]) -> Vec<KeyInfo> {
        let mut aliases: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
        for (alias, id) in &self.aliases {
            aliases.entry(*id).or_default().push(alias.clone());
        }
        ids.iter().map(|id| self.keys[id].info(aliases.remove(id).unwrap_or_default())).collect()
    }

    /// Returns a copy of the state with the next generation, the starting point of a change.
    pub(super) fn next(&self, now: u64) -> Result<Self> {
        let generation = self.generation.checked_add(1).ok_or(Limit::Keyring)?;
        Ok(Self { generation, written: self.written.max(now), ..self.clone() })
    }
}

/// Returns a random UUID, version 4.
pub(super) fn new_id(generator: &Generator) -> Result<Uuid> {
    Ok(uuid::Builder::from_random_bytes(generator.bytes()?).into_uuid())
}

/// Parses a key id in its canonical form, a hyphenated UUID in lower case.
pub(super) fn parse_id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}

/// Checks that this is an alias name outside the KMS's own prefix.
pub(super) fn check_alias(alias: &str) -> Result<()> {
    if is_alias(alias) && !alias.starts_with(OWN_ALIAS_PREFIX) { Ok(()) } else { Err(KeyStoreError::AliasName.into()) }
}

pub(super) fn is_alias(alias: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-');
    let name = alias.strip_prefix(ALIAS_PREFIX);
    alias.len() <= MAX_ALIAS_LEN && name.is_some_and(|name| !name.is_empty() && name.bytes().all(allowed))
}

pub(super) fn check_description(description: &str) -> Result<()> {
    const WHAT: &str = "a description of at most 8,192 bytes";
    if description.len() <= 8_192 { Ok(()) } else { Err(KeyStoreError::Invalid(WHAT).into()) }
}

pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<()> {
    const WHAT: &str = "up to 50 tags, their names of 1 to 128 bytes and their values of at most 256";
    let fit = tags.iter().all(|(name, value)| (1..=128).contains(&name.len()) && value.len() <= 256);
    if fit && tags.len() <= MAX_TAGS { Ok(()) } else { Err(KeyStoreError::Invalid(WHAT).into()) }
}

pub(super) fn check_rotation_days(days: u32) -> Result<()> {
    if (1..=MAX_ROTATION_DAYS).contains(&days) { Ok(()) } else { Err(KeyStoreError::RotationPeriod.into()) }
}

pub(super) fn check_owner(owner: &Requester) -> Result<()> {
    const WHAT: &str = "an owner of 1 to 2,048 bytes that is not the anonymous requester";
    let named = (1..=2_048).contains(&owner.as_str().len()) && *owner != Requester::anonymous();
    if named { Ok(()) } else { Err(KeyStoreError::Invalid(WHAT).into()) }
}

pub(super) fn check_account(region: &str, account: &str) -> Result<()> {
    const WHAT: &str = "a region of 1 to 64 of a-z 0-9 - and an account of 12 digits";
    let in_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fit = (1..=64).contains(&region.len())
        && region.bytes().all(in_region)
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit());
    if fit { Ok(()) } else { Err(KeyStoreError::Invalid(WHAT).into()) }
}
