//! The audit trail (`AuditTrail`): one event for each operation, done or refused; no output without its event; sinks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/parts.rs"]
mod parts;
mod support;

#[path = "audit/failing.rs"]
mod failing;
#[cfg(feature = "audit-json")]
#[path = "audit/json_lines.rs"]
mod json_lines;
#[path = "audit/kit.rs"]
mod kit;
#[cfg(all(feature = "audit-json", unix))]
#[path = "audit/moved.rs"]
mod moved;
#[path = "audit/objects.rs"]
mod objects;
#[path = "audit/panics.rs"]
mod panics;
#[cfg(feature = "audit-json")]
#[path = "audit/records.rs"]
mod records;
#[path = "audit/secrets.rs"]
mod secrets;
#[cfg(all(feature = "audit-json", target_os = "linux"))]
#[path = "audit/slow.rs"]
mod slow;
#[path = "audit/sweeps.rs"]
mod sweeps;
#[cfg(feature = "tracing")]
#[path = "audit/to_tracing.rs"]
mod to_tracing;
