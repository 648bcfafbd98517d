//! Uploads and multipart objects: written with given randomness, valid or invalid.

use std::collections::BTreeMap;

use crate::envelope::{Envelope, MULTIPART, UPLOAD, field};
use crate::message::{header, manifest_context, part_context, seal};
use crate::multipart::{Part, Receipt, encode_manifest, seal_receipt, upload_name};
use crate::object::{Layer, Reader, Write};
use crate::{Error, parse};

/// A part as it is uploaded: its number, its plaintext, the salt of each layer's message from the outer one inward.
pub type Uploaded = (u32, Vec<u8>, Vec<[u8; 24]>);

/// A multipart object as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// In state 3.
    pub envelope: Vec<u8>,
    /// Beside the body.
    pub manifest: Vec<u8>,
    /// The parts' messages, one behind the other.
    pub body: Vec<u8>,
}

/// The envelope of an upload under way, in state 2; the message salts have no part in it.
pub fn begin(write: &Write, upload_id: &[u8]) -> Result<Vec<u8>, Error> {
    let name = write.name.as_ref().map(|name| upload_name(name, upload_id));
    write.envelope(UPLOAD, name.as_ref(), |_| BTreeMap::new())
}

/// One part as it is stored.
pub fn part(data_keys: &[[u8; 32]], (number, plaintext, salts): &Uploaded) -> Vec<u8> {
    let mut stored = plaintext.clone();
    for (data_key, salt) in data_keys.iter().zip(salts).rev() {
        stored = seal(data_key, &part_context(*number), salt, &stored);
    }
    stored
}

/// The receipt of a part with this label, under these salts.
pub fn receipt(data_keys: &[[u8; 32]], part: &Uploaded, label: &[u8], salts: &[[u8; 24]]) -> Vec<u8> {
    let (number, plaintext, part_salts) = part;
    let header = |(key, salt): (&[u8; 32], &[u8; 24])| header(key, &part_context(*number), salt);
    let headers = data_keys.iter().zip(part_salts).map(header).collect();
    let receipt = Receipt { number: *number, len: plaintext.len() as u64, headers, label: label.to_vec() };
    seal_receipt(data_keys, salts, &receipt)
}

/// A whole multipart object; `message_salt` of each layer is its manifest's.
pub fn complete(write: &Write, parts: &[Uploaded]) -> Result<Completed, Error> {
    let data_keys = write.data_keys();
    let records = parts.iter().map(|(number, plaintext, salts)| Part {
        number: *number,
        len: plaintext.len() as u64,
        salts: salts.clone(),
    });
    let records = encode_manifest(&records.collect::<Vec<_>>());
    let count = u32::try_from(parts.len()).map_err(|_| Error::LimitExceeded)?;
    let total = parts.iter().map(|(_, plaintext, _)| plaintext.len() as u64).sum();
    let (envelope, manifest) = seal_manifest(write, &records, count, total)?;
    Ok(Completed { envelope, manifest, body: parts.iter().flat_map(|of| part(&data_keys, of)).collect() })
}

/// Envelope and manifest of these records, whatever stands in them, and of this count and total, whether it is theirs
/// or not.
pub fn seal_manifest(write: &Write, records: &[u8], count: u32, total: u64) -> Result<(Vec<u8>, Vec<u8>), Error> {
    let content = |layer: &Layer| {
        let manifest_header = header(&layer.data_key, &manifest_context(), &layer.message_salt);
        let value = [&count.to_be_bytes()[..], &total.to_be_bytes(), &manifest_header].concat();
        BTreeMap::from([(field::MANIFEST, value)])
    };
    let envelope = write.envelope(MULTIPART, write.name.as_ref(), content)?;
    let mut manifest = records.to_vec();
    for layer in write.layers().iter().rev() {
        manifest = seal(&layer.data_key, &manifest_context(), &layer.message_salt, &manifest);
    }
    Ok((envelope, manifest))
}

impl Reader {
    /// The data keys of an upload under way.
    pub fn resume(&self, envelope: &[u8], upload_id: &[u8]) -> Result<Vec<[u8; 32]>, Error> {
        let envelope: Envelope = parse::decode(envelope)?;
        if envelope.is_bound() != self.name.is_some() || envelope.state != UPLOAD {
            return Err(Error::Unexpected);
        }
        let name = self.name.as_ref().map(|name| upload_name(name, upload_id));
        Reader { name, ..self.clone() }.unwrap(&envelope)
    }
}
