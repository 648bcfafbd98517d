//! How an embedded KMS is made, opened and restored.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use super::payload;
use super::state::{State, check_account, check_owner};
use super::store::{Clock, KeyringIn, MAX_SEALED_LEN, Options, Store};
use super::{EmbeddedKms, KeyPolicy, Quota, Shared};
use crate::audit::{AuditOperation, AuditTrail};
use crate::clock::millis;
use crate::error::{Result, Unexpected};
use crate::keys::keyring_state::State as KeyringState;
use crate::keys::stored_file::StoredFile;
use crate::keys::{Keyring, RootKey};
use crate::object::Requester;

/// Where an [`EmbeddedKms`] is and how it behaves; everything but the path is optional.
pub struct EmbeddedKmsBuilder {
    path: PathBuf,
    region: String,
    account: String,
    store_id: Option<String>,
    min_generation: u64,
    audit: Option<AuditTrail>,
    quota: Option<Quota>,
    default_key_policy: Option<KeyPolicy>,
    clock: Clock,
    keyring: Option<Keyring>,
}

impl EmbeddedKmsBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            region: "local".to_owned(),
            account: "000000000000".to_owned(),
            store_id: None,
            min_generation: 0,
            audit: None,
            quota: None,
            default_key_policy: None,
            clock: Arc::new(SystemTime::now),
            keyring: None,
        }
    }

    /// Sets the region and the account in the ARNs of a new store's keys; a store that is opened has its own. A region is
    /// of `a-z`, `0-9` and `-`, an account of 12 digits; `local` and twelve zeros if not given.
    #[must_use]
    pub fn region_and_account(self, region: impl Into<String>, account: impl Into<String>) -> Self {
        Self { region: region.into(), account: account.into(), ..self }
    }

    /// Expects the store of this id.
    #[must_use]
    pub fn store_id(self, id: impl Into<String>) -> Self {
        Self { store_id: Some(id.into()), ..self }
    }

    /// Expects no older generation than this one: an old copy that was put back is refused.
    ///
    /// # Security
    ///
    /// An old copy brings back old policies, and keys as they were before they were disabled. Keep the
    /// [generation](EmbeddedKms::generation) where an attacker who can write the file cannot write.
    #[must_use]
    pub fn min_generation(self, generation: u64) -> Self {
        Self { min_generation: generation, ..self }
    }

    /// Records every use of a key and every change.
    #[must_use]
    pub fn audit(self, trail: AuditTrail) -> Self {
        Self { audit: Some(trail), ..self }
    }

    /// How often each requester may use a key that has no quota of its own; as often as they like if not given.
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    /// The policy that the default key gets when it is made; without one the owner alone may use it, and have it made.
    #[must_use]
    pub fn default_key_policy(self, policy: KeyPolicy) -> Self {
        Self { default_key_policy: Some(policy), ..self }
    }

    /// What tells the time, instead of the system's clock: for tests of what a service does as time goes by.
    #[must_use]
    pub fn clock(self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Of a new store: takes over the versions of a keyring that is elsewhere, so that what was written under it opens. From
    /// then on the store's is the one that is rotated.
    #[must_use]
    pub fn keyring_of(self, keyring: &Keyring) -> Self {
        Self { keyring: Some(keyring.clone()), ..self }
    }

    /// Makes a new store in a new file, with a keyring and without KMS keys. Blocks its thread for the file and the trail.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io): there is a file already, or it cannot be written (its directory has to exist).
    /// [`KeyStoreError`](crate::error::KeyStoreError): the owner is anonymous, or region or account are none.
    pub fn create(self, root_key: &RootKey, owner: Requester) -> Result<EmbeddedKms> {
        check_owner(&owner)?;
        check_account(&self.region, &self.account)?;
        let keyring = match &self.keyring {
            Some(keyring) => keyring.whole_state()?,
            None => KeyringState::generate()?,
        };
        let (region, account) = (self.region.clone(), self.account.clone());
        let state = State::new(owner, region, account, keyring, millis((self.clock)()))?;
        self.create_with(state, root_key, AuditOperation::CreateStore)
    }

    /// Opens the store, if it is the one that is expected. The opening is on record, also where it is refused. Blocks its
    /// thread for the file and the trail.
    ///
    /// # Errors
    ///
    /// [`KeyStoreError::InUse`](crate::error::KeyStoreError::InUse). [`Error::Io`](crate::Error::Io): the file is missing
    /// or cannot be read. [`Error::SealedFile`](crate::Error::SealedFile) and
    /// [`Error::Inauthentic`](crate::Error::Inauthentic): it is damaged, or sealed under another root key. [`Unexpected`].
    /// [`Error::Audit`](crate::Error::Audit): the opening could not be recorded.
    pub fn open(self, root_key: &RootKey) -> Result<EmbeddedKms> {
        let store = Store::open(&self.path, root_key, self.options(), |state| self.check(state))?;
        Ok(self.build(store))
    }

    /// Puts a [backup](super::KeyAdmin::backup) into a new file, under a root key of its own; the backup's own
    /// is `backup_key`.
    ///
    /// The store gets a generation above the backup's, and above [`min_generation`](Self::min_generation): give it the one that
    /// was kept. What came after the backup is lost: keys and versions made since, and the policies as they were. Keys deleted
    /// since are back.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`open`](Self::open).
    pub fn restore(self, backup: &[u8], backup_key: &RootKey, root_key: &RootKey) -> Result<EmbeddedKms> {
        let mut state = payload::open(backup, backup_key)?;
        self.check_id(&state)?;
        // Above every generation that was ever seen, so that what was written before the restore is refused as older.
        state.generation = state.generation.max(self.min_generation);
        let state = state.next(millis((self.clock)()))?;
        self.create_with(state, root_key, AuditOperation::RestoreStore)
    }

    fn create_with(self, state: State, root_key: &RootKey, operation: AuditOperation) -> Result<EmbeddedKms> {
        let file = StoredFile::at(&self.path, MAX_SEALED_LEN)?;
        let store = Store::create(file, state, root_key, self.options(), operation)?;
        Ok(self.build(store))
    }

    fn options(&self) -> Options {
        Options { clock: self.clock.clone(), audit: self.audit.clone() }
    }

    fn check_id(&self, state: &State) -> Result<()> {
        if self.store_id.as_ref().is_some_and(|expected| *expected != state.id.to_string()) {
            return Err(Unexpected::KeyStoreId.into());
        }
        Ok(())
    }

    fn check(&self, state: &State) -> Result<()> {
        self.check_id(state)?;
        if state.generation < self.min_generation {
            return Err(Unexpected::Generation.into());
        }
        Ok(())
    }

    fn build(self, store: Store) -> EmbeddedKms {
        let store = Arc::new(store);
        let keyring = Keyring::within(store.state().keyring.clone(), Arc::new(KeyringIn(store.clone())));
        EmbeddedKms(Arc::new(Shared {
            store,
            keyring,
            quota: self.quota,
            meter: Default::default(),
            default_key_policy: self.default_key_policy,
            making_default: Default::default(),
        }))
    }
}

impl fmt::Debug for EmbeddedKmsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedKmsBuilder")
            .field("path", &self.path)
            .field("region", &self.region)
            .field("account", &self.account)
            .field("quota", &self.quota)
            .field("default_key_policy", &self.default_key_policy)
            .finish_non_exhaustive()
    }
}
