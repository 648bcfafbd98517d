//! What the store writes down for an object: one small text file, named after the object.
//!
//! ```text
//! atrest-files 1
//! body 5f0c...            the file in bodies/
//! envelope iUFSU1QNCh...  base64
//! ```
//!
//! Nothing here needs protection of its own: the envelope authenticates itself, and the body against it.

use atrest::Envelope;
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};

use crate::failure::{Failure, Outcome};

/// Names are at most this long: in base32 they are file names, which end at 255 bytes.
const MAX_NAME_LEN: usize = 150;

const FIRST_LINE: &str = "atrest-files 1";
const RECORD_SUFFIX: &str = ".record";

/// An object's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The name of the file in `bodies/`.
    pub(crate) body: BodyName,
    pub(crate) envelope: Envelope,
}

/// 32 hex digits, drawn at random for every body that is written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BodyName(String);

impl BodyName {
    pub(crate) fn random() -> Outcome<Self> {
        random_hex().map(Self)
    }

    /// `None` for anything else than 32 hex digits, so that a forged record leads to no file outside the store.
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
        let envelope = BASE64.encode(&self.envelope.encode());
        format!("{FIRST_LINE}\nbody {}\nenvelope {envelope}\n", self.body.as_str())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Outcome<Self> {
        let fields = std::str::from_utf8(bytes).ok().and_then(|text| {
            let rest = text.strip_prefix(FIRST_LINE)?.strip_prefix("\nbody ")?;
            let (body, rest) = rest.split_once("\nenvelope ")?;
            Some((BodyName::parse(body)?, rest.strip_suffix('\n')?))
        });
        let (body, envelope) = fields.ok_or_else(|| Failure::rule("damaged record"))?;
        let envelope = BASE64
            .decode(envelope.as_bytes())
            .map_err(|_| Failure::rule("damaged record: the envelope is not base64"))?;
        Ok(Self { body, envelope: Envelope::decode(&envelope)? })
    }
}

/// The file name of an object's record: two objects never share one, and none leads out of its directory.
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

/// 128 random bits: enough that no name is ever drawn twice.
pub(crate) fn random_hex() -> Outcome<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::rule(format!("no random bytes: {error}")))?;
    Ok(HEXLOWER.encode(&bytes))
}
