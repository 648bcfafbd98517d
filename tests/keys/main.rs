//! Keyrings, root keys, rotation, and sweeps over a store.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod inventory;
#[cfg(feature = "testing")]
mod keyring;
mod root_key;
#[cfg(feature = "testing")]
mod rotation;
mod sweep;
