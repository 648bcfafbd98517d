//! The manifest of a multipart object, and the receipts that it is made from.

use crate::message::{max_plaintext, open_layers, part_context, stored_len};
use crate::name::Name;
use crate::{Error, message, take, take_lp, take_u32, take_u64, value};

/// The name under which receipts are sealed.
pub const RECEIPT: &str = "atrest/receipt";

/// One part, as the manifest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// At least 1.
    pub number: u32,
    /// Plaintext bytes of this part alone.
    pub len: u64,
    /// The salt of each layer's message, from the outer one inward.
    pub salts: Vec<[u8; 24]>,
}

/// The records of a manifest: `u32 part_number || u64 plaintext_end || salt(24)` (two salts in DSSE).
/// Whatever contradicts the envelope's count and total, or itself, is Inauthentic.
pub fn parse_manifest(mut records: &[u8], layers: usize, count: u32, total: u64) -> Result<Vec<Part>, Error> {
    let mut parts: Vec<Part> = Vec::new();
    let mut end = 0_u64;
    while !records.is_empty() {
        let bad = Error::Inauthentic;
        let number = take_u32(&mut records).ok_or(bad)?;
        let next_end = take_u64(&mut records).ok_or(bad)?;
        let mut salts = Vec::new();
        for _ in 0..layers {
            salts.push(take(&mut records, 24).ok_or(bad)?.try_into().expect("24 bytes"));
        }
        let len = next_end.checked_sub(end).ok_or(bad)?;
        let last_number = parts.last().map_or(0, |part| part.number);
        if number <= last_number || len > max_plaintext(layers) {
            return Err(bad);
        }
        parts.push(Part { number, len, salts });
        end = next_end;
    }
    match parts.len() as u64 == u64::from(count) && end == total {
        true => Ok(parts),
        false => Err(Error::Inauthentic),
    }
}

/// The records of a manifest, from its parts.
pub fn encode_manifest(parts: &[Part]) -> Vec<u8> {
    let mut records = Vec::new();
    let mut end = 0;
    for part in parts {
        end += part.len;
        records.extend_from_slice(&part.number.to_be_bytes());
        records.extend_from_slice(&end.to_be_bytes());
        records.extend(part.salts.concat());
    }
    records
}

/// The length of a stored manifest of so many parts.
pub fn manifest_len(count: u32, layers: usize) -> u64 {
    let record = 12 + 24 * layers as u64;
    stored_len(record * u64::from(count), layers).expect("65,536 records are far below the bound")
}

/// Opens the messages of the parts, one behind the other. A body too short for them is Truncated, one
/// too long Inauthentic.
pub fn open_parts(parts: &[Part], data_keys: &[[u8; 32]], mut body: &[u8]) -> Result<Vec<u8>, Error> {
    let layers = data_keys.len();
    let mut plaintext = Vec::new();
    for part in parts {
        let len = stored_len(part.len, layers).expect("checked against the bound");
        let len = usize::try_from(len).map_err(|_| Error::Truncated)?;
        let stored = take(&mut body, len).ok_or(Error::Truncated)?;
        let context = part_context(part.number);
        let header = |(key, salt): (&[u8; 32], &[u8; 24])| message::header(key, &context, salt).to_vec();
        let headers: Vec<Vec<u8>> = data_keys.iter().zip(&part.salts).map(header).collect();
        let opened = open_layers(&headers, data_keys, &context, stored)?;
        if opened.len() as u64 != part.len {
            return Err(Error::Inauthentic);
        }
        plaintext.extend(opened);
    }
    match body.is_empty() {
        true => Ok(plaintext),
        false => Err(Error::Inauthentic),
    }
}

/// What finishing a part says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// At least 1.
    pub number: u32,
    /// Plaintext bytes.
    pub len: u64,
    /// The first 56 bytes of each layer's message, from the outer one inward.
    pub headers: Vec<[u8; 56]>,
    /// The caller's, at most 255 bytes.
    pub label: Vec<u8>,
}

/// A receipt, sealed: one salt for each layer.
pub fn seal_receipt(data_keys: &[[u8; 32]], salts: &[[u8; 24]], receipt: &Receipt) -> Vec<u8> {
    let record = [
        &receipt.number.to_be_bytes()[..],
        &receipt.len.to_be_bytes(),
        &receipt.headers.concat(),
        &crate::kdf::lp(&receipt.label),
    ]
    .concat();
    value::seal_reserved(data_keys, &[0; 24], RECEIPT, salts, &record)
}

/// The inverse of [`seal_receipt`]; all that can fail is Inauthentic.
pub fn open_receipt(data_keys: &[[u8; 32]], sealed: &[u8]) -> Result<Receipt, Error> {
    let record = value::open_reserved(data_keys, &[0; 24], RECEIPT, sealed)?;
    parse_receipt(&record, data_keys.len()).ok_or(Error::Inauthentic)
}

fn parse_receipt(mut record: &[u8], layers: usize) -> Option<Receipt> {
    let number = take_u32(&mut record)?;
    let len = take_u64(&mut record)?;
    let mut headers = Vec::new();
    for _ in 0..layers {
        headers.push(take(&mut record, 56)?.try_into().ok()?);
    }
    let label = take_lp(&mut record)?.to_vec();
    let good = number >= 1 && len <= max_plaintext(layers) && label.len() <= 255 && record.is_empty();
    good.then_some(Receipt { number, len, headers, label })
}

/// The name an upload's envelope is bound to.
pub fn upload_name(name: &Name, upload_id: &[u8]) -> Name {
    Name { upload_id: upload_id.to_vec(), ..name.clone() }
}
