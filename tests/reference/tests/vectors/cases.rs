//! Reads the files of `tests/vectors/data`.

use std::path::Path;

use atrest_reference::Error;
use atrest_reference::name::Name;
use atrest_reference::object::Reader;
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

/// One object of `accept.json` or `reject.json`.
pub struct Case {
    pub name: String,
    pub object: Option<Name>,
    pub keks: Vec<[u8; 32]>,
    pub data_keys: Vec<[u8; 32]>,
    pub pairs: Vec<(String, String)>,
    pub envelope: Vec<u8>,
    pub manifest: Option<Vec<u8>>,
    pub body: Vec<u8>,
    pub parts: Vec<(u32, u64)>,
    pub receipts: Vec<Vec<u8>>,
    plaintext_len: Option<u64>,
    expect: Option<String>,
}

impl Case {
    fn read(case: &Value) -> Case {
        let part = |p: &Value| (u64_of(&p[0]) as u32, u64_of(&p[1]));
        Case {
            name: text(&case["case"]),
            object: name(&case["name"]),
            keks: keys(&case["keks"]),
            data_keys: keys(&case["data_keys"]),
            pairs: pairs(&case["context"]),
            envelope: hex(&case["envelope"]),
            manifest: case.get("manifest").map(hex),
            body: BASE64.decode(text(&case["body"]).as_bytes()).expect("base64"),
            parts: list(case, "parts").iter().map(part).collect(),
            receipts: list(case, "receipts").iter().map(hex).collect(),
            plaintext_len: case["plaintext_len"].as_u64(),
            expect: case["expect"].as_str().map(str::to_owned),
        }
    }

    pub fn reader(&self) -> Reader {
        Reader { name: self.object.clone(), keks: self.keks.clone(), keys: None }
    }

    pub fn decrypt(&self) -> Result<Vec<u8>, Error> {
        self.reader().decrypt(&self.envelope, self.manifest.as_deref(), &self.body)
    }

    pub fn plaintext(&self) -> Vec<u8> {
        plaintext(self.plaintext_len.expect("a case that opens"))
    }

    /// Whether `class` is one of the alternatives.
    pub fn expects(&self, class: &str) -> bool {
        self.expect.as_ref().expect("a case that is refused").split('|').any(|e| e == class)
    }
}

impl Case {
    /// A case whose envelope and body lie in other fields.
    pub fn of_parts(name: &Value, about: &Value, envelope: Vec<u8>, body: Vec<u8>) -> Case {
        Case {
            name: text(name),
            object: self::name(&about["name"]),
            keks: keys(&about["keks"]),
            data_keys: keys(&about["data_keys"]),
            pairs: Vec::new(),
            envelope,
            manifest: None,
            body,
            parts: Vec::new(),
            receipts: Vec::new(),
            plaintext_len: about["plaintext_len"].as_u64(),
            expect: about["expect"].as_str().map(str::to_owned),
        }
    }
}

/// Byte i is (7 i + 13 floor(i / 256) + 1) mod 256.
pub fn plaintext(len: u64) -> Vec<u8> {
    (0..len).map(|i| ((7 * i + 13 * (i / 256) + 1) % 256) as u8).collect()
}

pub fn load(file: &str) -> Vec<Case> {
    json(file)["cases"].as_array().expect("cases").iter().map(Case::read).collect()
}

pub fn json(file: &str) -> Value {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data").join(file);
    let bytes = std::fs::read(&data).unwrap_or_else(|error| panic!("{}: {error}", data.display()));
    serde_json::from_slice(&bytes).expect("JSON")
}

pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

pub fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).expect("hex")
}

pub fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().expect("as many bytes as asked for")
}

pub fn u64_of(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

pub fn keys(value: &Value) -> Vec<[u8; 32]> {
    value.as_array().expect("keys").iter().map(array).collect()
}

pub fn pairs(value: &Value) -> Vec<(String, String)> {
    let pair = |p: &Value| (text(&p[0]), text(&p[1]));
    value.as_array().expect("pairs").iter().map(pair).collect()
}

pub fn name(value: &Value) -> Option<Name> {
    let parts: Vec<Vec<u8>> = value.as_array()?.iter().map(hex).collect();
    let [realm, bucket, key, version_id, upload_id] = parts.try_into().expect("five parts");
    Some(Name { realm, bucket, key, version_id, upload_id })
}
