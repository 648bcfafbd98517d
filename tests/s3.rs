//! Decisions of S3: every row of the table of recorded answers of the real service, and forbidden outcomes.
//!
//! Grades: **R** recorded answer of the real service, **A** its API model or documentation, **I** error text pasted in
//! a public issue, **M** message copied by another implementation; **–** without a record, so our own choice.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "s3/buckets.rs"]
mod buckets;
#[path = "s3/copies.rs"]
mod copies;
#[path = "s3/defaults.rs"]
mod defaults;
#[path = "s3/errors.rs"]
mod errors;
#[path = "s3/headers.rs"]
mod headers;
#[path = "s3/kit.rs"]
mod kit;
#[path = "s3/order.rs"]
mod order;
#[path = "s3/policies.rs"]
mod policies;
#[path = "s3/properties.rs"]
mod properties;
#[path = "s3/records.rs"]
mod records;
#[path = "s3/rows.rs"]
mod rows;
#[path = "s3/uploads.rs"]
mod uploads;
