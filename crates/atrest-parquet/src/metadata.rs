//! [`KeyMetadata`], what a Parquet file keeps beside a key: which part of the file it is for, and the key, encrypted.

use atrest::{Encrypted, ObjectName};

use crate::KeyError;

const VERSION: u8 = 1;

/// A limit below that of a name's component, which also holds the words before the path.
pub(crate) const MAX_COLUMN_LEN: usize = 65_000;

/// The part of a file that a key encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// The footer, and the columns without a key of their own.
    Footer,
    /// The column with this path.
    Column(&'a str),
}

impl Part<'_> {
    /// Returns the name that the key of this part is bound to: that of the file, with the part as its version id.
    ///
    /// SECURITY: no object of a store has such a version id, so no object passes for a key. The words before the path
    /// are fixed, so no two parts have the same name.
    pub(crate) fn name_in(self, file: &ObjectName) -> Result<ObjectName, KeyError> {
        Ok(match self {
            Self::Footer => file.clone().with_version_id("parquet-key/1 footer")?,
            Self::Column(path) if path.len() > MAX_COLUMN_LEN => return Err(KeyError::NotKeyMetadata),
            Self::Column(path) => file.clone().with_version_id(format!("parquet-key/1 column {path}"))?,
        })
    }
}

/// The decoded key metadata of one key.
#[derive(Debug)]
pub(crate) struct KeyMetadata<'a> {
    pub(crate) part: Part<'a>,
    /// The key as an object: its body is the encrypted key.
    pub(crate) key: Encrypted,
}

impl<'a> KeyMetadata<'a> {
    /// Encodes `"APK" || version || u8 part || LP(path) || key in an inline container`.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::ColumnTooLong`] if the path of the column is too long.
    pub(crate) fn encode(part: Part<'_>, key: &Encrypted) -> Result<Vec<u8>, KeyError> {
        let (number, path) = match part {
            Part::Footer => (0, ""),
            Part::Column(path) => (1, path),
        };
        let path_len = u16::try_from(path.len()).map_err(|_| KeyError::ColumnTooLong)?;
        let key = key.to_inline()?;
        Ok([b"APK".as_slice(), &[VERSION, number], &path_len.to_be_bytes(), path.as_bytes(), &key].concat())
    }

    /// Decodes key metadata.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::NotKeyMetadata`] or [`KeyError::UnsupportedVersion`], and the errors of
    /// [`Encrypted::from_inline`].
    pub(crate) fn decode(encoded: &'a [u8]) -> Result<Self, KeyError> {
        let [b'A', b'P', b'K', version, rest @ ..] = encoded else { return Err(KeyError::NotKeyMetadata) };
        if *version != VERSION {
            return Err(KeyError::UnsupportedVersion(*version));
        }
        let fields = || {
            let (number, rest) = rest.split_first()?;
            let (path_len, rest) = rest.split_first_chunk()?;
            let (path, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*path_len)))?;
            match (number, std::str::from_utf8(path).ok()?) {
                (0, "") => Some((Part::Footer, key)),
                (1, path) => Some((Part::Column(path), key)),
                _ => None,
            }
        };
        let (part, key) = fields().ok_or(KeyError::NotKeyMetadata)?;
        Ok(Self { part, key: Encrypted::from_inline(key)? })
    }
}
