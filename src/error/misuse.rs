//! [`Misuse`], a mistake in the calling code.

/// A mistake in the calling code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Misuse {
    /// The bucket or the key of an object name is empty. A store without names uses `ObjectName::unbound`.
    #[error("the bucket or the key of an object name is empty; use ObjectName::unbound for a store without names")]
    EmptyName,
    /// A component of a name is longer than 65,535 bytes.
    #[error("a component of an object name is at most 65,535 bytes")]
    NameTooLong,
    /// An unbound name was given a realm or a version id.
    #[error("an unbound name has neither realm nor version id")]
    UnboundName,
    /// The upload of a named object has no id of 1 to 65,535 bytes, or the upload of an unbound object has an id.
    #[error("an upload of a named object needs an id of 1 to 65,535 bytes; an upload of an unbound object takes no id")]
    UploadId,
    /// The upload cannot be completed without its key: only an SSE-C upload of a named object, in a service with a
    /// keyring, allows this.
    #[error("only an SSE-C upload of a named object, in a service with a keyring, is completed without its key")]
    CompletionWithoutKey,
    /// The label of a receipt is longer than 255 bytes.
    #[error("the label of a receipt is at most 255 bytes")]
    LabelTooLong,
    /// The name of a sealed value does not have 1 to 255 bytes, or begins with `atrest/`.
    #[error("the name of a sealed value is 1 to 255 bytes and does not begin with atrest/")]
    ValueName,
    /// The caller did not give the MD5 of the plaintext, which is the ETag in SSE-S3.
    #[error("the ETag of an SSE-S3 object or part is the MD5 of its plaintext: give the MD5")]
    EtagWithoutMd5,
    /// The name does not form an ARN: in SSE-KMS and DSSE-KMS a bucket contains no `/`, bucket and key are UTF-8, and
    /// the ARN has at most 65,535 bytes.
    #[error("with KMS keys a bucket holds no '/', bucket and key are UTF-8, and their ARN is at most 65,535 bytes")]
    NameNotAnArn,
    /// The prefix of a route does not begin with a scheme such as `arn` or `pkcs11`, or ends with a colon.
    #[error("the prefix of a route begins with a scheme, such as arn or pkcs11, and does not end with a colon")]
    KeyIdScheme,
    /// The router has a route with this prefix.
    #[error("the router has a route with this prefix")]
    RouteTwice,
    /// The name of a context pair is empty.
    #[error("the name of an encryption context pair is not empty")]
    ContextNameEmpty,
    /// The encryption context contains the name `aws:s3:arn`, which is reserved for the library.
    #[error("the encryption context name aws:s3:arn is reserved")]
    ContextNameReserved,
    /// The encryption context contains a name twice.
    #[error("the encryption context contains a name twice")]
    ContextNameTwice,
    /// The key is not exactly 32 bytes.
    #[error("the key is not exactly 32 bytes")]
    KeyLength,
    /// All 32 bytes of the key are zero: the buffer was never filled, or was wiped when an earlier key was taken from
    /// it.
    #[error("the key is all zero: its buffer was never filled, or an earlier key was taken from it")]
    AllZeroKey,
    /// The passphrase is empty.
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    /// The plaintext does not have the announced length, for instance because the source changed while it was read:
    /// discard the output and start again.
    #[error("the plaintext does not have the length that was announced when encryption began")]
    PlaintextLen,
    /// A writer was shut down that seals nothing on shutdown, so that there is no object. End it by `finish`, or
    /// create it for a length that is known beforehand or by `EncryptWriter::sealing_on_shutdown`.
    #[error(
        "the writer was shut down, which seals nothing: call its finish, or create it for a known length or by \
         EncryptWriter::sealing_on_shutdown"
    )]
    NotFinished,
    /// The writer was finished or shut down before: the object has ended.
    #[error("the writer was finished before, it takes no more plaintext")]
    Finished,
    /// The output is shorter than `update_len`, `finish_len` or `output_len` returns.
    #[error("the output is shorter than update_len, finish_len or output_len says")]
    OutputTooSmall,
    /// The workers of an `Sse`, or a task that they ran, panicked.
    #[error("the workers of this Sse panicked; nothing of the call counts")]
    WorkersPanicked,
    /// The caller gave more bytes than the plan of a range fetches; `decrypt_pieces` accepts a wider answer.
    #[error("more bytes were given than the plan of the range fetches; decrypt_pieces accepts a wider answer")]
    FetchedLen,
    /// The pieces of a stored body are out of order, leave a gap, or reach beyond the body.
    #[error("the pieces of the stored body are out of order, leave a gap, or reach beyond the body")]
    FetchedPlace,
    /// The object does not fit the container: it was uploaded in parts, or its envelope was not made for the container,
    /// with [`SseBuilder::container`](crate::SseBuilder::container).
    #[error(
        "a container holds an object of one message, whose envelope was made for it: encrypt with an Sse that has the \
         container (SseBuilder::container)"
    )]
    Container,
    /// A multipart upload was begun, resumed or completed with an `Sse` that has a container, which holds objects of
    /// one message.
    #[error("a store whose objects lie in a container has no multipart uploads: write the parts as one object")]
    PartsInContainer,
    /// The builder was given a container, and an envelope length that is not the container's.
    #[error("SseBuilder::envelope_len and the container's length differ: the container's is enough")]
    ContainerLen,
    /// The receipt of a part was requested with the result of another encryptor.
    #[error("the receipt of a part takes the result of the part's own encryptor, not of another one")]
    OtherPart,
    /// A rewrap into or out of SSE-C leaves the old key able to open the object. Accept that with
    /// [`Rewrap::across_customer_key`](crate::Rewrap::across_customer_key), or encrypt again.
    #[error(
        "a rewrap into or out of SSE-C leaves the old key able to open the object: accept that with \
         Rewrap::across_customer_key, or encrypt again"
    )]
    RewrapCrossesCustomerKey,
    /// The rewrap changes to or from DSSE-KMS, which encrypts the data in a second layer: encrypt again.
    #[error("DSSE-KMS encrypts the data in a second layer: a change to or from it needs new encryption")]
    RewrapChangesLayers,
    /// A rewrap of a multipart upload under way has a new name, mode or key. All three stay until the upload is
    /// completed.
    #[error("a multipart upload under way keeps its name, mode and key: rewrap the object once it is complete")]
    RewrapOfUpload,
    /// The versions of a keyring are not numbers from 1 to 2^32 - 2, each once, with one of them its enabled primary.
    #[error("a keyring has versions from 1 to 2^32 - 2, each once, and one of them is its enabled primary")]
    KeyringVersions,
    /// The keyring is not stored: a new version, and all objects written under it, would be lost when this process
    /// ends.
    #[error(
        "the keyring is stored nowhere: create it with Keyring::builder, or allow changes by with_changes_lost_on_exit \
         and seal it after each"
    )]
    KeyringNotStored,
    /// Two consecutive entries of a sweep have the same position: a sweep resumed after the first would skip the
    /// second.
    #[error("two entries in a row have the same position; give each its own, or a resumed sweep would skip one")]
    SamePosition,
    /// The path of a keyring file, root key file or key store has no file name.
    #[error("the path of the keyring file, root key file or key store has no file name")]
    Path,
}
