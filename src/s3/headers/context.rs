//! [`ContextHeader`], the encryption context in a header: base64 of a JSON object of strings.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::keys::EncryptionContext;

/// The name of the pair that the library adds itself. A client may also send this pair.
const OBJECT_ARN: &str = "aws:s3:arn";

/// The pairs of the encryption context of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::s3) struct ContextHeader {
    /// The pairs without `aws:s3:arn`.
    pub(in crate::s3) pairs: EncryptionContext,
    /// The value of `aws:s3:arn`. It is never stored, because the library knows it.
    pub(in crate::s3) arn: Option<String>,
}

impl ContextHeader {
    /// Decodes the pairs. Returns `None` if the text is not base64 of a JSON object of strings, repeats a name, or
    /// breaks a rule of [`EncryptionContext`].
    pub(super) fn decode(text: &str) -> Option<Self> {
        let json = Base64::decode_vec(text).ok()?;
        serde_json::from_slice(&json).ok()
    }

    /// Encodes the pairs for [`decode`](Self::decode), with the names in ascending order.
    pub(in crate::s3) fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("texts are JSON");
        Base64::encode_string(&json)
    }
}

impl<'de> Deserialize<'de> for ContextHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = ContextHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ContextHeader, A::Error> {
        let mut context = ContextHeader::default();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            if name == OBJECT_ARN {
                if context.arn.replace(value).is_some() {
                    return Err(serde::de::Error::custom("a pair is named twice"));
                }
            } else {
                context.pairs = context.pairs.with(name, value).map_err(serde::de::Error::custom)?;
            }
        }
        Ok(context)
    }
}

impl Serialize for ContextHeader {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let arn = self.arn.as_deref().map(|arn| (OBJECT_ARN, arn));
        let before = self.pairs.iter().take_while(|(name, _)| *name < OBJECT_ARN);
        let after = self.pairs.iter().skip_while(|(name, _)| *name < OBJECT_ARN);
        serializer.collect_map(before.chain(arn).chain(after))
    }
}
