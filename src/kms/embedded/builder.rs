//! [`EmbeddedKmsBuilder`]: creates, opens and restores an embedded KMS.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::payload;
use super::state::{StoreState, check_account, check_owner};
use super::store::{MAX_SEALED_LEN, Store, StoreKeyring, StoreOptions};
use super::{EmbeddedKms, KeyPolicy, KmsShared, Quota};
use crate::clock::Clock;
use crate::crypto::Generator;
use crate::crypto::random::TryCryptoRng;
use crate::error::{Result, Unexpected};
use crate::keys::keyring_state::KeyringState;
use crate::keys::sources::Sources;
use crate::keys::stored_file::StoredFile;
use crate::keys::{Keyring, RootKey};
use crate::object::Requester;
use crate::trail::{AuditOperation, AuditTrail};

/// The path and the settings of an [`EmbeddedKms`]. Only the path is required.
pub struct EmbeddedKmsBuilder {
    path: PathBuf,
    region: String,
    account: String,
    store_id: Option<String>,
    min_generation: u64,
    audit: Option<AuditTrail>,
    quota: Option<Quota>,
    default_key_policy: Option<KeyPolicy>,
    sources: Sources,
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
            sources: Sources::default(),
            keyring: None,
        }
    }

    /// Sets the region and account in key ARNs. Only [`create`](Self::create) uses them; an existing store has its own.
    ///
    /// A region is 1 to 64 characters of `a-z`, `0-9` and `-`, an account 12 digits. The defaults are `local` and
    /// twelve zeros.
    #[must_use]
    pub fn region_and_account(self, region: impl Into<String>, account: impl Into<String>) -> Self {
        Self { region: region.into(), account: account.into(), ..self }
    }

    /// Requires the store to have this id.
    #[must_use]
    pub fn store_id(self, id: impl Into<String>) -> Self {
        Self { store_id: Some(id.into()), ..self }
    }

    /// Requires this generation or a later one: an old copy of the file is refused.
    ///
    /// # Security
    ///
    /// An old copy brings back old policies, and keys as they were before they were disabled. Keep the
    /// [generation](EmbeddedKms::generation) in a place that a writer of the file cannot change.
    #[must_use]
    pub fn min_generation(self, generation: u64) -> Self {
        Self { min_generation: generation, ..self }
    }

    /// Sets the audit trail, which records every use of a key and every change.
    #[must_use]
    pub fn audit(self, trail: AuditTrail) -> Self {
        Self { audit: Some(trail), ..self }
    }

    /// Sets how often each requester may use a key, in addition to the key's own quota. The default is no limit.
    #[must_use]
    pub fn quota(self, quota: Quota) -> Self {
        Self { quota: Some(quota), ..self }
    }

    /// Sets the policy that the default key gets when it is created. Without it only the owner may use the default key,
    /// and only the owner's request creates it.
    #[must_use]
    pub fn default_key_policy(self, policy: KeyPolicy) -> Self {
        Self { default_key_policy: Some(policy), ..self }
    }

    /// Sets the clock of creation times, rotation by age, deletion, quotas and audit events, for tests. The default is
    /// this machine's clock, which always measures the period of [`maintain_every`](EmbeddedKms::maintain_every).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.sources.clock = clock;
        self
    }

    /// Sets the random generator. The default is the operating system's.
    ///
    /// `factory` makes a generator for each draw. KMS keys, key-encryption keys, master keys of the store's keyring,
    /// ids, and all salts come from it.
    ///
    /// # Security
    ///
    /// A generator that repeats its output repeats keys.
    #[must_use]
    pub fn generator<R>(mut self, factory: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: TryCryptoRng,
        R::Error: Send + Sync + 'static,
    {
        self.sources.generator = Generator::new(factory);
        self
    }

    /// Copies the versions of an existing keyring into a new store, so that objects written under them open.
    /// Afterwards, rotate only the store's keyring.
    #[must_use]
    pub fn keyring_of(self, keyring: &Keyring) -> Self {
        Self { keyring: Some(keyring.clone()), ..self }
    }

    /// Creates a new store in a new file, with a keyring and without KMS keys. The call blocks its thread for the file
    /// and the trail.
    ///
    /// # Errors
    ///
    /// - [`Error::Io`](crate::Error::Io) if the file exists already or cannot be written; its directory has to exist.
    /// - [`KeyStoreError`](crate::error::KeyStoreError) if the owner is anonymous, or the region or account is
    ///   malformed.
    /// - [`Error::Audit`](crate::Error::Audit) if the creation could not be recorded.
    pub fn create(self, root_key: &RootKey, owner: Requester) -> Result<EmbeddedKms> {
        check_owner(&owner)?;
        check_account(&self.region, &self.account)?;
        let keyring = match &self.keyring {
            Some(keyring) => keyring.whole_state()?,
            None => KeyringState::generate(&self.sources)?,
        };
        let (region, account) = (self.region.clone(), self.account.clone());
        let state = StoreState::new(owner, region, account, keyring, self.sources.now(), &self.sources.generator)?;
        self.create_with(state, root_key, AuditOperation::CreateStore)
    }

    /// Opens the store if it is the expected one. The audit trail records the opening, even if it is refused. The
    /// call blocks its thread for the file and the trail.
    ///
    /// # Errors
    ///
    /// - [`KeyStoreError::InUse`](crate::error::KeyStoreError::InUse) if the store is open already.
    /// - [`Error::Io`](crate::Error::Io) if the file is missing or cannot be read.
    /// - [`Error::SealedFile`](crate::Error::SealedFile) or [`Error::Inauthentic`](crate::Error::Inauthentic) if the
    ///   file is damaged or sealed under another root key.
    /// - [`Unexpected`] if the store is not the expected one.
    /// - [`Error::Audit`](crate::Error::Audit) if the opening could not be recorded.
    pub fn open(self, root_key: &RootKey) -> Result<EmbeddedKms> {
        let store = Store::open(&self.path, root_key, self.options(), |state| self.check(state))?;
        Ok(self.build(store))
    }

    /// Restores a [backup](super::KeyAdmin::backup) into a new file under `root_key`. The backup is sealed under
    /// `backup_key`.
    ///
    /// The store gets a generation above that of the backup and above [`min_generation`](Self::min_generation): set
    /// `min_generation` to the generation that was kept. Changes since the backup are lost: new keys, new versions and
    /// changed policies. Keys deleted since exist again.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`create`](Self::create) and [`open`](Self::open).
    pub fn restore(self, backup: &[u8], backup_key: &RootKey, root_key: &RootKey) -> Result<EmbeddedKms> {
        let mut state = payload::open(backup, backup_key)?;
        self.check_id(&state)?;
        // The new generation is above all earlier ones, so that older files are refused.
        state.generation = state.generation.max(self.min_generation);
        let state = state.next(self.sources.now())?;
        self.create_with(state, root_key, AuditOperation::RestoreStore)
    }

    fn create_with(self, state: StoreState, root_key: &RootKey, operation: AuditOperation) -> Result<EmbeddedKms> {
        let file = StoredFile::at(&self.path, MAX_SEALED_LEN)?;
        let store = Store::create(file, state, root_key, self.options(), operation)?;
        Ok(self.build(store))
    }

    fn options(&self) -> StoreOptions {
        StoreOptions { sources: self.sources.clone(), audit: self.audit.clone() }
    }

    fn check_id(&self, state: &StoreState) -> Result<()> {
        if self.store_id.as_ref().is_some_and(|expected| *expected != state.id.to_string()) {
            return Err(Unexpected::KeyStoreId.into());
        }
        Ok(())
    }

    fn check(&self, state: &StoreState) -> Result<()> {
        self.check_id(state)?;
        if state.generation < self.min_generation {
            return Err(Unexpected::Generation.into());
        }
        Ok(())
    }

    fn build(self, store: Store) -> EmbeddedKms {
        let store = Arc::new(store);
        let keyring =
            Keyring::within(store.state().keyring.clone(), Arc::new(StoreKeyring(store.clone())), self.sources.clone());
        EmbeddedKms(Arc::new(KmsShared {
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
