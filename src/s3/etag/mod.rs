//! [`Etag`], the ETag for a client, and [`StoredEtag`], the ETag that a store keeps.

mod stored;

pub use stored::{ListedEtag, StoredEtag};

use std::fmt;
use std::num::NonZeroU32;

use http::HeaderValue;

use super::sealing::PlaintextMd5;
use crate::crypto::md5::md5;
use crate::envelope::{Envelope, ModeId};
use crate::error::{Misuse, Result};
use crate::geometry::MAX_PARTS;
use crate::stream::ValueSealer;

/// The ETag of an object or part, as S3 answers it: 32 hex digits, then for a multipart upload `-` and the number of
/// parts.
///
/// | written | ETag |
/// |---|---|
/// | unencrypted, SSE-S3: PUT, POST, copy, and each part | the MD5 of the plaintext |
/// | SSE-KMS, DSSE-KMS, SSE-C: the same | random, new at every write |
/// | in parts, in every mode | the MD5 of the parts' ETags, `-` and the number of parts |
///
/// Recorded answers of S3 follow this table even if the parts' ETags are random. So a completion needs only the ETags
/// that the client lists, and if these are random, the object's ETag reveals nothing about the plaintext.
///
/// UpdateObjectEncryption leaves the ETag of an object unchanged.
///
/// # Security
///
/// An ETag may be the MD5 of a plaintext, which reveals a short plaintext. So the type has no `Display`, its `Debug`
/// shows no digits, and a store keeps a [`StoredEtag`]. [`to_client_string`](Self::to_client_string) and
/// [`to_header_value`](Self::to_header_value) are for answers to a client and for the label of a part's receipt.
///
/// Spec: Amazon S3, Object, "ETag"; "Checking object integrity".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag {
    digits: [u8; 16],
    parts: Option<NonZeroU32>,
}

impl Etag {
    /// Creates the ETag of an unencrypted object or part.
    pub fn of_unencrypted(md5: PlaintextMd5) -> Self {
        Self { digits: md5.to_bytes(), parts: None }
    }

    /// Creates the ETag of a part of an encrypted upload: the MD5 in SSE-S3, random in the other modes. Answer it to
    /// the client, and label the part's receipt with its [`to_client_string`](Self::to_client_string). `part` is the
    /// `values()` of the part's encryptor.
    ///
    /// # Errors
    ///
    /// - [`Misuse::EtagWithoutMd5`]: the upload is SSE-S3, and there is no MD5.
    /// - [`Error::Random`](crate::Error::Random): the random generator failed.
    pub fn of_part(upload: &Envelope, part: &ValueSealer, md5: Option<PlaintextMd5>) -> Result<Self> {
        Self::of_encrypted(upload, part, md5)
    }

    /// Returns the ETag of an object that was encrypted in one piece, in the mode of this envelope.
    fn of_encrypted(envelope: &Envelope, values: &ValueSealer, md5: Option<PlaintextMd5>) -> Result<Self> {
        match (Self::needs_md5(Some(envelope.mode())), md5) {
            (true, Some(md5)) => Ok(Self::of_unencrypted(md5)),
            (true, None) => Err(Misuse::EtagWithoutMd5.into()),
            (false, _) => Ok(Self { digits: values.random_digits()?, parts: None }),
        }
    }

    /// Creates the ETag of an upload from the ETags of its parts, in their order; `None` if there are no parts or more
    /// than 65,536, or one of the ETags is not that of a part.
    pub fn of_parts(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let (mut digits, mut count) = (Vec::new(), 0);
        for part in parts {
            if part.parts.is_some() || count == MAX_PARTS {
                return None;
            }
            digits.extend_from_slice(&part.digits);
            count += 1;
        }
        let parts = NonZeroU32::new(u32::try_from(count).ok()?)?;
        Some(Self { digits: md5(&digits), parts: Some(parts) })
    }

    /// Parses an ETag from a client, with or without quotes, or from a receipt's label. Returns `None` if it is not in
    /// S3's form.
    pub fn parse(text: &str) -> Option<Self> {
        let unquoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        let (digits, parts) = match unquoted.split_once('-') {
            None => (unquoted, None),
            Some((digits, parts)) => (digits, Some(parse_count(parts)?)),
        };
        let lower_hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 32 || !digits.bytes().all(lower_hex) {
            return None;
        }
        Some(Self { digits: u128::from_str_radix(digits, 16).ok()?.to_be_bytes(), parts })
    }

    /// Returns the number of parts of the upload; `None` for an object that was written in one piece, and for a part.
    pub fn parts(&self) -> Option<u32> {
        self.parts.map(NonZeroU32::get)
    }

    /// Returns whether ETags in this mode are made from the plaintext's MD5, which the writer must then compute. `None`
    /// means unencrypted.
    pub fn needs_md5(mode: Option<ModeId>) -> bool {
        match mode {
            None | Some(ModeId::SseS3) => true,
            Some(ModeId::SseKms | ModeId::DsseKms | ModeId::SseC) => false,
        }
    }

    /// Returns the text for a client, without the quotes of a header, as in GetObjectAttributes and CopyPartResult.
    ///
    /// # Security
    ///
    /// Do not log or store the text: in SSE-S3 it is the MD5 of the plaintext.
    pub fn to_client_string(&self) -> String {
        let digits = u128::from_be_bytes(self.digits);
        self.parts.map_or_else(|| format!("{digits:032x}"), |parts| format!("{digits:032x}-{parts}"))
    }

    /// Returns the value of the header `ETag`, in quotes and marked sensitive.
    pub fn to_header_value(&self) -> HeaderValue {
        let text = format!("\"{}\"", self.to_client_string());
        let mut value = HeaderValue::from_str(&text).expect("hex digits, a dash and quotes are a header's");
        value.set_sensitive(true);
        value
    }
}

/// Omits the digits, because they may be the MD5 of the plaintext.
impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etag").field("parts", &self.parts()).finish_non_exhaustive()
    }
}

/// Parses a number without a sign and without leading zeros.
fn parse_count(text: &str) -> Option<NonZeroU32> {
    let count: NonZeroU32 = text.parse().ok()?;
    (text.starts_with(|digit: char| digit.is_ascii_digit() && digit != '0')).then_some(count)
}
