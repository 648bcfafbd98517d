// Floor 0, a noun: any module may use it. Only this module and `files` call the operating system.
//! [`Clock`], the source of the current time; [`SystemClock`]; [`Moment`]; conversion to milliseconds since 1970.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

/// A source of the current time. The default is the system's clock; a test supplies its own.
pub trait Clock: Send + Sync + 'static {
    /// Returns the wall clock's time, which an operator or a time server may set to any time.
    fn wall(&self) -> SystemTime;

    /// Returns the time since a fixed moment, by a clock that never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }
}

/// One moment on both values of a [`Clock`], for whatever ends after a time, such as an entry of a cache.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub(crate) wall: SystemTime,
    monotonic: Duration,
}

impl Moment {
    /// Returns the present moment of this clock.
    pub fn now(clock: &dyn Clock) -> Self {
        Self { wall: clock.wall(), monotonic: clock.monotonic() }
    }

    /// Returns the time since this moment: the longer of the two clocks' values. The wall clock counts the time that a
    /// machine sleeps; the monotonic clock keeps counting when the wall clock is set back.
    pub fn age(&self, clock: &dyn Clock) -> Duration {
        let wall = clock.wall().duration_since(self.wall).unwrap_or_default();
        wall.max(clock.monotonic().saturating_sub(self.monotonic))
    }
}

/// Converts a time to milliseconds since 1970. A time before 1970 becomes 0.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Converts milliseconds since 1970 to a time. A time that this machine cannot represent becomes 1970.
pub(crate) fn time(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH)
}
