//! [`AtrestEncryption`], an [`EncryptionFactory`] of DataFusion: Parquet Modular Encryption under keys of [`atrest`].
//!
//! ```
//! # async fn example(keys: atrest_parquet::ParquetKeys) -> datafusion::error::Result<()> {
//! use std::sync::Arc;
//! use atrest::SseKms;
//! use atrest_datafusion::AtrestEncryption;
//! use atrest_parquet::ColumnModes;
//! use datafusion::prelude::SessionContext;
//!
//! let mode = |key_id| SseKms::new(key_id).with_bucket_key(true);
//! let modes = ColumnModes::new(mode("alias/lake")).with_column("iban", mode("alias/payments"));
//! let context = SessionContext::new();
//! let people = Arc::new(AtrestEncryption::new(keys, modes, "lake"));
//! context.runtime_env().register_parquet_encryption_factory("people", people);
//!
//! // The same OPTIONS for COPY ... TO ... STORED AS PARQUET.
//! context.sql(
//!     "CREATE EXTERNAL TABLE people STORED AS PARQUET LOCATION '/lake/people/' \
//!      OPTIONS ('format.crypto.factory_id' 'people')",
//! ).await?;
//! context.sql("SELECT name FROM people WHERE iban = 'DE89 3704'").await?.show().await?;
//! # Ok(()) }
//! ```
//!
//! # Security
//!
//! - What Parquet Modular Encryption protects, and what not, is in the documentation of [`atrest_parquet`]. Above all
//!   DataFusion reads an unencrypted file, too.
//! - A `COPY` or a table without the option `format.crypto.factory_id` writes **unencrypted** files.
//! - Every query of a session can name every factory of its `RuntimeEnv`. Register in it only the factories that its
//!   requester may use, made from [`Sse::requested_by`](atrest::Sse::requested_by).
//! - DataFusion 55 uses parquet 59, whose `Debug` of a file's properties prints the keys: do not log plans of writes at
//!   the level debug.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use atrest::ObjectName;
use atrest_parquet::{ColumnModes, FileKeys, KeyError, ParquetKeys};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::config::EncryptionFactoryOptions;
use datafusion::error::Result;
use datafusion::execution::parquet_encryption::EncryptionFactory;
use datafusion::object_store::path::Path;
use datafusion::parquet::arrow::ArrowSchemaConverter;
use datafusion::parquet::encryption::decrypt::FileDecryptionProperties;
use datafusion::parquet::encryption::encrypt::FileEncryptionProperties;
use datafusion::parquet::errors::ParquetError;

/// Gives the Parquet files of a table their keys, and their readers.
///
/// The keys of a file are bound to a bucket, which the caller names, and to the file's path in its object store. A file
/// that is copied or renamed does not open under its new path.
///
/// The factory takes no options: which key a column has is decided in code, and not by a query.
#[derive(Clone, Debug)]
pub struct AtrestEncryption {
    keys: ParquetKeys,
    modes: ColumnModes,
    bucket: String,
    realm: Vec<u8>,
}

impl AtrestEncryption {
    /// Creates the factory of tables with these columns, in a logical bucket: a name that stays when the store moves.
    pub fn new(keys: ParquetKeys, modes: ColumnModes, bucket: impl Into<String>) -> Self {
        Self { keys, modes, bucket: bucket.into(), realm: Vec::new() }
    }

    /// Sets the [realm](ObjectName::with_realm) of the files.
    #[must_use]
    pub fn with_realm(self, realm: impl Into<Vec<u8>>) -> Self {
        Self { realm: realm.into(), ..self }
    }

    fn file(&self, options: &EncryptionFactoryOptions, path: &Path) -> Result<FileKeys> {
        if let Some(option) = options.options.keys().next() {
            let refused = format!("the encryption factory of atrest takes no options, such as {option:?}");
            return Err(DataFusionError::Configuration(refused));
        }
        let name = ObjectName::new(&self.bucket, path.as_ref()).and_then(|name| name.with_realm(&self.realm));
        let file = name.map_err(KeyError::from).and_then(|name| self.keys.file(name));
        file.map_err(|error| ParquetError::from(error).into())
    }
}

#[async_trait]
impl EncryptionFactory for AtrestEncryption {
    async fn get_file_encryption_properties(
        &self,
        config: &EncryptionFactoryOptions,
        schema: &SchemaRef,
        file_path: &Path,
    ) -> Result<Option<Arc<FileEncryptionProperties>>> {
        let file = self.file(config, file_path)?;
        let schema = ArrowSchemaConverter::new().convert(schema)?;
        Ok(Some(file.encryption(&self.modes, &schema).await?))
    }

    async fn get_file_decryption_properties(
        &self,
        config: &EncryptionFactoryOptions,
        file_path: &Path,
    ) -> Result<Option<Arc<FileDecryptionProperties>>> {
        Ok(Some(self.file(config, file_path)?.decryption()?))
    }
}
