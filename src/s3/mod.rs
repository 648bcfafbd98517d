// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! S3's semantics as pure functions, for services that speak S3 (feature `s3`): they decide which encryption or which
//! error a request gets.
//!
//! ```text
//! http::HeaderMap, query ──> EncryptionHeaders ─┐
//! signature, transport   ──> Caller ────────────┤
//! PutBucketEncryption    ──> BucketDefault ─────┼─> S3Request ─┐
//! PutBucketPolicy        ──> PolicySource ──────┘              ├─> S3Rules::decide_..
//! record and envelope    ──> Stored ───────────────────────────┘    │
//!                                                ..Decision <───────┤
//!                                                S3Error    <───────┘
//!
//! ..Decision ──> Sse, response headers
//! S3Error    ──> status, XML
//! ```
//!
//! No function here does I/O or asks a key provider. The tests compare every answer with recordings of the real
//! service. The page [`manual::s3`](crate::manual::s3) follows one service from a request's headers to stored bytes.

mod bucket_encryption;
mod checksum;
mod decision;
mod error;
mod etag;
mod headers;
mod operation;
mod policy;
mod record;
mod sealing;
mod xml;

pub use bucket_encryption::{
    BlockedEncryption, BucketEncryption, BucketEncryptionError, DefaultEncryption, ObjectEncryption,
};
pub use checksum::{Checksum, ChecksumAlgorithm, OtherAlgorithm};
pub use decision::{
    BucketDefault, Caller, CompleteDecision, Completing, CopyDecision, CopySource, NewEncryption, NewObject,
    PartCopyDecision, PartDecision, PartWriting, PolicyEngine, PolicyQuestion, PolicySource, ReadDecision, ReadKind,
    Reading, Resource, S3Request, S3Rules, Signature, Stored, Transport, UpdateDecision, WriteDecision, Writing,
};
pub use error::{Profile, S3Error, S3ErrorKind, check_parts, read_part_number};
pub use etag::{Etag, ListedEtag, StoredEtag};
pub use headers::{EncryptionHeaders, mark_sensitive, names};
pub use operation::S3Operation;
pub use policy::{
    BucketPolicy, ConditionKey, ConditionValues, HostPolicy, PolicyError, PolicyErrorKind, PolicyRequest, RequestFacts,
    Verdict,
};
pub use record::{EncryptionRecord, EncryptionRecordError};
pub use sealing::PlaintextMd5;
