//! The repository itself: floors of the source, links of the manual, the seal log, and the choice of a backend.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod backends;
mod layers;
mod manual;
#[cfg(feature = "testing")]
mod seal_log;
