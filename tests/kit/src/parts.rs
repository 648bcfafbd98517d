//! Test kit for multipart objects: uploads by a [`Service`], and their stored bytes.

use atrest::multipart::{CompletedPart, CompletedUpload, Receipt, Upload};
use atrest::{AnyMode, Decryptor, Encrypted, Envelope, Expected, ObjectName, PartNumber, Result};

use crate::service::Service;

/// A stored part, its receipt and its plaintext.
#[derive(Clone)]
pub struct Part {
    pub number: PartNumber,
    pub label: Vec<u8>,
    pub receipt: Receipt,
    pub stored: Vec<u8>,
    pub plain: Vec<u8>,
}

impl Part {
    pub fn listed(&self) -> CompletedPart<'_> {
        CompletedPart::new(self.number, &self.label, &self.receipt, &self.stored)
    }
}

/// A multipart object as it is stored.
pub struct Stored {
    pub completed: CompletedUpload,
    pub parts: Vec<Part>,
}

impl Stored {
    pub fn body(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| part.stored.clone()).collect()
    }

    pub fn plain(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|part| part.plain.clone()).collect()
    }

    pub fn envelope(&self) -> &Envelope {
        &self.completed.envelope
    }

    /// The stored object with this body.
    pub fn with_body(&self, body: Vec<u8>) -> Encrypted {
        Encrypted::new(self.envelope().clone(), body).with_manifest(self.completed.manifest.clone())
    }
}

pub fn number(number: u32) -> PartNumber {
    PartNumber::new(number).unwrap()
}

/// The plaintext of a part, which differs for every number and attempt.
pub fn plain_of(number: u32, attempt: u32, len: usize) -> Vec<u8> {
    let seed = number as usize * 31 + attempt as usize * 101;
    (0..len).map(|at| (at * 7 + at / 256 * 13 + seed) as u8).collect()
}

/// Encrypts a part under the label `etag-NUMBER-ATTEMPT`.
pub fn attempt(upload: &Upload, part: u32, attempt: u32, len: usize) -> Part {
    let (plain, label) = (plain_of(part, attempt, len), format!("etag-{part}-{attempt}").into_bytes());
    let (stored, receipt) = upload.encrypt_part(number(part), &plain, &label).unwrap();
    Part { number: number(part), label, receipt, stored, plain }
}

/// The id of an object's upload; an unbound object has an empty one.
pub fn id_of(object: &ObjectName) -> &'static [u8] {
    if object.is_bound() { b"upload-1" } else { b"" }
}

impl Service {
    pub fn begin(&self, object: &ObjectName, mode: &AnyMode) -> Upload {
        self.sse.blocking().begin_multipart(object, id_of(object), mode.clone()).unwrap()
    }

    pub fn resume(&self, object: &ObjectName, envelope: &Envelope) -> Result<Upload> {
        let unlock = self.unlock(envelope.mode());
        self.sse.blocking().resume_multipart(object, id_of(object), envelope, &Expected::exactly(envelope), unlock)
    }

    pub fn complete(&self, upload: &Upload, parts: &[Part]) -> Result<CompletedUpload> {
        self.complete_list(upload, parts.iter().map(Part::listed))
    }

    pub fn complete_list<'p>(
        &self,
        upload: &Upload,
        parts: impl IntoIterator<Item = CompletedPart<'p>>,
    ) -> Result<CompletedUpload> {
        self.sse.blocking().complete_multipart(upload, self.unlock(upload.envelope().mode()), parts)
    }

    /// Uploads an object of parts with these numbers and lengths.
    pub fn put(&self, object: &ObjectName, mode: &AnyMode, parts: &[(u32, usize)]) -> Stored {
        let upload = self.begin(object, mode);
        let parts: Vec<_> = parts.iter().map(|(number, len)| attempt(&upload, *number, 0, *len)).collect();
        Stored { completed: self.complete(&upload, &parts).unwrap(), parts }
    }

    /// The decryptor of a stored multipart object, from its encoded envelope and its manifest.
    pub fn reader(&self, object: &ObjectName, envelope: &Envelope, manifest: &[u8]) -> Result<Decryptor> {
        self.decryptor(object, &Envelope::decode(&envelope.encode()).unwrap())?.with_manifest(manifest)
    }
}
