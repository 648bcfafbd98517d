//! [`CustomerKeyError`] and [`PartError`]: what a client's request got wrong.

/// A customer key is missing, not applicable, or not the key that the object was written with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CustomerKeyError {
    /// The object is SSE-C: its customer key is required.
    #[error("the object is SSE-C, its customer key is required")]
    Required,
    /// A customer key was given for an object that is not SSE-C.
    #[error("a customer key was given but the object is not SSE-C")]
    NotExpected,
    /// The customer key is not the one that the object was written with.
    #[error("the customer key is not the one that the object was written with")]
    Mismatch,
    /// The customer key is not exactly 32 bytes.
    #[error("a customer key is exactly 32 bytes")]
    WrongLength,
    /// All 32 bytes of the customer key are zero.
    #[error("the customer key is all zero: its buffer was never filled")]
    AllZero,
}

/// The reason why a part of a multipart upload, or a list of parts, was refused.
///
/// Spec: Amazon S3, CompleteMultipartUpload: `InvalidPart`, `InvalidPartOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartError {
    /// The part number is 0 or, in S3, above 10,000.
    #[error("a part number is at least 1, and in S3 at most 10,000: {0} is out of range")]
    Number(u32),
    /// The receipt belongs to another part, or to an attempt with another label.
    #[error("part {0} is not the one that was uploaded: its number or label is not the receipt's")]
    Invalid(u32),
    /// The parts are not listed in strictly ascending order of number.
    #[error("the parts are not in strictly ascending order: part {0} comes too late or twice")]
    Order(u32),
    /// The list of parts is empty.
    #[error("an upload is completed with at least one part")]
    None,
    /// The object has no part of this number.
    #[error("the object has no part {0}")]
    NotFound(u32),
    /// The object was not uploaded in parts: its part 1 ends with the object, whose end is not verified yet.
    #[error("the end of the object has to be verified before part {0} of it is described: Decryptor::verify_end")]
    EndNotVerified(u32),
    /// The manifest page contains no part of the object.
    #[error("no part of the object is on that page of its manifest")]
    Page,
}
