//! The stored bytes: test vectors, golden files, and two other implementations of the format.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod differential;
mod differential_multipart;
mod geometry;
mod golden;
mod python;
mod vectors;
