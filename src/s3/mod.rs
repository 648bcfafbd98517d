//! S3's semantics as pure functions, for services that speak S3 (feature `s3`).

mod bucket_encryption;
mod checksum;
mod etag;
mod policy;
mod sealing;
mod xml;

pub use bucket_encryption::{
    BlockedEncryption, BucketEncryption, BucketEncryptionError, DefaultEncryption, ObjectEncryption,
};
pub use checksum::{Checksum, ChecksumAlgorithm};
pub use etag::Etag;
pub use policy::{BucketPolicy, ConditionValues, PolicyError, PolicyErrorKind, PolicyRequest, Verdict};
pub use sealing::{OpensValues, PlaintextMd5, SealsValues};
