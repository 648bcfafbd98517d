//! S3's semantics as pure functions, for services that speak S3 (feature `s3`): which encryption a request gets, or which
//! error.
//!
//! ```text
//!   http::HeaderMap      ──> EncryptionHeaders ──┐
//!   PutBucketEncryption  ──> BucketEncryption ───┼──> S3Request ──> decide ──> Decision ──> Sse, response headers
//!   PutBucketPolicy      ──> BucketPolicy ───────┤                        └──> S3Error ──> status, XML
//!   the stored envelope  ──> Stored ─────────────┘
//! ```
//!
//! Nothing here does I/O or asks for a key. What was recorded of the real service is in the tests, row by row. The way from
//! a request's headers to stored bytes is on the page [`manual::s3`](crate::manual::s3).

mod bucket_encryption;
mod checksum;
mod decision;
mod error;
mod etag;
mod headers;
mod policy;
mod sealing;
mod xml;

pub use bucket_encryption::{
    BlockedEncryption, BucketEncryption, BucketEncryptionError, DefaultEncryption, ObjectEncryption,
};
pub use checksum::{Checksum, ChecksumAlgorithm};
pub use decision::{
    Access, Bucket, Decision, Operation, PolicyCheck, S3Request, Stored, Transport, Write, condition_values, decide,
};
pub use error::{Profile, S3Error, S3ErrorKind};
pub use etag::Etag;
pub use headers::{EncryptionHeaders, mark_sensitive, names};
pub use policy::{BucketPolicy, ConditionValues, PolicyError, PolicyErrorKind, PolicyRequest, Verdict};
pub use sealing::PlaintextMd5;
