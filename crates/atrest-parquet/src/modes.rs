//! [`ColumnModes`]: in which mode the keys of a file's footer and columns are.

use std::collections::{BTreeMap, BTreeSet};

use atrest::{AnyMode, ModeId};
use parquet::schema::types::SchemaDescriptor;

use crate::KeyError;
use crate::metadata::MAX_COLUMN_LEN;

/// In which mode, and so under which KMS key, the keys of a file's footer and columns are.
///
/// Every column is encrypted, unless it is [named](Self::with_unencrypted) as unencrypted: a column without a mode of
/// its own is encrypted under the key of the footer, as in parquet's own uniform encryption. (Parquet itself leaves all
/// columns unencrypted that are not named, as soon as one is.)
///
/// A column is named by its path: `address.street` for the field `street` of the struct `address`, and
/// `tags.list.element` for the elements of a list.
///
/// ```
/// use atrest::SseKms;
/// use atrest_parquet::ColumnModes;
///
/// let modes = ColumnModes::new(SseKms::new("alias/lake").with_bucket_key(true))
///     .with_column("iban", SseKms::new("alias/payments").with_bucket_key(true))
///     .with_unencrypted("id");
/// ```
///
/// # Performance
///
/// Each key costs a call of the KMS when the file is written and one when it is read, unless its mode has a
/// [bucket key](atrest::SseKms::with_bucket_key): then one call serves all files of a bucket for minutes. SSE-S3 has no
/// KMS.
#[derive(Clone, Debug)]
pub struct ColumnModes {
    footer: AnyMode,
    columns: BTreeMap<String, AnyMode>,
    unencrypted: BTreeSet<String>,
}

impl ColumnModes {
    /// Creates the modes of files that are encrypted under one key each, in this mode.
    pub fn new(footer: impl Into<AnyMode>) -> Self {
        Self { footer: footer.into(), columns: BTreeMap::new(), unencrypted: BTreeSet::new() }
    }

    /// Gives a column a key of its own, in this mode.
    #[must_use]
    pub fn with_column(mut self, path: impl Into<String>, mode: impl Into<AnyMode>) -> Self {
        self.columns.insert(path.into(), mode.into());
        self
    }

    /// Leaves a column unencrypted. At least one column of a file has to be encrypted.
    ///
    /// # Security
    ///
    /// The pages of the column are then neither secret nor authenticated: an attacker who writes the store can change
    /// its values.
    #[must_use]
    pub fn with_unencrypted(mut self, path: impl Into<String>) -> Self {
        self.unencrypted.insert(path.into());
        self
    }

    pub(crate) fn footer(&self) -> &AnyMode {
        &self.footer
    }

    /// Returns the columns to give to parquet: each with its mode, or with `None` if it has the key of the footer. An
    /// empty list encrypts all columns under the key of the footer.
    pub(crate) fn of_columns(&self, schema: &SchemaDescriptor) -> Result<Vec<(String, Option<&AnyMode>)>, KeyError> {
        if [&self.footer].into_iter().chain(self.columns.values()).any(|mode| mode.id() == ModeId::SseC) {
            return Err(KeyError::CustomerKey);
        }
        if self.columns.keys().any(|path| path.len() > MAX_COLUMN_LEN) {
            return Err(KeyError::ColumnTooLong);
        }
        let paths: BTreeSet<_> = schema.columns().iter().map(|column| column.path().string()).collect();
        if let Some(unknown) = self.columns.keys().chain(&self.unencrypted).find(|path| !paths.contains(*path)) {
            return Err(KeyError::NoSuchColumn(unknown.clone()));
        }
        if let Some(both) = self.columns.keys().find(|path| self.unencrypted.contains(*path)) {
            return Err(KeyError::Contradiction(both.clone()));
        }
        if self.columns.is_empty() && self.unencrypted.is_empty() {
            return Ok(Vec::new());
        }
        let encrypted: Vec<_> = paths.into_iter().filter(|path| !self.unencrypted.contains(path)).collect();
        if encrypted.is_empty() {
            return Err(KeyError::NothingEncrypted);
        }
        Ok(encrypted.into_iter().map(|path| (self.columns.get(&path), path)).map(|(mode, path)| (path, mode)).collect())
    }
}
