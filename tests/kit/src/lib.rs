//! The kit of the tests of `atrest`: services, streams in steps, objects of the oracle, and an allocator that looks into
//! freed memory. It is a crate, so that it is built once for all test binaries.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::new_without_default, reason = "a service is made by name, as each test wants it")]

#[allow(unsafe_code, reason = "a global allocator is unsafe to implement")]
pub mod freed;
pub mod kit;
pub mod parts;
pub mod sample;
pub mod support;
