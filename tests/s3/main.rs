//! S3: decisions about requests, policies, ETags, XML, and recorded answers.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(all(feature = "aws-lc-rs", feature = "testing"))]
mod decisions;
mod etag;
mod policy;
#[cfg(all(feature = "aws-lc-rs", feature = "embedded-kms"))]
mod recorded;
mod xml;
