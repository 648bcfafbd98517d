//! The JSON payload of a sealed key store: `seal`, `open` and the serialised types. The manual lists the members.
//!
//! SECURITY: the text contains keys. It is written once, into a buffer of the right length that is wiped, and keys are
//! decoded in place.

mod text;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{self, KeyOrigin, StoredState};
use super::policy::{KeyPolicy, Requesters};
use super::quota::Quota;
use super::state::{self, StoreState};
use crate::crypto::Generator;
use crate::error::{Result, SealedFileError};
use crate::keys::RootKey;
use crate::keys::keyring_state::{KeyringState, MasterVersion, VersionState};
use crate::keys::sealed_file::{self, SealedFileKind};
use crate::object::Requester;
use crate::secret::{MasterKey, Secret};
use text::{Id, JsonObject, KeyText, each_once, name, present, written_len};

const VERSION: u32 = 1;

/// Seals a key store under a fresh salt.
pub(super) fn seal(state: &StoreState, root_key: &RootKey, generator: &Generator) -> Result<Vec<u8>> {
    let payload = Payload::of(state);
    // The length is computed first: a buffer that grows leaves copies of its content in memory.
    let mut text = Zeroizing::new(Vec::with_capacity(written_len(&payload)));
    serde_json::to_writer(&mut *text, &payload).expect("numbers, texts and lists are JSON");
    sealed_file::seal(SealedFileKind::KeyStore, root_key, generator, &text)
}

/// Opens a sealed key store.
///
/// # Errors
///
/// Returns the errors of opening a sealed file. A payload that breaks a rule of the manual is malformed.
pub(super) fn open(sealed: &[u8], root_key: &RootKey) -> Result<StoreState> {
    let text = sealed_file::open(SealedFileKind::KeyStore, root_key, sealed)?;
    let JsonObject(payload): JsonObject<Payload> = serde_json::from_slice(&text).map_err(|_| refused(&text))?;
    Ok(payload.state()?)
}

/// Returns the error for a refused payload. The version is read separately, because a later version may have unknown
/// members.
fn refused(text: &[u8]) -> SealedFileError {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    match serde_json::from_slice(text) {
        Ok(JsonObject(Versioned { version })) if version != VERSION => UNSUPPORTED,
        _ => malformed("its JSON is not that of a key store"),
    }
}

const UNSUPPORTED: SealedFileError = SealedFileError::Unsupported("the version of its JSON");

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    version: u32,
    id: Id,
    generation: u64,
    written: u64,
    owner: String,
    region: String,
    account: String,
    keyring: JsonObject<Keyring>,
    keys: Vec<JsonObject<Key>>,
    #[serde(deserialize_with = "each_once")]
    aliases: BTreeMap<String, Id>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keyring {
    key_id: String,
    generation: u64,
    primary: u32,
    next_version: u32,
    versions: Vec<JsonObject<KeyringVersion>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringVersion {
    number: u32,
    #[serde(deserialize_with = "name")]
    state: KeyringVersionState,
    created: u64,
    key: KeyText<MasterKey>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyringVersionState {
    Staged,
    Enabled,
    Disabled,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: Id,
    created: u64,
    description: String,
    #[serde(deserialize_with = "each_once")]
    tags: BTreeMap<String, String>,
    #[serde(deserialize_with = "name")]
    state: KeyState,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    deletion: Option<u64>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    rotation_days: Option<u32>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    policy: Option<JsonObject<Policy>>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    quota: Option<JsonObject<StoredQuota>>,
    versions: Vec<JsonObject<KeyVersion>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeyState {
    Enabled,
    Disabled,
    PendingDeletion,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    generate: Allowed,
    unwrap: Allowed,
    administer: Allowed,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Allowed {
    Everyone(#[serde(deserialize_with = "name")] Everyone),
    Only(Vec<String>),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Everyone {
    Everyone,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredQuota {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyVersion {
    number: u32,
    created: u64,
    #[serde(deserialize_with = "name")]
    origin: Origin,
    key: KeyText<Secret>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    Generated,
    Imported,
}

impl Payload {
    fn of(state: &StoreState) -> Self {
        let keyring = &state.keyring;
        Self {
            version: VERSION,
            id: Id(state.id),
            generation: state.generation,
            written: state.written,
            owner: state.owner.as_str().to_owned(),
            region: state.region.clone(),
            account: state.account.clone(),
            keyring: JsonObject(Keyring {
                key_id: keyring.key_id.to_string(),
                generation: keyring.generation,
                primary: keyring.primary,
                next_version: keyring.next_version,
                versions: keyring
                    .versions
                    .iter()
                    .map(|(number, version)| JsonObject(KeyringVersion::of(*number, version)))
                    .collect(),
            }),
            keys: state.keys.values().map(|key| JsonObject(Key::of(key))).collect(),
            aliases: state.aliases.iter().map(|(alias, id)| (alias.clone(), Id(*id))).collect(),
        }
    }

    fn state(self) -> Result<StoreState, SealedFileError> {
        if self.version != VERSION {
            return Err(UNSUPPORTED);
        }
        let owner = Requester::new(self.owner);
        let broken = state::check_owner(&owner).and(state::check_account(&self.region, &self.account));
        broken.map_err(|_| malformed("its owner, region or account"))?;
        let JsonObject(keyring) = self.keyring;
        let mut state = StoreState {
            id: self.id.0,
            generation: self.generation,
            written: self.written,
            owner,
            region: self.region,
            account: self.account,
            keyring: KeyringState::stored(
                keyring.key_id,
                keyring.generation,
                keyring.primary,
                keyring.next_version,
                keyring.versions.into_iter().map(|JsonObject(version)| version.version()),
            )?,
            keys: BTreeMap::new(),
            aliases: BTreeMap::new(),
        };
        for JsonObject(key) in self.keys {
            let key = key.key(&state)?;
            if state.keys.last_key_value().is_some_and(|(last, _)| *last >= key.id) {
                return Err(malformed("the order of its keys"));
            }
            state.keys.insert(key.id, Arc::new(key));
        }
        for (alias, Id(id)) in self.aliases {
            if !state::is_alias(&alias) || !state.keys.contains_key(&id) {
                return Err(malformed("an alias"));
            }
            state.aliases.insert(alias, id);
        }
        Ok(state)
    }
}

impl KeyringVersion {
    fn of(number: u32, version: &MasterVersion) -> Self {
        let state = match version.state {
            VersionState::Staged => KeyringVersionState::Staged,
            VersionState::Enabled => KeyringVersionState::Enabled,
            VersionState::Disabled | VersionState::Gone => KeyringVersionState::Disabled,
        };
        Self { number, state, created: version.created, key: KeyText(version.key.clone()) }
    }

    fn version(self) -> (u32, MasterVersion) {
        let state = match self.state {
            KeyringVersionState::Staged => VersionState::Staged,
            KeyringVersionState::Enabled => VersionState::Enabled,
            KeyringVersionState::Disabled => VersionState::Disabled,
        };
        (self.number, MasterVersion { state, created: self.created, key: self.key.0 })
    }
}

impl Key {
    fn of(key: &key::KmsKey) -> Self {
        let (state, deletion) = match key.state {
            StoredState::Enabled => (KeyState::Enabled, None),
            StoredState::Disabled => (KeyState::Disabled, None),
            StoredState::PendingDeletion { due } => (KeyState::PendingDeletion, Some(due)),
        };
        Self {
            id: Id(key.id),
            created: key.created,
            description: key.description.clone(),
            tags: key.tags.clone(),
            state,
            deletion,
            rotation_days: key.rotation_days,
            policy: key.policy.as_ref().map(|policy| JsonObject(Policy::of(policy))),
            quota: key.quota.map(|quota| JsonObject(StoredQuota { per_second: quota.per_second, burst: quota.burst })),
            versions: key.versions.iter().map(|version| JsonObject(KeyVersion::of(version))).collect(),
        }
    }

    fn key(self, state: &StoreState) -> Result<key::KmsKey, SealedFileError> {
        let key_state = match (self.state, self.deletion) {
            (KeyState::Enabled, None) => StoredState::Enabled,
            (KeyState::Disabled, None) => StoredState::Disabled,
            (KeyState::PendingDeletion, Some(due)) => StoredState::PendingDeletion { due },
            _ => return Err(malformed("the state of a key")),
        };
        let broken = state::check_description(&self.description)
            .and(state::check_tags(&self.tags))
            .and(self.rotation_days.map_or(Ok(()), state::check_rotation_days));
        broken.map_err(|_| malformed("the description, tags or rotation of a key"))?;
        let versions: Vec<_> = self.versions.into_iter().map(|JsonObject(version)| version.version()).collect();
        let ascending = versions.windows(2).all(|pair| pair[0].number < pair[1].number);
        if !ascending || versions.first().is_none_or(|version| version.number == 0) {
            return Err(malformed("the versions of a key"));
        }
        Ok(key::KmsKey {
            id: self.id.0,
            arn: state.arn(&format!("key/{}", self.id.0)).into(),
            created: self.created,
            description: self.description,
            tags: self.tags,
            state: key_state,
            rotation_days: self.rotation_days,
            policy: self.policy.map(|JsonObject(policy)| policy.policy()),
            quota: self.quota.map(|JsonObject(quota)| Quota { per_second: quota.per_second, burst: quota.burst }),
            versions,
        })
    }
}

impl Policy {
    fn of(policy: &KeyPolicy) -> Self {
        let allowed = |requesters: &Requesters| match requesters {
            Requesters::Everyone => Allowed::Everyone(Everyone::Everyone),
            Requesters::Only(names) => Allowed::Only(names.iter().cloned().collect()),
        };
        Self {
            generate: allowed(&policy.generate),
            unwrap: allowed(&policy.unwrap),
            administer: allowed(&policy.administer),
        }
    }

    fn policy(self) -> KeyPolicy {
        let requesters = |allowed| match allowed {
            Allowed::Everyone(Everyone::Everyone) => Requesters::Everyone,
            Allowed::Only(names) => Requesters::Only(names.into_iter().collect()),
        };
        KeyPolicy {
            generate: requesters(self.generate),
            unwrap: requesters(self.unwrap),
            administer: requesters(self.administer),
        }
    }
}

impl KeyVersion {
    fn of(version: &key::KmsKeyVersion) -> Self {
        let origin = match version.origin {
            KeyOrigin::Generated => Origin::Generated,
            KeyOrigin::Imported => Origin::Imported,
        };
        Self { number: version.number, created: version.created, origin, key: KeyText(version.material.clone()) }
    }

    fn version(self) -> key::KmsKeyVersion {
        let origin = match self.origin {
            Origin::Generated => KeyOrigin::Generated,
            Origin::Imported => KeyOrigin::Imported,
        };
        key::KmsKeyVersion { number: self.number, created: self.created, origin, material: self.key.0 }
    }
}

/// Returns the JSON form of a policy for the audit trail.
pub(super) fn shown(policy: Option<&KeyPolicy>) -> String {
    let policy = policy.map(Policy::of);
    serde_json::to_string(&policy).expect("lists of texts are JSON")
}

fn malformed(what: &'static str) -> SealedFileError {
    SealedFileError::Malformed(what)
}
