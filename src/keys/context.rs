//! [`EncryptionContext`]: names and values that a key provider binds a key to, and their encoding.

use std::collections::BTreeMap;
use std::fmt;

use bytes::BufMut;

use crate::codec::{ByteReader, put_prefixed};
use crate::error::{Limit, Misuse, Result};

/// The reserved name for the ARN of the object or, with a bucket key, of the bucket.
const OBJECT_ARN: &str = "aws:s3:arn";
const MAX_LEN: usize = EncryptionContext::MAX_SHOWN_LEN;

/// Pairs of names and values that a key provider binds a key to: unwrapping needs the same pairs.
///
/// The pairs are not secret: the envelope and the provider's audit trail contain them. `Debug` shows only the names.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::{EncryptionContext, SseKms};
/// let context = EncryptionContext::new().with("team", "photos")?;
/// let mode = SseKms::new("alias/app").with_context(context);
/// # Ok(()) }
/// ```
///
/// Spec: manual, format, "Envelope", field 4.
///
/// # Performance
///
/// Building the 1,365 pairs that fit into 8,192 bytes takes 0.12 ms; half of them take 0.05 ms (bench `costs`).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct EncryptionContext {
    /// The pairs in ascending byte order of their names.
    pairs: BTreeMap<String, String>,
    /// The sum of the encoded lengths of the pairs, kept so that adding a pair does not encode all of them.
    pairs_len: usize,
}

impl EncryptionContext {
    /// The maximum encoded length, in bytes, of the pairs that a new object's key is bound to: those of the caller and
    /// the ARN together.
    pub(crate) const MAX_SHOWN_LEN: usize = 8_192;

    /// Creates a context without pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair.
    ///
    /// # Errors
    ///
    /// Returns [`Limit::Context`] if all pairs together take more than 8,192 bytes, and [`Misuse`] if the name is
    /// empty, was added before, or is `aws:s3:arn`, which is reserved for the library. A write fails in the same way if
    /// the pairs and the object's ARN together take more.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(Misuse::ContextNameEmpty.into());
        }
        if name == OBJECT_ARN {
            return Err(Misuse::ContextNameReserved.into());
        }
        if self.encoded_len() + pair_len(&name, &value) > MAX_LEN {
            return Err(Limit::Context.into());
        }
        self.insert(name, value).ok_or(Misuse::ContextNameTwice)?;
        Ok(self)
    }

    /// Returns the value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// Returns the pairs in ascending byte order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the number of pairs.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns the pairs for a request to a key provider: these pairs and the object's ARN.
    pub(crate) fn shown_for(&self, arn: Option<String>) -> Self {
        let mut shown = self.clone();
        if let Some(arn) = arn {
            shown.insert(OBJECT_ARN.to_owned(), arn).expect("no caller's pair has this name");
        }
        shown
    }

    /// Adds a pair. Returns `None` if the name exists already.
    fn insert(&mut self, name: String, value: String) -> Option<()> {
        let len = pair_len(&name, &value);
        if self.pairs.insert(name, value).is_some() {
            return None;
        }
        self.pairs_len += len;
        Some(())
    }

    /// Returns whether a key of a new object can be bound to these pairs and an ARN of this length in bytes.
    pub(crate) fn fits_with_arn(&self, arn_len: Option<usize>) -> bool {
        let arn_len = arn_len.map_or(0, |len| 4 + OBJECT_ARN.len() + len);
        self.encoded_len() + arn_len <= Self::MAX_SHOWN_LEN
    }

    fn encoded_len(&self) -> usize {
        2 + self.pairs_len
    }

    /// Encodes the pairs as `u16 n || n x (LP(name) || LP(value))`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(self.encoded_len());
        encoded.put_u16(self.len() as u16); // at least 5 of 8,192 bytes per pair
        for text in self.iter().flat_map(|(name, value)| [name, value]) {
            put_prefixed(&mut encoded, text.as_bytes()).expect("a text, also an ARN, has at most 65,535 bytes");
        }
        encoded
    }

    /// Decodes the pairs of an envelope's field. Returns `None` if they break a rule.
    pub(crate) fn decode(encoded: &[u8]) -> Option<Self> {
        if encoded.len() > MAX_LEN {
            return None;
        }
        let mut reader = ByteReader::new(encoded, |_| ());
        let count = reader.u16().ok()?;
        let mut context = Self::new();
        for _ in 0..count {
            let mut text = || std::str::from_utf8(reader.prefixed().ok()?).ok();
            let (name, value) = (text()?, text()?);
            let ascending = context.pairs.last_key_value().is_none_or(|(last, _)| last.as_str() < name);
            if name.is_empty() || name == OBJECT_ARN || !ascending {
                return None;
            }
            context.insert(name.to_owned(), value.to_owned())?;
        }
        (count > 0 && reader.is_empty()).then_some(context)
    }
}

impl fmt::Debug for EncryptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionContext")?;
        f.debug_set().entries(self.pairs.keys()).finish()
    }
}

fn pair_len(name: &str, value: &str) -> usize {
    4 + name.len() + value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair is counted once: a client may send more than a thousand pairs.
    #[test]
    fn the_counted_length_is_that_of_the_encoding_up_to_the_last_pair_that_fits() {
        let mut context = EncryptionContext::new();
        let full = (0..).find_map(|number: u32| {
            let more = context.clone().with(number.to_string(), "x".repeat(number as usize % 7));
            match more {
                Ok(more) => context = more,
                Err(error) => return Some(error),
            }
            assert_eq!(context.encode().len(), context.encoded_len());
            None
        });
        assert!(matches!(full, Some(crate::error::Error::LimitExceeded(Limit::Context))));
        assert!(context.len() > 700 && context.encoded_len() <= MAX_LEN && context.encoded_len() > MAX_LEN - 20);
        // Decoding keeps the length, and the object's ARN counts too.
        let decoded = EncryptionContext::decode(&context.encode());
        assert_eq!(decoded.as_ref().map(EncryptionContext::encoded_len), Some(context.encoded_len()));
        let shown = context.shown_for(Some("arn:aws:s3:::photos/cat.jpg".to_owned()));
        assert_eq!(shown.encode().len(), shown.encoded_len());
    }
}
