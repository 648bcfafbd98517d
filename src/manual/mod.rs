// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! The manual, one module for each page: the stored format as a specification, keys, the embedded KMS, threats, how to
//! build a storage service and an S3 service with it, the audit trail, defaults, and how to recover objects without the
//! library.

#[doc = include_str!("format.md")]
pub mod format {}

#[doc = include_str!("keys.md")]
pub mod keys {}

#[doc = include_str!("kms.md")]
pub mod kms {}

#[doc = include_str!("threats.md")]
pub mod threats {}

#[doc = include_str!("howto.md")]
pub mod howto {}

#[doc = include_str!("s3.md")]
pub mod s3 {}

#[doc = include_str!("audit.md")]
pub mod audit {}

#[doc = include_str!("defaults.md")]
pub mod defaults {}

#[doc = include_str!("recovery.md")]
pub mod recovery {}
