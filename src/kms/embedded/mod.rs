//! The embedded KMS: a KMS in one sealed file.

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

/// A KMS in this process, whose keys lie in one sealed file: for services without another KMS or an HSM.
///
/// A [`KeyProvider`](crate::KeyProvider) for SSE-KMS and DSSE-KMS, and the [keyring](Self::keyring) of SSE-S3. A cheap
/// handle: clones share one open store.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let at = |name: &str| directory.path().join(name);
/// use std::sync::Arc;
/// use atrest::kms::{EmbeddedKms, KeyPolicy, NewKey, Permission};
/// use atrest::{KmsKeys, ObjectName, Requester, RootKey, Sse, SseKms, Unlock};
///
/// // Once. At every start: EmbeddedKms::open(path, &root_key)
/// let root_key = RootKey::create_file(at("root.key"))?;
/// let (owner, alice) = (Requester::new("service"), Requester::new("alice"));
/// let kms = EmbeddedKms::create(at("kms.atrest"), &root_key, owner.clone())?;
///
/// let policy = KeyPolicy::new().allow(Permission::Generate, [&alice]).allow(Permission::Unwrap, [&alice]);
/// kms.requested_by(owner).create_key(NewKey::new().alias("alias/app").policy(policy))?;
///
/// // This store has a KMS of its own, so whatever it unwraps was written here.
/// let sse = Sse::builder().keyring(kms.keyring()).kms(Arc::new(kms), KmsKeys::all()).build()?;
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let stored = sse.requested_by(alice).blocking().encrypt(&object, SseKms::new("alias/app"), b"meow")?;
/// assert!(sse.blocking().decrypt(&object, &stored, Unlock::Server).is_err()); // nobody asked
/// # Ok(()) }
/// ```
///
/// The file is read once, and written at every change: a temporary file (`NAME.tmp`), synchronised, that takes its place. A
/// lock (`NAME.lock`) is held for as long as anything lives that leads here: a clone, a [`KeyAdmin`], a [`Maintenance`], the
/// keyring, an `Sse` built on either. A second process is refused. Generating and unwrapping keys writes nothing, but where
/// the [default key](DEFAULT_ALIAS) is made. A missing or damaged file is an error, and never replaced by a new one.
///
/// # Security
///
/// Every use of a key is held against its state, its [policy](KeyPolicy) and its [quota](Quota), after its name was resolved;
/// no answer is cached. Keys are in this process's memory while it runs: an attacker who controls the process has them,
/// which an HSM prevents.
///
/// # Performance
///
/// A change writes the whole file, some 350 bytes a key, and waits for the disk; under a passphrase it costs Argon2id as
/// well.
///
/// Spec: manual, kms; format, "Sealed files".
#[derive(Clone)]
pub struct EmbeddedKms(Arc<Shared>);

struct Shared {
    store: Arc<Store>,
    keyring: Keyring,
    quota: Option<Quota>,
    meter: Meter,
    default_key_policy: Option<KeyPolicy>,
    /// The default key while a thread makes it, for all who wait for it. Held to look, never while anything is waited for.
    making_default: Mutex<Option<MakingDefault>>,
}

impl EmbeddedKms {
    /// Makes a new store in a new file, with a keyring and without KMS keys. The owner is the requester who may do everything: a
    /// name that the service keeps for itself.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedKmsBuilder::create`].
    pub fn create(path: impl Into<PathBuf>, root_key: &RootKey, owner: Requester) -> Result<Self> {
        Self::at(path).create(root_key, owner)
    }

    /// Opens the store of a file, whichever it is that the root key seals.
    ///
    /// # Errors
    ///
    /// As [`EmbeddedKmsBuilder::open`].
    pub fn open(path: impl Into<PathBuf>, root_key: &RootKey) -> Result<Self> {
        Self::at(path).open(root_key)
    }

    /// A store that is to be made, opened or restored with more said about it.
    pub fn at(path: impl Into<PathBuf>) -> EmbeddedKmsBuilder {
        EmbeddedKmsBuilder::new(path.into())
    }

    /// What a requester may do with keys and the store.
    pub fn requested_by(&self, requester: Requester) -> KeyAdmin {
        KeyAdmin::new(self.clone(), requester)
    }

    /// The keyring of SSE-S3 and DSSE-KMS, which lies in the same file; its changes are changes of the store, and on record
    /// as its owner's.
    ///
    /// # Security
    ///
    /// It is the service's own: code that has this handle can rotate, retire and read out all of it, and no requester is
    /// checked.
    pub fn keyring(&self) -> Keyring {
        self.0.keyring.clone()
    }

    /// The store's id, a UUID.
    pub fn store_id(&self) -> String {
        self.store().state().id.to_string()
    }

    /// How many times the store was written; it only ever rises.
    pub fn generation(&self) -> u64 {
        self.store().state().generation
    }

    /// Whom the store belongs to.
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
