//! [`AwsKms`], a key provider of [`atrest`] whose keys are in AWS KMS.
#![doc = include_str!("../README.md")]
//!
//! # Permissions
//!
//! Without bucket keys each write is one `GenerateDataKey` with the key spec `AES_256`, each read one `Decrypt` with
//! the id of the key that the envelope names, both with the encryption context of the object: the caller's pairs and
//! `aws:s3:arn`, the ARN of the object. The policy of a key can therefore allow the service exactly some objects
//! (`kms:EncryptionContext:aws:s3:arn`).
//!
//! A grant allows the service a key without a change of the policy. Until a new grant has reached all of AWS KMS, its
//! calls are denied; [`grant_tokens`](AwsKmsBuilder::grant_tokens) sends the token that makes it count at once. A
//! constraint of a grant takes 8 pairs of the context, with values of at most 384 characters: it holds the ARN of every
//! bucket, but not that of an object with a longer name.
//!
//! # Bucket keys
//!
//! With [`SseKms::with_bucket_key`](atrest::SseKms::with_bucket_key) one `GenerateDataKey` serves many writes to a
//! bucket, and one `Decrypt` many reads. Their `aws:s3:arn` is the ARN of the bucket: a policy or a grant that allows
//! only ARNs of objects denies them, and CloudTrail shows the bucket.
//!
//! AWS KMS does not report changes, so the provider has no [`epoch`](atrest::KeyProvider::epoch). After a KMS key is
//! disabled, or a permission is revoked, a bucket key in memory still serves until its age is over: up to 5 minutes, or
//! [`BucketKeys::with_max_age`](atrest::BucketKeys::with_max_age). To end that at once, call
//! [`Sse::purge_bucket_keys`](atrest::Sse::purge_bucket_keys) on every node.
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
