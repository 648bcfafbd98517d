//! Decisions of S3: every row of the table of recorded answers of the real service, and forbidden outcomes.
//!
//! Grades: **R** recorded answer of the real service, **A** its API model or documentation, **I** error text pasted in
//! a public issue, **M** message copied by another implementation; **–** without a record, so our own choice.

mod buckets;
mod copies;
mod defaults;
mod errors;
mod headers;
mod kit;
mod order;
mod policies;
mod properties;
mod records;
mod rows;
mod uploads;
