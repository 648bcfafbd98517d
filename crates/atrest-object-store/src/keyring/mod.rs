//! [`StoreKeyring`], a keyring that lives in the object store, with its root key under a KMS; [`KeyringObject`], one
//! object as the storage of a keyring; and [`KeyringStoreError`].

mod error;
mod object;
mod requests;
mod root_key;

pub use error::KeyringStoreError;
pub use object::KeyringObject;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use atrest::{KeyProvider, Keyring, KeyringBuilder, KmsKeys, Requester};
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::Handle;

use requests::Requests;
use root_key::RootKeyObject;

/// The name of the object that holds the wrapped root key, under the keyring's path.
const ROOT_KEY: &str = "root-key.atrest";
/// The name of the object that holds the sealed keyring.
const KEYRING: &str = "keyring.atrest";

/// A keyring that lives in the object store beside the objects whose keys it wraps, so that every process that reaches
/// the store and the KMS has it.
///
/// | object under the path | holds | is written |
/// |---|---|---|
/// | `root-key.atrest` | the root key, encrypted in SSE-KMS | by `create` and [`rewrap_root_key`](Self::rewrap_root_key) |
/// | `keyring.atrest` | the master keys, sealed under the root key | at every change of the keyring |
///
/// A change of the KMS key rewrites the first object only, however many objects the store holds. A rotation of the
/// master key rewrites the second only. The KMS is asked once for each [`open`](Self::open).
///
/// ```
/// # use std::sync::Arc;
/// # async fn example(kms: Arc<dyn atrest::KeyProvider>, key_id: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use atrest::{KmsKeys, Sse};
/// use atrest_object_store::StoreKeyring;
/// use object_store::memory::InMemory;
/// use object_store::prefix::PrefixStore;
/// use object_store::{ObjectStore, path::Path};
///
/// // One bucket: the keyring under `keys`, the objects under `data`.
/// let bucket: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
/// let data = PrefixStore::new(bucket.clone(), "data");
///
/// let place = StoreKeyring::new(bucket, Path::from("keys"), kms, KmsKeys::only([key_id]));
/// place.create(key_id).await?; // once, in a step of its own
/// let keyring = place.open().await?; // in every process
/// let sse = Sse::builder().keyring(keyring).build()?;
/// # Ok(()) }
/// # let kms = Arc::new(atrest::testing::MemoryKms::new());
/// # let key_id = kms.create_key("lake").unwrap();
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(example(kms.clone(), &key_id)).unwrap();
/// ```
///
/// Keep both objects outside the prefix that an [`EncryptedStore`](crate::EncryptedStore) lists, as above, and give
/// this type the store itself, not the encrypted one.
///
/// # Stores
///
/// The store needs a conditional put: [`PutMode::Create`](object_store::PutMode) and `Update`. Amazon S3, Google Cloud
/// Storage, Azure and `InMemory` have one. `LocalFileSystem` has none, so it is refused: keep the keyring in a file
/// there ([`Keyring::builder`]). [`create`](Self::create) and [`open`](Self::open) ask the store first, with one
/// request that stores nothing.
///
/// # Security
///
/// - An attacker who writes the store can neither read nor change the keyring, and cannot put a root key of their own
///   in its place: only the KMS keys in `kms_keys` are accepted, and the root key is bound to its path.
/// - The attacker can put an **older keyring** back, together with its root key or alone. A running process refuses it.
///   At a start it is detected only if configuration states the generation ([`min_generation`](Self::min_generation)).
///   An older keyring enables versions that were disabled or retired since, and lacks newer ones.
/// - The attacker can delete both objects. **Without the keyring every object of the store is lost**: copy both to
///   another place after each change. A missing keyring is an error and is never made anew.
/// - [`rewrap_root_key`](Self::rewrap_root_key) revokes nothing: the root key stays the same.
///
/// # Performance
///
/// [`open`](Self::open) costs three requests to the store and one to the KMS. A read of an unchanged keyring costs one
/// request, answered without a body.
///
/// Spec: atrest's manual, keys; format, "Sealed files" and "Inline container".
#[derive(Clone)]
pub struct StoreKeyring {
    requests: Requests,
    path: Path,
    kms: Arc<dyn KeyProvider>,
    kms_keys: KmsKeys,
    requester: Requester,
    key_id: Option<String>,
    min_generation: u64,
    max_age: Option<Duration>,
}

impl StoreKeyring {
    /// Describes the keyring under `path` of `store`, whose root key lies under one of `kms_keys`. Makes no request.
    ///
    /// The requests run on the current tokio runtime, if there is one; [`runtime`](Self::runtime) names another.
    pub fn new(
        store: Arc<dyn ObjectStore>,
        path: impl Into<Path>,
        kms: Arc<dyn KeyProvider>,
        kms_keys: KmsKeys,
    ) -> Self {
        Self {
            requests: Requests::new(store),
            path: path.into(),
            kms,
            kms_keys,
            requester: Requester::anonymous(),
            key_id: None,
            min_generation: 0,
            max_age: None,
        }
    }

    /// Makes the KMS requests as this requester.
    #[must_use]
    pub fn requested_by(self, requester: Requester) -> Self {
        Self { requester, ..self }
    }

    /// Requires this key id of the keyring.
    #[must_use]
    pub fn key_id(self, key_id: impl Into<String>) -> Self {
        Self { key_id: Some(key_id.into()), ..self }
    }

    /// Requires this generation of the keyring or a later one, so that an older keyring that was put back is refused.
    ///
    /// Take it from configuration that an attacker who writes the store cannot change, and raise it after each change
    /// ([`Keyring::generation`]).
    #[must_use]
    pub fn min_generation(self, generation: u64) -> Self {
        Self { min_generation: generation, ..self }
    }

    /// Sets the maximum age of the last read of the keyring for a write; see [`KeyringBuilder::max_age`].
    #[must_use]
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..self }
    }

    /// Runs the requests on this runtime. The keyring asks from a thread of its own, and the clients of remote stores
    /// need a runtime there.
    ///
    /// Call the blocking verbs of the keyring from no thread that this runtime needs: a current-thread runtime would
    /// wait for itself.
    #[must_use]
    pub fn runtime(self, runtime: Handle) -> Self {
        Self { requests: self.requests.on(runtime), ..self }
    }

    /// Creates the root key under the KMS key `kms_key`, which may be an alias, and a keyring with one version. The
    /// root key is stored first; if one is stored already, because an earlier call ended between the two, that one is
    /// used.
    ///
    /// # Errors
    ///
    /// - [`KeyringStoreError::NoConditionalPut`] and the like: the store is refused.
    /// - [`KeyringStoreError::Atrest`]: the KMS refused, its key is not among the accepted ones, or there is a keyring
    ///   already (`Error::Io` of kind `AlreadyExists`). It is not replaced.
    /// - [`KeyringStoreError::Store`]: the root key could not be stored.
    pub async fn create(&self, kms_key: &str) -> Result<Keyring, KeyringStoreError> {
        let keyring = KeyringObject::checked(self.requests.clone(), self.keyring_path()).await?;
        let root_key = self.root_key_object().create(kms_key).await?;
        Ok(self.builder(keyring).create(&root_key).await?)
    }

    /// Opens the keyring.
    ///
    /// # Errors
    ///
    /// - [`KeyringStoreError::NotFound`]: there is no root key. It is never made anew.
    /// - [`KeyringStoreError::NoConditionalPut`] and the like: the store is refused.
    /// - [`KeyringStoreError::Atrest`]: the root key lies under a KMS key that is not accepted, or the KMS refused; or
    ///   the errors of [`KeyringBuilder::open`], such as `Error::Io` of kind `NotFound` where there is no keyring.
    pub async fn open(&self) -> Result<Keyring, KeyringStoreError> {
        let keyring = KeyringObject::checked(self.requests.clone(), self.keyring_path()).await?;
        let root_key = self.root_key_object().open().await?;
        Ok(self.builder(keyring).open(&root_key).await?)
    }

    /// Puts the root key under another KMS key, or under a fresh data key of the same. Returns the resolved id of the
    /// KMS key, which every later [`open`](Self::open) must accept.
    ///
    /// Rewrites `root-key.atrest` and nothing else: no object of the store, and not the keyring. Running processes go
    /// on. The old and the new KMS key must both be among the accepted ones. A racing call fails with
    /// [`KeyringStoreError::Changed`], and changes nothing.
    ///
    /// # Errors
    ///
    /// The errors of [`open`](Self::open), and [`KeyringStoreError::Changed`].
    ///
    /// # Security
    ///
    /// This revokes nothing: a reader of the old object who may use the old KMS key still gets the root key. Disable
    /// the old KMS key once every process accepts the new one. After a leak of the root key, create a new keyring and
    /// encrypt the objects again.
    pub async fn rewrap_root_key(&self, kms_key: &str) -> Result<String, KeyringStoreError> {
        self.requests.check_conditions(&self.keyring_path()).await?;
        self.root_key_object().rewrap(kms_key).await
    }

    fn keyring_path(&self) -> Path {
        self.path.clone().join(KEYRING)
    }

    fn root_key_object(&self) -> RootKeyObject<'_> {
        RootKeyObject {
            requests: &self.requests,
            path: self.path.clone().join(ROOT_KEY),
            kms: &self.kms,
            kms_keys: &self.kms_keys,
            requester: &self.requester,
        }
    }

    fn builder(&self, keyring: KeyringObject) -> KeyringBuilder {
        let mut builder = Keyring::builder_in(Arc::new(keyring)).min_generation(self.min_generation);
        if let Some(key_id) = &self.key_id {
            builder = builder.key_id(key_id.clone());
        }
        match self.max_age {
            Some(max_age) => builder.max_age(max_age),
            None => builder,
        }
    }
}

impl fmt::Debug for StoreKeyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKeyring")
            .field("store", &self.requests.store_name())
            .field("path", &self.path)
            .field("kms_keys", &self.kms_keys)
            .field("requester", &self.requester)
            .field("key_id", &self.key_id)
            .field("min_generation", &self.min_generation)
            .finish_non_exhaustive()
    }
}
