//! `Record` and `UploadRecord`: the small text file that the store keeps for an object or upload.
//!
//! ```text
//! atrest-files 1
//! body 5f0c...            the file in bodies/, or the directory with the parts
//! envelope iUFSU1QNCh...  base64
//! ```
//!
//! and for an upload under way:
//!
//! ```text
//! atrest-upload 1
//! name Y2F0LmpwZw==       base64
//! envelope iUFSU1QNCh...  base64
//! ```
//!
//! A record needs no protection of its own: the envelope authenticates itself, and the body is authenticated against
//! it.

use atrest::Envelope;
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};

use crate::failure::{Failure, Outcome};

/// The longest name: in base32 it is a file name, which has at most 255 bytes.
const MAX_NAME_LEN: usize = 150;

const RECORD_FIRST_LINE: &str = "atrest-files 1";
const UPLOAD_FIRST_LINE: &str = "atrest-upload 1";
const RECORD_SUFFIX: &str = ".record";

/// An object's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The name of the body in `bodies/`.
    pub(crate) body: BodyName,
    /// The stored envelope, which a compare-and-swap compares.
    pub(crate) envelope: Vec<u8>,
}

/// An upload's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UploadRecord {
    /// The name of the object that is uploaded.
    pub(crate) name: String,
    pub(crate) envelope: Vec<u8>,
}

/// 32 random hex digits, fresh for every body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BodyName(String);

impl BodyName {
    pub(crate) fn random() -> Outcome<Self> {
        random_hex().map(Self)
    }

    /// Parses a body id; `None` unless it is 32 hex digits, so that a forged record never leads to a file outside the
    /// store.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        valid.then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Record {
    pub(crate) fn encode(&self) -> String {
        encode(RECORD_FIRST_LINE, "body", self.body.as_str(), &self.envelope)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Outcome<Self> {
        let (body, envelope) = decode(RECORD_FIRST_LINE, "body", bytes).ok_or_else(damaged)?;
        Ok(Self { body: BodyName::parse(body).ok_or_else(damaged)?, envelope })
    }

    pub(crate) fn envelope(&self) -> Outcome<Envelope> {
        Ok(Envelope::decode(&self.envelope)?)
    }
}

impl UploadRecord {
    pub(crate) fn encode(&self) -> String {
        encode(UPLOAD_FIRST_LINE, "name", &BASE64.encode(self.name.as_bytes()), &self.envelope)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Outcome<Self> {
        let (name, envelope) = decode(UPLOAD_FIRST_LINE, "name", bytes).ok_or_else(damaged)?;
        let name = BASE64.decode(name.as_bytes()).ok().and_then(|name| String::from_utf8(name).ok());
        Ok(Self { name: name.ok_or_else(damaged)?, envelope })
    }
}

fn encode(first_line: &str, field: &str, value: &str, envelope: &[u8]) -> String {
    format!("{first_line}\n{field} {value}\nenvelope {}\n", BASE64.encode(envelope))
}

fn decode<'a>(first_line: &str, field: &str, bytes: &'a [u8]) -> Option<(&'a str, Vec<u8>)> {
    let rest = std::str::from_utf8(bytes).ok()?.strip_prefix(first_line)?;
    let rest = rest.strip_prefix('\n')?.strip_prefix(field)?.strip_prefix(' ')?;
    let (value, rest) = rest.split_once("\nenvelope ")?;
    Some((value, BASE64.decode(rest.strip_suffix('\n')?.as_bytes()).ok()?))
}

fn damaged() -> Failure {
    Failure::rule("damaged record")
}

/// The file name of an object's record: each object has its own, inside the directory.
pub(crate) fn file_name(object: &str) -> Outcome<String> {
    if object.is_empty() {
        return Err(Failure::rule("an object's name cannot be empty"));
    }
    if object.len() > MAX_NAME_LEN {
        return Err(Failure::rule(format!(
            "the name has {} bytes, at most {MAX_NAME_LEN} fit into a file name",
            object.len()
        )));
    }
    Ok(BASE32_NOPAD.encode(object.as_bytes()) + RECORD_SUFFIX)
}

/// The object that a file in `records/` belongs to; `None` for a file that no store wrote.
pub(crate) fn object_name(file_name: &str) -> Option<String> {
    let encoded = file_name.strip_suffix(RECORD_SUFFIX)?;
    let name = BASE32_NOPAD.decode(encoded.as_bytes()).ok()?;
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// 128 random bits: enough that names do not collide.
pub(crate) fn random_hex() -> Outcome<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::rule(format!("no random bytes: {error}")))?;
    Ok(HEXLOWER.encode(&bytes))
}
