//! [`Checksum`], a checksum of a plaintext, which S3 answers in every mode and which lies sealed beside the object.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::error::{Error, Result};
use crate::stream::{SealedValue, ValueSealer};

/// The longest value of any algorithm in bytes.
const MAX_LEN: usize = 64;
/// The longest name of an algorithm in bytes.
const MAX_NAME_LEN: usize = 24;
const HEADER: &str = "x-amz-checksum-";
const VALUE: &str = "s3/checksum/";

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident $s3:literal $len:literal,)*) => {
        /// How a checksum is computed; the library computes none.
        ///
        /// Spec: Amazon S3, "Checking object integrity".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ChecksumAlgorithm {
            $($(#[$doc])* $name,)*
            /// An algorithm that is younger than this release: [`ChecksumAlgorithm::other`].
            Other(OtherAlgorithm),
        }

        impl ChecksumAlgorithm {
            /// Every algorithm that this release knows by name.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As S3 writes it, such as in `x-amz-checksum-algorithm`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $s3,)*
                    Self::Other(other) => other.as_str(),
                }
            }

            /// The length of a checksum in bytes.
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

/// The name and length of an algorithm that is younger than this release.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OtherAlgorithm {
    /// Zeros behind the name.
    name: [u8; MAX_NAME_LEN],
    value_len: u8,
}

impl OtherAlgorithm {
    fn as_str(&self) -> &str {
        // A name is ASCII.
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
    /// The algorithm that S3 writes so; `None` where this release knows no such name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// An algorithm by its name, as S3 writes it, and the length of its checksums in bytes: for one that is younger
    /// than this release. Its header and the name that it is sealed under follow from its name.
    ///
    /// A name that this release knows gives that algorithm. `None` where it is known with another length, where the
    /// name is not 1 to 24 capital letters and digits, and where the length is not 1 to 64.
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

    /// The header that carries the checksum, in lower case.
    pub fn header_name(&self) -> String {
        self.under(HEADER)
    }

    /// What a checksum is sealed under.
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

/// A checksum of a plaintext, as long as its algorithm says.
///
/// Of an upload's object, one over the parts' checksums is answered as its base64, `-` and the number of parts; what is
/// kept here is the value, and the number is [`Etag::parts`](super::Etag::parts).
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use atrest::s3::{Checksum, ChecksumAlgorithm};
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// # let object = atrest::ObjectName::unbound();
/// let (envelope, encryptor) = sse.blocking().encryptor(&object, atrest::SseS3)?;
/// // The client sent `x-amz-checksum-crc32c: yZRlqg==`, and the service computed the same.
/// let checksum = Checksum::from_base64(ChecksumAlgorithm::Crc32c, "yZRlqg==").ok_or("the header is invalid")?;
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
    /// Zeros where the algorithm's values are shorter.
    value: [u8; MAX_LEN],
}

impl Checksum {
    /// Of these bytes; `None` where they are not as many as the algorithm's checksums have.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        if value.len() != algorithm.value_len() {
            return None;
        }
        let mut padded = [0; MAX_LEN];
        padded.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { algorithm, value: padded })
    }

    /// Of a header's base64; `None` where it is not base64 or of another length.
    pub fn from_base64(algorithm: ChecksumAlgorithm, base64: &str) -> Option<Self> {
        let mut room = [0; MAX_LEN];
        Self::new(algorithm, Base64::decode(base64, &mut room).ok()?)
    }

    /// How it was computed.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// Its bytes.
    pub fn value(&self) -> &[u8] {
        self.value.get(..self.algorithm.value_len()).unwrap_or(&self.value)
    }

    /// As a header and a listing give it.
    pub fn to_base64(&self) -> String {
        Base64::encode_string(self.value())
    }

    /// Seals it beside its plaintext, under a name of its algorithm's such as `s3/checksum/crc32c`: 41 bytes longer
    /// than the value, in DSSE-KMS 82.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn seal(&self, values: &ValueSealer) -> Result<SealedValue> {
        values.seal(&self.algorithm.value_name(), self.value())
    }

    /// Opens what [`seal`](Self::seal) gave for a checksum of this algorithm.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: it was changed, or is another object's or algorithm's, or no such checksum.
    pub fn open(algorithm: ChecksumAlgorithm, values: &ValueSealer, sealed: &SealedValue) -> Result<Self> {
        let opened = values.open(&algorithm.value_name(), sealed)?;
        Self::new(algorithm, &opened).ok_or(Error::Inauthentic)
    }
}

/// The value stays out of logs: it tells what a short plaintext says.
impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksum").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
