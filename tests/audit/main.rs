//! The audit trail (`AuditTrail`): one event for each operation, done or refused; no output without its event; sinks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod failing;
#[cfg(feature = "audit-json")]
mod json_lines;
mod kit;
#[cfg(all(feature = "audit-json", unix))]
mod moved;
mod objects;
mod panics;
#[cfg(feature = "audit-json")]
mod records;
mod secrets;
#[cfg(all(feature = "audit-json", target_os = "linux"))]
mod slow;
mod sweeps;
#[cfg(feature = "tracing")]
mod to_tracing;
