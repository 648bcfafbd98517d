//! [`ParquetKeys`], the keys of Parquet files under one [`Sse`]; [`FileKeys`], those of one file.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use atrest::{AnyMode, DataKey, ObjectName, Sse, Unlock};
use parquet::encryption::decrypt::{FileDecryptionProperties, KeyRetriever};
use parquet::encryption::encrypt::FileEncryptionProperties;
use parquet::errors::Result;
use parquet::schema::types::SchemaDescriptor;
use pollster::block_on;

use crate::cache::{Cache, CachePolicy, Place, lock};
use crate::metadata::{KeyMetadata, Part};
use crate::{ColumnModes, KeyError};

/// The keys of Parquet files, from the keyring and the KMS of an [`Sse`]. Clones share the kept keys.
///
/// See the [crate](crate) for an example.
///
/// # Security
///
/// The kept keys serve every holder of this value, under the requester and the expectations of the `Sse`. Create one
/// for each requester: `ParquetKeys::new(sse.requested_by(alice))`.
#[derive(Clone)]
pub struct ParquetKeys(Arc<Shared>);

struct Shared {
    sse: Sse,
    cache: Cache,
}

impl ParquetKeys {
    /// Creates the keys of this handle, with the default [`CachePolicy`].
    pub fn new(sse: Sse) -> Self {
        Self(Arc::new(Shared { sse, cache: Cache::new(CachePolicy::default()) }))
    }

    /// Returns keys of the same handle with another policy, which share no kept keys with these. The age of a key is
    /// measured by the [clock](Sse::clock) of the handle.
    #[must_use]
    pub fn with_cache(self, policy: CachePolicy) -> Self {
        Self(Arc::new(Shared { sse: self.0.sse.clone(), cache: Cache::new(policy) }))
    }

    /// Returns the keys of one file. The keys of a file are bound to its name: a reader gives the same name, and key
    /// metadata of another file is refused.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::FileName`] if the name is [unbound](ObjectName::unbound) or has a version id.
    ///
    /// # Security
    ///
    /// If files are renamed, name them by something that stays: the table and an id. A name that many files share lets
    /// an attacker who writes the store exchange these files with each other.
    pub fn file(&self, name: ObjectName) -> Result<FileKeys, KeyError> {
        if !name.is_bound() || !name.version_id().is_empty() {
            return Err(KeyError::FileName);
        }
        Ok(FileKeys { keys: self.clone(), name })
    }

    /// Returns the handle that the keys come from.
    pub fn sse(&self) -> &Sse {
        &self.0.sse
    }

    /// Drops all kept keys. A retrieval under way serves those who wait for it, and leaves nothing behind.
    ///
    /// The [bucket keys](atrest::SseKms::with_bucket_key) of the handle stay: drop them before, with
    /// [`Sse::purge_bucket_keys`].
    pub fn purge(&self) {
        self.0.cache.purge();
    }

    /// Returns the number of keys that are kept now, without those that are being retrieved.
    pub fn kept(&self) -> usize {
        self.0.cache.count(&**self.0.sse.clock())
    }
}

/// Shows how many keys are kept, and none of them.
impl fmt::Debug for ParquetKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { sse, cache } = &*self.0;
        f.debug_struct("ParquetKeys")
            .field("sse", sse)
            .field("policy", &cache.policy)
            .field("kept", &self.kept())
            .finish()
    }
}

/// The keys of one Parquet file.
#[derive(Clone, Debug)]
pub struct FileKeys {
    keys: ParquetKeys,
    name: ObjectName,
}

impl FileKeys {
    /// Generates the keys of a new file with this schema. Each file gets keys of its own, also one that replaces
    /// another under its name.
    ///
    /// # Errors
    ///
    /// Returns a [`KeyError`] as the source of [`ParquetError::External`](parquet::errors::ParquetError):
    ///
    /// - [`KeyError::NoSuchColumn`], [`KeyError::ColumnTooLong`], [`KeyError::Contradiction`],
    ///   [`KeyError::NothingEncrypted`], [`KeyError::CustomerKey`]: the modes do not fit the schema or each other.
    ///   No key was generated.
    /// - [`KeyError::Atrest`]: the errors of [`Sse::encrypt`].
    ///
    /// # Security
    ///
    /// The properties hold the keys in memory that is not wiped, and up to parquet 59 their `Debug` prints the keys:
    /// log neither them nor the `WriterProperties` that hold them.
    pub async fn encryption(
        &self,
        modes: &ColumnModes,
        schema: &SchemaDescriptor,
    ) -> Result<Arc<FileEncryptionProperties>> {
        let columns = modes.of_columns(schema)?;
        let (footer, footer_metadata) = self.generated(Part::Footer, modes.footer()).await?;
        let properties = FileEncryptionProperties::builder(footer.expose_secret().to_vec());
        let mut properties = properties.with_footer_key_metadata(footer_metadata.clone());
        for (path, mode) in columns {
            let (key, metadata) = match mode {
                Some(mode) => {
                    let (key, metadata) = self.generated(Part::Column(&path), mode).await?;
                    (key.expose_secret().to_vec(), metadata)
                }
                None => (footer.expose_secret().to_vec(), footer_metadata.clone()),
            };
            properties = properties.with_column_key_and_metadata(&path, key, metadata);
        }
        properties.build()
    }

    /// Calls [`encryption`](Self::encryption) and waits on the calling thread, with no runtime.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`encryption`](Self::encryption).
    pub fn encryption_blocking(
        &self,
        modes: &ColumnModes,
        schema: &SchemaDescriptor,
    ) -> Result<Arc<FileEncryptionProperties>> {
        block_on(self.encryption(modes, schema))
    }

    /// Returns the properties for one reader of the file, which retrieve each key when it is needed: a kept one, or one
    /// that the keyring or the KMS unwraps. A reader that may not use the key of a column reads the other columns.
    ///
    /// Parquet asks for keys in a synchronous call, also inside of async code: it blocks its thread for as long as the
    /// KMS takes. A KMS behind [`Resilient`](atrest::kms::Resilient) takes a bounded time; with bucket keys most calls
    /// need none.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`FileDecryptionProperties`]: none in the versions of parquet that this crate allows.
    ///
    /// A reader gets a [`KeyError`] as the source of [`ParquetError::External`](parquet::errors::ParquetError):
    /// [`KeyError::NotKeyMetadata`], [`KeyError::UnsupportedVersion`], or [`KeyError::Atrest`] with the errors of
    /// [`Sse::decrypt`]. A failure is repeated for one second, so that a refused key is not asked for once in each row
    /// group.
    ///
    /// # Security
    ///
    /// - Parquet reads an unencrypted file with these properties as well, and says nothing: see the [crate](crate).
    /// - The audit trail has one event for each key that these properties get, however often parquet asks for it. Get
    ///   new properties for each reader of the file, so that each is on record.
    pub fn decryption(&self) -> Result<Arc<FileDecryptionProperties>> {
        let reader = Reader { file: self.clone(), recorded: Mutex::default() };
        FileDecryptionProperties::with_key_retriever(Arc::new(reader)).build()
    }

    /// Draws a key, and encrypts it for its metadata.
    async fn generated(&self, part: Part<'_>, mode: &AnyMode) -> Result<(DataKey, Vec<u8>), KeyError> {
        let key = DataKey::generate()?;
        let name = part.name_in(&self.name)?;
        let stored = self.keys.sse().encrypt(&name, mode.clone(), key.expose_secret()).await?;
        let metadata = KeyMetadata::encode(part, &stored)?;
        Ok((key, metadata))
    }
}

/// The retriever of the keys of one reader.
struct Reader {
    file: FileKeys,
    /// The metadata of the keys that this reader got: the audit trail has an event of each.
    recorded: Mutex<HashSet<Box<[u8]>>>,
}

impl Reader {
    fn key(&self, metadata: &[u8]) -> Result<Vec<u8>, KeyError> {
        let KeyMetadata { part, key: stored } = KeyMetadata::decode(metadata)?;
        let FileKeys { keys, name: file } = &self.file;
        let Shared { sse, cache } = &*keys.0;
        let name = part.name_in(file)?;
        let serve_again = || match lock(&self.recorded).contains(metadata) {
            true => Ok(()),
            false => Ok(sse.blocking().read_again(&name, &stored.envelope, Unlock::Server)?),
        };
        let retrieve = || {
            let mut key = sse.blocking().decrypt(&name, &stored, Unlock::Server)?;
            DataKey::from_slice(&mut key).map_err(|_| KeyError::NotKeyMetadata)
        };
        let place = Place { file: file.clone(), metadata: metadata.into() };
        let key = cache.key(place, &**sse.clock(), || sse.key_epoch(&stored.envelope), serve_again, retrieve)?;
        lock(&self.recorded).insert(metadata.into());
        Ok(key)
    }
}

impl KeyRetriever for Reader {
    fn retrieve_key(&self, key_metadata: &[u8]) -> Result<Vec<u8>> {
        Ok(self.key(key_metadata)?)
    }
}
