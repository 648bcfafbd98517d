//! Every error of the library, grouped by what its reader does next.

mod audit;
mod cause;
mod cursor;
mod key_provider;
mod key_store;
mod keyring;

pub use audit::AuditError;
pub(crate) use cause::Said;
pub use cause::{Cause, IoError};
pub use cursor::CursorError;
pub use key_provider::{KeyProviderError, KeyProviderErrorKind};
pub use key_store::KeyStoreError;
pub use keyring::{KeyringError, OtherHistory};

/// What can go wrong, as a result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed; the variants are grouped by what the caller does next.
///
/// Cheap to clone. Nothing that `Display`, `Debug` or the chain of `source()` shows holds a key or anything made from one:
/// the chain ends at errors of this library, and another library's error underneath is given by name alone
/// ([`KeyProviderError::cause`], [`IoError::cause`], [`AuditError::cause`], [`Cause::error`]).
///
/// | do what | variants |
/// |---|---|
/// | alarm: the store's bytes are not what was written | [`Inauthentic`](Self::Inauthentic), [`Truncated`](Self::Truncated) |
/// | answer the client | [`CustomerKey`](Self::CustomerKey), [`Part`](Self::Part), [`RangeNotSatisfiable`](Self::RangeNotSatisfiable), [`SeveralRanges`](Self::SeveralRanges), [`UploadNotComplete`](Self::UploadNotComplete), [`LimitExceeded`](Self::LimitExceeded) |
/// | upgrade, or look for what wrote it | [`Envelope`](Self::Envelope), [`SealedFile`](Self::SealedFile), [`Cursor`](Self::Cursor) |
/// | retry, or page whoever runs the KMS | [`KeyProvider`](Self::KeyProvider), [`Audit`](Self::Audit), [`Random`](Self::Random), [`Io`](Self::Io) |
/// | look at what was allowed | [`Unexpected`](Self::Unexpected), [`Keyring`](Self::Keyring), [`KeyStore`](Self::KeyStore) |
/// | fix the build or the code | [`NotCompiled`](Self::NotCompiled), [`ManifestRequired`](Self::ManifestRequired), [`Misuse`](Self::Misuse) |
///
/// A stream that failed gives the same error for ever.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The stored bytes, the key or the object's name are not the ones this was encrypted with.
    #[error("inauthentic: the stored bytes were changed, or they belong to another object or another key")]
    Inauthentic,
    /// The stored bytes end too early.
    #[error("truncated: the stored bytes end before the object does")]
    Truncated,
    /// A customer key is missing, not applicable or not the right one.
    #[error(transparent)]
    CustomerKey(#[from] CustomerKeyError),
    /// No byte of the range lies in the object, whose authenticated plaintext length is given in bytes.
    #[error("no byte of the range lies in the object of {plaintext_len} bytes")]
    #[non_exhaustive]
    RangeNotSatisfiable {
        /// The object's plaintext length in bytes, authenticated.
        plaintext_len: u64,
    },
    /// The client asked for several ranges of an object in one request, which is not supported.
    #[error("several ranges in one request are not supported: ask for one range in each request")]
    SeveralRanges,
    /// The envelope is of a multipart upload that was not completed; it opens no object.
    #[error("the multipart upload is not complete, there is no object to read yet")]
    UploadNotComplete,
    /// The object was uploaded in parts and its manifest was not given.
    #[error("the object was uploaded in parts: its manifest is needed to read it (Decryptor::with_manifest)")]
    ManifestRequired,
    /// A part does not exist, or what the client says of it is not so.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The envelope cannot be understood.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The sealed keyring, or the file of a wrapped root key, cannot be opened.
    #[error(transparent)]
    SealedFile(#[from] SealedFileError),
    /// The saved bytes of a sweep cannot be understood: begin it anew.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The key provider, or the keyring in its place, did not give the key.
    #[error(transparent)]
    KeyProvider(#[from] KeyProviderError),
    /// What was to be done could not be put on record.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// What was stored is not what this reader accepts.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    /// Something is longer than the format allows.
    #[error(transparent)]
    LimitExceeded(#[from] Limit),
    /// The keyring refuses the change.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The embedded KMS refuses to open its store, or to change it.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
    /// The random generator failed; nothing was encrypted. [`Cause::error`] gives the generator's own error.
    #[error("the random generator failed, nothing was encrypted")]
    Random(Cause),
    /// A file of keys or of an audit trail, an environment variable, or the store of a sweep could not be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// What was asked for needs a cargo feature that this build lacks.
    #[error(transparent)]
    NotCompiled(#[from] Feature),
    /// The calling code is wrong; never caused by what is stored.
    #[error(transparent)]
    Misuse(#[from] Misuse),
}

/// A customer key is missing, not applicable, or not the one the object was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerKeyError {
    /// The object is SSE-C: reading it takes its customer key.
    #[error("the object is SSE-C, its customer key is required")]
    Required,
    /// A customer key was given for an object that is not SSE-C.
    #[error("a customer key was given but the object is not SSE-C")]
    NotExpected,
    /// The customer key is not the one that the object was written with.
    #[error("the customer key is not the one that the object was written with")]
    Mismatch,
    /// A customer key is exactly 32 bytes.
    #[error("a customer key is exactly 32 bytes")]
    WrongLength,
    /// All 32 bytes of the customer key are zero.
    #[error("the customer key is all zero, which is no key")]
    AllZero,
}

/// What is wrong with a part of a multipart upload, or with a list of parts.
///
/// Spec: Amazon S3, CompleteMultipartUpload: `InvalidPart`, `InvalidPartOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// A part number is at least 1, and in S3 at most 10,000.
    #[error("a part number is at least 1, and in S3 at most 10,000: {0} is none")]
    Number(u32),
    /// The receipt is of another part, or of an attempt that was answered with another label.
    #[error("part {0} is not the one that was uploaded: its number or label is not the receipt's")]
    Invalid(u32),
    /// The parts are not listed in strictly ascending order of number.
    #[error("the parts are not in strictly ascending order: part {0} comes too late or twice")]
    Order(u32),
    /// An upload is completed with at least one part.
    #[error("an upload is completed with at least one part")]
    None,
    /// The object has no part of this number.
    #[error("the object has no part {0}")]
    NotFound(u32),
    /// The object was not uploaded in parts, and where its part 1 ends is known only once its end has verified.
    #[error("the end of the object has to be verified before part {0} of it is described: Decryptor::verify_end")]
    EndNotVerified(u32),
    /// No part of the object is on that page of its manifest.
    #[error("no part of the object is on that page of its manifest")]
    Page,
}

/// Bytes that are no envelope of this version of the format, no completion record, or none of the small values that a
/// service keeps of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The bytes do not begin as an envelope does; perhaps the object was stored in the clear.
    #[error("not an envelope; the object may never have been encrypted by this library")]
    NotAnEnvelope,
    /// The version of the envelope or record is not 1.
    #[error("the version {0} of the envelope or record is not known, a newer release may read it")]
    UnsupportedVersion(u8),
    /// The envelope's mode is none of the four.
    #[error("the envelope's mode {0} is not known, a newer release may read it")]
    UnknownMode(u8),
    /// The envelope's state is none of the three.
    #[error("the envelope's state {0} is not known, a newer release may read it")]
    UnknownState(u8),
    /// The envelope's suite is not 1.
    #[error("the envelope's suite {0} is not known, a newer release may read it")]
    UnknownSuite(u8),
    /// The envelope has a flag that is not known.
    #[error("the envelope has flags that are not known ({0:#06x}), a newer release may read it")]
    UnknownFlag(u16),
    /// The envelope has a field that is not known.
    #[error("the envelope has a field of type {0} that is not known, a newer release may read it")]
    UnknownField(u16),
    /// The envelope or record breaks a rule of the format.
    #[error("the envelope or record is malformed: {0}")]
    Malformed(&'static str),
}

/// Bytes that are no sealed keyring and no wrapped root key, or a keyring under another root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealedFileError {
    /// The bytes do not begin as a sealed file, or as the file of a wrapped root key, does.
    #[error("not a sealed file")]
    NotASealedFile,
    /// The file, or what was sealed in it, breaks a rule of the format.
    #[error("the sealed file is malformed: {0}")]
    Malformed(&'static str),
    /// Version, kind, key derivation or its parameters are not supported.
    #[error("the sealed file is not supported: {0}")]
    Unsupported(&'static str),
    /// The root key or passphrase is not the one that the file was sealed under.
    #[error("the root key or passphrase is not the one that the file was sealed under")]
    WrongRootKey,
}

/// What was stored is not what this reader was told to accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unexpected {
    /// The envelope is not bound to a name, and the reader gave one.
    #[error("the envelope is bound to no name, but a name was given")]
    Unbound,
    /// The envelope is bound to a name, and the reader gave none.
    #[error("the envelope is bound to a name, but none was given")]
    Bound,
    /// The mode is not accepted here.
    #[error("the mode is not accepted here; give the builder its keyring or KMS, or widen what is expected")]
    Mode,
    /// The KMS key is not accepted here.
    #[error("the KMS key is not among those accepted here (KmsKeys)")]
    KmsKey,
    /// A completion record stands in place of an envelope, and this reader accepts no records.
    #[error("a completion record is not accepted here; SseBuilder::completion_records allows records")]
    Record,
    /// The envelope is not of a multipart upload under way, and one was expected.
    #[error("the envelope is not of a multipart upload under way")]
    State,
    /// The keyring's id is not the one that was expected.
    #[error("the keyring has another key id than the one expected")]
    KeyringId,
    /// The key store's id is not the one that was expected.
    #[error("the key store has another id than the one expected")]
    KeyStoreId,
    /// The stored keyring is not a continuation of the one in memory: it has another history.
    #[error("the stored keyring has another history than the one in memory: {0}")]
    History(OtherHistory),
    /// The generation of the keyring or key store is below one that was seen.
    #[error("the keyring or key store is older than one that was seen: an old file was put back")]
    Generation,
}

/// The text is the name of no mode: `SSE-S3`, `SSE-KMS`, `DSSE-KMS` and `SSE-C` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a mode is SSE-S3, SSE-KMS, DSSE-KMS or SSE-C")]
#[non_exhaustive]
pub struct UnknownMode;

/// What is longer than the format allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Limit {
    /// A message holds at most 2^52 - 1 bytes of plaintext.
    #[error("an object holds at most 2^52 - 1 bytes, a little less in DSSE-KMS")]
    Message,
    /// A multipart object has at most 65,536 parts and 2^56 bytes.
    #[error("a multipart object has at most 65,536 parts and 2^56 bytes")]
    Multipart,
    /// A sealed value is made of at most 65,535 bytes.
    #[error("a value to be sealed has at most 65,535 bytes")]
    Value,
    /// The envelope does not fit the fixed length that the builder was given.
    #[error("the envelope does not fit the fixed length of {0} bytes")]
    EnvelopeLen(usize),
    /// An envelope is at most 65,663 bytes, and at most 60,000 as DSSE-KMS's inner one.
    #[error("the envelope is longer than the format allows")]
    Envelope,
    /// An encryption context takes at most 8,192 bytes.
    #[error("the encryption context is longer than 8,192 bytes")]
    Context,
    /// A key id is 1 to 2,048 bytes without control characters.
    #[error("a key id is 1 to 2,048 bytes of UTF-8 without control characters")]
    KeyId,
    /// A keyring holds at most 65,535 versions, numbered up to 2^32 - 2.
    #[error("the keyring is full")]
    Keyring,
}

/// A cargo feature that the call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Feature {
    /// `aws-lc-rs`: the fast implementation, and one of the two of DSSE-KMS.
    #[error("this needs the cargo feature `aws-lc-rs` of atrest")]
    AwsLcRs,
    /// `passphrase`: sealed files under a passphrase.
    #[error("this needs the cargo feature `passphrase` of atrest")]
    Passphrase,
}

/// A mistake in the calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// Bucket and key of a name are not empty; a store without names uses `ObjectName::unbound`.
    #[error("bucket and key of an object name are not empty; use ObjectName::unbound for none")]
    EmptyName,
    /// A component of a name is longer than 65,535 bytes.
    #[error("a component of an object name is at most 65,535 bytes")]
    NameTooLong,
    /// The unbound name has no realm and no version.
    #[error("an unbound name has neither realm nor version id")]
    UnboundName,
    /// An upload of a named object has an id, and one of an unbound object has none.
    #[error("the upload of a named object has an id of 1 to 65,535 bytes; that of an unbound object has none")]
    UploadId,
    /// Only an SSE-C upload of a named object, in a service with a keyring, is completed without its key.
    #[error("only an SSE-C upload of a named object, in a service with a keyring, is completed without its key")]
    CompletionWithoutKey,
    /// The label of a receipt is at most 255 bytes.
    #[error("the label of a receipt is at most 255 bytes")]
    LabelTooLong,
    /// The name of a sealed value is 1 to 255 bytes and does not begin with `atrest/`.
    #[error("the name of a sealed value is 1 to 255 bytes and does not begin with atrest/")]
    ValueName,
    /// The ETag of an SSE-S3 object is the MD5 of its plaintext, which was not given.
    #[error("the ETag of an SSE-S3 object or part is the MD5 of its plaintext: give it")]
    EtagWithoutMd5,
    /// In SSE-KMS and DSSE-KMS a bucket holds no `/`, bucket and key are UTF-8, and the ARN is at most 65,535 bytes.
    #[error("with KMS keys a bucket holds no '/', bucket and key are UTF-8, and their ARN is at most 65,535 bytes")]
    NameNotAnArn,
    /// The name of a context pair is empty.
    #[error("the name of an encryption context pair is not empty")]
    ContextNameEmpty,
    /// The name `aws:s3:arn` belongs to the library.
    #[error("the encryption context name aws:s3:arn is reserved")]
    ContextNameReserved,
    /// An encryption context names each pair once.
    #[error("an encryption context names each pair once")]
    ContextNameTwice,
    /// A secret is exactly 32 bytes.
    #[error("the key is not exactly 32 bytes")]
    KeyLength,
    /// All 32 bytes of a key are zero: the buffer was never filled, or a key was taken from it before, which wipes it.
    #[error("the key is all zero: its buffer was never filled, or a key was taken from it before")]
    AllZeroKey,
    /// A passphrase is not empty.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The plaintext is not as long as it was said to be when encryption began; also where a source changes while it is
    /// read: drop what was written, and begin again.
    #[error("the plaintext is not as long as it was said to be when encryption began")]
    PlaintextLen,
    /// The output is shorter than `update_len`, `finish_len` or `output_len` says.
    #[error("the output is shorter than update_len, finish_len or output_len says")]
    OutputTooSmall,
    /// More bytes were given than the plan of a range fetches; `decrypt_pieces` takes a wider answer.
    #[error("more bytes were given than the plan of the range fetches; decrypt_pieces takes a wider answer")]
    FetchedLen,
    /// The pieces of a stored body are out of order, leave a gap, or reach beyond the body.
    #[error("the pieces of the stored body are out of order, leave a gap, or reach beyond the body")]
    FetchedPlace,
    /// A part's receipt is sealed from what its own encryptor has finished.
    #[error("the receipt of a part is sealed from what the part's own encryptor has finished")]
    OtherPart,
    /// A rewrap into or out of SSE-C revokes nothing: say so with `rewrap_as_revoking_nothing`.
    #[error(
        "a rewrap into or out of SSE-C leaves the old key able to open the object: call rewrap_as_revoking_nothing, or encrypt again"
    )]
    RewrapCrossesCustomerKey,
    /// DSSE-KMS has a second layer of data: changing to it or from it encrypts again.
    #[error("DSSE-KMS has a second layer of data; changing to it or from it needs new encryption")]
    RewrapChangesLayers,
    /// The versions that a keyring is built from break its rules.
    #[error("a keyring has versions from 1 to 2^32 - 2, each once, and an enabled primary among them")]
    KeyringVersions,
    /// The keyring is stored nowhere, so that a new version would be lost with this process, and all that is written
    /// under it.
    #[error(
        "the keyring is stored nowhere: keep it in a KeyringFile, or allow changes by with_changes_lost_on_exit and \
         seal it after each"
    )]
    KeyringNotStored,
    /// Two entries of a sweep in a row have the same position, and resuming after one would pass over the other: give
    /// each its own.
    #[error("two entries in a row have the same position; give each its own, or resuming would pass one over")]
    SamePosition,
    /// The entry has an envelope: there is nothing in the clear to encrypt.
    #[error("the entry has an envelope, there is nothing in the clear to encrypt")]
    NotPlain,
    /// The path of a keyring file, root key file or key store has no file name.
    #[error("the path of a keyring file, root key file or key store names a file")]
    Path,
}

const fn assert_shareable<T: Send + Sync + Clone + 'static>() {}
const _: () = assert_shareable::<Error>();
