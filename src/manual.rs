//! The manual, one module for each page: the stored format as a specification, keys, the embedded KMS, threats, how to
//! build a storage service and an S3 service with it, the audit trail, defaults, and how to recover objects without the
//! library.

#[doc = include_str!("manual/format.md")]
pub mod format {}

#[doc = include_str!("manual/keys.md")]
pub mod keys {}

#[doc = include_str!("manual/kms.md")]
pub mod kms {}

#[doc = include_str!("manual/threats.md")]
pub mod threats {}

#[doc = include_str!("manual/howto.md")]
pub mod howto {}

#[doc = include_str!("manual/s3.md")]
pub mod s3 {}

#[doc = include_str!("manual/audit.md")]
pub mod audit {}

#[doc = include_str!("manual/defaults.md")]
pub mod defaults {}

#[doc = include_str!("manual/recovery.md")]
pub mod recovery {}
