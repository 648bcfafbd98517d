//! `Pkcs11Kms` over SoftHSM2, each test in a process of its own with a token of its own: the state of a PKCS#11 library
//! belongs to a process.
//!
//! The tests need Debian's package `softhsm2`. `ATREST_SOFTHSM` names the library elsewhere; the value `none` skips
//! them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod conformance;
mod faults;
mod kit;
mod vendors;
mod wraps;
