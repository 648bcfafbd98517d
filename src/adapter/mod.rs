// Floor 8. May use floors 0 to 7, and no other module of floor 8.
//! Adapters to other people's traits, each behind its own module.

#[cfg(any(feature = "audit-json", feature = "tracing"))]
pub(crate) mod audit;
#[cfg(feature = "http-body")]
pub mod http_body;
pub mod io;
mod pump;
#[cfg(feature = "stream")]
pub mod stream;
#[cfg(feature = "tokio")]
pub mod tokio;
