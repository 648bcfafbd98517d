//! [`AwsKms`], a key provider of [`atrest`] whose keys are in AWS KMS.
#![doc = include_str!("../README.md")]
//!
//! # Permissions
//!
//! Each write is one `GenerateDataKey` with the key spec `AES_256`, each read one `Decrypt` with the id of the key that
//! the envelope names, both with the encryption context of the object: the caller's pairs and `aws:s3:arn`, the ARN of
//! the object. The policy of a key can therefore allow the service exactly some objects
//! (`kms:EncryptionContext:aws:s3:arn`).
//!
//! A grant allows the service a key without a change of the policy. Until a new grant has reached all of AWS KMS, its
//! calls are denied; [`grant_tokens`](AwsKmsBuilder::grant_tokens) sends the token that makes it count at once.
//!
//! # Failures
//!
//! | AWS KMS | kind | transient |
//! |---|---|---|
//! | `NotFoundException`; a malformed key id in a write | `NotFound` | no |
//! | `DisabledException` | `Disabled` | no |
//! | `KMSInvalidStateException`, pending deletion | `PendingDeletion` | no |
//! | `KMSInvalidStateException`: creating, updating, or its key store is not available | `InvalidState` | yes |
//! | `KMSInvalidStateException`, any other state | `InvalidState` | no |
//! | `InvalidKeyUsageException` | `InvalidKeyUsage` | no |
//! | `AccessDeniedException` | `AccessDenied` | no |
//! | `ThrottlingException`, `LimitExceededException`, HTTP 429 | `Throttled` | yes |
//! | credentials that are missing, expired or unknown; a wrong signature, a wrong grant token | `Misconfigured` | no |
//! | `InvalidCiphertextException`, `IncorrectKeyException`, any other refusal | `Rejected` | no |
//! | HTTP 5xx, no connection, no answer in time, an answer that cannot be read | `Unavailable` | yes |
//! | an ARN of another region, without [`multi_region_keys`](AwsKmsBuilder::multi_region_keys) | `OtherRegion` | no |
//!
//! The `request_id` of a key or of an error is the one that AWS gave to the call: the audit trail of [`atrest`] and
//! CloudTrail both show it. The `cause` of an error is an [`AwsKmsError`].
//!
//! # Security
//!
//! The SDK does not wipe its memory: the text of the response and its decoded form stay on the heap until they are
//! overwritten. Only the key that this crate returns is wiped.

mod failure;
mod grants;
mod provider;
mod reactor;

pub use failure::AwsKmsError;
pub use provider::{AwsKms, AwsKmsBuilder, BuildError};
