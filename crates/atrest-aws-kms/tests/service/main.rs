//! `AwsKms` against a loopback server that speaks the service's JSON protocol over the embedded KMS.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod conformance;
mod failures;
mod faults;
mod grants;
mod http;
mod keys;
mod kms;
