// Floor 0, a noun: any module may use it.
//! [`Error`] and its parts; the variants are grouped by what the caller does next.

mod audit;
mod cause;
mod cursor;
mod key_provider;
mod key_store;
mod keyring;
mod misuse;
mod request;

pub use audit::AuditError;
pub(crate) use cause::Said;
pub use cause::{Cause, IoError};
pub use cursor::CursorError;
pub use key_provider::{KeyProviderError, KeyProviderErrorKind};
pub use key_store::KeyStoreError;
pub use keyring::{KeyringError, OtherHistory};
pub use misuse::Misuse;
pub use request::{CustomerKeyError, PartError};

/// A `Result` with the library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a call failed; the variants are grouped by what the caller does next.
///
/// An error is cheap to clone. `Display`, `Debug` and the chain of `source()` show no key and nothing made from a key:
/// the chain contains only errors of this library. Only these methods return an underlying error of another library:
/// [`KeyProviderError::cause`], [`IoError::cause`], [`AuditError::cause`] and [`Cause::error`].
///
/// The actions of the caller, and the variants that call for them:
///
/// - raise an alarm, because the stored bytes are not those that were written: [`Inauthentic`](Self::Inauthentic),
///   [`Truncated`](Self::Truncated);
/// - answer the client: [`CustomerKey`](Self::CustomerKey), [`Part`](Self::Part),
///   [`RangeNotSatisfiable`](Self::RangeNotSatisfiable), [`SeveralRanges`](Self::SeveralRanges),
///   [`UploadNotComplete`](Self::UploadNotComplete), [`LimitExceeded`](Self::LimitExceeded);
/// - upgrade, or find the writer of these bytes: [`Envelope`](Self::Envelope), [`SealedFile`](Self::SealedFile),
///   [`Cursor`](Self::Cursor);
/// - retry, or page the operator of the KMS: [`KeyProvider`](Self::KeyProvider), [`Audit`](Self::Audit),
///   [`Random`](Self::Random), [`Io`](Self::Io);
/// - check what the service accepts: [`Unexpected`](Self::Unexpected), [`Keyring`](Self::Keyring),
///   [`KeyStore`](Self::KeyStore);
/// - fix the build, the configuration or the code: [`NotCompiled`](Self::NotCompiled),
///   [`UnsupportedCpu`](Self::UnsupportedCpu), [`ManifestRequired`](Self::ManifestRequired), [`Misuse`](Self::Misuse).
///
/// A failed stream returns the same error on every later call.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stored bytes were changed, or they belong to another key or another object name.
    #[error("inauthentic: the stored bytes were changed, or they belong to another object or another key")]
    Inauthentic,
    /// The stored bytes end too early.
    #[error("truncated: the stored bytes end before the object does")]
    Truncated,
    /// A customer key is missing, not applicable or wrong.
    #[error(transparent)]
    CustomerKey(#[from] CustomerKeyError),
    /// No byte of the object lies in the range.
    #[error("no byte of the range lies in the object of {plaintext_len} bytes")]
    #[non_exhaustive]
    RangeNotSatisfiable {
        /// The object's authenticated plaintext length in bytes.
        plaintext_len: u64,
    },
    /// The client requested several ranges of an object in one request, which is not supported.
    #[error("several ranges in one request are not supported: ask for one range in each request")]
    SeveralRanges,
    /// The envelope belongs to a multipart upload that was not completed: there is no object to read.
    #[error("the multipart upload is not complete, there is no object to read yet")]
    UploadNotComplete,
    /// The object was uploaded in parts, and the caller did not give its manifest.
    #[error("the object was uploaded in parts: its manifest is needed to read it (Decryptor::with_manifest)")]
    ManifestRequired,
    /// A part does not exist, or the client's statement about it is wrong.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The bytes are not an envelope that this release reads.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The sealed keyring, or the file of a wrapped root key, cannot be opened.
    #[error(transparent)]
    SealedFile(#[from] SealedFileError),
    /// The saved bytes of a sweep cannot be read: start the sweep again.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The key provider or the keyring did not return the key.
    #[error(transparent)]
    KeyProvider(#[from] KeyProviderError),
    /// The audit trail could not record the operation.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// This reader does not accept the stored envelope, keyring or key store.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    /// A value is longer than the format allows.
    #[error(transparent)]
    LimitExceeded(#[from] Limit),
    /// The keyring refuses the change.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The embedded KMS refuses to open its store, or to change it.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// The random generator failed; nothing was encrypted. [`Cause::error`] returns the generator's own error.
    #[error("the random generator failed, nothing was encrypted")]
    Random(Cause),
    /// A key file, an audit trail, an environment variable, or the store of a sweep could not be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The call needs a cargo feature that this build lacks.
    #[error(transparent)]
    NotCompiled(#[from] Feature),
    /// This processor lacks instructions that the backend needs: choose another backend, or let the builder choose.
    #[error("this processor lacks instructions that the backend needs; name another backend or none")]
    UnsupportedCpu,
    /// The calling code is wrong. Stored bytes never cause this error.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// The reason why bytes are not an envelope, a completion record or a sealed upload value that this release reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The bytes do not begin as an envelope: the object is unencrypted, or lies in another container than
    /// [`SseBuilder::container`](crate::SseBuilder::container) says.
    #[error(
        "not an envelope: the object was never encrypted by this library, or it lies in the other container; an inline \
         container begins with its envelope, a trailer container ends with it, SseBuilder::container says which"
    )]
    NotAnEnvelope,
    /// The version of the envelope or record is not 1.
    #[error("the version {0} of the envelope or record is not known, a newer release may read it")]
    UnsupportedVersion(u8),
    /// The envelope's mode is not one of the four.
    #[error("the envelope's mode {0} is not known, a newer release may read it")]
    UnknownMode(u8),
    /// The envelope's state is not one of the three.
    #[error("the envelope's state {0} is not known, a newer release may read it")]
    UnknownState(u8),
    /// The envelope's suite is not 1.
    #[error("the envelope's suite {0} is not known, a newer release may read it")]
    UnknownSuite(u8),
    /// The envelope has an unknown flag.
    #[error("the envelope has flags that are not known ({0:#06x}), a newer release may read it")]
    UnknownFlag(u16),
    /// The envelope has an unknown field.
    #[error("the envelope has a field of type {0} that is not known, a newer release may read it")]
    UnknownField(u16),
    /// The envelope or record breaks a rule of the format.
    #[error("the envelope or record is malformed: {0}")]
    Malformed(&'static str),
}

/// The reason why bytes are not a sealed file or a wrapped root key, or do not open with the root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedFileError {
    /// The bytes do not begin as a sealed file or as a wrapped root key.
    #[error("not a sealed file")]
    NotASealedFile,
    /// The file, or its sealed content, breaks a rule of the format.
    #[error("the sealed file is malformed: {0}")]
    Malformed(&'static str),
    /// The version, kind, key derivation or parameters are not supported.
    #[error("the sealed file is not supported: {0}")]
    Unsupported(&'static str),
    /// The file was sealed under another root key or passphrase.
    #[error("the root key or passphrase is not the one that the file was sealed under")]
    WrongRootKey,
}

/// The expectation that the stored envelope, keyring or key store does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unexpected {
    /// The envelope is not bound to a name, but the reader gave one.
    #[error("the envelope is bound to no name, but a name was given")]
    Unbound,
    /// The envelope is bound to a name, but the reader gave the unbound name.
    #[error("the envelope is bound to a name, but none was given")]
    Bound,
    /// This reader does not accept the mode.
    #[error(
        "the mode is not accepted here; give the builder its keyring or KMS, widen what is expected, or choose the \
         container's layers: a container holds DSSE-KMS alone or not at all"
    )]
    Mode,
    /// This reader does not accept the KMS key.
    #[error("the KMS key is not among those accepted here (KmsKeys)")]
    KmsKey,
    /// The bytes are a completion record, and this reader accepts only envelopes.
    #[error("a completion record is not accepted here; SseBuilder::completion_records allows records")]
    Record,
    /// The envelope is that of an object in parts, which a container of one envelope length does not hold.
    #[error("the envelope is of an object in parts, and a container holds objects of one message")]
    Container,
    /// The envelope does not belong to a multipart upload under way.
    #[error("the envelope is not of a multipart upload under way")]
    State,
    /// The keyring has another key id than the expected one.
    #[error("the keyring has another key id than the one expected")]
    KeyringId,
    /// The key store has another id than the expected one.
    #[error("the key store has another id than the one expected")]
    KeyStoreId,
    /// The stored keyring has another history than the keyring in memory.
    #[error("the stored keyring has another history than the one in memory: {0}")]
    History(OtherHistory),
    /// The keyring or key store has a lower generation than one seen before.
    #[error("the keyring or key store is older than one that was seen: an old file was put back")]
    Generation,
}

/// The error for a text that is not a mode's name: `SSE-S3`, `SSE-KMS`, `DSSE-KMS` or `SSE-C`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a mode is SSE-S3, SSE-KMS, DSSE-KMS or SSE-C")]
#[non_exhaustive]
pub struct UnknownMode;

/// The limit of the format that a value exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// A message holds at most 2^52 - 1 bytes of plaintext.
    #[error("an object holds at most 2^52 - 1 bytes, a little less in DSSE-KMS")]
    Message,
    /// A multipart object has at most 65,536 parts and 2^56 bytes.
    #[error("a multipart object has at most 65,536 parts and 2^56 bytes")]
    Multipart,
    /// A value to be sealed has at most 65,535 bytes.
    #[error("a value to be sealed has at most 65,535 bytes")]
    Value,
    /// The envelope does not fit the builder's fixed length, in bytes.
    #[error("the envelope does not fit the fixed length of {0} bytes")]
    EnvelopeLen(usize),
    /// An envelope has at most 65,663 bytes; the inner envelope of DSSE-KMS has at most 60,000.
    #[error("the envelope is longer than the format allows")]
    Envelope,
    /// An encryption context has at most 8,192 bytes: the caller's pairs, and those with the object's ARN.
    #[error("the encryption context, with the object's ARN, is longer than 8,192 bytes")]
    Context,
    /// A key id has 1 to 2,048 bytes and no control characters.
    #[error("a key id has 1 to 2,048 bytes of UTF-8 and no control characters")]
    KeyId,
    /// A keyring holds at most 65,535 versions, numbered up to 2^32 - 2.
    #[error("the keyring is full")]
    Keyring,
}

/// A cargo feature that a call needs and the build lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Feature {
    /// `aws-lc-rs`: the fast backend, and one of the two backends of DSSE-KMS.
    #[error("this needs the cargo feature `aws-lc-rs` of atrest")]
    AwsLcRs,
    /// `graviola`: the fast backend that needs no C compiler.
    #[error("this needs the cargo feature `graviola` of atrest")]
    Graviola,
    /// `passphrase`: sealed files under a passphrase.
    #[error("this needs the cargo feature `passphrase` of atrest")]
    Passphrase,
}

const fn assert_shareable<T: Send + Sync + Clone + 'static>() {}
const _: () = assert_shareable::<Error>();
