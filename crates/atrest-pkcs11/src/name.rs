//! [`KeyName`], how a request names a key of the token, and the resolved id of a key.

/// A key of the token, as a request names it: by its label (`CKA_LABEL`), or by a URI of RFC 7512.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyName {
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) label: Option<Vec<u8>>,
    pub(crate) id: Option<Vec<u8>>,
}

impl KeyName {
    /// Returns the key of a label or URI. Returns `None` for a URI that names no key, and for one with attributes that
    /// this crate does not compare: ignoring them could find another key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(path) = text.strip_prefix("pkcs11:") else {
            return Some(Self { label: Some(text.as_bytes().to_vec()), ..Self::default() });
        };
        let mut name = Self::default();
        for attribute in path.split(';') {
            let (attribute, value) = attribute.split_once('=')?;
            let value = decoded(value)?;
            let place = match attribute {
                "token" => &mut name.token,
                "object" => &mut name.label,
                "id" => &mut name.id,
                "type" if value == b"secret-key" => continue,
                _ => return None,
            };
            if value.is_empty() || place.replace(value).is_some() {
                return None;
            }
        }
        (name.label.is_some() || name.id.is_some()).then_some(name)
    }
}

/// Returns the resolved id of a key: the label of its token and its `CKA_ID`.
///
/// The serial number of the token is no part of it, so that a token of the same label with the same keys, of the same
/// cluster or restored from a backup, opens the same objects.
pub(crate) fn resolved_id(token: &[u8], id: &[u8]) -> String {
    format!("pkcs11:token={};id={};type=secret-key", encoded(token, true), encoded(id, false))
}

fn encoded(bytes: &[u8], keeps_text: bool) -> String {
    let kept = |byte: u8| keeps_text && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    bytes.iter().map(|&byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Returns the bytes of percent-encoded text.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let value = digit()? * 16 + digit()?;
                decoded.push(u8::try_from(value).ok()?);
            }
            b'?' => return None,
            byte => decoded.push(byte),
        }
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolved_id_names_its_token_and_key() {
        let id = resolved_id("HSM 1/ä;=%".as_bytes(), &[0, 0x0B, b'a', 255]);
        assert_eq!(id, "pkcs11:token=HSM%201%2F%C3%A4%3B%3D%25;id=%00%0B%61%FF;type=secret-key");
        let name = KeyName::parse(&id);
        let expected =
            KeyName { token: Some("HSM 1/ä;=%".as_bytes().to_vec()), label: None, id: Some(vec![0, 0x0B, b'a', 255]) };
        assert_eq!(name, Some(expected));
    }

    #[test]
    fn a_name_without_a_scheme_is_a_label() {
        for label in ["alias/app", "a=b;c", "%41"] {
            assert_eq!(KeyName::parse(label).and_then(|name| name.label).as_deref(), Some(label.as_bytes()));
        }
    }

    #[test]
    fn uris_that_are_not_understood_whole_name_nothing() {
        let refused = [
            "pkcs11:",
            "pkcs11:token=a",
            "pkcs11:id=",
            "pkcs11:id=%1",
            "pkcs11:id=%1g",
            "pkcs11:id=%01;id=%02",
            "pkcs11:id=%01;serial=77",
            "pkcs11:id=%01;type=private",
            "pkcs11:id=%01?pin-value=1234",
            "pkcs11:object=a?module-path=b",
            "pkcs11:id=%01;",
        ];
        for uri in refused {
            assert_eq!(KeyName::parse(uri), None, "{uri}");
        }
    }
}
