//! S3's semantics as pure functions, for services that speak S3 (feature `s3`).

mod policy;

pub use policy::{BucketPolicy, ConditionValues, PolicyError, PolicyErrorKind, PolicyRequest, Verdict};
