//! [`ModeId`]: the four modes as a value.

use std::fmt;
use std::str::FromStr;

use crate::error::UnknownMode;
use crate::geometry::Layers;

/// One of the four modes of encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ModeId {
    /// SSE-S3: encrypts under a master key of the service.
    SseS3 = 1,
    /// SSE-KMS: encrypts under a KMS key.
    SseKms = 2,
    /// DSSE-KMS: encrypts twice, under a KMS key and then under a master key of the service.
    DsseKms = 3,
    /// SSE-C: encrypts under a key that the client sends with each request.
    SseC = 4,
}

impl ModeId {
    /// All four modes, in the order of their numbers in an envelope.
    pub const ALL: [Self; 4] = [Self::SseS3, Self::SseKms, Self::DsseKms, Self::SseC];

    /// Returns the layers of a body: two in DSSE-KMS, otherwise one.
    pub const fn layers(self) -> Layers {
        match self {
            Self::DsseKms => Layers::Two,
            Self::SseS3 | Self::SseKms | Self::SseC => Layers::One,
        }
    }

    /// Returns the stored length in bytes of a body with this plaintext length; `None` if the format cannot hold it.
    pub const fn ciphertext_len(self, plaintext_len: u64) -> Option<u64> {
        self.layers().ciphertext_len(plaintext_len)
    }

    /// Returns the plaintext length in bytes of a body with this stored length; `None` if no body has it.
    pub const fn plaintext_len(self, ciphertext_len: u64) -> Option<u64> {
        self.layers().plaintext_len(ciphertext_len)
    }

    /// Returns the number of the mode in an envelope.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }
}

/// Writes the mode's name in S3 Inventory: `SSE-S3`, `SSE-KMS`, `DSSE-KMS` or `SSE-C`.
impl fmt::Display for ModeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::SseS3 => "SSE-S3",
            Self::SseKms => "SSE-KMS",
            Self::DsseKms => "DSSE-KMS",
            Self::SseC => "SSE-C",
        })
    }
}

/// Reads the name that `Display` writes.
impl FromStr for ModeId {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        match text {
            "SSE-S3" => Ok(Self::SseS3),
            "SSE-KMS" => Ok(Self::SseKms),
            "DSSE-KMS" => Ok(Self::DsseKms),
            "SSE-C" => Ok(Self::SseC),
            _ => Err(UnknownMode),
        }
    }
}
