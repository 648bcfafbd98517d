//! The clock: times as milliseconds since 1970.
//!
//! Floor 0. The only place beside `files` that touches the system.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970, by the clock of this machine.
pub(crate) fn now() -> u64 {
    millis(SystemTime::now())
}

/// Milliseconds since 1970; a time before 1970 is 0.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time of a number of milliseconds since 1970; 1970 itself where this machine cannot represent it.
pub(crate) fn time(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH)
}
