//! One object: every way to write and read it, every way to damage it, and what memory it costs.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod adapters;
mod bodies;
mod containers;
mod customer_key;
#[cfg(feature = "testing")]
mod dsse;
#[cfg(feature = "testing")]
mod errors;
mod fickle;
mod in_place;
mod into;
mod memory;
mod range;
mod secrets;
mod tamper;
mod workers;
