//! Parquet files under keys of atrest: what reads back, what is refused, and how often the KMS is asked.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod kept;
mod key_metadata;
mod kit;
mod refused;
mod round_trips;
