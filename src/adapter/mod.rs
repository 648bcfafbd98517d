//! Adapters to other people's traits, each behind its own module.

#[cfg(any(feature = "audit-json", feature = "tracing"))]
pub(crate) mod audit;
pub mod io;
mod pump;
