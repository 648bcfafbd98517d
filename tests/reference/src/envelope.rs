//! The envelope as a value, and its encoder. [`crate::parse`] decodes it.

use std::collections::BTreeMap;

use crate::{take_u32, take_u64};

/// The first eight bytes of every envelope.
pub const MAGIC: [u8; 8] = [0x89, 0x41, 0x52, 0x53, 0x54, 0x0D, 0x0A, 0x1A];

/// SSE-S3.
pub const SSE_S3: u8 = 1;
/// SSE-KMS.
pub const SSE_KMS: u8 = 2;
/// DSSE-KMS.
pub const DSSE_KMS: u8 = 3;
/// SSE-C.
pub const SSE_C: u8 = 4;

/// State of an object in one message.
pub const OBJECT: u8 = 1;
/// State of a multipart upload under way.
pub const UPLOAD: u8 = 2;
/// State of a multipart object.
pub const MULTIPART: u8 = 3;

/// Flag: the envelope is bound to a name.
pub const BOUND: u16 = 1;
/// Flag: the KEK is a bucket key.
pub const BUCKET_KEY: u16 = 2;
/// Flag: the inner layer of DSSE-KMS.
pub const INNER: u16 = 4;

/// Field types.
#[expect(missing_docs, reason = "the names say it")]
pub mod field {
    pub const KEY_ID: u16 = 1;
    pub const KEY_VERSION: u16 = 2;
    pub const WRAPPED_KEK: u16 = 3;
    pub const CONTEXT: u16 = 4;
    pub const MESSAGE_HEADER: u16 = 5;
    pub const MANIFEST: u16 = 6;
    pub const INNER_ENVELOPE: u16 = 7;
    pub const PLAINTEXT_LEN: u16 = 8;
    pub const PADDING: u16 = 9;
}

/// An envelope, its fields by type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// 1 to 4.
    pub mode: u8,
    /// 1 to 3.
    pub state: u8,
    /// [`BOUND`], [`BUCKET_KEY`], [`INNER`].
    pub flags: u16,
    /// Fresh at every wrap.
    pub wrap_salt: [u8; 32],
    /// Made from the KEK and the salt.
    pub verifier: [u8; 32],
    /// Raw values; a map is in strict ascending order by itself.
    pub fields: BTreeMap<u16, Vec<u8>>,
    /// The data key under the KEK.
    pub wrapped_key: [u8; 48],
}

impl Envelope {
    /// Every byte before the wrapped key.
    pub fn header(&self) -> Vec<u8> {
        let mut fields = Vec::new();
        for (kind, value) in &self.fields {
            let len = u16::try_from(value.len()).expect("a field of at most 65,535 bytes");
            fields.extend_from_slice(&kind.to_be_bytes());
            fields.extend_from_slice(&len.to_be_bytes());
            fields.extend_from_slice(value);
        }
        let fields_len = u16::try_from(fields.len()).expect("fields of at most 65,535 bytes");
        [
            &MAGIC[..],
            &[1, self.mode, self.state, 1],
            &self.flags.to_be_bytes(),
            &fields_len.to_be_bytes(),
            &self.wrap_salt,
            &self.verifier,
            &fields,
        ]
        .concat()
    }

    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        [&self.header()[..], &self.wrapped_key].concat()
    }

    /// Whether a name is bound.
    pub fn is_bound(&self) -> bool {
        self.flags & BOUND != 0
    }

    /// Field 2.
    pub fn key_version(&self) -> Option<u32> {
        take_u32(&mut &self.fields.get(&field::KEY_VERSION)?[..])
    }

    /// Field 8.
    pub fn plaintext_len(&self) -> Option<u64> {
        take_u64(&mut &self.fields.get(&field::PLAINTEXT_LEN)?[..])
    }

    /// Field 6: parts, total, the manifest's header.
    pub fn manifest(&self) -> Option<(u32, u64, Vec<u8>)> {
        let mut value = &self.fields.get(&field::MANIFEST)?[..];
        let parts = take_u32(&mut value)?;
        let total = take_u64(&mut value)?;
        Some((parts, total, value.to_vec()))
    }

    /// Field 7.
    pub fn inner(&self) -> Option<Envelope> {
        crate::parse::decode_inner(self.fields.get(&field::INNER_ENVELOPE)?).ok()
    }

    /// This envelope, and below it the inner layer's if there is one.
    pub fn layers(&self) -> Vec<Envelope> {
        [self.clone()].into_iter().chain(self.inner()).collect()
    }
}
