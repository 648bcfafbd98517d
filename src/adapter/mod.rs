// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! Adapters to other people's traits, each behind its own module.

#[cfg(any(feature = "audit-json", feature = "tracing"))]
pub(crate) mod audit;
pub mod io;
mod pump;
