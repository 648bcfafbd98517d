//! [`KeyMetadata`], what a Parquet file keeps beside a key: which part of the file it is for, and the key, encrypted.

use atrest::{Encrypted, Envelope, ObjectName};

use crate::KeyError;

/// The first bytes of key metadata; the last one is the version.
const MAGIC: [u8; 3] = *b"APK";
const VERSION: u8 = 1;

/// A limit below that of a name's component, which also holds the words before the path.
const MAX_COLUMN_LEN: usize = 65_000;

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
            Self::Column(path) if path.len() > MAX_COLUMN_LEN => return Err(KeyError::ColumnTooLong),
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
    /// Encodes `magic || version || u8 part || LP(path) || LP(envelope) || body`.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::ColumnTooLong`] if the path of the column is too long.
    pub(crate) fn encode(part: Part<'_>, key: &Encrypted) -> Result<Vec<u8>, KeyError> {
        let (number, path) = match part {
            Part::Footer => (0, ""),
            Part::Column(path) => (1, path),
        };
        let envelope = key.envelope.as_bytes();
        let mut encoded = Vec::with_capacity(9 + path.len() + envelope.len() + key.ciphertext.len());
        encoded.extend_from_slice(&MAGIC);
        encoded.extend_from_slice(&[VERSION, number]);
        for field in [path.as_bytes(), envelope] {
            // No envelope is as long.
            let len = u16::try_from(field.len()).map_err(|_| KeyError::ColumnTooLong)?;
            encoded.extend_from_slice(&len.to_be_bytes());
            encoded.extend_from_slice(field);
        }
        encoded.extend_from_slice(&key.ciphertext);
        Ok(encoded)
    }

    /// Decodes key metadata.
    ///
    /// # Errors
    ///
    /// Returns [`KeyError::NotKeyMetadata`] or [`KeyError::UnsupportedVersion`], and the error of an envelope that does
    /// not decode.
    pub(crate) fn decode(encoded: &'a [u8]) -> Result<Self, KeyError> {
        let fields = || {
            let (version, rest) = encoded.strip_prefix(&MAGIC)?.split_first()?;
            Some((*version, rest))
        };
        let (version, rest) = fields().ok_or(KeyError::NotKeyMetadata)?;
        if version != VERSION {
            return Err(KeyError::UnsupportedVersion(version));
        }
        let fields = || {
            let (number, rest) = rest.split_first()?;
            let (path, rest) = prefixed(rest)?;
            let (envelope, body) = prefixed(rest)?;
            let part = match (number, std::str::from_utf8(path).ok()?) {
                (0, "") => Part::Footer,
                (1, path) => Part::Column(path),
                _ => return None,
            };
            Some((part, envelope, body))
        };
        let (part, envelope, body) = fields().ok_or(KeyError::NotKeyMetadata)?;
        Ok(Self { part, key: Encrypted::new(Envelope::decode(envelope)?, body) })
    }
}

/// Splits a field with its length before it, and the rest.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}
