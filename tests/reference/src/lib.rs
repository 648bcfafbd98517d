//! The stored format, version 1, implemented a second time: naively, in whole buffers, over another cryptographic
//! library.
//!
//! The oracle shares no code and no crate of cryptography with `atrest`. A comparison of the two therefore misses a
//! mistake only if it was made twice. The oracle prefers clarity to speed: it does not stream, it copies everything,
//! and each function reads like a sentence of the format. The oracle is for tests only: keys are plain arrays that are
//! never wiped.
//!
//! One module for each section of the format:
//!
//! | module | what |
//! |---|---|
//! | [`kdf`] | Extract, Expand, AES-256-GCM |
//! | [`name`] | object names, CTX, the ARN shown to a KMS |
//! | [`wrap`] | verifier, wrapping of data keys |
//! | [`message`] | Cobblestone-256 messages and their lengths |
//! | [`envelope`], [`parse`], [`pairs`] | the envelope, both ways |
//! | [`object`] | whole objects, one layer or two, in a container or not |
//! | [`multipart`], [`upload`] | manifests and receipts; uploads and what they are completed to |
//! | [`completion`] | records of SSE-C uploads that were completed without their key |
//! | [`value`] | small sealed values |
//! | [`sealed_file`] | sealed keyring files and the embedded KMS's wrapped KEK |

pub mod completion;
pub mod envelope;
pub mod kdf;
pub mod message;
pub mod multipart;
pub mod name;
pub mod object;
pub mod pairs;
pub mod parse;
pub mod sealed_file;
pub mod upload;
pub mod value;
pub mod wrap;

/// Every way in which reading can be refused, by the name the format gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the format's")]
pub enum Error {
    NotAnEnvelope,
    UnsupportedVersion,
    UnknownMode,
    UnknownState,
    UnknownSuite,
    UnknownFlag,
    UnknownField,
    Malformed,
    Unexpected,
    UploadNotComplete,
    ManifestRequired,
    Misuse,
    CustomerKeyMismatch,
    Inauthentic,
    Truncated,
    LimitExceeded,
    KeyProvider,
    NotASealedFile,
    Unsupported,
    WrongRootKey,
}

impl Error {
    /// The name of the class, as the test vectors write it.
    pub fn class(self) -> String {
        format!("{self:?}")
    }
}

/// The first `n` bytes of `bytes`, which moves behind them; nothing if there are fewer.
pub(crate) fn take<'a>(bytes: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (head, tail) = bytes.split_at_checked(n)?;
    *bytes = tail;
    Some(head)
}

/// The next big-endian integer.
pub(crate) fn take_u16(bytes: &mut &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(take(bytes, 2)?.try_into().ok()?))
}

/// The next big-endian integer.
pub(crate) fn take_u32(bytes: &mut &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(take(bytes, 4)?.try_into().ok()?))
}

/// The next big-endian integer.
pub(crate) fn take_u64(bytes: &mut &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(take(bytes, 8)?.try_into().ok()?))
}

/// The next length-prefixed bytes: the inverse of [`kdf::lp`].
pub(crate) fn take_lp<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_u16(bytes)?;
    take(bytes, usize::from(len))
}
