//! [`Checksum`], the checksum of a plaintext, stored sealed beside the object, and [`ChecksumAlgorithm`].

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::error::{Error, Result};
use crate::stream::{SealedValue, ValueSealer};

/// The maximum length of a checksum, in bytes.
const MAX_LEN: usize = 64;
/// The maximum length of an algorithm's name, in bytes.
const MAX_NAME_LEN: usize = 24;
const HEADER: &str = "x-amz-checksum-";
const VALUE: &str = "s3/checksum/";

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident $s3:literal $len:literal,)*) => {
        /// The algorithm of a checksum. The library computes no checksums.
        ///
        /// Spec: Amazon S3, "Checking object integrity".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ChecksumAlgorithm {
            $($(#[$doc])* $name,)*
            /// An algorithm that this release does not know; see [`ChecksumAlgorithm::other`].
            Other(OtherAlgorithm),
        }

        impl ChecksumAlgorithm {
            /// Every algorithm that this release knows by name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Returns the algorithm's name as S3 writes it, for example in `x-amz-checksum-algorithm`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $s3,)*
                    Self::Other(other) => other.as_str(),
                }
            }

            /// Returns the length of a checksum, in bytes.
            pub fn value_len(&self) -> usize {
                match self {
                    $(Self::$name => $len,)*
                    Self::Other(other) => usize::from(other.value_len),
                }
            }
        }
    };
}

algorithms! {
    /// CRC-32 of ISO 3309, 4 bytes.
    Crc32 "CRC32" 4,
    /// CRC-32C, Castagnoli, 4 bytes.
    Crc32c "CRC32C" 4,
    /// CRC-64/NVME, 8 bytes.
    Crc64Nvme "CRC64NVME" 8,
    /// SHA-1, 20 bytes.
    Sha1 "SHA1" 20,
    /// SHA-256, 32 bytes.
    Sha256 "SHA256" 32,
    /// SHA-512, 64 bytes.
    Sha512 "SHA512" 64,
    /// MD5, 16 bytes.
    Md5 "MD5" 16,
    /// XXH64, 8 bytes.
    XxHash64 "XXHASH64" 8,
    /// XXH3 of 64 bits, 8 bytes.
    XxHash3 "XXHASH3" 8,
    /// XXH3 of 128 bits, 16 bytes.
    XxHash128 "XXHASH128" 16,
}

/// The name of an algorithm that this release does not know, and the length of its checksums.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherAlgorithm {
    /// The name, padded with zeros.
    name: [u8; MAX_NAME_LEN],
    value_len: u8,
}

impl OtherAlgorithm {
    fn as_str(&self) -> &str {
        // Names are ASCII, so the conversion does not fail.
        let name = self.name.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Debug for OtherAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {} bytes", self.as_str(), self.value_len)
    }
}

impl ChecksumAlgorithm {
    /// Returns the algorithm with this name, or `None` if this release does not know the name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// Creates an algorithm that this release does not know, from its name as S3 writes it and the length of its
    /// checksums in bytes.
    ///
    /// A known name gives the known algorithm. Returns `None` if the name is known with another length, the name is not
    /// 1 to 24 capital letters and digits, or the length is not 1 to 64.
    pub fn other(name: &str, value_len: usize) -> Option<Self> {
        if let Some(known) = Self::from_name(name) {
            return Some(known).filter(|known| known.value_len() == value_len);
        }
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !is_name || !(1..=MAX_LEN).contains(&value_len) {
            return None;
        }
        let mut padded = [0; MAX_NAME_LEN];
        padded.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        Some(Self::Other(OtherAlgorithm { name: padded, value_len: u8::try_from(value_len).ok()? }))
    }

    /// Returns the name of the header that carries the checksum, in lower case.
    pub fn header_name(&self) -> String {
        self.under(HEADER)
    }

    /// Returns the value name under which a checksum is sealed.
    fn value_name(&self) -> String {
        self.under(VALUE)
    }

    fn under(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.as_str().to_ascii_lowercase())
    }
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The checksum of a plaintext.
///
/// For an object that was uploaded in parts, S3 returns a checksum over the parts' checksums: base64, `-`, and the
/// number of parts. This type holds the value without the number, which is [`Etag::parts`](super::Etag::parts).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use atrest::s3::{Checksum, ChecksumAlgorithm};
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// # let object = atrest::ObjectName::unbound();
/// let (envelope, encryptor) = sse.blocking().encryptor(&object, atrest::SseS3)?;
/// // The client sent `x-amz-checksum-crc32c: yZRlqg==`, and the service computed the same.
/// let checksum = Checksum::from_base64(ChecksumAlgorithm::Crc32c, "yZRlqg==");
/// let checksum = checksum.ok_or("the header is invalid")?;
/// let sealed = checksum.seal(&encryptor.values())?; // store this beside the object
///
/// let decryptor = sse.blocking().decryptor(&object, &envelope, atrest::Unlock::Server)?;
/// let opened = Checksum::open(ChecksumAlgorithm::Crc32c, &decryptor.values(), &sealed)?;
/// assert_eq!(opened.to_base64(), "yZRlqg==");
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    /// The checksum, padded with zeros.
    value: [u8; MAX_LEN],
}

impl Checksum {
    /// Creates a checksum from its bytes. Returns `None` if the length is not the algorithm's.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        if value.len() != algorithm.value_len() {
            return None;
        }
        let mut padded = [0; MAX_LEN];
        padded.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { algorithm, value: padded })
    }

    /// Creates a checksum from the base64 of a header. Returns `None` if the text is not base64 or the length is not
    /// the algorithm's.
    pub fn from_base64(algorithm: ChecksumAlgorithm, base64: &str) -> Option<Self> {
        let mut room = [0; MAX_LEN];
        Self::new(algorithm, Base64::decode(base64, &mut room).ok()?)
    }

    /// Returns the algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Returns the bytes of the checksum.
    pub fn value(&self) -> &[u8] {
        self.value.get(..self.algorithm.value_len()).unwrap_or(&self.value)
    }

    /// Returns the checksum in base64, as in a header or a listing.
    pub fn to_base64(&self) -> String {
        Base64::encode_string(self.value())
    }

    /// Seals the checksum as a value of its object, under a name such as `s3/checksum/crc32c`. The sealed value is 41
    /// bytes longer than the checksum, or 82 bytes in DSSE-KMS.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`] if the random generator fails.
    pub fn seal(&self, values: &ValueSealer) -> Result<SealedValue> {
        values.seal(&self.algorithm.value_name(), self.value())
    }

    /// Opens a sealed checksum of this algorithm.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the value was changed, or belongs to another object or algorithm.
    pub fn open(algorithm: ChecksumAlgorithm, values: &ValueSealer, sealed: &SealedValue) -> Result<Self> {
        let opened = values.open(&algorithm.value_name(), sealed)?;
        Self::new(algorithm, &opened).ok_or(Error::Inauthentic)
    }
}

/// Omits the value, because a checksum reveals a short plaintext.
impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksum").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
