//! `Case`: one case of the recorded file.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct File {
    pub(crate) cases: Vec<Value>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    #[serde(deserialize_with = "text")]
    pub(crate) case: String,
    pub(crate) group: String,
    pub(crate) op: String,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) form: bool,
    pub(crate) transport: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) bucket: Option<Bucket>,
    pub(crate) policy: Option<Value>,
    pub(crate) object: Option<Stored>,
    pub(crate) source_object: Option<Stored>,
    pub(crate) upload: Option<Stored>,
    pub(crate) kms: Option<String>,
    pub(crate) target_xml: Option<String>,
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
    #[serde(default)]
    pub(crate) parts: Vec<String>,
    pub(crate) expect: Expect,
}

#[derive(Deserialize)]
pub(crate) struct Bucket {
    #[serde(default = "sse_s3")]
    pub(crate) default: String,
    pub(crate) key_id: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    pub(crate) bucket_key: bool,
    #[serde(default)]
    pub(crate) blocks: bool,
}

#[derive(Deserialize)]
pub(crate) struct Stored {
    pub(crate) mode: String,
    pub(crate) key: Option<String>,
    pub(crate) kms: Option<String>,
    #[serde(default, deserialize_with = "truth")]
    pub(crate) bucket_key: bool,
}

#[derive(Deserialize)]
pub(crate) struct Rule {
    pub(crate) algorithm: Option<String>,
    pub(crate) key_id: Option<String>,
    #[serde(default, deserialize_with = "truth_or_text")]
    pub(crate) bucket_key: Option<String>,
    pub(crate) blocked: Option<String>,
    pub(crate) order: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Expect {
    pub(crate) status: Option<u16>,
    #[serde(default)]
    pub(crate) refused: bool,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    /// Absent, `null`, or a pair.
    #[serde(default, deserialize_with = "given")]
    pub(crate) argument: Option<Option<(String, Option<String>)>>,
    pub(crate) argument_name: Option<String>,
    pub(crate) headers: Option<BTreeMap<String, String>>,
    pub(crate) declaration: Option<bool>,
    pub(crate) etag: Option<String>,
    pub(crate) etag_is_md5: Option<bool>,
    pub(crate) rule: Option<Rule>,
    pub(crate) order: Option<Vec<String>>,
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

/// `true`, 1, or nothing.
fn truth<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_bool().or(value.as_u64().map(|number| number != 0)).unwrap_or_default())
}

/// A boolean, also as the numbers 0 and 1; another text as it is.
fn truth_or_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let value = Option::<Value>::deserialize(deserializer)?;
    Ok(value.map(|value| match value {
        Value::String(text) => text,
        Value::Number(number) if number.as_u64() == Some(0) => "false".to_owned(),
        Value::Number(number) if number.as_u64() == Some(1) => "true".to_owned(),
        other => other.to_string(),
    }))
}

fn sse_s3() -> String {
    "AES256".to_owned()
}
