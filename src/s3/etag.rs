//! ETags: which is the MD5 of the plaintext, and which only looks like one.

use std::fmt;
use std::num::NonZeroU32;

use http::HeaderValue;

use crate::crypto::md5::md5;
use crate::envelope::ModeId;
use crate::error::{Error, Result};
use crate::geometry::MAX_PARTS;
use crate::sse::Sse;
use crate::stream::{SealedValue, ValueSealer};

/// What S3 answers as the ETag of an object or part: 32 hex digits, and after an upload in parts `-` and their number.
///
/// | written | ETag |
/// |---|---|
/// | plain, SSE-S3: PUT, POST, copy, and each part | the MD5 of the plaintext |
/// | SSE-KMS, DSSE-KMS, SSE-C: the same | random, another at every write |
/// | in parts, in every mode | the MD5 over the parts' ETags, `-` and how many they are |
///
/// S3's documentation says of the last that it is no MD5 of the object, whatever the mode. Its recorded answers are as
/// above also where the parts' ETags are random, and that has two merits: completion needs nothing but the ETags that
/// the client lists, and in those modes it says nothing of the plaintext.
///
/// Changing the encryption of a stored object (UpdateObjectEncryption) leaves its ETag as it is.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::ModeId;
/// use atrest::s3::Etag;
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// let md5 = 0x4a4be40c96ac6314e91d93f38043a634_u128.to_be_bytes(); // of b"meow"
/// assert_eq!(Etag::of_write(&sse, Some(ModeId::SseS3), Some(md5))?.to_string(), "4a4be40c96ac6314e91d93f38043a634");
/// let part = Etag::of_write(&sse, Some(ModeId::SseKms), Some(md5))?;
/// assert_ne!(part, Etag::of_md5(md5));
/// let object = Etag::of_parts([part, part]).expect("there are parts");
/// assert!(object.to_string().ends_with("-2"));
/// # Ok(()) }
/// ```
///
/// # Security
///
/// Where it is made from the plaintext, [`tells_of_plaintext`](Self::tells_of_plaintext), it does not lie in the clear
/// beside the object, but [sealed](Self::seal). In the other modes it may, and a HEAD or a listing needs no key for it.
///
/// Spec: Amazon S3, Object, "ETag"; "Checking object integrity".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Etag {
    digits: [u8; 16],
    parts: Option<NonZeroU32>,
}

impl Etag {
    const NAME: &'static str = "s3/etag";

    /// Of a plaintext by its MD5: plain or SSE-S3, written whole or as a part.
    pub fn of_md5(md5: [u8; 16]) -> Self {
        Self { digits: md5, parts: None }
    }

    /// One that says nothing of the plaintext: SSE-KMS, DSSE-KMS or SSE-C, written whole or as a part. From the handle's
    /// generator.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn random(sse: &Sse) -> Result<Self> {
        Ok(Self { digits: sse.generator().bytes()?, parts: None })
    }

    /// Of an object or part that was written in this mode, none being plain: the MD5 of its plaintext where the mode
    /// answers that and it is given, and else random.
    ///
    /// # Errors
    ///
    /// As [`random`](Self::random).
    pub fn of_write(sse: &Sse, mode: Option<ModeId>, md5: Option<[u8; 16]>) -> Result<Self> {
        match md5.filter(|_| Self::tells_of_plaintext(mode)) {
            Some(md5) => Ok(Self::of_md5(md5)),
            None => Self::random(sse),
        }
    }

    /// Of an upload by the ETags of its parts in their order; none where there are no parts or over 65,536, or one of them
    /// is no part's.
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

    /// Reads one as a client sends it, in quotes or without; none where it is not one that S3 gives.
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

    /// In how many parts the object was uploaded; none of one that was written whole, and of a part.
    pub fn parts(&self) -> Option<u32> {
        self.parts.map(NonZeroU32::get)
    }

    /// Whether ETags of this mode are made from the plaintext, none being plain: then its MD5 is needed for them.
    pub fn tells_of_plaintext(mode: Option<ModeId>) -> bool {
        match mode {
            None | Some(ModeId::SseS3) => true,
            Some(ModeId::SseKms | ModeId::DsseKms | ModeId::SseC) => false,
        }
    }

    /// The value of the header `ETag`, in quotes.
    pub fn to_header_value(&self) -> HeaderValue {
        HeaderValue::from_str(&format!("\"{self}\"")).expect("hex digits, a dash and quotes are a header's")
    }

    /// Seals it beside its object or part, under the name `s3/etag`: 61 bytes, in DSSE-KMS 102.
    ///
    /// Of an object in parts by the [completed upload](crate::multipart::CompletedUpload)'s decryptor; the ETag of a part
    /// is in its receipt already, as its label.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn seal(&self, values: &ValueSealer) -> Result<SealedValue> {
        let count = self.parts().unwrap_or(0).to_be_bytes();
        values.seal(Self::NAME, &[&self.digits[..], &count].concat())
    }

    /// Opens what [`seal`](Self::seal) gave.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: it was changed, or is another object's, or no ETag.
    pub fn open(values: &ValueSealer, sealed: &SealedValue) -> Result<Self> {
        let opened = values.open(Self::NAME, sealed)?;
        let (digits, count) = opened.split_first_chunk().ok_or(Error::Inauthentic)?;
        let count = count.try_into().map_err(|_| Error::Inauthentic)?;
        Ok(Self { digits: *digits, parts: NonZeroU32::new(u32::from_be_bytes(count)) })
    }
}

/// Without the quotes of a header, as GetObjectAttributes gives it.
impl fmt::Display for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.digits))?;
        self.parts.map_or(Ok(()), |parts| write!(f, "-{parts}"))
    }
}

impl fmt::Debug for Etag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Etag({self})")
    }
}

/// A number as it is written, with no sign and no zeros before it.
fn parse_count(text: &str) -> Option<NonZeroU32> {
    let count: NonZeroU32 = text.parse().ok()?;
    (text.starts_with(|digit: char| digit.is_ascii_digit() && digit != '0')).then_some(count)
}
