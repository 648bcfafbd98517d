//! [`Etag`], what a client is answered, and [`StoredEtag`], what a store keeps of it.

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

/// What S3 answers as the ETag of an object or part: 32 hex digits, and after an upload in parts `-` and their number.
///
/// | written | ETag |
/// |---|---|
/// | unencrypted, SSE-S3: PUT, POST, copy, and each part | the MD5 of the plaintext |
/// | SSE-KMS, DSSE-KMS, SSE-C: the same | random, another at every write |
/// | in parts, in every mode | the MD5 over the parts' ETags, `-` and how many they are |
///
/// S3's documentation says of the last that it is no MD5 of the object, whatever the mode. Its recorded answers are as
/// above also where the parts' ETags are random. So completion needs nothing but the ETags that the client lists, and
/// in those modes the ETag says nothing of the plaintext.
///
/// Changing the encryption of a stored object (UpdateObjectEncryption) leaves its ETag as it is.
///
/// # Security
///
/// An ETag may be the MD5 of a plaintext, which tells what a short plaintext says. So it has no `Display`, its `Debug`
/// shows no digits, and what a store keeps is a [`StoredEtag`]. [`to_client_string`](Self::to_client_string) and
/// [`to_header_value`](Self::to_header_value) are for answers to a client and for the label of a part's receipt.
///
/// Spec: Amazon S3, Object, "ETag"; "Checking object integrity".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag {
    digits: [u8; 16],
    parts: Option<NonZeroU32>,
}

impl Etag {
    /// Of an unencrypted object or part.
    pub fn of_unencrypted(md5: PlaintextMd5) -> Self {
        Self { digits: md5.to_bytes(), parts: None }
    }

    /// Of a part of an encrypted upload: the MD5 in SSE-S3, random in the other modes. Answer it to the client, and
    /// give its [`to_client_string`](Self::to_client_string) as the label of the part's receipt. `part` is the
    /// `values()` of the part's encryptor.
    ///
    /// # Errors
    ///
    /// [`Misuse::EtagWithoutMd5`]: the upload is one of SSE-S3, and no MD5 was given.
    /// [`Error::Random`](crate::Error::Random).
    pub fn of_part(upload: &Envelope, part: &ValueSealer, md5: Option<PlaintextMd5>) -> Result<Self> {
        Self::of_encrypted(upload, part, md5)
    }

    /// Of what was encrypted whole, in the mode of this envelope.
    fn of_encrypted(envelope: &Envelope, values: &ValueSealer, md5: Option<PlaintextMd5>) -> Result<Self> {
        match (Self::needs_md5(Some(envelope.mode())), md5) {
            (true, Some(md5)) => Ok(Self::of_unencrypted(md5)),
            (true, None) => Err(Misuse::EtagWithoutMd5.into()),
            (false, _) => Ok(Self { digits: values.random_digits()?, parts: None }),
        }
    }

    /// Of an upload by the ETags of its parts in their order; `None` where there are no parts or over 65,536, or one of
    /// them is not a part's.
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

    /// Reads one as a client sends it, in quotes or without, and as a receipt's label has it; `None` where it is not
    /// one that S3 gives.
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

    /// In how many parts the object was uploaded; `None` of an object that was written whole, and of a part.
    pub fn parts(&self) -> Option<u32> {
        self.parts.map(NonZeroU32::get)
    }

    /// Whether ETags of this mode are made from the plaintext's MD5, so that a writer has to compute it; `None` is
    /// unencrypted.
    pub fn needs_md5(mode: Option<ModeId>) -> bool {
        match mode {
            None | Some(ModeId::SseS3) => true,
            Some(ModeId::SseKms | ModeId::DsseKms | ModeId::SseC) => false,
        }
    }

    /// The text for a client, without the quotes of a header: as GetObjectAttributes and CopyPartResult have it.
    ///
    /// # Security
    ///
    /// Not for a log, and not for a store: in SSE-S3 it is the MD5 of the plaintext.
    pub fn to_client_string(&self) -> String {
        let digits = u128::from_be_bytes(self.digits);
        self.parts.map_or_else(|| format!("{digits:032x}"), |parts| format!("{digits:032x}-{parts}"))
    }

    /// The value of the header `ETag`, in quotes; marked sensitive.
    pub fn to_header_value(&self) -> HeaderValue {
        let text = format!("\"{}\"", self.to_client_string());
        let mut value = HeaderValue::from_str(&text).expect("hex digits, a dash and quotes are a header's");
        value.set_sensitive(true);
        value
    }
}

/// The digits stay out of logs: they may be the MD5 of the plaintext.
impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etag").field("parts", &self.parts()).finish_non_exhaustive()
    }
}

/// A number as it is written, with no sign and no zeros before it.
fn parse_count(text: &str) -> Option<NonZeroU32> {
    let count: NonZeroU32 = text.parse().ok()?;
    (text.starts_with(|digit: char| digit.is_ascii_digit() && digit != '0')).then_some(count)
}
