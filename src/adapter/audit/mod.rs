//! Audit sinks for other formats: [`JsonLines`], a file of AWS CloudTrail records, and [`TracingSink`].

#[cfg(feature = "audit-json")]
mod json_lines;
mod names;
#[cfg(feature = "audit-json")]
mod record;
#[cfg(feature = "tracing")]
mod tracing_sink;

#[cfg(feature = "audit-json")]
pub use json_lines::{BlockingJsonLines, Fsync, JsonLines, JsonLinesBuilder, JsonLinesStats};
#[cfg(feature = "tracing")]
pub use tracing_sink::TracingSink;
