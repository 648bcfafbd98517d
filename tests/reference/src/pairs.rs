//! Encryption contexts: `u16 n || n x (LP(name) || LP(value))`.

use crate::kdf::lp;
use crate::{Error, take_lp, take_u16};

/// Names and values, in any order.
pub type Pairs = Vec<(String, String)>;

/// The pair that the library adds, and no caller may.
pub const ARN: &str = "aws:s3:arn";

/// The encoding, sorted by the bytes of the names.
///
/// # Panics
/// With over 65,535 pairs, or a name or value longer than that.
pub fn encode(pairs: &[(String, String)]) -> Vec<u8> {
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let n = u16::try_from(sorted.len()).expect("at most 65,535 pairs");
    let mut encoded = n.to_be_bytes().to_vec();
    for (name, value) in sorted {
        encoded.extend(lp(name.as_bytes()));
        encoded.extend(lp(value.as_bytes()));
    }
    encoded
}

/// What a writer stores in field 4; nothing without pairs. Pairs that cannot be stored are Misuse, too
/// many bytes of them LimitExceeded.
pub fn field(pairs: &[(String, String)]) -> Result<Option<Vec<u8>>, Error> {
    if pairs.is_empty() {
        return Ok(None);
    }
    if pairs.iter().any(|(name, value)| name.len().max(value.len()) > 8_192) {
        return Err(Error::LimitExceeded);
    }
    let encoded = encode(pairs);
    match decode(&encoded) {
        Some(_) if encoded.len() <= 8_192 => Ok(Some(encoded)),
        Some(_) => Err(Error::LimitExceeded),
        None => Err(Error::Misuse),
    }
}

/// The pairs of field 4, in their order; nothing where the bytes break a rule.
pub fn decode(mut value: &[u8]) -> Option<Pairs> {
    let n = take_u16(&mut value)?;
    let mut pairs = Pairs::new();
    for _ in 0..n {
        let name = str::from_utf8(take_lp(&mut value)?).ok()?;
        let text = str::from_utf8(take_lp(&mut value)?).ok()?;
        let ascending = pairs.last().is_none_or(|(last, _)| last.as_bytes() < name.as_bytes());
        if name.is_empty() || name == ARN || !ascending {
            return None;
        }
        pairs.push((name.to_owned(), text.to_owned()));
    }
    (n >= 1 && value.is_empty()).then_some(pairs)
}
