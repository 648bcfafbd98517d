//! [`Json`], a document that keeps all members in order. Maps and derived types would hide repeated members.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{PolicyError, PolicyErrorKind};

/// The levels of objects and lists in the deepest part of a policy: the document, its statements, one statement, its
/// conditions, one operator's keys, one key's values.
const MAX_LEVELS: usize = 6;

#[derive(Debug)]
pub(super) enum Json {
    Object(Vec<(String, Json)>),
    List(Vec<Json>),
    Text(String),
    Bool(bool),
    /// A number in its shortest form.
    Number(String),
    Null,
}

impl Json {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let json = Node { levels: MAX_LEVELS }.deserialize(&mut deserializer);
        json.and_then(|json| deserializer.end().map(|()| json)).map_err(|error| {
            // The only data error is the one of `Node::inner`.
            let kind = match error.is_data() {
                true => PolicyErrorKind::TooDeep,
                false => PolicyErrorKind::NotJson { line: error.line(), column: error.column() },
            };
            PolicyError::new(kind, "")
        })
    }
}

/// A value that may contain `levels` levels of objects and lists.
#[derive(Clone, Copy)]
struct Node {
    levels: usize,
}

impl Node {
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom("too many levels"))?;
        Ok(Self { levels })
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut members = Vec::new();
        while let Some(name) = map.next_key()? {
            members.push((name, map.next_value_seed(inner)?));
        }
        Ok(Json::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
}
