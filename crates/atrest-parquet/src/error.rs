//! [`KeyError`], the reason why a file gets no key.

use parquet::errors::ParquetError;

/// The reason why a file gets no keys, or a reader not its key.
///
/// A [`ParquetError`] that a reader gets has it as its source, as `ParquetError::External`:
///
/// ```
/// use std::error::Error;
/// use atrest::KeyProviderErrorKind;
/// use atrest_parquet::KeyError;
/// use parquet::errors::ParquetError;
///
/// fn is_denied(error: &ParquetError) -> bool {
///     match error.source().and_then(|source| source.downcast_ref()) {
///         Some(KeyError::Atrest(atrest::Error::KeyProvider(error))) => {
///             error.kind() == KeyProviderErrorKind::AccessDenied
///         }
///         _ => false,
///     }
/// }
/// # assert!(!is_denied(&ParquetError::EOF("the file ends".to_owned())));
/// ```
///
/// A failure of the footer's key is such an error. One of a column's key comes while the rows of the column are read:
/// the readers of Arrow batches pass on its text alone, as `ArrowError::ParquetError`.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key metadata is not of this crate, or was changed: the file was encrypted by other means.
    #[error(
        "the key metadata was not written by atrest-parquet: the file was encrypted by other means, or was changed"
    )]
    NotKeyMetadata,
    /// The key metadata has a version that this release does not know.
    #[error("the key metadata has version {0}, which this release does not know: upgrade atrest-parquet")]
    UnsupportedVersion(u8),
    /// The schema has no such column.
    #[error("the schema has no column {0:?}; a column is named by its path, such as address.street")]
    NoSuchColumn(String),
    /// The column has a key of its own, and is also to be left unencrypted.
    #[error("the column {0:?} has a key of its own, and is also to be left unencrypted")]
    Contradiction(String),
    /// Every column is to be left unencrypted. Parquet cannot encrypt the footer alone: given no column, it encrypts
    /// all.
    #[error("every column is to be left unencrypted: encrypt at least one, or write the file without encryption")]
    NothingEncrypted,
    /// The path of a column is longer than 65,000 bytes.
    #[error("the path of a column is longer than 65,000 bytes")]
    ColumnTooLong,
    /// The file has no name that its keys could be bound to, or one with a version id.
    #[error("keys are bound to the name of their file: give one that is bound and has no version id")]
    FileName,
    /// The mode is SSE-C, whose reader brings a key for each object; Parquet asks for keys by their metadata alone.
    #[error("the keys of a Parquet file cannot be in the mode SSE-C: use SSE-S3, SSE-KMS or DSSE-KMS")]
    CustomerKey,
    /// The keyring, the key provider or the audit trail failed or refused, or the key metadata belongs to another file
    /// ([`Inauthentic`](atrest::Error::Inauthentic)).
    #[error(transparent)]
    Atrest(#[from] atrest::Error),
}

impl From<KeyError> for ParquetError {
    fn from(error: KeyError) -> Self {
        Self::External(Box::new(error))
    }
}
