//! [`Id`], [`KeyText`] and [`JsonObject`]: values of a key store in strict JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::kms::embedded::state::parse_id;
use crate::secret::{KEY_LEN, MasterKey, Secret};

/// The length of 32 bytes in base64, in characters.
const KEY_TEXT_LEN: usize = 44;

/// Returns the length of a value as JSON, in bytes.
pub(super) fn written_len(value: &impl Serialize) -> usize {
    struct Counter(usize);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).expect("numbers, texts and lists are JSON");
    counter.0
}

/// A UUID in lower case with hyphens.
#[derive(Clone, Copy)]
pub(super) struct Id(pub(super) Uuid);

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        parse_id(text).map(Self).ok_or(D::Error::custom("not a UUID in lower case"))
    }
}

/// A key of 32 bytes in base64.
///
/// SECURITY: the text is borrowed from the payload, which is wiped. A text with escapes would be copied, so it is
/// refused.
pub(super) struct KeyText<K>(pub(super) Arc<K>);

/// A key type that is created from a secret and exposes its bytes.
pub(super) trait Key {
    fn of(secret: Secret) -> Self;
    fn bytes(&self) -> &[u8; KEY_LEN];
}

impl Key for Secret {
    fn of(secret: Secret) -> Self {
        secret
    }

    fn bytes(&self) -> &[u8; KEY_LEN] {
        self.expose()
    }
}

impl Key for MasterKey {
    fn of(secret: Secret) -> Self {
        Self::from_secret(secret)
    }

    fn bytes(&self) -> &[u8; KEY_LEN] {
        self.expose_secret()
    }
}

impl<K: Key> Serialize for KeyText<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new([0; KEY_TEXT_LEN]);
        let text = Base64::encode(self.0.bytes(), &mut *text).expect("32 bytes are 44 characters");
        serializer.serialize_str(text)
    }
}

impl<'de, K: Key> Deserialize<'de> for KeyText<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&str>::deserialize(deserializer)?;
        let fill = |key: &mut [u8; KEY_LEN]| match Base64::decode(text, key) {
            Ok(decoded) if decoded.len() == KEY_LEN => Ok(()),
            _ => Err(D::Error::custom("not 32 bytes in base64")),
        };
        let secret = Secret::filled_by(fill, || D::Error::custom("a key of nothing but zeros"))?;
        Ok(Self(Arc::new(K::of(secret))))
    }
}

/// A value that deserialises from a JSON object only: a derived `Deserialize` also accepts an array of the members.
pub(super) struct JsonObject<T>(pub(super) T);

impl<T: Serialize> Serialize for JsonObject<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// Deserialises an enum from a text only: a derived `Deserialize` also accepts `{"name": null}`.
pub(super) fn name<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

/// Deserialises a member that may be missing but not `null`.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Deserialises a map and refuses a repeated name.
pub(super) fn each_once<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
where
    D: Deserializer<'de>,
    V: Deserialize<'de>,
{
    struct Once<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Once<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((name, value)) = entries.next_entry()? {
                if map.insert(name, value).is_some() {
                    return Err(A::Error::custom("a name that comes twice"));
                }
            }
            Ok(map)
        }
    }

    deserializer.deserialize_map(Once(PhantomData))
}
