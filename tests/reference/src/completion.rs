//! Completion records, which replace envelope and manifest of an SSE-C upload that was completed without its key.

use crate::envelope::{BOUND, SSE_C, UPLOAD};
use crate::kdf::{expand, extract, label, lp};
use crate::message::max_plaintext;
use crate::multipart::{Part, Receipt, open_receipt, upload_name};
use crate::name::{Name, ctx};
use crate::{Error, parse, take, take_lp, take_u32, take_u64, wrap};

const MAGIC: &[u8] = b"\x89ARSC\r\n\x1a";

/// A record, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The keyring's.
    pub key_id: Vec<u8>,
    /// At least 1.
    pub key_version: u32,
    /// Fresh for every tag.
    pub salt: [u8; 32],
    /// Never empty.
    pub upload_id: Vec<u8>,
    /// The upload's envelope.
    pub envelope: Vec<u8>,
    /// What the client listed, as the service kept it.
    pub parts: Vec<Listed>,
    /// Over everything before it, and the name.
    pub tag: [u8; 32],
}

/// One part of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the format's")]
pub struct Listed {
    pub number: u32,
    pub plaintext_len: u64,
    pub header: [u8; 56],
    pub receipt: Vec<u8>,
    pub label: Vec<u8>,
}

impl Record {
    /// Every byte before the tag.
    pub fn before_tag(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, &[1], &lp(&self.key_id)].concat();
        bytes.extend_from_slice(&self.key_version.to_be_bytes());
        bytes.extend_from_slice(&self.salt);
        bytes.extend(lp(&self.upload_id));
        bytes.extend(lp(&self.envelope));
        bytes.extend_from_slice(&(self.parts.len() as u32).to_be_bytes());
        for part in &self.parts {
            bytes.extend_from_slice(&part.number.to_be_bytes());
            bytes.extend_from_slice(&part.plaintext_len.to_be_bytes());
            bytes.extend_from_slice(&part.header);
            bytes.extend(lp(&part.receipt));
            bytes.extend(lp(&part.label));
        }
        bytes
    }

    /// The whole record under this master key, its tag computed anew.
    pub fn sealed(&self, master_key: &[u8; 32], name: &Name) -> Vec<u8> {
        let (mut bytes, upload) = (self.before_tag(), upload_name(name, &self.upload_id));
        bytes.extend(tag(master_key, &self.salt, &upload, &self.before_tag()));
        bytes
    }

    /// Steps 1 and 2: the layout.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < 16 || !bytes.starts_with(MAGIC) {
            return Err(Error::NotAnEnvelope);
        }
        if bytes[8] != 1 {
            return Err(Error::UnsupportedVersion);
        }
        Self::layout(&bytes[9..]).ok_or(Error::Malformed)
    }

    fn layout(mut rest: &[u8]) -> Option<Self> {
        let rest = &mut rest;
        let key_id = take_lp(rest)?.to_vec();
        let text = str::from_utf8(&key_id).ok()?;
        let key_version = take_u32(rest)?;
        let salt = take(rest, 32)?.try_into().ok()?;
        let upload_id = take_lp(rest)?.to_vec();
        let envelope = take_lp(rest)?.to_vec();
        let count = take_u32(rest)?;
        let good = (1..=2_048).contains(&text.len()) && !text.chars().any(char::is_control) && key_version > 0;
        if !good || upload_id.is_empty() || !(1..=65_536).contains(&count) {
            return None;
        }
        let mut parts = Vec::new();
        for _ in 0..count {
            let (number, plaintext_len) = (take_u32(rest)?, take_u64(rest)?);
            let header = take(rest, 56)?.try_into().ok()?;
            let (receipt, label) = (take_lp(rest)?.to_vec(), take_lp(rest)?.to_vec());
            if label.len() > 255 || receipt.len() != 111 + label.len() {
                return None;
            }
            parts.push(Listed { number, plaintext_len, header, receipt, label });
        }
        let tag = take(rest, 32)?.try_into().ok()?;
        rest.is_empty().then_some(Self { key_id, key_version, salt, upload_id, envelope, parts, tag })
    }

    /// Steps 4 and 5: the tag, then what stands behind it. Gives the total.
    pub fn open(&self, master_key: &[u8; 32], name: &Name) -> Result<u64, Error> {
        if tag(master_key, &self.salt, &upload_name(name, &self.upload_id), &self.before_tag()) != self.tag {
            return Err(Error::Inauthentic);
        }
        let envelope = parse::decode(&self.envelope).map_err(|_| Error::Malformed)?;
        if (envelope.mode, envelope.state) != (SSE_C, UPLOAD) || envelope.flags & BOUND == 0 {
            return Err(Error::Malformed);
        }
        let (mut last, mut total) = (0, 0_u64);
        for part in &self.parts {
            if part.number <= last || part.plaintext_len > max_plaintext(1) {
                return Err(Error::Inauthentic);
            }
            last = part.number;
            total += part.plaintext_len;
        }
        if total > 1 << 56 { Err(Error::Inauthentic) } else { Ok(total) }
    }

    /// Step 6: the data key and the parts for the manifest, every receipt compared.
    pub fn finish(&self, customer_key: &[u8; 32], name: &Name) -> Result<([u8; 32], Vec<Part>), Error> {
        let envelope = parse::decode(&self.envelope).map_err(|_| Error::Malformed)?;
        let data_key = wrap::unwrap(&envelope, customer_key, Some(&upload_name(name, &self.upload_id)))?;
        let mut parts = Vec::new();
        for listed in &self.parts {
            let (number, len, label) = (listed.number, listed.plaintext_len, listed.label.clone());
            if open_receipt(&[data_key], &listed.receipt)?
                != (Receipt { number, len, headers: vec![listed.header], label })
            {
                return Err(Error::Inauthentic);
            }
            parts.push(Part { number, len, salts: vec![listed.header[..24].try_into().expect("24 bytes")] });
        }
        Ok((data_key, parts))
    }
}

/// `Expand(Extract(salt, master key), D"completion\0" || CTX || every byte before the tag, 32)`; CTX is the upload's.
pub fn tag(master_key: &[u8; 32], salt: &[u8; 32], upload: &Name, before: &[u8]) -> [u8; 32] {
    let info = [&label("completion")[..], &ctx(Some(upload)), before].concat();
    expand(&extract(salt, master_key), &info, 32).try_into().expect("32 bytes")
}
