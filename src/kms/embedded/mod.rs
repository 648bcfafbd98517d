//! [`EmbeddedKms`] and the modules of its parts: administration, keys, policies, quotas, maintenance, the store.

mod admin;
mod aliases;
mod builder;
mod key;
mod maintenance;
mod payload;
mod policy;
mod provider;
mod quota;
mod record;
mod state;
mod store;
mod transfer;

pub use admin::KeyAdmin;
pub use builder::EmbeddedKmsBuilder;
pub use key::{KeyInfo, KeyOrigin, KeyState, KeyVersion, NewKey};
pub use maintenance::{Maintained, Maintenance};
pub use policy::{KeyPolicy, Permission};
pub use quota::Quota;
pub use state::DEFAULT_ALIAS;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use crate::error::Result;
use crate::keys::{Keyring, RootKey};
use crate::object::Requester;
use provider::MakingDefault;
use quota::Meter;
use store::Store;

/// A KMS in this process that keeps its keys in one sealed file, for services without a cloud KMS or an HSM.
///
/// The KMS is a [`KeyProvider`](crate::KeyProvider) for SSE-KMS and DSSE-KMS, and it holds the [keyring](Self::keyring)
/// of SSE-S3. `EmbeddedKms` is a cheap handle: clones share one open store.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let at = |name: &str| directory.path().join(name);
/// use std::sync::Arc;
/// use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission};
/// use atrest::{KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, Unlock};
///
/// // Run once. At every start call EmbeddedKms::open(path, &root_key).
/// let root_key = RootKey::create_file(at("root.key"))?;
/// let (owner, alice) = (Requester::new("service"), Requester::new("alice"));
/// let kms = EmbeddedKms::create(at("kms.atrest"), &root_key, owner.clone())?;
///
/// let policy = KeyPolicy::new()
///     .allow(Permission::Generate, [&alice])
///     .allow(Permission::Unwrap, [&alice]);
/// kms.requested_by(owner).create_key(NewKey::new().alias("alias/app").policy(policy))?;
///
/// // Only this service uses this KMS, so every key that it unwraps was written here.
/// let sse = Sse::builder().keyring(kms.keyring()).kms(Arc::new(kms), KmsKeys::all()).build()?;
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let of_alice = sse.requested_by(alice).blocking();
/// let stored = of_alice.encrypt(&object, SseKms::new("alias/app"), b"meow")?;
/// assert!(sse.blocking().decrypt(&object, &stored, Unlock::Server).is_err()); // no requester
/// # Ok(()) }
/// ```
///
/// The file is read once at the start and written at every change: a temporary file (`NAME.tmp`) is written,
/// synchronised and renamed over it. A lock (`NAME.lock`) is held as long as any value exists that refers to the store:
/// a clone, a [`KeyAdmin`], a [`Maintenance`], the keyring, or an `Sse` built on one of them. A second process is
/// refused. Generating and unwrapping keys writes nothing, except when the [default key](DEFAULT_ALIAS) is created. A
/// missing or damaged file is an error; it is never replaced by a new one.
///
/// # Security
///
/// Every use of a key is checked against its state, its [policy](KeyPolicy) and its [quota](Quota), after its name was
/// resolved; no decision is cached. The keys are in the memory of this process while it runs: an attacker who controls
/// the process has the keys, which an HSM would prevent.
///
/// # Performance
///
/// A change writes the whole file, about 350 bytes for each key, and waits for the disk. Under a passphrase it also
/// runs Argon2id.
///
/// Spec: manual, kms; format, "Sealed files".
#[derive(Clone)]
pub struct EmbeddedKms(Arc<KmsShared>);

struct KmsShared {
    store: Arc<Store>,
    keyring: Keyring,
    quota: Option<Quota>,
    meter: Meter,
    default_key_policy: Option<KeyPolicy>,
    /// The creation of the default key in progress, shared by all callers that wait for it. The lock is held for memory
    /// access only, never during a wait.
    making_default: Mutex<Option<MakingDefault>>,
}

impl EmbeddedKms {
    /// Creates a new store in a new file, with a keyring and without KMS keys. The owner may call every operation: give
    /// a name that no client can have.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`EmbeddedKmsBuilder::create`].
    pub fn create(path: impl Into<PathBuf>, root_key: &RootKey, owner: Requester) -> Result<Self> {
        Self::builder(path).create(root_key, owner)
    }

    /// Opens the store in a file. Any store that the root key opens is accepted; [`EmbeddedKmsBuilder`] can require one
    /// id.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`EmbeddedKmsBuilder::open`].
    pub fn open(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Self> {
        Self::builder(path).open(root_key)
    }

    /// Returns a builder that creates, opens or restores the store of a file with further settings.
    pub fn builder(path: impl Into<PathBuf>) -> EmbeddedKmsBuilder {
        EmbeddedKmsBuilder::new(path.into())
    }

    /// Returns the administration handle of a requester.
    pub fn requested_by(&self, requester: Requester) -> KeyAdmin {
        KeyAdmin::new(self.clone(), requester)
    }

    /// Returns the keyring of SSE-S3 and DSSE-KMS, which is in the same file. A change of the keyring is a change of
    /// the store; the audit trail names the owner as its requester.
    ///
    /// # Security
    ///
    /// Keep this handle inside the service. It checks no requester: code that has it can rotate, retire and export the
    /// whole keyring.
    pub fn keyring(&self) -> Keyring {
        self.0.keyring.clone()
    }

    /// Returns the store's id, a UUID.
    pub fn store_id(&self) -> String {
        self.store().state().id.to_string()
    }

    /// Returns the number of times that the store was written. The number never falls.
    pub fn generation(&self) -> u64 {
        self.store().state().generation
    }

    /// Returns the owner of the store.
    pub fn owner(&self) -> Requester {
        self.store().state().owner.clone()
    }

    fn store(&self) -> &Store {
        &self.0.store
    }
}

impl fmt::Debug for EmbeddedKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.store().state();
        f.debug_struct("EmbeddedKms")
            .field("store_id", &state.id)
            .field("generation", &state.generation)
            .field("owner", &state.owner)
            .field("keys", &state.keys.len())
            .finish_non_exhaustive()
    }
}
