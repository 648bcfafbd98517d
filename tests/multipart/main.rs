//! Objects of parts: uploads, and ranges over the completed object.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod ranges;
#[cfg(feature = "testing")]
mod uploads;
