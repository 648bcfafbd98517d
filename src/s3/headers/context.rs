//! The encryption context as a header has it: base64 of a JSON object of strings.

use std::fmt;

use base64ct::{Base64, Encoding};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::keys::EncryptionContext;

/// The pairs; `None` where it is no object of strings, names one twice, or breaks a rule of [`EncryptionContext`].
pub(super) fn decode(text: &str) -> Option<EncryptionContext> {
    let json = Base64::decode_vec(text).ok()?;
    serde_json::from_slice::<Pairs>(&json).ok().map(|pairs| pairs.0)
}

/// As [`decode`] takes it, the names in ascending order.
pub(in crate::s3) fn encode_context(context: &EncryptionContext) -> String {
    let json = serde_json::to_vec(&Shown(context)).expect("texts are JSON");
    Base64::encode_string(&json)
}

struct Pairs(EncryptionContext);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
        let mut context = EncryptionContext::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            context = context.with(name, value).map_err(serde::de::Error::custom)?;
        }
        Ok(Pairs(context))
    }
}

struct Shown<'a>(&'a EncryptionContext);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter())
    }
}
