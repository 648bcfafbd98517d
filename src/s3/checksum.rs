//! Checksums of the plaintext, which S3 answers in every mode and which lie sealed beside the object.

use std::fmt;

use base64ct::{Base64, Encoding};

use crate::error::{Error, Result};
use crate::stream::{SealedValue, ValueSealer};

/// The longest value of any algorithm in bytes.
const MAX_LEN: usize = 32;

macro_rules! algorithms {
    ($($(#[$doc:meta])* $name:ident $s3:literal $header:literal $value:literal $len:literal,)*) => {
        /// How a checksum is computed; the library computes none.
        ///
        /// Spec: Amazon S3, "Checking object integrity".
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ChecksumAlgorithm {
            $($(#[$doc])* $name,)*
        }

        impl ChecksumAlgorithm {
            /// Every algorithm there is.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As S3 writes it, such as in `x-amz-checksum-algorithm`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $s3,)*
                }
            }

            /// The header that carries the checksum, in lower case.
            pub fn header_name(self) -> &'static str {
                match self {
                    $(Self::$name => $header,)*
                }
            }

            /// The length of a checksum in bytes.
            pub fn value_len(self) -> usize {
                match self {
                    $(Self::$name => $len,)*
                }
            }

            /// What a checksum is sealed under.
            fn value_name(self) -> &'static str {
                match self {
                    $(Self::$name => $value,)*
                }
            }
        }
    };
}

algorithms! {
    /// CRC-32 of ISO 3309.
    Crc32 "CRC32" "x-amz-checksum-crc32" "s3/checksum/crc32" 4,
    /// CRC-32C, Castagnoli.
    Crc32c "CRC32C" "x-amz-checksum-crc32c" "s3/checksum/crc32c" 4,
    /// CRC-64/NVME.
    Crc64Nvme "CRC64NVME" "x-amz-checksum-crc64nvme" "s3/checksum/crc64nvme" 8,
    /// SHA-1.
    Sha1 "SHA1" "x-amz-checksum-sha1" "s3/checksum/sha1" 20,
    /// SHA-256.
    Sha256 "SHA256" "x-amz-checksum-sha256" "s3/checksum/sha256" 32,
}

impl ChecksumAlgorithm {
    /// The one that S3 writes so; none where there is no such algorithm.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
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
    /// Of these bytes; none where they are not as many as the algorithm's checksums have.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        if value.len() != algorithm.value_len() {
            return None;
        }
        let mut padded = [0; MAX_LEN];
        padded.get_mut(..value.len())?.copy_from_slice(value);
        Some(Self { algorithm, value: padded })
    }

    /// Of a header's base64; none where it is not base64 or of another length.
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

    /// Seals it beside its plaintext, under a name of its algorithm's such as `s3/checksum/crc32c`: 41 bytes longer than
    /// the value, in DSSE-KMS 82.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn seal(&self, values: &ValueSealer) -> Result<SealedValue> {
        values.seal(self.algorithm.value_name(), self.value())
    }

    /// Opens what [`seal`](Self::seal) gave for a checksum of this algorithm.
    ///
    /// # Errors
    ///
    /// [`Error::Inauthentic`]: it was changed, or is another object's or algorithm's, or no such checksum.
    pub fn open(algorithm: ChecksumAlgorithm, values: &ValueSealer, sealed: &SealedValue) -> Result<Self> {
        let opened = values.open(algorithm.value_name(), sealed)?;
        Self::new(algorithm, &opened).ok_or(Error::Inauthentic)
    }
}

/// The value stays out of logs: it tells what a short plaintext says.
impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checksum").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
